"""Settings mean the objective that they name, at every step, and refuse what cannot be."""

import math

import pytest
import torch

from core.objectives.filters import Filters
from core.objectives.hard_debiased import HardDebiased
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.learned import LearnedTemperature
from core.objectives.objective import Objective
from core.objectives.relative import RelativeHardness
from core.objectives.settings import BUILD, ObjectiveSettings, progress, strength
from core.objectives.siglip import SigLIP


@pytest.mark.parametrize("name", BUILD)
def test_every_name_builds_an_objective_of_that_temperature(name) -> None:
    objective = ObjectiveSettings(name, temperature=0.3).at(5, 10)
    assert isinstance(objective, Objective)
    assert objective.temperature == 0.3
    assert objective.both_directions == (name != "siglip")


def test_fields_reach_the_objective_that_uses_them() -> None:
    assert ObjectiveSettings(alpha=4.0, alpha_warmup=0.0, weigh="explicit").at(0, 9) == HardnessWeighted(
        4.0, 0.02, True, "explicit"
    )
    assert ObjectiveSettings("infonce", both_directions=False).at(0, 9) == InfoNCE(0.02, False)
    hcl = ObjectiveSettings("hard_debiased", beta=1.0, prior=0.2, temperature=0.5, alpha_warmup=0.0)
    assert hcl.at(0, 9) == HardDebiased(1.0, 0.2, 0.5)
    assert ObjectiveSettings("siglip", temperature=0.1, bias=-3.0).at(0, 9) == SigLIP(0.1, -3.0)
    assert ObjectiveSettings(exclude_above=0.1, exclude_similar=0.95).filters == Filters(0.1, 0.95)


def test_alpha_rises_and_tau_falls_over_the_run() -> None:
    settings = ObjectiveSettings(alpha_warmup=0.5, temperature=0.1, temperature_final=0.02)
    course = [settings.at(step, 11) for step in range(11)]
    assert [strength(each) for each in course[:3]] == pytest.approx([0.0, 9 / 5.5, 18 / 5.5])
    assert all(strength(each) == 9.0 for each in course[6:])
    assert [each.temperature for each in course] == pytest.approx([0.1 - 0.008 * step for step in range(11)])
    relative = ObjectiveSettings("relative", beta=3.0, alpha_warmup=1.0)
    assert relative.at(5, 10) == RelativeHardness(1.5, 0.02)


def test_shapes_of_schedules() -> None:
    assert [progress(step, 4, "linear") for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert [progress(step, 4, "cosine") for step in (0, 1, 2, 4, 9)] == pytest.approx(
        [0, (1 - math.sqrt(0.5)) / 2, 0.5, 1, 1]
    )
    assert progress(0, 0, "linear") == progress(0, 0, "cosine") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alpha": -1.0}, r"objective.alpha = -1.0 is outside \[0, 100\]"),
        ({"name": "infonce", "alpha": 101.0}, "objective.alpha = 101.0"),
        ({"beta": -1.0}, "objective.beta = -1.0"),
        ({"temperature": 0.0}, "objective.temperature = 0.0"),
        ({"temperature_final": 11.0}, "objective.temperature = 11.0"),
        ({"name": "focal", "margin": 3.0}, "objective.margin = 3.0"),
        ({"name": "debiased", "prior": 1.0}, "objective.prior = 1.0"),
        ({"name": "siglip", "bias": -2000.0}, "objective.bias = -2000.0"),
        ({"alpha_warmup": 1.5}, "objective.alpha_warmup = 1.5"),
        ({"reward_decay": -0.1}, "objective.reward_decay = -0.1"),
        ({"exclude_above": 3.0}, "objective.exclude_above = 3.0"),
        ({"name": "focal", "learn_temperature": True}, "focal"),
        ({"learn_temperature": True, "temperature_min": 0.05}, "temperature_min = 0.05"),
        ({"learn_temperature": True, "temperature_final": 0.05}, "temperature_final"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObjectiveSettings(**given)


def test_a_learned_temperature_follows_its_gradient_within_bounds() -> None:
    learned = LearnedTemperature(SigLIP(0.1, -10.0), 0.05, 0.2)
    optimizer = torch.optim.SGD(learned.parameters(), lr=1.0)
    assert learned.apply_to(SigLIP(0.3, 0.0)).temperature == pytest.approx(0.1)
    for _ in range(3):
        learned.take_gradients(torch.tensor(0.5), torch.tensor(-2.0, dtype=torch.float64))
        optimizer.step()
        learned.clamp()
    found = learned.apply_to(SigLIP(0.3, 0.0))
    assert isinstance(found, SigLIP)
    assert found.temperature == pytest.approx(0.05)
    assert learned.log_temperature.item() == pytest.approx(math.log(0.05))
    assert found.bias == pytest.approx(-4.0)
    learned = LearnedTemperature(InfoNCE(0.1), 0.05, 0.2)
    assert [name for name, _ in learned.named_parameters()] == ["log_temperature"]
    assert learned.apply_to(InfoNCE(0.5)).temperature == pytest.approx(0.1)
