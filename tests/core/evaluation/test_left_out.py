"""Clips damaged behind their start, and items that go bad between the check and the encoding, in one process or two."""

import json
import logging
import re
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from warm_processes import run_ranks

import core.data.checks.rankings
from core.data.checks.problems import BadItems
from core.evaluation.evaluate import evaluate
from core.evaluation.settings import EvalSettings
from core.evaluation.suites import SuiteSettings


def write_noise(path: Path, frames: int = 30) -> None:
    """A clip whose frames differ."""
    chance = np.random.default_rng(len(path.name))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 10
        for _ in range(frames):
            pixels = chance.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def damage_behind_the_start(path: Path) -> None:
    """Lose everything after the second frame, as a hole in a download does."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    for place, size in packets[2:]:
        data[place : place + size] = bytes(size)
    path.write_bytes(bytes(data))


def write_rankings(folder: Path, names: list[str], kind: str, queries: int) -> Path:
    """Query n asks for candidate n of the same few."""
    candidates = [[{kind: name}] for name in names]
    rows = [{"query": [{"text": f"{kind} {n}"}], "candidates": candidates, "right": [n]} for n in range(queries)]
    path = folder / "records.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    tiny.save(folder)
    return folder


def settings_of(checkpoint: Path, path: Path, out: Path, on_bad_item: str, **more: object) -> EvalSettings:
    suite = SuiteSettings("records", path, frames=8, on_bad_item=on_bad_item)
    return EvalSettings(checkpoint, suite, out, report=[], **more)


def test_a_clip_damaged_behind_its_start_is_found_before_and_left_out(checkpoint, tmp_path, caplog, capsys) -> None:
    names = [f"good{number}.mp4" for number in range(4)]
    for name in [*names, "bad.mp4"]:
        write_noise(tmp_path / name)
    damage_behind_the_start(tmp_path / "bad.mp4")
    path = write_rankings(tmp_path, [*names, "bad.mp4"], "video", queries=5)
    out = tmp_path / "bundle"
    with pytest.raises(BadItems, match=r"(?s)records\.jsonl row 1: \S+bad\.mp4: .*--suite\.on_bad_item skip"):
        evaluate(settings_of(checkpoint, path, out, "stop"))
    assert "encoding" not in capsys.readouterr().err
    assert not out.exists()
    with caplog.at_level(logging.WARNING):
        _, found = evaluate(settings_of(checkpoint, path, out, "skip"), progress=False)
    assert re.search(r"Left out of the rankings: .*records\.jsonl row 1: \S+bad\.mp4: ", caplog.text)
    assert "records: 4 of 5 queries are left." in caplog.text
    assert {each.n for each in found if each.scope == "dataset"} == {4}


def pictures(folder: Path, count: int = 6) -> list[str]:
    for number in range(count):
        PIL.Image.new("RGB", (30, 30), (40 * number, 10, 200 - 30 * number)).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(count)]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_vanishes_after_the_check_is_left_out_or_named(workers, checkpoint, tmp_path, monkeypatch, caplog) -> None:
    path = write_rankings(tmp_path, pictures(tmp_path), "image", queries=6)
    check = core.data.checks.rankings.unreadable

    def vanishing(*arguments):
        yield from check(*arguments)
        (tmp_path / "2.png").unlink(missing_ok=True)

    monkeypatch.setattr(core.data.checks.rankings, "unreadable", vanishing)
    with pytest.raises(BadItems, match=r"records\.jsonl row 1: .*2\.png: cannot be read"):
        evaluate(settings_of(checkpoint, path, tmp_path / "one", "stop", workers=workers), progress=False)
    pictures(tmp_path)
    with caplog.at_level(logging.WARNING):
        _, found = evaluate(settings_of(checkpoint, path, tmp_path / "two", "skip", workers=workers), progress=False)
    assert re.search(r"Left out of the rankings: .*records\.jsonl row 1: .*2\.png: cannot be read", caplog.text)
    assert {each.n for each in found if each.scope == "dataset"} == {5}


PROGRAM = """
import os
import core.eval
import core.evaluation.encode as encode

prepare = encode.prepared_or_reason

def spoilt(prepares, item):
    bad = any(getattr(source, "path", None) and source.path.name == "2.png" for source in item.images())
    return "2.png: it is gone." if bad else prepare(prepares, item)

encode.prepared_or_reason = spoilt
core.eval.leave(core.eval.main())
"""


@pytest.mark.slow
def test_what_another_process_cannot_read_is_left_out_too(checkpoint, tmp_path) -> None:
    path = write_rankings(tmp_path, pictures(tmp_path), "image", queries=6)
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = ["--checkpoint", checkpoint, "--suite.name", "records", "--suite.path", path, "--portion", 1]
    for choice, status, said in (("skip", 0, "5 of 6 queries are left"), ("stop", 1, "2.png: it is gone.")):
        out = ["--suite.on_bad_item", choice, "--out", tmp_path / choice]
        done = run_ranks(2, [tmp_path / "program.py", *arguments, *out], timeout_s=240)
        assert done.returncode == status, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
