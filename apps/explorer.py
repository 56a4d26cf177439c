"""The explorer: look into trained embedding models.

streamlit run apps/explorer.py -- --root runs

Streamlit imports this file once, to serve `app`, and runs it anew for each page that is asked for.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers: nothing is fetched

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from apps.access import SameMachineOnly, on_loopback
from apps.views import (
    cached,
    cards,
    concepts,
    first_page,
    hard_negatives,
    items,
    map_view,
    modalities,
    overview,
    pair_weights,
    similarity,
    training,
)
from apps.views.address import read_address, write_address
from apps.views.captions import escaped
from apps.views.choose import VIEWS, choose_against, choose_bundle, choose_run, choose_view
from apps.views.filter_bar import choose_filters, read_selection, show_chips
from apps.views.looking import Looking
from workbench.bundles.bundle import BundleError
from workbench.runs.runs import Run, list_runs

# Less empty space at the edges than Streamlit leaves; fixed text, into which no data ever enters.
STYLE = """<style>
.stMainBlockContainer {padding: 2.2rem 2.5rem 2rem 2.5rem}
[data-testid="stSidebarHeader"] {height: 2rem; margin-bottom: 0}
</style>"""


def main() -> None:
    """Return one page: choose a run, an evaluation and a view; show it."""
    # No page_icon: Streamlit fetches the Material ones from the web.
    st.set_page_config(page_title="Embedding explorer", layout="wide")
    st.html(STYLE + cards.STYLE)
    if not on_loopback(st.get_option("server.address")):
        st.error("This page shows files of this machine and has no password: start it with --server.address 127.0.0.1.")
        return
    read_address()
    show_page(parse_root())
    write_address()


def show_page(root: Path) -> None:
    """Return the page that the address asks for."""
    runs = list_runs(root)
    if not runs:
        first_page.show_welcome(root)
        return
    view = choose_view()
    run = choose_run(runs)
    st.set_page_config(page_title=f"{VIEWS[view][0]} - {run.name}")
    if view == "training":
        training.show(run, runs)
    elif not run.bundles:
        first_page.show_unevaluated(root, run)
    else:
        show_bundle(view, run, runs, root)


def show_bundle(view: str, run: Run, runs: list[Run], root: Path) -> None:
    """Return a view of one of the run's bundles, or why it cannot be shown."""
    folder = choose_bundle(run)
    if run.state not in ("finished", "imported"):
        st.sidebar.caption(f"The run is {run.state}: step {run.done} of {run.planned or 'an unknown number'}.")
    try:
        bundle = cached.open_bundle(folder)
    except BundleError as error:
        st.error(f"This evaluation cannot be shown. {escaped(str(error))}")
        st.markdown("To write it again, type:")
        st.code(run.evaluate_command, language="sh")
        return
    against = choose_against(bundle, runs)
    filters = choose_filters(bundle)
    selection = read_selection(bundle, against)
    numbers = cached.queries(bundle.digest, filters, selection, bundle)
    looking = Looking(root, tuple(runs), run, bundle, against, filters, selection, numbers)
    show_chips(filters, selection, looking.sentence)
    if bundle.paired or view in UNPAIRED:
        SHOW[view](looking)
    else:
        first_page.show_unpaired(bundle)


SHOW: Mapping[str, Callable[[Looking], None]] = {
    "overview": overview.show,
    "similarity": similarity.show,
    "hard_negatives": hard_negatives.show,
    "pair_weights": pair_weights.show,
    "map": map_view.show,
    "modalities": modalities.show,
    "concepts": concepts.show,
    "items": items.show,
}
UNPAIRED = ("map", "items")  # views of items alone; no text below it, which Streamlit would write on the page


def parse_root() -> Path:
    """Return the folder of runs from the command line."""
    parser = argparse.ArgumentParser(description="Look into trained embedding models.")
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder that holds the runs (default: runs)")
    return parser.parse_args().root


def refuse_other_machines() -> None:
    """End the process before it answers anybody, unless it is to be served on an address of this machine alone."""
    address = st.get_option("server.address")
    if not on_loopback(address):
        raise SystemExit(
            f"error: --server.address {address or 'is not set, which means all addresses'}: the explorer shows files "
            "of this machine and has no password, so it is served on loopback only (127.0.0.1, localhost, ::1). To "
            "reach it from elsewhere: ssh -L 8501:127.0.0.1:8501 <this computer>"
        )


app = st.App(__file__, middleware=[Middleware(SameMachineOnly)])

if __name__ == "__main__":
    main()
elif __name__ == Path(__file__).stem:  # as `streamlit run` imports it before it serves
    refuse_other_machines()
