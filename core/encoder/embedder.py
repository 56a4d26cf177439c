"""The embedder: items in, unit vectors out; saved and loaded in Hugging Face's own layout."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoTokenizer,
    LlavaOnevisionModel,
    PreTrainedTokenizerBase,
)
from transformers.image_processing_utils import BaseImageProcessor

from core.data.records import Item
from core.encoder.backbone import hidden_states
from core.encoder.inputs import Inputs, Prepared, Preparer, collate, sorted_chunks
from core.encoder.pooling import last_token, unit

DESCRIPTION = "embedder.json"
FORMAT = {"format": 1, "pooling": "last_token", "normalize": True}
# What transformers and its parts raise for a folder that is damaged or holds something else.
LOAD_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError, StrictDataclassError)


class Embedder(nn.Module):
    """A multimodal language model read at its last token.

    embed(item) = h_last / |h_last|, h the final hidden states of the item in the backbone's chat template.
    """

    def __init__(
        self,
        backbone: LlavaOnevisionModel,
        tokenizer: PreTrainedTokenizerBase,
        image_processor: BaseImageProcessor,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.prepare = Preparer(tokenizer, image_processor, backbone.config)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.backbone.device

    @property
    def dimensions(self) -> int:
        """The length d of the vectors."""
        return self.backbone.config.get_text_config().hidden_size

    def collate(self, prepared: Sequence[Prepared]) -> Inputs:
        """Pad prepared items on the tokenizer's padding side."""
        assert isinstance(self.tokenizer.pad_token_id, int)
        return collate(prepared, self.tokenizer.pad_token_id, self.tokenizer.padding_side)  # pyright: ignore[reportArgumentType]

    def forward(self, inputs: Inputs) -> Float[Tensor, "n d"]:
        """Unit vectors of a batch, in float32 or better."""
        inputs = inputs.to(self.device)
        return unit(last_token(hidden_states(self.backbone, inputs), inputs.attention_mask))

    @torch.no_grad()
    def embed(self, items: Sequence[Item], chunk: int = 64) -> Float[Tensor, "n d"]:
        """Unit vectors of items in the order given, on the CPU, without gradient.

        Chunks are sorted by length, so that little is padded.

        Raises:
            ValueError: no items.
            core.data.images.BadImage: a picture cannot be read.
        """
        if not items:
            raise ValueError("embed needs at least one item.")
        was_training = self.training
        self.eval()
        prepared = [self.prepare(item) for item in items]
        vectors: dict[int, Tensor] = {}
        for indices in sorted_chunks([each.length for each in prepared], chunk):
            embedded = self(self.collate([prepared[index] for index in indices])).cpu()
            vectors |= dict(zip(indices, embedded, strict=True))
        self.train(was_training)
        return torch.stack([vectors[index] for index in range(len(items))])

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), config, tokenizer, image processor and `embedder.json` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.backbone.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.image_processor.save_pretrained(folder)
        (folder / DESCRIPTION).write_text(json.dumps(FORMAT | {"dimensions": self.dimensions}, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype = torch.float32) -> "Embedder":
        """Read what `save` wrote. Only safetensors are read and no remote code runs.

        Raises:
            ValueError: the folder is no embedder, or its weights do not fit its config.
        """
        read_description(folder)
        try:
            backbone = load_backbone(folder, dtype)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        except LOAD_ERRORS as error:
            raise ValueError(f"{folder}: the checkpoint cannot be loaded: {error}") from error
        return cls(backbone, tokenizer, image_processor)


def load_backbone(folder: Path, dtype: torch.dtype) -> LlavaOnevisionModel:
    """Read the weights, every one of them: transformers alone draws weights that the file lacks at random.

    Raises:
        ValueError: the model is no LLaVA-OneVision, or weights are missing or of another shape.
    """
    backbone, report = AutoModel.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    if not isinstance(backbone, LlavaOnevisionModel):
        raise ValueError(f"model_type {backbone.config.model_type!r} is not supported; use llava_onevision.")
    names = sorted({*report["missing_keys"], *(each[0] for each in report["mismatched_keys"])})
    if names:
        raise ValueError(
            f"{len(names)} weights are missing or of another shape than config.json says: {', '.join(names[:5])}."
        )
    return backbone


def read_description(folder: Path) -> dict[str, object]:
    """Read and check `embedder.json`.

    Raises:
        ValueError: the file is missing, not JSON, or describes another format or pooling.
    """
    path = folder / DESCRIPTION
    try:
        described = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {folder} is not an embedder checkpoint ({error}).") from error
    if not isinstance(described, dict):
        raise ValueError(f"{path}: holds a {type(described).__name__}; an embedder is described by a JSON object.")
    for name, expected in FORMAT.items():
        if described.get(name) != expected:
            raise ValueError(f"{path}: {name} = {described.get(name)!r}; this version reads {expected!r}.")
    return described
