"""UMAP in a process of its own, so that a page stays alive while loops are compiled and points are moved.

python -m workbench.projection.process 15 0.1 0 < vectors.npy > layout.npz
"""

import io
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

import workbench
from core.evaluation.layouts import MOST
from workbench.projection.projection import Layout, even_sample, umap_layout

CODE = Path(workbench.__file__).resolve().parents[1]
WAITING = ThreadPoolExecutor(1, thread_name_prefix="umap")
"""One map at a time: each waits for its own process, which takes a core."""
FIRST, A_THOUSAND = 20, 1.0
"""Rough seconds that a map takes: before the first point is moved, and for each thousand items, on one core."""


class UmapJob:
    """A UMAP that is being made. The result comes later, or RuntimeError with the last words of what failed."""

    def __init__(
        self, vectors: Float[np.ndarray, "n d"], rows: Int[np.ndarray, " m"], settings: tuple[int, float, int]
    ) -> None:
        """Begin: of an even sample of some rows; settings are neighbours, min_dist and seed of `umap_layout`."""
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        chosen = rows[even_sample(len(rows), MOST)]
        self._future = WAITING.submit(self._make, vectors, chosen, [str(each) for each in settings])

    def _make(self, vectors: Float[np.ndarray, "n d"], rows: Int[np.ndarray, " m"], settings: Sequence[str]) -> Layout:
        process = begun(settings)
        self._process = process
        if self._cancelled:
            process.kill()
        layout = finished(process, vectors[rows])
        return replace(layout, rows=rows[layout.rows])

    def cancel(self) -> None:
        """Give the map up."""
        self._cancelled = True
        self._future.cancel()
        if self._process is not None:
            self._process.kill()

    def done(self) -> bool:
        """Tell whether the map is there, or has failed."""
        return self._future.done()

    def failure(self) -> str | None:
        """Say why the map could not be made; None where it could."""
        error = self._future.exception()
        return None if error is None else str(error)

    def result(self) -> Layout:
        """Return the map, once it is done. Raises RuntimeError."""
        return self._future.result()


def rough_seconds(items: int) -> float:
    """Return about how long a map of so many items takes."""
    return FIRST + A_THOUSAND * min(items, MOST) / 1000


def umap_apart(vectors: Float[np.ndarray, "n d"], settings: Sequence[str]) -> Layout:
    """`umap_layout` in a process of its own.

    Raises:
        RuntimeError: the process failed; the message holds its last line.
    """
    return finished(begun(settings), vectors)


def begun(settings: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that waits for vectors."""
    command = [sys.executable, "-m", "workbench.projection.process", *settings]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=CODE, stdin=pipe, stdout=pipe, stderr=pipe)


def finished(process: subprocess.Popen[bytes], vectors: Float[np.ndarray, "n d"]) -> Layout:
    """Return the layout that a process makes of vectors.

    Raises:
        RuntimeError: the process failed or was ended; the message holds its last line.
    """
    stream = io.BytesIO()
    np.save(stream, vectors)
    out, err = process.communicate(stream.getvalue())
    if process.returncode:
        said = err.decode(errors="replace").strip().splitlines() or [f"ended with {process.returncode}"]
        raise RuntimeError(f"The map could not be made: {said[-1]}")
    found = np.load(io.BytesIO(out), allow_pickle=False)
    return Layout(found["rows"], found["points"], str(found["made"]), int(found["left_out"]))


def main() -> None:
    """Return vectors in at stdin, a layout out at stdout; neighbours, min_dist and seed on the command line."""
    vectors = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    layout = umap_layout(vectors, int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
    fields = {"rows": layout.rows, "points": layout.points, "made": layout.made, "left_out": layout.left_out}
    np.savez(sys.stdout.buffer, allow_pickle=False, **fields)


if __name__ == "__main__":
    main()
