"""The bars are the verdicts, and the title counts who is fooled."""

import numpy as np

from workbench.figures.evaluator_lies import Verdict, evaluator_lies_figure

VERDICTS = [
    Verdict("trained", 0.54, 0.54, works=True),
    Verdict("<b>", 1.0, 0.01),
    Verdict("NaN", 1.0, None),
    Verdict("leak", 0.01, 0.9),
]


def test_bars_hold_both_scores_in_percent():
    published, honest = evaluator_lies_figure(VERDICTS, 0.01).data
    np.testing.assert_allclose(published.x, [54, 100, 100, 1])
    np.testing.assert_allclose(honest.x, [54, 1, 0, 90])
    assert list(published.y) == ["trained", "&lt;b&gt;", "NaN", "leak"]
    assert [text.endswith("refused") for text in honest.text] == [False, False, True, False]
    assert published.marker.pattern.shape != honest.marker.pattern.shape


def test_the_title_counts_broken_models_above_chance_only():
    figure = evaluator_lies_figure(VERDICTS, 0.01)
    assert figure.layout.title.text == "Of 3 broken models, argmax == 0 is fooled by 2, the honest rule by 1"
    assert figure.layout.shapes[0].x0 == 1
    assert tuple(figure.layout.xaxis.range) == (0, 112)
