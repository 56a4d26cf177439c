"""Settings that mislead are spoken of; the defaults, and what the trainer prints, are not."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.config.settings import DataSettings, TrainSettings, ValidateSettings
from core.data.checks.pairs import Subset
from core.data.miniature.benchmark import training_sets
from core.training.config_warnings import config_warnings

SETS = training_sets()


def test_the_defaults_need_no_caution() -> None:
    assert config_warnings(TrainSettings(), SETS) == []


def test_a_batch_of_one_data_set() -> None:
    settings = TrainSettings(batch=64, data=DataSettings(block=64))
    (found,) = config_warnings(settings, SETS)
    assert "data.block = 64 is the whole batch" in found
    assert "negative from another" in found
    assert config_warnings(settings, SETS[:1]) == []


def test_a_data_set_smaller_than_a_block() -> None:
    (found,) = config_warnings(TrainSettings(), [*SETS, Subset(SETS[0], tuple(range(20)))])
    assert "'shape' has 20 pairs, fewer than data.block = 32" in found
    assert "fewer negatives than the batch suggests" in found


def test_explicit_negatives_that_are_left_unused(tmp_path: Path) -> None:
    data = DataSettings(source="folder", path=tmp_path)
    (found,) = config_warnings(TrainSettings(data=data), SETS)
    assert "data.negatives = 0 leaves the explicit hard negatives of caption-to-image, " in found
    assert "shape" not in found
    assert config_warnings(TrainSettings(data=replace(data, negatives=1)), SETS) == []


def test_checkpoints_that_no_validation_ranks(tmp_path: Path) -> None:
    settings = TrainSettings(save_every=200, validate=ValidateSettings(every=150))
    (found,) = config_warnings(settings, SETS)
    assert "save_every = 200 is no multiple of validate.every = 150" in found
    assert config_warnings(replace(settings, keep_latest=0), SETS) == []
    assert config_warnings(replace(settings, save_every=300), SETS) == []


def test_validation_needs_the_miniature(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"validate\.every = 5 needs data\.source = 'miniature', not 'folder'"):
        TrainSettings(validate=ValidateSettings(every=5), data=DataSettings(source="folder", path=tmp_path))
