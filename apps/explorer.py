"""The explorer: look into trained embedding models.

streamlit run apps/explorer.py -- --root runs
"""

import argparse
import ipaddress
from pathlib import Path

import streamlit as st

from apps.views import cached, first_page, hard_negatives, map_view, overview, pair_weights, similarity, training
from apps.views.captions import escaped
from apps.views.choose import choose_bundle, choose_run, choose_view
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
    st.html(STYLE)
    if not on_loopback(st.get_option("server.address")):
        st.error("This page shows files of this machine and has no password: start it with --server.address 127.0.0.1.")
        return
    root = parse_root()
    runs = list_runs(root)
    if not runs:
        first_page.show_welcome(root)
        return
    view = choose_view()
    run = choose_run(runs)
    if view == "training":
        training.show(run)
        return
    if not run.bundles:
        first_page.show_unevaluated(root, run)
        return
    show_bundle(view, run, runs)


def show_bundle(view: str, run: Run, runs: list[Run]) -> None:
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
    if view == "overview":
        overview.show(run, bundle)
    elif view == "similarity":
        similarity.show(run, bundle, runs)
    elif view == "hard_negatives":
        hard_negatives.show(bundle)
    elif view == "map":
        map_view.show(bundle)
    else:
        pair_weights.show(bundle)


def parse_root() -> Path:
    """Return the folder of runs from the command line."""
    parser = argparse.ArgumentParser(description="Look into trained embedding models.")
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder that holds the runs (default: runs)")
    return parser.parse_args().root


def on_loopback(address: str | None) -> bool:
    """Tell whether a server at this address can be reached from this machine only."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    main()
