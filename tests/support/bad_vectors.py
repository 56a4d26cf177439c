"""Vectors, items and pairs of another tool that cannot be what they say."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bad_cases import DEEP, NAMES, NOT_ANY_FILE, SAFETENSORS, Case, Write, text_of

IDS = ["q", "a", "b"]
GOOD = np.eye(3, dtype=np.float32)


def array(values: object) -> Write:
    """Writes a .npy file, pickled where numpy must."""
    return lambda path: np.save(path, np.asarray(values), allow_pickle=True)


def column(values: object, **others: object) -> Write:
    """Writes Parquet with a column of vectors and others."""
    return lambda path: pq.write_table(pa.table({"vector": values, **others}), path)


def lists(values: object) -> pa.Array:
    """A column of lists of float32."""
    return pa.array(values, pa.list_(pa.float32()))


def parquet_bomb(path: Path) -> None:
    """A few kilobytes that stand for 3 GB of words."""
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), pa.array(["x" * 1_000_000]))
    vectors = pa.array([[1.0]] * 3000, pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": words, "text": words, "vector": vectors}), path, compression="zstd")


NPY: Mapping[str, Write] = {
    "nan": array(GOOD * np.nan),
    "infinite": array(GOOD * np.inf),
    "zero": array(GOOD * 0),
    "beyond_float32": array(np.eye(3) * 1e300),
    "whole_numbers": array(np.eye(3, dtype=int)),
    "complex": array(np.eye(3) * 1j),
    "words": array([["a", "b"]] * 3),
    "objects": array(np.array([{"a": 1}] * 3, dtype=object)),
    "records": array(np.zeros(3, dtype=[("x", "f4")])),
    "one_row_too_few": array(GOOD[:2]),
    "one_row_too_many": array(np.eye(4)),
    "one_dimension": array(GOOD[0]),
    "three_dimensions": array(GOOD[None]),
    "no_rows": array(np.zeros((0, 3), np.float32)),
    "no_numbers": array(np.zeros((3, 0), np.float32)),
    "cut_short": lambda path: path.write_bytes(npy_bytes()[:-5]),
    "huge_shape": lambda path: path.write_bytes(npy_bytes().replace(b"(3, 3)", b"(3, 9999999999)")[:200]),
    "header_is_code": lambda path: path.write_bytes(npy_bytes().replace(b"'shape': (3, 3)", b"'shape': exit()")),
    "an_archive": lambda path: np.savez(path.open("wb"), a=GOOD),
}
PARQUET: Mapping[str, Write] = {
    "bomb": parquet_bomb,
    "no_vectors": column(["a", "b", "c"]),
    "two_columns": column(lists(GOOD.tolist()), other=lists(GOOD.tolist())),
    "ragged": column(lists([[1.0], [1.0, 2.0], [1.0]])),
    "a_missing_vector": column(lists([[1.0], None, [1.0]])),
    "a_missing_number": column(lists([[1.0], [None], [1.0]])),
    "empty_lists": column(lists([[], [], []])),
    "nan": column(lists([[float("nan")]] * 3)),
    "ids_missing": column(lists(GOOD.tolist()), id=["q", "a", None]),
    "ids_of_others": column(lists(GOOD.tolist()), id=["x", "y", "z"]),
    "an_id_twice": column(lists(GOOD.tolist()), key=["q", "a", "a"]),
    "two_columns_of_ids": column(lists(GOOD.tolist()), key=IDS, other=IDS[::-1]),
    "no_rows": column(lists([])),
    "cut_short": lambda path: (column(lists(GOOD.tolist()))(path), path.write_bytes(path.read_bytes()[:-9])),
}
TABLES: Mapping[str, Write] = {
    "deep.json": text_of(DEEP),
    "deep.jsonl": text_of('{"id": "a", "text": ' + DEEP),
    "a_word.json": text_of('"hello"'),
    "numbers.json": text_of("[1, 2]"),
    "nothing_in_it.json": text_of("[]"),
    "unfinished.json": text_of('[{"id": "a"'),
    "huge_number.jsonl": text_of('{"id": ' + "9" * 5000 + ', "text": "x"}'),
    "nan.jsonl": text_of('{"id": NaN, "text": "x"}'),
    "half.jsonl": text_of('{"id": "a", "text": "\\ud800"}\n{"id": "b", "text": "y"}\n{"id": "q", "text": "z"}'),
    "latin.csv": lambda path: path.write_bytes("id,text\na,\xe9\n".encode("latin-1")),
    "nul.csv": text_of("id,text\na,\0\n"),
    "semicolons.csv": text_of("id;text\na;b\n"),
    "one_field_more.csv": text_of("id,text\na,b,c\n"),
    "open_quote.csv": text_of('id,text\na,"b\n'),
    "header_alone.csv": text_of("id,text\n"),
    "blank_lines.csv": text_of("\n\n\n"),
    "huge_field.csv": text_of("id,text\na," + "x" * 200_000 + "\n"),
    "bomb.parquet": parquet_bomb,
    "other_columns.parquet": lambda path: pq.write_table(pa.table({"x": [1]}), path),
    "lists_for_ids.parquet": lambda path: pq.write_table(pa.table({"id": [["a"]], "text": ["x"]}), path),
    "no_rows.parquet": lambda path: pq.write_table(pa.table({"id": pa.array([], pa.string()), "text": []}), path),
    "excel.xlsx": text_of("no table"),
}
ROWS: Mapping[str, object] = {
    "no_id": {"text": "x"},
    "empty_id": {"id": " ", "text": "x"},
    "fraction_for_an_id": {"id": 1.5, "text": "x"},
    "yes_for_an_id": {"id": True, "text": "x"},
    "no_content": {"id": "a"},
    "number_for_text": {"id": "a", "text": 3},
    "list_for_text": {"id": "a", "text": ["x"]},
    "attributes_no_json": {"id": "a", "text": "x", "attributes": "{"},
    "attributes_a_list": {"id": "a", "text": "x", "attributes": "[1]"},
    "attributes_deep": {"id": "a", "text": "x", "attributes": DEEP},
    "number_for_a_dataset": {"id": "a", "text": "x", "dataset": 3},
    "picture_missing": {"id": "a", "image": "gone.png"},
    **{f"picture_{name}": {"id": "a", "image": value} for name, value in NAMES.items()},
}
PAIRS: Mapping[str, object] = {
    "no_query": {"positive": "a"},
    "unknown_query": {"query": "x", "positive": "a"},
    "unknown_positive": {"query": "q", "positive": "x"},
    "no_positive": {"query": "q", "positive": []},
    "two_queries": {"query": ["q", "a"], "positive": "b"},
    "itself": {"query": "q", "positive": "q"},
    "object_for_an_id": {"query": "q", "positive": {"a": 1}},
    "list_that_is_no_json": {"query": "q", "positive": "[a"},
    "deep_list": {"query": "q", "positive": DEEP},
    "list_of_lists": {"query": "q", "positive": [["a"]]},
    "unknown_candidate": {"query": "q", "positive": "a", "candidates": ["x"]},
    "asks_for_what_is_not_there": {"query": "q", "positive": "a", "asks": ["colour"]},
    "a_word_for_a_switch": {"query": "q", "positive": "a", "in_distribution": "maybe"},
    "number_for_a_dataset": {"query": "q", "positive": "a", "dataset": 3},
    "half_of_a_character": {"query": "\ud800", "positive": "a"},
}


def npy_bytes() -> bytes:
    """A good .npy file."""
    import io

    stream = io.BytesIO()
    np.save(stream, GOOD)
    return stream.getvalue()


def outside_cases(folder: Path) -> Iterator[Case]:
    """Each of the three files of an import bad in turn, into a folder that holds an older bundle."""
    good = {"embeddings": folder / "v.npy", "items": folder / "i.jsonl", "pairs": folder / "p.jsonl"}
    np.save(good["embeddings"], GOOD)
    rows = [{"id": each, "text": f"words of {each}"} for each in IDS]
    good["items"].write_text("".join(json.dumps(row) + "\n" for row in rows))
    good["pairs"].write_text(json.dumps({"query": "q", "positive": "a"}) + "\n")

    def case(kind: str, name: str, suffix: str, write: Write) -> Case:
        path = folder / kind / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        write(path)
        given = good | {kind: path}
        options = [text for option, file in given.items() for text in (f"--{option}", str(file))]
        return Case(f"{kind}/{path.name}", "import_embeddings", (*options, "--out", str(folder / "kept")))

    for suffix, writers in ((".npy", NPY), (".parquet", PARQUET), (".safetensors", SAFETENSORS)):
        for name, write in {**writers, **NOT_ANY_FILE}.items():
            yield case("embeddings", name, suffix, write)
    for kind in ("items", "pairs"):
        for name, write in TABLES.items():
            yield case(kind, name, "", write)
        for suffix in (".csv", ".parquet"):
            for name, write in NOT_ANY_FILE.items():
                yield case(kind, name, suffix, write)
    for name, row in ROWS.items():
        others = [each for each in rows if each["id"] != "a"]
        text = "".join(json.dumps(each) + "\n" for each in (row, *others))
        yield case("items", f"row_{name}", ".jsonl", text_of(text))
    for name, row in PAIRS.items():
        yield case("pairs", f"row_{name}", ".jsonl", text_of(json.dumps(row)))
