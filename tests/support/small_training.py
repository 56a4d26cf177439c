"""Trainings of seconds in this process: the settings, and a way to get between the trainer and its step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.config.model_settings import ModelSettings
from core.config.settings import DataSettings, RecordSettings, TrainSettings
from core.training.step import StepOutcome
from core.training.step_data import StepData
from core.training.trainer import Trainer

SMALL = ModelSettings(width=32, layers=1, vision_layers=1)
DATASETS = ["colour", "caption-to-image"]


def small_settings(run: Path, **changes: object) -> TrainSettings:
    """Six steps of eight pairs, pictures and text, nothing recorded."""
    settings = TrainSettings(
        output=run,
        steps=6,
        batch=8,
        chunk=8,
        precision="float32",
        model=SMALL,
        data=DataSettings(datasets=DATASETS, block=4),
        record=RecordSettings(every=0),
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def change_step(trainer: Trainer, step: Callable[[StepData], StepOutcome]) -> None:
    """Let the trainer call something else for a step."""
    stepper = trainer.step

    class Changed:
        def __call__(self, data: StepData) -> StepOutcome:
            return step(data)

        def __getattr__(self, name: str) -> object:
            return getattr(stepper, name)

    trainer.step = Changed()  # type: ignore[assignment]
