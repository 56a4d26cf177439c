"""The contrast step equals float64 autograd of the printed equations: in tiles, with masks, and over real processes."""

import sys
from functools import partial
from pathlib import Path

import printed_equations as printed
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_cases import CASES
from safetensors.torch import load_file, save_file
from torch import Tensor
from warm_processes import Program, run_together

sys.path.insert(0, str(Path(__file__).parent))

from dense_contrast import dense, make_batch, make_repeats

from core.contrast.contrast import Contrast, value_and_gradient
from core.contrast.known_positives import KnownPositives
from core.contrast.similarity_tiles import EmbeddingBatch, SimilarityTiles, Tile
from core.contrast.tile_log_sum_exp import TileExponentials
from core.objectives.filters import Filters
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Value, shares
from core.objectives.siglip import SigLIP

TAU = 0.02
FILTERS = Filters(exclude_above=0.1, exclude_similar=0.6)
llave = partial(printed.llave, alpha=9.0, tau=TAU)


def assert_equal(found: Contrast, expected: dict[str, Tensor], rtol: float = 1e-8, atol: float = 1e-11) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(getattr(found, name), value, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("negatives", [0, 3])
@pytest.mark.parametrize("filters", [None, FILTERS], ids=["plain", "filtered"])
@pytest.mark.parametrize("reward", [False, True], ids=["policy", "other-reward"])
def test_every_objective_equals_autograd(name: str, negatives: int, filters: Filters | None, reward: bool) -> None:
    objective, equation = CASES[name]
    batch = make_batch(9, seed=negatives, reward=reward, negatives=negatives)
    expected = dense(batch, equation, objective.both_directions, filters)
    for tile_rows in (1, 4, 100):
        assert_equal(value_and_gradient(objective, EmbeddingBatch(**batch), tile_rows, filters=filters), expected)


@settings(max_examples=25)
@given(st.integers(1, 13), st.integers(0, 2**31), st.integers(1, 15), st.integers(0, 3))
def test_batches_of_any_shape(n: int, seed: int, tile_rows: int, negatives: int) -> None:
    batch = make_batch(n, seed, negatives=min(n, negatives))
    found = value_and_gradient(HardnessWeighted(9.0, TAU), EmbeddingBatch(**batch), tile_rows)
    assert_equal(found, dense(batch, llave))


def test_one_direction_alone() -> None:
    batch = make_batch(8, seed=3)
    found = value_and_gradient(HardnessWeighted(9.0, TAU, both_directions=False), EmbeddingBatch(**batch))
    assert_equal(found, dense(batch, llave, both_directions=False))


def test_alpha_zero_is_infonce_bit_for_bit() -> None:
    batch = {name: each.float() if each.is_floating_point() else each for name, each in make_batch(33, 1).items()}
    weighted, plain = (
        value_and_gradient(each, EmbeddingBatch(**batch), 8) for each in (HardnessWeighted(0.0), InfoNCE())
    )
    for name in ("loss", "infonce_loss", "query_gradients", "target_gradients", "hardest"):
        assert torch.equal(getattr(weighted, name), getattr(plain, name)), name


def test_infonce_loss_is_reported_beside_the_weighted_one() -> None:
    batch = make_batch(10, seed=5)
    found = value_and_gradient(HardnessWeighted(9.0, TAU), EmbeddingBatch(**batch))
    plain = dense(batch, partial(printed.infonce, tau=TAU))["loss"]
    torch.testing.assert_close(found.infonce_loss, plain, rtol=1e-10, atol=0)
    assert found.infonce_loss < found.loss


@pytest.mark.parametrize("objective", [InfoNCE(0.07), HardnessWeighted(9.0, 0.07), SigLIP(0.1)], ids=repr)
def test_gradients_of_temperature_and_bias(objective) -> None:
    batch = make_batch(7, seed=2)
    log_tau = torch.tensor(objective.temperature, dtype=torch.float64).log().requires_grad_()
    bias = torch.tensor(getattr(objective, "bias", 0.0), dtype=torch.float64).requires_grad_()
    similarity = batch["queries"] @ batch["targets"].T
    same = (batch["target_ids"][:, None] == batch["target_ids"]) | (batch["query_ids"][:, None] == batch["query_ids"])
    of_rows, of_columns = (printed.anchors(each, each, ~same) for each in (similarity, similarity.T))
    if isinstance(objective, SigLIP):
        loss = printed.mean_loss(lambda a: printed.siglip(a, log_tau.exp(), bias), of_rows)
    else:
        alpha = getattr(objective, "alpha", 0.0)
        both = [
            printed.mean_loss(lambda a: printed.llave(a, alpha, log_tau.exp()), each) for each in (of_rows, of_columns)
        ]
        loss = sum(both) / 2 + 0 * bias
    expected = torch.autograd.grad(loss, (log_tau, bias))
    found = value_and_gradient(objective, EmbeddingBatch(**batch), 3)
    torch.testing.assert_close(found.temperature_gradient, expected[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.bias_gradient, expected[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [0.005, 0.002])
@pytest.mark.parametrize(("side", "row"), [("queries", 4), ("targets", 7)])
def test_anchors_far_below_the_rest_keep_their_digits_in_float32(scale: float, side: str, row: int) -> None:
    """One row, or one column, whose cosines are far below all others': e^(z - max) underflows for it."""
    generator = torch.Generator().manual_seed(0)
    base = torch.nn.functional.normalize(torch.randn(1, 16, generator=generator, dtype=torch.float64), dim=-1)
    near = torch.nn.functional.normalize(base + 0.05 * torch.randn(2, 12, 16, generator=generator).double(), dim=-1)
    batch = make_batch(12, seed=0, duplicates=False, d=16) | {"queries": near[0].clone(), "targets": near[1].clone()}
    batch[side][row] = -batch[side][row]
    exact = value_and_gradient(InfoNCE(scale), EmbeddingBatch(**batch))
    rounded = {name: each.float() if each.is_floating_point() else each for name, each in batch.items()}
    found = value_and_gradient(InfoNCE(scale), EmbeddingBatch(**rounded))
    torch.testing.assert_close(found.loss.double(), exact.loss, rtol=1e-5, atol=0)
    for name in ("query_gradients", "target_gradients"):
        expected = getattr(exact, name)
        error = (getattr(found, name).double() - expected).norm(dim=1) / expected.norm(dim=1)
        assert error.max() < 2e-3, (name, error)
    reference = dense(batch, partial(printed.infonce, tau=scale)) if scale == 0.005 else None
    if reference is not None:
        torch.testing.assert_close(exact.query_gradients, reference["query_gradients"], rtol=1e-7, atol=1e-9)


def test_positives_far_above_all_negatives_need_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trained model: positives near 1, negatives near 0. e^((0 - 1) / 0.01) would underflow beside the positives."""
    batch = make_batch(12, seed=0, duplicates=False, d=64)
    batch["targets"] = torch.nn.functional.normalize(batch["queries"] + 0.01 * batch["targets"], dim=-1)
    exact = value_and_gradient(InfoNCE(0.01), EmbeddingBatch(**batch))
    monkeypatch.setattr(TileExponentials, "logits", None)
    rounded = {name: each.float() if each.is_floating_point() else each for name, each in batch.items()}
    found = value_and_gradient(InfoNCE(0.01), EmbeddingBatch(**rounded))
    torch.testing.assert_close(found.loss.double(), exact.loss, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.query_gradients.double(), exact.query_gradients, rtol=1e-3, atol=1e-20)


def test_gradients_are_orthogonal_to_nothing_but_what_normalising_removes() -> None:
    """papers.md 6.11: through x / |x| the gradient of the raw vector x is orthogonal to x."""
    raw = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    unit = torch.nn.functional.normalize(raw, dim=-1)
    batch = make_batch(6, seed=1, d=5)
    batch["queries"] = unit.detach()
    found = value_and_gradient(HardnessWeighted(9.0, TAU), EmbeddingBatch(**batch))
    (gradient,) = torch.autograd.grad(unit, raw, grad_outputs=found.query_gradients)
    torch.testing.assert_close((raw * gradient).sum(dim=1), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-12)
    assert found.query_gradients.norm() > 1e-3


def test_the_hardest_negative_is_no_duplicate_of_the_positive() -> None:
    batch = make_batch(8, seed=3)
    found = value_and_gradient(InfoNCE(TAU), EmbeddingBatch(**batch))
    similarity = batch["queries"] @ batch["targets"].T
    torch.testing.assert_close(found.positive, similarity.diagonal())
    similarity.fill_diagonal_(-9)
    similarity[0, 7] = similarity[7, 0] = similarity[1, 6] = similarity[6, 1] = -9
    torch.testing.assert_close(found.hardest, similarity.amax(dim=1))


def test_without_any_negative_the_loss_is_zero() -> None:
    batch = make_batch(5, seed=0, duplicates=False)
    batch["target_ids"][:] = 7
    found = value_and_gradient(HardnessWeighted(9.0, TAU), EmbeddingBatch(**batch))
    assert found.loss == 0
    assert found.query_gradients.abs().max() < 1e-15
    assert torch.isinf(found.hardest).all()


@pytest.mark.parametrize("name", CASES)
def test_observers_see_every_row_once_with_its_gradient(name: str) -> None:
    objective = CASES[name].objective
    batch = make_batch(9, seed=2)
    seen: list[tuple[slice, Tensor, Tensor]] = []

    def observe(tile: Tile, value: Value, direction: Tensor) -> None:
        seen.append((tile.rows, value.pull[:, None] * direction, shares(direction).sum(dim=1)))

    value_and_gradient(objective, EmbeddingBatch(**batch), tile_rows=4, observe=observe)
    assert [(rows.start, rows.stop) for rows, _, _ in seen] == [(0, 4), (4, 8), (8, 9)]
    similarity = (batch["queries"] @ batch["targets"].T).requires_grad_()
    same = (batch["target_ids"][:, None] == batch["target_ids"]) | (batch["query_ids"][:, None] == batch["query_ids"])
    loss = printed.mean_loss(CASES[name].equation, printed.anchors(similarity, similarity, ~same))
    (expected,) = torch.autograd.grad(loss * 9, similarity)
    found = torch.cat([gradient for _, gradient, _ in seen])
    torch.testing.assert_close(found, expected.masked_fill(torch.eye(9, dtype=torch.bool), 0), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(torch.cat([total for *_, total in seen]), torch.ones(9, dtype=torch.float64))


def test_bfloat16_embeddings_are_contrasted_in_float32() -> None:
    """papers.md 6.17: bf16 logits near 40 would be 0.25 apart."""
    batch = make_batch(16, seed=4, duplicates=False)
    rounded = batch | {name: batch[name].bfloat16() for name in ("queries", "targets")}
    exact = batch | {name: rounded[name].double() for name in ("queries", "targets")}
    found = value_and_gradient(HardnessWeighted(9.0, TAU), EmbeddingBatch(**rounded))
    assert found.query_gradients.dtype == torch.float32
    torch.testing.assert_close(found.loss.double(), dense(exact, llave)["loss"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["queries", "targets", "negatives"])
def test_embeddings_that_are_not_finite_are_refused(name: str) -> None:
    batch = make_batch(4, seed=0, negatives=3)
    batch[name][2, 1] = float("nan")
    with pytest.raises(ValueError, match=rf"{name}.*not finite"):
        value_and_gradient(InfoNCE(TAU), EmbeddingBatch(**batch))


@pytest.mark.parametrize("missing", ["reward_targets", "negative_ids", "reward_negatives"])
def test_half_a_batch_is_refused(missing: str) -> None:
    batch = make_batch(4, seed=0, reward=True, negatives=2)
    del batch[missing]
    with pytest.raises(ValueError, match="Batch needs"):
        EmbeddingBatch(**batch)


@pytest.mark.parametrize("name", CASES)
def test_whatever_is_known_to_be_right_is_no_negative(name: str) -> None:
    """Queries, targets and negatives of six distinct items: every kind of repeat occurs."""
    objective, equation = CASES[name]
    for seed, n, negatives in ((0, 9, 5), (1, 6, 0), (2, 12, 3)):
        batch = make_repeats(n, seed, negatives)
        batch["known"] = torch.stack([batch["query_ids"][:2], batch["target_ids"][-2:]], dim=1)
        expected = dense(batch, equation, objective.both_directions)
        for tile_rows in (1, 4):
            assert_equal(value_and_gradient(objective, EmbeddingBatch(**batch), tile_rows), expected)


@settings(max_examples=25)
@given(st.integers(1, 13), st.integers(0, 2**31), st.integers(1, 15), st.integers(0, 5), st.integers(1, 9))
def test_repeats_of_any_kind(n: int, seed: int, tile_rows: int, negatives: int, items: int) -> None:
    batch = make_repeats(n, seed, negatives, items)
    found = value_and_gradient(HardnessWeighted(9.0, TAU), EmbeddingBatch(**batch), tile_rows)
    assert_equal(found, dense(batch, llave))


def by_names(pairs: str, negatives: str = "", owners: tuple[int, ...] = (), known: str = "") -> dict[str, Tensor]:
    """Make a batch of items that letters name: "Ab Cd" has the rows (A, b) and (C, d)."""
    vectors = dict(zip("ABCDabcd", make_batch(8, 1, duplicates=False)["queries"], strict=True))
    batch = {}
    for field, ids, letters in (
        ("queries", "query_ids", [pair[0] for pair in pairs.split()]),
        ("targets", "target_ids", [pair[1] for pair in pairs.split()]),
        ("negatives", "negative_ids", list(negatives)),
    ):
        if letters:
            batch |= {field: torch.stack([vectors[each] for each in letters]), ids: torch.tensor([*map(ord, letters)])}
    if negatives:
        batch["negative_owners"] = torch.tensor(owners)
    if known:
        batch["known"] = torch.tensor([[ord(query), ord(item)] for query, item in known.split()])
    return batch


@pytest.mark.parametrize(
    ("batch", "left"),
    [
        (by_names("Aa Bb"), 2),
        (by_names("Aa Ab Bb"), 1),  # known positives travel: B's target b is right for A in its first row too
        (by_names("Aa Bb", known="Ab"), 1),
        (by_names("Aa Bb", known="Ac Cb"), 2),  # of items that the batch does not hold
        (by_names("Aa Ab", "b", (0,)), 0),  # an explicit negative that another row names as right
        (by_names("AB Bc"), 1),  # B as a target is B's own item
        (by_names("Aa Bb", "A", (1,)), 3),  # A as a negative is A's own item
    ],
)
def test_pairs_that_stay_negatives(batch: dict[str, Tensor], left: int) -> None:
    """Counts of (row, column) pairs that are negatives, with tiles of one row; the same pairs in both directions."""
    tiles = SimilarityTiles(EmbeddingBatch(**batch), 1)
    marked = torch.cat([tile.only_negatives(torch.ones_like(tile.pairs.similarity), 0)[0] for tile in tiles])
    assert int(marked.sum()) == left


def test_batches_without_repeats_keep_nothing_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownPositives, "mask", None)
    for negatives in (0, 3):
        batch = make_batch(9, seed=0, duplicates=False, negatives=negatives)
        if negatives:
            batch["negative_ids"][0] = 4999
        assert SimilarityTiles(EmbeddingBatch(**batch)).known_positives.rows(slice(0, 9)) is None
        value_and_gradient(InfoNCE(TAU), EmbeddingBatch(**batch), 4)


def run_ranks(world: int, batch: dict[str, Tensor], tile_rows: int, folder: Path) -> list[dict[str, Tensor]]:
    """The contrast step of every objective on `world` real gloo processes; each rank's results."""
    save_file({name: value.contiguous() for name, value in batch.items()}, folder / "batch.safetensors")
    program = Path(__file__).with_name("rank_program.py")
    told = [[program, str(rank), str(world), folder / "rendezvous", folder, str(tile_rows)] for rank in range(world)]
    done = run_together([Program(arguments) for arguments in told], timeout_s=120)
    assert [each.returncode for each in done] == [0] * world, "\n".join(each.stderr for each in done)
    return [load_file(folder / f"{rank}.safetensors") for rank in range(world)]


def compare_ranks(world: int, batch: dict[str, Tensor], folder: Path) -> None:
    """Every objective's results on real processes are those of the whole matrix."""
    ranks = run_ranks(world, batch, 2, folder)
    for name, case in CASES.items():
        for label, filters in (("plain", None), ("filtered", FILTERS)):
            expected = dense(batch, case.equation, case.objective.both_directions, filters)
            for field, value in expected.items():
                parts = [each[f"{name}/{label}/{field}"] for each in ranks if f"{name}/{label}/{field}" in each]
                found = torch.cat(parts) if value.dim() else parts[0]
                torch.testing.assert_close(found, value, rtol=1e-8, atol=1e-11, msg=f"{name}/{label}/{field}")
                assert value.dim() or all(torch.equal(each, parts[0]) for each in parts)


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("reward", "negatives"), [(False, 0), (True, 5)])
def test_real_processes_give_the_gradients_of_one(world: int, reward: bool, negatives: int, tmp_path: Path) -> None:
    compare_ranks(world, make_batch(12, seed=11, reward=reward, negatives=negatives), tmp_path)


def test_what_one_process_knows_to_be_right_is_no_negative_of_another(tmp_path: Path) -> None:
    batch = make_repeats(12, seed=3, negatives=5, items=8)
    batch["known"] = torch.stack([batch["query_ids"][:3], batch["target_ids"][-3:]], dim=1)
    compare_ranks(2, batch, tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_symmetric_infonce_equals_transformers_clip_loss() -> None:
    """An outside oracle for both directions: loss and gradients."""
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    batch = make_batch(9, seed=6, duplicates=False)
    q, t = (batch[name].clone().requires_grad_() for name in ("queries", "targets"))
    loss = image_text_contrastive_loss(q @ t.T / 0.07)
    expected = dict(zip(("query_gradients", "target_gradients"), torch.autograd.grad(loss, (q, t)), strict=True))
    assert_equal(value_and_gradient(InfoNCE(0.07), EmbeddingBatch(**batch), 4), expected | {"loss": loss.detach()})
