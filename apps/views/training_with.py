"""Other runs laid over the chosen one."""

from collections.abc import Sequence

import streamlit as st

from apps.views.address import prepare, remember
from apps.views.captions import escaped
from workbench.figures.curves import MOST_RUNS
from workbench.runs.runs import Run

APART = "/"
"""Between names in the URL: no folder's name holds it."""


def choose_others(run: Run, runs: Sequence[Run]) -> list[Run]:
    """Return the runs to lay over the chosen one, in the order of choice."""
    by_name = {each.name: each for each in runs if each.name != run.name and each.state != "imported"}
    if not by_name:
        return []
    chosen = choose_several("with", "With other runs", list(by_name), [], MOST_RUNS - 1)
    return [by_name[name] for name in chosen]


def choose_several(name: str, label: str, options: Sequence[str], default: list[str], most: int) -> list[str]:
    """Return several choices that the URL remembers; those of a link that are not here are told and left out.

    A choice with a "/" has a ":" in its place there.
    """
    named = {option.replace(APART, ":"): option for option in options}

    def read(text: str) -> list[str]:
        asked = [each for each in dict.fromkeys(text.split(APART)) if each]
        missing = [each for each in asked if each not in named]
        if missing and name not in st.session_state:  # else what was chosen has gone, which is no link's fault
            st.warning(escaped(f"The link asks for {name} = {', '.join(missing)[:80]}, which is not here; left out."))
        return [named[each] for each in asked if each in named][:most]

    prepare(name, read, lambda value: isinstance(value, list) and all(each in options for each in value), default)
    chosen = st.multiselect(label, options, key=name, max_selections=most)
    remember(name, APART.join(each.replace(APART, ":") for each in chosen))
    return list(chosen)
