"""sentence-transformers' cached loss over prepared items and a model that is there already: no processor, no files.

It shares the weights with our side, so that both fit on one device. Its features are made as its own preprocess
makes them: each column padded to its longest item, pixels as normalised float32.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.prepared_mixture import Workload
from benchmarks.sentence_transformers_peer import PeerSettings, make_loss
from core.encoder.embedder import Embedder
from core.encoder.inputs import TokenizedItem

BOOKKEEPING = ("modality", "num_images_per_sample", "token_embeddings", "sentence_embedding")


class Backbone(nn.Module):
    """What sentence-transformers' Transformer module does in forward: the model's last hidden states."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - one of transformers' models
        super().__init__()
        self.model = model

    def forward(self, features: dict[str, Any], **_: object) -> dict[str, Any]:
        """Add "token_embeddings"."""
        inputs = {name: value for name, value in features.items() if name not in BOOKKEEPING}
        features["token_embeddings"] = self.model(**inputs, return_dict=True, use_cache=False).last_hidden_state
        return features


class PreparedPeer:
    """The cached loss on an embedder's own backbone."""

    def __init__(self, embedder: Embedder, chunk: int, autocast: torch.dtype | None, scale: float = 50.0) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

        self.embedder = embedder
        self.autocast = torch.autocast(embedder.device.type, autocast or torch.bfloat16, enabled=autocast is not None)
        backbone = Backbone(embedder.backbone)
        backbone.forward = self.autocast(backbone.forward)
        modules = [backbone, Pooling(embedder.dimensions, pooling_mode="lasttoken"), Normalize()]
        self.model = SentenceTransformer(modules=modules, device=str(embedder.device))
        self.loss = make_loss(self.model, PeerSettings("cached", chunk, scale=scale))

    def columns(self, batch: Workload) -> list[dict[str, Any]]:
        """The features of both columns, on the CPU, as its data collator would hand them over."""
        return [features(self.embedder, side) for side in (batch.queries, batch.targets)]

    def step(self, columns: Sequence[dict[str, Any]], optimizer: torch.optim.Optimizer) -> float:
        """One optimizer step; the loss."""
        device = self.embedder.device
        moved = [{k: v.to(device) if isinstance(v, Tensor) else v for k, v in each.items()} for each in columns]
        loss = self.loss(moved, None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w for w in self.model.parameters() if w.requires_grad], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())


def features(embedder: Embedder, items: Sequence[TokenizedItem]) -> dict[str, Any]:
    """A column as the model's own forward takes it."""
    inputs = embedder.collate(items)
    out: dict[str, Any] = {
        "input_ids": inputs.token_ids,
        "attention_mask": inputs.attention_mask,
        "modality": "message",
    }
    images = [still for item in items for still in item.images]
    qwen = embedder.backbone.config.model_type == "qwen2_vl"
    if qwen:
        out["mm_token_type_ids"] = (inputs.token_ids == embedder.backbone.config.image_token_id).int()
    if not images:
        return out
    out["num_images_per_sample"] = torch.tensor([len(item.images) for item in items])
    scaled = [embedder.backbone_adapter.scaled(still.pixels) for still in images]
    if qwen:
        out["pixel_values"] = torch.cat([each.expand(-1, -1, 2, -1, -1).flatten(1) for each in scaled])
        out["image_grid_thw"] = torch.tensor([(1, *still.size) for still in images])
    else:
        most = max(len(each) for each in scaled)
        out["pixel_values"] = torch.stack([padded(each, most) for each in scaled])
        out["image_sizes"] = torch.tensor([still.size for still in images])
    return out


def padded(crops: Tensor, count: int) -> Tensor:
    """Crops with zeros behind them, as the processor stacks pictures of different numbers of crops."""
    return torch.cat((crops, crops.new_zeros(count - len(crops), *crops.shape[1:])))
