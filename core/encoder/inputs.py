"""The model's inputs: tokenized items, their pictures' pixels, and padded batches of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor


@dataclass(frozen=True)
class VisionInput:
    """What the vision tower takes at once: a still picture, or one frame (or pair of frames) of a clip.

    id: equal exactly when the tower is shown the same. pixels: 0 to 255; a row is a crop or a patch, as the model
    family has it. size: height and width, in the unit that the family needs.
    """

    id: str
    pixels: UInt8[Tensor, "rows 3 *shape"]
    size: tuple[int, int]


@dataclass(frozen=True)
class VisionInputs:
    """Pictures in reading order, as pixels or as what the frozen vision tower made of them.

    pixels: the rows of all pictures behind one another. rows: how many each picture has. features: one tensor a
    picture, as many rows as its pixels; then `pixels` is empty.
    """

    ids: list[str]
    pixels: UInt8[Tensor, "rows 3 *shape"]
    rows: list[int]
    sizes: list[tuple[int, int]]
    features: list[Float[Tensor, "_ *width"]] | None = None

    @classmethod
    def of(cls, pictures: Iterable[VisionInput]) -> "VisionInputs":
        """Lay pictures behind one another; those of one batch have rows of one shape."""
        listed = list(pictures)
        return cls(
            [each.id for each in listed],
            torch.cat([each.pixels for each in listed]) if listed else torch.zeros(0, 3, dtype=torch.uint8),
            [len(each.pixels) for each in listed],
            [each.size for each in listed],
        )

    def split(self) -> list[VisionInput]:
        """Return the pictures one by one; their pixels are views."""
        parts = self.pixels.split(self.rows) if self.rows else ()
        return [VisionInput(*each) for each in zip(self.ids, parts, self.sizes, strict=True)]

    def with_features(self, features: list[Float[Tensor, "_ *width"]]) -> "VisionInputs":
        """Return the same pictures without pixels."""
        return replace(self, pixels=self.pixels[:0].clone(), features=features)

    def to(self, device: torch.device) -> "VisionInputs":
        """Return the same pictures on a device."""
        features = None if self.features is None else [each.to(device, non_blocking=True) for each in self.features]
        return replace(self, pixels=self.pixels.to(device, non_blocking=True), features=features)

    def pin_memory(self) -> "VisionInputs":
        """Return the same pictures in page-locked memory, from where a GPU fetches them while it computes."""
        return replace(self, pixels=self.pixels.pin_memory())


@dataclass(frozen=True)
class TokenizedItem:
    """One item as tensors, not yet padded.

    images: its pictures. clips: for each clip, what the vision tower takes of it piece by piece. positions: where
    each token is, on one axis or several (time, height, width); None counts from 0 up. cut: how many tokens of its
    texts were left out, because the settings or the model read no more.
    """

    token_ids: Int[Tensor, " length"]
    images: tuple[VisionInput, ...] = ()
    videos: tuple[tuple[VisionInput, ...], ...] = ()
    positions: Int[Tensor, "axes length"] | None = None
    cut: int = 0

    @property
    def length(self) -> int:
        """Tokens, those of pictures and clips included."""
        return len(self.token_ids)


@dataclass(frozen=True)
class ModelInputs:
    """A padded batch; its pictures, and the frames of its clips, in reading order.

    video_frames: of how many of `frames` each clip is made.
    """

    token_ids: Int[Tensor, "n length"]
    attention_mask: Int[Tensor, "n length"]
    positions: Int[Tensor, "axes n length"]
    images: VisionInputs
    frames: VisionInputs
    video_frames: list[int]

    @property
    def image_ids(self) -> list[str]:
        """The ids of all pictures, those of the stills before those of the clips."""
        return self.images.ids + self.frames.ids

    @property
    def image_pixels(self) -> UInt8[Tensor, "rows 3 *shape"]:
        """The pixels of the stills."""
        return self.images.pixels

    def to(self, device: torch.device) -> "ModelInputs":
        """Return the same batch with its tensors on a device."""
        return ModelInputs(
            self.token_ids.to(device, non_blocking=True),
            self.attention_mask.to(device, non_blocking=True),
            self.positions.to(device, non_blocking=True),
            self.images.to(device),
            self.frames.to(device),
            self.video_frames,
        )

    def pin_memory(self) -> "ModelInputs":
        """Return the same batch in page-locked memory; torch's loader calls this when asked to pin."""
        return ModelInputs(
            self.token_ids.pin_memory(),
            self.attention_mask.pin_memory(),
            self.positions.pin_memory(),
            self.images.pin_memory(),
            self.frames.pin_memory(),
            self.video_frames,
        )


def collate(prepared: Sequence[TokenizedItem], pad_id: int, padding: Literal["left", "right"] = "right") -> ModelInputs:
    """Pad to the longest and lay pictures and clips behind one another.

    Raises:
        ValueError: nothing to collate.
    """
    if not prepared:
        raise ValueError("collate needs at least one item.")
    longest = max(each.length for each in prepared)
    axes = max(1 if each.positions is None else len(each.positions) for each in prepared)
    token_ids = torch.full((len(prepared), longest), pad_id)
    attention_mask = torch.zeros(len(prepared), longest, dtype=torch.long)
    positions = torch.zeros(axes, len(prepared), longest, dtype=torch.long)
    for row, each in enumerate(prepared):
        place = slice(0, each.length) if padding == "right" else slice(longest - each.length, longest)
        token_ids[row, place] = each.token_ids
        attention_mask[row, place] = 1
        positions[:, row, place] = torch.arange(each.length) if each.positions is None else each.positions
    videos = [clip for each in prepared for clip in each.videos]
    return ModelInputs(
        token_ids,
        attention_mask,
        positions,
        images=VisionInputs.of(picture for each in prepared for picture in each.images),
        frames=VisionInputs.of(frame for clip in videos for frame in clip),
        video_frames=[len(clip) for clip in videos],
    )


def sorted_chunks(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Return indices in chunks of at most `size`, sorted by length (longest first), so that padding is small.

    Ties keep their order, so the cut is a pure function of the lengths.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    return [order[start : start + size] for start in range(0, len(order), size)]


def distinct(groups: Iterable[VisionInputs]) -> list[VisionInput]:
    """Return every picture that has pixels once, in order of first use."""
    found: dict[str, VisionInput] = {}
    for group in groups:
        if group.features is None:
            for picture in group.split():
                found.setdefault(picture.id, picture)
    return list(found.values())
