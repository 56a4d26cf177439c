"""The cells of a map and their words, kept between clicks."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from jaxtyping import Float, Int

from core.data.records import MARKS
from workbench.bundles.bundle import Bundle
from workbench.measures.cluster_words import cluster_words
from workbench.projection.cells import MOST, cells_of
from workbench.projection.projection import even_sample

WORDS = 4


@dataclass(frozen=True)
class Cell:
    """A piece of a map: its items, where its middle is, and the words that tell it from the others."""

    items: Int[np.ndarray, " k"]
    centre: tuple[float, float]
    words: tuple[str, ...]


def without_marks(text: str) -> str:
    """Return the words of an item without the marks that stand for its pictures and clips."""
    for mark in MARKS.values():
        text = text.replace(mark, " ")
    return text


@st.cache_resource(max_entries=8, show_spinner="Looking for the words of each part of the map ...")
def cells(
    digest: str,
    dataset: str | None,
    name: str,
    count: int,
    _bundle: Bundle,
    _shown: Int[np.ndarray, " n"],
    _points: Float[np.ndarray, "n 2"],
) -> list[Cell]:
    """Return the cells of the shown items' places, the largest first; words of an even sample of 20,000 texts."""
    found = cells_of(_points, count)
    placed = np.flatnonzero(found.codes >= 0)
    sample = placed[even_sample(len(placed), MOST)]
    texts = [without_marks(each) for each in _bundle.items["text"].iloc[_shown[sample]].fillna("")]
    words = cluster_words(texts, found.codes[sample], WORDS) if len(sample) else []
    words += [()] * (len(found.centres) - len(words))
    order = np.argsort(found.codes, kind="stable")
    edges = np.searchsorted(found.codes[order], np.arange(len(found.centres) + 1))
    return [
        Cell(
            _shown[np.sort(order[edges[place] : edges[place + 1]])], (float(centre[0]), float(centre[1])), words[place]
        )
        for place, centre in enumerate(found.centres)
    ]
