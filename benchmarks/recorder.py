"""What recording costs: the training step with the pairs' record on and off, taking turns.

    python benchmarks/recorder.py

At every = 1 each step is recorded, the worst case; a run records every 100th by default, so the step pays a hundredth
of that. The time of the step alone is measured on prepared data.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.anyres_model import write_model
from benchmarks.machine import table, write_result
from benchmarks.mixture import write_mixture
from benchmarks.our_step import Ours, OurSettings
from benchmarks.timing import Spread, ratio, take_turns
from core.config.command_line import parse
from core.config.settings import RecordSettings
from core.training.recorder import Recorder
from core.training.step_data import whole

BAR_PERCENT = 2.0
COLUMNS = ("batch", "side", "step_s", "overhead_percent", "low", "high", "at_default_percent", "passes")


@dataclass
class RecorderBenchmarkSettings:
    """How much to run."""

    work: Path = Path("runs/benchmarks/train_step")
    """Folder of the generated model and files; made on first use."""
    output: Path = Path("runs/benchmarks/recorder.json")
    """The results."""
    batch: int = 1024
    """Pairs a step, a multiple of 32."""
    rounds: int = 9
    """Timed steps of each side."""
    chunk: int = 16
    """Items encoded at once."""
    pairs_per_dataset: int = 800
    """Size of the five generated data sets."""
    threads: int = os.cpu_count() or 1
    """Threads of torch."""
    width: int = 128
    """Of both towers."""
    layers: int = 3
    """Of the language model."""


def measure(settings: RecorderBenchmarkSettings) -> list[dict[str, Any]]:
    """Time both sides on one batch; the row of each."""
    torch.set_num_threads(settings.threads)
    data = write_mixture(settings.work / f"mixture-{settings.pairs_per_dataset}", settings.pairs_per_dataset)
    model = write_model(
        settings.work / f"ours-{settings.width}-{settings.layers}-{settings.layers}",
        settings.width,
        settings.layers,
        settings.layers,
    )
    options = OurSettings(settings.batch, settings.chunk, freeze_vision=True, recompute=True)
    with TemporaryDirectory() as folder:
        off, on = Ours(model, data, options), Ours(model, data, options)
        on.stepper.recorder = Recorder(RecordSettings(every=1), Path(folder), 0)
        step = whole(off.steps[0])
        seconds = take_turns({"off": lambda _: off.train_on(step), "on": lambda _: on.train_on(step)}, settings.rounds)
        written = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
    against = ratio(seconds["on"], seconds["off"])
    percent, low, high = (100 * (each - 1) for each in (against.median, against.low, against.high))
    default = percent / RecordSettings().every
    rows: list[dict[str, Any]] = [
        {"batch": settings.batch, "side": name, "step_s": Spread.of(seconds[name]).median, "seconds": seconds[name]}
        for name in seconds
    ]
    rows[1] |= {"overhead_percent": percent, "low": low, "high": high, "file_bytes": written}
    rows[1] |= {
        "at_default_percent": default,
        "passes": percent <= BAR_PERCENT,
        "passes_at_default": default <= BAR_PERCENT,
    }
    write_result(settings.output, "recorder", asdict(settings), rows)
    return rows


def main() -> None:
    """Measure and print."""
    settings = parse(RecorderBenchmarkSettings, "What recording pairs costs a step.")
    print(table(measure(settings), COLUMNS))
    print(f"{settings.output} written; the bar is {BAR_PERCENT:g} %, recording every step.")


if __name__ == "__main__":
    main()
