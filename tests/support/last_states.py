"""What a language model makes of a batch on its way to vectors, for comparison with transformers' own forward."""

import torch

from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs


def last_states(embedder: Embedder, inputs: ModelInputs) -> torch.Tensor:
    """The language model's final states of every token."""
    seen = []
    norm = embedder.backbone_adapter.language_model(embedder.backbone).norm
    hook = norm.register_forward_hook(lambda _, __, out: seen.append(out))
    embedder(inputs)
    hook.remove()
    return seen[0]
