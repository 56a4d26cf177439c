"""Cards, question, answer: what the command `workbench/rag_example.py` does."""

from dataclasses import dataclass
from pathlib import Path

from core.checkpoints import listing
from core.data.images.image_files import BytesImage
from core.data.records import Image, Item, Part, Text
from core.encoder.embedder import Embedder
from core.evaluation.metrics import Score
from workbench.bundles.bundle import Bundle, open_bundle
from workbench.live_search.sources import checkpoint_of, loaded
from workbench.rag.cards import INSTRUCTION, Card, miniature_cards, question_of, read_cards, read_questions
from workbench.rag.generator import Generator, LocalGenerator
from workbench.rag.prompt import prompt_of
from workbench.rag.retrieval import CardHit, Cards, embed_cards, embed_items, evidence_recall, retrieve


@dataclass
class RagSettings:
    """Where the cards come from, what is asked, and who answers."""

    question: str = ""
    """The question in words; may be left out where questions are scored."""
    bundle: Path | None = None
    """Cards: the targets of a bundle, with its vectors and reduced pictures. Give this, cards, or neither."""
    dataset: str | None = None
    """bundle: the data set whose targets are the cards; by default those of all."""
    cards: Path | None = None
    """Cards: a table (.jsonl, .csv, .parquet) with id, text and/or image (a path relative to the table)."""
    checkpoint: Path | None = None
    """The checkpoint or run that embeds question and cards; needed except with a bundle that has its own."""
    questions: Path | None = None
    """cards: a table with question and evidence (ids of cards) to score evidence recall by. Without cards and bundle
    the miniature's cards and questions are scored."""
    generator: Path | None = None
    """Folder of an image-text-to-text model of transformers that answers; without it the found cards are printed."""
    k: int = 5
    """Cards handed to the generator, 1 or more."""
    instruction: str = INSTRUCTION
    """What stands before the question when it is embedded."""
    longest: int = 256
    """Tokens of the answer at most, 1 or more."""
    device: str = "cpu"
    """Where the generator runs, such as cpu or cuda."""

    def __post_init__(self) -> None:
        if self.bundle is not None and self.cards is not None:
            raise ValueError("bundle and cards are both given; cards come from one of them.")
        if self.bundle is None and self.checkpoint is None:
            raise ValueError("checkpoint is not given: a run or checkpoint embeds the cards and the question.")
        if self.questions is not None and self.cards is None:
            raise ValueError("questions needs cards, whose ids are the evidence.")
        if self.bundle is not None and not self.question.strip():
            raise ValueError("question is empty; type one.")
        for name in ("k", "longest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} is below 1.")


@dataclass(frozen=True)
class Answered:
    """What came out. hits: empty without a question; answer: empty without a generator; scores: of evidence recall."""

    hits: list[CardHit]
    answer: str
    scores: list[Score]


def run_example(settings: RagSettings, generator: Generator | None = None) -> Answered:
    """Find cards for the question, hand them to the generator, and score questions with known evidence.

    Args:
        settings: what to do.
        generator: answers in place of the folder that the settings name.

    Raises:
        ValueError: something that the settings name cannot be used.
    """
    embedder, cards, scores = prepared(settings)
    if not settings.question.strip():
        return Answered([], "", scores)
    asked = question_of(settings.question, settings.instruction)
    hits = retrieve(embed_items(embedder, [asked.item])[0], cards, settings.k)
    if generator is None and settings.generator is not None:
        generator = LocalGenerator(settings.generator, settings.longest, settings.device)
    answer = generator.answer(prompt_of(asked.words, hits)) if generator is not None else ""
    return Answered(hits, answer, scores)


def prepared(settings: RagSettings) -> tuple[Embedder, Cards, list[Score]]:
    """Return the model, the embedded cards, and the evidence recall where evidence is known. Raises ValueError."""
    if settings.bundle is not None:
        bundle = open_bundle(settings.bundle)
        found = settings.checkpoint or checkpoint_of(bundle, settings.bundle.parent.parent.parent)
        return loaded(found, bundle.vectors.shape[1], "the bundle")[0], bundle_cards(bundle, settings.dataset), []
    assert settings.checkpoint is not None
    embedder = Embedder.load(listing.resolve(settings.checkpoint).folder)
    if settings.cards is None:
        listed, questions = miniature_cards()
    else:
        listed = read_cards(settings.cards)
        asked = settings.questions
        questions = read_questions(asked, listed, settings.instruction) if asked is not None else []
    cards = embed_cards(embedder, listed)
    if not questions:
        return embedder, cards, []
    name = "miniature cards" if settings.cards is None else settings.cards.stem
    vectors = embed_items(embedder, [each.item for each in questions])
    return embedder, cards, evidence_recall(questions, vectors, cards, name)


def bundle_cards(bundle: Bundle, dataset: str | None = None) -> Cards:
    """Return the targets of a data set, or of all, with the vectors and the reduced pictures of the bundle.

    Raises:
        ValueError: there is no such data set.
    """
    if dataset is not None and dataset not in bundle.datasets:
        raise ValueError(f"dataset = {dataset!r} is not in the bundle; there are {', '.join(bundle.datasets)}.")
    rows = bundle.candidates.union(bundle.numbers(dataset), len(bundle.items))
    cards = [Card(str(bundle.items["item"].iat[row]), stored_item(bundle, row)) for row in rows]
    return Cards(tuple(cards), bundle.vectors[rows])


def stored_item(bundle: Bundle, row: int) -> Item:
    """Rebuild an item as far as a bundle keeps it; a clip as the strip of its frames, a lost picture as words."""
    parts: list[Part] = []
    for part in bundle.parts(row):
        if part["type"] == "text":
            parts.append(Text(part["text"]))
        elif part["thumbnail"] in bundle.thumbnails:
            parts.append(Image(BytesImage(bundle.thumbnails[part["thumbnail"]], part["thumbnail"])))
        else:
            parts.append(Text(f"[{part['type']} that is gone]"))
    return Item(tuple(parts))


def told(done: Answered) -> str:
    """Return the result as the command prints it."""
    lines = [f"{hit.place}. {hit.similarity:.3f}  {hit.card.item.text}  ({hit.card.name})" for hit in done.hits]
    if done.answer:
        lines += ["", f"Answer: {done.answer}"]
    for score in done.scores:
        lines.append(
            f"{score.metric} {100 * score.value:.1f} % (95 %: {100 * score.low:.1f} to {100 * score.high:.1f}; chance "
            f"{100 * score.chance:.1f} %), {score.n} questions over {score.pool:.0f} cards of {score.name}"
        )
    return "\n".join(lines)
