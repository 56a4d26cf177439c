"""The settings of a training run: typed, documented, checked. One source for the command line, recipes and apps."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.config.estimate_settings import EstimateSettings
from core.config.model_settings import ModelSettings
from core.config.ranges import SEEDS, check_range
from core.objectives.settings import ObjectiveSettings


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
    image_root: Path | None = None
    """mmeb: where the rows' picture paths start, a folder or a ZIP archive; null for `path`."""
    limits: dict[str, int] = field(default_factory=dict)
    """mmeb: other limits for the data sets that it names, such as {VisDial: 20000}."""
    weights: dict[str, float] = field(default_factory=dict)
    """How often an epoch visits the data sets that it names, above 0; 1 for all others, such as {DocVQA: 2.0}."""
    on_bad_item: Literal["stop", "skip"] = "stop"
    """What to do with rows that cannot be used, such as unreadable pictures, empty captions and what the model
    refuses: stop before training, or skip, count and list them. If one goes bad during training: save and stop, or let
    another pair of its data set stand in and list it in substituted.jsonl."""
    negatives: int = 0
    """Explicit hard negatives of each pair to use, where the data has them, 0 or more; each is a further candidate
    for every query of the batch."""
    block: int = 32
    """Pairs of one data set that stay together in a batch, 1 or more; divides the batch."""
    workers: int = 0
    """Processes per rank that prepare data ahead; 0 prepares it in the training process."""

    def __post_init__(self) -> None:
        check_range("data.negatives", self.negatives, 0, 1000)
        check_range("data.block", self.block, 1, 1_000_000)
        check_range("data.workers", self.workers, 0, 256)
        if self.limit is not None:
            check_range("data.limit", self.limit, 1, 10**9)
        for name, limit in self.limits.items():
            check_range(f"data.limits.{name}", limit, 1, 10**9)
        for name, weight in self.weights.items():
            check_range(f"data.weights.{name}", weight, 1e-6, 1e6)
        if self.source != "mmeb" and (self.limits or self.image_root):
            raise ValueError(f"data.limits and data.image_root are of source = 'mmeb', not {self.source!r}.")
        if self.source != "miniature" and self.path is None:
            raise ValueError(f"data.path is missing; data.source = {self.source!r} needs the folder to read.")
        if self.source == "miniature" and self.path is not None:
            raise ValueError(f"data.path = {self.path} is not used by data.source = 'miniature'; set the source too.")


@dataclass
class OptimizerSettings:
    """AdamW with a warm-up and a decay."""

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
    warmup_steps: int | None = None
    """The same as a number of steps, which then counts instead of `warmup`; null: `warmup` counts."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate goes from the peak to `final` after the warm-up; constant: it stays at the peak."""
    final: float = 0.02
    """cosine, linear: learning rate at the last step as a share of the peak, 0 to 1."""
    clip: float = 1.0
    """Largest gradient norm; larger gradients are scaled down to it."""

    def __post_init__(self) -> None:
        check_range("optimizer.learning_rate", self.learning_rate, 1e-12, 1)
        check_range("optimizer.weight_decay", self.weight_decay, 0, 1)
        check_range("optimizer.beta1", self.beta1, 0, 0.9999)
        check_range("optimizer.beta2", self.beta2, 0, 0.99999)
        check_range("optimizer.warmup", self.warmup, 0, 1)
        if self.warmup_steps is not None:
            check_range("optimizer.warmup_steps", self.warmup_steps, 0, 10**9)
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
class ValidateSettings:
    """Scoring the model while it trains, on the miniature's ranking tasks, by the first process."""

    every: int = 0
    """Score every so many steps, and at the end; 0 never. Only for data.source = miniature."""
    queries: int = 20
    """Queries of each data set; others than those of core/eval.py, so that the best is not chosen on them."""

    def __post_init__(self) -> None:
        check_range("validate.every", self.every, 0, 10**9)
        check_range("validate.queries", self.queries, 2, 100_000)


@dataclass
class LogSettings:
    """Where a step's numbers go besides metrics.jsonl."""

    tensorboard: bool = False
    """Write them to <output>/tensorboard too; needs the package tensorboard."""


@dataclass
class TrainSettings:
    """A training run. With the defaults it trains the tiny model on the miniature."""

    output: Path = Path("runs/miniature")
    """Folder of the run."""
    steps: int = 1500
    """Optimizer steps."""
    batch: int = 64
    """Pairs of the global batch, over all processes: every query is contrasted with the targets of all of them.
    There is no accumulation of gradients that would make this pool smaller: chunk and the memory settings change
    memory and time alone. Neither batch nor the number of processes changes the learning rate."""
    chunk: int = 64
    """Items encoded at once on one process."""
    graph_memory_gb: float | None = None
    """Gigabytes (1e9 bytes) that each process may fill with what the backward pass needs; chunks beyond are encoded
    twice (gradient cache), with the same result. 0: all of them; null: half of the memory that is free."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """Of the encoder's arithmetic; auto is bfloat16 on hardware that has it, float32 elsewhere."""
    seed: int = 0
    """Seeds the weights, the data and the order of the batches: any whole number of 64 bits."""
    save_every: int = 200
    """Write a checkpoint every so many steps, and at the end."""
    keep_latest: int = 2
    """How many of the latest checkpoints to keep; 0 keeps all."""
    keep_best: int = 1
    """How many of the best to keep besides: by the validation at their step (overall P@1), or where validate.every
    is 0 by the mean infonce_loss since the checkpoint before."""
    sharding: Literal["none", "full"] = "none"
    """full: spread the language model's weights, gradients and moments over the processes (FSDP2), for models too
    large for one; none: every process holds all of them."""
    sharding_replicas: int = 1
    """full: copies of the language model, each over processes / copies processes: 1, or one for each machine."""
    resume: bool = False
    """Go on from the run's latest checkpoint, if it has one."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """What to do when embeddings, loss or gradient hold NaN or infinity: stop, or skip the step's update and list it
    in nonfinite.jsonl."""
    nonfinite_limit: int = 10
    """skip: stop after so many such steps in a row."""
    dry_run: bool = False
    """Do not train: say what the training will need (parameters, memory, arithmetic, hours), and check that every
    path it reads or writes is as it should be. Builds no weights and downloads nothing."""
    collective_timeout_s: float = 1800.0
    """Seconds that a process waits for the others before it gives them up; longer than writing a checkpoint, or a
    validation, takes."""
    private_paths: bool = False
    """Write no folder of this machine, no user's and no host's name into the run, so that it can be shared: every path
    is relative to the folder that training is started in, and must lie there (a link does). --resume starts there."""
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    record: RecordSettings = field(default_factory=RecordSettings)
    validate: ValidateSettings = field(default_factory=ValidateSettings)
    log: LogSettings = field(default_factory=LogSettings)
    plan: EstimateSettings = field(default_factory=EstimateSettings)

    def __post_init__(self) -> None:
        check_range("seed", self.seed, *SEEDS)
        check_range("steps", self.steps, 1, 10**9)
        check_range("batch", self.batch, 2, 10**7)
        check_range("chunk", self.chunk, 1, 10**6)
        if self.graph_memory_gb is not None:
            check_range("graph_memory_gb", self.graph_memory_gb, 0, 10**6)
        check_range("save_every", self.save_every, 1, 10**9)
        check_range("sharding_replicas", self.sharding_replicas, 1, 10**6)
        if self.sharding == "full" and self.objective.reward == "average":
            raise ValueError("sharding = 'full' does not go with objective.reward = 'average'; use another reward.")
        if self.private_paths and self.log.tensorboard:
            raise ValueError("private_paths does not go with log.tensorboard: TensorBoard names its files by the host.")
        check_range("keep_latest", self.keep_latest, 0, 10**6)
        check_range("keep_best", self.keep_best, 0, 10**6)
        check_range("nonfinite_limit", self.nonfinite_limit, 1, 10**9)
        check_range("collective_timeout_s", self.collective_timeout_s, 0.1, 10**6)
        if self.validate.every and self.data.source != "miniature":
            raise ValueError(
                f"validate.every = {self.validate.every} needs data.source = 'miniature', not {self.data.source!r}; "
                "evaluate checkpoints of other sources by core/eval.py."
            )
        if self.batch % self.data.block:
            raise ValueError(f"data.block = {self.data.block} must divide batch = {self.batch}.")
