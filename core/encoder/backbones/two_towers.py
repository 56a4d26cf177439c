"""Models of two towers, one for texts and one for pictures, whose vectors are added: the baselines CLIP and SigLIP.

An item's vector is the sum of its parts' unit vectors, scaled to length 1: the score fusion of UniIR and of the CLIP
baselines of MMEB. A clip is one part with the direction of its frames' mean. So the order of parts says nothing.
"""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from core.data.records import ImageSource, Item, Part, digest
from core.encoder.backbones.adapter import BackboneAdapter, Model, ModelPart
from core.encoder.backbones.image_crops import crops
from core.encoder.inputs import VisionInput
from core.encoder.pooling import Sequences, unit
from core.encoder.prompts import TemplateText

TEXT, IMAGE, VIDEO = -1, -2, -3
"""Marks among an item's tokens: here begins a text (its tokens follow), here is a picture, here a clip."""


class TwoTowers(BackboneAdapter[Model]):
    """A row of pixels is a picture or frame. Texts have no template but the tokenizer's own ends.

    A text that is longer than the tower's positions is cut before its end token, as published; a warning says so, and
    `TokenizedItem.cut` counts the tokens that were left out.
    """

    language_name = "text_model"
    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]]

    @abstractmethod
    def text_vectors(self, model: Model, texts: Int[Tensor, "texts length"]) -> Float[Tensor, "texts d"]:
        """Return the text tower's projected vectors. Rows are filled up with their last token."""

    def image_input(self, source: ImageSource, alone: bool) -> VisionInput:
        """Return the picture as the tower takes it."""
        del alone
        pixels = crops(source.open(), self.image_processor, whole_only=True)
        return VisionInput(digest("crop", source.content_id), pixels, (1, 1))

    def video_input(self, frames: Sequence[ImageSource]) -> tuple[VisionInput, ...]:
        """Return each frame like a picture."""
        return tuple(self.image_input(frame, alone=False) for frame in frames)

    def image_tokens(self, picture: VisionInput) -> int:
        """Return a mark."""
        del picture
        return 1

    def video_tokens(self, pieces: Sequence[VisionInput]) -> int:
        """Return a mark."""
        del pieces
        return 1

    def image_token_ids(self, picture: VisionInput, words: Callable[[str], list[int]]) -> list[int]:
        """Return a mark."""
        del picture, words
        return [IMAGE]

    def video_token_ids(self, pieces: Sequence[VisionInput], words: Callable[[str], list[int]]) -> list[int]:
        """Return a mark."""
        del pieces, words
        return [VIDEO]

    def segments(self, item: Item, tokenizer: PreTrainedTokenizerBase) -> list[TemplateText | Part]:
        """Return the parts as they are."""
        del tokenizer
        return list(item.parts)

    def text_ids(
        self, text: str, tokenizer: PreTrainedTokenizerBase, most: int | None = None
    ) -> tuple[list[int], int, int]:
        """Return a mark, and the text between the tokenizer's own ends, cut to what the tower has positions for.

        The cut is made before the end token, at which the towers read a text: without it unlike texts look alike.
        """
        limit = self.config.text_config.max_position_embeddings
        ids = tokenizer.encode(text, split_special_tokens=True)
        ends = tokenizer.num_special_tokens_to_add()
        allowed = limit if most is None else min(limit, most + ends)
        whole = len(ids)
        if whole > limit and allowed == limit:
            warnings.warn(f"Texts longer than {limit} tokens are cut: the text tower reads no more.", stacklevel=2)
        if whole > allowed:
            ids = tokenizer.encode(text, split_special_tokens=True, truncation=True, max_length=allowed)
        return [TEXT, *ids], len(ids) - ends, whole - len(ids)

    @property
    def most_tokens(self) -> int | None:
        """None: every text of an item goes through the tower for itself."""
        return None

    def language(
        self,
        model: Model,
        sequences: Sequences,
        images: Float[Tensor, "_ *tokens"] | None,
        videos: Float[Tensor, "_ *tokens"] | None,
    ) -> Float[Tensor, "n d"]:
        """Return the sum of the unit vectors of each item's parts."""
        kept = sequences.attended
        ids = sequences.by_item(sequences.token_ids)[kept]
        owners = torch.arange(len(kept), device=ids.device).repeat_interleave(kept.sum(dim=1))
        vectors = [unit(each) for each in (images, videos) if each is not None]
        owned = [owners[ids == mark] for mark, each in ((IMAGE, images), (VIDEO, videos)) if each is not None]
        if bool((ids == TEXT).any()):
            vectors.append(unit(self.text_vectors(model, texts_of(ids))))
            owned.append(owners[ids == TEXT])
        elif dist.is_initialized():
            # Where the tower is sharded, every process must run it as often as the others.
            vectors[0] = vectors[0] + 0 * self.text_vectors(model, ids.new_zeros(1, 1)).sum()
        together = torch.cat(vectors)
        return together.new_zeros(len(kept), together.shape[1]).index_add(0, torch.cat(owned), together)

    def project_videos(
        self, model: Model, features: Sequence[Float[Tensor, "_ *width"]], pieces: Sequence[int]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the mean of the unit vectors of each clip's frames."""
        frames = unit(self.project_images(model, features, []))
        return torch.stack([clip.mean(dim=0) for clip in frames.split(list(pieces))])

    def set_up(self, model: Model) -> None:
        """Return the scale and bias of the published losses are not used; ours have their own temperature."""
        for name in self.unused:
            model.get_parameter(name).requires_grad_(False)

    def attend_packed(self, model: Model) -> None:
        """Run texts in rows of their own, always."""
        del model


def texts_of(ids: Int[Tensor, " total"]) -> Int[Tensor, "texts length"]:
    """Return the texts among tokens and marks in rows of their own, filled up with each one's last token."""
    marks = ids < 0
    number = marks.cumsum(dim=0) - 1  # of the part that a token belongs to
    starts = marks.nonzero()[:, 0]
    lengths = torch.bincount(number, minlength=len(starts)) - 1
    chosen = ids[starts] == TEXT
    first, lengths = starts[chosen, None] + 1, lengths[chosen, None]
    steps = torch.arange(int(lengths.max()), device=ids.device)
    return ids[first + steps.clamp(max=lengths - 1)]
