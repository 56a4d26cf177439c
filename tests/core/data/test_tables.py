"""Tables and the numbers of their rows."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.tables import read_table


def saved(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_csv_rows_are_numbered_as_an_editor_counts_lines(tmp_path: Path) -> None:
    path = saved(
        tmp_path, "m.csv", 'file_name,text\r\na.png,one\r\n\r\nb.png,"two\r\nlines, ""quoted"""\r\nc.png,three\r\n'
    )
    table = read_table(path, ["file_name"])
    assert list(table.numbers) == [2, 4, 6]
    assert [row["text"] for row in table.rows] == ["one", 'two\r\nlines, "quoted"', "three"]
    assert table.where(1) == f"{path} row 4"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("m.csv", "file_name,text\na.png,caf\u00e9\n"), ("m.jsonl", '{"file_name": "a.png", "text": "caf\u00e9"}\n\n')],
)
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    table = read_table(saved(tmp_path, name, text, encoding), ["file_name", "text"])
    assert table.columns == ("file_name", "text")
    assert [dict(row) for row in table.rows] == [{"file_name": "a.png", "text": "caf\u00e9"}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "file_name,text\na.png,red, round\n", "row 2: 3 fields where the header has 2.*double quotes"),
        ("m.csv", "file_name,text\na.png,x\nb.png\n", "row 3: 1 fields where the header has 2"),
        ("m.csv", 'file_name,text\na.png,"open\n', "row 2: not valid CSV"),
        ("m.csv", "file_name,text\n", "holds no rows"),
        ("m.csv", "", "holds no rows"),
        ("m.jsonl", '{"file_name": "a"}\n\n{"file_name": \n', "row 3: not valid JSON"),
        ("m.jsonl", '{"file_name": "a"}\n"b"\n', "row 2: a row is a JSON object"),
        ("m.jsonl", "\n \n", "holds no rows"),
        ("m.json", '[{"file_name": "a"}, 3]', "row 2: a row is a JSON object"),
        ("m.json", '[{"file_name": "a"},\n', "line 2: not valid JSON"),
        ("m.jsonl", '{"text": "a"}\n', "column 'file_name' is missing; its columns are text"),
        ("m.csv", "file_name,text,text\na,b,c\n", "columns 2 and 3 are both named 'text'. Rename or remove"),
        ("m.csv", "file_name,text,,\na,b,,\n", "columns 3 and 4 both have no name"),
        ("m.csv", "file_name;text\na.png;red, round\n", "separated by semicolons .*separated by commas. Save it"),
        ("m.csv", "file_name\ttext\na.png\tred\n", "separated by tabs"),
        ("m.jsonl", '{"file_name": "a"}\n{"file_name": "b", "file_name": "c"}\n', "row 2: 'file_name' is named twice"),
        ("m.jsonl", '{"file_name": "b", "more": {"x": 1, "x": 2}}\n', "row 1: 'x' is named twice in one object"),
        ("m.json", '[{"file_name": "b", "file_name": "c"}]', "'file_name' is named twice"),
        ("m.jsonl", "[" * 200_000, "nested too deeply"),
        ("m.jsonl", '{"a": ' + "[" * 200_000 + "\n", "row 1: not valid JSON .objects and lists are nested too deeply"),
        ("m.parquet", "PAR1", "cannot be read"),
        ("m.txt", "a", r"a table is one of \.parquet"),
    ],
)
def test_what_cannot_be_read_names_file_and_row(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = saved(tmp_path, name, text)
    with pytest.raises(ValueError, match=rf"{path}.*{message}"):
        read_table(path, ["file_name"])


def test_a_parquet_file_with_two_columns_of_one_name_is_told(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a.png"]), pa.array(["x"]), pa.array(["y"])], names=["file_name", "text", "text"])
    pq.write_table(table, tmp_path / "m.parquet")
    with pytest.raises(ValueError, match=r"m\.parquet: columns 2 and 3 are both named 'text'"):
        read_table(tmp_path / "m.parquet", [])


def test_a_header_of_one_column_may_be_any_word(tmp_path: Path) -> None:
    assert read_table(saved(tmp_path, "m.csv", "file_name\na;b.png\n"), []).rows[0] == {"file_name": "a;b.png"}


def test_other_encodings_and_missing_files_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path, "m.csv", "file_name,text\na.png,caf\u00e9\n", "latin-1")
    with pytest.raises(ValueError, match=rf"{path}: not UTF-8 text .* Save it as UTF-8"):
        read_table(path, [])
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read"):
        read_table(tmp_path / "none.csv", [])


def test_json_rows_may_lack_a_column_that_others_have(tmp_path: Path) -> None:
    path = saved(tmp_path, "m.jsonl", '{"file_name": "a"}\n{"file_name": "b", "text": "x"}\n')
    table = read_table(path, ["file_name", "text"])
    assert [row.get("text") for row in table.rows] == [None, "x"]
