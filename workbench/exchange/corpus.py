"""What is handed to another tool: items with ids, vectors and what to show of them, from a bundle or a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file

from core.corpus.image_folder import EmbeddedPictures, Picture
from core.data.checks.problems import BadRow
from core.data.file_names import inside
from core.data.images.image_files import FileImage
from core.files.reading import parse_json
from workbench.bundles.bundle import MANIFEST, Bundle, open_bundle
from workbench.bundles.files import NORM_TOLERANCE
from workbench.search.search import SearchIndex, bundle_index, folder_index


@dataclass(frozen=True)
class Corpus:
    """Items to be searched elsewhere. ids differ; paths: each item's file, "" where it has none."""

    title: str
    index: SearchIndex
    ids: Sequence[str]
    paths: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return self.index.vectors.shape[1]


def open_corpus(folder: Path) -> Corpus:
    """Return a bundle, or a folder that `core/embed.py` wrote.

    Raises:
        ValueError: it is neither, or cannot be read.
    """
    if not (folder / MANIFEST).is_file():
        raise ValueError(f"{folder}: has no {MANIFEST}; it is neither a bundle nor an output of core/embed.py.")
    if (folder / "rankings.parquet").exists():
        return bundle_corpus(open_bundle(folder))
    return embedded_corpus(folder)


def bundle_corpus(bundle: Bundle) -> Corpus:
    """Return the items of a bundle, queries too."""
    ids = list(bundle.items["item"])
    return Corpus(bundle.folder.name, bundle_index(bundle), ids, [""] * len(ids))


def embedded_corpus(folder: Path) -> Corpus:
    """Get the pictures of a folder that was embedded; a picture that has gone since is exported without a preview."""
    try:
        manifest = parse_json((folder / MANIFEST).read_text())
        root = Path(manifest["folder"])
        vectors = load_file(folder / "embeddings.safetensors")["items"]
        table = pq.read_table(folder / "items.parquet", columns=["item", "file", "text"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, pa.ArrowException) as error:
        raise ValueError(f"{folder}: is no readable output of core/embed.py ({error}). Embed again.") from error
    check_vectors(folder, vectors, table.num_rows)
    rows = table.to_pylist()
    pictures = []
    for number, row in enumerate(rows, start=1):
        try:
            source = FileImage(inside(root, row["file"], f"{folder / 'items.parquet'} row {number}"))
        except BadRow as error:
            raise ValueError(str(error)) from error
        pictures.append(Picture(row["file"], source, row["text"] or ""))
    index = folder_index(EmbeddedPictures(tuple(pictures), vectors, ()))
    # Two files with the same bytes have one content id; the file tells them apart.
    ids = [f"{row['item']}:{row['file']}" for row in rows]
    return Corpus(folder.name, index, ids, [row["file"] for row in rows])


def check_vectors(folder: Path, vectors: np.ndarray, count: int) -> None:
    """Raise ValueError unless there is one finite unit vector an item."""
    path = folder / "embeddings.safetensors"
    if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != count:
        raise ValueError(f"{path}: items is {vectors.dtype} of shape {vectors.shape}, but there are {count} pictures.")
    off = np.flatnonzero(~(np.abs(np.linalg.norm(vectors, axis=1) - 1) <= NORM_TOLERANCE))
    if len(off):
        raise ValueError(f"{path}: the vector of row {off[0] + 1} is not finite or not of norm 1 ({len(off)} such).")
