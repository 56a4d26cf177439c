"""What lessons start with: settings of the notebook, trained tiny models, and scenes of the miniature."""

import os
import platform
import sys
from functools import cache
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio
import torch
from jaxtyping import Float
from torch import Tensor
from transformers.utils import logging as transformers_logging

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.records import RankingTask
from core.encoder.embedder import Embedder

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "lessons" / "models"
TEXT_COLOUR = "#777777"
"""Contrast 4.5 on white and 4.2 on near-black: figures are read on light and on dark pages."""
REAL = "LESSONS_REAL"


def begin(seed: int = 0) -> None:
    """Set the seeds and the look of figures, and say what runs.

    Figures are shown by Jupyter's own plotly renderer: they need no kernel once they are drawn, and no network.
    Colab has a renderer of its own.
    """
    transformers_logging.disable_progress_bar()
    torch.manual_seed(seed)
    torch.set_printoptions(precision=4, sci_mode=False)
    pio.templates["workbench"] = template()
    pio.templates.default = "plotly+workbench"
    pio.renderers.default = "colab" if "google.colab" in sys.modules else "plotly_mimetype"
    print(f"Python {platform.python_version()}, torch {torch.__version__}, seed {seed}")


def template() -> go.layout.Template:
    """Texts, arrows and lines of figures in a grey that is seen on white and on near-black."""
    grey = {"color": TEXT_COLOUR}
    return go.layout.Template(
        layout={
            "font": grey,
            "annotationdefaults": {"arrowcolor": TEXT_COLOUR},
            "shapedefaults": {"line": grey},
        }
    )


def real_models() -> bool:
    """Tell whether cells that need real weights or a GPU run: the environment variable LESSONS_REAL is set to 1."""
    return os.environ.get(REAL) == "1"


@cache
def trained(objective: str) -> Embedder:
    """Get the tiny model after the trainer's default run on the miniature, with "infonce" or "llave"; all else equal.

    lessons/models/README.md has the commands that made both.

    Raises:
        ValueError: there is no such model.
    """
    known = sorted(path.name for path in MODELS.glob("*") if path.is_dir())
    if objective not in known:
        raise ValueError(f"{MODELS} holds {known}, not {objective!r}; lessons/models/README.md says how they are made.")
    return Embedder.load(MODELS / objective)


@cache
def task(dataset: str, queries: int = 100, seed: int = 0) -> RankingTask:
    """Return queries of one data set of the miniature with their candidates, from the split that nobody trains on.

    Raises:
        ValueError: the miniature has no such data set.
    """
    for source in SOURCES:
        if source.name == dataset:
            return ranking_task(source, seed, queries)
    raise ValueError(f"dataset = {dataset!r} is unknown; the miniature has {', '.join(each.name for each in SOURCES)}.")


@cache
def pair_vectors(
    objective: str, dataset: str, pairs: int = 100, seed: int = 0
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Return unit vectors of the queries and of their right answers, by a trained model; row i belongs to row i."""
    embedder, rankings = trained(objective), task(dataset, pairs, seed).rankings
    queries = embedder.embed([each.query for each in rankings])
    return queries, embedder.embed([each.candidates[each.right[0]] for each in rankings])
