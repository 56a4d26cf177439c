"""Queries that a data set asks several times, and all that is right for them."""

import unicodedata
from dataclasses import dataclass

from core.data.checks.pairs import look_at_rows
from core.data.records import Item, Pair, Text
from core.data.repeated_queries import add_positives


def words(text: str) -> Item:
    return Item((Text(text),))


@dataclass(frozen=True)
class Listed:
    """Pairs as they are listed."""

    rows: tuple[tuple[str, str], ...]
    name: str = "listed"
    meta_task: str = "retrieval"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Pair:
        query, target = self.rows[index]
        return Pair(words(query), words(target), self.name, self.meta_task, origin=f"row {index + 1}")


def known(*datasets: Listed) -> dict[str, set[str]]:
    found: dict[str, tuple[str, ...]] = {}
    for dataset in datasets:
        add_positives(found, look_at_rows(dataset, progress=False).positives(dataset))
    return {query: set(items) for query, items in found.items()}


def ids(*texts: str) -> set[str]:
    return {words(text).content_id for text in texts}


def test_only_queries_with_several_targets_are_kept() -> None:
    rows = Listed((("A", "1"), ("B", "1"), ("A", "2"), ("C", "3"), ("C", "3"), ("A", "4")))
    assert known(rows) == {words("A").content_id: ids("1", "2", "4")}
    assert known(Listed((("A", "1"), ("B", "1")))) == {}


def test_unicode_forms_are_one_query_and_one_target() -> None:
    composed, apart = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    assert known(Listed(((composed, "1"), (apart, "2"), ("A", composed), ("A", apart)))) == {
        words(composed).content_id: ids("1", "2")
    }


def test_data_sets_that_ask_alike_add_up() -> None:
    one, other = Listed((("A", "1"), ("A", "2"))), Listed((("A", "3"), ("A", "1")), "other")
    assert known(one, other) == {words("A").content_id: ids("1", "2", "3")}
