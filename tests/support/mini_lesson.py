"""The smallest lesson that keeps the form, and its catalogue, written into a folder."""

from pathlib import Path

NAME = "03_mini"

HEADER = """\
# ---
# jupyter:
#   lesson:
#     number: 3
#     title: A mini lesson
#     goals:
#       - double a vector
#     prerequisites: [1, 2]
#     minutes: 20
#     cpu_seconds: 5
#     code: [core/objectives/hardness.py]
#     paper: ["LLaVE (arXiv 2503.04812), section 3.2"]
#     real:
#       command: torchrun --nproc_per_node=2 core/train.py --output runs/lesson-03 --objective.alpha 9
#       view: pair_weights
# ---
"""

CELLS = '''\

# %% tags=["parameters"]
SEED = 0

# %%
import plotly.graph_objects as go
import torch
from torch import Tensor

from workbench.lessons.feedback import compare, right
from workbench.figures.slider import with_slider
from workbench.figures.theme import styled
from workbench.lessons import classroom

classroom.begin(SEED)

# %% [markdown]
# Doubling is $y_i = 2 x_i$, and in a line of its own:
#
# $$\\\\sum_i y_i = 2 \\\\sum_i x_i$$

# %% [markdown] tags=["predict"]
# **Predict.** What does doubling do to the sum?

# %% [markdown] tags=["instructor"]
# It doubles *secretly*.

# %% tags=["figure"]
with_slider(
    {
        str(a): styled(go.Figure(go.Scatter(x=[0, 1], y=[0, a])), f"The slope is {a}").update_yaxes(range=[0, 3])
        for a in (1, 2, 3)
    },
    "a",
    play=True,
)

# %% tags=["exercise"] exercise="3.1" difficulty=2 minutes=10
def twice(x: Tensor) -> Tensor:
    """Twice x."""
    # BEGIN SOLUTION
    doubled_by_adding = x + x
    return doubled_by_adding
    # END SOLUTION


# %% tags=["check"]
compare("twice", twice(torch.ones(2)), torch.full((2,), 2.0), {})
right("3.1", "Twice one is two.")

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Add it to itself.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# $y = x + x$

# %% [markdown] tags=["explain"]
# **Explain.** Why is that so?

# %% [markdown] tags=["instructor"]
# Because addition says so.

# %% tags=["instructor"]
print("only instructors see this")

# %% tags=["exercise"] exercise="3.2" difficulty=1 minutes=5
def half(x: Tensor) -> Tensor:
    """Half of x."""
    # BEGIN SOLUTION
    return x / 2
    # END SOLUTION


# %% tags=["check"]
compare("half", half(torch.ones(2)), torch.full((2,), 0.5), {})
right("3.2", "Half of one is a half.")
'''.replace("\\\\", "\\")

CATALOGUE = '''\
from collections.abc import Callable

import torch
from torch import Tensor

from workbench.lessons.feedback import WrongAnswer, compare


def check(answer: Callable[..., Tensor], seed: int = 0) -> None:
    x = torch.arange(1.0, 4.0) + seed
    compare("twice", answer(x), 2 * x, {"This is the square.": x * x})


def squared(x: Tensor) -> Tensor:
    """Squares in place of doubling."""
    return x * x


WRONG_ANSWERS = (WrongAnswer("3.1", check, squared, "This is the square."),)
'''


def write(folder: Path, cells: str = CELLS, header: str = HEADER, name: str = NAME) -> Path:
    """The source's path; the catalogue goes where the builder looks for it."""
    for part, text in (("source", header + cells), ("wrong_answers", CATALOGUE)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / "source" / f"{name}.py"
