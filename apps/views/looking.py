"""What the page looks at: a run's evaluation, another one to hold it against, the queries that pass, a selection.

Every view is given one `Looking`, and changes it by `apps.views.address.put`, which all other views then see.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from workbench.bundles.bundle import Bundle
from workbench.explore.filters import Filters
from workbench.explore.selection import Selection
from workbench.runs.runs import Run


@dataclass(frozen=True)
class Against:
    """Another evaluation, to hold the chosen one against. run: of the name of the folder that it lies in."""

    run: str
    bundle: Bundle

    @property
    def name(self) -> str:
        """RUN/EVALUATION, as an address names it."""
        return f"{self.run}/{self.bundle.folder.name}"


@dataclass(frozen=True)
class Looking:
    """See above. root: the folder of all runs. queries: rows of the rankings that pass filters and selection.

    A selection of items that no query asks with or is answered by leaves no query; a view of items shows it all the
    same.
    """

    root: Path
    runs: tuple[Run, ...]
    run: Run
    bundle: Bundle
    against: Against | None
    filters: Filters
    selection: Selection
    queries: Int[np.ndarray, " queries"]

    @property
    def dataset(self) -> str | None:
        """The one data set that is looked at, or None for all."""
        return self.filters.dataset or None

    @property
    def key(self) -> str:
        """What results of these queries may be kept by: the bundle's digest, the filters and the selection."""
        return repr((self.bundle.digest, self.filters, self.selection.rule))

    @property
    def sentence(self) -> str:
        """Say how many queries are looked at, and of how many."""
        every = len(self.bundle.rankings)
        return (
            f"{len(self.queries):,} queries"
            if len(self.queries) == every
            else f"{len(self.queries):,} of {every:,} queries"
        )
