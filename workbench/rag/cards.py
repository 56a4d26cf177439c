"""Cards, the corpus that answers come from, and questions whose evidence is known; from files or the miniature."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.records import Item, Text, true_hardness
from core.data.tables import read_table
from core.vector_import.items import id_of, read_items, words
from core.vector_import.pairs import ids_of

MINIATURE = "cards"
INSTRUCTION = "Find the card that answers the question:"
QUESTION, EVIDENCE = "question", "evidence"


@dataclass(frozen=True)
class Card:
    """Something that can be shown to a generator: words, pictures, or both. Names differ within a corpus."""

    name: str
    item: Item


@dataclass(frozen=True)
class Question:
    """A question as it is embedded (instruction first), its words alone, and the names of the cards that answer it."""

    item: Item
    words: str
    evidence: tuple[str, ...] = ()


def question_of(text: str, instruction: str = INSTRUCTION, evidence: Sequence[str] = ()) -> Question:
    """Return a question in words.

    Raises:
        ValueError: it is empty.
    """
    if not text.strip():
        raise ValueError("The question is empty; type some words.")
    sentence = f"{instruction} {text.strip()}".strip()
    return Question(Item((Text(sentence),)), text.strip(), tuple(evidence))


def read_cards(path: Path, pictures: Path | None = None, progress: bool = True) -> list[Card]:
    """Cards from a table (JSON lines, CSV, Parquet): id, text and/or image, a path relative to `pictures`.

    Raises:
        ValueError: the table or a picture cannot be read, or an id stands there twice; the message names the row.
    """
    return [Card(item.name, Item(item.parts, item.attributes)) for item in read_items(path, pictures, progress).items]


def read_questions(path: Path, cards: Sequence[Card], instruction: str = INSTRUCTION) -> list[Question]:
    """Questions from a table: question, evidence (the ids of the cards that answer it; one, a list or a JSON array).

    Raises:
        ValueError: the table cannot be read, a question is empty, or evidence names no card; the message names the row.
    """
    table = read_table(path, [QUESTION, EVIDENCE])
    known = {card.name for card in cards}
    found = []
    for index, row in enumerate(table.rows):
        where = table.where(index)
        text, evidence = words(row.get(QUESTION), where, QUESTION), ids_of(row.get(EVIDENCE), where, EVIDENCE)
        missing = next((each for each in evidence if each not in known), None)
        if not text.strip() or not evidence:
            raise ValueError(f"{where}: {EVIDENCE if text.strip() else QUESTION} is empty.")
        if missing is not None:
            raise ValueError(f"{where}: {EVIDENCE} names {missing!r}, which is no card.")
        found.append(question_of(text, instruction, evidence))
    return found


def miniature_cards(seed: int = 0, questions: int = 100) -> tuple[list[Card], list[Question]]:
    """Return the cards of the miniature and questions about them: every card that any of the questions may be shown.

    A card is named by its content id, for equal cards are one. Evidence is every card that shows what the question
    asks for, whichever question it was drawn for.
    """
    source = next(each for each in SOURCES if each.name == MINIATURE)
    rankings = ranking_task(source, seed, questions).rankings
    cards = {item.content_id: Card(item.content_id, item) for ranking in rankings for item in ranking.candidates}
    asked = []
    for ranking in rankings:
        positive = ranking.candidates[ranking.right[0]]
        evidence = [name for name, card in cards.items() if true_hardness(ranking.asks, positive, card.item) == 0]
        plain = ranking.query.text.removeprefix(INSTRUCTION).strip()
        asked.append(Question(ranking.query, plain, tuple(evidence)))
    return list(cards.values()), asked


def one_of_each(cards: Sequence[Card]) -> None:
    """Raise ValueError if there are no cards, or two of one name."""
    seen: set[str] = set()
    for card in cards:
        if id_of(card.name, "cards", "id") in seen:
            raise ValueError(f"Two cards are named {card.name!r}; names differ.")
        seen.add(card.name)
    if not seen:
        raise ValueError("There are no cards to find anything in.")
