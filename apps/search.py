"""Live search: a text, a picture or both in, ranked items out; in the browser, on this computer only.

python apps/search.py --root runs
python apps/search.py --folder pictures --checkpoint runs/miniature
python apps/search.py --lancedb database --table pictures --checkpoint runs/miniature
"""

import argparse
import os
import signal

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported
os.environ["HF_HUB_OFFLINE"] = "1"

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from transformers.utils import logging as transformers_logging

from apps.live_search.answers import Catalogue
from apps.live_search.page import build_page, serve
from workbench.bundles.files import MANIFEST
from workbench.exchange import qdrant
from workbench.exchange.lance import LanceTable
from workbench.live_search.sources import Source, database_source, folder_source

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="apps/search.py", description="Live search in the browser.")
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder with the runs (default: runs)")
    parser.add_argument("--bundle", type=Path, help="bundle under the root to show first (default: the newest)")
    parser.add_argument("--folder", type=Path, help="folder of your own pictures to search; needs --checkpoint")
    parser.add_argument(
        "--checkpoint", type=Path, help="checkpoint or run: embeds --folder, or queries in place of a bundle's own"
    )
    parser.add_argument(
        "--on_bad_item",
        choices=("stop", "skip"),
        default="stop",
        help="unreadable pictures of --folder (default: stop)",
    )
    parser.add_argument("--lancedb", type=Path, help="folder of a LanceDB database; needs --table and --checkpoint")
    parser.add_argument(
        "--qdrant",
        metavar="URL",
        help=f"Qdrant server, its key from the environment ({qdrant.API_KEY}), or a local folder; needs --table and "
        "--checkpoint",
    )
    parser.add_argument("--table", help="table of --lancedb or collection of --qdrant to search")
    parser.add_argument("--exact", action="store_true", help="search databases without their approximate indices")
    parser.add_argument("--timeout", type=int, default=10, help="seconds to wait for --qdrant, 1 or more (default: 10)")
    parser.add_argument("--host", default="127.0.0.1", help="address of this computer to serve on; loopback only")
    parser.add_argument("--port", type=int, default=7860, help="port to serve on, 1 to 65535 (default: 7860)")
    parser.add_argument("--check", action="store_true", help="open what would be searched, say what it is, and end")
    return parser.parse_args(given)


def catalogue(settings: argparse.Namespace) -> Catalogue:
    """Say what the settings let the page open; a folder of pictures is embedded here.

    Raises:
        ValueError: a setting cannot be used.
    """
    root: Path = settings.root
    if settings.host not in LOOPBACK:
        raise ValueError(
            f"--host {settings.host}: the page has no login, so it is served on loopback only ({', '.join(LOOPBACK)}). "
            f"To reach it from elsewhere: ssh -L {settings.port}:127.0.0.1:{settings.port} <this computer>"
        )
    if not 1 <= settings.port <= 65535:
        raise ValueError(f"--port {settings.port} is outside [1, 65535].")
    if settings.folder is not None and settings.checkpoint is None:
        raise ValueError("--folder needs --checkpoint: the run or checkpoint that embeds the pictures.")
    if settings.bundle is not None and not settings.bundle.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"--bundle {settings.bundle} lies outside --root {root}; name its runs' folder by --root.")
    if settings.bundle is not None and not (settings.bundle / MANIFEST).is_file():
        raise ValueError(f"--bundle {settings.bundle} is no bundle: it has no {MANIFEST}.")
    opened = opened_sources(settings)
    return Catalogue(root, settings.bundle, None if opened else settings.checkpoint, opened)


def opened_sources(settings: argparse.Namespace) -> dict[str, Source]:
    """Return the folder of pictures and the databases that the settings name, by the names that the page shows.

    Raises:
        ValueError: one of them cannot be opened.
    """
    found: dict[str, Source] = {}
    for option in ("lancedb", "qdrant"):
        if getattr(settings, option) is not None and (settings.table is None or settings.checkpoint is None):
            raise ValueError(
                f"--{option} needs --table, and --checkpoint: the run or checkpoint that embedded its items."
            )
    if settings.folder is not None:
        source = folder_source(settings.folder, settings.checkpoint, settings.on_bad_item)
        found[f"{settings.folder.name} (your pictures)"] = source
    if settings.lancedb is not None:
        table = LanceTable(settings.lancedb, settings.table, settings.exact)
        found[f"{settings.table} (LanceDB)"] = database_source(table, settings.checkpoint)
    if settings.qdrant is not None:
        client = qdrant.connect(settings.qdrant, settings.timeout)
        collection = qdrant.QdrantCollection(client, settings.table, settings.exact)
        found[f"{settings.table} (Qdrant)"] = database_source(collection, settings.checkpoint)
    return found


def check(found: Catalogue) -> None:
    """Open what the page would show first and say what it is. Raises ValueError if that cannot be searched."""
    names = found.names()
    build_page(found)
    if not names:
        print(f"There is nothing to search under {found.root} yet; `make demo` makes a run.")
        return
    source = found.open(names[0])
    print(f"{names[0]}: {source.title}")
    if source.no_embedder:
        raise ValueError(source.no_embedder)


def main(given: Sequence[str] | None = None) -> int:
    """Serve until it is stopped; 0 when done, 1 for a user's error."""
    settings = arguments(given)
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="live-search-") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        try:
            found = catalogue(settings)
            if settings.check:
                check(found)
                return 0
            page = build_page(found)
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as by Ctrl-C: uploads are deleted
            print(f"Live search: {serve(page, settings.host, settings.port)} (Ctrl-C ends it)", flush=True)
            page.block_thread()
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
