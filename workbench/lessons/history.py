"""Similarities over the course of a training: what lesson 2's figure plays, made once and shipped as a small file.

python -m workbench.lessons.history --runs runs/history-infonce runs/history-llave

It writes lessons/models/history.safetensors. The runs must have kept the checkpoints of the steps: train with
--save_every 100 --keep_latest 20.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.numpy import save_file

from core.checkpoints.listing import checkpoints
from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.records import RankingTask
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.evaluation.bundle_rankings import EXTREME
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import rank_all
from core.files.atomic import whole_file
from workbench.lessons.classroom import MODELS
from workbench.measures.overlap import by_kind
from workbench.runs.runs import read_settings

FILE = MODELS / "history.safetensors"
DATASETS = ("caption-to-image", "look-alike")
STEPS = (0, 100, 200, 300, 400, 600, 800, 1000, 1200, 1500)
QUERIES = 100


@dataclass(frozen=True)
class Extremes:
    """Similarities of one data set by one model at each step; query q is ranking q of `ranking_task`.

    positive: of the right answer. hard, easy: of the 5 most and 5 least similar negatives, ascending. hardest: which
    candidate of the query's pool the most similar negative is.
    """

    positive: Float[np.ndarray, "steps queries"]
    hard: Float[np.ndarray, "steps queries extreme"]
    easy: Float[np.ndarray, "steps queries extreme"]
    hardest: Int[np.ndarray, "steps queries"]


@dataclass(frozen=True)
class History:
    """What the file holds: for each objective and data set the similarities at the same steps of the training."""

    steps: Sequence[int]
    found: Mapping[tuple[str, str], Extremes]

    def at(self, objective: str, dataset: str) -> Extremes:
        """Return one model's similarities on one data set.

        Raises:
            ValueError: the file does not hold them.
        """
        if (objective, dataset) not in self.found:
            raise ValueError(f"The history holds {sorted(self.found)}, not {(objective, dataset)}.")
        return self.found[objective, dataset]


def main() -> None:
    """Embed the rankings at every step of every run, and write what came out."""
    options = parse()
    sources = {source.name: source for source in SOURCES}
    tasks = [ranking_task(sources[name], 0, options.queries) for name in options.datasets]
    found = {}
    for run in options.runs:
        found |= of_run(run, tasks, options.steps)
    write(History(options.steps, found), options.out)


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Write similarities of the miniature over the steps of some runs.")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs, one an objective")
    parser.add_argument("--out", type=Path, default=FILE, help="file to write (default: lessons/models)")
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=[each.name for each in SOURCES])
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS), help="steps, 0 being the untrained model")
    parser.add_argument("--queries", type=int, default=QUERIES, help="queries of each data set")
    return parser.parse_args()


def of_run(run: Path, tasks: Sequence[RankingTask], steps: Sequence[int]) -> dict[tuple[str, str], Extremes]:
    """Return the similarities of each data set, by (objective of the run, data set).

    Raises:
        ValueError: the run's settings cannot be read, or it kept no checkpoint of a step.
    """
    settings, problem = read_settings(run)
    if problem:
        raise ValueError(f"{run}: {problem}.")
    of_steps: dict[str, list[Extremes]] = {task.name: [] for task in tasks}
    for step in steps:
        embedder = embedder_at(run, settings, step)
        for task in tasks:
            of_steps[task.name].append(extremes(embedder, task))
    return {(settings["objective"]["name"], name): joined(each) for name, each in of_steps.items()}


def embedder_at(run: Path, settings: Mapping[str, dict[str, int]], step: int) -> Embedder:
    """Return the model of a run after some steps; after none, the one that it started from.

    Raises:
        ValueError: the run kept no checkpoint of the step, or did not start from the tiny model.
    """
    kept = {each.step: each.folder for each in checkpoints(run)}
    if step in kept:
        return Embedder.load(kept[step])
    model = settings["model"]
    if step != 0 or model["start"] != "tiny":
        raise ValueError(
            f"{run} has checkpoints of the steps {sorted(kept)}, not of {step}; train with --save_every 100 and "
            "--keep_latest 20, or name other --steps."
        )
    return tiny_embedder(int(str(settings["seed"])), model["width"], model["layers"], model["vision_layers"])


def extremes(embedder: Embedder, task: RankingTask) -> Extremes:
    """Return one step's similarities, with a first axis of length one."""
    ranked = rank_all([task], embed_distinct(embedder, distinct_items([task]), progress=False))
    similarity = np.stack([each.similarities for each in ranked])
    positive = np.stack([each.right for each in ranked])
    kinds = by_kind(similarity, positive, ~positive)
    return Extremes(
        np.stack(kinds["positive"])[None, :, 0],
        np.stack(kinds["hard"])[None],
        np.stack(kinds["easy"])[None],
        np.where(positive, -np.inf, similarity).argmax(axis=1)[None],
    )


def joined(steps: Sequence[Extremes]) -> Extremes:
    """Return several steps as one record."""
    return Extremes(*(np.concatenate([vars(each)[name] for each in steps]) for name in Extremes.__annotations__))


def write(history: History, path: Path) -> None:
    """Write the file in one piece: float32 and int16, some hundred kilobytes."""
    tensors = {
        f"{objective}/{dataset}/{name}": values.astype(np.int16 if name == "hardest" else np.float32)
        for (objective, dataset), each in history.found.items()
        for name, values in vars(each).items()
    }
    with whole_file(path) as partial:
        save_file(tensors, partial, {"steps": json.dumps(list(history.steps)), "extreme": str(EXTREME)})


def read(path: Path = FILE) -> History:
    """Return the history that `write` wrote.

    Raises:
        ValueError: there is no such file, or it lacks the steps.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing; lessons/models/README.md says how it is made.")
    with safe_open(path, framework="numpy") as file:
        steps = json.loads((file.metadata() or {}).get("steps", "[]"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    if not steps:
        raise ValueError(f"{path} holds no steps; it was not written by workbench.lessons.history.")
    names = {tuple(name.split("/")[:2]) for name in tensors}
    fields = Extremes.__annotations__
    found = {(o, d): Extremes(*(tensors[f"{o}/{d}/{field}"] for field in fields)) for o, d in sorted(names)}
    return History(steps, found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
