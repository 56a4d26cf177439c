"""What the search page answers: from the values of its widgets to what they show. No value becomes a path."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from apps.live_search import cards as search_cards
from core.data.miniature.words import INSTRUCTIONS
from core.data.records import Item
from workbench.bundles.bundle import manifest_digest
from workbench.live_search.queries import (
    build_query,
    default_instruction,
    embed_query,
    shown_part,
    shown_query,
    uploaded_part,
)
from workbench.live_search.sources import SearchSource, Source, bundle_source, bundles_under
from workbench.search.search import Hit, ShownPart, search

P = ParamSpec("P")
R = TypeVar("R")

ANY = "any kind"
POOL = "the query's own candidates"
AUTOMATIC = "automatic"
NONE = "none"
NOTHING = "nothing"
HINT = (
    'Type some words, add a picture or a video, or do both, and press Search. Under "An example" are queries of the '
    "bundle, whose right answers are known."
)
NO_EXAMPLES = "A folder of pictures or a database has no queries of its own; choose a bundle above."
INSTRUCTION_CHOICES = (AUTOMATIC, NONE, *INSTRUCTIONS.values())
MOST = 100


@dataclass(frozen=True)
class Catalogue:
    """What the page may open: the bundles under a root by their names, and what was opened at the start.

    first: the bundle that is shown first. checkpoint: the model for queries in place of each bundle's own.
    """

    root: Path
    first: Path | None = None
    checkpoint: Path | None = None
    opened: Mapping[str, Source] = field(default_factory=dict)

    def bundles(self) -> dict[str, Path]:
        """Return the bundles that can be chosen now, the first one first."""
        found = bundles_under(self.root)
        if self.first is None:
            return found
        named = {name: path for name, path in found.items() if path.resolve() == self.first.resolve()}
        return {**(named or {self.first.name: self.first}), **found}

    def names(self) -> list[str]:
        """Everything that can be chosen now."""
        return [*self.opened, *self.bundles()]

    def open(self, name: str | None) -> Source:
        """Open one of `names`.

        Raises:
            ValueError: there is nothing of that name, or it cannot be read.
        """
        if name is not None and name in self.opened:
            return self.opened[name]
        folder = self.bundles().get(name or "")
        if folder is None:
            raise ValueError(f"There is no bundle {name!r} any more; reload the page.")
        return opened_bundle(folder, self.root, self.checkpoint, manifest_digest(folder))


@functools.lru_cache(maxsize=2)
def opened_bundle(folder: Path, root: Path, checkpoint: Path | None, digest: str) -> SearchSource:
    """Get the last two bundles that were opened; the digest tells a bundle that was written anew from the old one."""
    return bundle_source(folder, root, checkpoint)


def told(answer: Callable[P, R]) -> Callable[P, R]:
    """Return the same answer, with a user's error as a message on the page."""

    @functools.wraps(answer)
    def wrapped(*values: P.args, **named: P.kwargs) -> R:
        try:
            return answer(*values, **named)
        except ValueError as error:
            raise gr.Error(search_cards.escaped(str(error)), print_exception=False) from error

    return wrapped


@dataclass(frozen=True)
class Answers:
    """The page's event handlers. Each returns the new values of the widgets that its method's event names."""

    catalogue: Catalogue

    def load(self) -> tuple[Any, ...]:
        """Open the page: welcome, main part, both lists of choices; then as `choose` for the first of them."""
        names = self.catalogue.names()
        first = names[0] if names else None
        start = (
            gr.update(visible=not names),
            gr.update(visible=bool(names)),
            gr.update(choices=names, value=first),
            gr.update(choices=[NOTHING, *names], value=NOTHING),
        )
        return (*start, *self.choose(first))

    def choose(self, name: str | None) -> tuple[Any, ...]:
        """Head, both scopes, kind, data set, number, the example's parts; and empty results."""
        empty = (search_cards.note(HINT), [])
        try:
            source = self.catalogue.open(name)
        except ValueError as error:
            nothing = gr.update(choices=[], value=None)
            problem = search_cards.head("", [str(error)] if name else [])
            return (problem, nothing, nothing, nothing, nothing, 1, "", *empty)
        scopes, datasets = source.scope_names, list(source.examples)
        return (
            search_cards.head(source.title, problems(source)),
            gr.update(choices=scopes, value=scopes[0]),
            gr.update(choices=[POOL, *scopes], value=POOL),
            gr.update(choices=[ANY, *source.modalities], value=ANY),
            gr.update(choices=datasets, value=preferred(datasets)),
            1,
            "" if datasets else search_cards.note(NO_EXAMPLES),
            *empty,
        )

    def show_example(self, name: str | None, dataset: str | None, number: float | None) -> tuple[Any, str]:
        """Return the number's label with its range, and the parts of the example and of its right answer."""
        if not name or not dataset:
            return gr.update(), search_cards.note(NO_EXAMPLES)
        try:
            source = with_examples(self.catalogue.open(name))
            label = f"Query, 1 to {len(source.examples.get(dataset, ()))}"
            example = source.example(dataset, whole(number))
        except ValueError as error:
            return gr.update(), search_cards.note(str(error))
        right = search_cards.asked("Right", source.index.parts(min(example.right)))
        return gr.update(label=label), search_cards.asked("Query", source.index.parts(example.query)) + right

    @told
    def show_upload(self, data: bytes | None) -> dict[str, Any]:
        """Return the uploaded picture or clip, or the reason why it cannot be used."""
        if data is None:
            return gr.update(value="", visible=False)
        return gr.update(value=search_cards.asked("", (shown_part(uploaded_part(data)),)), visible=True)

    @told
    def search_query(
        self,
        name: str | None,
        text: str | None,
        image: bytes | None,
        instruction: str | None,
        scope: str | None,
        kind: str | None,
        count: float | None,
        beside: str | None = NOTHING,
    ) -> tuple[str, Any]:
        """Rank items for words, a picture or clip, or both; beside it what another source finds."""
        words = text or ""

        def query_for(source: Source) -> Item:
            asked = asked_for(instruction, bool(words.strip()), image is not None, source.picture_instruction)
            return build_query(words, image, asked)

        def find(source: Source, chosen: str | None) -> list[Hit]:
            if source.embedder is None:
                raise ValueError(source.no_embedder)
            vector = embed_query(source.embedder, query_for(source))
            return source.nearest(vector, limited(count), chosen, chosen_kind(kind))

        source = self.catalogue.open(name)
        query = query_for(source)
        hits = find(source, scope)
        if beside in (None, NOTHING):
            return shown("Query", shown_query(query), hits)
        other = self.catalogue.open(beside)
        found = find(other, same_or_first(scope, other.scope_names))
        return compared("Query", shown_query(query), (str(name), hits), (beside, found))

    @told
    def search_example(
        self,
        name: str | None,
        dataset: str | None,
        number: float | None,
        scope: str | None,
        kind: str | None,
        count: float | None,
        beside: str | None = NOTHING,
    ) -> tuple[str, Any]:
        """Rank items for one of the bundle's queries, by its vector in the bundle, and mark what is right.

        Beside it what the same query finds in another bundle.
        """

        def find(source: SearchSource, chosen: str | None) -> list[Hit]:
            example = source.example(dataset or "", whole(number))
            among = example.candidates if chosen == POOL else source.rows(chosen)
            rows = source.index.of_kind(among[among != example.query], chosen_kind(kind))
            return search(source.index, source.index.vectors[example.query], limited(count), rows, example.judged)

        source = with_examples(self.catalogue.open(name))
        hits = find(source, scope)
        parts = source.index.parts(source.example(dataset or "", whole(number)).query)
        label = f"Query {whole(number)} of {dataset}"
        if beside in (None, NOTHING):
            return shown(label, parts, hits)
        other = with_examples(self.catalogue.open(beside))
        if other.index.parts(other.example(dataset or "", whole(number)).query) != parts:
            raise ValueError(
                f"{beside}: query {whole(number)} of {dataset} is another one there; choose an equal suite."
            )
        found = find(other, scope if scope == POOL else same_or_first(scope, other.scope_names))
        return compared(label, parts, (str(name), hits), (beside, found))


def same_or_first(scope: str | None, offered: list[str]) -> str | None:
    """Return the scope of the same name in another source, or the first that it offers."""
    return scope if scope in offered else offered[0]


def problems(source: Source) -> list[str]:
    """Say what the reader of a source has to know."""
    found = [source.no_embedder] if source.no_embedder else []
    if source.skipped:
        listed = [str(each) for each in source.skipped[:10]]
        rest = len(source.skipped) - len(listed)
        more = [f"... and {rest} more"] if rest else []
        found.append("\n".join([f"Left out, for they cannot be used: {len(source.skipped)}", *listed, *more]))
    return found


def preferred(datasets: list[str]) -> str | None:
    """Return the data set whose examples are shown first: the edit, for it has a picture and words."""
    return "edit" if "edit" in datasets else next(iter(datasets), None)


def asked_for(choice: str | None, has_text: bool, has_image: bool, of_pictures: str) -> str:
    """Return the instruction that a choice means; of_pictures: that of pictures alone, as the model was trained.

    Raises:
        ValueError: the choice is none of those offered.
    """
    if choice not in INSTRUCTION_CHOICES:
        raise ValueError(f"instruction = {choice!r} is not offered; choose one from the list.")
    if choice == AUTOMATIC:
        return default_instruction(has_text, has_image, of_pictures)
    return "" if choice == NONE else choice


def with_examples(source: Source) -> SearchSource:
    """Return the source, if it may have examples. Raises ValueError."""
    if not isinstance(source, SearchSource):
        raise ValueError(NO_EXAMPLES)
    return source


def chosen_kind(kind: str | None) -> str | None:
    """Return the modality that a choice means; None for any."""
    return None if kind in (ANY, None) else kind


def limited(count: float | None) -> int:
    """Return the number of results, 1 to 100. Raises ValueError."""
    if not 1 <= whole(count) <= MOST:
        raise ValueError(f"results = {count} is outside [1, {MOST}].")
    return whole(count)


def whole(number: float | None) -> int:
    """Return a number widget's value. Raises ValueError where it is empty or no whole number."""
    if number is None or number != number or number != int(number):
        raise ValueError(f"{number} is no whole number.")
    return int(number)


def shown(label: str, parts: tuple[ShownPart, ...], hits: list[Hit]) -> tuple[str, Any]:
    """Results as cards and as rows of the table."""
    table = {"headers": list(search_cards.COLUMNS), "data": search_cards.table(hits)}
    return search_cards.asked(label, parts) + search_cards.cards(hits), table


Named = tuple[str, list[Hit]]


def compared(label: str, parts: tuple[ShownPart, ...], first: Named, second: Named) -> tuple[str, Any]:
    """Return the results of two sources side by side, each with its place in the other, and all of them as a table."""
    html = search_cards.asked(label, parts) + search_cards.side_by_side(first, second)
    rows = [
        [*row, "-" if place is None else place, name]
        for (name, hits), (_, others) in ((first, second), (second, first))
        for row, place in zip(search_cards.table(hits), search_cards.places(hits, others), strict=True)
    ]
    return html, {"headers": [*search_cards.COLUMNS, "there", "searched in"], "data": rows}
