"""UMAP in a process of its own, so that a page stays alive while loops are compiled and points are moved.

python -m workbench.projection.process 15 0.1 0 < vectors.npy > layout.npz
"""

import io
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Float

import workbench
from workbench.projection.projection import Layout, umap_layout

CODE = Path(workbench.__file__).resolve().parents[1]
WAITING = ThreadPoolExecutor(1, thread_name_prefix="umap")
"""One map at a time: each waits for its own process, which takes a core."""


def start_umap(vectors: Float[np.ndarray, "n d"], neighbours: int, min_dist: float, seed: int) -> Future[Layout]:
    """Begin `umap_layout`; the result comes later, or RuntimeError with the last words of a process that failed."""
    return WAITING.submit(umap_apart, vectors, (str(neighbours), str(min_dist), str(seed)))


def umap_apart(vectors: Float[np.ndarray, "n d"], settings: Sequence[str]) -> Layout:
    """`umap_layout` in a process of its own.

    Raises:
        RuntimeError: the process failed; the message holds its last line.
    """
    stream = io.BytesIO()
    np.save(stream, vectors)
    command = [sys.executable, "-m", "workbench.projection.process", *settings]
    done = subprocess.run(command, cwd=CODE, input=stream.getvalue(), capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"ended with {done.returncode}"]
        raise RuntimeError(f"The map could not be made: {said[-1]}")
    found = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return Layout(found["rows"], found["points"], str(found["made"]), int(found["left_out"]))


def main() -> None:
    """Return vectors in at stdin, a layout out at stdout; neighbours, min_dist and seed on the command line."""
    vectors = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    layout = umap_layout(vectors, int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
    np.savez(sys.stdout.buffer, allow_pickle=False, **vars(layout))


if __name__ == "__main__":
    main()
