"""The explorer, or another page of Streamlit's, served to a browser from a warm process of its own."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import warm_processes

ROOT = Path(__file__).parents[2]


@contextmanager
def served_explorer(root: Path) -> Iterator[str]:
    """Its address, over a root folder of runs."""
    with served_page("apps/explorer.py", "--", "--root", str(root)) as address:
        yield address


@contextmanager
def served_page(script: str, *arguments: str) -> Iterator[str]:
    """The address of a script of this project."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "streamlit", "run", script, "--server.headless", "true"]
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", *arguments]
    server = warm_processes.Program([*command, *options], folder=ROOT)
    try:
        end = time.monotonic() + 180
        while not answers(port):
            assert server.process.exitcode is None, server.ended(1)
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.process.terminate()
        server.ended(30)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
