"""What lessons start with."""

import plotly.graph_objects as go
import plotly.io as pio
import pytest
import torch

from workbench.lessons import classroom


@pytest.fixture(autouse=True)
def as_before():
    """Renderers, templates and printing are global."""
    template, renderer = pio.templates.default, pio.renderers.default
    yield
    pio.templates.default, pio.renderers.default = template, renderer
    torch.set_printoptions(profile="default")


def test_begin_sets_seed_look_and_renderer(capsys):
    classroom.begin(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert "seed 5" in capsys.readouterr().out
    assert pio.renderers.default == "plotly_mimetype"
    assert go.Figure().layout.template.layout.font.color == classroom.TEXT_COLOUR


def luminance(colour):
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_is_read_on_white_and_on_near_black():
    text, black = luminance(classroom.TEXT_COLOUR), luminance("#111111")
    assert 1.05 / (text + 0.05) >= 4.4
    assert (text + 0.05) / (black + 0.05) >= 4.1


@pytest.mark.parametrize(("value", "real"), [(None, False), ("0", False), ("1", True)])
def test_real_models_are_asked_for(monkeypatch, value, real):
    monkeypatch.delenv(classroom.REAL, raising=False)
    if value is not None:
        monkeypatch.setenv(classroom.REAL, value)
    assert classroom.real_models() is real


def test_an_unknown_model_or_data_set_is_told():
    with pytest.raises(ValueError, match=r"not 'nonsense'; lessons/models/README.md"):
        classroom.trained("nonsense")
    with pytest.raises(ValueError, match=r"dataset = 'nonsense' is unknown; the miniature has .*caption-to-image"):
        classroom.task("nonsense")


def test_a_task_has_the_asked_number_of_queries_and_is_shared():
    first = classroom.task("caption-to-image", 12)
    assert len(first.rankings) == 12
    assert classroom.task("caption-to-image", 12) is first
    other = classroom.task("caption-to-image", 12, 1)
    assert [each.query for each in other.rankings] != [each.query for each in first.rankings]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["infonce", "llave"])
def test_pairs_are_unit_vectors_and_belong_together(objective):
    queries, answers = classroom.pair_vectors(objective, "caption-to-image", 20)
    assert queries.shape == answers.shape
    assert queries.shape[0] == 20
    for vectors in (queries, answers):
        assert torch.allclose(vectors.norm(dim=1), torch.ones(20), atol=1e-5)
    scores = queries @ answers.T
    others = scores[~torch.eye(20, dtype=torch.bool)]
    assert float(scores.diagonal().mean()) > float(others.mean()) + 0.3
