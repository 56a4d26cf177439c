"""MSR-VTT and MSVD text to video, as CLIP4Clip and LLaVE score them: every caption against all clips of the test split.

MSR-VTT, 1k-A split: MSRVTT_JSFUSION_test.csv (video_id, sentence) or msrvtt_test_1k.json (video_id, caption).
MSVD: msvd_test.json (video_id, caption: a list), or test_list.txt (one id a line) with the captions as
AllVideoDescriptions.txt ("<id> <caption>" a line) or raw-captions.json ({"<id>": ["<caption>", ...]}).
Prompts and the sampling of frames (3 a second, at most 32) are those of LLaVE's published code.
"""

import json
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from core.data.checks.problems import BadItems, BadRow, OnBadItem, Problem, naming
from core.data.images.image_folders import ImageFolder
from core.data.mmeb.evaluation import OPTION
from core.data.records import Item, Ranking, RankingTask, Text, refuse_half_characters
from core.data.shared_items import SharedItems
from core.data.tables import read_table
from core.data.video.named_clips import Clips, clip_item

QUERY = "Find me an video that matches the given caption:"
TARGET = "Represent the given video."
RATE = 3.0
VIDEO_FOLDERS = ("MSRVTT_Videos", "YouTubeClips", "MSVD_Videos", "videos", "video", "frames")
MSRVTT_FILES = {"MSRVTT_JSFUSION_test.csv": "sentence", "msrvtt_test_1k.json": "caption"}
MSVD_FILE, MSVD_LIST = "msvd_test.json", "test_list.txt"
MSVD_TEXT, MSVD_JSON, MSVD_PICKLE = "AllVideoDescriptions.txt", "raw-captions.json", "raw-captions.pkl"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caption:
    """A caption of a clip, and the place where it was read."""

    clip: str
    words: str
    where: str


def read_msrvtt(
    root: Path,
    video_root: Path | None = None,
    frames: int = 32,
    queries: int | None = None,
    seed: int = 0,
    on_bad_item: OnBadItem = "stop",
    progress: bool = True,
) -> RankingTask:
    """Return the 1000 captions of MSR-VTT's 1k-A test split against its 1000 clips.

    Args:
        root: the folder of the annotation file.
        video_root: the folder of <video id>.mp4 files, or of folders of frames; None for MSRVTT_Videos, videos, ...
            in `root`, or `root` itself.
        frames: of each clip, at most.
        queries: at most so many captions, drawn at random; None for all. Every clip stays a candidate.
        seed: of that draw.
        on_bad_item: "skip" leaves out clips that cannot be used, and their captions.
        progress: show a bar.

    Raises:
        ValueError: the annotation file or a column of it is missing.
        core.data.checks.problems.BadItems: clips cannot be used and `on_bad_item` is "stop".
    """
    captions = usable_captions(msrvtt_captions(root), on_bad_item)
    return text_to_video("MSR-VTT", captions, root, video_root, frames, queries, seed, on_bad_item, progress)


def read_msvd(
    root: Path,
    video_root: Path | None = None,
    frames: int = 32,
    queries: int | None = None,
    seed: int = 0,
    on_bad_item: OnBadItem = "stop",
    progress: bool = True,
) -> RankingTask:
    """Return every caption of MSVD's 670 test clips, about 40 a clip, against all of them. See `read_msrvtt`.

    Raises:
        ValueError: an annotation file is missing, is a pickle, or lacks a clip's captions.
        core.data.checks.problems.BadItems: clips cannot be used and `on_bad_item` is "stop".
    """
    captions = usable_captions(msvd_captions(root), on_bad_item)
    return text_to_video("MSVD", captions, root, video_root, frames, queries, seed, on_bad_item, progress)


def text_to_video(
    name: str,
    captions: Sequence[Caption],
    root: Path,
    video_root: Path | None,
    frames: int,
    queries: int | None,
    seed: int,
    on_bad_item: OnBadItem,
    progress: bool,
) -> RankingTask:
    """Captions as queries over one pool of all their clips. See `read_msrvtt`."""
    items = SharedItems(ImageFolder(root))
    clips = Clips(video_root or find_video_root(root), frames, RATE)
    found = usable_clips(name, captions, items, clips, on_bad_item, progress)
    pool = items.pool(list(found.values()))
    places = {id(item): place for place, item in enumerate(pool)}
    kept = [caption for caption in captions if caption.clip in found]
    if queries is not None and queries < len(kept):
        chosen = sorted(random.Random(f"{seed}/{name}").sample(range(len(kept)), queries))
        kept = [kept[index] for index in chosen]
    rankings: list[Ranking] = []
    for each in kept:
        query = items.keep(Item((Text(f"{QUERY} {each.words}"),)), each.words)
        rankings.append(Ranking(query, pool, (places[id(found[each.clip])],), origin=each.where))
    return RankingTask(name, "video", False, tuple(rankings))


def usable_clips(
    name: str,
    captions: Sequence[Caption],
    items: SharedItems,
    clips: Clips,
    on_bad_item: OnBadItem,
    progress: bool,
) -> dict[str, Item]:
    """Return the item of each clip that captions name, without those that cannot be used.

    Raises:
        BadItems: some cannot and `on_bad_item` is "stop", or all cannot.
    """
    first = {caption.clip: caption for caption in reversed(captions)}
    found: dict[str, Item] = {}
    problems: list[Problem] = []
    for clip in tqdm(dict.fromkeys(each.clip for each in captions), f"clips of {name}", disable=not progress):
        try:
            with naming(first[clip].where):
                found[clip] = clip_item(items, clips, clip, TARGET, first[clip].where)
        except BadRow as error:
            problems.append(error.problem)
    if problems and (on_bad_item == "stop" or not found):
        raise BadItems(problems, len(first), OPTION, "clips")
    for problem in problems:
        logger.warning("Left out of %s, with its captions: %s", name, problem)
    return found


def find_video_root(root: Path) -> Path:
    """Say where the clips lie that come with a folder of annotations."""
    return next((root / name for name in VIDEO_FOLDERS if (root / name).is_dir()), root)


def usable_captions(captions: Sequence[Caption | Problem], on_bad_item: OnBadItem) -> list[Caption]:
    """Return the captions without those that are none.

    Raises:
        BadItems: some are none and `on_bad_item` is "stop", or all are.
    """
    good = [each for each in captions if isinstance(each, Caption)]
    problems = [each for each in captions if isinstance(each, Problem)]
    if problems and (on_bad_item == "stop" or not good):
        raise BadItems(problems, len(captions), OPTION, "captions")
    for problem in problems:
        logger.warning("Left out of the rankings: %s", problem)
    return good


def msrvtt_captions(root: Path) -> list[Caption | Problem]:
    """Return the captions of the test split. Raises ValueError when the file or a column is missing."""
    present = [(root / name, column) for name, column in MSRVTT_FILES.items() if (root / name).is_file()]
    if not present:
        raise ValueError(f"{root}: neither {' nor '.join(MSRVTT_FILES)}, MSR-VTT's 1k-A test split, is there.")
    path, column = present[0]
    table = read_table(path, ["video_id", column])
    return [
        caption(str(row["video_id"]), row[column], column, table.where(index)) for index, row in enumerate(table.rows)
    ]


def msvd_captions(root: Path) -> list[Caption | Problem]:
    """Return the captions of the test split. Raises ValueError as `read_msvd`."""
    path = root / MSVD_FILE
    if path.is_file():
        table = read_table(path, ["video_id", "caption"])
        found = []
        for index, row in enumerate(table.rows):
            where, captions = table.where(index), row["caption"]
            listed = captions if isinstance(captions, list) else [captions]
            found += [caption(str(row["video_id"]), each, "caption", where) for each in listed]
        return found
    listing = root / MSVD_LIST
    if not listing.is_file():
        raise ValueError(f"{root}: neither {MSVD_FILE} nor {MSVD_LIST}, MSVD's test split, is there.")
    names = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    captions = captions_by_clip(root)
    missing = [name for name in names if not captions.get(name)]
    if missing:
        raise ValueError(f"{listing}: {len(missing)} of {len(names)} clips have no caption; the first is {missing[0]}.")
    return [caption(name, words, "caption", f"{listing} clip {name}") for name in names for words in captions[name]]


def captions_by_clip(root: Path) -> Mapping[str, Sequence[object]]:
    """Return all captions of MSVD. Raises ValueError when no readable file has them."""
    if (root / MSVD_TEXT).is_file():
        return described((root / MSVD_TEXT).read_text(encoding="utf-8").splitlines())
    path = root / MSVD_JSON
    if path.is_file():
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: not valid JSON ({error}).") from error
        if not isinstance(value, dict) or not all(isinstance(each, list) for each in value.values()):
            raise ValueError(f'{path}: write one object, {{"<clip>": ["<caption>", ...], ...}}.')
        return value
    if (root / MSVD_PICKLE).exists():
        raise ValueError(
            f"{root / MSVD_PICKLE}: a pickle can run code when it is opened, so it is not read. Put {MSVD_TEXT}, from "
            f"which it was made, beside it, or write its contents as {MSVD_JSON}."
        )
    raise ValueError(f"{root}: neither {MSVD_TEXT} nor {MSVD_JSON}, the captions of MSVD, is there.")


def described(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return the captions of lines "<clip> <caption>"; lines that begin with # say nothing."""
    found: dict[str, list[str]] = {}
    for line in lines:
        clip, _, words = line.strip().partition(" ")
        if words and not clip.startswith("#"):
            found.setdefault(clip, []).append(words)
    return found


def caption(clip: str, value: object, column: str, where: str) -> Caption | Problem:
    """Return a clip's caption, a string or its words in a list; what is wrong if it is empty or something else."""
    words = " ".join(map(str, value)) if isinstance(value, list) else value
    if not isinstance(words, str) or not words.strip():
        return Problem(where, f"{column} = {value!r} is no caption.")
    try:
        with naming(where):
            refuse_half_characters(words)
    except BadRow as error:
        return error.problem
    return Caption(clip, words.strip(), where)
