"""LLaVE's weighting against InfoNCE, everything else equal: what does it change?

    python benchmarks/claims.py --seeds 5 --steps 400

For each seed two runs start from the same weights and see the same batches; only alpha differs (9 and 0). Both are
trained at the same time, one process each, then scored on the same queries. Each run's numbers, their means over
seeds with 95 % intervals (Student's t), and the paired differences are printed and written to JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config.command_line import parse
from core.config.ranges import check_range
from core.evaluation.evaluate import EvalSettings, evaluate
from core.evaluation.metrics import Score
from core.evaluation.suites import SuiteSettings
from core.files.atomic import write_text
from workbench.bundles.bundle import Bundle, open_bundle
from workbench.measures.hardness import effect, pools_of, rank_correlations, shares_by_hardness
from workbench.measures.overlap import auroc, of_samples
from workbench.measures.seeds import mean_and_half_width

ROOT = Path(__file__).parents[1]
OBJECTIVES = {"InfoNCE": "infonce", "LLaVE": "llave"}
HARDEST = 10


@dataclass
class ClaimsSettings:
    """How much to run."""

    seeds: int = 5
    """Pairs of runs, 2 or more."""
    steps: int = 400
    """Optimizer steps of each run."""
    queries: int = 100
    """Queries of each data set in the evaluation."""
    out: Path = Path("runs/claims")
    """Folder of the runs and of claims.json; finished runs in it are not trained again."""

    def __post_init__(self) -> None:
        check_range("seeds", self.seeds, 2, 100)


def train_side_by_side(settings: ClaimsSettings, seed: int) -> dict[str, Path]:
    """Train both objectives from one seed at the same time; the folders of the runs."""
    folders = {label: settings.out / f"{name}-{seed}" for label, name in OBJECTIVES.items()}
    jobs = []
    for label, folder in folders.items():
        command = [sys.executable, str(ROOT / "core/train.py"), "--output", str(folder), "--resume", "true"]
        command += ["--steps", str(settings.steps), "--seed", str(seed), "--objective.name", OBJECTIVES[label]]
        command += ["--save_every", str(settings.steps), "--record.every", "0"]
        jobs.append(subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}))
    if any(job.wait() for job in jobs):
        raise RuntimeError(f"Training of seed {seed} failed; its messages stand above.")
    return folders


def measures(bundle: Bundle, scores: Sequence[Score]) -> dict[str, float]:
    """What the claims are about, over the queries of the in-distribution retrieval and grounding data sets.

    Pools of 100 only: with eight class names there are no ten hardest negatives. A weight e^(alpha s) and a share of
    the pull both rise with the similarity, so one rank correlation with the true hardness serves for all three, and
    for InfoNCE too, whose weights are all 1.
    """
    large = bundle.candidates.sizes > HARDEST
    pools = pools_of(bundle, np.flatnonzero(large & bundle.rankings["in_distribution"]))
    hardest = -np.sort(-np.where(pools.wrong, pools.similarity, -np.inf), axis=1)[:, :HARDEST]
    positive = pools.similarity[pools.positive]
    precision = {score.name: score.value for score in scores if score.metric == "P@1"}
    objective = bundle.objective
    if objective is None:
        raise ValueError(f"{bundle.folder}: what the model was trained with is not known.")
    near, _ = shares_by_hardness(pools, effect(objective, pools).share)[1]
    return {
        "AUROC positive / 10 hardest": auroc(positive, hardest.ravel()),
        "overlap of the histograms": of_samples(positive, hardest.ravel()).overlap,
        "mean positive": float(positive.mean()),
        "mean of 10 hardest": float(hardest.mean()),
        "margin to 10 hardest": float((positive[:, None] - hardest).mean()),
        "P@1 in distribution": precision["in distribution"],
        "P@1 out of distribution": precision["out of distribution"],
        "weight follows true hardness": float(np.nanmean(rank_correlations(pools, pools.similarity))),
        "pull on negatives 1 attribute away": near.value,
    }


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """One line a measure: both objectives, and the paired difference."""
    lines = [f"{'mean over seeds, 95 % interval':<34}{'InfoNCE':>18}{'LLaVE':>18}{'LLaVE - InfoNCE':>20}"]
    for name in found["InfoNCE"][0]:
        sides = [np.array([run[name] for run in found[label]]) for label in OBJECTIVES]
        cells = [mean_and_half_width(values) for values in (*sides, sides[1] - sides[0])]
        texts = [f"{mean:+.3f} +- {half:.3f}" if np.isfinite(half) else "-" for mean, half in cells]
        lines.append(f"{name:<34}{texts[0]:>18}{texts[1]:>18}{texts[2]:>20}")
    return "\n".join(lines)


def main() -> None:
    """Train, score, print the table, write claims.json."""
    settings = parse(ClaimsSettings, "LLaVE against InfoNCE, everything else equal.")
    found: dict[str, list[dict[str, float]]] = {label: [] for label in OBJECTIVES}
    for seed in range(settings.seeds):
        for label, folder in train_side_by_side(settings, seed).items():
            suite = SuiteSettings(queries=settings.queries)
            bundle, scores = evaluate(EvalSettings(folder, suite), progress=False)
            found[label].append(measures(open_bundle(bundle), scores))
    write_text(settings.out / "claims.json", json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
