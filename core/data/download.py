"""Fetching data sets and models from the Hugging Face hub: by command only, pinned, resumable, nothing that runs.

What is fetched are the files of a repository that fit some patterns, at one commit, which is written beside them. A
model's weights are safetensors; pickles (.bin, .pt) and Python files are never fetched. huggingface_hub's
`snapshot_download` does the rest: it goes on after a break, checks each file's size and shows how far it is.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from huggingface_hub import HfApi, errors, snapshot_download
from huggingface_hub.utils import filter_repo_objects

from core.data.mmeb import datasets as mmeb_datasets
from core.data.mmeb import video as mmeb_video
from core.files.atomic import write_text

What: TypeAlias = Literal["mmeb-train", "mmeb-eval", "mmeb-v2", "mmeb-v2-video", "model"]
Kind: TypeAlias = Literal["dataset", "model"]

# HTTPError is that of whichever HTTP client the package uses.
UNREACHABLE = (OSError, errors.HTTPError)  # pyright: ignore[reportPrivateImportUsage]
RECORD = "download.json"
NEVER = (RECORD, "/*", "../*", "*/../*")
"""A file of the record's name, and files that would lie outside the folder."""
TABLES = ("*.parquet", "*.json", "*.jsonl")
MODEL = (
    *("*.safetensors", "*.json", "*.txt", "*.jinja", "*.md", "*LICENSE"),
    *("*tokenizer.model", "*spiece.model", "*sentencepiece.bpe.model"),
)
V2 = "TIGER-Lab/MMEB-V2"
VIDEO_OWNERS = {"YouCook2": "lmms-lab"}  # VLM2Vec of all others
OWN_FOLDER = ("video_cls", "video_ret")
"""Archives of MMEB-V2 that do not hold the folder of their name themselves."""


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
    patterns: Sequence[str]
    folder: str = "."
    needed: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.repository} ({self.kind})"


@dataclass(frozen=True)
class Record:
    """What was fetched of a repository; `complete` once all of it is there."""

    repository: str
    kind: Kind
    commit: str
    files: int
    bytes: int
    complete: bool


def sources(settings: DownloadSettings) -> list[Source]:
    """Say what is to be fetched of which repositories. Archives of pictures are read as they are but for those of V2.

    Raises:
        ValueError: a data set's name is unknown; the message lists the known ones.
    """
    if settings.what == "model":
        return [Source(settings.name or "", "model", MODEL)]
    if settings.what == "mmeb-v2-video":
        names = chosen(settings.datasets, mmeb_video.BY_NAME)
        tables = [Source(f"{VIDEO_OWNERS.get(each, 'VLM2Vec')}/{each}", "dataset", TABLES, each) for each in names]
        groups = {mmeb_video.BY_NAME[name].frames.split("/")[0] for name in names}
        return [*tables, Source(V2, "dataset", [f"video-tasks/frames/{group}.*" for group in groups], "MMEB-V2")]
    train = settings.what == "mmeb-train"
    names = chosen(settings.datasets, mmeb_datasets.BY_TRAIN_NAME if train else mmeb_datasets.BY_NAME)
    tables = [f"{name}/{table}" for name in names for table in TABLES]
    if train:
        archives = [f"images_zip/{name}.zip" for name in names]
        return [Source(settings.name or "TIGER-Lab/MMEB-train", "dataset", [*tables, *archives], needed=names)]
    if settings.what == "mmeb-eval":
        return [Source(settings.name or "TIGER-Lab/MMEB-eval", "dataset", [*tables, "images.zip"], needed=names)]
    pictures = Source(V2, "dataset", ["image-tasks/mmeb_v1.tar.gz"], "MMEB-V2")
    return [Source(settings.name or "ziyjiang/MMEB_Test_Instruct", "dataset", tables, needed=names), pictures]


def chosen(names: Sequence[str], there: Collection[str]) -> list[str]:
    """Return the data sets that are named, all when none are."""
    for name in names:
        if name not in there:
            raise ValueError(f"datasets: {name!r} is unknown; there are {', '.join(there)}.")
    return list(dict.fromkeys(names)) or list(there)


def download(settings: DownloadSettings, say: Callable[[str], object] = print) -> list[Record]:
    """Fetch what the settings name, after saying how much it is.

    Raises:
        ValueError: a data set's or the repository's name is unknown, the hub cannot be reached, there is too little
            space, or the folder holds another commit.
    """
    found = [(each, *listing(each, settings)) for each in sources(settings)]
    for each, commit, sizes in found:
        say(f"{each.repository} at {commit[:12]}: {len(sizes)} files, {size(sum(sizes.values()))}")
    need = sum(missing(settings.to / each.folder, sizes) for each, _, sizes in found)
    place = next(path for path in (settings.to, *settings.to.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    say(f"still to fetch: {size(need)}; free in {place}: {size(free)}")
    if need > free:
        raise ValueError(f"{place}: {size(need)} are to be fetched and {size(free)} are free.")
    records = [fetch(each, commit, sizes, settings.to / each.folder) for each, commit, sizes in found]
    for each, _, sizes in found:
        for line in unpacking(settings.to / each.folder, sizes):
            say(line)
    return records


def listing(source: Source, settings: DownloadSettings) -> tuple[str, dict[str, int]]:
    """Return a repository's commit, and the sizes of the wanted files in bytes.

    Not by the dry run of snapshot_download, which asks for each file by itself and makes the folders.
    """
    revision = pinned(settings.to / source.folder, source, settings.revision)
    ask = HfApi().model_info if source.kind == "model" else HfApi().dataset_info
    try:
        info = ask(source.repository, revision=revision, files_metadata=True)
    except (errors.HFValidationError, *UNREACHABLE) as error:
        raise ValueError(f"{source}: {refusal(error, revision)}") from error
    assert info.sha is not None
    files = {each.rfilename: each.size or 0 for each in info.siblings or []}
    names = list(filter_repo_objects(files, allow_patterns=[*source.patterns], ignore_patterns=[*NEVER]))
    if source.kind == "model" and not any(name.endswith(".safetensors") for name in names):
        others = [name for name in files if name.endswith((".bin", ".pt", ".pth"))]
        why = f" ({', '.join(others[:3])} can run code when it is opened)" if others else ""
        raise ValueError(f"{source}: holds no weights as safetensors{why}. Ask its owner to convert them.")
    if not names:
        raise ValueError(f"{source}: none of its {len(files)} files is wanted; is it the right repository?")
    lacking = [folder for folder in source.needed if not any(name.startswith(f"{folder}/") for name in names)]
    if lacking:
        raise ValueError(f"{source}: has no tables of {', '.join(lacking)}; name others in datasets.")
    return info.sha, {name: files[name] for name in names}


def refusal(error: Exception, revision: str | None = None) -> str:
    """Say why nothing came, and what to do."""
    if isinstance(error, errors.GatedRepoError):
        return "its owner gives access on request. Ask for it on the repository's page, then log in (hf auth login)."
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no such repository on the hub, or a private one."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"has no revision {revision!r}."
    if isinstance(error, errors.HFValidationError):
        return f"is no name of a repository ({error})."
    return (
        f"the hub cannot be reached ({type(error).__name__}: {error}). Connect this machine (HF_HUB_OFFLINE "
        "must not be set; HF_ENDPOINT names a mirror), or fetch on another machine and copy the folder."
    )


def pinned(folder: Path, source: Source, revision: str | None) -> str | None:
    """Return the revision to fetch: the one asked for, else the commit that the folder has begun with."""
    path = folder / RECORD
    if not path.is_file():
        return revision
    try:
        begun = Record(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a record of a download ({error}); name another folder.") from error
    if begun.repository != source.repository:
        raise ValueError(f"{folder}: holds {begun.repository}, not {source.repository}; name another folder.")
    if revision not in (None, begun.commit):
        raise ValueError(f"{folder}: holds commit {begun.commit}, not {revision}; name another folder.")
    return begun.commit


def missing(folder: Path, sizes: Mapping[str, int]) -> int:
    """Say how many bytes are not in the folder yet."""
    there = {name: (folder / name).stat().st_size for name in sizes if (folder / name).is_file()}
    return sum(count for name, count in sizes.items() if there.get(name) != count)


def fetch(source: Source, commit: str, sizes: Mapping[str, int], folder: Path) -> Record:
    """Fetch the files of a repository; those that are there already are kept, half ones completed."""
    record = Record(source.repository, source.kind, commit, len(sizes), sum(sizes.values()), complete=False)
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, record)
    try:
        snapshot_download(
            source.repository,
            repo_type=source.kind,
            revision=commit,
            local_dir=folder,
            allow_patterns=[*source.patterns],
            ignore_patterns=[*NEVER],
        )
    except UNREACHABLE as error:
        raise ValueError(f"{source}: {refusal(error)} The same command goes on from here.") from error
    # Where the hub stops answering before it has listed its files, the package warns and returns as if all were there.
    if left := missing(folder, sizes):
        raise ValueError(f"{folder}: {left:,} bytes did not come; the same command fetches them.")
    record = replace(record, complete=True)
    write_record(folder, record)
    return record


def write_record(folder: Path, record: Record) -> None:
    """Write what is being fetched beside it."""
    write_text(folder / RECORD, json.dumps(asdict(record), indent=2) + "\n")


def unpacking(folder: Path, names: Collection[str]) -> Iterator[str]:
    """Return the commands that unpack the archives of tar, which may be in parts, and the folders they belong in."""
    archives = sorted(name for name in names if ".tar.gz" in name)
    for stem, parts in groupby(archives, lambda name: name.split(".tar.gz")[0]):
        path = folder / stem
        into = path.name if path.name in OWN_FOLDER else "."
        files = " ".join(PurePosixPath(part).name for part in parts)
        yield f"unpack: cd {path.parent} && mkdir -p {into} && cat {files} | tar -xz -C {into}"


def size(count: int) -> str:
    """Return bytes as "1.25 GB" (1e9 bytes), "3.40 MB" or "812 bytes"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return f"{count} bytes"
