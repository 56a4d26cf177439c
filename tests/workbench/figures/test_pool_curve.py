"""The curves are the given shares, with chance beside them."""

import numpy as np

from workbench.figures.pool_curve import pool_curve_figure


def test_curves_and_chance():
    sizes = (2, 10, 100)
    figure = pool_curve_figure("<edit>", sizes, {"random": [0.99, 0.9, 0.5], "hardest": [0.8, 0.6, 0.5]})
    random, hardest, chance = figure.data
    np.testing.assert_allclose(random.y, [99, 90, 50])
    np.testing.assert_allclose(hardest.y, [80, 60, 50])
    np.testing.assert_allclose(chance.y, [50, 10, 1])
    assert len({trace.line.dash for trace in figure.data}) == 3
    assert figure.layout.title.text == "&lt;edit&gt;: 99 % among 2, 50 % among 100 candidates, the same model"
    assert figure.layout.xaxis.type == "log"
    assert tuple(figure.layout.yaxis.range) == (0, 103)
