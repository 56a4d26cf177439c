"""Files that are far larger inside than outside are refused, and the rest is read as before."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from core.files import reading
from core.files.reading import TooLarge, parse_json, parse_yaml, read_parquet, read_settings_text


def test_json_that_is_nested_too_deeply_is_no_json():
    with pytest.raises(json.JSONDecodeError, match="nested too deeply"):
        parse_json("[" * 200_000)
    assert parse_json('{"a": [1, null]}') == {"a": [1, None]}


def bomb(levels: int) -> str:
    """Ten aliases a level: 10 ** levels entries in a few lines."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb(9), "aliases stand for 1,"),
        ("a: &a [*a]", "an alias stands for what it is a part of"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_yaml_bombs_are_refused(text, message):
    with pytest.raises(TooLarge, match=message):
        parse_yaml(text)


def test_yaml_with_a_few_aliases_is_read():
    text = "base: &base {steps: 3}\nother:\n  <<: *base\n  batch: 8"
    assert parse_yaml(text) == {"base": {"steps": 3}, "other": {"steps": 3, "batch": 8}}
    assert parse_yaml("") is None
    with pytest.raises(yaml.YAMLError):
        parse_yaml("!!python/object/apply:os.system ['true']")


def test_settings_are_text_of_a_settings_size(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"a: \0")
    with pytest.raises(ValueError, match="NUL"):
        read_settings_text(path)
    monkeypatch.setattr(reading, "LARGEST_SETTINGS", 3)
    with pytest.raises(TooLarge, match="4 bytes are more than"):
        read_settings_text(path)


def test_repeated_words_that_would_fill_the_memory_are_counted_and_refused(tmp_path):
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"id": range(2000), "text": words}), tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 100_000
    with pytest.raises(TooLarge, match=r"bytes stand for 2\.0 GB, more than 1000 times as many"):
        read_parquet(tmp_path / "bomb.parquet")
    assert read_parquet(tmp_path / "bomb.parquet", ["id"]).num_rows == 2000


def test_numbers_that_would_fill_the_memory_are_refused_by_the_files_own_account(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "ENOUGH", 1_000_000)
    pq.write_table(pa.table({"n": pa.array([0] * 10_000_000, pa.int8())}), tmp_path / "n.parquet", compression="zstd")
    with pytest.raises(TooLarge, match="bytes stand for"):
        read_parquet(tmp_path / "n.parquet")


def test_columns_come_back_as_they_were_written(tmp_path):
    table = pa.table(
        {
            "text": pa.array(["a", None, "b", "a"]),
            "large": pa.array(["a", "b", "c", "d"], pa.large_string()),
            "bytes": pa.array([b"\xff", b"", None, b"\xff"]),
            "lists": pa.array([["a", "b"], [], None, ["a"]]),
            "struct": pa.array([{"x": "a", "y": 1}, {"x": "b", "y": 2}, None, {"x": None, "y": None}]),
            "named": pa.array([[("k", "v")], [], [], []], pa.map_(pa.string(), pa.string())),
            "vectors": pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float32(), 2)),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    for source in (tmp_path / "t.parquet", pa.py_buffer((tmp_path / "t.parquet").read_bytes())):
        found = read_parquet(source)
        assert found.to_pylist() == table.to_pylist()
        assert found.column("text").type in (pa.string(), pa.large_string())
    assert read_parquet(tmp_path / "t.parquet", ["large", "vectors"]).column_names == ["large", "vectors"]
