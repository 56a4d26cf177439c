"""Lesson 7's figures hold the tokens and cosines they are given; words cannot act as tags."""

import numpy as np
import pytest
import torch

from workbench.figures.pooling_rules import pooling_rules_figure
from workbench.figures.token_strip import knowledge_figure, token_strip_figure
from workbench.measures.token_states import Tokens

TOKENS = Tokens(
    ["<|im_start|>", "", "", " what", "<|im_end|>"],
    ["template", "picture", "picture", "words", "template"],
    torch.zeros(5, 2),
)
GROUPS = {"colours": {"red": 0.2, "blue": 0.9}, "shapes": {"ring": -0.1}}


def test_token_strip():
    figure = token_strip_figure(TOKENS, 4, GROUPS, 9)
    template, picture, words, outline, colours, shapes = figure.data
    assert list(template.x) == [0, 4]
    assert list(picture.x) == [1, 2]
    assert list(words.text) == ["what"]
    assert template.text[1] == "&lt;|im_end|&gt;"
    assert (min(outline.x), max(outline.x)) == (3.5, 4.5)
    assert dict(zip(colours.x, colours.y, strict=True)) == GROUPS["colours"]
    assert list(shapes.y) == [-0.1]
    assert figure.layout.title.text == 'The vector is nearest to "blue", of colours: cosine 0.90'
    assert figure.layout.xaxis.range == (-0.7, 8.7)
    assert len({trace.marker.pattern.shape for trace in (template, picture, words)}) == 3
    assert colours.marker.pattern.shape != shapes.marker.pattern.shape


def test_token_strip_refuses():
    with pytest.raises(ValueError, match="pooled = 5 is outside"):
        token_strip_figure(TOKENS, 5, GROUPS, 9)
    with pytest.raises(ValueError, match="one to 3 can be told apart"):
        token_strip_figure(TOKENS, 4, {name: {"a": 0.0} for name in "abcd"}, 9)


def test_knowledge():
    cosines = {"blue": np.array([0.1, 0.0, 0.2, 0.5, 0.9]), "ring": np.array([0.1, 0.6, 0.2, 0.3, 0.1])}
    figure = knowledge_figure(TOKENS, cosines, 9)
    assert [trace.name for trace in figure.data] == ["blue", "ring"]
    np.testing.assert_array_equal(figure.data[0].y, cosines["blue"])
    assert figure.layout.title.text == "The last token is nearest to blue (0.90); no earlier one exceeds 0.50"
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.5, 2.5)
    assert figure.data[0].line.dash != figure.data[1].line.dash
    assert figure.data[0].marker.symbol != figure.data[1].marker.symbol


def test_pooling_rules():
    figure = pooling_rules_figure({"last": {"right": 0.6, "left": 0.6}, "-1": {"right": 0.2, "left": 0.6}}, 0.6)
    right, left = figure.data
    np.testing.assert_allclose(right.y, [60, 20])
    np.testing.assert_allclose(left.y, [60, 60])
    assert figure.layout.title.text == "1 of 2 rules survives both paddings: last"
    assert figure.layout.shapes[0].y0 == pytest.approx(60)
    none = pooling_rules_figure({"mean": {"right": 0.1, "left": 0.0}}, 0.6)
    assert none.layout.title.text == "None of 1 rules survives both paddings"
