"""The words of each part of the map, as a list with a button each, and as labels for the map."""

import numpy as np
import pandas as pd
import streamlit as st

from apps.views import cached_map
from apps.views.address import prepare_option, put, remember
from apps.views.cached_words import Cell, cells
from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.filter_bar import SELECTED
from apps.views.looking import Looking
from apps.views.map_cloud import Labels, rule_of
from apps.views.map_layouts import ShownMap
from workbench.projection.cells import outline

COUNTS = (6, 12, 20, 30)
ON_MAP = 2
"""Words of a label on the map."""
HELP = (
    "The map is cut into cells by k-means of its points: pieces of the map, not groups that the space must have. The "
    "words of a cell are those with the largest class-based TF-IDF, tf(t, c) ln(1 + A / tf(t)), among the texts of all "
    "cells (Grootendorst 2022); English stop words and numbers are left out."
)


def choose_words() -> int:
    """Return how many cells are to be named; 0 for none."""
    prepare_option("cell_words", [False, True], False)
    wanted = st.toggle("Words of each part", key="cell_words", help=HELP)
    remember("cell_words", wanted)
    return choose("cells", "Parts", list(COUNTS), 12) if wanted else 0


def cells_on(looking: Looking, shown: ShownMap, count: int) -> list[Cell]:
    """Return the cells of the shown items, none where no words are wanted."""
    if not count:
        return []
    bundle, dataset = looking.bundle, looking.dataset
    rows = cached_map.rows(bundle.digest, dataset, bundle)
    return cells(bundle.digest, dataset, shown.name, count, bundle, rows, shown.points[rows])


def labels_of(found: list[Cell]) -> Labels:
    """Return the first words of each cell where its middle is."""
    return [(*cell.centre, " ".join(cell.words[:ON_MAP])) for cell in found if cell.words]


def show_words(looking: Looking, shown: ShownMap, found: list[Cell]) -> None:
    """Return the cells with their words and a button that selects each."""
    if not found:
        return
    st.markdown("##### Words of each part", help=HELP)
    with st.container(horizontal=True, gap="small"):
        for number, cell in enumerate(found):
            st.button(
                f"{escaped(', '.join(cell.words)) or 'no words'} ({len(cell.items):,})", key=f"cell-{number}",
                help="Select these items in every view", on_click=select_cell, args=(looking, shown, cell),
            )  # fmt: skip
    sizes = [len(cell.items) for cell in found]
    table = pd.DataFrame({"items": sizes, "words": [", ".join(cell.words) for cell in found]})
    centres = np.array([cell.centre for cell in found])
    download_table(table.assign(x=centres[:, 0], y=centres[:, 1]), "map_words", "words-export")


def select_cell(looking: Looking, shown: ShownMap, cell: Cell) -> None:
    """Select the items of a cell: by its outline on the map, or by number where they are few or lie on a line."""
    corners = outline(shown.points[cell.items])
    if corners is None:
        corners = shown.points[cell.items[:3]]
    put({SELECTED: rule_of(looking.bundle, shown, corners.tolist(), cell.items)})
