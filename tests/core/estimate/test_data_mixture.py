"""How many pairs a training sees, from the published sizes or from files, under limits and weights."""

from pathlib import Path

import pytest

from core.config.settings import DataSettings
from core.data.miniature.export import export
from core.data.sources import training_data
from core.estimate.data_mixture import mixture, published_mixture

MMEB = {"source": "mmeb", "path": Path("nowhere")}


def test_published_sizes_under_the_papers_cap():
    assert published_mixture(DataSettings(**MMEB, limit=50_000)).pairs == 662_000


def test_limits_and_weights_change_the_published_sizes_of_the_data_sets_they_name():
    both = ["VisDial", "HatefulMemes"]  # 123 and 8 thousand; the first asks in words for pictures
    plain = published_mixture(DataSettings(**MMEB, datasets=both, limit=50_000))
    assert (plain.pairs, plain.target_pictures) == (58_000, pytest.approx(50 / 58))
    found = published_mixture(
        DataSettings(**MMEB, datasets=both, limit=50_000, limits={"VisDial": 20_000}, weights={"HatefulMemes": 2.0})
    )
    assert (found.pairs, found.target_pictures) == (36_000, pytest.approx(20 / 36))


def test_limits_and_weights_hold_for_files(tmp_path: Path):
    export(tmp_path, pairs_per_dataset=12)
    settings = DataSettings(source="mmeb", path=tmp_path, datasets=["shape", "colour"], limits={"shape": 5})
    datasets, _ = training_data(settings, seed=0, show_progress=False)
    assert {each.name: len(each) for each in datasets} == {"shape": 5, "colour": 12}
    settings.weights = {"colour": 0.5}
    found, problems = mixture(settings, seed=0)
    assert problems == []
    assert found is not None
    assert found.pairs == 5 + 6


def test_pictures_may_lie_elsewhere(tmp_path: Path):
    export(tmp_path / "files", pairs_per_dataset=2)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "files/images").rename(tmp_path / "elsewhere/images")
    settings = DataSettings(source="mmeb", path=tmp_path / "files", datasets=["shape"])
    with pytest.raises(ValueError, match=r"shape"):
        training_data(settings, seed=0, show_progress=False)
    settings.image_root = tmp_path / "elsewhere"
    (dataset,), problems = training_data(settings, seed=0, show_progress=False)
    assert (len(dataset), problems) == (2, [])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"limits": {"VisDial": 0}}, "data.limits.VisDial = 0"),
        ({"weights": {"VisDial": 0.0}}, "data.weights.VisDial = 0.0"),
    ],
)
def test_wrong_limits_and_weights_are_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        DataSettings(**MMEB, **wrong)
