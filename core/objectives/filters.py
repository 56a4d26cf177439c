"""Filter suspected false negatives by similarity: candidates that are probably right though no label says so.

Content ids already leave out what is known to be right. These filters go by similarity and are composable; what they
leave out has no part in the loss and gets no gradient.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Filters:
    """Thresholds; None switches a filter off.

    exclude_above: leave out negatives whose similarity to the anchor exceeds the positive's by more than this
    (0.1 in GTE and Qwen3-Embedding, arXiv 2506.05176; UniME, arXiv 2504.17432, does the same).
    exclude_similar: leave out pairs whose target is more similar than this to the anchor's own target (0.95 in
    RzenEmbed, arXiv 2510.27350); needs one more matrix product per walk over the similarities.
    """

    exclude_above: float | None = None
    exclude_similar: float | None = None

    def __post_init__(self) -> None:
        for name in ("exclude_above", "exclude_similar"):
            value = getattr(self, name)
            if value is not None and not -2 <= value <= 2:
                raise ValueError(f"{name} = {value} is outside [-2, 2], the range of differences of cosines.")


def beyond_positive(
    similarity: Float[Tensor, "m n"], positive: Float[Tensor, "m #n"] | Float[Tensor, "#m n"], margin: float | int
) -> Bool[Tensor, "m n"]:
    """s_ij > s_positive + margin, for anchors in rows (positive is a column) or in columns (a row)."""
    return similarity > positive + margin


def like_own_target(
    own: Float[Tensor, "m d"], targets: Float[Tensor, "n d"], threshold: float | int
) -> Bool[Tensor, "m n"]:
    """<t_i, t_j> > threshold: candidate j is nearly the anchor's own target."""
    return own @ targets.T > threshold
