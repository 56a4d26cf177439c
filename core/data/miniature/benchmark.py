"""The miniature as data sets to train on and rankings to be scored on, from (seed, split, name, index)."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from core.data.miniature import image_tasks, transfer_tasks
from core.data.miniature.image_tasks import Draw
from core.data.records import Item, Pair, Ranking, RankingTask, true_hardness

POOL = 100
NEAR = 20


@dataclass(frozen=True)
class Source:
    """One data set of the miniature: how a pair is drawn, and where it stands in the benchmark.

    pairs: how many it has to train on. Batches draw data sets in proportion.
    """

    name: str
    meta_task: str
    in_distribution: bool
    draw: Callable[[random.Random], Draw]
    pairs: int = 50_000


SOURCES = (
    Source("shape", "classification", True, image_tasks.shape_label, 75_000),
    Source("colour", "classification", True, image_tasks.colour_label, 25_000),
    Source("background", "classification", True, image_tasks.background_label, 25_000),
    Source("digits", "classification", False, transfer_tasks.digit_label),
    Source("colour-of", "vqa", True, image_tasks.colour_of, 75_000),
    Source("how-many", "vqa", True, image_tasks.how_many),
    Source("more-of", "vqa", False, image_tasks.more_of),
    Source("caption-to-image", "retrieval", True, image_tasks.caption_to_image),
    Source("image-to-caption", "retrieval", True, image_tasks.image_to_caption),
    Source("look-alike", "retrieval", True, image_tasks.look_alike),
    Source("edit", "retrieval", True, image_tasks.edit),
    Source("story", "retrieval", False, transfer_tasks.story),
    Source("cards", "retrieval", False, transfer_tasks.card),
    Source("grounding", "grounding", True, image_tasks.grounding),
    Source("grounding-by-relation", "grounding", False, image_tasks.grounding_by_relation),
    Source("clips", "video", False, transfer_tasks.clip),
)


def draw(source: Source, split: str, seed: int, index: int) -> Draw:
    """Return the pair of one index; the same arguments give the same pair on any machine."""
    return source.draw(random.Random(f"{seed}/{split}/{source.name}/{index}"))


@dataclass(frozen=True)
class MiniaturePairs:
    """A training data set of the miniature; satisfies `core.data.records.PairDataset`."""

    source: Source
    seed: int = 0

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.source.name

    @property
    def meta_task(self) -> str:
        """Its meta-task."""
        return self.source.meta_task

    def __len__(self) -> int:
        return self.source.pairs

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < len(self):
            raise IndexError(f"index = {index} is outside 0..{len(self) - 1} of the miniature's {self.name}.")
        query, target, asks, rivals = draw(self.source, "train", self.seed, index)
        origin = f"miniature {self.name}[{index}]"
        return Pair(query, target, self.name, self.meta_task, rivals, asks, origin)


def training_sets(seed: int = 0) -> list[MiniaturePairs]:
    """Return the in-distribution data sets, the only ones that are trained."""
    return [MiniaturePairs(source, seed) for source in SOURCES if source.in_distribution]


def ranking_tasks(seed: int = 0, queries: int = 200) -> list[RankingTask]:
    """Return every data set as rankings, from a split that training never draws.

    A pool is the right target and up to 99 others: the pair's own rivals, then the truly hardest (fewest attributes
    differ) of the data set's targets up to 20, the rest at random; none of them is truly right. Where there are
    fewer distinct targets (class names), the pool is all of them.
    """
    return [ranking_task(source, seed, queries) for source in SOURCES]


def ranking_task(source: Source, seed: int, queries: int) -> RankingTask:
    """Return one data set as rankings. See `ranking_tasks`."""
    draws = [draw(source, "test", seed, index) for index in range(queries)]
    extra = [draw(source, "distractors", seed, index) for index in range(max(400, queries) - queries)]
    targets = list({each.target.content_id: each.target for each in (*draws, *extra)}.values())
    rankings = []
    for index, each in enumerate(draws):
        chance = random.Random(f"{seed}/pool/{source.name}/{index}")
        candidates = (each.target, *distractors(each, targets, chance))
        rankings.append(Ranking(each.query, candidates, right=(0,), asks=each.asks))
    return RankingTask(source.name, source.meta_task, source.in_distribution, tuple(rankings))


def distractors(drawn: Draw, targets: list[Item], chance: random.Random) -> list[Item]:
    """Up to 99 wrong candidates: the pair's own rivals, the next hardest up to 20, and a random sample of the rest."""
    hardness = {
        item.content_id: true_hardness(drawn.asks, drawn.target, item) or 0 for item in (*drawn.rivals, *targets)
    }
    rivals = [item for item in drawn.rivals if hardness[item.content_id] > 0]
    named = {item.content_id for item in rivals}
    wrong = [item for item in targets if hardness[item.content_id] > 0 and item.content_id not in named]
    chance.shuffle(wrong)
    near = heapq.nsmallest(NEAR - len(rivals), wrong, key=lambda item: hardness[item.content_id])
    chosen = {item.content_id for item in near}
    others = [item for item in wrong if item.content_id not in chosen]
    return [*rivals, *near, *others][: POOL - 1]
