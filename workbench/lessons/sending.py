"""A function as the text of a program: what a process that has never seen the notebook needs in order to run it.

Functions and classes of a notebook go by their source, with the functions, classes, plain values and modules that they
name. What can be imported is imported. Nothing is pickled, so what another process runs can be read.
"""

import ast
import builtins
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from types import CodeType, FunctionType, ModuleType
from typing import Any

FUTURE = "from __future__ import annotations\n"
"""Annotations then stay text, and what only they name is not needed."""


class CannotSend(ValueError):
    """The function needs something that cannot be written as a program."""


def program(function: Callable[..., Any]) -> tuple[str, str]:
    """Return the program that defines a function, and the function's name in it.

    Raises:
        CannotSend: it is no plain function with a name, is a closure, or names a value of the notebook that is
            neither plain (number, text, tuple, ...) nor a function, class or module.
    """
    name = getattr(function, "__name__", "")
    if not isinstance(function, FunctionType) or not name.isidentifier():
        raise CannotSend(f"{function!r} is no function that was written with `def`; only such functions can be sent.")
    parts: dict[str, str] = {}
    add(name, function, parts)
    return FUTURE + "\n\n".join(parts.values()) + "\n", name


def add(name: str, value: object, parts: dict[str, str]) -> None:
    """Add what defines `name`, after what it needs itself."""
    if name in parts:
        return
    if isinstance(value, ModuleType):
        parts[name] = f"import {value.__name__} as {name}" if "." in value.__name__ else aliased(value.__name__, name)
    elif (home := importable(value)) is not None:
        parts[name] = f"from {home} import {aliased(str(getattr(value, '__name__', name)), name, '')}"
    elif isinstance(value, FunctionType | type):
        parts[name] = ""
        text = source(value)
        for needed, found in needs(text, value).items():
            add(needed, found, parts)
        del parts[name]
        parts[name] = text if value.__name__ == name else f"{text}\n\n{name} = {value.__name__}"
    elif plain(value):
        parts[name] = f"{name} = {value!r}"
    else:
        raise CannotSend(
            f"the function uses `{name}`, a {type(value).__name__} of the notebook, which other processes do not have. "
            "Pass it as an argument."
        )


def aliased(name: str, alias: str, keyword: str = "import ") -> str:
    """`import name`, or `import name as alias` where they differ."""
    return keyword + (name if name == alias else f"{name} as {alias}")


def importable(value: object) -> str | None:
    """Return the module that a value can be imported from by its own name; None for what is defined in the notebook."""
    home, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(home, str) or not isinstance(name, str) or not installed(home.partition(".")[0]):
        return None
    return home if getattr(sys.modules.get(home), name, None) is value else None


def installed(package: str) -> bool:
    """Tell whether any process here can import a module or package of this name."""
    if package in sys.stdlib_module_names:
        return True
    found = PathFinder.find_spec(package)
    return found is not None and found.origin is not None


def plain(value: object) -> bool:
    """Tell whether a value's text makes the same value again."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def source(value: FunctionType | type) -> str:
    """Return the text that defines a function or a class, also in a notebook's cell.

    Raises:
        CannotSend: there is none, or the function is a closure.
    """
    if isinstance(value, FunctionType):
        if value.__code__.co_freevars:
            raise CannotSend(
                f"{value.__name__} is defined inside another function and uses its {value.__code__.co_freevars}; "
                "define it in a cell of its own, and pass what it needs as arguments."
            )
        try:
            return textwrap.dedent(inspect.getsource(value))
        except OSError as error:
            raise CannotSend(f"the source of {value.__name__} is not to be found.") from error
    return class_source(value)


def class_source(value: type) -> str:
    """Return a class's text, found by its methods: `inspect` looks for classes in files alone, and a cell is none.

    Raises:
        CannotSend: it has no methods, or its text is not to be found.
    """
    for function in methods(value):
        code: CodeType = function.__code__
        text = "".join(linecache.getlines(code.co_filename))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and node.name == value.__name__ and node.end_lineno is not None:
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if first <= code.co_firstlineno <= node.end_lineno:
                    return textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno]))
    raise CannotSend(f"the source of the class {value.__name__} is not to be found; give it a method.")


def methods(value: type) -> list[FunctionType]:
    """Return the functions written in a class's body."""
    found = [getattr(each, "__func__", each) for each in vars(value).values()]
    return [each for each in found if isinstance(each, FunctionType) and each.__qualname__.startswith(value.__name__)]


def needs(text: str, value: FunctionType | type) -> Mapping[str, object]:
    """Return the names outside a definition that it refers to, with what they mean where it was defined."""
    written = value if isinstance(value, FunctionType) else methods(value)[0]
    names = referred(symtable.symtable(FUTURE + text, "cell", "exec"), top=True) - {value.__name__}
    known = written.__globals__
    return {name: known[name] for name in sorted(names) if name in known and not hasattr(builtins, name)}


def referred(table: symtable.SymbolTable, top: bool = False) -> set[str]:
    """Global names that a table or those within it refer to."""
    own = {each.get_name() for each in table.get_symbols() if each.is_referenced() and (top or each.is_global())}
    return own.union(*(referred(child) for child in table.get_children()))
