"""Whether both sides of a comparison compute the same: embeddings, losses, and the course of a few steps.

Where the rival's loss can be LLaVE's or InfoNCE, it must be ours:

    InfoNCE, both directions          equal
    hardness weights, query -> target equal
    hardness weights, both            the rival leaves target -> query unweighted; checked against our formulas
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.mixture import without_repeats
from benchmarks.our_step import Ours, OurSettings
from benchmarks.sentence_transformers_peer import Peer, PeerSettings, Rows, expected_loss
from core.training.step_data import step_data

PAIRS = 24
STEPS = 3
VECTORS = 1e-4
LOSSES = 1e-4
LATER_LOSSES = 1e-3


class Disagreement(AssertionError):
    """The sides do not compute the same, so their times say nothing."""


def check(ours_folder: Path, peer_folder: Path, data: Path, rows: Rows) -> Mapping[str, float]:
    """The largest difference of each kind, in float32 and on pairs no item of which repeats.

    Raises:
        Disagreement: a difference above its tolerance.
    """
    ours = Ours(ours_folder, data, OurSettings(PAIRS, chunk=8, block=PAIRS))
    peer = Peer(peer_folder, data, rows, PeerSettings("cached", chunk=8, pictures="pil"))
    chosen = distinct_rows(ours)
    pairs = ours.pairs(chosen)
    mine, theirs = ours.vectors(pairs), peer.vectors(chosen)
    worst = max(float((a.cpu() - b.cpu()).abs().max()) for a, b in zip(mine, theirs, strict=True))
    expect("embeddings", worst, VECTORS)
    found = {"embeddings": worst}
    by_formula = expected_loss(*theirs, peer.settings.alpha, peer.settings.scale)
    with torch.no_grad():
        stated = float(peer.loss(peer.features(chosen), None))
    found["weighted, both directions"] = abs(stated / by_formula - 1)
    for name, alpha, both in (("InfoNCE, both directions", 0.0, True), ("weighted, query -> target", 9.0, False)):
        found |= courses(name, (ours_folder, peer_folder), data, rows, chosen, alpha, both)
    for name, value in found.items():
        if name != "embeddings":
            expect(name, value, LATER_LOSSES if name.endswith("later") else LOSSES)
    return found


def courses(
    name: str,
    folders: tuple[Path, Path],
    data: Path,
    rows: Rows,
    chosen: Sequence[tuple[str, int]],
    alpha: float,
    both: bool,
) -> dict[str, float]:
    """Train both sides on the same pairs: the relative difference of the first losses, and of the later ones.

    Later losses agree only if gradients and optimizers do.
    """
    ours = Ours(folders[0], data, OurSettings(PAIRS, chunk=8, block=PAIRS, alpha=alpha, both_directions=both))
    settings = PeerSettings("cached", chunk=8, pictures="pil", alpha=alpha, both_directions=both)
    peer = Peer(folders[1], data, rows, settings)
    pairs, embedder = ours.pairs(chosen), ours.embedder
    differences = []
    for step in range(STEPS):
        batch = step_data(step, pairs, embedder.prepare, embedder.collate, ours.settings.chunk)
        mine, theirs = ours.train_on(batch), peer.step(chosen)
        differences.append(abs(mine / theirs - 1))
    return {name: differences[0], f"{name}, later": max(differences[1:])}


def distinct_rows(ours: Ours) -> list[tuple[str, int]]:
    """The first pairs of all data sets in turn no item of which repeats."""
    length = min(len(dataset) for dataset in ours.datasets)
    order = [(each, index) for index in range(length) for each in ours.datasets]
    return [(order[i][0].name, order[i][1]) for i in without_repeats((d[index] for d, index in order), PAIRS)]


def expect(what: str, difference: float, tolerance: float) -> None:
    """Raise Disagreement unless the difference is within the tolerance."""
    if not difference <= tolerance:
        raise Disagreement(f"{what}: the sides differ by {difference:.2e}, more than {tolerance:.0e}.")
