"""Which files of which repositories of the hub make up a data set or a model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from core.data.mmeb import datasets as mmeb_datasets
from core.data.mmeb import video as mmeb_video

What: TypeAlias = Literal["mmeb-train", "mmeb-eval", "mmeb-v2", "mmeb-v2-video", "model"]
Kind: TypeAlias = Literal["dataset", "model"]

MODEL_SUFFIXES = (".safetensors", ".json", ".txt", ".jinja", ".md")
MODEL_NAMES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "LICENSE")
TRAIN, EVAL, INSTRUCT = "TIGER-Lab/MMEB-train", "TIGER-Lab/MMEB-eval", "ziyjiang/MMEB_Test_Instruct"
V2 = "TIGER-Lab/MMEB-V2"
VIDEO_OWNERS = {"YouCook2": "lmms-lab"}
VIDEO_OWNER = "VLM2Vec"
TABLES = (".parquet", ".json", ".jsonl")


@dataclass
class DownloadSettings:
    """What to fetch, and where to."""

    what: What
    """mmeb-train, mmeb-eval (V1), mmeb-v2 (image data sets with instructions), mmeb-v2-video, or a model."""
    to: Path
    """The folder to write into; a download that was broken off goes on there."""
    name: str | None = None
    """The hub's repository, owner/name; needed for a model, for data another one than the published."""
    revision: str | None = None
    """Commit, tag or branch; null: the one that the folder has begun with, else main. The commit is kept."""
    datasets: list[str] = field(default_factory=list)
    """Names of data sets; empty means all of them."""

    def __post_init__(self) -> None:
        if self.what == "model" and self.name is None:
            raise ValueError("name is missing; name the model's repository, such as owner/model.")
        if self.what == "model" and self.datasets:
            raise ValueError(f"datasets = {self.datasets} is of use for data only.")
        if self.what in ("mmeb-v2", "mmeb-v2-video") and self.revision is not None:
            raise ValueError(
                f"revision = {self.revision!r}: {self.what} is several repositories; each folder keeps to the commit "
                "in its download.json."
            )
        if self.what == "mmeb-v2-video" and self.name is not None:
            raise ValueError(f"name = {self.name!r}: the video data sets are many repositories; name them in datasets.")


@dataclass(frozen=True)
class Source:
    """Files of one repository: which, and into which folder below the target. `needed`: folders that it must have."""

    repository: str
    kind: Kind
    wanted: Callable[[str], bool]
    folder: str = "."
    needed: tuple[str, ...] = ()


def known(names: Iterable[str], there: Sequence[str]) -> list[str]:
    """The data sets that are named, all when none are.

    Raises:
        ValueError: a name is unknown; the message lists the known ones.
    """
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in there:
            raise ValueError(f"datasets: {name!r} is unknown; there are {', '.join(there)}.")
    return chosen or list(there)


def of_datasets(names: Sequence[str], *others: str) -> Callable[[str], bool]:
    """Whether a file is a table of one of the data sets, or one of some others."""

    def wanted(name: str) -> bool:
        path = PurePosixPath(name)
        return name in others or (path.parts[0] in names and len(path.parts) > 1 and path.suffix in TABLES)

    return wanted


def mmeb_train(settings: DownloadSettings) -> list[Source]:
    """Tables of every split, and the archives of pictures, which are read without unpacking."""
    names = known(settings.datasets, list(mmeb_datasets.BY_TRAIN_NAME))
    wanted = of_datasets(names, *(f"images_zip/{each}.zip" for each in names))
    return [Source(settings.name or TRAIN, "dataset", wanted, needed=tuple(names))]


def mmeb_eval(settings: DownloadSettings) -> list[Source]:
    """Tables, and the one archive of all pictures, which is read without unpacking."""
    names = known(settings.datasets, list(mmeb_datasets.BY_NAME))
    return [Source(settings.name or EVAL, "dataset", of_datasets(names, "images.zip"), needed=tuple(names))]


def mmeb_v2(settings: DownloadSettings) -> list[Source]:
    """Tables, and the archive of pictures, which is to be unpacked (tar -xzf) into the folder "images"."""
    names = known(settings.datasets, list(mmeb_datasets.BY_NAME))
    pictures = Source(V2, "dataset", lambda name: name == "image-tasks/mmeb_v1.tar.gz", "MMEB-V2")
    return [Source(settings.name or INSTRUCT, "dataset", of_datasets(names), needed=tuple(names)), pictures]


def mmeb_v2_video(settings: DownloadSettings) -> list[Source]:
    """One repository of tables for each data set, and the archives of frames, which are to be unpacked (tar -xzf)."""
    names = known(settings.datasets, list(mmeb_video.BY_NAME))
    tables = [
        Source(f"{VIDEO_OWNERS.get(name, VIDEO_OWNER)}/{name}", "dataset", lambda file: file.endswith(TABLES), name)
        for name in names
    ]
    groups = {mmeb_video.BY_NAME[name].frames.split("/")[0] for name in names}

    def frames(name: str) -> bool:
        path = PurePosixPath(name)
        return str(path.parent) == "video-tasks/frames" and path.name.split(".")[0] in groups

    return [*tables, Source(V2, "dataset", frames, "MMEB-V2")]


def model(settings: DownloadSettings) -> list[Source]:
    """Weights as safetensors, configuration, tokenizer and processor."""
    assert settings.name is not None
    return [Source(settings.name, "model", is_of_model)]


def is_of_model(name: str) -> bool:
    """Whether a file is one of those that a model is loaded from, none of which can run code."""
    path = PurePosixPath(name)
    return path.suffix in MODEL_SUFFIXES or path.name in MODEL_NAMES


SOURCES: Mapping[What, Callable[[DownloadSettings], list[Source]]] = {
    "mmeb-train": mmeb_train,
    "mmeb-eval": mmeb_eval,
    "mmeb-v2": mmeb_v2,
    "mmeb-v2-video": mmeb_v2_video,
    "model": model,
}
