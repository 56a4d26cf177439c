"""What the README shows in Python runs as it stands."""

import re
import shutil
from pathlib import Path

import pytest

from core.config.settings import TrainSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lines_of_python_compare_a_text_with_a_picture(tiny, tmp_path, monkeypatch, capsys):
    (lines,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    picture, checkpoint = "docs/images/search.png", f"runs/miniature/checkpoints/{TrainSettings().steps:06d}"
    assert picture in lines
    assert checkpoint in lines, "the demo does not write the checkpoint that the README opens"
    (tmp_path / picture).parent.mkdir(parents=True)
    shutil.copy(ROOT / picture, tmp_path / picture)
    tiny.save(tmp_path / checkpoint)
    monkeypatch.chdir(tmp_path)
    defined: dict = {}
    exec(compile(lines, "README.md", "exec"), defined)
    first, second = tiny.embed([defined["text"], defined["picture"]])
    assert float(capsys.readouterr().out) == pytest.approx(float(first @ second), abs=1e-6)
    assert abs(float(first @ second)) < 1
