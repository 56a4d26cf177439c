"""The explorer's state in its URL: a link reproduces what is on the page, and a bad link says what it could not do.

Each choice has one name, the key of its widget and the name in the URL. A run of the page begins with `read_address`:
where the URL is not what the page wrote last (a link, or the browser's Back), its choices replace those of the widgets.
Before a widget is made, `prepare` gives it its value; after, `remember` notes the choice. At the end `write_address`
puts all that was noted into the URL at once: one entry of the browser's history an action.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from apps.views.captions import escaped

Choice = TypeVar("Choice")
WRITTEN, NOTED, SEEN = "address: written", "address: noted", "address: seen"
"""In the session: what was written to the URL last, the choices noted since, and the value of each one's widget."""


def read_address() -> None:
    """Begin a run of the page: take the URL's choices over, unless they are those that the page wrote itself.

    A click may overtake the URL of the run before it, which then still says what was: as long as something else was
    done than going back, the page's own choices stand.
    """
    asked = st.query_params.to_dict()
    if asked != st.session_state.get(WRITTEN) and not touched():
        for name in {*st.session_state.get(NOTED, {}), *asked}:
            st.session_state.pop(name, None)
        st.session_state[NOTED], st.session_state[SEEN] = dict(asked), {}
        st.session_state[WRITTEN] = asked


def touched() -> bool:
    """Tell whether a widget or a button has changed a choice since the URL was written."""
    noted, seen = st.session_state.get(NOTED), st.session_state.get(SEEN, {})
    if noted is None:
        return False
    changed = any(name in st.session_state and st.session_state[name] != value for name, value in seen.items())
    return changed or noted != st.session_state.get(WRITTEN)


def write_address() -> None:
    """End a run of the page: put the choices into the URL."""
    noted = dict(st.session_state.get(NOTED, {}))
    if noted != st.query_params.to_dict():
        st.query_params.from_dict(noted)
    st.session_state[WRITTEN] = noted


def said(name: str) -> str | None:
    """Return what was noted for a choice, or else stands in the URL; None where there is neither."""
    return st.session_state.setdefault(NOTED, {}).get(name)


def prepare(name: str, read: Callable[[str], Choice | None], valid: Callable[[object], bool], default: Choice) -> None:
    """Set the widget's value: what it has, if still valid; else what the URL says, if `read` takes it; else default."""
    if name in st.session_state and valid(st.session_state[name]):
        return
    fresh = name not in st.session_state
    asked = said(name)
    value = read(asked) if asked is not None else None
    if value is None or not valid(value):
        if fresh and asked is not None:
            st.warning(
                f"The link asks for {name} = {escaped(asked[:80])}, which is not here. Shown instead: the default."
            )
        value = default
    st.session_state[name] = value


def remember(name: str, value: object) -> None:
    """Note a choice for the URL."""
    st.session_state.setdefault(NOTED, {})[name] = str(value)
    if name in st.session_state:
        st.session_state.setdefault(SEEN, {})[name] = st.session_state[name]


def prepare_option(name: str, options: Sequence[Choice], default: Choice) -> None:
    """`prepare` for one of some options, named in the URL by their `str`."""
    named = {str(option): option for option in options}
    prepare(name, named.get, lambda value: value in options, default)


def prepare_number(name: str, low: float, high: float, default: float) -> None:
    """`prepare` for a number in a range."""

    def read(text: str) -> float | None:
        try:
            return float(text)
        except ValueError:
            return None

    prepare(name, read, lambda value: isinstance(value, int | float) and low <= value <= high, default)


def prepare_words(name: str, longest: int = 200) -> None:
    """`prepare` for a line of words, empty by default."""
    prepare(name, lambda text: text[:longest], lambda value: isinstance(value, str) and len(value) <= longest, "")


def go_to(view: str, state: Mapping[str, str]) -> None:
    """Return a button's callback: show a view with some choices made."""
    put(state)
    st.session_state["view"] = view


def put(state: Mapping[str, str]) -> None:
    """Make some choices, as if their widgets had been used; "" forgets one."""
    noted = st.session_state.setdefault(NOTED, {})
    for name, value in state.items():
        st.session_state.pop(name, None)
        st.session_state.get(SEEN, {}).pop(name, None)
        if value:
            noted[name] = value
        else:
            noted.pop(name, None)


def drop(*names: str) -> None:
    """Forget choices, so that the default decides anew."""
    put(dict.fromkeys(names, ""))
