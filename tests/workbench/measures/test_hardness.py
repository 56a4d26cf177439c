"""What-if: the trainer's own numbers on a bundle's pools, and whether they follow the truth."""

import numpy as np
import pytest
from objective_cases import CASES
from scipy.stats import spearmanr

from core.objectives.amplifier import GradientAmplifier
from core.objectives.debiased import Debiased
from core.objectives.focal import FocalInfoNCE
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.relative import RelativeHardness
from core.objectives.siglip import SigLIP
from workbench.bundles.bundle import open_bundle
from workbench.measures import hardness
from workbench.measures.hardness import Pools


def pools(similarity, right, truth):
    """Pools whose first right candidate is the positive."""
    similarity, right = np.array(similarity, dtype=float), np.array(right, dtype=bool)
    positive = right & (np.cumsum(right, axis=1) == 1)
    m, n = similarity.shape
    return Pools(
        np.arange(m), np.tile(np.arange(n), (m, 1)), positive, ~right, similarity, np.array(truth, dtype=float)
    )


ONE = pools([[0.8, 0.5, 0.2, -0.1]], [[1, 0, 0, 0]], [[np.nan, 1, 2, 3]])


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def test_the_trained_objective_gives_what_the_bundle_stores(bundle):
    found = hardness.pools_of(bundle, np.arange(len(bundle.rankings)))
    effect = hardness.effect(bundle.objective, found)
    for number in range(len(found)):
        for negative in bundle.hardest(number):
            place = int(np.flatnonzero(found.candidates[number] == negative.item)[0])
            assert found.similarity[number, place] == pytest.approx(negative.similarity, abs=1e-6)
            assert effect.weight[number, place] == pytest.approx(negative.weight, rel=1e-4)
            assert effect.probability[number, place] == pytest.approx(negative.probability, rel=1e-4, abs=1e-9)
            assert effect.share[number, place] == pytest.approx(negative.share, rel=1e-4, abs=1e-9)
            assert found.hardness[number, place] == negative.true_hardness


def test_another_objective_by_hand():
    """alpha = 3, tau = 0.1: the pull on a negative is in proportion to exp(s / tau + alpha s)."""
    effect = hardness.effect(HardnessWeighted(3.0, 0.1), ONE)
    pull = np.exp(13 * np.array([0.5, 0.2, -0.1]))
    shares = pull / pull.sum()
    np.testing.assert_allclose(effect.share[0], [0, *shares], rtol=1e-12)
    np.testing.assert_allclose(effect.weight[0], [1, *np.exp(3 * np.array([0.5, 0.2, -0.1]))], rtol=1e-12)
    assert effect.loss[0] == pytest.approx(np.log(np.exp(8) + pull.sum()) - 8)
    assert effect.effective_negatives[0] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_equal_negatives_all_count_and_a_single_one_counts_once():
    alike = pools([[0.9, 0.1, 0.1, 0.1, 0.1]], [[1, 0, 0, 0, 0]], [[np.nan, 1, 1, 1, 1]])
    assert hardness.effect(HardnessWeighted(9.0, 0.02), alike).effective_negatives == pytest.approx([4])
    one = pools([[0.9, 0.8, -0.9, -0.9, -0.9]], [[1, 0, 0, 0, 0]], [[np.nan, 1, 1, 1, 1]])
    assert hardness.effect(InfoNCE(0.02), one).effective_negatives == pytest.approx([1])


def test_padding_and_other_right_answers_do_not_pull(bundle):
    found = hardness.pools_of(bundle, np.arange(len(bundle.rankings)))
    assert (found.candidates == -1).any()
    effect = hardness.effect(InfoNCE(0.02), found)
    assert effect.share[~found.wrong].sum() == 0
    np.testing.assert_allclose(effect.share.sum(axis=1), 1)
    alone = hardness.effect(InfoNCE(0.02), hardness.pools_of(bundle, [5]))
    assert alone.loss[0] == pytest.approx(effect.loss[5])


def test_a_pool_without_negatives_has_no_effective_ones():
    effect = hardness.effect(InfoNCE(0.02), pools([[0.5, 0.4]], [[1, 1]], [[np.nan, np.nan]]))
    assert effect.effective_negatives == [0]
    assert effect.share.sum() == 0


def test_rank_correlation_is_scipys():
    generator = np.random.default_rng(0)
    truth, values = generator.integers(1, 5, (6, 12)).astype(float), generator.normal(size=(6, 12))
    right = np.zeros((6, 12))
    right[:, 0] = 1
    truth[:, 0] = np.nan
    found = hardness.rank_correlations(pools(values, right, truth), values)
    expected = [spearmanr(row[1:], -hard[1:]).statistic for row, hard in zip(values, truth, strict=True)]
    np.testing.assert_allclose(found, expected)


def test_rank_correlation_of_perfect_flat_and_unknown():
    weights = hardness.effect(HardnessWeighted(9.0, 0.02), ONE).weight
    assert hardness.rank_correlations(ONE, weights) == pytest.approx([1])
    assert np.isnan(hardness.rank_correlations(ONE, hardness.effect(InfoNCE(0.02), ONE).weight)).all()
    unknown = pools([[0.8, 0.5, 0.2]], [[1, 0, 0]], [[np.nan] * 3])
    assert np.isnan(hardness.rank_correlations(unknown, unknown.similarity)).all()
    assert hardness.mean_of(np.array([np.nan])).n == 0


def test_shares_by_hardness_by_hand():
    two = pools([[0.8, 0.5, 0.2, -0.1], [0.8, 0.5, 0.2, -0.1]], [[1, 0, 0, 0]] * 2, [[np.nan, 1, 1, 3], [np.nan] * 4])
    share = np.array([[0, 0.6, 0.3, 0.1], [0, 1, 0, 0]])
    found = hardness.shares_by_hardness(two, share)
    assert {level: (mean.value, mean.n, alike) for level, (mean, alike) in found.items()} == {
        1: (pytest.approx(0.9), 1, pytest.approx(2 / 3)),
        3: (pytest.approx(0.1), 1, pytest.approx(1 / 3)),
    }


def test_false_negatives():
    pool = pools([[0.8, 0.79, 0.78, 0.77, 0.1]], [[1, 0, 0, 0, 0]], [[np.nan, 0, 1, np.nan, np.nan]])
    assert hardness.true_false_negatives(pool).tolist() == [1]
    assert hardness.reach_right(pool).tolist() == [[False, True, False, True, False]]  # the true one, and the unknown


def test_differing_names_as_many_attributes_as_the_table_counts(bundle):
    for number in range(len(bundle.rankings)):
        query = bundle.query(number)
        for negative in bundle.hardest(number):
            names = hardness.differing(query.asks, bundle.attributes(query.positive), bundle.attributes(negative.item))
            assert len(names) == negative.true_hardness


@pytest.mark.parametrize(("count", "most", "expected"), [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (0, 5, [])])
def test_sample_rows(count, most, expected):
    assert hardness.sample_rows(count, most).tolist() == expected


def test_weights_on_a_curve():
    at = np.array([0.0, 0.5])
    np.testing.assert_allclose(hardness.weights_at(HardnessWeighted(2.0), at, 0.9), [1, np.e])
    np.testing.assert_allclose(hardness.weights_at(RelativeHardness(2.0), at, 0.5), [1 / np.e, 1])
    np.testing.assert_allclose(hardness.weights_at(InfoNCE(), at, 0.9), [1, 1])


@pytest.mark.parametrize("name", CASES)
def test_points_lie_on_the_curve(name):
    """The weights of a pool's negatives are those that the curve has at their similarities."""
    effect = hardness.effect(CASES[name].objective, ONE)
    wrong = ONE.wrong[0]
    curve = hardness.weights_at(CASES[name].objective, ONE.similarity[0][wrong], 0.8)
    np.testing.assert_allclose(effect.weight[0][wrong], curve, rtol=1e-9)


RIGHT, WRONG = 0.8, np.array([0.5, 0.2, -0.1])


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (InfoNCE(0.5), np.exp(2 * RIGHT) / (np.exp(2 * RIGHT) + np.exp(2 * WRONG).sum())),
        (GradientAmplifier(3.0, 0.5), np.exp(2 * RIGHT) / (np.exp(2 * RIGHT) + np.exp(2 * WRONG).sum())),
        (HardnessWeighted(3.0, 0.5), np.exp(2 * RIGHT) / (np.exp(2 * RIGHT) + np.exp(5 * WRONG).sum())),
        (
            FocalInfoNCE(0.3, 0.5),
            np.exp(2 * RIGHT**2) / (np.exp(2 * RIGHT**2) + np.exp(2 * WRONG * (WRONG + 0.3)).sum()),
        ),
        (SigLIP(0.5, -1.0), 1 / (1 + np.exp(-(2 * RIGHT - 1)))),
    ],
)
def test_the_probability_of_the_right_answer_by_hand(objective, expected):
    assert hardness.effect(objective, ONE).right == pytest.approx([expected])


@pytest.mark.parametrize("name", CASES)
def test_the_probability_of_the_right_answer_is_one(name):
    for similarity in ([0.8, 0.5, 0.2, -0.1], [-0.3, 0.9, 0.9, 0.2], [-1.0, -1.0, -1.0, -1.0]):
        pool = pools([similarity], [[1, 0, 0, 0]], [[np.nan, 1, 2, 3]])
        assert 0 <= hardness.effect(CASES[name].objective, pool).right[0] <= 1


def test_siglip_weighs_all_alike_but_its_shares_are_not_infonces():
    """The pull on a negative is sigma(s / tau + b) / tau, whatever the others do."""
    effect = hardness.effect(SigLIP(0.5, 1.0), ONE)
    pull = 1 / (1 + np.exp(-(2 * WRONG + 1)))
    np.testing.assert_allclose(effect.share[0], [0, *pull / pull.sum()], rtol=1e-12)
    assert (effect.weight == 1).all()
    assert abs(effect.share - hardness.effect(InfoNCE(0.5), ONE).share).max() > 0.05


def test_a_debiased_mass_on_its_floor_does_not_pull():
    two = pools([[0.9, -0.9, -0.9], [0.1, 0.1, 0.2]], [[1, 0, 0]] * 2, [[np.nan, 1, 2]] * 2)
    assert hardness.effect(Debiased(0.4, 0.1), two).pulls.tolist() == [False, True]
    assert hardness.effect(InfoNCE(0.1), two).pulls.tolist() == [True, True]
