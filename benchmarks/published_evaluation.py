"""Evaluating as it is published: LLaVE's harness, and VLM2Vec's, of which it is an adaptation.

Read in llava/eval/model_embed.py and llava_qwen.py of DeepLearnXMU/LLaVE, and in eval.py of TIGER-AI-Lab/VLM2Vec
(v1 and main). As published:

    data set by data set, the queries once by text and path, then the targets likewise; nothing is shared beyond that
    items in the order in which they come, in padded batches, of 4 in LLaVE's read-me, 16 in VLM2Vec's scripts
    pictures one by one through Pillow and the stock image processor, also where a picture comes back
    LLaVE: each item without a picture is given an empty one, of which tower and projector make features to drop
    the stock forward: all blocks over all tokens, every layer's states kept
    the head over the vocabulary over all tokens, in float32, though nothing reads its logits; it is tied to the
      embedding as in the Qwen2 of LLaVE-0.5B
    row by row, the candidates' vectors are stacked, divided by their lengths and multiplied with the query's; the
      largest is taken (LLaVE) or all are sorted (VLM2Vec, main)

The rival here is spared: loading the tables anew for queries, targets and scores; pickling the vectors and reading
them again; copying them between devices; the files of predictions; a vocabulary of 152 thousand, over which the head
of a 0.5B model takes over a third of its blocks' arithmetic, here a tenth; queries that main does not deduplicate;
pictures of many sizes, which leave much padding in unsorted batches (the synthetic ones are all of one). On a GPU the
published code runs under autocast to bfloat16; here both sides are in float32. Loader processes neither side has.

Token ids are made as ours are, and P@1 is the same but for ties.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear, normalize
from transformers import PreTrainedConfig
from transformers.image_processing_utils import BaseImageProcessor

from core.data.images.image_files import FileImage
from core.data.mmeb.datasets import DATASETS
from core.data.mmeb.evaluation import read_mmeb_eval
from core.data.records import ImageSource, Item, RankingTask
from core.encoder.backbones.llava_onevision import LlavaOnevision
from core.encoder.embedder import Embedder, ItemTokenizer
from core.encoder.inputs import ModelInputs, VisionInput


class StockPictures(LlavaOnevision):
    """LLaVA-OneVision with pictures by the stock image processor; those opened since the last `taken` are kept."""

    def __init__(self, config: PreTrainedConfig, image_processor: BaseImageProcessor) -> None:
        super().__init__(config, image_processor)
        self._opened: list[Tensor] = []

    def image_input(self, source: ImageSource, alone: bool) -> VisionInput:
        """A picture that says how many crops it has; its pixels are kept apart, for they are floats."""
        assert alone
        assert isinstance(source, FileImage)
        picture = PIL.Image.open(source.path).convert("RGB")
        (pixels,) = self.image_processor([picture], return_tensors="pt")["pixel_values"]
        self._opened.append(pixels)
        return VisionInput("", torch.empty(len(pixels), 3, 0, dtype=torch.uint8), (picture.height, picture.width))

    def taken(self) -> list[Tensor]:
        """The crops of each picture opened since the last time."""
        opened, self._opened = self._opened, []
        return opened


def first_best(cosines: Float[np.ndarray, " pool"]) -> int:
    """LLaVE's choice; of equal cosines the first counts."""
    return int(np.argmax(cosines))


def first_sorted(cosines: Float[np.ndarray, " pool"]) -> int:
    """VLM2Vec's choice: the first of all when sorted."""
    return int(np.argsort(-cosines)[0])


@dataclass(frozen=True)
class Harness:
    """A published way to evaluate. empty_pictures: texts are given one. choose: the place of the chosen candidate."""

    empty_pictures: bool
    choose: Callable[[Float[np.ndarray, " pool"]], int]


LLAVE = Harness(empty_pictures=True, choose=first_best)
VLM2VEC = Harness(empty_pictures=False, choose=first_sorted)


@dataclass(frozen=True)
class Rival:
    """A LLaVA-OneVision embedder, AnyRes, as a harness uses it: in batches of `batch`."""

    embedder: Embedder
    harness: Harness
    batch: int
    backbone_adapter: StockPictures = field(init=False)
    prepare: ItemTokenizer = field(init=False)

    def __post_init__(self) -> None:
        adapter = StockPictures(self.embedder.backbone.config, self.embedder.image_processor)
        object.__setattr__(self, "backbone_adapter", adapter)
        object.__setattr__(self, "prepare", ItemTokenizer(self.embedder.tokenizer, adapter))


def published_scores(root: Path, rival: Rival) -> dict[str, float]:
    """P@1 of every data set of a folder in MMEB-eval's layout."""
    found = {}
    for dataset in DATASETS:
        (task,) = read_mmeb_eval(root, [dataset.name], progress=False)
        found[dataset.name] = score(task, rival)
    return found


def score(task: RankingTask, rival: Rival) -> float:
    """P@1 of one data set."""
    queries, targets = (encode(rival, side) for side in sides(task))
    hits = 0
    for ranking in task.rankings:
        query = queries[id(ranking.query)]
        stacked = np.stack([targets[id(item)] for item in ranking.candidates])
        cosines = stacked @ query / (np.linalg.norm(stacked, axis=1) * np.linalg.norm(query))
        hits += rival.harness.choose(cosines) in ranking.right
    return hits / len(task.rankings)


def sides(task: RankingTask) -> tuple[list[Item], list[Item]]:
    """The distinct queries and the distinct targets of a data set. Equal ones of a data set are one object."""
    return distinct(each.query for each in task.rankings), distinct(
        i for each in task.rankings for i in each.candidates
    )


def distinct(items: Iterable[Item]) -> list[Item]:
    """Every object once, in order."""
    return list({id(item): item for item in items}.values())


@torch.no_grad()
def encode(rival: Rival, items: Sequence[Item]) -> dict[int, np.ndarray]:
    """The vectors of items by object, encoded in batches as they come."""
    vectors = []
    for start in range(0, len(items), rival.batch):
        inputs = rival.embedder.collate([rival.prepare(item) for item in items[start : start + rival.batch]])
        vectors.append(forward(rival, inputs, rival.backbone_adapter.taken()).float().cpu().numpy())
    return dict(zip(map(id, items), np.concatenate(vectors), strict=True))


def forward(rival: Rival, inputs: ModelInputs, pictures: Sequence[Tensor]) -> Float[Tensor, "n d"]:
    """The unit vectors of a batch by transformers' own forward."""
    backbone = rival.embedder.backbone
    if rival.harness.empty_pictures and len(pictures) < len(inputs.token_ids):
        drop_empty_pictures(rival, len(inputs.token_ids) - len(pictures))
    shown = {}
    if pictures:
        most = max(map(len, pictures))
        padded = [torch.cat([each, each.new_zeros(most - len(each), *each.shape[1:])]) for each in pictures]
        shown = {"pixel_values": torch.stack(padded), "image_sizes": torch.tensor(inputs.images.sizes)}
    output = backbone(
        input_ids=inputs.token_ids,
        attention_mask=inputs.attention_mask,
        use_cache=False,
        output_hidden_states=True,
        **shown,
    )
    states = output.hidden_states[-1]
    linear(states, backbone.get_input_embeddings().weight).float()
    last = inputs.attention_mask.sum(dim=1) - 1
    return normalize(states[torch.arange(len(states)), last], dim=-1)


def drop_empty_pictures(rival: Rival, count: int) -> None:
    """Make features of so many empty pictures of one crop, and leave them."""
    backbone, side = rival.embedder.backbone, rival.backbone_adapter.image_processor.size["height"]
    seen = backbone.vision_tower(torch.zeros(count, 3, side, side), output_hidden_states=True)
    backbone.multi_modal_projector(seen.hidden_states[-1])
