"""What a run has to know of its data to go on with it: how many pairs, a digest, and the rows that were left out."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from core.data.records import PairDataset


@dataclass(frozen=True)
class DataState:
    """A data set as a run found it. pairs: its rows, bad ones too. left_out: the indices of those that are not used.

    digest: of the files with its rows, and of which rows are used. Pictures are not read for it.
    """

    pairs: int
    digest: str
    left_out: tuple[int, ...] = ()

    def same_rows(self, other: "DataState") -> bool:
        """Tell whether the data set is the same, whatever of it was left out."""
        return (self.pairs, self.digest) == (other.pairs, other.digest)


def state_of(dataset: PairDataset, left_out: Collection[int] = ()) -> DataState:
    """Return the state of a whole data set.

    Raises:
        ValueError: a file of it cannot be read.
    """
    return DataState(len(dataset), digest_of(dataset), tuple(sorted(left_out)))


def digest_of(dataset: PairDataset) -> str:
    """Return the digest of a data set's files and used rows; empty for one that is made without files.

    Raises:
        ValueError: a file cannot be read.
    """
    files = getattr(dataset, "files", ())
    if not files:
        return ""
    found = hashlib.sha256(np.asarray(getattr(dataset, "rows", ()), dtype=np.int64).tobytes())
    for path in files:
        try:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror or error}).") from error
    return found.hexdigest()[:32]


def difference(name: str, began: DataState, now: DataState) -> str | None:
    """Say how a data set is another one than when a run began, and what follows from it; None if it is the same."""
    if now.same_rows(began):
        return None
    what = (
        f"{name} has {now.pairs} pairs where the run began with {began.pairs}"
        if now.pairs != began.pairs
        else f"{name} has as many pairs as when the run began, {now.pairs}, but others, or in another order"
    )
    return (
        f"{what}: the data changed, so the order of pairs is another one. Pairs may come twice or not at all in this "
        "epoch, and the run is not what it would have been."
    )
