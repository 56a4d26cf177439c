"""Sweeps, ablations and similarities by truth: numbers as given, findings as computed, bad input refused."""

import numpy as np
import pytest

from workbench.figures.ablation import ablation_figure
from workbench.figures.similarity_by_hardness import by_truth, similarity_by_hardness_figure
from workbench.figures.sweep import sweep_figure

SHARES = np.array([[0.5, 0.9, 0.6], [0.7, 0.7, 0.8]])


def test_a_sweep_shows_every_seed_and_names_the_best_mean():
    figure = sweep_figure("alpha", [0.0, 3.0, 9.5], {"clean": SHARES, "noisy": 1 - SHARES}, "P@1")
    np.testing.assert_allclose(figure.data[0].y, [60, 80, 70])
    np.testing.assert_allclose(figure.data[1].y, 100 * SHARES.flatten())
    assert list(figure.data[1].x) == ["0", "3", "9.5"] * 2
    assert figure.layout.title.text == "Best P@1: 80% at alpha = 3 (clean), 40% at alpha = 0 (noisy)"
    assert len({trace.line.dash for trace in figure.data if trace.mode == "lines"}) == 2


def test_a_sweep_may_look_for_the_lowest():
    figure = sweep_figure("tau", [0.1, 0.2, 0.3], {"one": SHARES}, "overlap", lower_is_better=True)
    assert figure.layout.title.text == "Lowest overlap: 60% at tau = 0.1"


@pytest.mark.parametrize("curves", [{}, {"short": SHARES[:, :2]}, {"flat": SHARES[0]}, dict.fromkeys("abcde", SHARES)])
def test_a_sweep_refuses_other_shapes(curves):
    with pytest.raises(ValueError, match="curve"):
        sweep_figure("alpha", [0.0, 3.0, 9.0], curves, "P@1")


def test_an_ablation_shows_means_and_names_the_range():
    variants = {
        "plain": {"once": np.array([0.5, 0.7]), "twice": np.array([0.9, 0.9])},
        "<b>new</b>": {"once": np.array([0.8, 0.8]), "twice": np.array([0.2, 0.4])},
    }
    figure = ablation_figure(variants, "P@1")
    np.testing.assert_allclose([trace.x for trace in figure.data if trace.name == "once"], [[60, 80]])
    np.testing.assert_allclose(figure.data[2].x, [90, 90, 20, 40])
    assert figure.layout.title.text == "P@1, twice: from 30% (&lt;b&gt;new&lt;/b&gt;) to 90% (plain)"
    assert {trace.marker.symbol for trace in figure.data} == {"circle", "square-open"}


@pytest.mark.parametrize("variants", [{}, {"a": {}}, {"a": {"x": SHARES[0]}, "b": {"y": SHARES[0]}}])
def test_an_ablation_refuses_unequal_conditions(variants):
    with pytest.raises(ValueError, match="the same 1 or 2 conditions"):
        ablation_figure(variants, "P@1")


def test_similarities_are_sorted_by_truth():
    similarity = np.array([[0.9, 0.8, 0.1], [0.7, 0.3, 0.2]])
    positive = np.array([[True, False, False], [False, True, False]])
    hardness = np.array([[np.nan, 1, 2], [0, np.nan, np.nan]])
    found = by_truth(similarity, positive, hardness)
    assert found.positive.tolist() == [0.9, 0.3]
    assert {level: values.tolist() for level, values in found.wrong.items()} == {0: [0.7], 1: [0.8], 2: [0.1]}


def test_boxes_hold_the_quartiles_and_the_title_the_medians():
    drawn = np.random.default_rng(0)
    found = by_truth(
        drawn.random((20, 4)), np.eye(4, dtype=bool)[np.zeros(20, int)], np.tile([np.nan, 0, 1, 1], (20, 1))
    )
    figure = similarity_by_hardness_figure({"one": found, "two": found})
    assert list(figure.data[0].x) == ["right answer", "0 (truly right)", "1"]
    np.testing.assert_allclose(
        figure.data[1].median, [np.median(each) for each in (found.positive, *found.wrong.values())]
    )
    assert figure.data[0].fillcolor != figure.data[1].fillcolor
    assert f"1 attribute wrong {np.median(found.wrong[1]):.2f}" in figure.layout.title.text
    with pytest.raises(ValueError, match="one model or two"):
        similarity_by_hardness_figure({})
