"""The builder writes only what differs, elsewhere if asked, and finds files that their sources do not make."""

import mini_lesson
import pytest

from workbench.lessons import build as build_module
from workbench.lessons.build import build, for_nbgrader
from workbench.lessons.source import LessonError

MADE = ["03_mini.ipynb", "instructor/03_mini.md", "solutions/03_mini.ipynb"]


@pytest.fixture
def folder(tmp_path):
    mini_lesson.write(tmp_path / "lessons")
    return tmp_path / "lessons"


def names(paths, folder):
    return sorted(str(path.relative_to(folder)) for path in paths)


def test_a_second_build_writes_nothing(folder):
    assert names(build(folder, folder), folder) == MADE
    first = {name: (folder / name).read_bytes() for name in MADE}
    assert list(build(folder, folder)) == []
    for name in MADE:
        (folder / name).unlink()
    assert names(build(folder, folder), folder) == MADE
    assert first == {name: (folder / name).read_bytes() for name in MADE}
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("name", MADE)
def test_a_stale_file_is_found_and_not_touched(folder, name):
    list(build(folder, folder))
    stale = folder / name
    stale.write_text(stale.read_text().replace("mini", "maxi"))
    planted = stale.read_bytes()
    assert names(build(folder, folder, check=True), folder) == [name]
    assert stale.read_bytes() == planted
    assert names(build(folder, folder), folder) == [name]
    assert list(build(folder, folder, check=True)) == []


def test_missing_files_and_files_without_a_source_are_found(folder):
    assert names(build(folder, folder, check=True), folder) == MADE
    assert not (folder / "solutions").exists()
    list(build(folder, folder))
    (folder / "instructor" / "README.md").touch()
    for orphan in ("02_gone.ipynb", "solutions/02_gone.ipynb", "instructor/02_gone.md"):
        (folder / orphan).touch()
    assert names(build(folder, folder, check=True), folder) == [
        "02_gone.ipynb",
        "instructor/02_gone.md",
        "solutions/02_gone.ipynb",
    ]


def test_a_variant_goes_elsewhere(folder, tmp_path):
    list(build(folder, folder))
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    out = tmp_path / "graded"
    assert names(build(folder, out, seed=7, project="https://example.org/x.git"), out) == MADE
    text = (out / "03_mini.ipynb").read_text()
    assert '"SEED = 7"' in text
    assert r"PROJECT = \"https://example.org/x.git\"" in text
    assert before == {path: path.read_bytes() for path in folder.rglob("*.*")}


def test_nbgraders_sources_are_solved_without_instructors_cells(folder, tmp_path):
    (made,) = for_nbgrader(folder, tmp_path / "graded", 7, "")
    assert made == tmp_path / "graded" / "source" / "03_mini" / "03_mini.ipynb"
    text = made.read_text()
    assert '"SEED = 7"' in text
    assert text.count("# BEGIN SOLUTION") == 2
    for secret in ("secretly", "addition says so", "only instructors"):
        assert secret not in text


def test_a_folder_without_lessons_is_told(tmp_path):
    with pytest.raises(LessonError, match="holds no lesson"):
        list(build(tmp_path, tmp_path))


def test_the_command_fails_on_a_stale_file_and_on_a_broken_source(folder, monkeypatch, capsys):
    monkeypatch.setattr(build_module, "LESSONS", folder)

    def command(*options):
        monkeypatch.setattr("sys.argv", ["build", "--out", str(folder), *options])
        build_module.main()
        return capsys.readouterr().out

    assert command() == "3 files written\n"
    assert command("--check") == "all files are what their sources make\n"
    (folder / "03_mini.ipynb").write_text("{}")
    with pytest.raises(SystemExit) as stale:
        command("--check")
    assert str(stale.value).splitlines()[1:] == [str(folder / "03_mini.ipynb")]
    source = folder / "source" / "03_mini.py"
    source.write_text(source.read_text().replace("difficulty=1", "difficulty=9"))
    with pytest.raises(SystemExit) as broken:
        command()
    assert str(broken.value).startswith(f"ERROR: {source}: cell 13")
