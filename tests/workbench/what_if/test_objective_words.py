"""Every objective has a name in words, with the numbers that it ended with."""

from typing import get_args

import pytest

from core.objectives.settings import Name, ObjectiveSettings
from workbench.what_if.objective_words import LABELS, WEIGHTS, in_words, left_aside


def test_every_objective_has_words():
    assert set(LABELS) == set(WEIGHTS) == set(get_args(Name))
    assert len(set(LABELS.values())) == len(LABELS)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "LLaVE, alpha 9, tau 0.02"),
        ({"weigh": "explicit", "alpha": 5.0}, "LLaVE, alpha 5, explicit negatives only, tau 0.02"),
        ({"name": "infonce"}, "InfoNCE, tau 0.02"),
        ({"name": "relative", "beta": 2.5}, "EGA relative, beta 2.5, tau 0.02"),
        ({"name": "amplifier"}, "EGA amplifier, beta 9, tau 0.02"),
        ({"name": "focal", "temperature": 0.05}, "Focal-InfoNCE, margin 0.3, tau 0.05"),
        ({"name": "siglip", "temperature": 0.1}, "SigLIP, bias -10, tau 0.1"),
        (
            {"name": "siglip", "temperature": 0.1, "learn_temperature": True},
            "SigLIP, bias -10, tau 0.1 at first, then learned",
        ),
        ({"name": "debiased", "temperature": 0.5}, "Debiased (DCL), prior 0.1, tau 0.5"),
        (
            {"name": "hard_debiased", "beta": 1.0, "temperature": 0.5, "temperature_final": 0.2},
            "Hard debiased (HCL), beta 1, prior 0.1, tau 0.2",
        ),
    ],
)
def test_in_words(settings, expected):
    assert in_words(ObjectiveSettings(**settings)) == expected


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, []),
        ({"name": "infonce", "reward": "average"}, []),  # it has no weights to take from anywhere
        ({"reward": "average"}, ["an average of the model"]),
        ({"reward": "runs/<x>"}, ["a frozen model"]),
        ({"learn_temperature": True, "exclude_similar": 0.95}, ["was learned", "left out by their similarity"]),
        ({"weigh": "explicit"}, ["explicit hard negatives"]),
    ],
)
def test_left_aside(settings, said):
    found = left_aside(ObjectiveSettings(**settings))
    assert len(found) == len(said)
    assert all(words in sentence for words, sentence in zip(said, found, strict=True))
