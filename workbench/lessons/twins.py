"""False negatives planted on purpose: other pictures of a scene, truly right and labelled wrong."""

import random
from collections.abc import Sequence
from dataclasses import replace

from core.data.miniature.benchmark import SOURCES, MiniaturePairs
from core.data.miniature.scenes import DrawnScene, Scene, again
from core.data.records import Image, Item, Pair, Ranking, RankingTask


def scene_of(item: Item) -> Scene:
    """Return the scene that the item's first picture shows.

    Raises:
        ValueError: the item shows no scene of the miniature as a whole.
    """
    for source in item.images():
        if isinstance(source, DrawnScene) and source.window is None:
            return source.scene
    raise ValueError(f"The item {item.text!r} shows no whole scene of the miniature, so it cannot have a twin.")


def twin(item: Item, chance: random.Random) -> Item:
    """Return the same item with other pictures of the same scenes: no attribute differs, every content id does."""
    parts = tuple(
        Image(replace(part.source, scene=again(part.source.scene, chance)))
        if isinstance(part, Image) and isinstance(part.source, DrawnScene)
        else part
        for part in item.parts
    )
    return replace(item, parts=parts)


def planted(task: RankingTask, share: float, seed: int = 0) -> tuple[list[Ranking], list[int]]:
    """Return the rankings, and the rows of those that now offer a twin of their right answer as a wrong candidate.

    share: of the rankings, in [0, 1]. The twin takes the place of one of the candidates labelled wrong, drawn at
    random; the right answer and the size of the pool stay as they were.

    Raises:
        ValueError: the right answers show no whole scenes.
    """
    chance = random.Random(f"planted/{seed}")
    rows = sorted(chance.sample(range(len(task.rankings)), round(share * len(task.rankings))))
    rankings = list(task.rankings)
    for row in rows:
        rankings[row] = with_twin(rankings[row], chance)
    return rankings, rows


def with_twin(ranking: Ranking, chance: random.Random) -> Ranking:
    """Return the ranking with a twin of its right answer in place of a wrong candidate."""
    right = ranking.candidates[ranking.right[0]]
    scene_of(right)
    place = chance.choice([at for at in range(len(ranking.candidates)) if at not in ranking.right])
    candidates = (*ranking.candidates[:place], twin(right, chance), *ranking.candidates[place + 1 :])
    return replace(ranking, candidates=candidates)


def twin_pairs(dataset: str, count: int, seed: int = 0) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Return the first training pairs of a data set, and for each one another pair about the same scene.

    Both pairs of a scene are right for each other, yet no id tells: in one batch they are false negatives.
    """
    dataset_of = {source.name: MiniaturePairs(source, seed) for source in SOURCES}
    pairs = [dataset_of[dataset][index] for index in range(count)]
    chance = random.Random(f"twins/{seed}")
    others = [replace(pair, query=twin(pair.query, chance), positive=twin(pair.positive, chance)) for pair in pairs]
    return pairs, others
