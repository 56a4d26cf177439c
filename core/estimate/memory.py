"""Memory of one GPU: exact for weights, gradients and moments, estimated for what the backward pass needs.

Held throughout, a number of b bytes (4 in float32, 2 in bfloat16), by n GPUs that share the language model:

    weights    sum b                        gradients  sum b over what trains         moments  2 sum b over it
    each / n where sharded; and while a step's gradients add up over chunks, the whole gradient of what is sharded

Graph of the language model, per token and block, of width d, inner width f, queries h and keys k wide, in arithmetic of
c bytes on a stream of s bytes (s = 4, or 2 where the words' embeddings are in bfloat16):

    trained whole   2 (4 + s + c) d + c (2 h + 2 k) + 4 c f
    with LoRA       8 d + c (2 h + 2 k) + 3 c f + a          a: c for each number that enters an adapter, and its mask
    checkpointed    s d, and while a chunk is gone back through one block as above

2 (4 + s + c) d: what enters each of both norms, their result, and its copy; 2 h + 2 k: queries, keys, values and what
attention makes of them (flash attention, which keeps no scores); 4 f: both halves of the feed-forward part, the
activation and the product. With LoRA neither norms' results nor the inputs of the base's matrices are kept. Around the
blocks the stream is held twice more. It is an estimate: tests hold it within a factor of 1.5 of real graphs.
"""

from dataclasses import dataclass

from core.encoder.embedder import Embedder
from core.encoder.lora import is_lora
from core.estimate.model_shape import LOOKED_UP, ModelShape, PictureSize
from core.parallel.fsdp import language_parts

USABLE = 0.94
"""Share of a GPU's memory that tensors can fill; the rest is CUDA's own and the allocator's gaps."""


@dataclass(frozen=True)
class Held:
    """Bytes that a GPU holds throughout training.

    unreduced: whole gradients of sharded weights that wait to be summed over GPUs. gathered: the words' embeddings and
    two blocks at a time, where weights are sharded.
    """

    weights: float
    gradients: float
    moments: float
    unreduced: float
    gathered: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.moments + self.unreduced + self.gathered


def held(embedder: Embedder, shards: int, several_chunks: bool, bfloat16: bool) -> Held:
    """Estimate what one of `shards` GPUs holds; `several_chunks`: gradients add up before they are summed over GPUs."""
    shared: set[int] = set()
    gathered = 0.0
    if shards > 1:
        embedding, blocks = language_parts(embedder)
        shared = {id(weight) for module in (embedding, *blocks) for weight in module.parameters()}
        at_once = [weight for module in (embedding, *blocks[:2]) for weight in module.parameters()]
        gathered = sum(weight.numel() * (2.0 if bfloat16 else weight.element_size()) for weight in at_once)
    weights = gradients = unreduced = 0.0
    for weight in embedder.parameters():
        size = weight.numel() * weight.element_size()
        part = size / shards if id(weight) in shared else float(size)
        weights += part
        gradients += part if weight.requires_grad else 0.0
        if weight.requires_grad and several_chunks and id(weight) in shared:
            unreduced += size
    return Held(weights, gradients, 2 * gradients, unreduced, gathered)


def copies(embedder: Embedder, shards: int, bfloat16: bool) -> float:
    """Count the bytes of bfloat16 copies of float32 matrices in one chunk's graph; autocast makes them for each chunk.

    Sharded blocks are gathered in bfloat16 already.
    """
    if not bfloat16:
        return 0.0
    whole = {id(weight) for each in language_parts(embedder)[1] for weight in each.parameters()} if shards > 1 else {0}
    adapter, total = embedder.backbone_adapter, 0
    for name, weight in embedder.backbone.named_parameters():
        multiplied = weight.dim() >= 2 and not any(each in name for each in LOOKED_UP)
        narrowed = weight.element_size() == 4 and id(weight) not in whole
        if multiplied and narrowed and adapter.part_of(name) != "vision":
            total += 2 * weight.numel()
    return float(total)


@dataclass(frozen=True)
class Precision:
    """Bytes of a number in the arithmetic, in the stream between blocks, and how a graph is made."""

    arithmetic: int
    stream: int
    checkpointing: bool
    dropout: bool

    @classmethod
    def of(cls, embedder: Embedder, bfloat16: bool, checkpointing: bool, dropout: bool) -> "Precision":
        """Read the stream's type off the words' embeddings."""
        embedding, _ = language_parts(embedder)
        widths = {weight.element_size() for name, weight in embedding.named_parameters() if not is_lora(f".{name}")}
        return cls(2 if bfloat16 else 4, max(widths), checkpointing, dropout)


def block_bytes(shape: ModelShape, precision: Precision) -> float:
    """Return of a token in one block of the language model; the equations stand at the top of this file."""
    c, s = precision.arithmetic, precision.stream
    d, f, attention = shape.width, shape.inner, precision.arithmetic * (2 * shape.heads + 2 * shape.shared)
    if not shape.adapters:
        return 2.0 * (4 + s + c) * d + attention + 4.0 * c * f
    entering = 5 * d + shape.heads + f
    return 8.0 * d + attention + 3.0 * c * f + (c + precision.dropout * (c + 1)) * entering


def language_graph(shape: ModelShape, precision: Precision, tokens: float | int) -> float:
    """Return bytes that the graph of so many tokens holds until it is gone back through."""
    if not shape.trained:
        return 0.0
    stream = precision.stream * shape.width
    if precision.checkpointing:
        return float(tokens * (shape.layers + 2) * stream)
    return float(tokens * (shape.layers * block_bytes(shape, precision) + 2 * stream))


def picture_graph(shape: ModelShape, precision: Precision, picture: PictureSize) -> float:
    """Return bytes of the graph of one picture: the projector, if it trains, and the tower, if it does."""
    c, patches, total = precision.arithmetic, sum(picture.groups), 0.0
    if shape.trained & {"vision", "projector"}:
        total += patches / shape.merged * c * (shape.vision_width * shape.merged + 2 * shape.width)
    if "vision" in shape.trained:
        width, inner = shape.vision_width, shape.vision_inner
        block = 2 * (4 + c) * width + 5 * c * width + 2 * c * inner
        total += shape.vision_layers * patches * block
    return total


def feature_bytes(shape: ModelShape, picture: PictureSize, bfloat16: bool) -> float:
    """Return bytes of what the tower made of a picture, which a step keeps where the tower is frozen."""
    return 0.0 if "vision" in shape.trained else sum(picture.groups) * shape.vision_width * (2.0 if bfloat16 else 4.0)
