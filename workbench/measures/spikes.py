"""Spikes of a training: steps whose loss or gradient norm stands out from the steps before."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from workbench.runs.growing_log import Logged

WINDOW = 100
"""Steps before a step that it is held against."""
FEWEST = 20
"""Steps that there must be before it."""
LIMIT = 6.0
NORMAL = 1.4826
"""MAD of a normal distribution times this is its standard deviation."""
FLOOR = 0.01
"""The least scale, as a part of the median: a curve that hardly moves has no spikes in its last digits."""
RULE = (
    f"robust z = (value - median) / (1.4826 MAD) above {LIMIT:.0f}: median of the {WINDOW} logged steps before it, MAD "
    f"the median distance of those steps from their own running medians, at least {FLOOR:.0%} of the median; "
    f"the first {2 * FEWEST} steps are not judged. A step that is not finite always counts."
)


@dataclass(frozen=True)
class Spike:
    """One step that stands out.

    place: row of the log. value: NaN if it is not finite. expected: the running median. z: infinite if not finite.
    datasets: pairs of the step's batch by data set, None where the log does not say.
    """

    place: int
    step: int
    value: float
    expected: float
    z: float
    datasets: Mapping[str, int] | None


def robust_z(values: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return each value's robust z-score against the values before it, and their running median; NaN where unknown.

    As RULE says (median and MAD: Leys et al. 2013; 1.4826 makes z that of a normal distribution). Values that are not
    finite are left out of medians.
    """
    finite = np.where(np.isfinite(values), values, np.nan)
    median = before(finite)
    distance = NORMAL * before(np.abs(finite - median))
    scale = np.maximum(distance, FLOOR * np.abs(median))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (finite - median) / scale, median


def before(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the median of the WINDOW values before each; NaN where fewer than FEWEST are known."""
    return np.asarray(pd.Series(values).shift(1).rolling(WINDOW, min_periods=FEWEST).median(), dtype=np.float64)


def spikes(log: Logged, name: str) -> list[Spike]:
    """Return the steps whose number of this name stands out, in order. name: "loss" or "gradient_norm"."""
    values = log.column(name)
    z, median = robust_z(values)
    lost = log.not_finite(name)
    places = np.flatnonzero(lost | (z > LIMIT)).tolist()
    return [
        Spike(
            place,
            int(log.steps[place]),
            float("nan") if lost[place] else float(values[place]),
            float(median[place]),
            float("inf") if lost[place] else float(z[place]),
            drawn(log.other(place, "datasets")),
        )
        for place in places
    ]


def drawn(logged: object) -> Mapping[str, int] | None:
    """Return what a row says of its batch's data sets; None where it does not, or not as a training writes it."""
    if not isinstance(logged, Mapping) or not all(isinstance(each, int) for each in logged.values()):
        return None
    return {str(name): int(count) for name, count in logged.items()}


def blame(found: list[Spike], log: Logged) -> pd.DataFrame:
    """Count the spikes by data set, beside the steps that drew from it: does one stand out?

    One row a data set: spikes (whose batch held it), steps (that held it), share (spikes / steps, in [0, 1]); the
    highest share first. Spikes and steps of which it is not logged are left out; a batch of several data sets counts
    for each of them.
    """
    steps: dict[str, int] = {}
    for row in range(len(log)):
        for name in drawn(log.other(row, "datasets")) or ():
            steps[name] = steps.get(name, 0) + 1
    counted = dict.fromkeys(steps, 0)
    for each in found:
        for name in each.datasets or ():
            counted[name] += 1
    table = pd.DataFrame(
        {"data set": list(steps), "spikes": [counted[name] for name in steps], "steps": list(steps.values())}
    )
    table["share"] = table["spikes"] / table["steps"]
    return table.sort_values(["share", "spikes"], ascending=False, kind="stable", ignore_index=True)
