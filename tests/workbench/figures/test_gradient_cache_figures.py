"""Lesson 6's figures hold the numbers they are given, on axes that do not move."""

import numpy as np
import pytest

from workbench.figures.gradient_agreement import gradient_agreement_figure
from workbench.figures.memory_curve import MemoryCurve, memory_curve_figure
from workbench.figures.two_passes import two_passes_figure
from workbench.measures.chunked_step import ChunkedStep, Run


def test_memory_curve():
    curve = MemoryCurve(16, [1, 4, 16], [2_000_000, 8_000_000, 32_000_000], 32_000_000, 16_384)
    figure = memory_curve_figure(curve, (1e3, 1e9), 64)
    whole, vectors, peaks = figure.data
    assert list(peaks.x) == [1, 4, 16]
    np.testing.assert_allclose(peaks.y, [2, 8, 32])
    np.testing.assert_allclose([*whole.y, *vectors.y], [32, 32, 0.016384, 0.016384])
    assert figure.layout.title.text == "16 items one by one: 16 times less memory than at once"
    np.testing.assert_allclose(figure.layout.yaxis.range, [-3, 3])
    assert len({trace.line.dash for trace in figure.data}) == 3


def step(kept):
    runs = [Run("forward", 0, 0.0, 1.0), Run("forward", 1, 1.0, 1.5), Run("gradient", None, 1.5, 1.6)]
    if not kept:
        runs += [Run("forward again", 0, 1.6, 2.6), Run("backward", 0, 2.6, 4.6), Run("forward again", 1, 4.6, 5.1)]
        runs += [Run("backward", 1, 5.1, 6.1)]
    else:
        runs += [Run("backward", 0, 1.6, 3.6), Run("backward", 1, 3.6, 4.6)]
    return ChunkedStep(runs, [40_000_000, 20_000_000], 2 * kept)


@pytest.mark.parametrize(
    ("kept", "title"),
    [
        (0, "2 of 2 chunks encoded twice: 40 MB at most, 6.10 s"),
        (1, "0 of 2 chunks encoded twice: 60 MB at most, 4.60 s"),
    ],
)
def test_two_passes(kept, title):
    figure = two_passes_figure(step(kept), 7.0)
    assert figure.layout.title.text == title
    forward, gradient, again, backward, held = figure.data
    assert list(forward.y) == ["chunk 1", "chunk 2"]
    np.testing.assert_allclose(forward.base, [0, 1])
    np.testing.assert_allclose(forward.x, [1, 0.5])
    assert list(gradient.y) == ["loss"]
    assert len(again.x) == (0 if kept else 2)
    np.testing.assert_allclose(backward.x, [2, 1])
    assert max(held.y) == pytest.approx(60 if kept else 40)
    assert held.y[-1] == 0
    assert figure.layout.xaxis.range == (0, 7.0)
    assert figure.layout.yaxis2.range == pytest.approx((0, 66))
    assert len({trace.marker.pattern.shape for trace in figure.data[:4]}) == 4


def test_gradient_agreement():
    figure = gradient_agreement_figure([2, 4, 8], [0.1, 0.5, 1.0], [0.0, 0.25, 1.0], "pairs")
    cosine, length = figure.data
    assert list(cosine.y) == [0.1, 0.5, 1.0]
    assert list(length.y) == [0.0, 0.25, 1.0]
    assert figure.layout.title.text == "With parts of 4, 25% of the gradient's length is left, at cosine 0.50"
    assert gradient_agreement_figure([8], [1.0], [1.0], "pairs").layout.title.text.startswith("The whole batch")
