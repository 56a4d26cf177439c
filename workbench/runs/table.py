"""All evaluations of all runs as one table, from manifests and scores alone: no bundle is opened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from core.vector_import.import_bundle import ORIGIN
from workbench.bundles.bundle import BundleError
from workbench.bundles.files import read_manifest, read_scores
from workbench.runs.runs import Run
from workbench.runs.settings import differing, flat

SCOPES = {"all": ("overall", "all"), "trained": ("distribution", "in distribution"),
          "new": ("distribution", "out of distribution")}  # fmt: skip
"""Which scores the table has, by the word in its columns."""
METRIC = "P@1"


def run_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row an evaluation, and one for each run without any, in the order of the runs.

    Columns: run, evaluation ("" for none), state, step; the settings that differ between runs, by dotted name;
    P@1 in [0, 1] of all, trained and new data sets with low and high ends of its interval (NaN where it is not known
    what was trained on); queries, data sets; problem, if the evaluation cannot be read.
    """
    settings = {run.name: flat(run.settings) for run in runs if run.settings}
    shown = differing(list(settings.values()))
    rows = []
    for run in runs:
        own = {name: settings.get(run.name, {}).get(name) for name in shown}
        first = {"run": run.name, "state": run.state}
        for folder in run.bundles:
            rows.append(first | own | evaluation(folder))
        if not run.bundles:
            rows.append(first | own | {"evaluation": "", "step": run.done, "problem": run.problem})
    names = [f"P@1 {word}{end}" for word in SCOPES for end in ("", " low", " high")]
    columns = ["run", "evaluation", "state", "step", *shown, *names, "queries", "data sets", "problem"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({name: "float64" for name in (*names, "queries")})


def evaluation(folder: Path) -> dict[str, Any]:
    """Return the columns of one evaluation that its manifest and scores tell."""
    found: dict[str, Any] = {"evaluation": folder.name, "problem": ""}
    try:
        _, manifest = read_manifest(folder)
        scores = read_scores(folder / "scores.json")
    except BundleError as error:
        return found | {"problem": error.reason}
    known = manifest["objective"] is not None and manifest["suite"].get("origin") != ORIGIN
    scores = scores.loc[scores["metric"] == METRIC]
    for word, (scope, name) in SCOPES.items():
        row = scores.loc[(scores["scope"] == scope) & (scores["name"] == name)]
        if len(row) and (known or word == "all"):
            for column, end in (("value", ""), ("low", " low"), ("high", " high")):
                found[f"P@1 {word}{end}"] = float(row[column].iloc[0])
    everything = scores.loc[scores["scope"] == "overall", "n"]
    names = [str(name) for name in scores.loc[scores["scope"] == "dataset", "name"]]
    return found | {
        "step": int(manifest["step"]),
        "queries": float(everything.iloc[0]) if len(everything) else float("nan"),
        "data sets": ", ".join(names),
    }
