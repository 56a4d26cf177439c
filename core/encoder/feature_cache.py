"""Remember on disk the frozen vision tower's features of each picture, across epochs, runs and checkpoints."""

import hashlib
import json
import warnings
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from core.encoder.backbones.adapter import BackboneAdapter, Model
from core.encoder.embedder_folder import BOOKKEEPING
from core.files.atomic import whole_file

NAME = "features"


class FeatureCache:
    """Features on disk, one file a picture: folder/<tower>/<first two of the id>/<id>.safetensors.

    The tower's name is a digest of its weights and of all else that its features depend on, so that one folder serves
    any number of models. Several processes may share it: files appear whole, and two that write the same picture write
    the same. A damaged file counts as absent and is written anew; `damaged` says how many there were.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hits = 0
        self.misses = 0
        self.damaged = 0

    def path(self, tower: str, picture: str) -> Path:
        """Say where a picture's features are."""
        return self.folder / tower / picture[:2] / f"{picture}.safetensors"

    def read(self, tower: str, picture: str) -> Tensor | None:
        """Get a picture's features, or None if they are not there or damaged; the first damaged file is warned of."""
        path = self.path(tower, picture)
        if not path.exists():
            self.misses += 1
            return None
        try:
            features = load_features(path)
        except (OSError, SafetensorError, ValueError) as error:
            self.misses += 1
            self.damaged += 1
            if self.damaged == 1:
                warnings.warn(f"{path} is damaged ({error}); its features are computed again.", stacklevel=2)
            return None
        self.hits += 1
        return features

    def write(self, tower: str, picture: str, features: Tensor) -> None:
        """Keep a picture's features.

        Raises:
            OSError: the folder cannot be written.
        """
        kept = features.detach().cpu().contiguous()
        with whole_file(self.path(tower, picture)) as partial:
            save_file({NAME: kept}, partial, metadata={"crc32": str(features_checksum(kept))})

    def size_gb(self) -> float:
        """Say what the whole folder takes, in gigabytes (1e9 bytes)."""
        return sum(path.stat().st_size for path in self.folder.rglob("*.safetensors")) / 1e9


def load_features(path: Path) -> Tensor:
    """Read one file of features.

    Raises:
        OSError, SafetensorError: the file cannot be read.
        ValueError: its content is not what was written.
    """
    with safe_open(path, framework="pt") as file:
        written = (file.metadata() or {}).get("crc32")
        features = file.get_tensor(NAME)
    if written != str(features_checksum(features)):
        raise ValueError("checksum differs")
    return features


def features_checksum(values: Tensor) -> int:
    """Return the CRC-32 of a tensor's bytes."""
    return zlib.crc32(values.view(-1).view(torch.uint8).numpy().data)


def stored_dtype(weights: torch.dtype, device: torch.device) -> torch.dtype:
    """In which precision the frozen tower's features are kept: autocast's where it is on, else the weights'."""
    if weights != torch.float64 and torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return weights


def tower_digest(adapter: BackboneAdapter[Model], model: Model) -> str:
    """Return a sha256 of all that the tower's features depend on: weights, shapes, and how pixels are made."""
    config = adapter.config.to_dict()
    settings = {name: config.get(name) for name in ("vision_feature_layer", "vision_feature_select_strategy")}
    settings["vision_config"] = {k: v for k, v in config["vision_config"].items() if k not in BOOKKEEPING}
    settings["image_processor"] = adapter.image_processor.to_dict()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, weight in adapter.weights(model, "vision"):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
