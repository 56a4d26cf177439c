"""Pages of the public API, one a package, made from the tree before Sphinx looks for pages.

They are written to docs/reference/ (not under version control) in the terms of Sphinx's Python domain.
"""

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

from docs.rendering.as_written import as_rst, first_paragraph
from docs.rendering.modules import Function, Module, Value, decorators, is_property, modules, our_names, public

PACKAGES = ("core", "workbench")
FOLDER = "docs/reference"
SHOWN = 120
"""The most characters of a constant's value that are shown."""


def write_pages(tables: dict[str, dict[str, str]], app: Sphinx) -> None:
    """Write the pages of all packages that exist, remove those of packages that do not any more, and note names."""
    root, folder = Path(app.srcdir), Path(app.srcdir) / FOLDER
    found = modules(root, PACKAGES)
    pages = {folder / f"{package.name}.rst": page(package, found) for package in found if package.is_package}
    for stale in set(folder.rglob("*.rst")) - set(pages):
        stale.unlink()
    for path, text in pages.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    tables.update({module.name: our_names(module, PACKAGES) for module in found})


def page(package: Module, found: list[Module]) -> str:
    """The page of a package: what it says of itself, the packages below it, and a section for each module."""
    inner = [each for each in found if each.name.rpartition(".")[0] == package.name]
    packages, files = ([each for each in inner if each.is_package is kind] for kind in (True, False))
    parts = [
        *heading(package, "="),
        *subpackages(packages),
        *(f"* :py:mod:`{each.name}`: {first_paragraph(each.docstring)}" for each in files),
        "",
        *members(package),
    ]
    for each in files:
        parts += [*heading(each, "-"), *members(each)]
    return "\n".join(parts) + "\n"


def heading(module: Module, underline: str) -> Iterator[str]:
    """The title of a page or section, where the source lies, and what it says of itself."""
    yield from (module.name.replace("_", "\\_"), underline * 2 * len(module.name), "")
    yield from (f".. py:module:: {module.name}", "", as_rst(module.docstring))


def members(module: Module) -> Iterator[str]:
    """The directives of all that a module offers."""
    return (line for each in public(module.tree.body) for line in entry(each))


def subpackages(packages: list[Module]) -> Iterator[str]:
    """The packages within one: a list with what each says first, and the same for the sidebar."""
    for each in packages:
        yield f"* :doc:`/{FOLDER}/{each.name}`: {first_paragraph(each.docstring)}"
    yield from ("", ".. toctree::", "   :hidden:", "") if packages else ()
    yield from (f"   {each.name.rpartition('.')[2]} </{FOLDER}/{each.name}>" for each in packages)
    yield ""


def entry(node: ast.ClassDef | Function | Value, owner: ast.ClassDef | None = None) -> Iterator[str]:
    """The directive of one class, function or value, and of a class's members within it."""
    if isinstance(node, Value):
        head, options, docstring = value_head(node, owner)
    elif isinstance(node, ast.ClassDef):
        bases = f"({', '.join(ast.unparse(base) for base in node.bases)})" if node.bases else ""
        head, options, docstring = f".. py:class:: {node.name}{bases}", [], ast.get_docstring(node)
    else:
        head, options, docstring = function_head(node, owner)
    yield from (head, *(f"   {option}" for option in options), "")
    yield from indent(as_rst(docstring or ""))
    yield ""
    if isinstance(node, ast.ClassDef):
        for member in public(node.body):
            yield from (*indent("\n".join(entry(member, node))), "")
    yield ""


def value_head(node: Value, owner: ast.ClassDef | None) -> tuple[str, list[str], str]:
    """Directive, options and docstring of a value."""
    options = [f":type: {node.annotation}"] if node.annotation not in ("", "TypeAlias") else []
    if node.value:
        value = " ".join(node.value.split())
        options.append(f":value: {value if len(value) <= SHOWN else value[: SHOWN - 3] + '...'}")
    return f".. py:{'attribute' if owner else 'data'}:: {node.name}", options, node.docstring


def function_head(node: Function, owner: ast.ClassDef | None) -> tuple[str, list[str], str | None]:
    """Directive, options and docstring of a function, method or property."""
    marks = decorators(node)
    returned = ast.unparse(node.returns) if node.returns is not None else ""
    if is_property(node):
        return f".. py:property:: {node.name}", [f":type: {returned}"] if returned else [], ast.get_docstring(node)
    arguments = ast.unparse(node.args)
    if owner is not None and "staticmethod" not in marks:
        arguments = arguments.partition(", ")[2]  # self or cls, which nobody passes
    signature = f"{node.name}({arguments})" + (f" -> {returned}" if returned else "")
    options = [f":{mark}:" for mark in ("classmethod", "staticmethod", "abstractmethod") if mark in marks]
    options += [":async:"] if isinstance(node, ast.AsyncFunctionDef) else []
    return f".. py:{'method' if owner else 'function'}:: {signature}", options, ast.get_docstring(node)


def indent(text: str) -> Iterator[str]:
    """Lines one level deeper."""
    return (f"   {line}".rstrip() for line in text.splitlines())


def link_names(tables: dict[str, dict[str, str]], app: Sphinx, doctree: nodes.document) -> None:
    """Link the names in signatures to what they mean in their module, where that is ours, and leave others unlinked.

    Sphinx would look every name up among the last names of all objects: slow, and wrong where two modules use one name.
    """
    for node in list(doctree.findall(pending_xref)):
        table = tables.get(node.get("py:module", ""))
        if node.get("refdomain") != "py" or table is None:
            continue
        first, dot, rest = node["reftarget"].partition(".")
        if first in table:
            node["reftarget"] = f"{table[first]}{dot}{rest}"
        elif first not in PACKAGES:
            node.replace_self(node.children)
        node["refspecific"] = False


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them; link the names of what it has read."""
    tables: dict[str, dict[str, str]] = {}
    app.connect("builder-inited", partial(write_pages, tables))
    app.connect("doctree-read", partial(link_names, tables))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
