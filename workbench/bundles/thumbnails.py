"""The small pictures of a bundle, read from its file when they are asked for."""

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


class Thumbnails(Mapping[str, bytes]):
    """WebP of each picture and clip by its id. What was read last is kept, so that a page reads its pictures once."""

    def __init__(self, path: Path) -> None:
        """Open the file; its digest and columns were checked before."""
        self._path = path
        self._group = lru_cache(maxsize=8)(self._read_group)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self._path, memory_map=True)

    @cached_property
    def _place(self) -> dict[str, int]:
        names = self._file.read(columns=["thumbnail"]).column(0).to_pylist()
        return {name: row for row, name in enumerate(names)}

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for group in range(self._file.num_row_groups):
            starts.append(starts[-1] + self._file.metadata.row_group(group).num_rows)
        return starts

    def _read_group(self, group: int) -> pa.ChunkedArray:
        return self._file.read_row_group(group, columns=["webp"]).column(0)

    def __getitem__(self, name: str) -> bytes:
        row = self._place[name]
        group = next(each for each in range(len(self._starts) - 1) if row < self._starts[each + 1])
        return self._group(group)[row - self._starts[group]].as_py()

    def __contains__(self, name: object) -> bool:
        return name in self._place

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)
