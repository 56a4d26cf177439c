"""Training steps at published sizes on one big GPU: ours, sentence-transformers', and ours without each saving.

    python benchmarks/gpu_step.py                 at most `minutes` (8), on the GPU
    python benchmarks/gpu_step.py --tiny          the same at tiny sizes on the CPU, in a minute or two

LLaVA-OneVision-0.5B and Qwen2-VL-2B from random weights, items with MMEB-like lengths, prepared beforehand (loader
processes do that while the GPU works). Both sides share weights, optimizer and precision, and take turns. Results are
written after each case, the most important first; what no longer fits into the time is left out and named.

    pairs/s         pairs of the batch over the step's time
    tokens/s        tokens of both sides of all pairs, pictures' included, over the step's time
    MFU             useful operations (`benchmarks.shapes.useful_flops`) over time and the device's bfloat16 peak;
                    the numerator is the same for every side, so repeated, padded and recomputed work counts nothing
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from benchmarks.machine import PeakMemory, table, write_result
from benchmarks.prepared_mixture import Workload, step_of, workload
from benchmarks.prepared_peer import PreparedPeer
from benchmarks.shapes import Name, build, peak_flops, useful_flops
from benchmarks.timing import Spread, ratio, take_turns
from core.config.command_line import parse
from core.config.model_settings import ModelSettings, TrainableSettings
from core.config.settings import DataSettings, OptimizerSettings, RecordSettings, TrainSettings
from core.encoder.freezing import make_trainable, set_attention
from core.encoder.inputs import ModelInputs
from core.objectives.settings import ObjectiveSettings
from core.training.step import Stepper

BAR_RATIO, BAR_MFU = 2.0, 0.45
COLUMNS = ("model", "batch", "side", "step_s", "pairs_per_s", "tokens_per_s", "mfu", "theirs / ours", "peak_mb")
SAVINGS = ("feature reuse", "duplicates once", "sorted chunks", "packing", "kept graphs", "uint8 pixels")


@dataclass
class GpuStepSettings:
    """What to run."""

    output: Path = Path("runs/benchmarks/gpu_step.json")
    """The results, written after each case."""
    models: list[Name] = field(default_factory=lambda: ["qwen2-vl-2b", "llava-onevision-0.5b"])
    """Which shapes."""
    batches: list[int] = field(default_factory=lambda: [256, 1024])
    """Pairs a step."""
    rounds: int = 3
    """Timed steps of each side."""
    chunk: int = 32
    """Items that ours encodes at once."""
    peer_chunk: int = 32
    """The rival's mini_batch_size; its default."""
    freeze_vision: bool = True
    """LLaVE and VLM2Vec train with the tower frozen."""
    compile: bool = True
    """Measure ours with compiled blocks too, at the end."""
    minutes: float = 8.0
    """Time for everything."""
    tiny: bool = False
    """Tiny sizes, float32: for a CPU."""


class Bench:
    """One model with both sides on it."""

    def __init__(self, name: Name, settings: GpuStepSettings) -> None:
        self.name, self.settings = name, settings
        self.device = torch.device("cuda" if torch.cuda.is_available() and not settings.tiny else "cpu")
        self.embedder = build(name, settings.tiny, self.device)
        precision = "float32" if settings.tiny else "bfloat16"
        self.train = TrainSettings(
            batch=256,
            precision=precision,
            data=DataSettings(block=1),
            model=ModelSettings(
                trainable=TrainableSettings(freeze=["vision"] if settings.freeze_vision else [], packing="always")
            ),
            objective=ObjectiveSettings(alpha_warmup=0.0),
            optimizer=OptimizerSettings(learning_rate=1e-6, warmup=0.0),
            record=RecordSettings(every=0),
        )
        make_trainable(self.embedder, self.train.model.trainable)
        self.embedder.train()
        language = self.embedder.backbone_adapter.language_model(self.embedder.backbone)
        self.attention = str(language.config._attn_implementation)
        accelerator = Accelerator(mixed_precision="no" if settings.tiny else "bf16", cpu=self.device.type == "cpu")
        self.stepper = Stepper(self.train, self.embedder, accelerator)
        self.peak, self.peak_source = peak_flops(self.device)

    def ours(self, batch: Workload, without: str | None = None) -> Callable[[int], object]:
        """Our step, with all of SAVINGS or without one."""
        data = step_of(
            batch,
            self.embedder.collate,
            self.settings.chunk,
            once=without != "duplicates once",
            by_length=without != "sorted chunks",
            floats=without == "uint8 pixels",
        )
        train = replace(self.train, graph_memory_gb=0.0) if without == "kept graphs" else self.train

        def step(_: int) -> object:
            packing = without != "packing"
            self._attend(packing)
            self.stepper.settings = train
            if without == "feature reuse":
                vars(self.embedder)["with_vision"] = as_they_are
            else:
                vars(self.embedder).pop("with_vision", None)
            return self.stepper(data)

        return step

    def peer(self, batch: Workload) -> Callable[[int], object]:
        """The rival's step."""
        autocast = None if self.settings.tiny else torch.bfloat16
        peer = PreparedPeer(self.embedder, self.settings.peer_chunk, autocast)
        columns = peer.columns(batch)

        def step(_: int) -> object:
            self._attend(packing=False)
            return peer.step(columns, self.stepper.optimizer)

        return step

    def difference(self, pairs: int = 8) -> float:
        """The largest difference of both sides' embeddings of a few items."""
        batch = workload(self.embedder, pairs, self.settings.tiny)
        self._attend(packing=True)
        with torch.no_grad(), self.stepper.accelerator.autocast():
            mine = self.embedder(self.embedder.collate(batch.queries))
        self._attend(packing=False)
        peer = PreparedPeer(self.embedder, pairs, None if self.settings.tiny else torch.bfloat16)
        columns = {
            k: v.to(self.device) if isinstance(v, torch.Tensor) else v for k, v in peer.columns(batch)[0].items()
        }
        with torch.no_grad():
            theirs = peer.model(columns)["sentence_embedding"]
        return float((mine - theirs).abs().max())

    def compile(self) -> None:
        """Compile the language model's blocks, for all that follows."""
        for block in self.embedder.backbone_adapter.blocks(self.embedder.backbone):
            block.compile(dynamic=True)

    def rows(self, batch: Workload, sides: Mapping[str, Callable[[int], object]]) -> list[dict[str, Any]]:
        """Time the sides in turns, then their memory."""
        pairs, items = len(batch.queries), batch.distinct()
        useful = useful_flops(self.embedder, items)
        tokens = sum(item.length for item in batch.queries + batch.targets)
        seconds = take_turns(sides, self.settings.rounds)
        first = next(iter(sides))
        out = []
        for name, step in sides.items():
            with PeakMemory() as memory:
                step(0)
            median, against = Spread.of(seconds[name]).median, ratio(seconds[name], seconds[first])
            row: dict[str, Any] = {"model": self.name, "batch": pairs, "side": name, "step_s": median}
            row |= {"pairs_per_s": pairs / median, "tokens_per_s": tokens / median, "seconds": seconds[name]}
            row |= {"mfu": useful / median / self.peak, "peak_source": self.peak_source, "useful_flops": useful}
            row |= {"ratio": asdict(against), "theirs / ours": str(against), "peak_mb": memory.total_mb}
            out.append(row | {"tokens": tokens, "distinct_items": len(items)})
        return out

    def _attend(self, packing: bool) -> None:
        language = self.embedder.backbone_adapter.language_model(self.embedder.backbone)
        if packing:
            set_attention(self.embedder, "always")
        else:
            self.embedder.packing = False
            language.config._attn_implementation = "sdpa"


def as_they_are(chunks: Sequence[ModelInputs], cache: object = None) -> list[ModelInputs]:
    """In place of `Embedder.with_vision`: every pass sees the pixels."""
    del cache
    return list(chunks)


class Schedule:
    """Runs cases while there is time for them, and writes what they found."""

    def __init__(self, settings: GpuStepSettings) -> None:
        self.output = settings.output
        self.described: dict[str, Any] = asdict(settings)
        self.ends = time.monotonic() + 60 * settings.minutes
        self.rows: list[dict[str, Any]] = []
        self.left_out: list[str] = []
        self._last = 0.0

    def case(self, name: str, call: Callable[[], list[dict[str, Any]]]) -> None:
        """Run a case if there is time for one half as long as the last; a lack of GPU memory ends only the case."""
        started = time.monotonic()
        if started + self._last / 2 > self.ends:
            self.left_out.append(name)
        else:
            try:
                self.rows += call()
            except torch.OutOfMemoryError as error:
                self.left_out.append(f"{name}: {error}")
                torch.cuda.empty_cache()
            self._last = time.monotonic() - started
        write_result(self.output, "gpu_step", self.described | {"left_out": self.left_out}, self.rows)


def run(settings: GpuStepSettings) -> Schedule:
    """Every model and every case that the time allows."""
    schedule = Schedule(settings)
    for name in settings.models:
        run_model(Bench(name, settings), schedule)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return schedule


def run_model(bench: Bench, schedule: Schedule) -> None:
    """Both sides at every batch, then ours without each saving at the smallest."""
    settings = bench.settings
    schedule.described[f"difference, {bench.name}"] = bench.difference()
    batches = [workload(bench.embedder, pairs, settings.tiny) for pairs in settings.batches]

    def both(batch: Workload) -> list[dict[str, Any]]:
        return bench.rows(batch, {"ours": bench.ours(batch), "cached": bench.peer(batch)})

    def without(saving: str) -> list[dict[str, Any]]:
        sides = {"ours": bench.ours(batches[0]), f"without {saving}": bench.ours(batches[0], saving)}
        return bench.rows(batches[0], sides)[1:]

    for batch in batches:
        schedule.case(f"{bench.name}, {len(batch.queries)} pairs", lambda batch=batch: both(batch))
    for saving in SAVINGS:
        schedule.case(f"{bench.name}, without {saving}", lambda saving=saving: without(saving))
    if settings.compile:
        schedule.case(f"{bench.name}, compiled", lambda: compiled(bench, batches[0]))


def compiled(bench: Bench, batch: Workload) -> list[dict[str, Any]]:
    """Ours with compiled blocks; there is no way back, so it comes last."""
    bench.compile()
    step = bench.ours(batch)
    step(0)
    return bench.rows(batch, {"ours, compiled": step})


def main() -> None:
    """Run and print."""
    settings = parse(GpuStepSettings, "Training steps at published sizes on one GPU.")
    if settings.tiny:
        settings.batches = [min(each, 16) for each in settings.batches[:1]]
    if not settings.tiny and not torch.cuda.is_available():
        raise SystemExit("There is no GPU here; --tiny runs the same on a CPU, at tiny sizes.")
    schedule = run(settings)
    rows = schedule.rows
    print(table(rows, COLUMNS))
    for row in rows:
        if row["side"] == "cached":
            print(f"{row['model']}, {row['batch']} pairs: {row['ratio']['median']:.2f}x the rival; bar {BAR_RATIO:g}x")
        if row["side"] == "ours":
            print(f"{row['model']}, {row['batch']} pairs: {100 * row['mfu']:.1f} % MFU; bar {100 * BAR_MFU:g} %")
    print(f"{settings.output} written. Left out: {'; '.join(schedule.left_out) or 'nothing'}.")


if __name__ == "__main__":
    main()
