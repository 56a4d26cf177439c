"""The site: a broken link is an error, docstrings stand there as they were written, and nothing is fetched."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OBJECTIVES = """\'\'\'Losses; see `core.records.Item`.\'\'\'

from core.records import Item


class Loss:
    \'\'\'loss_i = -log(e^(s_ii/tau)).

    With |h| = 1 and *no* mean <t_i, t_j>_k; a `code_span`, a star * and _underscores_.

        A_ki = log sum_j e^(z_kij)   <- |z|

    alpha: how much r weighs.
    \'\'\'

    alpha: float = 9.0

    def of(self, item: Item, *, shape: Float[Tensor, "n d"]) -> None:
        \'\'\'Do nothing.

        Raises:
            ValueError: never,
                so to say.
        \'\'\'

    def _hidden(self) -> None:
        \'\'\'Hidden.\'\'\'
"""
SOUND = {
    "README.md": "# Title\n\n[guide](docs/guide.md#a-part) [code](core/objectives.py) [it](lessons/) [a](data.yaml)\n",
    "docs/guide.md": "# Guide\n\n## A part\n\n$\\alpha$ is `s_ij`. [back](../README.md)\n",
    "lessons/README.md": "# Course\n",
    "lessons/instructor/README.md": "# Guide of the instructor\n",
    "lessons/instructor/01.md": "# Notes\n",
    "CONTRIBUTING.md": "# Contributing\n",
    "CHANGELOG.md": "# Changelog\n",
    "data.yaml": "a: 1\n",
    "core/__init__.py": "'''Core.'''\n",
    "core/records.py": "'''Records.'''\n\n\nclass Item:\n    '''An item.'''\n",
    "core/objectives.py": OBJECTIVES,
    "workbench/__init__.py": "'''Looking.'''\n",
}
BROKEN = ("docs/nothing.md", "docs/guide.md#no-part", "core/nothing.py", "nothing.yaml", "nothing/")


def build(root: Path, builder: str, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Build the site of some files as the Makefile does."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "docs/conf.py", root / "docs")
    shutil.copytree(ROOT / "docs/rendering", root / "docs/rendering")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r"^SPHINX = \$\(BIN\)/python (.*)$", makefile, re.MULTILINE)
    command = [sys.executable, *options.split(), "-b", builder, ".", "site"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site of a small tree without a fault."""
    root = tmp_path_factory.mktemp("sound")
    done = build(root, "html", SOUND)
    assert done.returncode == 0, done.stderr
    return root / "site"


def text_of(page: Path) -> str:
    """What a page shows, without its markup."""
    return html.unescape(re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


def test_links_to_modules_folders_and_files_lead_somewhere(site):
    page = (site / "README.html").read_text(encoding="utf-8")
    assert 'href="docs/guide.html#a-part"' in page
    assert 'href="docs/reference/core.html#module-core.objectives"' in page
    assert 'href="lessons/README.html"' in page
    (copied,) = re.findall(r'href="(_downloads/[^"]*/data.yaml)"', page)
    assert (site / copied).read_text() == "a: 1\n"
    assert "README.html" in (site / "index.html").read_text()


def test_docstrings_stand_as_they_were_written(site):
    text = text_of(site / "docs/reference/core.html")
    assert "loss_i = -log(e^(s_ii/tau))." in text
    assert "With |h| = 1 and *no* mean <t_i, t_j>_k; a code_span, a star * and _underscores_." in text
    assert "A_ki = log sum_j e^(z_kij)   <- |z|" in text
    assert "alpha: how much r weighs." in text
    assert "never, so to say." in text
    assert "_hidden" not in text


def test_names_in_signatures_lead_to_what_they_were_imported_from(site):
    page = (site / "docs/reference/core.html").read_text(encoding="utf-8")
    assert page.count('href="#core.records.Item"') >= 2  # the docstring's and the signature's
    assert "shape: Float[Tensor, 'n d']" in text_of(site / "docs/reference/core.html")


def test_nothing_is_fetched_and_mathematics_is_drawn_by_the_browser(site):
    pages = [path.read_text(encoding="utf-8") for path in site.rglob("*.html")]
    fetched = re.compile(r"<(?:script|img|link)[^>]*=\"(?:https?:)?//[^>]*>")
    assert len(pages) > 5
    assert [each for page in pages for each in fetched.findall(page)] == []
    assert "<math" in (site / "docs/guide.html").read_text(encoding="utf-8")


def test_every_broken_link_is_named_and_fails(tmp_path):
    links = " ".join(f"[here]({each})" for each in BROKEN)
    done = build(tmp_path, "dummy", {**SOUND, "README.md": f"# Title\n\n{links} ![shot](nothing.png)\n"})
    assert done.returncode != 0
    named = [each for each in (*BROKEN, "nothing.png") if each.rpartition("#")[2].removeprefix("docs/") in done.stderr]
    assert named == [*BROKEN, "nothing.png"], done.stderr
