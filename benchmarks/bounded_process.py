"""Run a command in a process that may take so many seconds and so much memory and is ended beyond.

The memory is the resident set of the process itself, mapped files included. A limit of the address space would count
what is only reserved, of which numerical libraries reserve a lot; so the resident set is looked at often instead.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import psutil

GB = 1e9
LOOK_SECONDS = 0.03
DONE = "done"
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    status: "done", "over 180 s", "killed above 8 GB", "killed by SIGKILL" (by the system, say), or the last line of
    its errors. said: what it wrote to its standard output. cpu_s: what it used of processors, when it was last looked
    at. peak_gb: the largest resident set that was seen.
    """

    status: str
    said: str
    seconds: float
    cpu_s: float
    peak_gb: float


def peak_gb() -> float:
    """Return the largest resident set of this process so far, in GB of 1e9 bytes.

    Linux hands ru_maxrss on from the process that started this one; its VmHWM is this one's alone.
    """
    if STATUS.exists():
        line = next(each for each in STATUS.read_text().splitlines() if each.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / GB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GB


def run_bounded(
    command: Sequence[str], seconds: float, memory_gb: float, folder: Path, variables: Mapping[str, str]
) -> Ended:
    """Run a command in a folder until it ends or exceeds a limit; variables are added to the environment."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=errors,
            cwd=folder,
            env=os.environ | variables,
            start_new_session=True,
        )
        try:
            exceeded, cpu, peak = watch(process, started + seconds, memory_gb)
        finally:
            end(process)
        taken = time.monotonic() - started
        for file in (out, errors):
            file.seek(0)
        status = {"time": f"over {seconds:g} s", "memory": f"killed above {memory_gb:g} GB"}.get(exceeded)
        return Ended(status or how_it_ended(process.returncode, errors.read()), out.read(), taken, cpu, peak)


def watch(process: subprocess.Popen[bytes], deadline: float, memory_gb: float) -> tuple[str, float, float]:
    """Wait until a process ends or exceeds "time" or "memory".

    Returns which ("" for neither), the seconds of processors that it used, and its largest resident set in GB.
    """
    looked_at = psutil.Process(process.pid)
    cpu = peak = 0.0
    while True:
        try:
            process.wait(LOOK_SECONDS)
            return "", cpu, peak
        except subprocess.TimeoutExpired:
            pass
        cpu = sum(looked_at.cpu_times()[:2])
        peak = max(peak, looked_at.memory_info().rss / GB)
        if peak > memory_gb:
            return "memory", cpu, peak
        if time.monotonic() > deadline:
            return "time", cpu, peak


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, and what it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def how_it_ended(code: int, errors: str) -> str:
    """Return the status of a process that ended by itself."""
    if code == 0:
        return DONE
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = errors.strip().splitlines()
    return lines[-1] if lines else f"failed with exit status {code}"
