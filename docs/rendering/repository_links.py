"""Links that mean something on a git host mean the same on the site: to sources, to folders; and its table of contents.

A link to a module of ours leads to its page in the reference, a link to a folder to the README in it. Other files are
copied to the site. A link to what does not exist stays a warning, which `make docs` and `make check` take for an error.
"""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx

from docs.rendering.modules import module_name
from docs.rendering.reference import PACKAGES

TREE = """

```{{toctree}}
:hidden:
:glob:
{caption}
{pages}
```
"""
CONTENTS = {
    "README": {
        "Guides": "docs/*",
        "Reference": "docs/reference/core\ndocs/reference/workbench",
        "Course": "lessons/README",
        "Project": "CONTRIBUTING\nCHANGELOG",
    },
    "lessons/README": {"": "*/README"},
    "lessons/instructor/README": {"": "*"},
    "lessons/capstone/README": {"": "*/*"},
}
"""What lies below a page in the site's contents; a git host shows folders in their place."""
REDIRECT = '<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={page}.html">\n'


def add_contents(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Give a page the contents of what lies below it; in its file a git host would show them as code."""
    for caption, pages in CONTENTS.get(docname, {}).items():
        source[0] += TREE.format(caption=f":caption: {caption}\n" if caption else "", pages=pages)


def lead_to_pages(app: Sphinx, doctree: nodes.document) -> None:
    """Turn links to modules and folders into links to their pages, before Sphinx copies the files."""
    for node in [*doctree.findall(download_reference), *doctree.findall(pending_xref)]:
        if node.get("reftype") != "myst" or node["reftarget"].startswith("#"):
            continue
        place = Path(app.env.relfn2path(node["reftarget"].partition("#")[0], node["refdoc"])[1])
        page = page_of(Path(app.srcdir), place)
        if page is not None:
            node.replace_self(pending_xref("", *node.children, refdoc=node["refdoc"], refexplicit=True, **page))


def page_of(root: Path, place: Path) -> dict[str, str | None] | None:
    """The target of a link to a module or a folder, in Sphinx's terms; None for anything else."""
    if not place.is_relative_to(root):
        return None
    inner = place.relative_to(root)
    if inner.suffix == ".py" and inner.parts[0] in PACKAGES and place.is_file():
        return {"refdomain": "py", "reftype": "mod", "reftarget": module_name(inner)}
    if (place / "README.md").is_file():
        document = (inner / "README").as_posix()
        return {"refdomain": "doc", "reftype": "myst", "reftarget": document, "reftargetid": None}
    return None


def redirect(app: Sphinx, error: Exception | None) -> None:
    """Let the folder of the site open at its first page."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "index.html").write_text(REDIRECT.format(page=app.config.root_doc), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the three to the build."""
    app.connect("source-read", add_contents)
    app.connect("doctree-read", lead_to_pages, priority=400)
    app.connect("build-finished", redirect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
