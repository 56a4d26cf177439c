"""An executed notebook as one self-contained page: formulas as MathML, figures by plotly.js, light and dark."""

from collections.abc import Iterable, Mapping

import plotly.offline
from latex2mathml.converter import convert
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from core.files.documents import templates
from workbench.lessons.source import tags

FIGURE = "application/vnd.plotly.v1+json"
KINDS = (FIGURE, "text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain")
"""What a page can show of an output, the richest first."""


def page(title: str, cells: Iterable[NotebookNode]) -> str:
    """Return the page. plotly.js is in it once, if there is a figure at all.

    Raises:
        ValueError: an output is of no kind that a page can show.
    """
    return TEMPLATES.get_template("lesson.html.j2").render(title=title, cells=cells, code_style=code_style())


def code_style() -> str:
    """Colours of code in light and in dark."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}"


class WithMathML(IPythonRenderer):
    """Markdown whose formulas become MathML, which browsers draw themselves."""

    def inline_math(self, body: str) -> str:
        """Return a formula within a line."""
        return convert(body)

    def block_math(self, body: str) -> str:
        """Return a formula in a line of its own."""
        # the converter knows the environment that stands alone, not the one within a formula
        return convert(body.replace("{aligned}", "{align*}"), display="block")


def markdown(text: str) -> str:
    """Markdown as HTML."""
    return MarkdownWithMath(renderer=WithMathML(escape=False, anchor_link_text="#")).render(text)


def code(text: str) -> str:
    """Python as coloured HTML."""
    return highlight(text, PythonLexer(), HtmlFormatter())


def richest(data: Mapping[str, object]) -> str:
    """Return the first of KINDS that an output has.

    Raises:
        ValueError: it has none.
    """
    for kind in KINDS:
        if kind in data:
            return kind
    raise ValueError(f"an output has only {sorted(data)}, which no page can show.")


TEMPLATES = templates(__file__)
TEMPLATES.filters |= {"markdown": markdown, "code": code, "ansi": ansi2html, "richest": richest}
TEMPLATES.globals |= {"tags": tags, "figure": FIGURE, "plotly": plotly.offline.get_plotlyjs}
