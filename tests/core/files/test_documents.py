"""Templates escape in HTML, tell of what is missing, and make Markdown tables that hold any text."""

import pytest
from jinja2 import UndefinedError

from core.files.documents import flowed, line, templates


@pytest.fixture
def found(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "a.html.j2").write_text("<style>{% include 'a.css' %}</style>\n<p>{{ caption }}</p>\n")
    (folder / "a.css").write_text("a > b { color: red }")
    (folder / "a.md.j2").write_text("{{ [caption, 1] | line }}\n{% filter flowed %}\n one\n two\n{% endfilter %}\n")
    return templates(str(tmp_path / "code.py"))


def test_html_is_escaped_and_its_style_is_not(found):
    text = found.get_template("a.html.j2").render(caption="<script>alert('x')</script>")
    assert text == ("<style>a > b { color: red }</style>\n<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</p>\n")


def test_markdown_is_not_escaped(found):
    assert found.get_template("a.md.j2").render(caption="a < b") == "| a < b | 1 |\none two"


def test_what_is_not_filled_in_is_told(found):
    for name in ("a.html.j2", "a.md.j2"):
        with pytest.raises(UndefinedError, match="caption"):
            found.get_template(name).render()


def test_a_cell_cannot_end_its_cell_or_its_line():
    assert line(["a|b", "two\n lines", 3, ""]) == "| a\\|b | two lines | 3 |  |"
    assert flowed("  a\n\tb  c ") == "a b c"
