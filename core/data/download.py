"""Fetching data sets and models from the Hugging Face hub: by command only, pinned, resumable, nothing that runs.

What is fetched is a list of files at one commit, which is written beside them. A model's weights are safetensors;
pickles (.bin, .pt) and Python files are never fetched.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage] - of whichever HTTP client the package uses
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.data.hub_files import SOURCES, DownloadSettings, Kind, Source
from core.files.atomic import write_text

RECORD = "download.json"
OWN_FOLDER = ("video_cls", "video_ret")
"""Archives of MMEB-V2 that do not hold the folder of their name themselves."""
MARGIN = 1.02
"""Free disk that is wanted, as a multiple of what is still to be fetched."""


@dataclass(frozen=True)
class Listing:
    """The wanted files of a repository at one commit, with their sizes in bytes."""

    source: Source
    commit: str
    sizes: Mapping[str, int]

    def missing(self, root: Path) -> int:
        """How many bytes are not in the folder yet."""
        folder = root / self.source.folder
        return sum(
            count
            for name, count in self.sizes.items()
            if not (folder / name).is_file() or (folder / name).stat().st_size != count
        )


@dataclass(frozen=True)
class Record:
    """What was fetched of a repository; `complete` once all of it is there."""

    repository: str
    kind: Kind
    commit: str
    files: int
    bytes: int
    complete: bool


def download(settings: DownloadSettings, say: Callable[[str], object] = print) -> list[Record]:
    """Fetch what the settings name.

    Raises:
        ValueError: a data set's or the repository's name is unknown, the hub cannot be reached, there is too little
            space, or the folder holds another commit.
    """
    api = HfApi()
    listings = [
        listing(api, source, pinned(settings.to / source.folder, source, settings.revision))
        for source in SOURCES[settings.what](settings)
    ]
    announce(listings, settings.to, say)
    records = [fetch(each, settings.to) for each in listings]
    for each in listings:
        for line in unpacking(each, settings.to):
            say(line)
    return records


def listing(api: HfApi, source: Source, revision: str | None) -> Listing:
    """The wanted files of a repository.

    Raises:
        ValueError: the hub cannot be reached or refuses, or no file is wanted.
    """
    with_reason = f"{source.repository} ({source.kind})"
    try:
        ask = api.model_info if source.kind == "model" else api.dataset_info
        info = ask(source.repository, revision=revision, files_metadata=True)
    except GatedRepoError as error:
        raise ValueError(
            f"{with_reason}: its owner gives access on request. Ask for it on the repository's page, then log in."
        ) from error
    except RepositoryNotFoundError as error:
        raise ValueError(f"{with_reason}: no such repository on the hub, or a private one.") from error
    except RevisionNotFoundError as error:
        raise ValueError(f"{with_reason}: has no revision {revision!r}.") from error
    except HFValidationError as error:
        raise ValueError(f"{with_reason}: is no name of a repository ({error}).") from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HTTPError, OSError) as error:
        raise ValueError(unreachable(with_reason, error)) from error
    files = info.siblings or []
    sizes = {each.rfilename: each.size or 0 for each in files if is_safe(each.rfilename)}
    chosen = {name: count for name, count in sizes.items() if source.wanted(name)}
    if source.kind == "model" and not any(name.endswith(".safetensors") for name in chosen):
        others = [name for name in sizes if PurePosixPath(name).suffix in (".bin", ".pt", ".pth")]
        why = f" ({', '.join(others[:3])} can run code when it is opened)" if others else ""
        raise ValueError(f"{with_reason}: holds no weights as safetensors{why}. Ask its owner to convert them.")
    if not chosen:
        raise ValueError(f"{with_reason}: none of its {len(sizes)} files is wanted; is it the right repository?")
    lacking = [name for name in source.needed if not any(each.startswith(f"{name}/") for each in chosen)]
    if lacking:
        raise ValueError(f"{with_reason}: has no tables of {', '.join(lacking)}; name others in datasets.")
    assert info.sha is not None
    return Listing(source, info.sha, chosen)


def unreachable(what: str, error: Exception) -> str:
    """Why nothing came."""
    return (
        f"{what}: the hub cannot be reached ({type(error).__name__}: {error}). Connect this machine (HF_HUB_OFFLINE "
        "must not be set; HF_ENDPOINT names a mirror), or fetch on another machine and copy the folder."
    )


def pinned(folder: Path, source: Source, revision: str | None) -> str | None:
    """The revision to fetch: the one asked for, else the commit that the folder has begun with.

    Raises:
        ValueError: the folder holds another repository's files, or those of another commit than is asked for.
    """
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


def announce(listings: Sequence[Listing], root: Path, say: Callable[[str], object]) -> None:
    """Say what will be fetched and what space there is.

    Raises:
        ValueError: there is too little space.
    """
    for each in listings:
        total = size(sum(each.sizes.values()))
        say(f"{each.source.repository} at {each.commit[:12]}: {len(each.sizes)} files, {total}")
    missing = sum(each.missing(root) for each in listings)
    there = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    say(f"still to fetch: {size(missing)}; free in {there}: {size(free)}")
    if missing * MARGIN > free:
        raise ValueError(f"{there}: {size(missing)} are to be fetched and {size(free)} are free.")


def size(count: int) -> str:
    """Bytes as "1.25 GB" (1e9 bytes), "3.40 MB" or "812 bytes"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return f"{count} bytes"


def fetch(each: Listing, root: Path) -> Record:
    """Fetch the files of a repository; those that are there already are kept, half ones completed.

    Raises:
        ValueError: the hub cannot be reached any more.
    """
    folder = root / each.source.folder
    record = Record(
        each.source.repository, each.source.kind, each.commit, len(each.sizes), sum(each.sizes.values()), False
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, record)
    try:
        snapshot_download(
            each.source.repository,
            repo_type=each.source.kind,
            revision=each.commit,
            local_dir=folder,
            allow_patterns=[escaped(name) for name in each.sizes],
        )
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HTTPError, OSError) as error:
        raise ValueError(f"{unreachable(each.source.repository, error)} The same command goes on from here.") from error
    left = each.missing(root)
    if left:
        raise ValueError(f"{folder}: {left:,} bytes did not come; the same command fetches them.")
    record = Record(**{**asdict(record), "complete": True})
    write_record(folder, record)
    return record


def unpacking(each: Listing, root: Path) -> list[str]:
    """The commands that unpack the archives of tar among the files of a repository, and the folders they belong in."""
    archives: dict[str, list[str]] = {}
    for name in sorted(each.sizes):
        if ".tar.gz" in name:
            archives.setdefault(name.split(".tar.gz")[0], []).append(name)
    lines = []
    for stem, parts in archives.items():
        folder = root / each.source.folder / PurePosixPath(stem).parent
        names = " ".join(PurePosixPath(part).name for part in parts)
        into = PurePosixPath(stem).name if PurePosixPath(stem).name in OWN_FOLDER else "."
        lines.append(f"unpack: cd {folder} && mkdir -p {into} && cat {names} | tar -xz -C {into}")
    return lines


def write_record(folder: Path, record: Record) -> None:
    """Write what is being fetched beside it."""
    write_text(folder / RECORD, json.dumps(asdict(record), indent=2) + "\n")


def escaped(name: str) -> str:
    """A file's name as a pattern that fits it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def is_safe(name: str) -> bool:
    """Whether a repository's file stays below the folder that it is fetched into."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and name != RECORD
