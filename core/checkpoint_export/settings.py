"""The settings of an export: what to export, and where to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass
class ExportSettings:
    """A checkpoint for others. A LoRA adapter is folded into its base first."""

    checkpoint: Path
    """The folder of a checkpoint, or of a run (its latest checkpoint)."""
    to: Literal["sentence-transformers", "folder", "hub"] = "sentence-transformers"
    """sentence-transformers: a folder that SentenceTransformer opens; folder: what hub would push; hub: push it to a
    model repository on the Hugging Face hub."""
    output: Path | None = None
    """Folder to write; it must not exist. Needed unless `to` is hub."""
    repo: str | None = None
    """hub: the repository, user/name; it is made if it does not exist."""
    private: bool = False
    """hub: make a new repository private."""
    layout: Literal["checkpoint", "sentence-transformers"] = "checkpoint"
    """folder, hub: this project's own layout, or the one that SentenceTransformer opens (this project reads it too, but
    for a LLaVA-OneVision of one crop, such as the tiny model, which core/convert.py reads)."""
    dry_run: bool = False
    """hub: write the folder to `output` and do not push it."""
    license: str | None = None
    """The licence that the model card names, as the hub spells it (such as apache-2.0); null names none."""
    base_model: str | None = None
    """The model on the hub that training started from, for the model card; null names none."""
    bundle: bool = False
    """folder, hub: add the newest evaluation's bundle. It holds the texts of what was evaluated, and small pictures."""
    pictures: bool = False
    """Let the bundle's pictures be published too."""

    def __post_init__(self) -> None:
        if self.to == "hub" and self.repo is None:
            raise ValueError("repo is missing; to = 'hub' needs the repository's name, user/name.")
        if self.repo is not None and self.repo.count("/") != 1:
            raise ValueError(f"repo = {self.repo!r} must be user/name.")
        if self.output is None and (self.to != "hub" or self.dry_run):
            raise ValueError("output is missing; name the folder to write.")
        if self.to == "hub" and not self.dry_run and self.output is not None:
            raise ValueError(f"output = {self.output} is not used by to = 'hub'; add dry_run to write without pushing.")
        if self.to != "hub" and (self.repo is not None or self.dry_run):
            raise ValueError(f"repo and dry_run are for to = 'hub', not {self.to!r}.")
        if self.to == "sentence-transformers" and self.bundle:
            raise ValueError("bundle is for to = 'folder' or 'hub'.")

    @property
    def for_sentence_transformers(self) -> bool:
        """Whether the files are laid out for sentence-transformers."""
        return "sentence-transformers" in (self.to, self.layout)
