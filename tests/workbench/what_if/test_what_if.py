"""A setting is hashable, holds what its objective uses and nothing else, and builds that objective again."""

from dataclasses import fields, replace
from typing import get_args

import pytest
from objective_cases import CASES

from core.objectives.settings import BUILD, Name, ObjectiveSettings
from workbench.what_if.what_if import NUMBERS, PUBLISHED, Setting, first_setting, setting_of, trained_setting

NAMES = get_args(Name)
NAME_OF = {type(ObjectiveSettings(name=name).at(1, 1)): name for name in NAMES}


@pytest.mark.parametrize("case", CASES)
def test_a_setting_builds_its_objective_again(case):
    objective = CASES[case].objective
    setting = setting_of(NAME_OF[type(objective)], objective)
    assert setting.objective == objective
    assert set(setting.numbers) == {each.name for each in fields(objective)} & set(NUMBERS)
    assert len({setting, replace(setting)}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_published_numbers_are_those_of_the_class(name):
    assert list(PUBLISHED) == list(BUILD)
    assert PUBLISHED[name] == type(PUBLISHED[name])()
    other = Setting("llave" if name != "llave" else "infonce", 0.07)
    assert first_setting(name, other).objective == PUBLISHED[name]


def test_the_trained_numbers_are_those_of_the_last_step():
    settings = ObjectiveSettings(name="relative", beta=4.0, temperature=1.0, temperature_final=0.3)
    assert trained_setting(settings) == Setting("relative", 0.3, beta=4.0)


def test_a_what_if_starts_from_the_trained_numbers_and_weighs_all():
    trained = trained_setting(ObjectiveSettings(alpha=5.0, temperature=0.05, weigh="explicit"))
    assert trained == Setting("llave", 0.05, alpha=5.0, weigh="explicit")
    assert first_setting("llave", trained) == Setting("llave", 0.05, alpha=5.0)


@pytest.mark.parametrize(
    ("name", "strength"), [("llave", "alpha"), ("hard_debiased", "beta"), ("focal", None), ("siglip", None)]
)
def test_strength(name, strength):
    assert setting_of(name, PUBLISHED[name]).strength == strength
