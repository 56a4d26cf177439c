"""From items to tensors: token ids with room for pictures, pixels, and batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LlavaOnevisionConfig, PreTrainedTokenizerBase
from transformers.image_processing_utils import BaseImageProcessor

from core.data.records import Image, ImageSource, Item, Text, Video
from core.encoder import token_counts
from core.encoder.instructions import Scaffold, segments


@dataclass(frozen=True)
class Prepared:
    """One item as tensors, not yet padded.

    `images` has one entry a picture: its crops (AnyRes) or itself (one crop). `sizes` holds each picture's height
    and width in pixels before resizing. `videos` has one entry a clip: its frames.
    """

    token_ids: Int[Tensor, " length"]
    images: tuple[Float[Tensor, "_ 3 side side"], ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    videos: tuple[Float[Tensor, "_ 3 side side"], ...] = ()

    @property
    def length(self) -> int:
        """Tokens, those of pictures and clips included."""
        return len(self.token_ids)


@dataclass(frozen=True)
class Inputs:
    """A padded batch. All pictures of the batch lie behind one another in `image_pixels`, in reading order."""

    token_ids: Int[Tensor, "n length"]
    attention_mask: Int[Tensor, "n length"]
    image_pixels: Float[Tensor, "crops 3 side side"]
    image_sizes: Int[Tensor, "images 2"]
    image_crops: list[int]
    video_pixels: Float[Tensor, "frames 3 frame_side frame_side"]
    video_frames: list[int]

    def to(self, device: torch.device) -> "Inputs":
        """The same batch with its tensors on a device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in moved.items() if isinstance(value, Tensor)})


class Preparer:
    """Turns items into `Prepared`. Holds no weights, so loader processes can have one each."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, image_processor: BaseImageProcessor, config: LlavaOnevisionConfig
    ) -> None:
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.config = config

    def __call__(self, item: Item) -> Prepared:
        """Tokenise the item's template and text, open its pictures, and leave room for their features.

        Raises:
            core.data.images.BadImage: a picture cannot be read.
        """
        single = sum(isinstance(part, Image) for part in item.parts) == 1
        ids: list[int] = []
        images, sizes, videos = [], [], []
        for segment in segments(item, self.tokenizer):
            if isinstance(segment, Scaffold):
                ids += self._tokens(segment.text, special=True)
            elif isinstance(segment, Text):
                ids += self._tokens(segment.text, special=False)
            elif isinstance(segment, Image):
                crops, size = self._pixels(segment.source)
                crops = crops if single else crops[:1]
                images.append(crops)
                sizes.append(size)
                ids += [self.config.image_token_id] * token_counts.image_tokens(self.config, len(crops), *size)
            else:
                assert isinstance(segment, Video)
                videos.append(torch.cat([self._pixels(frame)[0][:1] for frame in segment.frames]))
                ids += [self.config.video_token_id] * token_counts.video_tokens(self.config, len(segment.frames))
        return Prepared(torch.tensor(ids), tuple(images), tuple(sizes), tuple(videos))

    def _tokens(self, text: str, special: bool) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special)

    def _pixels(self, source: ImageSource) -> tuple[Tensor, tuple[int, int]]:
        picture = source.open()
        pixels = self.image_processor([picture], return_tensors="pt")["pixel_values"]
        crops = pixels[0] if pixels.dim() == 5 else pixels
        return crops, (picture.height, picture.width)


def collate(prepared: Sequence[Prepared], pad_id: int, padding: Literal["left", "right"] = "right") -> Inputs:
    """Pad to the longest and lay pictures and clips behind one another.

    Raises:
        ValueError: nothing to collate.
    """
    if not prepared:
        raise ValueError("collate needs at least one item.")
    longest = max(each.length for each in prepared)
    token_ids = torch.full((len(prepared), longest), pad_id)
    attention_mask = torch.zeros(len(prepared), longest, dtype=torch.long)
    for row, each in enumerate(prepared):
        place = slice(0, each.length) if padding == "right" else slice(longest - each.length, longest)
        token_ids[row, place] = each.token_ids
        attention_mask[row, place] = 1
    images = [crops for each in prepared for crops in each.images]
    videos = [frames for each in prepared for frames in each.videos]
    sizes = [size for each in prepared for size in each.sizes]
    nothing = torch.zeros(0, 3, 1, 1)
    return Inputs(
        token_ids,
        attention_mask,
        image_pixels=torch.cat(images) if images else nothing,
        image_sizes=torch.tensor(sizes, dtype=torch.long).reshape(-1, 2),
        image_crops=[len(crops) for crops in images],
        video_pixels=torch.cat(videos) if videos else nothing,
        video_frames=[len(frames) for frames in videos],
    )


def sorted_chunks(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices in chunks of at most `size`, sorted by length (longest first), so that padding is small.

    Ties keep their order, so the cut is a pure function of the lengths.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    return [order[start : start + size] for start in range(0, len(order), size)]
