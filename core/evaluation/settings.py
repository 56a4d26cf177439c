"""The settings of an evaluation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.config.ranges import check_range
from core.evaluation.suites import SuiteSettings

ReportFormat = Literal["markdown", "html", "json"]


@dataclass
class EvalSettings:
    """What to evaluate, on what."""

    checkpoint: Path
    """The folder of a checkpoint, or of a run (its latest checkpoint)."""
    suite: SuiteSettings = field(default_factory=SuiteSettings)
    """What to score it on."""
    out: Path | None = None
    """Folder of the bundle; by default <run>/bundles/<step>-<suite>-<digest>, with the folder's name
    before the digest of what was scored: another evaluation has another name."""
    cache: Path | None = None
    """Folder that remembers vectors by checkpoint and content: a second evaluation encodes nothing that one before it
    has encoded, and a killed one goes on where it was; null: none."""
    feature_cache: Path | None = None
    """Folder that remembers what the vision tower made of each picture, for all checkpoints with the same tower, such
    as those of a run with a frozen one; null: none."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of weights and arithmetic; auto is bfloat16 on GPUs that have it, float32 elsewhere. Scoring is in float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to encode; auto is the GPU if there is one, of several that of the process's number."""
    batch: int = 64
    """Items that go through the model at once, 1 to 65536."""
    portion: int = 256
    """Items that are prepared together, 1 to 65536; the processes take portions in turn."""
    workers: int = 0
    """Processes per rank that read and prepare pictures ahead; 0 does it in the encoding process."""
    report: list[ReportFormat] = field(default_factory=lambda: ["markdown", "html", "json"])
    """Files to write into the bundle: report.md, report.html, report.json, with published results beside for MMEB."""
    umap: bool = False
    """Make a UMAP of the items for the explorer's map, beside PCA: it takes 20 seconds and more, places at most 20,000
    items (an even sample of more), and needs the extra ui."""
    private_paths: bool = False
    """Write no folder of this machine into the bundle: every path is relative to the folder that the command is started
    in, and must lie there (a link does). A run that was trained so is evaluated so."""
    collective_timeout_s: float = 7200.0
    """Seconds that a process waits for the others before it gives them up; longer than reading the suite takes. One
    that dies is noticed at once."""

    def __post_init__(self) -> None:
        check_range("batch", self.batch, 1, 65536)
        check_range("portion", self.portion, 1, 65536)
        check_range("workers", self.workers, 0, 256)
        check_range("collective_timeout_s", self.collective_timeout_s, 0.1, 10**6)
