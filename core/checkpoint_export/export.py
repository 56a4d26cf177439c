"""One export from settings: load, merge, write, describe, push."""

import shutil
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import torch

from core.checkpoint_export.facts import Facts, gather, newest_bundle
from core.checkpoint_export.hub import Hub, push
from core.checkpoint_export.model_card import card
from core.checkpoint_export.sentence_transformers_folder import write_sentence_transformers
from core.checkpoint_export.settings import ExportSettings
from core.checkpoints import listing
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import read_description
from core.encoder.freezing import merge_lora
from core.encoder.lora import lora_config
from core.files.atomic import whole_folder
from core.files.reading import parse_json

CARD = "README.md"
PICTURES = "thumbnails.parquet"


def export(settings: ExportSettings, hub: Hub | None = None) -> str:
    """Do it; a sentence that says what was done. `hub` stands in for the Hugging Face hub.

    Raises:
        ValueError: the checkpoint cannot be read or exported, the output exists, the bundle holds pictures that may
            not be published, or the hub refused.
        core.files.atomic.CannotWrite: the system refused.
    """
    checkpoint = listing.resolve(settings.checkpoint)
    if settings.output is not None and settings.output.exists():
        raise ValueError(f"output = {settings.output} exists; name another folder.")
    bundle = bundle_to_add(checkpoint.folder, settings)
    embedder = whole_embedder(checkpoint.folder)
    facts = gather(checkpoint, embedder, settings)
    if settings.output is not None:
        with whole_folder(settings.output) as partial:
            write(embedder, facts, bundle, partial)
        return f"Written: {settings.output}"
    assert settings.repo is not None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(embedder, facts, bundle, folder)
        return f"Pushed: {push(folder, settings.repo, settings.private, hub)}"


def write(embedder: Embedder, facts: Facts, bundle: Path | None, folder: Path) -> None:
    """Fill the folder of an export."""
    if facts.for_sentence_transformers:
        write_sentence_transformers(embedder, folder, facts.checkpoint)
    else:
        embedder.save(folder)
    if bundle is not None:
        shutil.copytree(bundle, folder / "bundle")
    (folder / CARD).write_text(card(facts))


def whole_embedder(folder: Path) -> Embedder:
    """Return an embedder in the type that its weights are stored in; with an adapter, folded into its base in float32.

    Raises:
        ValueError: it cannot be loaded.
    """
    merged = "base" in read_description(folder)
    embedder = Embedder.load(folder, torch.float32 if merged else stored_dtype(folder))
    if lora_config(embedder.backbone) is not None:
        merge_lora(embedder)
    return embedder.eval()


def stored_dtype(folder: Path) -> torch.dtype:
    """Return the type of a checkpoint's weights, by its config; float32 if it does not say."""
    config = folder / "config.json"
    found = parse_json(config.read_text()) if config.is_file() else {}
    dtype = getattr(torch, str(found.get("dtype") or found.get("torch_dtype") or "float32"), None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{config}: dtype = {found.get('dtype')!r} is no type of torch.")
    return dtype


def bundle_to_add(checkpoint: Path, settings: ExportSettings) -> Path | None:
    """Return the bundle that goes along, if one is asked for.

    Raises:
        ValueError: there is none, or it holds pictures that may not be published.
    """
    if not settings.bundle:
        return None
    bundle = newest_bundle(checkpoint)
    if bundle is None:
        raise ValueError(f"bundle: {checkpoint} was not evaluated; do so by core/eval.py, or leave the bundle out.")
    table = bundle / PICTURES
    pictures = pq.read_metadata(table).num_rows if table.is_file() else 0
    if pictures and not settings.pictures:
        raise ValueError(
            f"{table} holds {pictures} small pictures of the data that was evaluated. Publish them by --pictures, or "
            "leave the bundle out."
        )
    return bundle
