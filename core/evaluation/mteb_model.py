"""An embedder as a model of mteb, the benchmarks of texts, pictures and both (MIEB, ViDoRe ...); needs its package.

Any of its tasks by name, data and all (mteb downloads them), with mteb's own cache of results:

    import mteb
    from pathlib import Path
    from core.evaluation.mteb_model import MMEB_INSTRUCTIONS, EmbedderModel

    model = EmbedderModel.load(Path("runs/mine/checkpoints/002000"), instructions=MMEB_INSTRUCTIONS)
    mteb.evaluate(model, tasks=mteb.get_tasks(["CIFAR10ZeroShot", "Flickr30kI2TRetrieval"]))
    mteb.evaluate(model, tasks=mteb.get_benchmark("MIEB(lite)"))

An item is its picture or clip, then its text. Ties count there as mteb counts them, not by their expectation.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float
from torch import Tensor

from core.data.images.flattening import to_rgb
from core.data.images.image_files import pixels_id, with_id
from core.data.records import Image, ImageSource, Item, Part, Text, Video
from core.encoder.embedder import Embedder

MMEB_INSTRUCTIONS: Mapping[str, str] = {
    "ImageClassification": "Represent the given image for classification",
    "ZeroShotClassification": "Represent the given image for classification",
    "ImageClustering": "Represent the given image for classification",
    "VisionCentricQA-query": "Represent the given image with the following question:",
    "Any2AnyRetrieval-query": "Find a target that matches the given query:",
    "Any2AnyMultilingualRetrieval-query": "Find a target that matches the given query:",
    "DocumentUnderstanding-query": "Find a document image that matches the given query:",
}
"""By mteb's task types (and "-query" or "-document"), in the words that MMEB's models are trained with."""
KINDS = ("video", "image", "text")
Vectors: TypeAlias = np.ndarray | Tensor
TOGETHER = 256
"""Items that are prepared at once, so that those of like length are embedded together."""


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """A picture that is decoded already, as mteb hands them over."""

    picture: PIL.Image.Image = field(repr=False)

    @property
    def content_id(self) -> str:
        """The id of the pixels in RGB, in whichever mode the picture is stored."""
        return self._pixels_id

    @cached_property
    def _pixels_id(self) -> str:
        return pixels_id(to_rgb(self.picture))

    def open(self) -> PIL.Image.Image:
        """Return the picture in RGB."""
        return with_id(self, to_rgb(self.picture))


class EmbedderModel:
    """What `mteb.evaluate` takes for a model: mteb's EncoderProtocol.

    instructions: words put before the text of an item (or behind its picture, where it has no text), by the name of the
    task, its type, "query" or "document", or a name or type with "-query" or "-document", as mteb's prompts are chosen.
    Where a batch is neither of queries nor of documents and the task is of pictures and texts, as in zero-shot
    classification, only its pictures are queries. Without instructions items are embedded as they are.
    """

    def __init__(
        self, embedder: Embedder, name: str = "local/embedder", instructions: Mapping[str, str] | None = None
    ) -> None:
        self.model = embedder
        self.model_prompts = dict(instructions or {})
        self.mteb_model_meta = model_meta(embedder, name, self.model_prompts)

    @classmethod
    def load(cls, folder: Path, instructions: Mapping[str, str] | None = None) -> "EmbedderModel":
        """Return the model of a checkpoint's folder, named after it and its run.

        Raises:
            ValueError: the folder is no checkpoint.
        """
        path = folder.resolve()
        run = f"{path.parent.parent.name}-" if path.parent.name == "checkpoints" else ""
        return cls(Embedder.load(folder), f"local/{run}{path.name}", instructions)

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,  # noqa: ANN401 - mteb's TaskMetadata
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,  # noqa: ANN401 - mteb's PromptType or None
        **kwargs: Any,  # noqa: ANN401 - mteb's options for encoding
    ) -> Float[np.ndarray, "items d"]:
        """Return unit vectors of a loader's batches, in order.

        Raises:
            ValueError: no items, or an item of another kind than text, picture and clip.
            core.data.images.image_files.BadImage: a picture cannot be read.
        """
        del hf_split, hf_subset
        instruction = self.instruction(task_metadata, prompt_type)
        pictures_only = prompt_type is None and {"image", "text"} <= {*task_metadata.modalities}
        chunk = int(kwargs.get("batch_size", 64))
        vectors: list[Tensor] = []
        waiting: list[Item] = []
        for batch in inputs:
            waiting += [instructed(parts, instruction, pictures_only) for parts in rows(batch)]
            if len(waiting) >= max(chunk, TOGETHER):
                vectors.append(self.model.embed(waiting, chunk))
                waiting = []
        if waiting:
            vectors.append(self.model.embed(waiting, chunk))
        if not vectors:
            raise ValueError(f"mteb task {task_metadata.name!r} has no items to encode.")
        return torch.cat(vectors).float().numpy()

    def instruction(self, task_metadata: Any, prompt_type: Any) -> str:  # noqa: ANN401 - mteb's types
        """Return the instruction of a task, empty for none."""
        # mteb brings much with it that nothing else here needs.
        from mteb.models.abs_encoder import get_prompt_name

        name = get_prompt_name(self.model_prompts, task_metadata, prompt_type)
        return "" if name is None else self.model_prompts[name]

    def similarity(self, embeddings1: Vectors, embeddings2: Vectors) -> Float[Tensor, "a b"]:
        """Return the cosines of all pairs of unit vectors; a vector alone counts as one row."""
        return rows_of(embeddings1) @ rows_of(embeddings2).T

    def similarity_pairwise(self, embeddings1: Vectors, embeddings2: Vectors) -> Float[Tensor, " n"]:
        """Return the cosines of unit vectors row by row."""
        return (rows_of(embeddings1) * rows_of(embeddings2)).sum(dim=1)


def rows_of(vectors: Vectors) -> Float[Tensor, "n d"]:
    """Return vectors as rows, in float32."""
    return torch.atleast_2d(torch.as_tensor(vectors).float())


def revision(embedder: Embedder, instructions: Mapping[str, str]) -> str:
    """Say what tells results apart: a digest of the weights, the chat template and the instructions.

    mteb takes results from its cache by a model's name and revision, and folders of one name may hold other weights.
    """
    found = hashlib.blake2b(digest_size=8)
    for name, weight in embedder.backbone.state_dict().items():
        found.update(name.encode())
        found.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    found.update(repr((embedder.tokenizer.chat_template, sorted(instructions.items()))).encode())
    return found.hexdigest()


def model_meta(embedder: Embedder, name: str, instructions: Mapping[str, str]) -> Any:  # noqa: ANN401 - mteb's ModelMeta
    """Say what mteb writes beside the results."""
    from mteb.models.model_meta import ModelMeta, ScoringFunction

    weights = list(embedder.backbone.parameters())
    return ModelMeta(
        loader=None,
        name=name,
        revision=revision(embedder, instructions),
        release_date=None,
        languages=None,
        n_parameters=sum(each.numel() for each in weights),
        memory_usage_mb=sum(each.numel() * each.element_size() for each in weights) / 2**20,
        max_tokens=None,
        embed_dim=embedder.dimensions,
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=bool(instructions),
        training_datasets=None,
        modalities=["text", "image", "video"],
    )


def rows(batch: Mapping[str, Any]) -> Iterator[tuple[Part, ...]]:
    """Return the parts of each item of a batch: a clip, a picture, then text, as far as it has them.

    Raises:
        ValueError: the batch holds none of them, or an item does not.
    """
    kinds = [kind for kind in KINDS if kind in batch]
    if "audio" in batch or not kinds:
        raise ValueError(f"mteb batch of {', '.join(map(str, batch))}: an embedder takes text, image and video.")
    for values in zip(*(batch[kind] for kind in kinds), strict=True):
        present = [(kind, value) for kind, value in zip(kinds, values, strict=True) if value is not None]
        # An empty text beside a picture says that there is none.
        kept = [each for each in present if each != ("text", "") or len(present) == 1]
        if not kept:
            raise ValueError(f"mteb batch of {', '.join(kinds)}: an item has none of them.")
        yield tuple(part(kind, value) for kind, value in kept)


def part(kind: str, value: Any) -> Part:  # noqa: ANN401 - whatever mteb's data holds
    """Return one part of an item."""
    if kind == "text":
        return Text(str(value))
    if kind == "image":
        return Image(opened(value))
    if isinstance(value, torch.Tensor | np.ndarray) or (isinstance(value, Sequence) and not isinstance(value, str)):
        return Video(tuple(opened(frame) for frame in value))
    raise ValueError(f"mteb video of type {type(value).__name__}: frames as an array or a list are read.")


def opened(value: Any) -> ImageSource:  # noqa: ANN401 - whatever mteb's data holds
    """Return a picture, or an array of 0 to 255 with its channels first or last.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, PIL.Image.Image):
        return OpenedImage(value)
    array = np.asarray(value)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in (1, 3) or array.dtype != np.uint8:
        raise ValueError(f"mteb picture of shape {array.shape} and type {array.dtype}: give uint8 (3, height, width).")
    return OpenedImage(PIL.Image.fromarray(np.broadcast_to(array, (*array.shape[:2], 3)).copy()))


def instructed(parts: tuple[Part, ...], instruction: str, pictures_only: bool) -> Item:
    """Return the item with the instruction before its text, or behind its pictures."""
    pictures = tuple(each for each in parts if not isinstance(each, Text))
    if not instruction or (pictures_only and not pictures):
        return Item(parts)
    words = [each.text for each in parts if isinstance(each, Text)]
    return Item((*pictures, Text(" ".join([instruction, *words]))))
