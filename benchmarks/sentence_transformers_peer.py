"""sentence-transformers' training step, at its best honest settings, on the model and the files that ours reads.

Needs torchvision (for its processor). To measure on a CPU without letting it into the project's environment:

    python -m venv PEER && PEER/bin/pip install --no-deps torchvision==0.28.0
    echo "import site; site.addsitedir('<the project environment>/lib/python3.11/site-packages')" \
        > PEER/lib/python3.11/site-packages/project.pth
    PEER/bin/python benchmarks/train_step.py

Its hardness weighting acts on query -> target only; the direction target -> query stays plain, see `expected_loss`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from benchmarks import torchvision_operators
from core.contrast.contrast import value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE

HOW_TO = "install torchvision as benchmarks/sentence_transformers_peer.py says"
Rows = Mapping[str, Sequence[Mapping[str, str]]]


def available() -> bool:
    """Whether the rival can be run here."""
    return not torchvision_operators.missing()


@dataclass(frozen=True)
class PeerSettings:
    """How the rival runs. chunk: its mini_batch_size, for the cached loss. alpha 0 is InfoNCE."""

    loss: Literal["cached", "plain"]
    chunk: int = 32
    bfloat16: bool = False
    freeze_vision: bool = False
    alpha: float = 9.0
    scale: float = 50.0
    both_directions: bool = True
    attention: str = "sdpa"
    pictures: Literal["torchvision", "pil"] = "torchvision"


class Peer:
    """A SentenceTransformer with its loss and AdamW."""

    def __init__(self, folder: Path, data: Path, rows: Rows, settings: PeerSettings) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

        self.data, self.rows, self.settings = data, rows, settings
        options = {"attn_implementation": settings.attention}
        transformer = Transformer(str(folder), model_kwargs=options)
        if settings.pictures == "pil":
            transformer.processor.image_processor = pil_processor(folder)
        width = transformer.get_embedding_dimension()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = SentenceTransformer(
            modules=[transformer, Pooling(width, pooling_mode="lasttoken"), Normalize()], device=device
        )
        if settings.bfloat16:  # as accelerate does it: the second pass of the cached loss runs outside of any context
            autocast = torch.autocast(device, torch.bfloat16)
            transformer.model.forward = autocast(transformer.model.forward)
        if settings.freeze_vision:
            vision_of(transformer.model).requires_grad_(False)
        self.model.train()
        self.loss = make_loss(self.model, settings)
        self.trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4, betas=(0.9, 0.98), weight_decay=0.0, fused=True)

    def step(self, chosen: Sequence[tuple[str, int]]) -> float:
        """One optimizer step on these rows (data set, index), pictures read from disk included; the loss."""
        loss = self.loss(self.features(chosen), None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach())

    def features(self, chosen: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
        """Both columns of a batch, preprocessed by sentence-transformers and moved to the device."""
        rows = [self.rows[dataset][index] for dataset, index in chosen]
        columns = (("qry", "qry_image_path"), ("pos_text", "pos_image_path"))
        out = []
        for text, path in columns:
            features = self.model.preprocess([message(self.data, row[text], row[path]) for row in rows])
            # Counted per picture, but cut per text by the cached loss; without it, every item has one picture.
            features.pop("batch_num_images", None)
            out.append({k: v.to(self.model.device) if isinstance(v, Tensor) else v for k, v in features.items()})
        return out

    @torch.no_grad()
    def vectors(self, chosen: Sequence[tuple[str, int]]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """The embeddings of the queries and of the targets."""
        queries, targets = (self.model(features)["sentence_embedding"] for features in self.features(chosen))
        return queries, targets


def make_loss(model: Any, settings: PeerSettings) -> Any:  # noqa: ANN401 - sentence-transformers is optional
    """The loss nearest to LLaVE's that the library has: both directions, in-batch hardness weights."""
    from sentence_transformers.sentence_transformer import losses

    options: dict[str, Any] = {
        "scale": settings.scale,
        "directions": ("query_to_doc", "doc_to_query") if settings.both_directions else ("query_to_doc",),
        "partition_mode": "per_direction",
        "hardness_mode": "in_batch_negatives" if settings.alpha else None,
        "hardness_strength": settings.alpha,
    }
    if settings.loss == "cached":
        return losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=settings.chunk, **options)
    return losses.MultipleNegativesRankingLoss(model, **options)


def expected_loss(queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"], alpha: float, scale: float) -> float:
    """What its loss should be by our own formulas: weights from query to target, none from target to query."""
    ids = torch.arange(len(queries))
    forth = value_and_gradient(HardnessWeighted(alpha, 1 / scale, False), EmbeddingBatch(queries, targets, ids, ids))
    back = value_and_gradient(InfoNCE(1 / scale, False), EmbeddingBatch(targets, queries, ids, ids))
    return float(forth.loss + back.loss) / 2


def message(data: Path, text: str, path: str) -> list[dict[str, Any]]:
    """One side of a pair as the chat message that sentence-transformers takes for mixed content."""
    words = text.replace("<|image_1|>", "").strip()
    content: list[dict[str, Any]] = []
    if path:
        with Image.open(data / path) as picture:
            content.append({"type": "image", "image": picture.convert("RGB")})
    if words:
        content.append({"type": "text", "text": words})
    return [{"role": "user", "content": content}]


def vision_of(backbone: torch.nn.Module) -> torch.nn.Module:
    """The vision tower of LLaVA-OneVision or Qwen2-VL."""
    name = "vision_tower" if hasattr(backbone, "vision_tower") else "visual"
    return getattr(backbone, name)


def pil_processor(folder: Path) -> Any:  # noqa: ANN401 - one of transformers' many classes
    """The folder's image processor in the Pillow implementation, which ours uses: pixels agree exactly."""
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
