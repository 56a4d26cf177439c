"""Findings about what is answered: near misses, false negatives, data that is left behind, truth not followed."""

import numpy as np
import pandas as pd

from core.evaluation.metrics import mean_interval
from workbench.bundles.bundle import Bundle
from workbench.bundles.query_values import values_of
from workbench.measures.finding import MASKED, Evidence, Finding, percent
from workbench.measures.hardness import mean_of, rank_correlations
from workbench.measures.suspects import word_codes
from workbench.measures.winners import HUB_QUERIES, true_hardness_of_winner

LANGUAGES = ("language", "lang", "locale")
"""Names under which what is known of an item may say its language."""
FEWEST = 10
"""Queries that a group has at least, to be called left behind."""
BEHIND = 0.5
"""The most that the upper end of its P@1 is, as a share of the P@1 of the others."""


def near_misses(evidence: Evidence) -> list[Finding]:
    """Failures by a wrong candidate that differs in a single attribute, where several are asked for."""
    hardness = true_hardness_of_winner(evidence.bundle)[evidence.numbers]
    several = evidence.bundle.rankings["asks"].map(len).to_numpy()[evidence.numbers] > 1
    near = evidence.failed & several & (hardness == 1)
    if near.sum() < HUB_QUERIES:
        return []
    told = int((evidence.failed & several & ~np.isnan(hardness)).sum())
    datasets = most_first(evidence.datasets[near])
    return [
        Finding(
            "near misses",
            "Near misses: the winner differs from the right answer in one of the asked attributes only. So it is for "
            f"{int(near.sum()):,} of the {told:,} failures where that is known. Most in {datasets[0]}.",
            int(near.sum()),
            int(evidence.failed.sum()),
            "hard_negatives",
            {"dataset": datasets[0], "failures": "True"},
            datasets,
        )
    ]


def suspected(evidence: Evidence) -> list[Finding]:
    """Return failures that are none once suspected false negatives are left out."""
    found = evidence.suspects
    if not found.suspected.any():
        return []
    after = evidence.left_out(found.suspected)
    mended = evidence.mended(after)
    if not mended:
        return []
    rows = (evidence.before < 1) & (after >= 1)
    codes = evidence.pool_datasets[rows]
    datasets = most_first(np.array(evidence.bundle.datasets, dtype=object)[codes])
    return [
        Finding(
            "suspected false negatives",
            f"Suspected false negatives: {mended:,} queries fail only by candidates that are nearly the right answer. "
            f"{suspects_in_words(evidence)}",
            mended,
            evidence.base,
            "hard_negatives",
            {"dataset": datasets[0], "failures": "True"},
            datasets,
            (evidence.measured(*MASKED, after),),
        )
    ]


def suspects_in_words(evidence: Evidence) -> str:
    """Say how many candidates are suspected, why, and how many are not because their query fails anyway."""
    found = evidence.suspects
    near, duplicate, failing = (int(each.sum()) for each in (found.near, found.duplicate, found.failing))
    above = int((found.duplicate & found.above).sum())
    if not (near + duplicate + failing):
        return f"none in {len(evidence.pools):,} queries."
    said = (
        f"{near + duplicate:,} suspects in {int((found.counts > 0).sum()):,} of {len(evidence.pools):,} queries: "
        f"{near:,} just below a right answer that comes first, {duplicate:,} nearly the right answer itself "
        f"({above:,} above it, {duplicate - above:,} below)."
    )
    return f"{said} {failing:,} more reach 95 % of it only because their query fails: not counted." if failing else said


def false_negatives(evidence: Evidence) -> list[Finding]:
    """Return candidates that count as wrong and are truly right, with the failures that they make."""
    wrong = evidence.pools.hardness == 0
    if not wrong.any():
        return []
    after = evidence.left_out(wrong)
    counts = wrong.sum(axis=1)
    codes = np.repeat(evidence.pool_datasets, counts)
    datasets = most_first(np.array(evidence.bundle.datasets, dtype=object)[codes])
    return [
        Finding(
            "false negatives",
            f"{counts.sum():,} candidates of {(counts > 0).sum():,} queries count as wrong but show all that is asked "
            "for: the evaluation is at fault, not the model.",
            evidence.mended(after),
            evidence.base,
            "hard_negatives",
            {"dataset": datasets[0], "failures": "True"},
            datasets,
            (evidence.measured("False negatives left out", "candidates that are truly right taken out", after),),
            "Name them as right in the data that is evaluated.",
        )
    ]


def at_chance(evidence: Evidence) -> list[Finding]:
    """Return data sets whose interval of P@1 reaches chance."""
    chance = evidence.bundle.rankings["chance"].to_numpy()[evidence.numbers]
    weak = []
    for name in dict.fromkeys(evidence.datasets):
        members = evidence.datasets == name
        if mean_interval([evidence.hit[members]])[1] <= chance[members].mean():
            weak.append((int((evidence.failed & members).sum()), str(name)))
    weak = [each for each in sorted(weak, key=lambda each: -each[0]) if each[0]]
    if not weak:
        return []
    failures, names = sum(count for count, _ in weak), [name for _, name in weak]
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [
        Finding(
            "not told from chance",
            f"Not told from chance (the interval of P@1 reaches it): {listed}.",
            failures,
            int(evidence.failed.sum()),
            "hard_negatives",
            {"dataset": names[0], "failures": "True"},
            tuple(names),
        )
    ]


def left_behind(evidence: Evidence) -> list[Finding]:
    """Return the data set, meta-task or language that is farthest behind the others of its kind, if one is."""
    kinds = {"data set": evidence.datasets}
    for kind, column in (("meta-task", "meta_task"), *(("language", name) for name in LANGUAGES)):
        if column in evidence.bundle.rankings or column in evidence.bundle.attribute_table:
            kinds[kind] = values_of(evidence.bundle, evidence.numbers, column)
    return [each for kind, groups in kinds.items() for each in behind(evidence, kind, groups)]


def behind(evidence: Evidence, kind: str, groups: np.ndarray) -> list[Finding]:
    """See `left_behind`: for one kind of group, whose name each query has, "" where unknown."""
    table = pd.DataFrame({"group": groups, "hit": evidence.hit, "row": np.arange(len(groups))})
    table = table.loc[table["group"] != ""]
    means = table.groupby("group")["hit"].agg(["mean", "size"])
    enough = means.loc[means["size"] >= FEWEST].sort_values("mean", kind="stable")
    if len(means) < 2 or enough.empty:
        return []
    name = str(enough.index[0])
    others = float(means["mean"].drop(name).mean())
    members = table.loc[table["group"] == name]
    value, low, high = mean_interval([members["hit"].to_numpy()])
    if high >= BEHIND * others:
        return []
    failed = evidence.failed[members["row"]]
    datasets = most_first(evidence.datasets[members["row"]])
    state = {"dataset": datasets[0]} if len(datasets) == 1 else {}
    return [
        Finding(
            f"{kind} left behind",
            f"The {kind} {name} is left behind: P@1 {percent(value)} ({percent(low)} to {percent(high)}, "
            f"{len(members):,} queries) where the other {len(means) - 1:,} have {percent(others)} on "
            "average. Pools may differ in size.",
            int(failed.sum()),
            int(evidence.failed.sum()),
            "hard_negatives",
            state | {"failures": "True"},
            datasets,
        )
    ]


def transfer_gap(evidence: Evidence) -> list[Finding]:
    """Return a P@1 on new data sets whose interval is below half of that on trained ones; only where that is known."""
    if not distribution_known(evidence.bundle):
        return []
    inside = evidence.bundle.rankings["in_distribution"].to_numpy(dtype=bool)[evidence.numbers]
    if inside.all() or not inside.any():
        return []
    trained, new = (mean_interval(by_dataset(evidence, members)) for members in (inside, ~inside))
    if new[2] >= BEHIND * trained[1]:
        return []
    datasets = most_first(evidence.datasets[~inside & evidence.failed])
    return [
        Finding(
            "transfer",
            f"What was learnt carries over little: P@1 is {percent(trained[0])} on trained data sets, "
            f"{percent(new[0])} on new ones.",
            int((evidence.failed & ~inside).sum()),
            int(evidence.failed.sum()),
            "similarity",
            datasets=datasets,
        )
    ]


def by_dataset(evidence: Evidence, members: np.ndarray) -> list[np.ndarray]:
    """Return the hits of some queries by data set."""
    names = evidence.datasets[members]
    return [evidence.hit[members][names == name] for name in dict.fromkeys(names)]


def distribution_known(bundle: Bundle) -> bool:
    """Tell whether it is known which data sets the model was trained on: not for imported or merely evaluated ones."""
    return bundle.imported is None and bundle.objective_settings is not None


def truth_not_followed(evidence: Evidence) -> list[Finding]:
    """Return similarities that do not rank negatives by how much they truly differ."""
    correlations = rank_correlations(evidence.pools, evidence.pools.similarity)
    found = mean_of(correlations)
    if not found.n or found.low > 0:
        return []
    failing = (evidence.before < 1) & (correlations <= 0)
    return [
        Finding(
            "true hardness not followed",
            f"Similarity does not follow the true hardness (rank correlation {found.value:.2f}, {found.low:.2f} to "
            f"{found.high:.2f}, {found.n:,} queries), so hardness weights fall on the wrong negatives. Counted: "
            "failing queries whose own correlation is 0 or less.",
            int(failing.sum()),
            evidence.base,
            "pair_weights",
        )
    ]


def leakage(evidence: Evidence) -> list[Finding]:
    """Return queries that give their answer away: they are their right answer, or have its words."""
    bundle, rows = evidence.bundle, evidence.bundle.rankings.iloc[evidence.numbers]
    query, answer = rows["query"].to_numpy(), rows["positive"].to_numpy()
    words = word_codes(bundle, np.union1d(query, answer))
    leaks = (query == answer) | ((words[query] == words[answer]) & (words[query] >= 0))
    if not leaks.any():
        return []
    others = f"P@1 without them is {percent(evidence.hit[~leaks].mean())}" if not leaks.all() else "there are no others"
    return [
        Finding(
            "leakage",
            f"{int(leaks.sum()):,} of {len(leaks):,} queries give their answer away: they are their own right answer, "
            f"or have its words. Found first: {percent(evidence.hit[leaks].mean())}; {others}, "
            f"{percent(evidence.hit.mean())} with them (all queries alike).",
            int((leaks & evidence.failed).sum()),
            int(evidence.failed.sum()),
            "hard_negatives",
            {"failures": "False"},
            most_first(evidence.datasets[leaks]),
            note="Take them out of the data that is evaluated. Leaks from the training data are not looked for here.",
        )
    ]


def most_first(names: np.ndarray) -> tuple[str, ...]:
    """Return each name once, the most frequent first."""
    return tuple(str(each) for each in pd.Series(names, dtype=object).value_counts(sort=True).index)
