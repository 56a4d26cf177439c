"""Open one view of the explorer as the first page of a fresh process, then move one of its widgets.

python -m benchmarks.explorer_view VIEW ROOT STARTED

The page is the real script, run without a browser: what a browser needs to draw it is not in the seconds. STARTED is
`time.monotonic()` at the start of this process. A line of JSON is printed after the page and one after the move.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from streamlit import config
from streamlit.testing.v1 import AppTest

from benchmarks.bounded_process import peak_gb

SCRIPT = Path(__file__).parents[1] / "apps" / "explorer.py"
STRENGTH = 3.0
"""To which the slider is moved; what is generated has 9."""
UNLIMITED = 1e6
"""Seconds: whoever starts this process limits it."""


def first_page(view: str, root: Path) -> AppTest:
    """Return the page that the address of a view shows."""
    config.set_option("server.address", "127.0.0.1")
    sys.argv = [SCRIPT.name, "--root", str(root)]
    page = AppTest.from_file(str(SCRIPT), default_timeout=UNLIMITED)
    page.query_params["view"] = view
    if view == "pair_weights":
        page.query_params["objective"] = "llave"  # InfoNCE, where nothing is trained, has no slider to move
    return checked(page.run())


def checked(page: AppTest) -> AppTest:
    """Return the page.

    Raises:
        ValueError: it shows an exception or an error instead of its view.
    """
    for kind, found in (("exception", page.exception), ("error", page.error)):
        if found:
            raise ValueError(f"the page shows an {kind}: {found[0].value}")
    return page


def move_of(page: AppTest, view: str) -> tuple[str, Callable[[], AppTest]] | None:
    """Return what a user moves next and how: the strength of the weighting, or the data set; None in a view without.

    Raises:
        ValueError: Pair weights has no such slider.
    """
    if view == "pair_weights":
        sliders = [each for each in page.slider if each.key in ("alpha", "beta")]
        if not sliders:
            raise ValueError("Pair weights has no slider alpha or beta to move.")
        return "slider", lambda: sliders[0].set_value(STRENGTH).run()
    boxes = [each for each in page.selectbox if each.key == "dataset" and len(each.options) > 1]
    return ("data set", lambda: boxes[0].select_index(len(boxes[0].options) - 1).run()) if boxes else None


def main(view: str, root: str, started: str) -> None:
    """Open, move, print."""
    try:
        page = first_page(view, Path(root))
        opened = {"seconds": time.monotonic() - float(started), "cpu_s": time.process_time(), "peak_gb": peak_gb()}
        print(json.dumps(opened), flush=True)
        move = move_of(page, view)
        if move is not None:
            before = time.monotonic()
            checked(move[1]())
            print(json.dumps({"move": move[0], "move_s": time.monotonic() - before, "peak_gb": peak_gb()}), flush=True)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
