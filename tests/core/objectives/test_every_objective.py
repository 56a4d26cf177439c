"""Every objective against autograd of its printed equation, and the properties that all of them share."""

import printed_equations as printed
import pytest
import torch
from torch import Tensor

from core.objectives.amplifier import GradientAmplifier
from core.objectives.debiased import Debiased
from core.objectives.hard_debiased import HardDebiased
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import row_terms
from core.objectives.relative import RelativeHardness

FIELDS = ("loss", "probability", "weight", "gradient", "share")


def eye(rows: int, columns: int) -> Tensor:
    return torch.eye(rows, columns, dtype=torch.bool)


def similarities(rows: int, columns: int, seed: int) -> Tensor:
    """Cosines of random unit vectors; the positives lie a little above the others, as in training."""
    generator = torch.Generator().manual_seed(seed)
    q = torch.nn.functional.normalize(torch.randn(rows, 6, generator=generator, dtype=torch.float64), dim=-1)
    t = torch.nn.functional.normalize(torch.randn(columns, 6, generator=generator, dtype=torch.float64), dim=-1)
    t[: min(rows, columns)] += q[: min(rows, columns)] * 0.3
    return q @ torch.nn.functional.normalize(t, dim=-1).T


def block(seed: int) -> dict[str, Tensor]:
    """5 rows over 9 columns of which the last 4 are explicit negatives; one pair is excluded."""
    similarity, reward = similarities(5, 9, seed), similarities(5, 9, seed + 100)
    excluded, own = torch.zeros(5, 9, dtype=torch.bool), torch.zeros(5, 9, dtype=torch.bool)
    excluded[0, 3] = excluded[2, 7] = True
    own[0, 5] = own[1, 6] = own[3, 7] = own[3, 8] = True
    return {"similarity": similarity, "reward": reward, "excluded": excluded, "own": own}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("policy", [True, False])
def test_loss_and_gradient_equal_autograd_of_the_printed_equation(case, seed: int, policy: bool) -> None:
    given = block(seed)
    similarity = given["similarity"].requires_grad_()
    reward = similarity if policy else given["reward"]
    negative = ~eye(5, 9) & ~given["excluded"]
    loss = printed.mean_loss(case.equation, printed.anchors(similarity, reward, negative, given["own"]))
    (gradient,) = torch.autograd.grad(loss, similarity)
    terms = row_terms(
        case.objective,
        similarity.detach(),
        eye(5, 9),
        given["excluded"],
        None if policy else reward,
        given["own"],
    )
    torch.testing.assert_close(terms.loss.mean(), loss.detach(), rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(terms.gradient / 5, gradient, rtol=1e-8, atol=1e-11)


def test_shares_are_the_negatives_parts_of_the_gradient(case) -> None:
    given = block(3)
    terms = row_terms(case.objective, given["similarity"], eye(5, 9), given["excluded"], None, given["own"])
    size = terms.gradient.abs().masked_fill(eye(5, 9), 0)
    expected = size / size.sum(dim=1, keepdim=True)
    pulled = (size.sum(dim=1) > 0).nonzero().flatten()
    torch.testing.assert_close(terms.share[pulled], expected[pulled], rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(terms.share.sum(dim=1), torch.ones(5, dtype=torch.float64))
    assert (terms.share[given["excluded"] | eye(5, 9)] == 0).all()
    assert ((terms.effective_negatives >= 1 - 1e-12) & (terms.effective_negatives <= 8 + 1e-12)).all()


def test_permuting_pairs_permutes_everything(case) -> None:
    similarity = similarities(7, 7, 5)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    terms = row_terms(case.objective, similarity, eye(7, 7))
    permuted = row_terms(case.objective, similarity[order][:, order], eye(7, 7))
    torch.testing.assert_close(permuted.loss, terms.loss[order], rtol=1e-10, atol=1e-12)
    for name in FIELDS[1:]:
        torch.testing.assert_close(
            getattr(permuted, name), getattr(terms, name)[order][:, order], rtol=1e-10, atol=1e-12
        )


def test_an_anchor_without_negatives_is_pulled_by_nothing(case) -> None:
    terms = row_terms(case.objective, torch.tensor([[0.3, 0.9]]), eye(1, 2), torch.tensor([[False, True]]))
    assert terms.gradient[0, 1] == 0
    assert torch.isfinite(terms.gradient).all()
    assert torch.isfinite(terms.loss).all()
    assert (terms.share == 0).all()
    if type(case.objective).__name__ != "SigLIP":
        assert terms.loss.item() == 0
        assert terms.gradient[0, 0].item() == 0


def test_the_loss_is_finite_in_float32_at_the_ends_of_the_scale(case) -> None:
    worst = torch.tensor([[-1.0, 1.0, 1.0], [1.0, -1.0, -1.0]])
    terms = row_terms(case.objective, worst, torch.tensor([[True, False, False]] * 2))
    for name in ("loss", "probability", "gradient", "share"):
        assert torch.isfinite(getattr(terms, name)).all(), name
    assert (terms.loss[0] >= terms.loss[1]).all()


@pytest.mark.parametrize(
    "objective",
    [HardnessWeighted(0.0), HardnessWeighted(9.0, weigh="explicit"), RelativeHardness(0.0)],
    ids=lambda each: type(each).__name__,
)
def test_strength_zero_is_infonce_bit_for_bit(objective) -> None:
    similarity = similarities(9, 9, 2).float()
    weighted, plain = (row_terms(each, similarity, eye(9, 9)) for each in (objective, InfoNCE(0.02)))
    for name in FIELDS:
        assert torch.equal(getattr(weighted, name), getattr(plain, name)), name


def test_other_objectives_meet_infonce_where_their_papers_say_so() -> None:
    similarity = similarities(9, 9, 2)
    plain = row_terms(InfoNCE(0.3), similarity, eye(9, 9))
    for objective in (Debiased(0.0, 0.3), HardDebiased(0.0, 0.0, 0.3), GradientAmplifier(0.0, 0.3)):
        terms = row_terms(objective, similarity, eye(9, 9))
        torch.testing.assert_close(terms.loss, plain.loss, rtol=1e-12, atol=0)
        torch.testing.assert_close(terms.gradient, plain.gradient, rtol=1e-10, atol=1e-14)


def test_focal_slope() -> None:
    """papers.md 6.16: at s = .4, m = .3, tau = .05 a negative's logit rises by 22 per unit of similarity."""
    from core.objectives.focal import FocalInfoNCE
    from core.objectives.objective import PairSimilarities

    seen = torch.tensor([0.4], dtype=torch.float64)
    assert FocalInfoNCE(0.3, 0.05).slopes(PairSimilarities(seen, seen))[0].item() == pytest.approx(22.0)


def test_hcl_with_constant_weights_is_llave_with_weights_of_mean_one() -> None:
    """papers.md 6.16: beta = alpha tau, prior 0, detached weights."""
    similarity = similarities(6, 6, 4)
    llave = row_terms(HardnessWeighted(9.0, 0.02), similarity, eye(6, 6))
    weights = llave.weight / llave.weight.masked_fill(eye(6, 6), 0).sum(dim=1, keepdim=True) * 5
    z = torch.where(eye(6, 6), similarity / 0.02, similarity / 0.02 + torch.log(weights))
    expected = torch.logsumexp(z, dim=1) - z.diagonal()
    found = row_terms(HardDebiased(9.0 * 0.02, 0.0, 0.02), similarity, eye(6, 6)).loss
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_several_positives_of_a_query_are_rows_that_leave_each_other_out() -> None:
    """The mean over positives of the loss against the negatives alone (SupCon's outer sum without rival positives)."""
    similarity = torch.tensor([[0.6, 0.5, 0.4, 0.1]], dtype=torch.float64)
    rows = similarity.expand(2, 4)
    positive = torch.tensor([[True, False, False, False], [False, True, False, False]])
    excluded = torch.tensor([[False, True, False, False], [True, False, False, False]])
    found = row_terms(InfoNCE(0.1), rows, positive, excluded).loss.mean()
    negatives = torch.exp(similarity[0, 2:] / 0.1).sum()
    each = [-torch.log(torch.exp(s / 0.1) / (torch.exp(s / 0.1) + negatives)) for s in similarity[0, :2]]
    torch.testing.assert_close(found, torch.stack(each).mean())
