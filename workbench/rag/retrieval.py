"""Finding cards for a question, exactly; and how much of the evidence is found, with intervals and against chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from core.data.records import Item
from core.encoder.embedder import Embedder
from core.evaluation.encode import refuse_not_finite
from core.evaluation.metrics import Score, mean_interval
from core.evaluation.ranking import TIE
from core.evaluation.top_k import top_k
from workbench.rag.cards import Card, Question, one_of_each

RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Cards:
    """Cards and their unit vectors, row by row."""

    cards: tuple[Card, ...]
    vectors: Float[np.ndarray, "cards d"]


@dataclass(frozen=True)
class CardHit:
    """A found card. place: from 1, most similar first; equally similar ones in the order of the corpus."""

    place: int
    similarity: float
    card: Card


def embed_items(embedder: Embedder, items: Sequence[Item], batch: int = 64) -> Float[np.ndarray, "items d"]:
    """Return the unit vectors of items.

    Raises:
        core.evaluation.encode.NonFiniteVectors: the model gives NaN or infinity.
    """
    parts = [embedder.embed(items[start : start + batch]).float() for start in range(0, len(items), batch)]
    vectors = torch.cat(parts).numpy()
    refuse_not_finite(items, vectors)
    return vectors


def embed_cards(embedder: Embedder, cards: Sequence[Card], batch: int = 64) -> Cards:
    """Embed a corpus.

    Raises:
        ValueError: there are no cards, two have one name, or a vector is not finite.
    """
    one_of_each(cards)
    return Cards(tuple(cards), embed_items(embedder, [card.item for card in cards], batch))


def retrieve(question: Float[np.ndarray, " d"], cards: Cards, k: int) -> list[CardHit]:
    """Return the k cards most similar to a question's vector, or all where there are fewer.

    Raises:
        ValueError: k is below 1, or the vector has another length or is not finite.
    """
    if question.shape != cards.vectors.shape[1:] or not np.isfinite(question).all():
        raise ValueError(
            f"The question's vector has {len(question)} numbers (finite: {bool(np.isfinite(question).all())}), the "
            f"cards' have {cards.vectors.shape[1]}; both come from one model."
        )
    found = top_k(torch.from_numpy(question)[None], torch.from_numpy(cards.vectors), k)
    pairs = zip(found.rows[0].tolist(), found.similarities[0].tolist(), strict=True)
    return [CardHit(place, similarity, cards.cards[row]) for place, (row, similarity) in enumerate(pairs, start=1)]


def evidence_recall(
    questions: Sequence[Question],
    vectors: Float[np.ndarray, "questions d"],
    cards: Cards,
    name: str = "cards",
    recalls: Sequence[int] = RECALLS,
) -> list[Score]:
    """Return the share of each question's evidence among its first k cards, averaged over questions, for each k.

    Ties count by their expectation, so a model whose vectors are all alike scores chance.

    Raises:
        ValueError: there are no questions, or one has no evidence among the cards.
    """
    if not questions:
        raise ValueError("There are no questions to score.")
    row = {card.name: number for number, card in enumerate(cards.cards)}
    chances = []
    for question, vector in zip(questions, vectors, strict=True):
        unknown = next((each for each in question.evidence if each not in row), None)
        if unknown is not None or not question.evidence:
            raise ValueError(f"The question {question.words!r} has no card {unknown!r} as evidence.")
        chances.append(found_chances(cards.vectors @ vector, [row[each] for each in question.evidence], recalls))
    shares = np.array(chances)
    scores = []
    for number, k in enumerate(recalls):
        value, low, high = mean_interval([shares[:, number]])
        chance = min(k, len(cards.cards)) / len(cards.cards)
        pool = float(len(cards.cards))
        scores.append(Score("dataset", name, f"evidence R@{k}", value, low, high, len(questions), pool, chance))
    return scores


def found_chances(
    similarities: Float[np.ndarray, " cards"], evidence: Sequence[int], recalls: Sequence[int]
) -> list[float]:
    """For each k the expected share of the evidence among the first k, when ties are broken at random."""
    found = np.zeros(len(recalls))
    for row in evidence:
        above = int((similarities > similarities[row] + TIE).sum())
        tied = int((np.abs(similarities - similarities[row]) <= TIE).sum())
        found += np.clip((np.array(recalls) - above) / tied, 0, 1)
    return [float(each) for each in found / len(evidence)]
