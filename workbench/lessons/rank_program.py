"""One rank of a pool of processes: joins the group, then runs the jobs that it reads the folders of, line by line.

python -m workbench.lessons.rank_program RANK WORLD FOLDER. A job's folder holds programs (*.py), job.json and
tensors.safetensors; the rank adds RANK.safetensors, and RANK.txt with what the function printed. An error ends the
process; RANK.json in FOLDER then says which. The end of the input ends it too, so it never outlives its notebook.
"""

import contextlib
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor


def main() -> None:
    """Join, then serve."""
    number, world, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        write(folder / f"{number}.json", json.dumps(failure(kind, error, trace)))

    sys.excepthook = say
    dist.init_process_group("gloo", init_method=(folder / "rendezvous").as_uri(), rank=number, world_size=world)
    write(folder / f"{number}.ready", "")
    for line in sys.stdin:
        serve(number, Path(line.rstrip("\n")))


def serve(number: int, job: Path) -> None:
    """Run one job on this rank."""
    wanted = json.loads((job / "job.json").read_text(encoding="utf-8"))
    tensors = load_file(job / "tensors.safetensors")
    arguments = [tensors[str(place)] for place in range(len(tensors))]
    functions = {name: load(job / file, entry) for name, (file, entry) in wanted["functions"].items()}
    function = load(job / wanted["file"], wanted["entry"])
    with (job / f"{number}.txt").open("w", encoding="utf-8") as printed, contextlib.redirect_stdout(printed):
        found = function(*arguments, **functions)
    kind, values = packed(found)
    temporary = job / f".{number}.part"
    save_file(values, temporary, {"kind": kind})
    os.replace(temporary, job / f"{number}.safetensors")


def load(path: Path, entry: str) -> Callable[..., Any]:
    """Return a function of a program."""
    spec = importlib.util.spec_from_file_location(f"sent_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, entry)


def packed(found: object) -> tuple[str, dict[str, Tensor]]:
    """Return a function's result as tensors by name, and what it was.

    Raises:
        TypeError: it holds something else than tensors and numbers.
    """
    if isinstance(found, dict):
        return "dict", {str(name): as_tensor(value) for name, value in found.items()}
    if isinstance(found, tuple | list):
        return "list", {str(place): as_tensor(value) for place, value in enumerate(found)}
    if found is None:
        return "none", {}
    return ("tensor" if isinstance(found, Tensor) else "number"), {"0": as_tensor(found)}


def as_tensor(value: object) -> Tensor:
    """Return a tensor of its own memory, from a tensor or a number."""
    if isinstance(value, Tensor):
        return value.detach().clone().contiguous()
    if isinstance(value, bool | int | float):
        return torch.tensor(value, dtype=torch.float64)
    raise TypeError(f"A rank's function may return tensors and numbers, not a {type(value).__name__}.")


def failure(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> dict[str, object]:
    """Return an error in words: of its trace, what lies between this program and the libraries that were called."""
    frames = traceback.extract_tb(trace)
    first = max((place for place, frame in enumerate(frames) if frame.filename == __file__), default=-1) + 1
    sent = [place for place, frame in enumerate(frames) if Path(frame.filename).stem.startswith("sent-")]
    shown = frames[first : sent[-1] + 1 if sent else None] or frames[-1:]
    lines = [f"  {where(frame)}, line {frame.lineno}, in {frame.name}\n    {frame.line}" for frame in shown]
    return {
        "kind": kind.__name__,
        "message": str(error),
        "trace": "\n".join(lines),
        "at": time.time_ns(),
    }


def where(frame: traceback.FrameSummary) -> str:
    """Return a frame's file: the sent program by the name of the function that was sent."""
    stem = Path(frame.filename).stem
    return stem.removeprefix("sent-") if stem.startswith("sent-") else Path(frame.filename).name


def write(path: Path, text: str) -> None:
    """Write a file as a whole."""
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
