"""Floating-point operations of a pair, from a model's sizes; a multiplication with its addition counts as 2.

Forward, for an item of T tokens, R_c patches that attend to each other, R patches together:

    language   2 P T + 2 L h T^2        attention is causal: half of the square
    adapters   2 A T
    projector  2 P_p R / m
    vision     2 P_v R + 4 L_v d_v sum_c R_c^2

P, A, P_p, P_v: numbers in the matrices (`Shape`). h: width of all heads together. m: patches in a token. Norms,
activations and the loss are left out.

Backward: a matrix that trains costs twice its forward (its gradient, and its input's), one that gradients only pass
through once its forward, attention twice. Where nothing before it trains, nothing. Attention kernels that compute
their scores again in the backward pass (flash attention) do half a forward's attention more; it is left out.
Activation checkpointing makes the language model's forward again, but for the product at the end of each block (unless
an adapter stands there): 2 d f L T less, d and f the block's width and that of its feed-forward part.
"""

from dataclasses import dataclass

from core.plan.shape import PictureSize, Shape


@dataclass(frozen=True)
class Items:
    """Queries, or targets, as they are on average: tokens without the picture, and the share with a picture."""

    tokens: float | int
    pictured: float | int


@dataclass(frozen=True)
class Flops:
    """Operations, by what they are for.

    vision, language, projector: forward once. backward: of all. checkpointing: the forward pass again that activation
    checkpointing makes. twice: the forward pass again for what the gradient cache encodes twice.
    """

    vision: float | int = 0.0
    language: float | int = 0.0
    projector: float | int = 0.0
    backward: float | int = 0.0
    checkpointing: float | int = 0.0
    twice: float | int = 0.0

    @property
    def useful(self) -> float:
        """What has to be done: forward and backward once (as MFU counts)."""
        return self.vision + self.language + self.projector + self.backward

    @property
    def done(self) -> float:
        """All that is done, what is computed again too (as HFU counts)."""
        return self.useful + self.checkpointing + self.twice

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def times(self, factor: float | int) -> "Flops":
        """So many of them."""
        return Flops(**{name: value * factor for name, value in vars(self).items()})


def language_matrices(shape: Shape, tokens: float | int) -> float:
    """Forward, the language model's own matrices."""
    return 2.0 * shape.language * tokens


def language_attention(shape: Shape, tokens: float | int) -> float:
    """Forward, queries with keys and the mixing of values."""
    return 2.0 * shape.layers * shape.heads * tokens**2


def language_adapters(shape: Shape, tokens: float | int) -> float:
    """Forward, the LoRA adapters."""
    return 2.0 * shape.adapters * tokens


def vision_forward(shape: Shape, picture: PictureSize) -> float:
    """Forward, the vision tower over a picture."""
    squares = sum(each**2 for each in picture.groups)
    return 2.0 * shape.vision * sum(picture.groups) + 4.0 * shape.vision_layers * shape.vision_width * squares


def projector_forward(shape: Shape, picture: PictureSize) -> float:
    """Forward, the projector over a picture."""
    return 2.0 * shape.projector * sum(picture.groups) / shape.merged


def item_flops(
    shape: Shape, tokens: float | int, picture: PictureSize | None, checkpointing: bool, twice: float | int
) -> Flops:
    """Forward and backward of one item.

    Args:
        shape: of the model.
        tokens: of the item without its picture.
        picture: its picture, if it has one.
        checkpointing: whether activations inside blocks are computed again for the backward pass.
        twice: the share of items that the gradient cache encodes twice, 0 to 1.
    """
    length = tokens + (picture.tokens if picture else 0)
    matrices, attention = language_matrices(shape, length), language_attention(shape, length)
    adapters = language_adapters(shape, length)
    language = matrices + attention + adapters
    vision = vision_forward(shape, picture) if picture else 0.0
    projector = projector_forward(shape, picture) if picture else 0.0
    before = picture is not None and bool(shape.trained & {"vision", "projector"})
    backward = 0.0
    if "language" in shape.trained:
        whole = not shape.adapters
        backward += (2 if whole else 1) * matrices + 2 * attention + 2 * adapters
    elif before:
        backward += matrices + 2 * attention
    if "projector" in shape.trained:
        backward += 2 * projector
    elif "vision" in shape.trained:
        backward += projector
    if "vision" in shape.trained:
        backward += 2 * vision
    # A frozen tower runs once a step, whatever is encoded twice; without a gradient nothing is computed again.
    again = language + projector + (vision if "vision" in shape.trained else 0.0)
    end = 0.0 if shape.adapters else 2.0 * shape.width * shape.inner * shape.layers * length
    return Flops(
        vision, language, projector, backward, language - end if checkpointing and backward else 0.0, twice * again
    )


def items_flops(shape: Shape, items: Items, picture: PictureSize, checkpointing: bool, twice: float | int) -> Flops:
    """The mean over items with and without a picture."""
    pictured = item_flops(shape, items.tokens, picture, checkpointing, twice)
    plain = item_flops(shape, items.tokens, None, checkpointing, twice)
    return pictured.times(items.pictured) + plain.times(1 - items.pictured)


def pair_flops(
    shape: Shape,
    queries: Items,
    targets: Items,
    negatives: int,
    picture: PictureSize,
    checkpointing: bool = False,
    twice: float | int = 0.0,
) -> Flops:
    """A query, its target, and so many explicit negatives, which are like targets; none of them met before."""
    query = items_flops(shape, queries, picture, checkpointing, twice)
    return query + items_flops(shape, targets, picture, checkpointing, twice).times(1 + negatives)


def hours(flops: float | int, gpus: int, peak_tflops: float | int, utilisation: float | int) -> float:
    """Hours that so many operations take: flops / (gpus peak utilisation 3600 s)."""
    return flops / (gpus * peak_tflops * 1e12 * utilisation * 3600)
