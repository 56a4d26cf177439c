"""What-ifs of Modalities: the stored vectors are changed and the same queries ranked anew, P@1 before and after."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Float, Int
from streamlit.elements.lib.column_types import ColumnConfig

from apps.views import cached_modalities as cached
from apps.views.address import prepare_number, prepare_option, remember
from apps.views.cached_modalities import Change
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.looking import Looking
from core.evaluation.metrics import PairedDifference, paired_difference
from workbench.explore.filters import modality_pairs

CHANGES: Mapping[str, str] = {
    "centring": "Centring by modality",
    "gap": "Closing the gap",
    "csls": "CSLS against hubs",
    "prefix": "Matryoshka prefix",
    "int8": "8 bits",
}
MEANINGS: Mapping[str, str] = {
    "centring": "The mean of each modality's queries, and of its candidates, is moved to the origin by this share, and "
    "vectors are made unit length again.",
    "gap": "Queries and candidates are moved towards each other by half of this share of their gap each.",
    "csls": "From each similarity half of the candidate's mean cosine to its k nearest queries is taken, which hubs "
    "have high (CSLS, Conneau et al. 2018). Nearest among the sampled queries of the same data set.",
    "prefix": "Only the first so many numbers of each vector, made unit length again. Little is lost only if the model "
    "was trained for it (Matryoshka).",
    "int8": "Every number is rounded to 8 bits, by the largest of its vector: a quarter of the bytes.",
}
NEIGHBOURS = (1, 2, 3, 5, 10, 20, 50)


def show_changes(looking: Looking) -> None:
    """Return one change with its slider, and what it does to the same queries."""
    prepare_option("modal_change", list(CHANGES), "centring")
    cure = st.segmented_control("Change", list(CHANGES), key="modal_change", format_func=CHANGES.__getitem__,
                                label_visibility="collapsed", required=True)  # fmt: skip
    remember("modal_change", cure)
    if cure is None:
        return
    left, right = st.columns([3, 1])
    with left:
        change = Change(cure, number_of(cure, looking.bundle.vectors.shape[1]))
    with right:
        sample = choose("modal_sample", "Sample", list(cached.SAMPLES), "quick")
    before = cached.hits(looking.key, sample, None, looking.bundle, looking.queries)
    after = cached.hits(looking.key, sample, change, looking.bundle, looking.queries)
    numbers = cached.sampled(looking.bundle, looking.queries, sample)
    datasets = looking.bundle.rankings["dataset"].cat.codes.to_numpy()[numbers]
    show_difference(paired_difference(before, after, datasets), len(np.unique(datasets)))
    every = len(looking.queries)
    asked = (
        f"All {every:,} queries"
        if len(numbers) == every
        else f"An even sample of {len(numbers):,} of {every:,} queries"
    )
    st.caption(f"{MEANINGS[cure]} {asked}, ranked as they are stored and as changed; the interval is of the paired "
               "differences (bootstrap, 95 %). Nothing is trained or saved.")  # fmt: skip
    table = by_pair(modality_pairs(looking.bundle, numbers), before, after)
    st.dataframe(table, hide_index=True, column_config=columns())
    download_table(table, f"what-if-{cure}", "changes")


def number_of(cure: str, dimensions: int) -> float:
    """Return the number of a change from its slider; 0 for one that has none."""
    if cure in ("centring", "gap"):
        name = f"modal_{cure}"
        prepare_number(name, 0.0, 1.0, 1.0)
        share = st.slider("Share", 0.0, 1.0, step=0.05, key=name)
        remember(name, share)
        return share
    if cure == "csls":
        return slide("modal_neighbours", "k nearest queries", NEIGHBOURS, 10)
    if cure == "prefix":
        sizes = prefixes(dimensions)
        return slide("modal_prefix", "Numbers of a vector", sizes, sizes[max(0, len(sizes) - 2)])
    return 0.0


def slide(name: str, label: str, options: tuple[int, ...], default: int) -> int:
    """Return one of some numbers from a slider that the URL remembers."""
    prepare_option(name, list(options), default)
    chosen = st.select_slider(label, options, key=name)
    remember(name, chosen)
    return int(chosen)


def prefixes(dimensions: int) -> tuple[int, ...]:
    """Return the lengths of prefixes: powers of two below the vectors' own, and that."""
    return (*(2**power for power in range(dimensions.bit_length()) if 2**power < dimensions), dimensions)


def show_difference(found: PairedDifference, datasets: int) -> None:
    """Return P@1 before and after, and the difference with its interval."""
    left, middle, right = st.columns(3)
    mean = "" if datasets == 1 else f" Mean over {datasets} data sets."
    left.metric(
        "P@1 as stored", f"{100 * found.before:.1f} %", help=f"Share of queries whose first answer is right.{mean}"
    )
    middle.metric("P@1 changed", f"{100 * found.after:.1f} %", help=f"The same queries with the changed vectors.{mean}")
    told = "told from none" if found.low > 0 or found.high < 0 else "not told from none"
    right.metric(
        "Difference, points",
        f"{100 * found.value:+.1f}",
        delta=f"95 %: {100 * found.low:+.1f} to {100 * found.high:+.1f}, {told}",
        delta_color="off",
        delta_arrow="off",
        help=f"{found.gains:,} queries gained and {found.losses:,} lost, of {found.n:,}.",
    )


def by_pair(
    pairs: np.ndarray, before: Float[np.ndarray, " n"], after: Float[np.ndarray, " n"]
) -> pd.DataFrame:  # fmt: skip
    """Return before, after and the paired difference of each pair of modalities, most queries first; in percent."""
    names, counts = np.unique(pairs.astype(str), return_counts=True)
    rows = []
    for name in names[np.argsort(-counts, kind="stable")]:
        here: Int[np.ndarray, " m"] = np.flatnonzero(pairs == name)
        found = paired_difference(before[here], after[here], np.zeros(len(here), dtype=np.int64))
        numbers = (found.before, found.after, found.value, found.low, found.high)
        rows.append([str(name), found.n, *(100 * each for each in numbers), found.gains, found.losses])
    return pd.DataFrame(rows, columns=["query > right answer", "queries", *PERCENT, "gained", "lost"])


PERCENT = ("P@1 as stored", "changed", "difference", "from", "to")


def columns() -> dict[str, ColumnConfig]:
    """Say how the table's numbers are written."""
    return {
        name: st.column_config.NumberColumn(format="%.1f %%" if name in PERCENT[:2] else "%+.1f") for name in PERCENT
    }
