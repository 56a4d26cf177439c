"""A switch that the URL remembers: what costs time is computed only while it is on."""

import streamlit as st

from apps.views.address import prepare_option, remember


def switched_on(name: str, label: str, help_text: str | None = None) -> bool:
    """Tell whether a switch, at first off, is on."""
    prepare_option(name, [True, False], False)
    chosen = st.toggle(label, key=name, help=help_text)
    remember(name, chosen)
    return chosen
