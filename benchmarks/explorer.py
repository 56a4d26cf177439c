"""Seconds and memory of the explorer at its users' sizes: making each evaluation, and opening every view of it cold.

    python benchmarks/explorer.py                                   all sizes, the median of 3 runs
    python benchmarks/explorer.py --sizes '[mmeb]' --views '[map]' --runs 1

    miniature     10 data sets x 100 queries x 16 candidates each, 64 numbers, attributes and pictures
    import_10k    10,000 queries that rank the same 10,000 items, 512 numbers, imported
    mmeb          36 data sets x 1000 queries x 1000 candidates of their own out of 5000 items, 896 numbers
    million       1,000,000 items, 256 numbers, imported; 5000 of them are queries with 100 candidates each
    import_50k    50,000 queries that rank the same 50,000 items, 256 numbers: its import alone

Each row is a process of its own. `seconds` is from its start to the end of the page's script, without a server and a
browser; `cpu_s` what it used of processors until then, all threads together: if that is far less, other programs kept
the machine busy and `seconds` say little. `move_s` is the next run of the page after one move of a widget. `gb` is the
largest resident set (1e9 bytes), which counts pages of mapped files. Files are in the system's cache if they fit there:
what is cold is the process. What exceeds a limit is ended and says so.

The row "import" is making the evaluation: importing files from the start of the process, or ranking, scoring and
writing generated records, whose memory is in it. Evaluations stay in `folder` for later runs, and with them the row of
their making; after a change of the bundle's format they are to be made again by --remake.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from apps.views.choose import VIEWS
from benchmarks.bounded_process import DONE, GB, Ended, run_bounded
from benchmarks.explorer_sizes import SIZES, SizeName
from benchmarks.machine import table, write_result
from core.config.command_line import parse
from core.config.ranges import check_range
from core.files.atomic import write_text

ROOT = Path(__file__).parents[1]
IMPORT = "import"
COLUMNS = ("size", "view", "seconds", "cpu_s", "gb", "move", "move_s", "disk_gb", "runs", "status", "target", "meets")
FILES_GB = 16.0
"""Memory for generating the files of an import, which is not measured."""


@dataclass(frozen=True)
class Target:
    """The most that a row may take: seconds to open (or make), GB, and seconds of a move of Pair weights' slider."""

    seconds: float
    gb: float
    slider_s: float | None = None

    def __str__(self) -> str:
        slider = "" if self.slider_s is None else f", slider {self.slider_s:g} s"
        return f"{self.seconds:g} s, {self.gb:g} GB{slider}"

    def met_by(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row stays within; one that was ended does not."""
        if row["status"] != DONE or row["seconds"] > self.seconds or row["gb"] > self.gb:
            return False
        return self.slider_s is None or row["move"] != "slider" or row["move_s"] <= self.slider_s


OPENING: dict[SizeName, Target] = {
    "miniature": Target(3, 0.6),
    "import_10k": Target(10, 2),
    "mmeb": Target(5, 1, slider_s=0.5),
    "million": Target(15, 3),
}
MAKING: dict[SizeName, Target] = {"million": Target(60, 3)}
ONLY_MADE: tuple[SizeName, ...] = ("import_50k",)


@dataclass
class ExplorerBenchmarkSettings:
    """What to measure, and its limits."""

    folder: Path = Path("runs/benchmarks/explorer")
    """The generated evaluations, some GB; they stay there."""
    output: Path = Path("runs/benchmarks/explorer.json")
    """The results, written after each row."""
    sizes: list[SizeName] = field(default_factory=lambda: [name for name in SIZES if name != "tiny"])
    """Which sizes."""
    views: list[str] = field(default_factory=lambda: list(VIEWS))
    """Which views, by their names in the address."""
    runs: int = 3
    """Processes of each view, 1 to 100."""
    seconds: float = 180.0
    """A view that takes longer, its move included, is ended."""
    memory_gb: float = 8.0
    """A process that takes more is ended."""
    make_seconds: float = 900.0
    """A making that takes longer is ended."""
    remake: bool = False
    """Make evaluations again that are there."""
    threads: int = os.cpu_count() or 1
    """Threads of numerical libraries."""

    def __post_init__(self) -> None:
        check_range("runs", self.runs, 1, 100)
        unknown = [each for each in self.views if each not in VIEWS]
        if unknown:
            raise ValueError(f"views names {unknown[0]!r}, which is none of {', '.join(VIEWS)}.")


def measure(settings: ExplorerBenchmarkSettings) -> list[dict[str, Any]]:
    """Make and open everything; the rows, written to the output as they come."""
    rows: list[dict[str, Any]] = []
    for name in settings.sizes:
        for row in rows_of(name, settings):
            rows.append(row)
            write_result(settings.output, "explorer", asdict(settings), rows)
            print(table([row], COLUMNS).splitlines()[-1], file=sys.stderr, flush=True)
    return rows


def rows_of(name: SizeName, settings: ExplorerBenchmarkSettings) -> Iterator[dict[str, Any]]:
    """Return the rows of a size as they are measured: its making, then its views if it could be made."""
    folder = settings.folder.resolve() / name
    row = making(name, folder, settings)
    yield judged(row, MAKING.get(name))
    for view in [] if name in ONLY_MADE else settings.views:
        if row["status"] == DONE:
            yield judged(opening(name, view, folder / "runs", settings), OPENING.get(name))
        else:
            yield {"size": name, "view": view, "status": "not made", "target": str(OPENING.get(name, "-"))}


def judged(row: dict[str, Any], target: Target | None) -> dict[str, Any]:
    """Return a row with its target and whether it meets it."""
    if target is None:
        return row
    return row | {"target": str(target), "meets": "pass" if target.met_by(row) else "FAIL"}


def making(name: SizeName, folder: Path, settings: ExplorerBenchmarkSettings) -> dict[str, Any]:
    """Return the row of a size's making, kept from before if the evaluation is there."""
    kept = folder / "made.json"
    if kept.is_file() and not settings.remake:
        return json.loads(kept.read_text())
    kept.unlink(missing_ok=True)
    shutil.rmtree(folder / "runs", ignore_errors=True)
    row: dict[str, Any] = {"size": name, "view": IMPORT, "runs": 1}
    if SIZES[name].imported and not (folder / "files" / "made").exists():
        ended = bounded(["explorer_make", "files", name, str(folder)], settings, settings.make_seconds, FILES_GB)
        if ended.status != DONE:
            return row | {"status": f"its files: {ended.status}"}
        write_text(folder / "files" / "made", "")
    command = ["explorer_make", "bundle", name, str(folder)]
    ended = bounded(command, settings, settings.make_seconds, settings.memory_gb)
    row |= {"status": ended.status, "seconds": ended.seconds, "cpu_s": ended.cpu_s, "gb": ended.peak_gb}
    if ended.status != DONE:
        shutil.rmtree(folder / "runs", ignore_errors=True)  # half of a bundle may be many GB
        return row
    found = reported(ended)
    row |= {"seconds": found.pop("seconds"), "gb": found.pop("peak_gb"), "disk_gb": disk_gb(folder / "runs"), **found}
    write_text(kept, json.dumps(row, indent=1) + "\n")
    return row


def opening(name: SizeName, view: str, root: Path, settings: ExplorerBenchmarkSettings) -> dict[str, Any]:
    """Return the row of a view: medians over its runs; the first run that does not end well is the last."""
    row: dict[str, Any] = {"size": name, "view": view, "status": DONE}
    found: list[dict[str, Any]] = []
    while row["status"] == DONE and len(found) < settings.runs:
        ended = bounded(["explorer_view", view, str(root)], settings, settings.seconds, settings.memory_gb)
        numbers = reported(ended)
        found.append({"cpu_s": ended.cpu_s, **numbers, "gb": max(ended.peak_gb, numbers.get("peak_gb", 0.0))})
        if ended.status != DONE:
            row["status"] = f"after opening: {ended.status}" if "seconds" in numbers else ended.status
    for number in ("seconds", "cpu_s", "gb", "move_s"):
        values = [each[number] for each in found if number in each]
        row |= {number: median(values)} if values else {}
    return row | {"move": found[0].get("move"), "runs": len(found), "all_runs": found}


def bounded(command: Sequence[str], settings: ExplorerBenchmarkSettings, seconds: float, memory_gb: float) -> Ended:
    """Run a module of this folder with its arguments, and the time of its start as the last."""
    module, *arguments = command
    threads = {name: str(settings.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    whole = [sys.executable, "-m", f"benchmarks.{module}", *arguments, str(time.monotonic())]
    return run_bounded(whole, seconds, memory_gb, ROOT, threads)


def reported(ended: Ended) -> dict[str, Any]:
    """Return the numbers that a process printed, later ones instead of earlier ones."""
    lines = [line for line in ended.said.splitlines() if line.startswith("{")]
    return {name: value for line in lines for name, value in json.loads(line).items()}


def disk_gb(folder: Path) -> float:
    """Return the size of all files under a folder, in GB of 1e9 bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / GB


def main() -> None:
    """Measure and print."""
    settings = parse(ExplorerBenchmarkSettings, "Seconds and memory of every view of the explorer, by size.")
    rows = measure(settings)
    print(table(rows, COLUMNS))
    failed = [f"{row['size']} {row['view']}" for row in rows if row.get("meets") == "FAIL"]
    print(f"{settings.output} written; beyond their target: {', '.join(failed) or 'none'}.")


if __name__ == "__main__":
    main()
