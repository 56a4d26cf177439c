"""What the sources offer, read from their syntax trees: nothing is imported, so nothing heavy is needed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name, and its syntax tree."""

    name: str
    is_package: bool
    tree: ast.Module

    @property
    def docstring(self) -> str:
        """What it says of itself."""
        return ast.get_docstring(self.tree) or ""


@dataclass(frozen=True)
class Value:
    """An attribute of a module or class: a constant, a field of a record, or a type under a name."""

    name: str
    annotation: str
    value: str
    docstring: str


def modules(root: Path, packages: tuple[str, ...]) -> list[Module]:
    """Every module of some packages, in order of their names."""
    paths = [path for package in packages for path in sorted((root / package).rglob("*.py"))]
    return sorted((read(path, root) for path in paths), key=lambda module: module.name)


def read(path: Path, root: Path) -> Module:
    """Read one source file."""
    inner = path.relative_to(root)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(inner))
    return Module(module_name(inner), path.name == "__init__.py", tree)


def module_name(inner: Path) -> str:
    """The dotted name of a source file, given by its path below the root."""
    return ".".join(inner.parent.parts if inner.name == "__init__.py" else inner.with_suffix("").parts)


def our_names(module: Module, packages: tuple[str, ...]) -> dict[str, str]:
    """What the names in a module mean in full: those that it defines, and those that it imports from our packages."""
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in packages
        for alias in node.names
    }
    return imported | {each.name: f"{module.name}.{each.name}" for each in public(module.tree.body)}


def is_public(name: str) -> bool:
    """Whether others may use a name; what Python itself calls (__post_init__) has no place in a reference."""
    return not name.startswith("_")


def public(body: list[ast.stmt]) -> Iterator[ast.ClassDef | Function | Value]:
    """The public classes, functions and values that some statements define, in their order; overloads count once."""
    last = {node.name: node for node in body if isinstance(node, Function)}
    for node, after in zip(body, [*body[1:], None], strict=True):
        found = as_value(node, after) if isinstance(node, ast.Assign | ast.AnnAssign) else node
        if isinstance(found, Function) and last[found.name] is not found:
            continue
        if isinstance(found, ast.ClassDef | Function | Value) and is_public(found.name):
            yield found


def as_value(node: ast.Assign | ast.AnnAssign, after: ast.stmt | None) -> Value | None:
    """An assignment to one name, with the string below it as its docstring."""
    below = after.value if isinstance(after, ast.Expr) else None
    docstring = below.value if isinstance(below, ast.Constant) and isinstance(below.value, str) else ""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        value = ast.unparse(node.value) if node.value is not None else ""
        return Value(node.target.id, ast.unparse(node.annotation), value, docstring)
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return Value(node.targets[0].id, "", ast.unparse(node.value), docstring)
    return None


def decorators(node: Function) -> set[str]:
    """The last names of a function's decorators: {"property"}, {"no_grad"}."""
    named = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return {ast.unparse(each).rsplit(".", 1)[-1] for each in named}


def is_property(node: Function) -> bool:
    """Whether a method reads like a value."""
    return bool(decorators(node) & {"property", "cached_property"})
