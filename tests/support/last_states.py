"""What a language model makes of a batch on its way to vectors, for comparison with transformers' own forward."""

import copy

import torch

from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs


def last_states(embedder: Embedder, inputs: ModelInputs) -> torch.Tensor:
    """The language model's final states of every token, its last block whole."""
    whole = copy.deepcopy(embedder)
    seen = []
    del whole.backbone_adapter.blocks(whole.backbone)[-1].forward
    norm = whole.backbone_adapter.language_model(whole.backbone).norm
    norm.register_forward_hook(lambda _, __, out: seen.append(out))
    whole(inputs)
    return seen[0]


def whole_backbone(embedder: Embedder) -> torch.nn.Module:
    """A copy of the model as transformers made it."""
    backbone = copy.deepcopy(embedder.backbone)
    del embedder.backbone_adapter.blocks(backbone)[-1].forward
    return backbone
