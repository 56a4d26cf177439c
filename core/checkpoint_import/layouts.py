"""Recognise the layout of a published folder, and choose its reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Protocol, runtime_checkable

from core.checkpoint_import import hugging_face, llave, qqmm, qwen3_vl_embedding, sentence_transformers, vlm2vec
from core.checkpoint_import.source import CONFIG, settings


@runtime_checkable
class Reader(Protocol):
    """A module that reads one layout."""

    def recognises(self, folder: Path) -> bool:
        """Tell whether the folder is in this layout, by its names and settings alone."""
        ...

    def convert(self, source: Path, output: Path, base: Path | None) -> None:
        """Write an embedder's folder into `output`. Raises ValueError."""
        ...


@dataclass(frozen=True)
class Layout:
    """A published layout: what it is called, what a folder of it has, and who reads it."""

    title: str
    looked_for: str
    reader: Reader


LAYOUTS: Mapping[str, Layout] = {
    "vlm2vec": Layout(vlm2vec.LAYOUT, vlm2vec.LOOKED_FOR, vlm2vec),
    "qqmm": Layout(qqmm.LAYOUT, qqmm.LOOKED_FOR, qqmm),
    "llave": Layout(llave.LAYOUT, llave.LOOKED_FOR, llave),
    "qwen3_vl_embedding": Layout(qwen3_vl_embedding.LAYOUT, qwen3_vl_embedding.LOOKED_FOR, qwen3_vl_embedding),
    "sentence_transformers": Layout("sentence-transformers", sentence_transformers.MODULES, sentence_transformers),
    "hugging_face": Layout(hugging_face.LAYOUT, hugging_face.LOOKED_FOR, hugging_face),
}
"""By the names that --name takes; the first that recognises a folder reads it, so special ones come first."""


def recognise(folder: Path) -> Layout:
    """Return the layout of a folder.

    Raises:
        ValueError: there is no such folder, or no reader knows it; the message lists what was looked for and found.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; download the checkpoint, then name its folder.")
    for layout in LAYOUTS.values():
        if layout.reader.recognises(folder):
            return layout
    looked_for = "".join(f"\n- {name}: {layout.looked_for}" for name, layout in LAYOUTS.items())
    raise ValueError(f"{folder}: no known layout. Looked for:{looked_for}\nFound: {found(folder)}")


def found(folder: Path) -> str:
    """Say what a folder has of what layouts are told by."""
    config = settings(folder)
    kinds = [f"{name} {config[name]!r}" for name in ("model_type", "architectures") if name in config]
    names = sorted(path.name for path in folder.iterdir())
    listed = ", ".join(names[:20]) + f" and {len(names) - 20} more" * (len(names) > 20)
    return f"{CONFIG} with {', '.join(kinds) or 'no model_type'}; {listed}" if config else listed or "nothing"
