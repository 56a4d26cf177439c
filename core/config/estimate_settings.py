"""The settings of a dry run: the machine, and the items as they are on average."""

from dataclasses import dataclass


@dataclass
class EstimateSettings:
    """What --dry_run assumes; no training reads it."""

    gpus: int = 8
    """GPUs (processes) that will train, where torchrun has not started them already."""
    gpu: str = "A100-80GB"
    """Name of the GPU, for the report alone; the next two say what it is."""
    memory_gb: float = 80.0
    """Memory of one GPU in gigabytes (1e9 bytes)."""
    peak_tflops: float = 312.0
    """What one GPU multiplies at most in dense bfloat16, in 1e12 operations a second, from its data sheet."""
    utilisation: float = 0.35
    """Share of that peak, above 0 and up to 1, that the arithmetic really done is done at (HFU; the report says what
    MFU this is, which does not count what is computed twice). LLaVE-2B's published hours mean about 0.14."""
    query_tokens: float = 90.0
    """Tokens of a query without its picture: the chat template, the instruction and the query's text."""
    target_tokens: float = 50.0
    """The same of a target, and of an explicit negative."""
    picture_width: int = 640
    """Width of the picture that stands for all, in pixels, before it is resized."""
    picture_height: int = 480
    """Its height."""
    query_pictures: float | None = None
    """Share of queries with a picture, 0 to 1; null: as published for MMEB's data sets, by their sizes."""
    target_pictures: float | None = None
    """The same of targets, and of explicit negatives."""

    def __post_init__(self) -> None:
        positive = ("gpus", "memory_gb", "peak_tflops", "query_tokens", "target_tokens")
        for name in (*positive, "picture_width", "picture_height"):
            if not 0 < getattr(self, name) <= 1_000_000:
                raise ValueError(f"plan.{name} = {getattr(self, name)} is outside (0, 1000000].")
        if not 0 < self.utilisation <= 1:
            raise ValueError(f"plan.utilisation = {self.utilisation} is outside (0, 1].")
        for name in ("query_pictures", "target_pictures"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"plan.{name} = {share} is outside [0, 1].")
