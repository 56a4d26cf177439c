"""The settings of a training run: typed, documented, checked. One source for the command line, recipes and apps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.softmax import Objective


def check_range(name: str, value: float | int, low: float | int, high: float | int) -> None:
    """Raise ValueError unless low <= value <= high, naming the setting, its value and the range."""
    if not low <= value <= high:
        raise ValueError(f"{name} = {value} is outside [{low:g}, {high:g}].")


@dataclass
class DataSettings:
    """What to train on."""

    source: Literal["miniature", "mmeb", "folder"] = "miniature"
    """miniature: generated; mmeb: a local folder in MMEB-train's layout; folder: pictures with captions."""
    path: Path | None = None
    """The folder to read, for mmeb and folder."""
    datasets: list[str] = field(default_factory=list)
    """Names of the data sets to train on; empty means all that the source has."""
    caption_column: str = "text"
    """folder: the column of metadata.jsonl or metadata.csv that holds the captions."""
    split: str = "original"
    """mmeb: which files of each data set to read: original, diverse_instruction or train."""
    limit: int | None = None
    """mmeb: at most this many pairs of each data set, drawn at random by the seed; the paper uses 50000."""
    on_bad_item: Literal["stop", "skip"] = "stop"
    """What to do with unreadable pictures and empty captions: stop before training, or skip, count and list them."""
    block: int = 32
    """Pairs of one data set that stay together in a batch, 1 or more; divides the batch."""
    workers: int = 0
    """Processes per rank that prepare data ahead; 0 prepares it in the training process."""

    def __post_init__(self) -> None:
        check_range("data.block", self.block, 1, 1_000_000)
        check_range("data.workers", self.workers, 0, 256)
        if self.limit is not None:
            check_range("data.limit", self.limit, 1, 10**9)
        if self.source != "miniature" and self.path is None:
            raise ValueError(f"data.path is missing; data.source = {self.source!r} needs the folder to read.")
        if self.source == "miniature" and self.path is not None:
            raise ValueError(f"data.path = {self.path} is not used by data.source = 'miniature'; set the source too.")


@dataclass
class ModelSettings:
    """What to train."""

    start: str = "tiny"
    """"tiny" for a fresh tiny LLaVA-OneVision, or the folder of a checkpoint to start from."""
    width: int = 128
    """tiny: hidden size of both towers, a multiple of 32."""
    layers: int = 3
    """tiny: layers of the language model."""
    vision_layers: int = 3
    """tiny: layers of the vision tower."""

    def __post_init__(self) -> None:
        check_range("model.width", self.width, 32, 1024)
        check_range("model.layers", self.layers, 1, 64)
        check_range("model.vision_layers", self.vision_layers, 1, 64)
        if self.width % 32:
            raise ValueError(f"model.width = {self.width} must be a multiple of 32, the width of one attention head.")


@dataclass
class ObjectiveSettings:
    """What the model is asked to achieve."""

    name: Literal["llave", "infonce"] = "llave"
    """llave: hardness-weighted (arXiv 2503.04812); infonce: every negative weighs the same."""
    alpha: float = 9.0
    """llave: strength of the weighting, 0 to 100; a negative weighs e^(alpha * similarity)."""
    alpha_warmup: float = 0.5
    """llave: share of the steps, 0 to 1, over which alpha rises from 0. Useful when training from scratch."""
    temperature: float = 0.02
    """tau, in (0, 10]: similarities are divided by it."""
    reward: str = "policy"
    """llave: whose similarities set the weights: "policy" (the model itself) or the folder of a frozen checkpoint."""

    def __post_init__(self) -> None:
        check_range("objective.alpha_warmup", self.alpha_warmup, 0, 1)
        try:
            HardnessWeighted(self.alpha, self.temperature)
        except ValueError as error:
            raise ValueError(f"objective.{error}") from error

    def at(self, step: int, steps: int) -> Objective:
        """The objective of a step, counted from 0, of a run of `steps`."""
        if self.name == "infonce":
            return InfoNCE(self.temperature)
        rise = self.alpha_warmup * steps
        alpha = self.alpha * min(1.0, step / rise) if rise > 0 else self.alpha
        return HardnessWeighted(alpha, self.temperature)


@dataclass
class OptimizerSettings:
    """AdamW with a warm-up and a cosine."""

    learning_rate: float = 1e-3
    """Peak learning rate, in (0, 1]; LLaVE uses 1e-5 for pretrained models."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices, 0 to 1."""
    beta1: float = 0.9
    """Decay of AdamW's mean of gradients, 0 to 0.9999."""
    beta2: float = 0.98
    """Decay of AdamW's mean of squared gradients, 0 to 0.99999."""
    warmup: float = 0.03
    """Share of the steps, 0 to 1, over which the learning rate rises from 0."""
    final: float = 0.02
    """Learning rate at the last step as a share of the peak, 0 to 1."""
    clip: float = 1.0
    """Largest gradient norm; larger gradients are scaled down to it."""

    def __post_init__(self) -> None:
        check_range("optimizer.learning_rate", self.learning_rate, 1e-12, 1)
        check_range("optimizer.weight_decay", self.weight_decay, 0, 1)
        check_range("optimizer.beta1", self.beta1, 0, 0.9999)
        check_range("optimizer.beta2", self.beta2, 0, 0.99999)
        check_range("optimizer.warmup", self.warmup, 0, 1)
        check_range("optimizer.final", self.final, 0, 1)
        check_range("optimizer.clip", self.clip, 1e-6, 1e6)


@dataclass
class RecordSettings:
    """What to keep of what the objective did to pairs."""

    every: int = 100
    """Record a step every so many steps; 0 records nothing."""
    negatives: int = 10
    """How many of each query's heaviest negatives to keep."""

    def __post_init__(self) -> None:
        check_range("record.every", self.every, 0, 10**9)
        check_range("record.negatives", self.negatives, 1, 1000)


@dataclass
class TrainSettings:
    """A training run. With the defaults it trains the tiny model on the miniature."""

    output: Path = Path("runs/miniature")
    """Folder of the run."""
    steps: int = 1500
    """Optimizer steps."""
    batch: int = 64
    """Pairs of the global batch, over all processes: every query is contrasted with the targets of all of them."""
    chunk: int = 64
    """Items encoded at once on one process."""
    keep_chunks: int = 64
    """Chunks of a step whose graph is kept; the others are encoded twice (gradient cache) to save memory."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """Of the encoder's arithmetic; auto is bfloat16 on hardware that has it, float32 elsewhere."""
    seed: int = 0
    """Seeds the weights, the data and the order of the batches."""
    save_every: int = 200
    """Write a checkpoint every so many steps, and at the end."""
    resume: bool = False
    """Go on from the run's latest checkpoint, if it has one."""
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    record: RecordSettings = field(default_factory=RecordSettings)

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1, 10**9)
        check_range("batch", self.batch, 2, 10**7)
        check_range("chunk", self.chunk, 1, 10**6)
        check_range("keep_chunks", self.keep_chunks, 0, 10**6)
        check_range("save_every", self.save_every, 1, 10**9)
        if self.batch % self.data.block:
            raise ValueError(f"data.block = {self.data.block} must divide batch = {self.batch}.")
