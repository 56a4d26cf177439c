"""Remember the vectors of items on disk, so that no checkpoint encodes an item twice, nor a killed job again.

    folder/<encoder>/<random>.safetensors     "vectors": (n, d) float32; metadata: the n content ids, a checksum

An encoder is named by a digest of all that its vectors depend on; the items' content ids do the rest. Files appear
whole and are never changed, so any number of processes may write and read at once. A damaged file counts as absent.
"""

import hashlib
import json
import time
import uuid
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import BOOKKEEPING
from core.files.atomic import LEFT_OVER, whole_file

VERSION = 1
"""Part of every encoder's name; a change of how items become vectors raises it."""
NAME = "vectors"
WRITE_ITEMS = 4096
WRITE_SECONDS = 20.0
ABANDONED_SECONDS = 86_400.0


class VectorCache:
    """The vectors of one encoder. `damaged` counts the files that could not be read."""

    def __init__(self, folder: Path, encoder: str) -> None:
        self.folder = folder / encoder
        self.damaged = 0
        self._ids: list[str] = []
        self._vectors: list[np.ndarray] = []
        self._written = time.monotonic()

    def read(self, wanted: Mapping[str, int], into: Float[np.ndarray, "items d"]) -> Bool[np.ndarray, " items"]:
        """Fill in the vectors that are there; `wanted` gives the row of each content id. Which rows were found."""
        found = np.zeros(len(into), dtype=bool)
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                ids, vectors = load_vectors(path, into.shape[1])
            except (OSError, SafetensorError, ValueError) as error:
                self.damaged += 1
                if self.damaged == 1:
                    warnings.warn(f"{path} is damaged ({error}); its items are encoded again.", stacklevel=2)
                continue
            places = [place for place, name in enumerate(ids) if name in wanted]
            rows = [wanted[ids[place]] for place in places]
            into[rows] = vectors[places]
            found[rows] = True
        return found

    def add(self, ids: Sequence[str], vectors: Float[np.ndarray, "n d"]) -> None:
        """Keep some vectors; they are on the disk within 20 seconds of work or 4096 items, or after `write`.

        Raises:
            core.files.atomic.CannotWrite: the system refused.
        """
        self._ids += ids
        self._vectors.append(vectors)
        if len(self._ids) >= WRITE_ITEMS or time.monotonic() - self._written >= WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what was added since the last time.

        Raises:
            core.files.atomic.CannotWrite: the system refused.
        """
        if self._ids:
            vectors = np.ascontiguousarray(np.concatenate(self._vectors), dtype=np.float32)
            written = {"ids": json.dumps(self._ids), "crc32": str(vectors_checksum(self._ids, vectors))}
            with whole_file(self.folder / f"{uuid.uuid4().hex}.safetensors") as partial:
                save_file({NAME: vectors}, partial, metadata=written)
        self._ids, self._vectors, self._written = [], [], time.monotonic()

    def remove_left_overs(self) -> None:
        """Delete half-written files of processes that were killed more than a day ago."""
        for path in self.folder.glob(".*"):
            if LEFT_OVER.fullmatch(path.name) and time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink(missing_ok=True)


def load_vectors(path: Path, dimensions: int) -> tuple[list[str], Float[np.ndarray, "n d"]]:
    """Read one file.

    Raises:
        OSError, SafetensorError: the file cannot be read.
        ValueError: its content is not what was written.
    """
    with safe_open(path, framework="np") as file:
        metadata = file.metadata() or {}
        vectors = file.get_tensor(NAME)
    ids = json.loads(metadata.get("ids", "[]"))
    if metadata.get("crc32") != str(vectors_checksum(ids, vectors)) or vectors.shape != (len(ids), dimensions):
        raise ValueError("checksum or shape differs")
    return ids, vectors


def vectors_checksum(ids: Sequence[str], vectors: Float[np.ndarray, "n d"]) -> int:
    """Return the CRC-32 of ids and vectors."""
    return zlib.crc32(np.ascontiguousarray(vectors).data, zlib.crc32("\n".join(ids).encode()))


def encoder_name(embedder: Embedder) -> str:
    """Return a name for all that an embedder's vectors depend on: weights, config, words, pictures, precision, device.

    How items are put into batches is left out: it changes the last bits alone.
    """
    config, tokenizer = embedder.backbone.config.to_dict(), embedder.tokenizer
    settings = {
        "version": VERSION,
        "config": without_bookkeeping(config),
        "image_processor": embedder.image_processor.to_dict(),
        "tokenizer": rules(tokenizer),
        "chat_template": tokenizer.chat_template,
        "max_text_tokens": embedder.prepare.max_text_tokens,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, weight in embedder.backbone.state_dict().items():
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    dtype = str(embedder.backbone.dtype).removeprefix("torch.")
    return f"{digest.hexdigest()[:32]}-{dtype}-{embedder.device.type}"


def rules(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Say how a tokenizer cuts words; one that is not backed by the library tokenizers is known by its vocabulary."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        return {"class": type(tokenizer).__name__, "vocabulary": tokenizer.get_vocab()}
    whole = json.loads(backend.to_str())
    return {name: value for name, value in whole.items() if name not in ("padding", "truncation")}


def without_bookkeeping(value: Any) -> Any:  # noqa: ANN401 - a config holds any plain type
    """Return a config without what does not change the vectors, at every depth."""
    if isinstance(value, dict):
        return {key: without_bookkeeping(each) for key, each in value.items() if key not in BOOKKEEPING}
    return [without_bookkeeping(each) for each in value] if isinstance(value, list | tuple) else value
