"""This project's training step without a run folder: an embedder's folder and files in MMEB-train's layout in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from core.config.model_settings import ModelSettings, TrainableSettings
from core.config.settings import DataSettings, OptimizerSettings, RecordSettings, TrainSettings
from core.data.batches import BatchSampler
from core.data.mmeb.training import read_mmeb
from core.data.records import Pair
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.objectives.settings import ObjectiveSettings
from core.training.step import Stepper, mixed_precision
from core.training.step_data import StepData, Steps, whole

SEED = 0


@dataclass(frozen=True)
class OurSettings:
    """How our side runs. alpha 0 is InfoNCE.

    recompute: keep no graph, so that memory is the cached rival's. features: folder of a feature cache, or None.
    """

    batch: int
    chunk: int = 32
    block: int = 32
    bfloat16: bool = False
    freeze_vision: bool = False
    recompute: bool = False
    packing: bool = False
    features: Path | None = None
    alpha: float = 9.0
    both_directions: bool = True


class Ours:
    """An embedder, its optimizer, and the batches that it is trained on."""

    def __init__(self, folder: Path, data: Path, settings: OurSettings) -> None:
        self.settings = settings
        self.embedder = Embedder.load(folder)
        train = train_settings(settings)
        make_trainable(self.embedder, train.model.trainable)
        self.embedder.train()
        accelerator = Accelerator(mixed_precision=mixed_precision(train.precision), cpu=not torch.cuda.is_available())
        self.embedder.to(accelerator.device)
        torch.set_flush_denormal(True)  # as the trainer does; it holds for the whole process, so for rivals too
        self.stepper = Stepper(train, self.embedder, accelerator)
        self.datasets = read_mmeb(data)
        self.batches = BatchSampler(self.datasets, settings.batch, settings.block, SEED)
        self.steps = Steps(self.batches, self.embedder.prepare, self.embedder.collate, settings.chunk, 0, 1)

    def chosen(self, number: int) -> list[tuple[str, int]]:
        """The pairs of a step as (data set, index), for a rival that reads the same files."""
        return [(self.datasets[dataset].name, index) for dataset, index in self.batches.rows(number)]

    def step(self, number: int) -> float:
        """Prepare a step's data, pictures read from disk included, and train on it; the loss."""
        return self.train_on(whole(self.steps[number]))

    def train_on(self, data: StepData) -> float:
        """One optimizer step on prepared data; the loss.

        Raises:
            ValueError: something was not finite.
        """
        outcome = self.stepper(data)
        if outcome.fault is not None or outcome.contrast is None:
            raise ValueError(f"Step {data.step} diverged: {outcome.fault}")
        return float(outcome.contrast.loss)

    def remember(self, numbers: Sequence[int]) -> None:
        """Fill the feature cache with the pictures of these steps, as an earlier epoch would have."""
        for number in numbers:
            self.embedder.with_vision(whole(self.steps[number]).chunks, self.stepper.features)

    def pairs(self, chosen: Sequence[tuple[str, int]]) -> list[Pair]:
        """These rows as pairs."""
        named = {dataset.name: dataset for dataset in self.datasets}
        return [named[name][index] for name, index in chosen]

    def vectors(self, pairs: Sequence[Pair]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """The embeddings of the queries and of the targets."""
        return self.embedder.embed([pair.query for pair in pairs]), self.embedder.embed([p.positive for p in pairs])


def train_settings(settings: OurSettings) -> TrainSettings:
    """The trainer's settings for a benchmark: nothing is recorded or warmed up, and both sides step alike."""
    return TrainSettings(
        batch=settings.batch,
        chunk=settings.chunk,
        graph_memory_gb=0.0 if settings.recompute else None,
        precision="bfloat16" if settings.bfloat16 else "float32",
        data=DataSettings(block=settings.block),
        model=ModelSettings(
            trainable=TrainableSettings(
                freeze=["vision"] if settings.freeze_vision else [], packing="always" if settings.packing else "never"
            ),
            feature_cache=settings.features,
        ),
        objective=ObjectiveSettings(
            name="llave" if settings.alpha else "infonce",
            alpha=settings.alpha,
            alpha_warmup=0.0,
            both_directions=settings.both_directions,
        ),
        optimizer=OptimizerSettings(learning_rate=1e-4, warmup=0.0, final=1.0, beta2=0.98),
        record=RecordSettings(every=0),
    )
