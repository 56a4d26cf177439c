"""One of the two objectives that are compared: its name, and its numbers, by the names that they have in the URL.

Another objective moves nothing that was set, unless it must; then it says what (`workbench.what_if.begin`).
"""

import math
from dataclasses import dataclass, replace

import streamlit as st

from apps.views.address import prepare_number, prepare_option, put, remember, said
from core.objectives.settings import Name
from workbench.what_if.begin import OF_ITS_OWN, OF_SCALE, moved
from workbench.what_if.objective_words import LABELS, WEIGHTS
from workbench.what_if.what_if import Setting

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
TAUS = {"temperature": "tau"}


@dataclass(frozen=True)
class Side:
    """This objective, or that one. prefix: begins the names of its numbers in the URL; key: its name there."""

    key: str
    prefix: str
    label: str

    def name(self, field: str) -> str:
        """Return the name of one of its numbers in the URL."""
        return self.prefix + TAUS.get(field, field)


THIS, THAT = Side("objective", "", "This objective"), Side("that", "that_", "against that")


def choose_objective(side: Side, first: Setting, trained: Setting | None, same_tau: float | None = None) -> Setting:
    """Return an objective with its numbers.

    first: where it begins. trained: None where it is not known. same_tau: the tau of the other one, which this one has
    too unless it is told otherwise.
    """
    name_column, strength_column, tau_column, own_column = st.columns([4, 5, 5, 4], gap="medium")
    with name_column:
        name = choose_name(side, first, trained)
    begins = moved(first, name, trained, last_strength(side)).setting
    with strength_column:
        strength = choose_strength(side, begins)
    with tau_column:
        temperature = choose_temperature(side, begins, same_tau)
    with own_column:
        own = choose_own(side, begins)
    chosen = replace(begins, temperature=temperature, **strength, **own)
    st.session_state[f"{side.key}: chosen"] = chosen
    told = st.session_state.get(f"{side.key}: moved", ())
    st.caption(" ".join([WEIGHTS[name], *told]))
    return chosen


def choose_name(side: Side, first: Setting, trained: Setting | None) -> Name:
    """Return one of all objectives; another choice moves no number that it need not."""
    prepare_option(side.key, list(LABELS), first.name)
    name = st.selectbox(
        side.label,
        list(LABELS),
        key=side.key,
        format_func=LABELS.__getitem__,
        on_change=change_objective,
        args=(side, trained),
        help="Tau and strength stay what they are; what cannot stay is told below.",
    )
    remember(side.key, name)
    return name


def change_objective(side: Side, trained: Setting | None) -> None:
    """Return the callback of another objective: keep the numbers, and note what could not be kept."""
    before: Setting = st.session_state[f"{side.key}: chosen"]
    name: Name = st.session_state[side.key]
    found = moved(before, name, trained, last_strength(side))
    numbers = {field: value for field, value in found.setting.numbers.items() if field != "temperature"}
    # A strength of before stays in the URL for an objective that has one again, unless its scale is HCL's.
    stale = OF_SCALE if found.setting.strength or before.name in OF_ITS_OWN else ()
    put(dict.fromkeys(map(side.name, stale), "") | {side.name(field): f"{value:g}" for field, value in numbers.items()})
    st.session_state[f"{side.key}: moved"] = found.words


def last_strength(side: Side) -> float | None:
    """Return the strength that was used last, where the URL still says it and its scale is the usual one."""
    before = st.session_state.get(f"{side.key}: chosen")
    held = [said(side.name(field)) for field in OF_SCALE]
    known = [float(each) for each in held if each is not None and is_strength(each)]
    return known[0] if known and (before is None or before.strength is None) else None


def is_strength(text: str) -> bool:
    """Tell whether words are a number that a strength may have."""
    try:
        return 0 <= float(text) <= 100
    except ValueError:
        return False


def choose_strength(side: Side, begins: Setting) -> dict[str, float]:
    """alpha or beta by its name, or nothing for an objective without."""
    field = begins.strength
    if field is None:
        key = side.name("strength")
        st.slider(f"strength: {LABELS[begins.name]} has none", 0.0, 1.0, 0.0, key=key, disabled=True)
        return {}
    key, start = side.name(field), begins.numbers[field]
    usual, step = STRENGTHS.get(begins.name, USUAL_STRENGTH)
    highest = max(usual, math.ceil(start))
    prepare_number(key, 0.0, highest, start)
    st.session_state[key] = float(st.session_state[key])
    value = st.slider(f"{field}: strength of the weighting", 0.0, float(highest), key=key, step=step)
    remember(key, f"{value:g}")
    return {field: value}


def choose_temperature(side: Side, begins: Setting, same_tau: float | None) -> float:
    """tau, on a scale that holds where the objective begins; or that of the other objective."""
    if same_tau is not None:
        prepare_option("same_tau", [True, False], True)
        same = st.toggle(f"the same tau, {same_tau:g}", key="same_tau")
        remember("same_tau", same)
        if same:
            return same_tau
    key = side.name("temperature")
    options = sorted({*TEMPERATURES, begins.temperature})
    prepare_option(key, options, begins.temperature)
    tau = st.select_slider("tau: temperature", options, key=key, format_func=lambda value: f"{value:g}")
    remember(key, tau)
    return tau


def choose_own(side: Side, begins: Setting) -> dict[str, float]:
    """Return the number that this objective has besides, by its name, or nothing."""
    field = next((each for each in OWN if each in begins.numbers), None)
    if field is None:
        return {}
    label, low, high, step = OWN[field]
    key, start = side.name(field), begins.numbers[field]
    prepare_number(key, low, max(high, start), start)
    st.session_state[key] = float(st.session_state[key])
    value = st.number_input(label, low, max(high, start), key=key, step=step, format="%g")
    remember(key, f"{value:g}")
    return {field: value}
