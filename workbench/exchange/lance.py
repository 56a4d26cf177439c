"""LanceDB: tables in a folder, searched from the disk by this process, for corpora beyond its memory."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from workbench.exchange.corpus import Corpus
from workbench.exchange.stored import (
    CHUNK,
    DatabaseError,
    Found,
    IfExists,
    check_appended,
    exists_already,
    found_item,
    local_folder,
    missing_package,
    payload,
)

if TYPE_CHECKING:
    from lancedb import DBConnection
    from lancedb.table import Table

FIELDS = ("item", "modality", "text", "path", "parts")
VECTOR = "vector"


def connect(folder: Path) -> "DBConnection":
    """Get a database in a folder. Raises DatabaseError where lancedb is not installed or the folder cannot be used."""
    os.environ.setdefault("LANCEDB_LOG", "error")  # it warns of each table that it makes
    try:
        import lancedb
    except ImportError as error:
        raise missing_package("lancedb", "lancedb") from error
    try:
        return lancedb.connect(str(folder))
    except (OSError, ValueError, RuntimeError) as error:
        raise DatabaseError(f"{folder}: LanceDB cannot open it ({first_line(error)}).") from error


def write_lance(corpus: Corpus, folder: Path, name: str, if_exists: IfExists = "stop") -> int:
    """Write a table; appended items replace those of the same id. Returns how many the table then holds.

    Raises:
        DatabaseError: the table exists and is to stay, has vectors of another length, or cannot be written.
    """
    database = connect(folder)
    where = f"Table {name!r} in {folder}"
    try:
        there = name in table_names(database)
        if there and if_exists == "stop":
            raise exists_already(where)
        schema = schema_of(corpus.dimensions)
        if not there or if_exists == "replace":
            batches = pa.RecordBatchReader.from_batches(schema, chunks(corpus, schema))
            return database.create_table(name, batches, schema=schema, mode="overwrite").count_rows()
        table = database.open_table(name)
        check_appended(where, dimensions_of(table, where), corpus)
        merge = table.merge_insert("item").when_matched_update_all().when_not_matched_insert_all()
        for batch in chunks(corpus, schema):
            merge.execute(pa.Table.from_batches([batch]))
        return table.count_rows()
    except DatabaseError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        raise DatabaseError(f"{where} cannot be written ({first_line(error)}).") from error


def table_names(database: "DBConnection") -> list[str]:
    """Return the names of all tables, page by page."""
    names: list[str] = []
    token: str | None = None
    while True:
        page = database.list_tables(page_token=token)
        names += page.tables
        token = page.page_token
        if not token:
            return names


def schema_of(dimensions: int) -> pa.Schema:
    """Return the columns of a table."""
    vector = pa.field(VECTOR, pa.list_(pa.float32(), dimensions))
    return pa.schema([*(pa.field(name, pa.string()) for name in FIELDS), vector])


def chunks(corpus: Corpus, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Return the items, some hundred at a time, so that previews never lie in memory all at once."""
    for start in range(0, len(corpus), CHUNK):
        rows = range(start, min(start + CHUNK, len(corpus)))
        records = [payload(corpus, row) | {VECTOR: corpus.index.vectors[row]} for row in rows]
        yield pa.RecordBatch.from_pylist(records, schema=schema)


def dimensions_of(table: "Table", where: str) -> int:
    """Return the length of a table's vectors. Raises DatabaseError where it has none."""
    schema = table.schema
    kind = schema.field(VECTOR).type if VECTOR in schema.names else None
    if kind is None or not pa.types.is_fixed_size_list(kind):
        raise DatabaseError(f"{where} has no column {VECTOR!r} of vectors; its columns are {', '.join(schema.names)}.")
    return kind.list_size


class LanceTable:
    """A table that is open for search.

    A table without an index is searched exactly; with one, as the index does, unless `exact`.
    """

    def __init__(self, folder: Path, name: str, exact: bool = False) -> None:
        """Open a table. Raises DatabaseError where there is none of that name with vectors."""
        database = connect(local_folder(folder))
        self._where = f"Table {name!r} in {folder}"
        self._name = f"LanceDB table {name!r} in {folder.name}"
        self._exact = exact
        try:
            names = table_names(database)
            if name not in names:
                raise DatabaseError(f"{self._where} does not exist; there are {', '.join(names) or 'no tables'}.")
            self._table = database.open_table(name)
            self.dimensions = dimensions_of(self._table, self._where)
            self._columns = [each for each in FIELDS if each in self._table.schema.names]
            self._indexed = any(VECTOR in index.columns for index in self._table.list_indices())
            self._count = self._table.count_rows()
            self.modalities: Sequence[str] = self._modalities()
        except DatabaseError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            raise DatabaseError(f"{self._where} cannot be read ({first_line(error)}).") from error

    @property
    def title(self) -> str:
        """What it is, in words."""
        how = "by its index" if self._indexed and not self._exact else "exactly"
        return f"{self._name}, {self._count:,} items, searched {how}"

    def _modalities(self) -> list[str]:
        """Return the kinds of items in it."""
        if "modality" not in self._columns:
            return []
        column = self._table.search().select(["modality"]).limit(max(1, self._count)).to_arrow()["modality"]
        return sorted(each for each in column.unique().to_pylist() if each)

    def nearest(self, query: Float[np.ndarray, " d"], k: int, modality: str | None) -> list[Found]:
        """See `workbench.exchange.stored.VectorDatabase`."""
        asked: Any = self._table.search(query.astype(np.float32), vector_column_name=VECTOR)
        asked = asked.distance_type("cosine")
        if self._exact and self._indexed:
            asked = asked.bypass_vector_index()
        if modality is not None:
            asked = asked.where(f"modality = {quoted(modality)}", prefilter=True)
        try:
            rows = asked.select([*self._columns, "_distance"]).limit(k).to_list()
        except (OSError, ValueError, RuntimeError) as error:
            raise DatabaseError(f"{self._where} cannot be searched ({first_line(error)}).") from error
        return [found_item(row, 1 - row["_distance"], number) for number, row in enumerate(rows)]


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: BaseException) -> str:
    """Say what an error says, without the trace that lancedb's core adds."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
