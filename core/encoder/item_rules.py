"""What a model refuses of items: asked before work as cheaply as it can be known, and told by name during work.

The cheap rules: the processor is asked about pictures of unusual shape alone, as it refuses by shape; items are
prepared as for the model if a bound on their tokens is above its positions. What they miss is told when it is met.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import PIL.Image

from core.data.checks.problems import reason_of
from core.data.checks.visuals import name_of
from core.data.records import Item, Text, Video
from core.encoder.inputs import TokenizedItem

NARROW = 20
SMALL = 64
"""A picture is unusual if one side is over so many times the other, or has fewer pixels than the second."""
TEMPLATE_TOKENS = 1024
FRAME_TOKENS = 1100
"""At most, of a chat template, and of one frame of a clip, whose sides are at most 1280 pixels."""

Loaded = TypeVar("Loaded")


class TooLong(ValueError):
    """An item takes more tokens than its model has positions for."""


class LoaderLost(ValueError):
    """A process that prepared data ahead has died."""


def refuse_too_long(tokens: int, most: int | None) -> None:
    """Raise TooLong if an item's tokens are more than the model's positions; `most` is None where there is no bound."""
    if most is not None and tokens > most:
        raise TooLong(
            f"takes {tokens} tokens, and the model has positions for {most}. Shorten the text or show fewer pictures "
            "or frames; a training cuts texts by --model.max_text_tokens."
        )


@dataclass(frozen=True)
class Shown:
    """An image source of a picture that is open already."""

    picture: PIL.Image.Image
    name: str
    content_id: str = ""

    def open(self) -> PIL.Image.Image:
        """Return the picture."""
        return self.picture


@dataclass(frozen=True)
class ItemRules:
    """The rules of one model; satisfies `core.data.checks.model_rules.ModelRules`.

    prepare: the model's `ItemTokenizer`.
    """

    prepare: Any

    def suspects_size(self, size: tuple[int, int]) -> bool:
        """Tell whether a picture's shape is unusual."""
        shorter, longer = sorted(size)
        return longer > NARROW * shorter or shorter < SMALL

    def refuse_picture(self, picture: PIL.Image.Image, name: str) -> None:
        """Raise what the model's processor raises for a picture; called by several threads."""
        self.prepare.backbone_adapter.image_input(Shown(picture, name), alone=True)

    def suspects(self, item: Item) -> bool:
        """Tell whether an item may take more tokens than the model has positions for."""
        adapter = self.prepare.backbone_adapter
        if adapter.most_tokens is None:
            return False
        # A token of a text is a byte of it or more.
        words = sum(len(part.text.encode()) for part in item.parts if isinstance(part, Text))
        words = words if self.prepare.max_text_tokens is None else min(words, self.prepare.max_text_tokens)
        frames = sum(len(part.frames) for part in item.parts if isinstance(part, Video))
        stills = sum(1 for _ in item.images()) - frames
        bound = TEMPLATE_TOKENS + words + FRAME_TOKENS * frames + adapter.most_picture_tokens * stills
        return bound > adapter.most_tokens

    def refuse_item(self, item: Item) -> None:
        """Raise what the model raises when the item is prepared for it."""
        self.prepare(item)


@dataclass(frozen=True)
class EveryModelsRules:
    """The rules of several models that see the same items; satisfies `core.data.checks.model_rules.ModelRules`."""

    rules: tuple[ItemRules, ...]

    def suspects_size(self, size: tuple[int, int]) -> bool:
        """Tell whether one of the models may refuse a picture."""
        return any(each.suspects_size(size) for each in self.rules)

    def refuse_picture(self, picture: PIL.Image.Image, name: str) -> None:
        """Raise what one of the models' processors raises."""
        for each in self.rules:
            each.refuse_picture(picture, name)

    def suspects(self, item: Item) -> bool:
        """Tell whether one of the models may refuse an item."""
        return any(each.suspects(item) for each in self.rules)

    def refuse_item(self, item: Item) -> None:
        """Raise what one of the models raises."""
        for each in self.rules:
            each.refuse_item(item)


def prepared_or_reason(prepare: Callable[[Item], TokenizedItem], item: Item) -> TokenizedItem | str:
    """Prepare an item, or say in one line, with the name of its picture, why that cannot be done."""
    try:
        return prepare(item)
    except Exception as error:  # see core.data.checks.problems.naming
        reason = reason_of(error)
        names = list(dict.fromkeys(filter(None, map(name_of, item.images()))))
        return reason if not names or any(name in reason for name in names) else f"{', '.join(names[:3])}: {reason}"


def arriving(loader: Iterable[Loaded], workers: int) -> Iterator[Loaded]:
    """Return what a loader gives, from processes that work ahead or this one.

    Raises:
        LoaderLost: one of the processes has died, most often for want of memory.
    """
    try:
        yield from loader
    except RuntimeError as error:
        if not workers or "DataLoader worker" not in str(error):
            raise
        raise LoaderLost(
            f"One of the {workers} processes that read data ahead has died ({' '.join(str(error).split())}); most "
            "often the memory was not enough. Use fewer workers, or 0 to see the cause in this process."
        ) from error
