"""The 36 image data sets of MMEB (VLM2Vec, arXiv 2410.05160, table 1), by the exact names of the hub's files.

Scores are averaged over all 36 without weights, over the 20 that have a training split (in distribution), over the
16 that have none (out of distribution), and over each meta-task.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MmebDataset:
    """One data set of MMEB.

    name: in MMEB-eval and MMEB_Test_Instruct. train_name: in MMEB-train; None where it is never trained. meta_task:
    classification, vqa, retrieval or grounding. candidates: of each query, the right one included. train_size: pairs
    to train on, to the thousand as published; None with train_name. query, target: what an item shows, such as
    "image+text"; texts of instructions count where MMEB has them in every query ("image+text" for a class's picture).
    """

    name: str
    train_name: str | None
    meta_task: str
    candidates: int
    train_size: int | None
    query: str
    target: str

    @property
    def in_distribution(self) -> bool:
        """Whether MMEB-train has it."""
        return self.train_name is not None


def trained(
    meta_task: str, name: str, candidates: int, train_size: int, query: str, target: str, train_name: str = ""
) -> MmebDataset:
    """Return a data set of MMEB-train and MMEB-eval."""
    return MmebDataset(name, train_name or name, meta_task, candidates, train_size, query, target)


def unseen(meta_task: str, name: str, candidates: int, query: str, target: str) -> MmebDataset:
    """Return a data set of MMEB-eval alone."""
    return MmebDataset(name, None, meta_task, candidates, None, query, target)


BOTH = "image+text"

DATASETS: tuple[MmebDataset, ...] = (
    trained("classification", "ImageNet-1K", 1000, 100_000, "image", "text", train_name="ImageNet_1K"),
    trained("classification", "N24News", 24, 49_000, BOTH, "text"),
    trained("classification", "HatefulMemes", 2, 8_000, "image", "text"),
    trained("classification", "VOC2007", 20, 8_000, "image", "text"),
    trained("classification", "SUN397", 397, 20_000, "image", "text"),
    unseen("classification", "Place365", 365, "image", "text"),
    unseen("classification", "ImageNet-A", 1000, "image", "text"),
    unseen("classification", "ImageNet-R", 200, "image", "text"),
    unseen("classification", "ObjectNet", 313, "image", "text"),
    unseen("classification", "Country211", 211, "image", "text"),
    trained("vqa", "OK-VQA", 1000, 9_000, BOTH, "text"),
    trained("vqa", "A-OKVQA", 1000, 17_000, BOTH, "text"),
    trained("vqa", "DocVQA", 1000, 40_000, BOTH, "text"),
    trained("vqa", "InfographicsVQA", 1000, 24_000, BOTH, "text"),
    trained("vqa", "ChartQA", 1000, 28_000, BOTH, "text"),
    trained("vqa", "Visual7W", 1000, 70_000, BOTH, "text"),
    unseen("vqa", "ScienceQA", 1000, BOTH, "text"),
    unseen("vqa", "VizWiz", 1000, BOTH, "text"),
    unseen("vqa", "GQA", 1000, BOTH, "text"),
    unseen("vqa", "TextVQA", 1000, BOTH, "text"),
    trained("retrieval", "VisDial", 1000, 123_000, "text", "image"),
    trained("retrieval", "CIRR", 1000, 26_000, BOTH, "image"),
    trained("retrieval", "VisualNews_t2i", 1000, 100_000, "text", "image"),
    trained("retrieval", "VisualNews_i2t", 1000, 100_000, "image", "text"),
    trained("retrieval", "MSCOCO_t2i", 1000, 100_000, "text", "image"),
    trained("retrieval", "MSCOCO_i2t", 1000, 113_000, "image", "text"),
    trained("retrieval", "NIGHTS", 1000, 16_000, "image", "image"),
    trained("retrieval", "WebQA", 1000, 17_000, "text", BOTH),
    unseen("retrieval", "FashionIQ", 1000, BOTH, "image"),
    unseen("retrieval", "Wiki-SS-NQ", 1000, "text", "image"),
    unseen("retrieval", "OVEN", 1000, BOTH, BOTH),
    unseen("retrieval", "EDIS", 1000, "text", BOTH),
    trained("grounding", "MSCOCO", 1000, 100_000, BOTH, "image"),
    unseen("grounding", "RefCOCO", 1000, BOTH, "image"),
    unseen("grounding", "RefCOCO-Matching", 1000, BOTH, BOTH),
    unseen("grounding", "Visual7W-Pointing", 1000, BOTH, "image"),
)
BY_NAME: Mapping[str, MmebDataset] = {each.name: each for each in DATASETS}
BY_TRAIN_NAME: Mapping[str, MmebDataset] = {each.train_name: each for each in DATASETS if each.train_name}
ALL_META_TASKS = ("classification", "vqa", "retrieval", "grounding", "video")
"""Those of the 36, and that of clips."""


def known(name: str) -> MmebDataset:
    """Return the data set of a name of MMEB-eval.

    Raises:
        ValueError: there is none; the message lists all.
    """
    if name not in BY_NAME:
        raise ValueError(f"{name!r} is not a data set of MMEB; there are {', '.join(BY_NAME)}.")
    return BY_NAME[name]
