"""Convert a published checkpoint as a whole: by the reader of its layout, in one piece or not at all."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from core.checkpoint_import.layouts import LAYOUTS, recognise
from core.checkpoint_import.source import CONFIG, read_json
from core.checkpoint_import.writing import RECORD
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import read_description
from core.encoder.freezing import merge_lora
from core.files.atomic import whole_folder


@dataclass
class ConvertSettings:
    """What to make of what."""

    source: Path
    """The folder of the published checkpoint."""
    output: Path
    """Folder of the embedder to write; it must not exist."""
    base: Path | None = None
    """For an adapter: the folder of the model that it stands on."""
    name: str | None = None
    """The layout's name, where the files do not tell it; see docs/checkpoints.md."""
    merge: bool = False
    """Fold an adapter into its base; needs memory for the base. Otherwise it stays an adapter on it."""


def convert(settings: ConvertSettings) -> str:
    """Write the embedder, and say what it was made of.

    Raises:
        ValueError: the output exists, the layout is not known, there is no adapter to merge, or what a reader raises.
    """
    source, output = settings.source, settings.output
    if output.exists():
        raise ValueError(f"output = {output} exists; name another folder.")
    if settings.name is not None and settings.name not in LAYOUTS:
        raise ValueError(f"name = {settings.name!r} is no layout; layouts are {', '.join(LAYOUTS)}.")
    layout = recognise(source) if settings.name is None else LAYOUTS[settings.name]
    with whole_folder(output) as partial:
        if not settings.merge:
            layout.reader.convert(source, partial, settings.base)
        else:
            with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as unmerged:
                layout.reader.convert(source, Path(unmerged), settings.base)
                write_merged(Path(unmerged), partial)
    return f"{source}: {layout.title}. Wrote {output}."


def write_merged(adapter: Path, folder: Path) -> None:
    """Fold a converted adapter into its base, in float32, and write the whole in the base's precision.

    Raises:
        ValueError: what was converted is no adapter.
    """
    described = read_description(adapter)
    if "base" not in described:
        raise ValueError(f"merge: {read_json(adapter / RECORD).get('source')} is a whole model, not an adapter.")
    embedder = Embedder.load(adapter)
    merge_lora(embedder)
    written = str(read_json(adapter / str(described["base"]) / CONFIG)["dtype"])
    embedder.backbone.to(getattr(torch, written))
    embedder.save(folder)
    shutil.copyfile(adapter / RECORD, folder / RECORD)
