"""Your objective against a baseline on the miniature: several seeds, equal compute, paired.

    python experiment.py --seeds 5 --steps 400 --out results
    python experiment.py --seeds 2 --steps 3 --queries 5 --width 32 --out try        (does it run at all?)

For each seed two trainings start from the same weights and see the same batches in the same order; only the objective
differs. Both are scored on the same held-out queries. Written: results.json with every run's numbers, table.txt, and
figure.json and figure.html with the paired differences. Finished seeds in results.json are not trained again.
"""

import importlib.util
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import plotly.graph_objects as go
import torch
from accelerate import Accelerator

from core.config.command_line import parse
from core.config.model_settings import ModelSettings
from core.config.ranges import check_range
from core.config.settings import DataSettings, RecordSettings, TrainSettings
from core.data.batches import BatchSampler
from core.data.miniature.benchmark import ranking_tasks
from core.data.sources import training_data
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import Ranked, rank_all, scores
from core.files.atomic import write_text
from core.objectives.objective import Objective
from core.objectives.settings import ObjectiveSettings
from core.training.step import StepOutcome, Stepper
from core.training.step_data import StepData, Steps, load, whole
from workbench.figures.paired_seeds import paired_seeds_figure
from workbench.measures.seeds import mean_and_half_width

At = Callable[[int, int, frozenset[str]], Objective]
Runs = dict[str, dict[str, dict[str, float]]]
HERE = Path(__file__).parent


@dataclass
class ExperimentSettings:
    """How much to run. The same for both objectives: that is what equal compute means here."""

    objective: Path = HERE / "my_objective.py"
    """The file with NAME, FILTERS and at."""
    baseline: Literal["llave", "infonce"] = "llave"
    """What it is compared with, as the trainer has it by default."""
    seeds: int = 5
    """Pairs of trainings, 2 or more."""
    steps: int = 400
    """Optimizer steps of each training."""
    batch: int = 32
    """Pairs of a batch."""
    block: int = 16
    """Pairs of one data set that stay together; divides batch."""
    width: int = 64
    """Hidden size of the tiny model's towers, a multiple of 32."""
    queries: int = 40
    """Held-out queries of each of the 16 data sets."""
    threads: int = 2
    """CPU threads."""
    out: Path = Path("results")
    """Folder to write."""

    def __post_init__(self) -> None:
        check_range("seeds", self.seeds, 2, 100)
        check_range("threads", self.threads, 1, 256)


class SteppedBy(Stepper):
    """The trainer's step, which asks a function of ours for its objective."""

    def __init__(self, settings: TrainSettings, embedder: Embedder, accelerator: Accelerator, choose: At) -> None:
        super().__init__(settings, embedder, accelerator)
        self.choose = choose
        self.meta_tasks: frozenset[str] = frozenset()

    def __call__(self, data: StepData) -> StepOutcome:
        """One step; its batch says which meta-tasks it holds."""
        self.meta_tasks = frozenset(pair.meta_task for pair in data.pairs)
        return super().__call__(data)

    def objective(self, step: int) -> Objective:
        """The objective of a step, counted from 0."""
        return self.choose(step, self.settings.steps, self.meta_tasks)


def train(settings: TrainSettings, choose: At) -> Embedder:
    """Train a fresh tiny model; the seed decides its weights and its batches, whatever the objective is."""
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
    model = settings.model
    embedder = tiny_embedder(settings.seed, model.width, model.layers, model.vision_layers).to(accelerator.device)
    embedder.train()
    step = SteppedBy(settings, embedder, accelerator, choose)
    datasets, _ = training_data(settings.data, settings.seed, True)
    batches = BatchSampler(datasets, settings.batch, settings.data.block, settings.seed, settings.data.weights)
    for data in load(Steps(batches, embedder.prepare, embedder.collate, settings.chunk, 0, 1), 0, settings.steps, 0):
        outcome = step(whole(data))
        if outcome.fault is not None:
            raise ValueError(f"Step {data.step + 1}: {outcome.fault}")
    return embedder


def measures(embedder: Embedder, queries: int) -> dict[str, float]:
    """What a model is judged by, on queries that nobody trains on."""
    tasks = ranking_tasks(0, queries)
    ranked = rank_all(tasks, embed_distinct(embedder, distinct_items(tasks), progress=False))
    precision = {(each.scope, each.name): each.value for each in scores(ranked) if each.metric == "P@1"}
    positive, hardest = similarities([each for each in ranked if each.task.in_distribution])
    return {
        "P@1 of all data sets": precision["overall", "all"],
        "P@1 in distribution": precision["distribution", "in distribution"],
        "P@1 out of distribution": precision["distribution", "out of distribution"],
        "mean cosine of right answers": float(positive.mean()),
        "mean margin to the hardest": float((positive - hardest).mean()),
    }


def similarities(ranked: Sequence[Ranked]) -> tuple[np.ndarray, np.ndarray]:
    """Of each query its best right answer's cosine and its most similar negative's."""
    positive = [each.similarities[each.right].max() for each in ranked]
    return np.array(positive), np.array([each.similarities[~each.right].max() for each in ranked])


def experiment(settings: ExperimentSettings) -> Runs:
    """Train and score what is not in results.json yet; by seed, by objective, by measure."""
    mine = module_of(settings.objective)
    default = ObjectiveSettings(name=settings.baseline)
    choices: Mapping[str, tuple[At, ObjectiveSettings]] = {
        settings.baseline: (lambda step, steps, _: default.at(step, steps), default),
        mine.NAME: (mine.at, replace(default, **vars(mine.FILTERS))),
    }
    path = settings.out / "results.json"
    runs: Runs = json.loads(path.read_text()) if path.exists() else {}
    for seed in range(settings.seeds):
        of_seed = runs.setdefault(str(seed), {})
        for name, (choose, objective) in choices.items():
            if name not in of_seed:
                started = time.perf_counter()
                embedder = train(train_settings(settings, seed, objective), choose)
                seconds = time.perf_counter() - started
                of_seed[name] = {**measures(embedder, settings.queries), "seconds of training": seconds}
                print(f"seed {seed}, {name}: {of_seed[name]}", flush=True)
                settings.out.mkdir(parents=True, exist_ok=True)
                write_text(path, json.dumps(runs, indent=1) + "\n")
    return runs


def module_of(path: Path) -> ModuleType:
    """The learner's file as a module.

    Raises:
        ValueError: there is no such file.
    """
    spec = importlib.util.spec_from_file_location("my_objective", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"objective = {path}: no such Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train_settings(settings: ExperimentSettings, seed: int, objective: ObjectiveSettings) -> TrainSettings:
    """One training; nothing but the seed differs between seeds, nothing but the objective between the two sides."""
    return TrainSettings(
        steps=settings.steps,
        batch=settings.batch,
        chunk=settings.batch,
        precision="float32",
        seed=seed,
        data=DataSettings(block=settings.block),
        model=ModelSettings(width=settings.width, layers=2, vision_layers=2),
        objective=objective,
        record=RecordSettings(every=0),
    )


def table(runs: Runs, baseline: str, mine: str) -> str:
    """One line a measure: both sides, and the paired difference with its 95 % interval."""
    lines = [f"{f'{len(runs)} seeds, mean and 95 % interval':<34}{baseline:>18}{mine:>18}{'difference':>20}"]
    for measure in next(iter(runs.values()))[mine]:
        sides = [np.array([run[name][measure] for run in runs.values()]) for name in (baseline, mine)]
        cells = [mean_and_half_width(values) for values in (*sides, sides[1] - sides[0])]
        texts = [f"{mean:+.3f} +- {half:.3f}" for mean, half in cells]
        lines.append(f"{measure:<34}{texts[0]:>18}{texts[1]:>18}{texts[2]:>20}")
    return "\n".join(lines)


def figure(runs: Runs, baseline: str, mine: str) -> go.Figure:
    """The paired differences of everything but the time."""
    names = [name for name in next(iter(runs.values()))[mine] if not name.startswith("seconds")]
    differences = {name: np.array([run[mine][name] - run[baseline][name] for run in runs.values()]) for name in names}
    return paired_seeds_figure(mine, baseline, differences)


def main() -> None:
    """Run, print the table, write the files."""
    settings = parse(ExperimentSettings, "Your objective against a baseline: several seeds, equal compute, paired.")
    torch.set_num_threads(settings.threads)
    torch.set_flush_denormal(True)
    runs = experiment(settings)
    mine = module_of(settings.objective).NAME
    text = table(runs, settings.baseline, mine)
    print(text)
    write_text(settings.out / "table.txt", text + "\n")
    drawn = figure(runs, settings.baseline, mine)
    write_text(settings.out / "figure.json", f"{drawn.to_json()}\n")
    write_text(settings.out / "figure.html", drawn.to_html(include_plotlyjs=True))


if __name__ == "__main__":
    main()
