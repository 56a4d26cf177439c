"""Idefics3 and its small successor SmolVLM: a picture in tiles with the whole after them, words between the tiles."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import Idefics3Model, PreTrainedModel, PreTrainedTokenizerBase, SmolVLMModel

from core.data.records import ImageSource, Item, Part, digest
from core.encoder.backbones.adapter import BackboneAdapter, ModelPart
from core.encoder.backbones.image_tiles import tiles
from core.encoder.backbones.number_words import number_words
from core.encoder.inputs import VisionInput
from core.encoder.pooling import Sequences
from core.encoder.prompts import TemplateText, segments

Either: TypeAlias = Idefics3Model | SmolVLMModel
FRAME = -1
"""Stands for the tokens of clips, which have no word of their own: the models take a frame for a picture."""
AROUND, WHOLE = "<fake_token_around_image>", "<global-img>"


class Idefics3(BackboneAdapter[Either]):
    """A row of pixels is a tile; a picture's size is its rows and columns of tiles, 0 x 0 if it is not cut.

    The published chat template knows no clips: to it a clip is a picture, and its frames stand behind one another.
    """

    model_class: ClassVar[type[PreTrainedModel]] = Idefics3Model
    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]] = {
        "vision": ("vision_model",),
        "projector": ("connector",),
        "language": ("text_model",),
    }
    language_name: ClassVar[str] = "text_model"

    def image_input(self, source: ImageSource, alone: bool) -> VisionInput:
        """Return a picture in tiles, line by line, and the whole last, if the processor cuts pictures."""
        del alone
        return self._tiles("tiles", source, whole_only=False)

    def video_input(self, frames: Sequence[ImageSource]) -> tuple[VisionInput, ...]:
        """Return each frame whole, as published for videos."""
        return tuple(self._tiles("whole", frame, whole_only=True) for frame in frames)

    def image_tokens(self, picture: VisionInput) -> int:
        """Return the patches of each tile, as many taken together as the connector shuffles into one."""
        return len(picture.pixels) * self._tile_tokens()

    @property
    def most_picture_tokens(self) -> int:
        """The tiles of the largest square, with the words between them, and the whole."""
        across = self.image_processor.size["longest_edge"] // self.image_processor.max_image_size["longest_edge"] + 1
        return (across**2 + 1) * (self._tile_tokens() + 16)

    def video_tokens(self, pieces: Sequence[VisionInput]) -> int:
        """Return the tokens of all frames."""
        return sum(self.image_tokens(each) for each in pieces)

    def segments(self, item: Item, tokenizer: PreTrainedTokenizerBase) -> list[TemplateText | Part]:
        """By the chat template, which takes a clip for a picture."""
        return segments(item, tokenizer, videos_as="image")

    def image_token_ids(self, picture: VisionInput, words: Callable[[str], list[int]]) -> list[int]:
        """Return each tile after its row and column; the whole after an empty line."""
        rows, columns = picture.size
        tile = [self.config.image_token_id] * self._tile_tokens()
        ids: list[int] = []
        before = ""
        for row in range(1, rows + 1):
            for column in range(1, columns + 1):
                ids += [*words(f"{before}{AROUND}<row_{row}_col_{column}>"), *tile]
                before = "\n" if column == columns else ""
        return [*ids, *words(f"{before}\n{AROUND}{WHOLE}" if rows else f"{AROUND}{WHOLE}"), *tile, *words(AROUND)]

    def video_token_ids(self, pieces: Sequence[VisionInput], words: Callable[[str], list[int]]) -> list[int]:
        """Return the frames behind one another."""
        return [each for piece in pieces for each in self._frame_ids(piece, "", words)]

    def vision(
        self, model: Either, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """Return the patches of each tile; no tile has padding."""
        del sizes
        return model.vision_model(pixels.to(model.vision_model.dtype)).last_hidden_state

    def project_images(
        self, model: Either, features: Sequence[Float[Tensor, "_ *width"]], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the connector: squares of patches shuffled into one token each."""
        del sizes
        connector: Any = model.connector
        dtype = connector.modality_projection.proj.weight.dtype
        return connector(torch.cat(list(features)).to(dtype)).flatten(0, 1)

    def project_videos(
        self, model: Either, features: Sequence[Float[Tensor, "_ *width"]], pieces: Sequence[int]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the connector over every frame."""
        del pieces
        return self.project_images(model, features, [])

    def language(
        self,
        model: Either,
        sequences: Sequences,
        images: Float[Tensor, "_ *tokens"] | None,
        videos: Float[Tensor, "_ *tokens"] | None,
    ) -> Float[Tensor, "n d"]:
        """Llama over words, pictures and frames."""
        ids = sequences.token_ids
        states = model.get_input_embeddings()(ids.clamp(min=0))
        for token, tokens in ((self.config.image_token_id, images), (FRAME, videos)):
            if tokens is not None:
                states = states.masked_scatter((ids == token)[..., None], tokens.to(states.dtype))
        output = model.text_model(
            inputs_embeds=states,
            attention_mask=sequences.attention_mask,
            position_ids=sequences.positions[0],
            use_cache=False,
            **sequences.kernel,
        )
        return sequences.last(output.last_hidden_state)

    def blocks(self, model: Either) -> nn.ModuleList:
        """Return the decoder layers."""
        return model.text_model.layers

    def _tile_tokens(self) -> int:
        vision = self.config.vision_config
        return (vision.image_size // vision.patch_size) ** 2 // self.config.scale_factor**2

    def _frame_ids(self, frame: VisionInput, before: str, words: Callable[[str], list[int]]) -> list[int]:
        """Return a frame's tokens after some words."""
        return [*words(f"{before}{AROUND}{WHOLE}"), *[FRAME] * self.image_tokens(frame), *words(AROUND)]

    def _tiles(self, kind: str, source: ImageSource, whole_only: bool) -> VisionInput:
        pixels, grid = tiles(source.open(), self.image_processor, whole_only)
        return VisionInput(digest(kind, source.content_id), pixels, grid)


class SmolVLM(Idefics3):
    """SmolVLM, whose second version reads clips: how many frames and how long, then each frame after its time.

    Frames are taken to be `frames_per_second` apart, as the published processor samples them.
    """

    model_class = SmolVLMModel
    frames_per_second: ClassVar[float] = 1.0

    def segments(self, item: Item, tokenizer: PreTrainedTokenizerBase) -> list[TemplateText | Part]:
        """By the chat template, which has a place for clips."""
        return segments(item, tokenizer)

    def video_token_ids(self, pieces: Sequence[VisionInput], words: Callable[[str], list[int]]) -> list[int]:
        """Return the published words around frames."""
        seconds = int(len(pieces) / self.frames_per_second)
        length = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        before = (
            f"You are provided the following series of {number_words(len(pieces))} frames from a {length} "
            "[H:MM:SS] video.\n"
        )
        ids: list[int] = []
        for number, piece in enumerate(pieces):
            at = int(number / self.frames_per_second)
            ids += self._frame_ids(piece, f"{before}\nFrame from {at // 60:02d}:{at % 60:02d}:", words)
            before = ""
        return ids + words("\n\n")
