"""What can be searched: bundles, a folder of pictures, a vector database; each with the model for queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Float

from core.checkpoints import listing
from core.corpus.image_folder import embed_folder
from core.data.checks.problems import OnBadItem, Problem
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import DESCRIPTION
from workbench.bundles.bundle import Bundle, list_bundles, open_bundle
from workbench.exchange.stored import VectorDatabase, search_database
from workbench.live_search.queries import LOOK_ALIKE, picture_instruction
from workbench.search.search import (
    Example,
    Hit,
    Rows,
    SearchIndex,
    bundle_index,
    examples,
    folder_index,
    search,
    targets,
)
from workbench.what_if.objective_words import made_by

EVERY_ITEM = "every item"
EVERYTHING = "every item, queries too"
EVERY_TARGET = "every target"
EVERY_PICTURE = "every picture"


class Source(Protocol):
    """What the search page searches: in memory (`SearchSource`) or in a database (`DatabaseSource`)."""

    @property
    def title(self) -> str:
        """A line about it."""
        ...

    @property
    def embedder(self) -> Embedder | None:
        """The model for queries; None where there is none."""
        ...

    @property
    def no_embedder(self) -> str:
        """Why there is no model for queries; else empty."""
        ...

    @property
    def picture_instruction(self) -> str:
        """The instruction of a picture alone, as the model for queries was trained with it."""
        ...

    @property
    def skipped(self) -> Sequence[Problem]:
        """What had to be left out."""
        ...

    @property
    def scope_names(self) -> list[str]:
        """Among what can be searched, in words."""
        ...

    @property
    def modalities(self) -> list[str]:
        """The kinds of items there are, in alphabetical order."""
        ...

    @property
    def examples(self) -> Mapping[str, Sequence[Example]]:
        """Queries whose right answers are known, by data set."""
        ...

    def nearest(self, query: Float[np.ndarray, " d"], k: int, scope: str | None, modality: str | None) -> list[Hit]:
        """Return the k most similar items of a scope, and of one modality or of any (None).

        Raises:
            ValueError: the scope is none of those offered, the query does not fit, or a database fails.
        """
        ...


@dataclass(frozen=True)
class SearchSource:
    """An index, the rows that can be searched by name of the choice, and the bundle's own queries.

    embedder: None where queries cannot be embedded; `no_embedder` then says why, and examples still work, for their
    vectors are in the bundle. skipped: what a folder had to leave out.
    """

    title: str
    index: SearchIndex
    scopes: Mapping[str, Rows]
    examples: Mapping[str, Sequence[Example]]
    embedder: Embedder | None
    no_embedder: str = ""
    skipped: Sequence[Problem] = ()
    picture_instruction: str = LOOK_ALIKE

    @property
    def modalities(self) -> list[str]:
        """The kinds of items there are, in alphabetical order."""
        return sorted(set(self.index.modalities))

    @property
    def scope_names(self) -> list[str]:
        """Among what can be searched, in words."""
        return list(self.scopes)

    def rows(self, scope: str | None) -> Rows:
        """Return the rows of a scope. Raises ValueError for one that is not offered."""
        return offered(self.scopes, scope)

    def nearest(self, query: Float[np.ndarray, " d"], k: int, scope: str | None, modality: str | None) -> list[Hit]:
        """See `Source`."""
        return search(self.index, query, k, self.index.of_kind(self.rows(scope), modality))

    def example(self, dataset: str, number: int) -> Example:
        """Return the query of a data set by its number, from 1.

        Raises:
            ValueError: there is no such data set or number.
        """
        listed = self.examples.get(dataset)
        if not listed:
            raise ValueError(f"There is no data set {dataset!r} here; choose one from the list.")
        if not 1 <= number <= len(listed):
            raise ValueError(f"{dataset} has {len(listed)} queries; choose a number from 1 to {len(listed)}.")
        return listed[number - 1]


@dataclass(frozen=True)
class DatabaseSource:
    """A table of LanceDB or a collection of Qdrant, with the checkpoint that embeds queries for it."""

    database: VectorDatabase
    embedder: Embedder
    no_embedder: str = ""
    skipped: Sequence[Problem] = ()
    picture_instruction: str = LOOK_ALIKE
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """See `Source`."""
        return self.database.title

    @property
    def scope_names(self) -> list[str]:
        """See `Source`."""
        return [EVERY_ITEM]

    @property
    def modalities(self) -> list[str]:
        """See `Source`."""
        return list(self.database.modalities)

    def nearest(self, query: Float[np.ndarray, " d"], k: int, scope: str | None, modality: str | None) -> list[Hit]:
        """See `Source`."""
        offered({EVERY_ITEM: None}, scope)
        return search_database(self.database, query, k, modality)


T = TypeVar("T")


def offered(scopes: Mapping[str, T], scope: str | None) -> T:
    """Say what a scope stands for. Raises ValueError for one that is not offered."""
    if scope is None or scope not in scopes:
        raise ValueError(f"search among = {scope!r} is not offered here; choose one from the list.")
    return scopes[scope]


def database_source(database: VectorDatabase, checkpoint: Path) -> DatabaseSource:
    """Search a database by a checkpoint's queries.

    Raises:
        ValueError: the checkpoint cannot be loaded, or its vectors have another length than the database's.
    """
    embedder, asking = loaded(checkpoint, database.dimensions, database.title)
    return DatabaseSource(database, embedder, picture_instruction=asking)


def bundles_under(root: Path) -> dict[str, Path]:
    """Return every complete bundle of the runs under a root folder by "<run> / <bundle>", newest first."""
    runs = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")] if root.is_dir() else []
    inside = [run for run in runs if run.resolve().is_relative_to(root.resolve())]
    found = [(run, bundle) for run in inside for bundle in list_bundles(run)]
    found.sort(key=lambda pair: (-pair[1].stat().st_mtime, pair[0].name, pair[1].name))
    return {f"{run.name} / {bundle.name}": bundle for run, bundle in found}


def bundle_source(folder: Path, root: Path, checkpoint: Path | None = None) -> SearchSource:
    """Open a bundle for search, with its own checkpoint or another one that the user names.

    Raises:
        workbench.bundles.bundle.BundleError: the bundle cannot be read.
    """
    bundle = open_bundle(folder)
    listed = examples(bundle)
    by_dataset = targets(listed)
    scopes = {
        EVERY_TARGET: np.unique(np.concatenate(list(by_dataset.values()))),
        **{f"the targets of {name}": rows for name, rows in by_dataset.items()},
        EVERYTHING: np.arange(len(bundle.vectors)),
    }
    embedder, asking, reason = None, LOOK_ALIKE, ""
    try:
        embedder, asking = loaded(checkpoint or checkpoint_of(bundle, root), bundle.vectors.shape[1], "the bundle")
    except ValueError as error:
        reason = str(error)
    return SearchSource(described(bundle), bundle_index(bundle), scopes, listed, embedder, reason, (), asking)


def described(bundle: Bundle) -> str:
    """Return a line about a bundle: step, objective, numbers of items and queries."""
    counts = f"{len(bundle.items):,} items and {len(bundle.rankings):,} queries of the suite {bundle.suite}"
    if bundle.imported is not None:
        return f"{counts}, imported vectors of {bundle.imported}"
    return f"{counts}, embedded after {bundle.step:,} steps of {made_by(bundle)}"


def checkpoint_of(bundle: Bundle, root: Path) -> Path:
    """Return the checkpoint that a bundle names, or, where its run was moved, the one of its step in the bundle's run.

    Raises:
        ValueError: neither is there, or they lie outside the root.
    """
    if bundle.imported is not None:
        raise ValueError(
            f"These vectors were imported: another tool made them with {bundle.imported}, which is not at hand, so new "
            "queries cannot be embedded. The bundle's own examples can be searched. If you have that model as a "
            "checkpoint, name it by --checkpoint."
        )
    named = Path(str(bundle.manifest.get("checkpoint", "")))
    beside = bundle.folder.parent.parent / "checkpoints" / f"{bundle.step:06d}"
    for folder in (named, beside):
        if folder.resolve().is_relative_to(root.resolve()) and (folder / DESCRIPTION).is_file():
            return folder
    raise ValueError(
        f"The checkpoint that made this bundle, {named}, is not there or lies outside {root}, so new queries cannot "
        "be embedded. The bundle's own examples can still be searched. To name another checkpoint: --checkpoint."
    )


def loaded(checkpoint: Path, dimensions: int, searched: str) -> tuple[Embedder, str]:
    """Load a checkpoint whose vectors have so many numbers as what is searched, and its instruction of pictures.

    Raises:
        ValueError: it cannot be loaded, or its vectors have another length.
    """
    folder = listing.resolve(checkpoint).folder
    embedder = Embedder.load(folder)
    if embedder.dimensions != dimensions:
        raise ValueError(
            f"{folder} makes vectors of {embedder.dimensions} numbers, but {searched} has {dimensions}: they are not "
            "of one model. Name the checkpoint that embedded them by --checkpoint, or embed them again."
        )
    return embedder, picture_instruction(folder)


def folder_source(folder: Path, checkpoint: Path, on_bad_item: OnBadItem, progress: bool = True) -> SearchSource:
    """Embed a folder of pictures and open it for search.

    Raises:
        ValueError: there is no checkpoint, or what `core.corpus.image_folder.embed_folder` raises.
    """
    found = listing.resolve(checkpoint)
    embedder = Embedder.load(found.folder)
    embedded = embed_folder(embedder, folder, on_bad_item=on_bad_item, progress=progress)
    index = folder_index(embedded)
    count = len(embedded.pictures)
    title = f"{count:,} picture{'s' * (count != 1)} of {folder.name}, embedded by {found.folder.parent.parent.name}"
    title += f" after {found.step:,} steps" if found.step else ""
    return SearchSource(
        title,
        index,
        {EVERY_PICTURE: np.arange(len(index.texts))},
        {},
        embedder,
        skipped=embedded.problems,
        picture_instruction=picture_instruction(found.folder),
    )
