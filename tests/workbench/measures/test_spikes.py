"""Spikes are told by the rule, with the data sets that the log gives, and nothing is blamed that is not logged."""

import json

import numpy as np
import pytest

from workbench.measures.spikes import FEWEST, FLOOR, LIMIT, NORMAL, WINDOW, blame, robust_z, spikes
from workbench.runs.growing_log import GrowingLog


def logged(tmp_path, rows):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return GrowingLog(tmp_path / "metrics.jsonl").read()


def by_the_sentence(values):
    """z and median written from RULE, one step at a time."""
    medians = np.full(len(values), np.nan)
    z = np.full(len(values), np.nan)
    for step in range(len(values)):
        before = values[max(0, step - WINDOW) : step]
        if np.isfinite(before).sum() >= FEWEST:
            medians[step] = np.median(before[np.isfinite(before)])
    for step in range(len(values)):
        window = slice(max(0, step - WINDOW), step)
        away = np.abs(values[window] - medians[window])
        away = away[np.isfinite(away)]
        if len(away) >= FEWEST and np.isfinite(values[step]):
            scale = max(NORMAL * np.median(away), FLOOR * abs(medians[step]))
            z[step] = (values[step] - medians[step]) / scale
    return z, medians


def test_z_is_what_the_rule_says():
    values = 5 / np.arange(1, 401) ** 0.3 + np.random.default_rng(0).normal(scale=0.1, size=400)
    values[[50, 51, 200]] = np.nan, np.inf, 9.0
    found, median = robust_z(values)
    expected, medians = by_the_sentence(values)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(median, medians, rtol=1e-12)
    assert found[200] > LIMIT
    assert np.isnan(found[: 2 * FEWEST]).all()


def test_a_curve_that_hardly_moves_has_no_spikes():
    values = np.full(200, 2.0)
    values[150] = 2.05
    assert not (robust_z(values)[0] > LIMIT).any()
    values[150] = 2.5
    assert np.flatnonzero(robust_z(values)[0] > LIMIT).tolist() == [150]


def test_spikes_carry_the_data_sets_of_their_batch(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for step in range(1, 201):
        name = ("good", "bad")[step % 2]
        loss = 1 + 0.1 * rng.random() + (5 if step in (121, 161) else 0)
        rows.append({"step": step, "loss": loss, "datasets": {name: 8}})
    rows[179] = {"step": 180, "skipped": "the loss is not finite", "datasets": {"good": 8}}
    del rows[160]["datasets"]
    log = logged(tmp_path, rows)
    first, second, lost = spikes(log, "loss")
    assert (first.step, first.datasets, first.value) == (121, {"bad": 8}, rows[120]["loss"])
    assert first.expected == pytest.approx(np.median([row["loss"] for row in rows[20:120]]))
    assert (second.step, second.datasets) == (161, None)
    assert (lost.step, lost.z, lost.datasets) == (180, np.inf, {"good": 8})
    assert np.isnan(lost.value)
    table = blame([first, second, lost], log)
    assert table.to_dict("list") == {
        "data set": ["bad", "good"],
        "spikes": [1, 1],
        "steps": [99, 100],
        "share": [1 / 99, 1 / 100],
    }
    assert spikes(log, "gradient_norm")[0].step == 180  # left out whole
    assert len(spikes(log, "gradient_norm")) == 1


def test_an_empty_or_odd_log_has_no_spikes(tmp_path):
    assert spikes(logged(tmp_path, []), "loss") == []
    odd = logged(tmp_path, [{"step": step, "loss": "much", "datasets": ["a"]} for step in range(60)])
    assert spikes(odd, "loss") == []
    assert blame([], odd).empty
