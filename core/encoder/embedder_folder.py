"""The files of an embedder's folder: its description, and weights that are loaded without any pickle or remote code."""

from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoModel, PreTrainedModel

from core.encoder.backbones.choose import adapter_class
from core.encoder.lora import CONFIG as ADAPTER
from core.files.reading import parse_json
from core.files.run_layout import DESCRIPTION

SHARDS = "weights"
"""The folder of a checkpoint that several processes wrote, each its part of the weights."""
FORMAT = {"format": 1, "pooling": "last_token", "normalize": True}
# What transformers and its parts raise for a folder that is damaged or holds something else.
BOOKKEEPING = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
"""What configs say of where and by whom they were written, not of what the model computes."""
LOAD_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    SafetensorError,
    StrictDataclassError,
)


def load_backbone(folder: Path, dtype: torch.dtype, device: torch.device | str = "cpu") -> PreTrainedModel:
    """Read the weights, every one of them: transformers alone draws weights that the file lacks at random.

    Raises:
        ValueError: the model is of no supported family, weights are missing or of another shape, or an adapter lies
            there too, in whose place transformers would load the base that it names.
    """
    if (folder / ADAPTER).exists():
        raise ValueError(f"{folder / ADAPTER}: an adapter among the weights of a whole model; merge it, or remove it.")
    backbone, report = AutoModel.from_pretrained(
        folder,
        dtype=dtype,
        device_map={"": torch.device(device)},
        use_safetensors=True,
        local_files_only=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    adapter_class(backbone.config)
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
        described = parse_json(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {folder} is not an embedder checkpoint ({error}).") from error
    if not isinstance(described, dict):
        raise ValueError(f"{path}: holds a {type(described).__name__}; an embedder is described by a JSON object.")
    for name, expected in FORMAT.items():
        if described.get(name) != expected:
            raise ValueError(f"{path}: {name} = {described.get(name)!r}; this version reads {expected!r}.")
    return described
