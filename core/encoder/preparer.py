"""From items to token ids with room for pictures, and the pictures' pixels."""

from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from core.data.records import Image, Item, Text, Video
from core.encoder.backbone import Family
from core.encoder.inputs import Picture, Prepared
from core.encoder.instructions import Scaffold, segments


class Preparer:
    """Turns items into `Prepared`. Holds no weights, so loader processes can have one each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, family: Family[Any]) -> None:
        self.tokenizer = tokenizer
        self.family = family
        self._scaffold_ids: dict[str, list[int]] = {}

    def __call__(self, item: Item) -> Prepared:
        """Tokenise the item's template and text, open its pictures, and leave room for their features.

        Raises:
            core.data.images.BadImage: a picture cannot be read.
        """
        family, config = self.family, self.family.config
        alone = sum(isinstance(part, Image) for part in item.parts) == 1
        ids: list[int] = []
        stills: list[Picture] = []
        clips: list[tuple[Picture, ...]] = []
        for segment in segments(item, self.tokenizer, self._spelled("image"), self._spelled("video")):
            if isinstance(segment, Scaffold):
                ids += self._scaffold(segment.text)
            elif isinstance(segment, Text):
                ids += self._tokens(segment.text, special=False)
            elif isinstance(segment, Image):
                stills.append(family.still(segment.source, alone))
                ids += [config.image_token_id] * family.still_tokens(stills[-1])
            else:
                assert isinstance(segment, Video)
                clips.append(family.clip(segment.frames))
                ids += [config.video_token_id] * family.clip_tokens(clips[-1])
        token_ids = torch.tensor(ids)
        return Prepared(token_ids, tuple(stills), tuple(clips), family.positions(token_ids, stills, clips))

    def _scaffold(self, text: str) -> list[int]:
        """The template's pieces are few and come back in every item."""
        if text not in self._scaffold_ids:
            self._scaffold_ids[text] = self._tokens(text, special=True)
        return self._scaffold_ids[text]

    def _tokens(self, text: str, special: bool) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special)

    def _spelled(self, kind: str) -> str:
        """How the chat template writes the place of a picture or a clip."""
        token = self.tokenizer.convert_ids_to_tokens(getattr(self.family.config, f"{kind}_token_id"))
        assert isinstance(token, str)
        return token
