"""An executed notebook as one self-contained page: formulas as MathML, figures by plotly.js, light and dark."""

import json
from collections.abc import Iterable, Iterator
from html import escape
from itertools import count
from string import Template

import plotly.offline
from latex2mathml.converter import convert
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from workbench.lessons.source import tags

FIGURE = "application/vnd.plotly.v1+json"
PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
<main>
$body
</main>
$script
</body>
</html>
""")
STYLE = """\
:root { --text: #1a1a1a; --page: #ffffff; --soft: #f4f5f7; --line: #d5d8dd; --link: #1a5fa8; --error: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --text: #dddddd; --page: #111111; --soft: #1d1f22; --line: #3a3d42; --link: #7db8f0; --error: #ff8a80; }
}
body { color: var(--text); background: var(--page); font: 17px/1.55 system-ui, sans-serif; margin: 0; }
main { max-width: 820px; margin: 0 auto; padding: 24px 16px 80px; }
h1, h2, h3 { line-height: 1.25; margin: 1.6em 0 0.5em; }
h1 { margin-top: 0.2em; }
a { color: var(--link); }
.anchor-link { visibility: hidden; text-decoration: none; margin-left: 0.3em; }
h1:hover .anchor-link, h2:hover .anchor-link, h3:hover .anchor-link { visibility: visible; }
pre { font: 14px/1.5 ui-monospace, monospace; margin: 0; overflow-x: auto; }
code { font-family: ui-monospace, monospace; font-size: 0.9em; background: var(--soft); padding: 0.1em 0.25em; }
pre code { background: none; padding: 0; font-size: inherit; }
.highlight { background: var(--soft); border-left: 3px solid var(--line); padding: 10px 12px; margin: 1em 0 0.4em; }
.exercise .highlight { border-left-color: #e0621b; }
.output { margin: 0.4em 0 1.2em; padding-left: 15px; overflow-x: auto; }
.output.error { color: var(--error); }
.figure { margin: 0.6em 0 1.4em; }
.instructor { border-left: 3px solid #a86bc4; padding-left: 12px; }
.predict, .explain { border-left: 3px solid #2a87c8; padding-left: 12px; }
details { border: 1px solid var(--line); border-radius: 4px; padding: 6px 12px; margin: 0.5em 0; }
summary { cursor: pointer; }
table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto; }
td, th { border: 1px solid var(--line); padding: 4px 10px; text-align: left; vertical-align: top; }
blockquote { margin: 1em 0; padding-left: 12px; border-left: 3px solid var(--line); }
math[display="block"] { margin: 1em 0; overflow-x: auto; }
img { max-width: 100%; }
"""
DRAW = """
for (const data of document.querySelectorAll("script.figure-data")) {
  const figure = JSON.parse(data.textContent);
  const place = data.previousElementSibling;
  Plotly.newPlot(place, {
    data: figure.data, layout: figure.layout, frames: figure.frames,
    config: { responsive: true, displaylogo: false },
  });
}
"""


def page(title: str, cells: Iterable[NotebookNode]) -> str:
    """The page. plotly.js is in it once, if there is a figure at all.

    Raises:
        ValueError: an output is of no kind that a page can show.
    """
    body = "\n".join(drawn_cells(cells))
    script = (
        f"<script>{plotly.offline.get_plotlyjs()}</script>\n<script>{DRAW}</script>" if "figure-data" in body else ""
    )
    return PAGE.substitute(title=escape(title), style=style(), body=body, script=script)


def style() -> str:
    """The page's own style, and colours of code in light and in dark."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{STYLE}"


def drawn_cells(cells: Iterable[NotebookNode]) -> Iterator[str]:
    """Each cell as HTML."""
    figures = count(1)
    for cell in cells:
        classes = " ".join([cell.cell_type, *tags(cell)])
        if cell.cell_type == "markdown":
            yield f'<section class="{classes}">\n{markdown(cell.source)}\n</section>'
        elif cell.source.strip():
            code = highlight(cell.source, PythonLexer(), HtmlFormatter())
            outputs = "\n".join(drawn_output(output, figures) for output in cell.outputs)
            yield f'<section class="{classes}">\n{code}{outputs}\n</section>'


class WithMathML(IPythonRenderer):
    """Markdown whose formulas become MathML, which browsers draw themselves."""

    def inline_math(self, body: str) -> str:
        """A formula within a line."""
        return convert(body)

    def block_math(self, body: str) -> str:
        """A formula in a line of its own."""
        # the converter knows the environment that stands alone, not the one within a formula
        return convert(body.replace("{aligned}", "{align*}"), display="block")


def markdown(text: str) -> str:
    """Markdown as HTML."""
    return MarkdownWithMath(renderer=WithMathML(escape=False, anchor_link_text="#")).render(text)


def drawn_output(output: NotebookNode, figures: Iterator[int]) -> str:
    """One output as HTML: the richest form that it has.

    Raises:
        ValueError: it has none that a page can show.
    """
    if output.output_type == "stream":
        kind = "output error" if output.name == "stderr" else "output"
        return f'<pre class="{kind}">{ansi2html(output.text)}</pre>'
    if output.output_type == "error":
        return f'<pre class="output error">{ansi2html(chr(10).join(output.traceback))}</pre>'
    data = output.data
    if FIGURE in data:
        return drawn_figure(data[FIGURE], next(figures))
    if "text/html" in data:
        return f'<div class="output">{data["text/html"]}</div>'
    if "image/svg+xml" in data:
        return f'<div class="output">{data["image/svg+xml"]}</div>'
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return f'<div class="output"><img alt="" src="data:{kind};base64,{data[kind].strip()}"></div>'
    if "text/markdown" in data:
        return f'<div class="output">{markdown(data["text/markdown"])}</div>'
    if "text/plain" in data:
        return f'<pre class="output">{ansi2html(data["text/plain"])}</pre>'
    raise ValueError(f"an output has only {sorted(data)}, which no page can show.")


def drawn_figure(figure: NotebookNode, number: int) -> str:
    """The place of a figure and its data; a script at the page's end draws it there."""
    height = int(figure.get("layout", {}).get("height", 380))
    data = json.dumps(figure).replace("<", "\\u003c")
    return (
        f'<div class="figure" id="figure-{number}" style="min-height: {height}px"></div>'
        f'<script type="application/json" class="figure-data">{data}</script>'
    )
