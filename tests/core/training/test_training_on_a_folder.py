"""Training on a folder whose captions repeat, in two Unicode forms: what is right is never trained against."""

import json
import math
import unicodedata
from pathlib import Path

import PIL.Image
import pytest
from small_training import small_settings

from core.config.settings import DataSettings, OptimizerSettings, TrainSettings
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import rank_all
from core.evaluation.suites import SuiteSettings, suite_tasks
from core.objectives.settings import ObjectiveSettings
from core.training.logs import read_metrics
from core.training.trainer import Trainer

CAPTIONS = ("caf\u00e9 cr\u00e8me", "na\u00efve tableau", "se\u00f1or M\u00fcller", "pi\u00f1ata bleue")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures a caption, one of them with the caption decomposed."""
    root, rows = tmp_path / "pictures", []
    root.mkdir()
    for number, words in enumerate(CAPTIONS):
        for copy, form in enumerate(("NFC", "NFD")):
            name = f"{number}{copy}.png"
            PIL.Image.new("RGB", (40, 30), (60 * number, 100 * copy, 200 - 40 * number)).save(root / name)
            rows.append({"file_name": name, "text": unicodedata.normalize(form, words)})
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def on_folder(run: Path, folder: Path, **changes: object) -> TrainSettings:
    data = DataSettings("folder", folder, ["image-to-caption"], block=changes.pop("block", 8))  # type: ignore[arg-type]
    return small_settings(run, data=data, objective=ObjectiveSettings("infonce", temperature=0.05), **changes)


def test_captions_in_two_unicode_forms_are_learnt_as_one(folder: Path, tmp_path: Path) -> None:
    """With each caption as its own hardest negative the loss could not fall below ln 2, nor P@1 rise above one half."""
    trainer = Trainer(on_folder(tmp_path / "run", folder, steps=60, optimizer=OptimizerSettings(learning_rate=3e-3)))
    trainer.run()
    assert read_metrics(tmp_path / "run")[-1]["infonce_loss"] < 0.1 < math.log(2)
    tasks = suite_tasks(SuiteSettings("folder", folder, datasets=["image-to-caption"]), progress=False)
    ranked = rank_all(tasks, embed_distinct(trainer.embedder, distinct_items(tasks), progress=False))
    assert len(ranked) == 8
    assert all(each.placement.hit(1) == 1 for each in ranked)


def test_right_answers_outside_the_batch_are_known(folder: Path, tmp_path: Path) -> None:
    """Caption to image in batches of two: the second picture of a caption is known where only the first is drawn."""
    settings = on_folder(tmp_path / "run", folder, batch=2, block=2, steps=1)
    settings.data.datasets = ["caption-to-image"]
    trainer = Trainer(settings)
    data = trainer.steps()[0]
    assert data.known is not None
    drawn = {each.query.content_id: each.positive.content_id for each in data.pairs}
    for query, positive in drawn.items():
        known = data.known[data.known[:, 0] == int(query[:15], 16)][:, 1].tolist()
        assert len(known) == 2
        assert int(positive[:15], 16) in known


@pytest.mark.parametrize("seed", [-(2**63), -1, 4295, 2**32, 2**63, 2**64 - 1])
def test_any_seed_of_64_bits_trains(seed: int, tmp_path: Path) -> None:
    settings = small_settings(tmp_path / "run", seed=seed, steps=2)
    Trainer(settings).run()
    assert len(read_metrics(tmp_path / "run")) == 2


def test_seeds_of_more_than_64_bits_are_refused(tmp_path: Path) -> None:
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match=rf"seed = {seed} is outside"):
            small_settings(tmp_path, seed=seed)
