"""Cells as HTML: every kind of output, formulas as MathML, no address of another machine."""

import dataclasses
import json
import re

import mini_lesson
import nbformat
import plotly.graph_objects as go
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from workbench.lessons.page import FIGURE, TEMPLATES, markdown, page
from workbench.lessons.source import read_source


def code(source, *outputs, **metadata):
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


def data(**kinds):
    return new_output("display_data", data={kind.replace("_", "/"): value for kind, value in kinds.items()})


def body(*cells):
    return page("T", cells).partition("<main>")[2].partition("</main>")[0]


def test_formulas_become_mathml():
    drawn = markdown(
        "In a line $a_i < b$, and\n\n$$\\begin{aligned} a &= b \\\\ c &= \\frac12 \\end{aligned}$$\n\nnot `$x$`."
    )
    assert drawn.count("<math") == 2
    assert drawn.count('display="block"') == 1
    assert "<mtr>" in drawn
    assert "<mfrac>" in drawn
    assert "<code>$x$</code>" in drawn
    assert "$a" not in drawn
    assert "<mi>&</mi>" not in drawn


def test_a_hint_stays_folded_with_its_markdown_and_formula():
    drawn = markdown("<details><summary>Hint 1: the idea</summary>\n\nUse *both*: $x$.\n\n</details>")
    assert "<details><summary>Hint 1: the idea</summary>" in drawn
    assert "<em>both</em>" in drawn
    assert "<math" in drawn
    assert drawn.rstrip().endswith("</details>")


def test_code_is_shown_and_never_becomes_markup():
    drawn = body(
        code("x = '<b>&'", new_output("stream", name="stdout", text="<i>\x1b[31mred\x1b[0m\n"), tags=["exercise"])
    )
    assert '<section class="code exercise">' in drawn
    assert "&lt;b&gt;&amp;" in drawn
    assert "&lt;i&gt;" in drawn
    assert "<b>" not in drawn
    assert "\x1b" not in drawn


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (data(text_plain="1 < 2"), '<pre class="output">1 &lt; 2</pre>'),
        (data(text_plain="no", text_html="<table></table>"), '<div class="output"><table></table></div>'),
        (data(text_plain="no", image_png="QUJD\n"), '<img alt="" src="data:image/png;base64,QUJD">'),
        (data(text_plain="no", text_markdown="**bold**"), "<strong>bold</strong>"),
        (new_output("stream", name="stderr", text="careful"), '<pre class="output error">careful</pre>'),
        (
            new_output("error", ename="E", evalue="v", traceback=["Not yet"]),
            '<pre class="output error">Not yet</pre>',
        ),
    ],
)
def test_outputs_are_shown_in_their_richest_form(output, expected):
    drawn = body(code("f()", output))
    assert expected in drawn
    assert ">no<" not in drawn


def test_an_output_that_no_page_can_show_is_told():
    with pytest.raises(ValueError, match=r"an output has only \['application/x-unknown'\]"):
        body(code("f()", data(**{"application_x-unknown": "?"})))


def test_figures_are_numbered_and_their_data_cannot_end_the_script():
    figure = go.Figure(layout={"title": {"text": "</script><b>"}, "height": 444}).to_plotly_json()
    cell = code("figure", data(**{FIGURE.replace("/", "_"): nbformat.from_dict(figure)}))
    drawn = body(cell, cell)
    places = re.findall(r'id="(figure-\d)" style="min-height: (\d+)px"', drawn)
    assert places == [("figure-1", "444"), ("figure-2", "444")]
    assert drawn.count("</script>") == 2
    assert drawn.count("\\u003c/script\\u003e") == 2
    data_of_both = re.findall('class="figure-data">(.*)</script>', drawn)
    assert [json.loads(each) == figure for each in data_of_both] == [True, True]


def test_plotly_is_there_once_and_only_for_figures():
    figure = data(**{FIGURE.replace("/", "_"): nbformat.from_dict(go.Figure().to_plotly_json())})
    assert len(page("T", [new_markdown_cell("text")])) < 40_000
    assert page("T", [code("a", figure), code("b", figure)]).count("plotly.js v") == 1


def test_the_title_is_escaped_and_both_colour_schemes_are_there():
    text = page("a < b", [])
    assert "<title>a &lt; b</title>" in text
    assert text.count("prefers-color-scheme: dark") == 2
    assert not re.search(r"""(?:src|href)=["']https?://""", text)


def test_titles_in_the_list_of_lessons_are_escaped(tmp_path):
    source = read_source(mini_lesson.write(tmp_path))
    hostile = dataclasses.replace(source.lesson, title="<script>alert(1)</script> & more")
    text = TEMPLATES.get_template("index.html.j2").render(
        title="All", chosen=[dataclasses.replace(source, lesson=hostile)]
    )
    assert '<a href="03_mini.html">&lt;script&gt;alert(1)&lt;/script&gt; &amp; more</a>' in text
    assert "<script" not in text
