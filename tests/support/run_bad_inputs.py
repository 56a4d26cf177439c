"""Feed the cases of one kind to their commands, one after the other in this process, and write down what came of it.

python tests/support/run_bad_inputs.py KIND FOLDER: writes FOLDER/results.jsonl, a line a case.
"""

import contextlib
import functools
import hashlib
import importlib
import io
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bad_cases import Case

SECONDS = 60
KINDS: Mapping[str, str] = {
    "settings": "bad_settings.settings_cases",
    "outside": "bad_vectors.outside_cases",
    "checkpoints": "bad_folders.checkpoint_cases",
    "bundles": "bad_folders.bundle_cases",
    "pictures": "bad_folders.picture_cases",
    "uploads": "bad_folders.upload_cases",
}


def cases(kind: str, folder: Path) -> Iterator[Case]:
    """The cases of a kind; their files are written into the folder."""
    module, name = KINDS[kind].split(".")
    yield from getattr(importlib.import_module(module), name)(folder)


def page(path: str) -> int:
    """What the search page does with an upload: a user's error is a message of one line, which it shows."""
    from workbench.live_search.queries import build_query

    try:
        build_query("", Path(path).read_bytes(), "")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def command(name: str) -> Callable[[list[str]], int]:
    """A command's main, which takes its command line from sys.argv."""
    if name == "page":
        return lambda given: page(*given)
    room = "workbench" if name == "export_bundle" else "core"

    def main(given: list[str]) -> int:
        sys.argv = [f"{room}/{name}.py", *given]
        return importlib.import_module(f"{room}.{name}").main()

    return main


def too_long(number: int, frame: object) -> None:
    """End a case that takes more than a minute."""
    raise TimeoutError(f"more than {SECONDS} s")


def run(case: Case) -> dict[str, object]:
    """Status, words and seconds of one case; a traceback counts among its words, as Python would print it."""
    out, err = io.StringIO(), io.StringIO()
    signal.alarm(SECONDS)
    started = time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status: object = command(case.command)(list(case.arguments))
        except SystemExit as end:
            status = end.code
        except BaseException:
            status = "raised"
            traceback.print_exc()
    signal.alarm(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "name": case.name,
        "status": status,
        "stderr": err.getvalue(),
        "seconds": time.process_time() - started,
        "peak": peak,
    }


def digests(folder: Path) -> dict[str, str]:
    """The content of every file under a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def keep_something(folder: Path) -> None:
    """Write what an earlier, good command left where the bad ones write."""
    kept = folder / "kept"
    (kept / "bundles" / "imported").mkdir(parents=True) if (folder / "v.npy").exists() else kept.mkdir()
    for place in (kept, kept / "bundles" / "imported"):
        if place.is_dir():
            (place / "manifest.json").write_text("older")
    (kept / "older.parquet").write_text("older") if folder.name == "bundles" else None


def main(kind: str, folder: Path) -> None:
    """Run all cases of a kind."""
    signal.signal(signal.SIGALRM, too_long)
    remember_loaded_models()
    os.chdir(folder)
    found = list(cases(kind, folder))
    keep_something(folder)
    before = digests(folder / "kept")
    with (folder / "results.jsonl").open("w") as file:
        for case in found:
            done = run(case)
            done["lost"] = digests(folder / "kept") != before
            file.write(json.dumps(done) + "\n")
            file.flush()


def remember_loaded_models() -> None:
    """Load the one good model of many cases once: the commands' own code, fewer seconds."""
    from core.encoder.embedder import Embedder

    load = Embedder.load

    @functools.lru_cache(maxsize=1)
    def good(path: Path, *more: object) -> Embedder:
        return load(path, *more)  # type: ignore[arg-type]

    def remembered(path: Path, *more: object) -> Embedder:
        return good(path, *more) if path.name == "tiny" else load(path, *more)  # type: ignore[arg-type]

    Embedder.load = staticmethod(remembered)  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
