"""The what-if objective: its name, and the numbers that it uses. The names of the widgets are those of the URL.

Choosing an objective sets its numbers: to the trained ones where it is the trained objective, else to the published.
"""

import math
from dataclasses import replace

import streamlit as st

from apps.views.address import drop, prepare_number, prepare_option, remember
from core.objectives.settings import Name
from workbench.what_if.objective_words import LABELS, WEIGHTS
from workbench.what_if.what_if import Setting, first_setting

TEMPERATURES = (
    *(0.005, 0.0063, 0.008, 0.01, 0.0125, 0.016, 0.02, 0.025, 0.032, 0.04, 0.05, 0.063, 0.08),
    *(0.1, 0.14, 0.2, 0.3, 0.5, 0.7, 1.0),
)
# Highest strength and step of its slider. HCL's beta multiplies s / tau: it works at small values.
STRENGTHS: dict[Name, tuple[float, float]] = {"hard_debiased": (3.0, 0.1)}
USUAL_STRENGTH = (30.0, 0.5)
# Label, lowest, highest, step. Numbers that one objective alone has, or DCL and HCL.
OWN = {
    "margin": ("margin m", 0.0, 2.0, 0.1),
    "prior": ("prior: chance of being right", 0.0, 0.95, 0.05),
    "bias": ("bias b", -1000.0, 1000.0, 1.0),
}
CHOICES = ("alpha", "beta", "tau", *OWN)


def choose_objective(trained: Setting) -> Setting:
    """Return the what-if objective; at first the trained one."""
    name_column, strength_column, tau_column, own_column = st.columns([4, 5, 5, 4], gap="medium")
    with name_column:
        name = choose_name(trained)
    first = first_setting(name, trained)
    with strength_column:
        strength = choose_strength(first)
    with tau_column:
        temperature = choose_temperature(first, trained)
    with own_column:
        own = choose_own(first)
    st.caption(WEIGHTS[name])
    return replace(first, temperature=temperature, **strength, **own)


def choose_name(trained: Setting) -> Name:
    """Return one of all objectives; another choice lets the numbers begin anew."""
    prepare_option("objective", list(LABELS), trained.name)
    name = st.selectbox(
        "What if: objective",
        list(LABELS),
        key="objective",
        format_func=LABELS.__getitem__,
        on_change=drop,
        args=CHOICES,
        help="Its numbers start from the trained ones for the trained objective, else from the published ones.",
    )
    remember("objective", name)
    return name


def choose_strength(first: Setting) -> dict[str, float]:
    """alpha or beta by its name, or nothing for an objective without."""
    field = first.strength
    if field is None:
        st.slider(f"strength: {LABELS[first.name]} has none", 0.0, 1.0, 0.0, key="strength", disabled=True)
        return {}
    usual, step = STRENGTHS.get(first.name, USUAL_STRENGTH)
    start = first.numbers[field]
    highest = max(usual, math.ceil(start))
    prepare_number(field, 0.0, highest, start)
    st.session_state[field] = float(st.session_state[field])
    value = st.slider(f"{field}: strength of the weighting", 0.0, float(highest), key=field, step=step)
    remember(field, f"{value:g}")
    return {field: value}


def choose_temperature(first: Setting, trained: Setting) -> float:
    """tau, on a scale that holds the trained one and where the objective starts."""
    options = sorted({*TEMPERATURES, trained.temperature, first.temperature})
    prepare_option("tau", options, first.temperature)
    tau = st.select_slider("tau: temperature", options, key="tau", format_func=lambda value: f"{value:g}")
    remember("tau", tau)
    return tau


def choose_own(first: Setting) -> dict[str, float]:
    """Return the number that this objective has besides, by its name, or nothing."""
    field = next((each for each in OWN if each in first.numbers), None)
    if field is None:
        return {}
    label, low, high, step = OWN[field]
    start = first.numbers[field]
    prepare_number(field, low, max(high, start), start)
    st.session_state[field] = float(st.session_state[field])
    value = st.number_input(label, low, max(high, start), key=field, step=step, format="%g")
    remember(field, f"{value:g}")
    return {field: value}
