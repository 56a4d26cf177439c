"""The weighted softmax against closed forms, autograd of independently written equations, and papers' identities."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import row_terms

TAU = 0.02
S2 = torch.tensor([[0.6, 0.5], [0.4, 0.7]], dtype=torch.float64)
S3 = torch.tensor([[0.70, 0.55, -0.10], [0.62, 0.66, 0.20], [0.05, 0.30, 0.50]], dtype=torch.float64)


def eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.bool)


def random_similarities(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(2, n, 8, generator=generator, dtype=torch.float64), dim=-1)
    return vectors[0] @ vectors[1].T


def llave_equation_5(similarity: Tensor, alpha: float, tau: float, detach: bool = True) -> Tensor:
    """LLaVE eq. 5 as printed: weights multiply the exponentials of negatives. Mean over rows."""
    losses = []
    for i, row in enumerate(similarity):
        reward = row.detach() if detach else row
        negatives = [torch.exp(alpha * reward[j]) * torch.exp(row[j] / tau) for j in range(len(row)) if j != i]
        positive = torch.exp(row[i] / tau)
        losses.append(-torch.log(positive / (positive + sum(negatives))))
    return torch.stack(losses).mean()


class TestFixtures:
    """papers.md 6.14 and 6.15."""

    @pytest.mark.parametrize(
        ("alpha", "rows", "columns"),
        [
            (0.0, 0.003357827195695882, 2 * 0.0017016130474563763 - 0.003357827195695882),
            (9.0, 0.2370440898011401, 0.002869310842308138),
        ],
    )
    def test_two_by_two_losses(self, alpha: float, rows: float, columns: float) -> None:
        objective = HardnessWeighted(alpha, TAU)
        assert row_terms(objective, S2, eye(2)).loss.mean().item() == pytest.approx(rows, rel=1e-12)
        assert row_terms(objective, S2.T, eye(2)).loss.mean().item() == pytest.approx(columns, rel=1e-9)

    def test_two_by_two_gradients(self) -> None:
        plain = row_terms(InfoNCE(TAU), S2, eye(2)).gradient / 2
        expected = torch.tensor([[-0.167321273, 0.167321273], [7.647556e-6, -7.647556e-6]], dtype=torch.float64)
        torch.testing.assert_close(plain, expected, rtol=1e-6, atol=1e-11)
        weighted = row_terms(HardnessWeighted(9.0, TAU), S2, eye(2)).gradient / 2
        expected = torch.tensor([[-9.43851672, 9.43851672], [2.798840e-4, -2.798840e-4]], dtype=torch.float64)
        torch.testing.assert_close(weighted, expected, rtol=1e-6, atol=1e-9)

    def test_two_by_two_symmetric_gradient(self) -> None:
        objective = HardnessWeighted(9.0, TAU)
        rows, columns = row_terms(objective, S2, eye(2)), row_terms(objective, S2.T, eye(2))
        symmetric = (rows.gradient + columns.gradient.T) / 4
        expected = [[-4.739993373, 4.770135081], [0.020874955, -0.051016663]]
        torch.testing.assert_close(symmetric, torch.tensor(expected, dtype=torch.float64), rtol=1e-8, atol=1e-9)
        loss = (rows.loss.mean() + columns.loss.mean()) / 2
        assert loss.item() == pytest.approx(0.11995670032172412, rel=1e-12)

    def test_two_by_two_probabilities(self) -> None:
        terms = row_terms(HardnessWeighted(9.0, TAU), S2, eye(2))
        expected = torch.tensor([0.6224593312, 0.3775406688], dtype=torch.float64)
        torch.testing.assert_close(terms.probability[0], expected, rtol=1e-9, atol=0)

    def test_three_by_three(self) -> None:
        assert row_terms(InfoNCE(TAU), S3, eye(3)).loss.mean().item() == pytest.approx(0.042508780559039554, rel=1e-12)
        terms = row_terms(HardnessWeighted(9.0, TAU), S3, eye(3))
        assert terms.loss.mean().item() == pytest.approx(1.2277842603957627, rel=1e-12)
        expected = torch.tensor([16.21467138, -16.21467138, 0.0], dtype=torch.float64)
        torch.testing.assert_close(terms.gradient[1] / 3, expected, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 9.0, 30.0])
def test_loss_and_gradient_equal_autograd_of_the_printed_equation(alpha: float) -> None:
    similarity = random_similarities(7, seed=1).requires_grad_()
    loss = llave_equation_5(similarity, alpha, TAU)
    (gradient,) = torch.autograd.grad(loss, similarity)
    terms = row_terms(HardnessWeighted(alpha, TAU), similarity.detach(), eye(7))
    torch.testing.assert_close(terms.loss.mean(), loss.detach(), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(terms.gradient / 7, gradient, rtol=1e-10, atol=1e-13)


def test_alpha_zero_is_infonce_bit_for_bit() -> None:
    similarity = random_similarities(9, seed=2).float()
    weighted, plain = (
        row_terms(HardnessWeighted(0.0, TAU), similarity, eye(9)),
        row_terms(InfoNCE(TAU), similarity, eye(9)),
    )
    for name in ("loss", "probability", "weight", "gradient", "share"):
        assert torch.equal(getattr(weighted, name), getattr(plain, name)), name


@pytest.mark.parametrize("alpha", [0.0, 9.0, 100.0])
def test_a_single_pair_has_no_loss_and_no_gradient(alpha: float) -> None:
    terms = row_terms(HardnessWeighted(alpha, TAU), torch.tensor([[0.3]]), eye(1))
    assert terms.loss.item() == 0
    assert terms.gradient.item() == 0


def test_without_the_stop_gradient_negatives_pull_1_18_times_as_much() -> None:
    """papers.md 6.4 and 6.5: the factor is 1 + alpha tau, positives are unchanged, row sums leave 0."""
    similarity = random_similarities(6, seed=3).requires_grad_()
    (leaky,) = torch.autograd.grad(llave_equation_5(similarity, 9.0, TAU, detach=False), similarity)
    ours = row_terms(HardnessWeighted(9.0, TAU), similarity.detach(), eye(6)).gradient / 6
    negatives = ~eye(6)
    torch.testing.assert_close(leaky[negatives], 1.18 * ours[negatives], rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(leaky.diagonal(), ours.diagonal(), rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(ours.sum(dim=1), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-13)
    assert leaky.sum(dim=1).abs().max() > 1e-3


@given(st.integers(2, 12), st.integers(0, 2**31), st.floats(0, 30))
def test_temperature_and_margin_view(n: int, seed: int, alpha: float) -> None:
    """papers.md 6.6: P is the softmax of (1/tau + alpha) s for negatives and s/tau for the positive."""
    similarity = random_similarities(n, seed)
    terms = row_terms(HardnessWeighted(alpha, TAU), similarity, eye(n))
    logits = torch.where(eye(n), similarity / TAU, (1 / TAU + alpha) * similarity)
    torch.testing.assert_close(terms.probability, torch.softmax(logits, dim=1), rtol=1e-9, atol=1e-15)


def test_relative_hardness_is_infonce_at_a_lower_temperature() -> None:
    """papers.md 6.7: weights e^(beta (s_ij - s_ii)) give the gradient of InfoNCE at tau / (1 + beta tau), scaled."""
    beta, lower = 9.0, TAU / (1 + 9.0 * TAU)
    similarity = random_similarities(6, seed=8).requires_grad_()
    relative = (similarity - similarity.diagonal()[:, None]).detach()
    loss = torch.nn.functional.cross_entropy(similarity / TAU + beta * relative, torch.arange(6))
    (gradient,) = torch.autograd.grad(loss, similarity)
    terms = row_terms(InfoNCE(lower), similarity.detach(), eye(6))
    torch.testing.assert_close(gradient, terms.gradient / 6 * lower / TAU, rtol=1e-9, atol=1e-12)
    fixture = row_terms(InfoNCE(lower), S2, eye(2)).loss.mean().item()
    assert fixture == pytest.approx(0.0013678599684291133, rel=1e-9)


@given(st.integers(3, 10), st.integers(0, 2**31))
def test_permuting_pairs_permutes_everything(n: int, seed: int) -> None:
    similarity = random_similarities(n, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    terms = row_terms(HardnessWeighted(9.0, TAU), similarity, eye(n))
    permuted = row_terms(HardnessWeighted(9.0, TAU), similarity[order][:, order], eye(n))
    torch.testing.assert_close(permuted.gradient, terms.gradient[order][:, order], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(permuted.share, terms.share[order][:, order], rtol=1e-10, atol=1e-12)


def test_a_duplicate_of_the_positive_sets_a_floor_unless_it_is_excluded() -> None:
    """papers.md 6.10: floor log(1 + e^(alpha s)): .693 at alpha 0, 6.30 at alpha 9 and s = .7."""
    similarity = torch.tensor([[0.7, 0.7, -0.9]], dtype=torch.float64)
    positive = torch.tensor([[True, False, False]])
    twin = torch.tensor([[False, True, False]])
    assert row_terms(InfoNCE(TAU), similarity, positive).loss.item() == pytest.approx(0.6931, abs=1e-4)
    terms = row_terms(HardnessWeighted(9.0, TAU), similarity, positive)
    assert terms.loss.item() == pytest.approx(6.30, abs=0.01)
    assert terms.probability[0, 0].item() == pytest.approx(0.0018, abs=1e-4)
    masked = row_terms(HardnessWeighted(9.0, TAU), similarity, positive, twin)
    assert masked.loss.item() < 1e-12
    assert masked.weight[0, 1].item() == masked.gradient[0, 1].item() == masked.share[0, 1].item() == 0


def test_shares_are_exact_where_the_positive_takes_all_probability() -> None:
    similarity = torch.tensor([[0.99, -0.5, -0.5, -0.9]])
    terms = row_terms(HardnessWeighted(9.0, TAU), similarity, torch.tensor([[True, False, False, False]]))
    assert terms.probability[0, 0] == 1
    torch.testing.assert_close(terms.share[0, 1:3], torch.tensor([0.5, 0.5]))
    assert terms.effective_negatives.item() == pytest.approx(2.0, abs=1e-4)


def test_a_frozen_reward_sets_the_weights() -> None:
    similarity, reward = random_similarities(5, 4), random_similarities(5, 5)
    terms = row_terms(HardnessWeighted(9.0, TAU), similarity, eye(5), reward=reward)
    torch.testing.assert_close(terms.weight[~eye(5)], torch.exp(9 * reward[~eye(5)]))
    logits = torch.where(eye(5), similarity / TAU, similarity / TAU + 9 * reward)
    torch.testing.assert_close(terms.probability, torch.softmax(logits, dim=1))


@pytest.mark.filterwarnings("ignore")
def test_query_to_target_equals_sentence_transformers() -> None:
    """An outside oracle for loss and gradient: its MultipleNegativesRankingLoss with hardness weights."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    generator = torch.Generator().manual_seed(0)
    queries, targets = torch.randn(2, 6, 16, generator=generator, dtype=torch.float64)
    queries.requires_grad_()
    loss = MultipleNegativesRankingLoss(None, scale=50, hardness_mode="in_batch_negatives", hardness_strength=9)  # type: ignore[arg-type]
    theirs = loss.compute_loss_from_embeddings([queries, targets], None)
    (their_gradient,) = torch.autograd.grad(theirs, queries)
    ours_queries = queries.detach().requires_grad_()
    similarity = torch.nn.functional.normalize(ours_queries, dim=-1) @ torch.nn.functional.normalize(targets, dim=-1).T
    terms = row_terms(HardnessWeighted(9.0, TAU), similarity.detach(), eye(6))
    (our_gradient,) = torch.autograd.grad(similarity, ours_queries, grad_outputs=terms.gradient / 6)
    assert terms.loss.mean().item() == pytest.approx(theirs.item(), rel=1e-12)
    torch.testing.assert_close(our_gradient, their_gradient, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("temperature", [0.0, -1.0, 11.0, float("nan")])
def test_a_temperature_out_of_range_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        InfoNCE(temperature)


@pytest.mark.parametrize("alpha", [-0.1, 101.0, float("nan")])
def test_an_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        HardnessWeighted(alpha)
