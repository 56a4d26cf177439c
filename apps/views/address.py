"""The explorer's state in its URL: a link reproduces what is on the page, and a bad link says what it could not do.

Each choice has one name, the key of its widget and the name in the URL. Before the widget is made, `prepare` gives it
the URL's value; after, `remember` writes the choice back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from apps.views.captions import escaped

Choice = TypeVar("Choice")


def prepare(name: str, read: Callable[[str], Choice | None], valid: Callable[[object], bool], default: Choice) -> None:
    """Set the widget's value: what it has, if still valid; else what the URL says, if `read` takes it; else default."""
    if name in st.session_state and valid(st.session_state[name]):
        return
    fresh = name not in st.session_state
    said = st.query_params.get(name)
    value = read(said) if said is not None else None
    if value is None or not valid(value):
        if fresh and said is not None:
            st.warning(
                f"The link asks for {name} = {escaped(said[:80])}, which is not here. Shown instead: the default."
            )
        value = default
    st.session_state[name] = value


def remember(name: str, value: object) -> None:
    """Put a choice in the URL."""
    if st.query_params.get(name) != str(value):
        st.query_params[name] = str(value)


def prepare_option(name: str, options: Sequence[Choice], default: Choice) -> None:
    """`prepare` for one of some options, named in the URL by their `str`."""
    named = {str(option): option for option in options}
    prepare(name, named.get, lambda value: value in options, default)


def prepare_number(name: str, low: float, high: float, default: float) -> None:
    """`prepare` for a number in a range."""

    def read(said: str) -> float | None:
        try:
            return float(said)
        except ValueError:
            return None

    prepare(name, read, lambda value: isinstance(value, int | float) and low <= value <= high, default)


def go_to(view: str, state: Mapping[str, str]) -> None:
    """Return a button's callback: show a view with some choices made."""
    drop(*state)
    for name, value in state.items():
        st.query_params[name] = value
    st.session_state["view"] = view


def drop(*names: str) -> None:
    """Forget choices, so that the URL or the default decides anew."""
    for name in names:
        st.session_state.pop(name, None)
        st.query_params.pop(name, None)
