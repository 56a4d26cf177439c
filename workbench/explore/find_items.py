"""Finding items without a model: by words or id, by an item that they lie near, and those that are there twice."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from core.evaluation.top_k import top_k
from workbench.bundles.bundle import Bundle
from workbench.bundles.candidates import Lists, lists_of

SEEDED = 0x9E3779B97F4A7C15
ROWS_AT_ONCE = 2**15


def named(bundle: Bundle, words: str) -> Int[np.ndarray, " items"]:
    """Return the items whose text holds some words, upper and lower case alike, or whose id they are; the id first."""
    if not words:
        return np.arange(len(bundle.items))
    held = bundle.items["text"].str.contains(words, case=False, regex=False).fillna(False).to_numpy(dtype=bool)
    own = (bundle.items["item"] == words).to_numpy(dtype=bool)
    return np.concatenate([np.flatnonzero(own), np.flatnonzero(held & ~own)])


@dataclass(frozen=True)
class Neighbours:
    """The items nearest to one by cosine, the nearest first, without itself. tied: further ones as near as the last."""

    rows: Int[np.ndarray, " k"]
    similarities: Float[np.ndarray, " k"]
    tied: int


def neighbours(bundle: Bundle, item: int, k: int) -> Neighbours:
    """Return the k nearest items of all, exactly; fewer where there are fewer others."""
    asked = torch.from_numpy(np.array(bundle.vectors[item : item + 1]))
    found = top_k(asked, torch.from_numpy(bundle.vectors), k + 1)
    rows, near = found.rows[0].numpy(), found.similarities[0].numpy()
    others = rows != item
    return Neighbours(rows[others][:k], near[others][:k], int(found.tied[0]))


def equal_vectors(vectors: Float[np.ndarray, "items d"]) -> Lists:
    """Return the groups of two and more items with the same vector, bit for bit, the largest first.

    Rows are told apart by a hash of their bytes, and rows of one hash are compared.
    """
    hashes = np.empty(len(vectors), dtype=np.uint64)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        block = np.ascontiguousarray(vectors[start : start + ROWS_AT_ONCE]).view(np.uint32).astype(np.uint64)
        mixed = (block + np.arange(1, block.shape[1] + 1, dtype=np.uint64)) * np.uint64(SEEDED)
        mixed ^= mixed >> np.uint64(29)
        hashes[start : start + len(block)] = (mixed * (mixed | np.uint64(1))).sum(axis=1, dtype=np.uint64)
    groups = groups_of(hashes)
    return lists_of(
        part
        for group in (groups[each] for each in range(len(groups)))
        for part in parts_of_equal(vectors, group)
        if len(part) > 1
    )


def parts_of_equal(vectors: Float[np.ndarray, "items d"], group: Int[np.ndarray, " m"]) -> list[np.ndarray]:
    """Cut rows of one hash into those that are truly equal; nearly always all of them are."""
    if (vectors[group] == vectors[group[0]]).all():
        return [group]
    kinds = np.unique(vectors[group], axis=0, return_inverse=True)[1].reshape(-1)
    return [group[kinds == kind] for kind in range(kinds.max() + 1)]


def equal_texts(bundle: Bundle) -> Lists:
    """Return the groups of two and more texts of the same words, but for case and white space, the largest first.

    Items with a picture are not told apart by their words, and are left out.
    """
    plain = bundle.items["text"].fillna("").str.lower().str.split().str.join(" ")
    codes = pd.factorize(plain)[0].astype(np.int64)
    codes[(bundle.items["modality"] != "text").to_numpy()] = -1
    return groups_of(codes, left_out=-1)


def groups_of(keys: np.ndarray, left_out: int | None = None) -> Lists:
    """Return the groups of two and more places with one key, the largest first; one key may be left out."""
    kinds, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero((counts > 1) & ((kinds != left_out) if left_out is not None else True))
    order = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts
    chosen = repeated[np.argsort(-counts[repeated], kind="stable")]
    return lists_of(order[starts[each] : starts[each] + counts[each]] for each in chosen)
