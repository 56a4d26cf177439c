"""The backbone adapter: what the encoder asks of a model family; and exact float64 arithmetic for any of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.image_processing_utils import BaseImageProcessor

from core.data.records import ImageSource, Item, Part
from core.encoder.attention import attend_packed, attends_by_flash
from core.encoder.inputs import VisionInput
from core.encoder.pooling import Sequences
from core.encoder.prompts import TemplateText, segments

ModelPart: TypeAlias = Literal["vision", "projector", "language"]
Model = TypeVar("Model", bound=PreTrainedModel)


class BackboneAdapter(ABC, Generic[Model]):
    """The adapter of one model family. It holds settings, no weights, and is handed the model where it needs one.

    A picture goes three ways: `image_input` or `video_input` make uint8 pixels of it (in loader processes), `vision`
    makes features of pixels (the tower, often frozen), `project_images` and `project_videos` make tokens of features
    (the projector).
    """

    model_class: ClassVar[type[PreTrainedModel]]
    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]]
    """For each part of the model the beginnings of its weights' names; the first that fits counts."""
    unused: ClassVar[tuple[str, ...]] = ()
    """Weights that are loaded and saved, but that vectors do not depend on; they never train."""
    language_name: ClassVar[str] = "language_model"
    """The name of the language model's module."""
    video_mark: ClassVar[tuple[str, ...]] = ("video_token_id",)
    """The config's names of the tokens that a chat template writes where a clip goes; replaced by `video_token_ids`."""

    def __init__(self, config: PreTrainedConfig, image_processor: BaseImageProcessor) -> None:
        self.config: Any = config
        self.image_processor: Any = image_processor

    @abstractmethod
    def image_input(self, source: ImageSource, alone: bool) -> VisionInput:
        """Return a picture resized for the tower; `alone` if its item has no other.

        Raises:
            core.data.images.image_files.BadImage: it cannot be read.
        """

    @abstractmethod
    def video_input(self, frames: Sequence[ImageSource]) -> tuple[VisionInput, ...]:
        """Return a clip's frames resized for the tower, in pieces that the tower sees one by one.

        Raises:
            core.data.images.image_files.BadImage: a frame cannot be read.
        """

    @abstractmethod
    def image_tokens(self, picture: VisionInput) -> int:
        """Say how many tokens of its own a picture takes in the input."""

    @abstractmethod
    def video_tokens(self, pieces: Sequence[VisionInput]) -> int:
        """Say how many tokens of its own a clip takes in the input."""

    def image_token_ids(self, picture: VisionInput, words: Callable[[str], list[int]]) -> list[int]:
        """Get the tokens of a picture in the input; `words` gives those of template text, special tokens among it."""
        del words
        return [self.config.image_token_id] * self.image_tokens(picture)

    def video_token_ids(self, pieces: Sequence[VisionInput], words: Callable[[str], list[int]]) -> list[int]:
        """Write the tokens of a clip; `words` gives those of words that the family writes between its frames."""
        del words
        return [self.config.video_token_id] * self.video_tokens(pieces)

    def segments(self, item: Item, tokenizer: PreTrainedTokenizerBase) -> list[TemplateText | Part]:
        """Return the item's parts in the order in which the model reads them, and the template's own text between them.

        Raises:
            ValueError: the tokenizer's chat template drops, repeats or mixes up parts.
        """
        image, video = (
            "".join(str(tokenizer.convert_ids_to_tokens(getattr(self.config, each))) for each in marks)
            for marks in (("image_token_id",), self.video_mark)
        )
        return segments(item, tokenizer, image, video)

    def text_ids(
        self, text: str, tokenizer: PreTrainedTokenizerBase, most: int | None = None
    ) -> tuple[list[int], int, int]:
        """Return the tokens of an item's own text, in which special tokens are words like any other.

        most: keep at most so many tokens of the text, at least 1; what a family adds to a text does not count.

        Returns:
            the tokens, how many of them are the text's own, and how many of these were cut off.
        """
        words = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        kept = words[:most]
        return kept, len(kept), len(words) - len(kept)

    @property
    def most_picture_tokens(self) -> int:
        """A bound on the tokens of one still picture."""
        return 16_384

    @property
    def most_tokens(self) -> int | None:
        """How many tokens an item may take, those of pictures included; None: texts are cut one by one instead."""
        return getattr(self.config.get_text_config(), "max_position_embeddings", None)

    def positions(
        self, token_ids: Int[Tensor, " length"], images: Sequence[VisionInput], videos: Sequence[Sequence[VisionInput]]
    ) -> Int[Tensor, "axes length"] | None:
        """Say where each token of an item is; None where that is its place in the sequence."""
        del token_ids, images, videos
        return None

    @abstractmethod
    def vision(
        self, model: Model, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """Return the vision tower without the projector, over the rows of several pictures behind one another."""

    @abstractmethod
    def project_images(
        self, model: Model, features: Sequence[Float[Tensor, "_ *width"]], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the tokens of pictures, behind one another, as `language` takes them."""

    @abstractmethod
    def project_videos(
        self, model: Model, features: Sequence[Float[Tensor, "_ *width"]], pieces: Sequence[int]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the tokens of clips, behind one another; `pieces` says of how many features each clip is made."""

    @abstractmethod
    def language(
        self,
        model: Model,
        sequences: Sequences,
        images: Float[Tensor, "_ *tokens"] | None,
        videos: Float[Tensor, "_ *tokens"] | None,
    ) -> Float[Tensor, "n d"]:
        """Return the language model's final state, without a head, of each item's last token.

        It runs over words and the tokens of pictures and clips.
        """

    @abstractmethod
    def blocks(self, model: Model) -> nn.ModuleList:
        """Return the transformer blocks of the language model."""

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return self.config.get_text_config().hidden_size

    def language_model(self, model: Model) -> PreTrainedModel:
        """Return the module that holds the language model."""
        found = model.get_submodule(self.language_name)
        assert isinstance(found, PreTrainedModel)
        return found

    def embedding(self, model: Model) -> nn.Module:
        """Return the language model's table of words' vectors."""
        return self.language_model(model).get_input_embeddings()

    def set_up(self, model: Model) -> None:
        """Prepare a model for `language`, where a family has to; called once, when an embedder is made of it."""
        del model

    def attend_packed(self, model: Model) -> None:
        """Let the language model run over packed sequences, if it does not by itself; padded ones then fail."""
        if not attends_by_flash(self.language_model(model)):
            attend_packed(self.language_model(model))

    def vision_features(self, model: Model, pictures: Sequence[VisionInput]) -> dict[str, Tensor]:
        """Run the vision tower over distinct pictures, in runs of bounded size; its features by the pictures' ids."""
        features: dict[str, Tensor] = {}
        for run in runs(pictures):
            pixels = torch.cat([each.pixels for each in run]).to(model.device, non_blocking=True)
            seen = self.vision(model, self.scaled(pixels), [each.size for each in run])
            parts = seen.split([len(each.pixels) for each in run])
            features |= {each.id: part for each, part in zip(run, parts, strict=True)}
        return features

    def scaled(self, pixels: UInt8[Tensor, "rows 3 *shape"]) -> Float[Tensor, "rows 3 *shape"]:
        """Scale and normalise as the image processor would, in float32, on the pixels' device."""
        processor, extra = self.image_processor, [1] * (pixels.dim() - 2)
        values = pixels.float()
        if processor.do_rescale:
            values = values * processor.rescale_factor
        if processor.do_normalize:
            mean, std = (
                torch.tensor(each, device=pixels.device).view(1, 3, *extra)
                for each in (processor.image_mean, processor.image_std)
            )
            values = (values - mean) / std
        return values

    def part_of(self, name: str) -> ModelPart:
        """Return the part that a weight or module of the model belongs to, by its name.

        Raises:
            ValueError: it belongs to none.
        """
        for part, beginnings in self.parts.items():
            if any(f"{name}.".startswith(f"{each}.") for each in beginnings):
                return part
        raise ValueError(f"{name} of {self.config.model_type} belongs to no part; parts are {', '.join(self.parts)}.")

    def modules(self, model: nn.Module, part: ModelPart) -> list[nn.Module]:
        """Return the modules of a part."""
        named = dict(model.named_modules())
        return [named[each] for each in self.parts[part] if each in named]

    def weights(self, model: nn.Module, part: ModelPart) -> list[tuple[str, nn.Parameter]]:
        """Return the weights of a part with their names."""
        return [(name, weight) for name, weight in model.named_parameters() if self.part_of(name) == part]


VALUES_AT_ONCE = 2**22
"""Pixel values in one run of the tower: some 7,000 patches of 14 x 14, or 9 crops of 384 x 384."""


def to_float64(backbone: PreTrainedModel) -> PreTrainedModel:
    """Return the same weights in float64 all the way, for checks of exactness.

    transformers' RMSNorms compute in float32 whatever the weights' type; torch's own keeps the type.
    """
    for module in list(backbone.modules()):
        for name, child in module.named_children():
            if hasattr(child, "variance_epsilon"):
                weight = child.weight
                assert isinstance(weight, nn.Parameter)
                exact = nn.RMSNorm(len(weight), eps=float(child.variance_epsilon))  # pyright: ignore[reportArgumentType]
                exact.weight = weight
                setattr(module, name, exact)
    return backbone.double()  # pyright: ignore[reportReturnType]


def runs(pictures: Sequence[VisionInput]) -> Iterator[list[VisionInput]]:
    """Cut pictures into runs with rows of one shape and at most VALUES_AT_ONCE values, or one picture."""
    run: list[VisionInput] = []
    values = 0
    for picture in sorted(pictures, key=lambda each: tuple(each.pixels.shape[1:])):  # a stable sort
        size = picture.pixels.numel()
        if run and (run[0].pixels.shape[1:] != picture.pixels.shape[1:] or values + size > VALUES_AT_ONCE):
            yield run
            run, values = [], 0
        run.append(picture)
        values += size
    if run:
        yield run
