"""How a number moves over a run: alpha and beta rise from 0, the temperature goes from one value to another."""

import math
from typing import Literal

Shape = Literal["linear", "cosine"]


def progress(step: int, steps: float | int, shape: Shape) -> float:
    """From 0 at step 0 to 1 at `steps` and after: a straight line, or half a cosine, flat at both ends.

    With steps <= 0 it is 1 throughout.
    """
    share = min(1.0, step / steps) if steps > 0 else 1.0
    return share if shape == "linear" else (1 - math.cos(math.pi * share)) / 2
