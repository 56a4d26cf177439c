"""The embedder: tokenize items, run the backbone, pool the last token, scale to unit length; save and load."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.image_processing_utils import BaseImageProcessor

from core.data.records import Image, Item, Text, Video, as_read
from core.encoder.backbones.adapter import BackboneAdapter, ModelPart
from core.encoder.backbones.choose import choose_adapter
from core.encoder.embedder_folder import DESCRIPTION, FORMAT, LOAD_ERRORS, SHARDS, load_backbone, read_description
from core.encoder.feature_cache import FeatureCache, stored_dtype, tower_digest
from core.encoder.inputs import ModelInputs, TokenizedItem, VisionInput, VisionInputs, collate, distinct, sorted_chunks
from core.encoder.item_rules import refuse_too_long
from core.encoder.lora import base_reference, load_lora, lora_config, save_lora
from core.encoder.pooling import packed, padded, unit
from core.encoder.prompts import TemplateText, with_spaces
from core.encoder.safe_folder import refuse_unsafe


class Embedder(nn.Module):
    """A multimodal language model read at its last token.

    embed(item) = h_last / |h_last|, h the final hidden states of the item in the backbone's chat template.

    frozen: parts of the backbone that do not train; their modules stay in evaluation mode. packing: run the language
    model over the items of a chunk behind one another, without padding. base: the folder that a LoRA adapter stands
    on, set by `load`.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        image_processor: BaseImageProcessor,
    ) -> None:
        super().__init__()
        self.backbone: Any = backbone
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.backbone_adapter = choose_adapter(backbone.config, image_processor)
        self.backbone_adapter.set_up(self.backbone)
        self.prepare = ItemTokenizer(tokenizer, self.backbone_adapter)
        self.frozen: frozenset[ModelPart] = frozenset()
        self.packing = False
        self.base: Path | None = None
        self.relative_base = False
        """Whether a LoRA checkpoint names its base relative to itself wherever it lies."""
        self._tower: tuple[object, str] = (None, "")

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.backbone.device

    @property
    def dimensions(self) -> int:
        """The length d of the vectors."""
        return self.backbone_adapter.dimensions

    def train(self, mode: bool = True) -> "Embedder":
        """Set the mode of all that trains; frozen parts evaluate, so that no dropout acts in them."""
        super().train(mode)
        for part in self.frozen:
            for module in self.backbone_adapter.modules(self.backbone, part):
                module.eval()
        return self

    def collate(self, prepared: Sequence[TokenizedItem]) -> ModelInputs:
        """Pad prepared items on the tokenizer's padding side."""
        assert isinstance(self.tokenizer.pad_token_id, int)
        return collate(prepared, self.tokenizer.pad_token_id, self.tokenizer.padding_side)  # pyright: ignore[reportArgumentType]

    def forward(self, inputs: ModelInputs) -> Float[Tensor, "n d"]:
        """Return unit vectors of a batch, in float32 or better; text-only inputs never touch the vision tower."""
        sequences = (packed if self.packing else padded)(inputs).to(self.device)
        seen = self.vision_features(distinct((inputs.images, inputs.frames)))
        images, videos = None, None
        if inputs.images.ids:
            features = self._features(inputs.images, seen)
            images = self.backbone_adapter.project_images(self.backbone, features, inputs.images.sizes)
        if inputs.video_frames:
            features = self._features(inputs.frames, seen)
            videos = self.backbone_adapter.project_videos(self.backbone, features, inputs.video_frames)
        return unit(self.backbone_adapter.language(self.backbone, sequences, images, videos))

    def vision_features(self, pictures: Sequence[VisionInput]) -> dict[str, Tensor]:
        """Return the vision tower's features of distinct pictures, by their ids."""
        return self.backbone_adapter.vision_features(self.backbone, pictures)

    def with_vision(self, chunks: Sequence[ModelInputs], cache: FeatureCache | None = None) -> list[ModelInputs]:
        """Put the frozen tower's features in place of the pixels of a step's chunks: it runs once per picture.

        Call it under the autocast of the step. If any weight of the tower trains, the chunks come back as they are.
        """
        if any(weight.requires_grad for _, weight in self.backbone_adapter.weights(self.backbone, "vision")):
            return list(chunks)
        return self._seen(chunks, cache)

    @torch.no_grad()
    def embed(self, items: Sequence[Item], chunk: int = 64, cache: FeatureCache | None = None) -> Float[Tensor, "n d"]:
        """Return unit vectors of items in the order given, on the CPU, without gradient.

        Chunks are sorted by length, so that little is padded. With a cache, pictures that this vision tower has seen
        before are not shown to it again.

        Raises:
            ValueError: no items.
            core.data.images.image_files.BadImage: a picture cannot be read.
        """
        if not items:
            raise ValueError("embed needs at least one item.")
        return self.embed_prepared([self.prepare(item) for item in items], chunk, cache)

    @torch.no_grad()
    def embed_prepared(
        self, prepared: Sequence[TokenizedItem], chunk: int = 64, cache: FeatureCache | None = None
    ) -> Float[Tensor, "n d"]:
        """Return what `embed` returns, of items that are prepared already."""
        was_training = self.training
        self.eval()
        vectors: dict[int, Tensor] = {}
        for indices in sorted_chunks([each.length for each in prepared], chunk):
            inputs = self.collate([prepared[index] for index in indices])
            if cache is not None:
                (inputs,) = self._seen([inputs], cache)
            vectors |= dict(zip(indices, self(inputs).cpu(), strict=True))
        self.train(was_training)
        return torch.stack([vectors[index] for index in range(len(prepared))])

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), config, tokenizer, image processor and `embedder.json` into a folder.

        With an adapter only that is written, and the name of its base.

        Raises:
            ValueError: there is an adapter, but its base was never saved.
        """
        self.describe(folder)
        if lora_config(self.backbone) is None:
            self.backbone.save_pretrained(folder)
        else:
            save_lora(self.backbone, folder)

    def describe(self, folder: Path) -> None:
        """Write all of an embedder's folder but the weights.

        Raises:
            ValueError: there is an adapter, but its base was never saved.
        """
        folder.mkdir(parents=True, exist_ok=True)
        described: dict[str, object] = {**FORMAT, "dimensions": self.dimensions}
        adapter = lora_config(self.backbone)
        if adapter is None:
            config = self.backbone.config
            config.dtype, config.architectures = self.backbone.dtype, [type(self.backbone).__name__]
            for part in (config, self.tokenizer, self.image_processor):
                part.save_pretrained(folder)
        elif self.base is None:
            raise ValueError(
                f"{folder}: a LoRA checkpoint names the folder of its base, and this one's was never saved. Save the "
                "embedder before make_trainable, and set Embedder.base to that folder."
            )
        else:
            described["base"] = adapter.base_model_name_or_path = base_reference(self.base, folder, self.relative_base)
            adapter.save_pretrained(str(folder))
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> "Embedder":
        """Read what `save` wrote. Only safetensors are read and no remote code runs.

        Weights go to the device shard by shard, in `dtype`: no second copy of the model is ever held, and to load one
        on a GPU takes little of the computer's own memory.

        Raises:
            ValueError: the folder is no embedder, holds a pickle for weights or asks for remote code, or its weights
                do not fit its config or its base.
        """
        described = read_description(folder)
        if (folder / SHARDS).is_dir():
            raise ValueError(
                f"{folder}: the weights lie in shards, as training left them. Make an ordinary checkpoint by: "
                f"python core/consolidate.py --checkpoint {folder} --output FOLDER"
            )
        refuse_unsafe(folder)
        if "base" in described:
            return load_on_base(folder, str(described["base"]), dtype, device)
        try:
            backbone = load_backbone(folder, dtype, device)
        except LOAD_ERRORS as error:
            raise ValueError(f"{folder}: the checkpoint cannot be loaded: {error}") from error
        embedder = cls(backbone, *load_processing(folder))
        embedder.base = folder
        return embedder

    def _features(self, pictures: VisionInputs, seen: dict[str, Tensor]) -> list[Tensor]:
        if pictures.features is None:
            return [seen[each] for each in pictures.ids]
        return [each.to(self.device, non_blocking=True) for each in pictures.features]

    @torch.no_grad()
    def _seen(self, chunks: Sequence[ModelInputs], cache: FeatureCache | None) -> list[ModelInputs]:
        pictures = distinct(group for chunk in chunks for group in (chunk.images, chunk.frames))
        dtype = stored_dtype(next(iter(self.backbone_adapter.weights(self.backbone, "vision")))[1].dtype, self.device)
        features: dict[str, Tensor] = {}
        tower = "" if cache is None else f"{self._tower_digest()}-{str(dtype).removeprefix('torch.')}"
        if cache is not None:
            read = {each.id: cache.read(tower, each.id) for each in pictures}
            features = {name: each.to(self.device) for name, each in read.items() if each is not None}
        fresh = self.vision_features([each for each in pictures if each.id not in features])
        for name, each in fresh.items():
            # A copy: a part of a run of the tower would keep the whole run alive.
            features[name] = each.to(dtype, copy=True)
            if cache is not None:
                cache.write(tower, name, features[name])

        def seen(group: VisionInputs) -> VisionInputs:
            return group if group.features is not None else group.with_features([features[i] for i in group.ids])

        return [replace(chunk, images=seen(chunk.images), frames=seen(chunk.frames)) for chunk in chunks]

    def _tower_digest(self) -> str:
        """Return the digest of the vision tower, made again only when a weight has changed."""
        weights = [weight for _, weight in self.backbone_adapter.weights(self.backbone, "vision")]
        state = [(each.data_ptr(), each._version) for each in weights]
        if self._tower[0] != state:
            self._tower = (state, tower_digest(self.backbone_adapter, self.backbone))
        return self._tower[1]


def load_processing(folder: Path) -> tuple[PreTrainedTokenizerBase, BaseImageProcessor]:
    """Load the tokenizer and the image processor of a folder that was found safe.

    Raises:
        ValueError: one of them cannot be loaded.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return tokenizer, AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    except LOAD_ERRORS as error:
        raise ValueError(f"{folder}: the checkpoint cannot be loaded: {error}") from error


def load_item_tokenizer(folder: Path) -> "ItemTokenizer":
    """Load what makes inputs of items for a saved embedder, without its weights.

    Raises:
        ValueError: as `Embedder.load`.
    """
    described = read_description(folder)
    refuse_unsafe(folder)
    if "base" in described:
        folder = folder / str(described["base"])
        refuse_unsafe(folder)
    tokenizer, image_processor = load_processing(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except LOAD_ERRORS as error:
        raise ValueError(f"{folder}: the checkpoint cannot be loaded: {error}") from error
    return ItemTokenizer(tokenizer, choose_adapter(config, image_processor))


def load_on_base(folder: Path, base: str, dtype: torch.dtype, device: torch.device | str = "cpu") -> Embedder:
    """Load an adapter's base, then the adapter.

    Raises:
        ValueError: the base is missing or has an adapter itself, or the adapter does not fit it.
    """
    path = folder / base  # an absolute base stands for itself
    try:
        described = read_description(path)
    except ValueError as error:
        raise ValueError(f"{folder / DESCRIPTION}: the base of the adapter, {path}, is missing: {error}") from error
    if "base" in described:
        raise ValueError(f"{folder / DESCRIPTION}: its base, {path}, is an adapter itself; merge that one first.")
    embedder = Embedder.load(path, dtype, device)
    load_lora(embedder.backbone, folder)
    return embedder


class ItemTokenizer:
    """Turns items into `TokenizedItem`. Holds no weights, so loader processes can have one each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, adapter: BackboneAdapter[Any]) -> None:
        self.tokenizer = tokenizer
        self.backbone_adapter = adapter
        self.max_text_tokens: int | None = None
        """Texts of an item beyond so many tokens are cut off, the template, a text's end and pictures never."""
        self._scaffold_ids: dict[str, list[int]] = {}

    def __call__(self, item: Item) -> TokenizedItem:
        """Tokenise the item's template and text, open its pictures, and leave room for their features.

        Raises:
            core.data.images.image_files.BadImage: a picture cannot be read.
            core.encoder.item_rules.TooLong: the item takes more tokens than the model has positions for.
        """
        adapter = self.backbone_adapter
        alone = sum(isinstance(part, Image) for part in item.parts) == 1
        ids: list[int] = []
        images: list[VisionInput] = []
        videos: list[tuple[VisionInput, ...]] = []
        left, cut = self.max_text_tokens, 0
        for segment in with_spaces(adapter.segments(item, self.tokenizer)):
            if isinstance(segment, TemplateText):
                ids += self._scaffold(segment.text)
            elif isinstance(segment, Text):
                words, own, beyond = adapter.text_ids(
                    as_read(segment.text), self.tokenizer, None if left is None else max(left, 1)
                )
                if left == 0:  # no room: a tower's text of no words would count as one
                    words, own, beyond = [], 0, own + beyond
                left = None if left is None else left - own
                cut += beyond
                ids += words
            elif isinstance(segment, Image):
                images.append(adapter.image_input(segment.source, alone))
                ids += adapter.image_token_ids(images[-1], self._scaffold)
            else:
                assert isinstance(segment, Video)
                videos.append(adapter.video_input(segment.frames))
                ids += adapter.video_token_ids(videos[-1], self._scaffold)
        refuse_too_long(len(ids), adapter.most_tokens)
        token_ids = torch.tensor(ids)
        positions = adapter.positions(token_ids, images, videos)
        return TokenizedItem(token_ids, tuple(images), tuple(videos), positions, cut)

    def _scaffold(self, text: str) -> list[int]:
        """Tokenize a piece of the template, once: the pieces are few and come back in every item."""
        if text not in self._scaffold_ids:
            ids = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=False)
            self._scaffold_ids[text] = ids
        return self._scaffold_ids[text]
