"""From items to token ids with room for pictures, and the pictures' pixels."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from core.data.records import Image, Item, Part, Text, Video
from core.encoder.backbones.adapter import Family
from core.encoder.inputs import Picture, Prepared
from core.encoder.prompts import Scaffold


class Preparer:
    """Turns items into `Prepared`. Holds no weights, so loader processes can have one each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, family: Family[Any]) -> None:
        self.tokenizer = tokenizer
        self.family = family
        self.max_text_tokens: int | None = None
        """Texts of an item beyond so many tokens are cut off, the template and pictures never; None: no text is."""
        self._scaffold_ids: dict[str, list[int]] = {}

    def __call__(self, item: Item) -> Prepared:
        """Tokenise the item's template and text, open its pictures, and leave room for their features.

        Raises:
            core.data.images.image_files.BadImage: a picture cannot be read.
        """
        family = self.family
        alone = sum(isinstance(part, Image) for part in item.parts) == 1
        ids: list[int] = []
        stills: list[Picture] = []
        clips: list[tuple[Picture, ...]] = []
        left = self.max_text_tokens
        for segment in with_spaces(family.segments(item, self.tokenizer)):
            if isinstance(segment, Scaffold):
                ids += self._scaffold(segment.text)
            elif isinstance(segment, Text):
                words = family.text_ids(segment.text, self.tokenizer)[:left]
                left = None if left is None else left - len(words)
                ids += words
            elif isinstance(segment, Image):
                stills.append(family.still(segment.source, alone))
                ids += family.still_ids(stills[-1], self._scaffold)
            else:
                assert isinstance(segment, Video)
                clips.append(family.clip(segment.frames))
                ids += family.clip_ids(clips[-1], self._scaffold)
        token_ids = torch.tensor(ids)
        return Prepared(token_ids, tuple(stills), tuple(clips), family.positions(token_ids, stills, clips))

    def _scaffold(self, text: str) -> list[int]:
        """The template's pieces are few and come back in every item."""
        if text not in self._scaffold_ids:
            ids = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)
            self._scaffold_ids[text] = ids
        return self._scaffold_ids[text]


def with_spaces(segments: Sequence[Scaffold | Part]) -> list[Scaffold | Part]:
    """Give the spaces with which a piece of template ends to the text behind it.

    In most vocabularies a word and the space before it are one token, so "User: red" is not "User: " and "red".
    """
    pieces = list(segments)
    for place, (one, other) in enumerate(zip(pieces, segments[1:], strict=False)):
        if isinstance(one, Scaffold) and isinstance(other, Text):
            kept = one.text.rstrip(" ")
            pieces[place], pieces[place + 1] = Scaffold(kept), Text(one.text[len(kept) :] + other.text)
    return pieces
