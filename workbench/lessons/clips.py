"""The miniature's clips for lesson 10: longer films of the same motions, each beside one that moves another way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from core.data.miniature.scenes import DrawnScene
from core.data.records import Item, Video
from core.encoder.embedder import Embedder
from workbench.lessons.classroom import task

LENGTH = 24


@dataclass(frozen=True)
class Films:
    """Captions, and two films for each: film 2i is what caption i says, film 2i + 1 the same shape moving elsewhere.

    All captions are ranked against all films. captions: as the miniature's data set of clips has them.
    """

    captions: Sequence[Item]
    films: Sequence[tuple[DrawnScene, ...]]

    @property
    def right(self) -> Bool[np.ndarray, "captions films"]:
        """The film that a caption describes."""
        return np.kron(np.eye(len(self.captions)), [[1, 0]]).astype(bool)

    @property
    def same_scene(self) -> Bool[np.ndarray, "captions films"]:
        """The two films that show a caption's shape and background, whichever way it moves."""
        return np.kron(np.eye(len(self.captions)), [[1, 1]]).astype(bool)


def films(queries: int = 60, seed: int = 0) -> Films:
    """Captions and films of 24 frames from the split of the data set "clips" that nobody trains on."""
    rankings = task("clips", queries, seed).rankings
    return Films(
        [each.query for each in rankings],
        [film(candidate) for each in rankings for candidate in each.candidates[:2]],
    )


def film(clip: Item, length: int = LENGTH) -> tuple[DrawnScene, ...]:
    """Return the motion of one of the miniature's clips in more frames: the same way in smaller steps."""
    (video,) = clip.parts
    assert isinstance(video, Video)
    first, last = video.frames[0], video.frames[-1]
    assert isinstance(first, DrawnScene)
    assert isinstance(last, DrawnScene)
    steps = np.linspace(first.shift, last.shift, length).round().astype(int)
    return tuple(DrawnScene(first.scene, shift=(int(x), int(y))) for x, y in steps)


def film_vectors(embedder: Embedder, clips: Sequence[Sequence[DrawnScene]]) -> Float[Tensor, "clips d"]:
    """Return one vector a clip: its frames behind one another in one sequence, as LLaVE reads a video."""
    return embedder.embed([Item((Video(tuple(frames)),)) for frames in clips], chunk=128)


def frame_vectors(
    embedder: Embedder, clips: Sequence[Sequence[DrawnScene]], positions: Sequence[int]
) -> dict[int, Float[Tensor, "clips d"]]:
    """Get the vectors of single frames, each embedded as a clip of its own: one row a film, by the frame's position."""
    return {position: film_vectors(embedder, [[frames[position]] for frames in clips]) for position in positions}


def mean_vectors(singles: dict[int, Float[Tensor, "clips d"]], taken: Sequence[int]) -> Float[Tensor, "clips d"]:
    """Return one vector a clip: the direction of the mean of its frames' vectors; blind to their order."""
    return normalize(torch.stack([singles[position] for position in taken]).mean(dim=0), dim=1)
