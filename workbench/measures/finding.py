"""A finding: what is wrong, how many failures it explains, and what would mend it, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from core.evaluation.metrics import PairedDifference, paired_difference
from workbench.bundles.bundle import Bundle
from workbench.measures import cures
from workbench.measures.hardness import Pools, even_sample, pools_of
from workbench.measures.suspects import Suspects, suspects

IN_TRAINING = "What training so would change cannot be measured on stored vectors: it needs a training run."


def percent(share: float) -> str:
    """Return a share as the pages write it: "36.8 %"."""
    return f"{100 * share:.1f} %"


@dataclass(frozen=True)
class Measured:
    """A cure tried on the stored vectors. what: done to what; change: of P@1, on the same queries, paired."""

    name: str
    what: str
    change: PairedDifference


@dataclass(frozen=True)
class Finding:
    """What is wrong with a model.

    cause: its short name, by which `workbench.runs.proposals` proposes settings. text: the finding in words. failures:
    failing queries that it explains, of `base` failing ones that were looked at; a query may be explained by several
    findings. view, state: where to look, and what to choose there. datasets: whom it concerns, most first. measured:
    cures tried now. note: what was not measured, and why.
    """

    cause: str
    text: str
    failures: int
    base: int
    view: str
    state: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    note: str = IN_TRAINING

    @property
    def share(self) -> float:
        """Share of the failures looked at that it explains, in [0, 1]; 0 where nothing fails."""
        return self.failures / self.base if self.base else 0.0


@dataclass(frozen=True)
class Evidence:
    """What findings are made from. numbers: the rows of the rankings that are looked at, all that pass the filters."""

    bundle: Bundle
    numbers: Int[np.ndarray, " queries"]

    @cached_property
    def hit(self) -> Float[np.ndarray, " queries"]:
        """Of each query the chance that its first answer is right, as evaluated."""
        return self.bundle.rankings["hit"].to_numpy()[self.numbers]

    @cached_property
    def failed(self) -> Bool[np.ndarray, " queries"]:
        """Which queries fail: their first answer is not surely right."""
        return self.hit < 1

    @cached_property
    def datasets(self) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
        """Of each query the data set."""
        return self.bundle.rankings["dataset"].astype(str).to_numpy(dtype=object)[self.numbers]

    @cached_property
    def pools(self) -> Pools:
        """The pools of the queries, of an even sample where they are many."""
        return pools_of(self.bundle, even_sample(self.bundle, self.numbers))

    @property
    def sampled(self) -> bool:
        """Tell whether `pools` are a sample."""
        return len(self.pools) < len(self.numbers)

    @cached_property
    def before(self) -> Float[np.ndarray, " m"]:
        """`hit` of the pools."""
        return cures.hits(self.pools.similarity, self.pools)

    @cached_property
    def pool_datasets(self) -> Int[np.ndarray, " m"]:
        """Of each pool the number of its data set: P@1 is the mean over data sets."""
        return self.bundle.rankings["dataset"].cat.codes.to_numpy()[self.pools.rankings]

    @cached_property
    def suspects(self) -> Suspects:
        """The suspected false negatives of the pools."""
        return suspects(self.bundle, self.pools, self.before)

    @cached_property
    def centred(self) -> Float[np.ndarray, " m"]:
        """Hits once both sides are centred."""
        return cures.hits(cures.centred(self.bundle, self.pools), self.pools)

    @cached_property
    def csls(self) -> Float[np.ndarray, " m"]:
        """Hits once hubs are corrected."""
        return cures.hits(cures.csls(self.bundle, self.pools), self.pools)

    def left_out(self, marked: Bool[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
        """Hits once some wrong candidates are left out."""
        return cures.hits(self.pools.similarity, cures.without(self.pools, marked))

    def measured(self, name: str, what: str, after: Float[np.ndarray, " m"]) -> Measured:
        """Return a cure with the paired difference of its hits."""
        return Measured(name, what, paired_difference(self.before, after, self.pool_datasets))

    def mended(self, after: Float[np.ndarray, " m"]) -> int:
        """Count the failures of the pools that a cure turns into hits."""
        return int(((self.before < 1) & (after >= 1)).sum())

    @property
    def base(self) -> int:
        """How many of the pools' queries fail: the base of what is measured on them."""
        return int((self.before < 1).sum())


CENTRING = ("Centring by side", "each query and each candidate minus the mean of its side and modality")
CSLS = ("Hub correction (CSLS)", "each candidate's cosine minus half its mean cosine to its 10 nearest queries")
MASKED = ("Suspects left out", "suspected false negatives taken out of the pools")


def without_training(evidence: Evidence) -> list[Measured]:
    """Return every cure that needs no training, tried on the stored vectors."""
    bundle, pools = evidence.bundle, evidence.pools
    if not len(pools):
        return []
    whole = bundle.vectors.shape[1]
    found = [evidence.measured(*CENTRING, evidence.centred), evidence.measured(*CSLS, evidence.csls)]
    if evidence.suspects.suspected.any():
        found.append(evidence.measured(*MASKED, evidence.left_out(evidence.suspects.suspected)))
    for numbers in sorted({whole // 2, whole // 4} - {0}, reverse=True):
        after = cures.hits(cures.prefix(bundle, pools, numbers), pools)
        found.append(evidence.measured(f"First {numbers} numbers", f"of {whole}, as Matryoshka vectors are cut", after))
    after = cures.hits(cures.int8(bundle, pools), pools)
    return [*found, evidence.measured("8 bits a number", "a quarter of the memory of float32", after)]
