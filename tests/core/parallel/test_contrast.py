"""The contrast step equals float64 autograd of the dense loss: in tiles, with masks, and over real processes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.softmax import negative_shares
from core.parallel.contrast import Batch, Tile, value_and_gradient

TAU = 0.02


def make_batch(n: int, seed: int, duplicates: bool = True, reward: bool = False, d: int = 8) -> dict[str, Tensor]:
    """Random unit vectors; with duplicates, some pairs share a target or a query, ids and vectors alike."""
    generator = torch.Generator().manual_seed(seed)
    q, t, rq, rt = torch.nn.functional.normalize(torch.randn(4, n, d, generator=generator, dtype=torch.float64), dim=-1)
    query_ids, target_ids = torch.arange(n), torch.arange(n) + 1000
    if duplicates and n >= 4:
        t[n - 1], target_ids[n - 1] = t[0], target_ids[0]
        q[n - 2], query_ids[n - 2] = q[1], query_ids[1]
    batch = {"queries": q, "targets": t, "query_ids": query_ids, "target_ids": target_ids}
    return batch | ({"reward_queries": rq, "reward_targets": rt} if reward else {})


def dense(batch: dict[str, Tensor], alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """The symmetric masked loss written out over the whole matrix, and autograd's gradients."""
    q, t = batch["queries"].clone().requires_grad_(), batch["targets"].clone().requires_grad_()
    n = len(q)
    similarity = q @ t.T
    reward = similarity.detach()
    if "reward_queries" in batch:
        reward = batch["reward_queries"] @ batch["reward_targets"].T
    diagonal = torch.eye(n, dtype=torch.bool)
    z = similarity / TAU + torch.where(diagonal, 0, alpha * reward)
    same = (batch["target_ids"][:, None] == batch["target_ids"]) | (batch["query_ids"][:, None] == batch["query_ids"])
    z = z.masked_fill(same & ~diagonal, -torch.inf)
    labels = torch.arange(n)
    loss = (torch.nn.functional.cross_entropy(z, labels) + torch.nn.functional.cross_entropy(z.T, labels)) / 2
    return loss.detach(), *torch.autograd.grad(loss, (q, t))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 14), st.integers(0, 2**31), st.sampled_from([0.0, 9.0]), st.integers(1, 16), st.booleans())
def test_equals_autograd_for_any_tile(n: int, seed: int, alpha: float, tile_rows: int, reward: bool) -> None:
    batch = make_batch(n, seed, reward=reward)
    found = value_and_gradient(HardnessWeighted(alpha, TAU), Batch(**batch), tile_rows)
    loss, of_queries, of_targets = dense(batch, alpha)
    torch.testing.assert_close(found.loss, loss, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(found.query_gradients, of_queries, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.target_gradients, of_targets, rtol=1e-9, atol=1e-12)


def test_infonce_loss_is_reported_beside_the_weighted_one() -> None:
    batch = make_batch(10, seed=5)
    found = value_and_gradient(HardnessWeighted(9.0, TAU), Batch(**batch))
    torch.testing.assert_close(found.infonce_loss, dense(batch, 0.0)[0], rtol=1e-10, atol=0)
    assert found.infonce_loss < found.loss


def test_gradients_are_orthogonal_to_nothing_but_what_normalising_removes() -> None:
    """papers.md 6.11: through x / |x| the gradient of the raw vector x is orthogonal to x."""
    raw = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    unit = torch.nn.functional.normalize(raw, dim=-1)
    batch = make_batch(6, seed=1, d=5)
    batch["queries"] = unit.detach()
    found = value_and_gradient(HardnessWeighted(9.0, TAU), Batch(**batch))
    (gradient,) = torch.autograd.grad(unit, raw, grad_outputs=found.query_gradients)
    torch.testing.assert_close((raw * gradient).sum(dim=1), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-12)
    assert found.query_gradients.norm() > 1e-3


def test_the_hardest_negative_is_no_duplicate_of_the_positive() -> None:
    batch = make_batch(8, seed=3)
    found = value_and_gradient(InfoNCE(TAU), Batch(**batch))
    similarity = batch["queries"] @ batch["targets"].T
    torch.testing.assert_close(found.positive, similarity.diagonal())
    similarity.fill_diagonal_(-9)
    similarity[0, 7] = similarity[7, 0] = similarity[1, 6] = similarity[6, 1] = -9
    torch.testing.assert_close(found.hardest, similarity.amax(dim=1))


def test_without_any_negative_the_loss_is_zero() -> None:
    batch = make_batch(5, seed=0, duplicates=False)
    batch["target_ids"][:] = 7
    found = value_and_gradient(HardnessWeighted(9.0, TAU), Batch(**batch))
    assert found.loss == 0
    assert found.query_gradients.abs().max() < 1e-15
    assert torch.isinf(found.hardest).all()


def test_observers_see_every_row_once_with_normalised_probabilities() -> None:
    batch = make_batch(9, seed=2)
    seen: list[tuple[slice, Tensor, Tensor]] = []

    def observe(tile: Tile, log_probability: Tensor) -> None:
        seen.append((tile.rows, log_probability.exp().sum(dim=1), negative_shares(log_probability, tile.positive)))

    value_and_gradient(HardnessWeighted(9.0, TAU), Batch(**batch), tile_rows=4, observe=observe)
    assert [(rows.start, rows.stop) for rows, _, _ in seen] == [(0, 4), (4, 8), (8, 9)]
    for _, total, shares in seen:
        torch.testing.assert_close(total, torch.ones_like(total))
        torch.testing.assert_close(shares.sum(dim=1), torch.ones_like(total))


def test_bfloat16_embeddings_are_contrasted_in_float32() -> None:
    """papers.md 6.17: bf16 logits near 40 would be 0.25 apart."""
    batch = make_batch(16, seed=4, duplicates=False)
    rounded = batch | {name: batch[name].bfloat16() for name in ("queries", "targets")}
    exact = batch | {name: rounded[name].double() for name in ("queries", "targets")}
    found = value_and_gradient(HardnessWeighted(9.0, TAU), Batch(**rounded))
    assert found.query_gradients.dtype == torch.float32
    torch.testing.assert_close(found.loss.double(), dense(exact, 9.0)[0], rtol=1e-5, atol=0)


def test_embeddings_that_are_not_finite_are_refused() -> None:
    batch = make_batch(4, seed=0)
    batch["targets"][2, 1] = float("nan")
    with pytest.raises(ValueError, match=r"targets.*not finite"):
        value_and_gradient(InfoNCE(TAU), Batch(**batch))


def test_half_a_reward_is_refused() -> None:
    batch = make_batch(4, seed=0, reward=True)
    del batch["reward_targets"]
    with pytest.raises(ValueError, match="reward"):
        Batch(**batch)


def run_ranks(
    world: int, batch: dict[str, Tensor], alpha: float, tile_rows: int, folder: Path
) -> list[dict[str, Tensor]]:
    """The contrast step on `world` real gloo processes; each rank's result."""
    save_file({name: value.contiguous() for name, value in batch.items()}, folder / "batch.safetensors")
    program = Path(__file__).with_name("rank_program.py")
    arguments = [str(world), str(folder / "rendezvous"), str(folder / "batch.safetensors"), str(folder)]
    jobs = [
        subprocess.Popen([sys.executable, str(program), str(rank), *arguments, str(alpha), str(tile_rows)])
        for rank in range(world)
    ]
    assert [job.wait(timeout=120) for job in jobs] == [0] * world
    return [load_file(folder / f"{rank}.safetensors") for rank in range(world)]


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("reward", [False, True])
def test_real_processes_give_the_gradients_of_one(world: int, reward: bool, tmp_path: Path) -> None:
    batch = make_batch(12, seed=11, reward=reward)
    loss, of_queries, of_targets = dense(batch, 9.0)
    ranks = run_ranks(world, batch, 9.0, 2, tmp_path)
    for found in ranks:
        torch.testing.assert_close(found["loss"], loss, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        torch.cat([each["query_gradients"] for each in ranks]), of_queries, rtol=1e-9, atol=1e-12
    )
    torch.testing.assert_close(
        torch.cat([each["target_gradients"] for each in ranks]), of_targets, rtol=1e-9, atol=1e-12
    )
