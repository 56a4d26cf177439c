"""The names that `import` finds among the installed packages."""

from functools import cache
from importlib.metadata import packages_distributions


@cache
def installed() -> frozenset[str]:
    """Their names, asked for once: the answer takes every package's list of files."""
    return frozenset(packages_distributions())
