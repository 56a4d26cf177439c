"""Estimate what a training needs by its settings, and find what is wrong with them, before anything is loaded."""

import os
from dataclasses import dataclass

from core.config.settings import TrainSettings
from core.estimate.data_mixture import Mixture, mixture
from core.estimate.flops import Flops, Items, hours, pair_flops
from core.estimate.memory import (
    USABLE,
    Held,
    Precision,
    block_bytes,
    copies,
    feature_bytes,
    held,
    language_graph,
    picture_graph,
)
from core.estimate.model import EstimatedModel, estimated_model
from core.estimate.model_shape import ModelShape, PictureSize, picture_size, shape_of
from core.estimate.paths import path_problems


@dataclass(frozen=True)
class Memory:
    """Bytes of one GPU.

    features: of a step's pictures. chunk: the graph of a chunk, on average. longest: that of a chunk of pictures alone
    (chunks are sorted by length). working: what a pass over such a chunk needs besides. kept: of so many `chunks`,
    those whose graphs stay until they are gone back through.
    """

    held: Held
    features: float
    chunk: float
    longest: float
    working: float
    chunks: int
    kept: int

    @property
    def peak(self) -> float:
        """With as many graphs as are kept, and one that is made or gone back through, of the longest chunk."""
        graphs = min(self.chunks - 1, self.kept) * self.chunk + self.longest
        return self.held.total + self.features + graphs + self.working

    @property
    def twice(self) -> float:
        """The share of chunks that are encoded twice."""
        return 1 - self.kept / self.chunks


@dataclass(frozen=True)
class Estimate:
    """What a training needs. flops: of a pair. disk: bytes of a checkpoint. cache: bytes of all pictures' features."""

    settings: TrainSettings
    gpus: int
    origin: str
    shape: ModelShape
    picture: PictureSize
    mixture: Mixture
    queries: Items
    targets: Items
    memory: Memory
    flops: Flops
    disk: float
    cache: float

    @property
    def fits(self) -> bool:
        """Whether the peak is below what tensors can fill of a GPU."""
        return self.memory.peak <= USABLE * self.settings.plan.memory_gb * 1e9

    @property
    def epochs(self) -> float:
        """Passes over the data."""
        return self.settings.steps * self.settings.batch / self.mixture.pairs

    @property
    def hours(self) -> float:
        """How long the steps take at the assumed utilisation, all that is computed again included."""
        machine, settings = self.settings.plan, self.settings
        total = settings.steps * settings.batch * self.flops.done
        return hours(total, self.gpus, machine.peak_tflops, machine.utilisation)

    @property
    def mfu(self) -> float:
        """The assumed utilisation without what is computed again."""
        return self.settings.plan.utilisation * self.flops.useful / self.flops.done


def make_estimate(settings: TrainSettings, gpus: int) -> tuple[Estimate | None, list[str]]:
    """Return the plan on so many GPUs and all problems; no plan where the model's or the data's sizes are not known."""
    problems = processes_problems(settings, gpus)
    pairs, wrong = mixture(settings.data, settings.seed)
    problems += wrong
    model: EstimatedModel | None = None
    try:
        model = estimated_model(settings.model)
        shape = shape_of(model.embedder)
    except ValueError as error:
        # A folder that is not there is told of by `path_problems`, with the commands that get it.
        if settings.model.published is not None or os.path.exists(settings.model.start):
            problems.append(str(error))
        return None, list(dict.fromkeys([*problems, *path_problems(settings, 0.0)]))
    disk = checkpoint_bytes(model, shape)
    problems = list(dict.fromkeys([*problems, *path_problems(settings, disk)]))
    return (None if pairs is None else planned(settings, gpus, model, shape, pairs, disk)), problems


def planned(
    settings: TrainSettings, gpus: int, model: EstimatedModel, shape: ModelShape, pairs: Mixture, disk: float
) -> Estimate:
    """Return the plan for a model and pairs that are known."""
    assumed, trainable = settings.plan, settings.model.trainable
    picture = picture_size(model.embedder, assumed.picture_width, assumed.picture_height)
    shares = (
        pairs.query_pictures if assumed.query_pictures is None else assumed.query_pictures,
        pairs.target_pictures if assumed.target_pictures is None else assumed.target_pictures,
    )
    cut = settings.model.max_text_tokens or 10**9
    queries = Items(min(assumed.query_tokens, cut), shares[0])
    targets = Items(min(assumed.target_tokens, cut), shares[1])
    memory = memory_of(settings, gpus, model, shape, picture, queries, targets)
    flops = pair_flops(
        shape,
        queries,
        targets,
        settings.data.negatives,
        picture,
        trainable.activation_checkpointing,
        memory.twice,
    )
    features = feature_bytes(shape, picture, settings.precision in ("auto", "bfloat16"))
    cache = features * pairs.pairs * (queries.pictured + (1 + settings.data.negatives) * targets.pictured)
    return Estimate(settings, gpus, model.origin, shape, picture, pairs, queries, targets, memory, flops, disk, cache)


def memory_of(
    settings: TrainSettings,
    gpus: int,
    model: EstimatedModel,
    shape: ModelShape,
    picture: PictureSize,
    queries: Items,
    targets: Items,
) -> Memory:
    """Say what one GPU holds, with as many graphs as `core.contrast.gradient_cache` would keep."""
    trainable, bfloat16 = settings.model.trainable, settings.precision in ("auto", "bfloat16")
    others = 1 + settings.data.negatives
    pairs = -(-settings.batch // gpus)
    chunks = -(-pairs * (1 + others) // settings.chunk)
    pictures = pairs * (queries.pictured + others * targets.pictured)
    tokens = pairs * (queries.tokens + others * targets.tokens) + pictures * picture.tokens
    at_once = min(settings.chunk, pairs * (1 + others)) * (queries.pictured + targets.pictured > 0)
    longest = at_once * (max(queries.tokens, targets.tokens) + picture.tokens)
    shards = max(1, gpus // settings.sharding_replicas) if settings.sharding == "full" else 1
    always = held(model.embedder, shards, chunks > 1, bfloat16)
    features = pictures * feature_bytes(shape, picture, bfloat16)
    precision = Precision.of(model.embedder, bfloat16, trainable.activation_checkpointing, trainable.lora_dropout > 0)
    narrow = copies(model.embedder, shards, bfloat16)

    def graph(tokens: float | int, pictures: float | int) -> float:
        return language_graph(shape, precision, tokens) + pictures * picture_graph(shape, precision, picture)

    chunk, largest = graph(tokens, pictures) / chunks, max(graph(longest, at_once), graph(tokens, pictures) / chunks)
    working = max(longest, tokens / chunks) * block_bytes(shape, precision) + narrow
    if not precision.checkpointing:
        chunk, largest, working = chunk + narrow, largest + narrow, 0.0
    budget = (settings.plan.memory_gb * 1e9 * USABLE - always.total - features) / 2
    if settings.graph_memory_gb is not None:
        budget = settings.graph_memory_gb * 1e9
    kept = max(0, min(chunks, int(budget // chunk) if chunk else chunks))
    return Memory(always, features, chunk, largest, working, chunks, kept)


def checkpoint_bytes(model: EstimatedModel, shape: ModelShape) -> float:
    """Get a checkpoint on the disk: all weights, or those that train beside a base, and the moments of what trains."""
    weights = [weight for weight in model.embedder.parameters()]
    trained = sum(weight.numel() * weight.element_size() for weight in weights if weight.requires_grad)
    whole = sum(weight.numel() * weight.element_size() for weight in weights)
    return float((trained if shape.adapters else whole) + 2 * trained)


def processes_problems(settings: TrainSettings, gpus: int) -> list[str]:
    """Say what does not divide."""
    found = []
    if settings.batch % gpus:
        found.append(f"batch = {settings.batch} must be a multiple of the number of processes, {gpus}.")
    if settings.sharding == "full" and gpus % settings.sharding_replicas:
        found.append(f"sharding_replicas = {settings.sharding_replicas} must divide the number of processes, {gpus}.")
    return found
