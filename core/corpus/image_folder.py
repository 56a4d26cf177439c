"""Embed a folder of pictures: list them, encode them, write their vectors and a table.

manifest.json           checkpoint, folder, dimensions, numbers of pictures embedded and skipped, and of files that
                        were passed over, by rule
embeddings.safetensors  "items": (pictures, d) float32 unit vectors
items.parquet           row i: content id, file (relative to the folder), modality, text (its caption, or empty)
skipped.jsonl           what could not be used and why, if anything was skipped
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float
from safetensors.numpy import save_file
from tqdm import tqdm

from core.checkpoints import listing
from core.config.private_paths import shareable
from core.config.ranges import check_range
from core.data.checks.problems import BadItems, BadRow, OnBadItem, Problem, naming
from core.data.checks.visuals import unreadable
from core.data.file_names import inside
from core.data.folder import METADATA
from core.data.images.file_kinds import PICTURE_SUFFIXES
from core.data.images.folder_listing import Listing, beside_table, list_folder, told
from core.data.images.image_files import FileImage
from core.data.records import Image, Item, refuse_half_characters
from core.data.tables import Table, read_table
from core.encoder.embedder import Embedder
from core.encoder.inputs import TokenizedItem
from core.encoder.item_rules import ItemRules, prepared_or_reason
from core.evaluation.encode import Encoding, encoded_portion, refuse_not_finite
from core.files.atomic import whole_folder

FILES = ("manifest.json", "embeddings.safetensors", "items.parquet", "skipped.jsonl")


@dataclass
class EmbedSettings:
    """Which pictures to embed, with what, and where to put the vectors."""

    checkpoint: Path
    """The folder of a checkpoint, or of a run (its latest checkpoint)."""
    folder: Path
    """The pictures: those that metadata.jsonl or metadata.csv names, or without these all pictures below it."""
    out: Path
    """Folder for the vectors; an older result there is replaced, anything else is refused."""
    caption_column: str = "text"
    """The column of metadata.jsonl or metadata.csv with the captions, kept beside the vectors; it may be missing."""
    on_bad_item: OnBadItem = "stop"
    """What to do with pictures that cannot be read, or that the model refuses: stop before embedding, or skip, count
    and list them."""
    batch: int = 64
    """Pictures encoded at once, 1 to 65536."""
    private_paths: bool = False
    """Write no folder of this machine into the manifest: every path is relative to the folder that the command is
    started in, and must lie there (a link does)."""

    def __post_init__(self) -> None:
        check_range("batch", self.batch, 1, 65536)


@dataclass(frozen=True)
class Picture:
    """One picture of a folder. `file` is relative to the folder, `text` its caption or empty."""

    file: str
    source: FileImage
    text: str = ""
    origin: str = ""

    @property
    def item(self) -> Item:
        """The picture alone, as it is embedded."""
        return Item((Image(self.source),))

    def problem(self, reason: str) -> Problem:
        """Return why it cannot be used; a reason that names the file says it once."""
        return Problem(self.origin, reason.removeprefix(f"{self.origin}: "))


@dataclass(frozen=True)
class EmbeddedPictures:
    """The pictures that could be used, their unit vectors row by row, and the problems of the others.

    ignored: how many files below the folder each rule passes over.
    """

    pictures: tuple[Picture, ...]
    vectors: Float[np.ndarray, "pictures d"]
    problems: tuple[Problem, ...]
    ignored: Mapping[str, int] = field(default_factory=dict)


def embed_to_files(settings: EmbedSettings, progress: bool = True) -> EmbeddedPictures:
    """Embed as the settings say and write the result; it appears in one piece or not at all.

    Raises:
        ValueError: there is no checkpoint, `out` holds something else, or what `embed_folder` raises.
    """
    settings = shareable(settings) if settings.private_paths else settings
    refuse_foreign(settings.out)
    checkpoint = listing.resolve(settings.checkpoint)
    embedder = Embedder.load(checkpoint.folder)
    done = embed_folder(
        embedder, settings.folder, settings.caption_column, settings.on_bad_item, settings.batch, progress
    )
    manifest = {
        "checkpoint": str(checkpoint.folder),
        "folder": str(settings.folder),
        "dimensions": done.vectors.shape[1],
        "pictures": len(done.pictures),
        "skipped": len(done.problems),
        "ignored": dict(done.ignored),
    }
    with whole_folder(settings.out) as partial:
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        save_file({"items": done.vectors}, partial / "embeddings.safetensors")
        pq.write_table(pictures_table(done.pictures), partial / "items.parquet")
        if done.problems:
            lines = "".join(json.dumps(asdict(problem)) + "\n" for problem in done.problems)
            (partial / "skipped.jsonl").write_text(lines)
    return done


def refuse_foreign(out: Path) -> None:
    """Raise ValueError if `out` exists and is anything but an earlier result, which would be lost."""
    if out.exists() and not (out.is_dir() and {path.name for path in out.iterdir()} <= set(FILES)):
        raise ValueError(f"out = {out} exists and holds other files, which would be lost. Name a new folder by --out.")


def embed_folder(
    embedder: Embedder,
    folder: Path,
    caption_column: str = "text",
    on_bad_item: OnBadItem = "stop",
    batch: int = 64,
    progress: bool = True,
) -> EmbeddedPictures:
    """Embed every picture of a folder.

    Raises:
        ValueError: the folder or its metadata cannot be read; a picture cannot be used and `on_bad_item` is "stop"
            (the message names up to ten); or no picture is left.
        core.evaluation.encode.NonFiniteVectors: the model gives vectors that are not finite.
    """
    listed, problems, listing = list_pictures(folder, caption_column)
    total = len(listed) + len(problems)
    found = unreadable([each.source for each in listed], str(folder), progress, ItemRules(embedder.prepare))
    reasons = dict(found)
    for each in listed:
        if each.source in reasons:  # a reason names the file, as the origin of a file that no table names does
            problems.append(each.problem(reasons[each.source]))
    if problems and on_bad_item == "stop":
        raise BadItems(problems, total, "--on_bad_item")
    pictures = tuple(each for each in listed if each.source not in reasons)
    if not pictures:
        raise ValueError(f"{folder}: none of its {total} pictures can be used. The first: {problems[0]}")
    pictures, vectors, lost = embed_pictures(embedder, pictures, batch, progress)
    if lost and on_bad_item == "stop":
        raise BadItems(lost, total, "--on_bad_item")
    if not pictures:
        raise ValueError(f"{folder}: none of its {total} pictures can be used. The first: {[*problems, *lost][0]}")
    return EmbeddedPictures(pictures, vectors, (*problems, *lost, *listing.left_out), listing.ignored)


def embed_pictures(
    embedder: Embedder, pictures: Sequence[Picture], batch: int, progress: bool
) -> tuple[tuple[Picture, ...], Float[np.ndarray, "pictures d"], list[Problem]]:
    """Return the pictures with unit vectors, each taken alone, without an instruction: the form of targets.

    Those that can no longer be read, or be named by their content, are told as problems.
    """
    kept: list[Picture] = []
    vectors = [np.empty((0, embedder.dimensions), dtype=np.float32)]
    lost: list[Problem] = []
    for start in tqdm(range(0, len(pictures), batch), "embedding", unit="batch", disable=not progress):
        part = pictures[start : start + batch]
        items = [each.item for each in part]
        prepared = [prepared_or_reason(prepare_with_id(embedder), item) for item in items]
        portion = encoded_portion(embedder, prepared, Encoding(batch=batch))
        good = [place for place in range(len(part)) if place not in portion.reasons]
        refuse_not_finite([items[place] for place in good], portion.vectors[good])
        kept += [part[place] for place in good]
        vectors.append(portion.vectors[good])
        lost += [part[place].problem(reason) for place, reason in portion.reasons.items()]
    return tuple(kept), np.concatenate(vectors), lost


def prepare_with_id(embedder: Embedder) -> Callable[[Item], TokenizedItem]:
    """Return what prepares an item and makes its content id, which the table of the result needs."""

    def prepare(item: Item) -> TokenizedItem:
        prepared = embedder.prepare(item)
        _ = item.content_id
        return prepared

    return prepare


def list_pictures(folder: Path, caption_column: str = "text") -> tuple[list[Picture], list[Problem], Listing]:
    """Return the pictures of a folder, not yet opened, the rows of its metadata that name none, and what else is there.

    Raises:
        ValueError: there is no such folder, it has no pictures, or its metadata cannot be read.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of pictures.")
    tables = [folder / name for name in METADATA if (folder / name).exists()]
    if len(tables) == 2:
        raise ValueError(f"{folder}: both {' and '.join(METADATA)} lie there; keep one.")
    if tables:
        pictures, problems = listed_by(folder, read_table(tables[0], ["file_name"]), caption_column)
        return pictures, problems, beside_table(folder, tables[0], [each.source.path for each in pictures])
    listing = list_folder(folder)
    if not listing.pictures:
        others = f" Left out: {listing.left_out[0]}" if listing.left_out else ""
        passed = f" Passed over: {told(listing.ignored)}." if listing.ignored else ""
        raise ValueError(f"{folder}: holds no pictures; they end in {', '.join(PICTURE_SUFFIXES)}.{others}{passed}")
    files = [Picture(str(path.relative_to(folder)), FileImage(path), origin=str(path)) for path in listing.pictures]
    return files, [], listing


def listed_by(folder: Path, table: Table, caption_column: str) -> tuple[list[Picture], list[Problem]]:
    """Return the pictures that a folder's metadata names, and the rows that name none inside the folder."""
    pictures, problems = [], []
    for index, row in enumerate(table.rows):
        where = table.where(index)
        name, words = row.get("file_name"), row.get(caption_column)
        text = words.strip() if isinstance(words, str) else ""
        if not isinstance(name, str) or not name.strip():
            problems.append(Problem(where, "file_name is empty."))
            continue
        try:
            with naming(where):
                for each in (name, text):
                    refuse_half_characters(each)
                pictures.append(Picture(name, FileImage(inside(folder, name, where)), text, where))
        except BadRow as error:
            problems.append(error.problem)
    return pictures, problems


def pictures_table(pictures: Sequence[Picture]) -> pa.Table:
    """Return one row a picture, in the order of the vectors."""
    return pa.table(
        {
            "item": [each.item.content_id for each in pictures],
            "file": [each.file for each in pictures],
            "modality": ["image"] * len(pictures),
            "text": [each.text for each in pictures],
        }
    )
