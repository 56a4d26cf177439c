"""A checkpoint's scores in the layout of the papers' tables, with published results beside them.

Published numbers and where they were read are data: published_scores.json. A mean is shown only where all the data
sets that the papers average were scored.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from core.data.mmeb.datasets import DATASETS
from core.evaluation.metrics import Score
from core.evaluation.report_tables import Cell, ReportTable, TableRow

PUBLISHED = Path(__file__).with_name("published_scores.json")
QUERIES = 1000
"""Of each of MMEB's data sets."""
IMAGE_SUITES = ("mmeb", "mmeb_v2")
VIDEO_SUITES: Mapping[str, str] = {"msrvtt": "MSR-VTT", "msvd": "MSVD"}
RECALLS: Mapping[str, str] = {"P@1": "R@1", "R@5": "R@5", "R@10": "R@10"}


@dataclass(frozen=True)
class Group:
    """A column of the paper's table: the mean over some data sets. scope, name: which `Score` it is."""

    heading: str
    scope: str
    name: str
    datasets: tuple[str, ...]


def group(heading: str, scope: str, name: str, chosen: Sequence[bool]) -> Group:
    """Return a group of those of MMEB's data sets that are chosen."""
    return Group(heading, scope, name, tuple(d.name for d, own in zip(DATASETS, chosen, strict=True) if own))


KEYS: Mapping[str, str] = {"all": "overall"}
"""Under which name published_scores.json has a group, where it is not the `Score`'s."""
HEADINGS: Mapping[str, str] = {"classification": "Cls", "vqa": "VQA", "retrieval": "Ret", "grounding": "Grd"}
GROUPS: tuple[Group, ...] = (
    *(group(HEADINGS[name], "meta-task", name, [d.meta_task == name for d in DATASETS]) for name in HEADINGS),
    group("IND", "distribution", "in distribution", [d.in_distribution for d in DATASETS]),
    group("OOD", "distribution", "out of distribution", [not d.in_distribution for d in DATASETS]),
    group("Overall", "overall", "all", [True] * len(DATASETS)),
)


@cache
def published() -> Mapping[str, list[dict[str, Any]]]:
    """Return the published results, in percent, by kind of table."""
    return json.loads(PUBLISHED.read_text())


def paper_tables(suite: str, scores: Sequence[Score], model: str) -> list[ReportTable]:
    """Return the tables with published results that fit a suite; none for suites that no paper has."""
    if suite in IMAGE_SUITES:
        return [group_table(scores, model), dataset_table(scores, model)]
    return [video_table(suite, scores, model)] if suite in VIDEO_SUITES else []


def group_table(scores: Sequence[Score], model: str) -> ReportTable:
    """P@1 by meta-task, by distribution, and overall: one line a model, ours first."""
    own = {(each.scope, each.name): each for each in scores if each.metric == "P@1"}
    scored = {name for scope, name in own if scope == "dataset"}
    cells = [own_cell(own.get((each.scope, each.name)) if scored >= {*each.datasets} else None) for each in GROUPS]
    differs = differences(own, scored)
    name = Cell(model, "not comparable with the rest: see below" if differs else "")
    rows = [TableRow((name, *cells, Cell("-")), own=True)]
    sources = Sources()
    for each in published()["mmeb"]:
        values = [printed_cell(each["scores"].get(KEYS.get(column.name, column.name))) for column in GROUPS]
        rows.append(TableRow((Cell(each["model"], each.get("note", "")), *values, sources.cell(each["source"]))))
    headings = [f"{each.heading} ({len(each.datasets)})" for each in GROUPS]
    notes = (*differs, *GENERAL, *sources.notes())
    return ReportTable("MMEB: precision at 1, %", ("model", *headings, "source"), tuple(rows), notes)


class Sources:
    """Where published numbers were read, numbered in order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def cell(self, source: str) -> Cell:
        """Return the number of a source."""
        return Cell(f"[{self._numbers.setdefault(source, len(self._numbers) + 1)}]")

    def notes(self) -> tuple[str, ...]:
        """Return the sources with their numbers, in one note."""
        return (" ".join(f"[{number}] {source}." for source, number in self._numbers.items()),)


GENERAL = (
    "Means over data sets, each counted once. The range is a 95 % bootstrap interval over queries.",
    "Published results are as printed, in percent, without intervals; their harnesses count ties in the model's "
    "favour, this one by expectation.",
)
SMALLER = 0.8
"""A pool with less than this share of the published candidates is another task; some are lost to equal candidates."""


def differences(own: Mapping[tuple[str, str], Score], scored: set[str]) -> list[str]:
    """Say why the first line must not be compared with the others; nothing for the full MMEB."""
    notes: list[str] = []
    whole = [each.name for each in DATASETS]
    if missing := [name for name in whole if name not in scored]:
        notes.append(
            f"This is not the full MMEB: {len(whole) - len(missing)} of its {len(whole)} data sets were scored. A "
            f"mean is shown only where all of its data sets were. Missing: {', '.join(missing)}."
        )
    if few := [name for name in whole if name in scored and own["dataset", name].n != QUERIES]:
        notes.append(
            f"Not scored on all {QUERIES} queries, as the published results are: "
            + listed({name: own["dataset", name].n for name in few})
        )
    pools = {each.name: own["dataset", each.name].pool for each in DATASETS if each.name in scored}
    if small := [each for each in DATASETS if pools.get(each.name, each.candidates) < SMALLER * each.candidates]:
        notes.append(
            "Fewer candidates than the published results rank, which is easier: "
            + listed({each.name: f"{pools[each.name]:.0f} of {each.candidates}" for each in small})
        )
    return notes


def listed(values: Mapping[str, object], most: int = 6) -> str:
    """Return the first names with their values, and how many more there are."""
    shown = ", ".join(f"{name} ({value})" for name, value in list(values.items())[:most])
    return f"{shown}{f' and {len(values) - most} more' if len(values) > most else ''}."


def dataset_table(scores: Sequence[Score], model: str) -> ReportTable:
    """P@1 of each of the 36 data sets, beside the models whose paper prints them."""
    own = {each.name: each for each in scores if each.metric == "P@1" and each.scope == "dataset"}
    others = [each for each in published()["mmeb"] if "datasets" in each]
    rows = []
    for each in DATASETS:
        score = own.get(each.name)
        rest = [printed_cell(other["datasets"][each.name]) for other in others]
        chance = Cell("-" if score is None else percent(score.chance))
        known = Cell("IND" if each.in_distribution else "OOD")
        rows.append(TableRow((Cell(each.name), Cell(HEADINGS[each.meta_task]), known, own_cell(score), chance, *rest)))
    columns = ("data set", "task", "split", model, "chance", *(other["model"] for other in others))
    sources = tuple(f"{other['model']}: {other['datasets_source']}." for other in others)
    return ReportTable("MMEB: the 36 data sets, precision at 1, %", columns, tuple(rows), sources)


def video_table(suite: str, scores: Sequence[Score], model: str) -> ReportTable:
    """Tabulate text to video: recall at 1, 5 and 10, beside published results without training on the data set."""
    own = {each.metric: each for each in scores if each.scope == "overall"}
    rows = [TableRow((Cell(model), *(own_cell(own.get(metric)) for metric in RECALLS), Cell("-")), own=True)]
    sources = Sources()
    for each in published()["text_to_video"]:
        if each["suite"] == suite:
            values = (printed_cell(each["scores"].get(metric)) for metric in RECALLS)
            rows.append(TableRow((Cell(each["model"]), *values, sources.cell(each["source"]))))
    note = f"{own['P@1'].n} queries, {own['P@1'].pool:.0f} candidates. The range is a 95 % bootstrap interval."
    title = f"{VIDEO_SUITES[suite]}: text to video, recall, %"
    return ReportTable(title, ("model", *RECALLS.values(), "source"), tuple(rows), (note, *sources.notes()))


def own_cell(score: Score | None) -> Cell:
    """Return a score of ours with its interval, or a dash."""
    if score is None:
        return Cell("-")
    return Cell(percent(score.value), f"{percent(score.low)} to {percent(score.high)}")


def printed_cell(value: float | int | None) -> Cell:
    """Return a published number as it was printed, or a dash."""
    return Cell("-" if value is None else f"{value:g}" if value != round(value, 1) else f"{value:.1f}")


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.1f}"
