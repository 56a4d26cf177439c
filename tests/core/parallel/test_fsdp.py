"""Training over real processes, whole or sharded, equals autograd of the dense loss in one process."""

import importlib.util
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor
from warm_processes import Program, run_together

from core.checkpoints.consolidate import ConsolidateSettings, consolidate
from core.checkpoints.sharded import load_sharded, load_weights, save_sharded, stored
from core.data.records import Item, Text
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.parallel import fsdp as sharding

PROGRAM = Path(__file__).with_name("fsdp_program.py")
SPEC = importlib.util.spec_from_file_location("fsdp_program", PROGRAM)
assert SPEC is not None
assert SPEC.loader is not None
program = importlib.util.module_from_spec(SPEC)
sys.modules["fsdp_program"] = program
SPEC.loader.exec_module(program)

WORLDS = [2, pytest.param(4, marks=pytest.mark.slow)]


def run_ranks(program: Path, arguments: Sequence[str], world: int, folder: Path, timeout_s: float = 300) -> list[str]:
    """Run a program on `world` gloo processes, and return what they print; when one fails, the others are killed.

    The rendezvous file is new: a job that finds the file of an earlier one waits for processes that are gone.
    """
    rendezvous = Path(tempfile.mkdtemp(dir=folder)) / "rendezvous"
    jobs = [Program([program, str(rank), str(world), rendezvous, *arguments]) for rank in range(world)]
    done = run_together(jobs, timeout_s)
    printed = [each.stdout + each.stderr for each in done]
    assert [each.returncode for each in done] == [0] * world, "\n".join(printed)
    return printed


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished job of some world size."""

    @cache
    def finished(world: int) -> Path:
        out = tmp_path_factory.mktemp(f"world-{world}")
        program.embedder_of("full").save(out / "base")
        run_ranks(PROGRAM, ["train", str(out)], world, out)
        return out

    return finished


def dense_loss(embedder: Embedder, step: int) -> Tensor:
    """The symmetric masked loss of all pairs, written out over the whole matrix; nothing cached, tiled or shared."""
    pairs = program.pairs(step)
    vectors = [
        torch.stack([embedder(embedder.collate([embedder.prepare(item)]))[0] for item in items])
        for items in ([pair.query for pair in pairs], [pair.positive for pair in pairs])
    ]
    names = [[pair.query.content_id for pair in pairs], [pair.positive.content_id for pair in pairs]]
    similarity = vectors[0] @ vectors[1].T
    diagonal = torch.eye(len(pairs), dtype=torch.bool)
    z = similarity / 0.05 + torch.where(diagonal, 0, 9.0 * similarity.detach())
    same = torch.tensor([[a == b or c == d for b, d in zip(*names, strict=True)] for a, c in zip(*names, strict=True)])
    z = z.masked_fill(same & ~diagonal, -torch.inf)
    labels = torch.arange(len(pairs))
    return (torch.nn.functional.cross_entropy(z, labels) + torch.nn.functional.cross_entropy(z.T, labels)) / 2


@cache
def reference(training: str) -> dict[str, Tensor]:
    """Two steps of one process by autograd, torch's clipping and a plain AdamW."""
    embedder = program.embedder_of(training)
    weights = {name: weight for name, weight in embedder.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.01, weight_decay=0.1)
    found: dict[str, Tensor] = {}
    for step, prefix in enumerate(("", "second/")):
        loss = dense_loss(embedder, step)
        loss.backward()
        for name, weight in weights.items():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            found[f"{prefix}gradient/{name}"] = weight.grad.clone()
        found[f"{prefix}loss"] = loss.detach()
        found[f"{prefix}norm"] = torch.nn.utils.clip_grad_norm_(weights.values(), program.CLIP)
        optimizer.step()
        optimizer.zero_grad()
    return found | {f"weight/{name}": weight.detach().clone() for name, weight in embedder.named_parameters()}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Everything expected was found, equal to rounding."""
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-7, atol=1e-10, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("case", program.CASES, ids=lambda case: case.name)
def test_two_steps_over_processes_equal_those_of_one(case, world, trained):
    out = trained(world)
    ranks = [load_file(out / f"{case.name}-{rank}.safetensors") for rank in range(world)]
    assert len({int(each["passes"]) for each in ranks}) > 1, "the ranks should have different numbers of chunks"
    assert reference(case.training)["norm"] > program.CLIP, "the first step should be clipped"
    for each in ranks:
        same(each, reference(case.training))


def test_both_ways_of_training_are_distinguished():
    """What the test above would miss if all weights were left as they are."""
    full, lora = reference("full"), reference("lora")
    start = dict(program.embedder_of("full").named_parameters())
    moved = [name for name, weight in start.items() if (full[f"weight/{name}"] - weight).abs().max() > 1e-4]
    assert len(moved) > 0.9 * len(start)
    adapters = [name for name in lora if name.startswith("gradient/") and "lora_" in name]
    assert len(adapters) == 12
    assert all(lora[name].norm() > 1e-6 for name in adapters)


def test_no_rank_holds_the_language_model(trained):
    """Each shard's file has about half of the sharded weights."""
    folder = trained(2) / "full-sharded" / "weights"
    sizes = [sum(value.numel() for value in load_file(path).values()) for path in folder.glob("*.safetensors")]
    everything = sum(shape.numel() for shape in stored(folder).values())
    assert sum(sizes) == everything
    assert max(sizes) < 0.75 * everything


def test_where_one_rank_cannot_write_all_say_so_and_nothing_is_left(trained):
    assert list((trained(2) / "refused").iterdir()) == []
    for rank in range(2):
        writing, describing = json.loads((trained(2) / f"refusals-{rank}.json").read_text())
        assert "No space left on device" in writing
        assert ("No space left on device" if rank == 0 else "another process failed") in describing


@pytest.mark.parametrize("case", [each for each in program.CASES if each.name in program.SAVED], ids=lambda c: c.name)
def test_a_checkpoint_of_two_processes_goes_on_in_one(case, trained):
    embedder, optimizer = program.start(program.Case("alone", case.training, None))
    load_sharded(trained(2) / case.name, embedder, optimizer)
    found = program.train_step(embedder, optimizer, program.data_of(1, embedder, 0, 1), None)
    found = {f"second/{name}": value for name, value in found.items()}
    found |= {f"weight/{name}": weight.detach() for name, weight in embedder.named_parameters()}
    expected = {
        name: value for name, value in reference(case.training).items() if name.startswith(("second/", "weight/"))
    }
    same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("wrote", "reads"), [(2, 4), (4, 2), (4, 4)])
def test_a_checkpoint_goes_on_at_another_world_size(wrote, reads, trained, tmp_path):
    for name in program.SAVED:
        (tmp_path / name).symlink_to(trained(wrote) / name)
    run_ranks(PROGRAM, ["resume", str(tmp_path)], reads, tmp_path)
    for case in program.CASES:
        if case.name in program.SAVED:
            expected = {
                name.removeprefix("second/"): value
                for name, value in reference(case.training).items()
                if name.startswith(("second/", "weight/"))
            }
            for rank in range(reads):
                same(load_file(tmp_path / f"{case.name}-resumed-{rank}.safetensors"), expected)


@pytest.mark.parametrize(("name", "merge"), [("full-sharded", False), ("lora-sharded", False), ("lora-sharded", True)])
def test_consolidated_checkpoints_embed_the_same(name, merge, trained, tmp_path):
    source = trained(2) / name
    folder = consolidate(ConsolidateSettings(source, tmp_path / "whole", merge))
    embedder = program.embedder_of("lora" if name == "lora-sharded" else "full")
    items = [pair.query for pair in program.pairs(0)] + [pair.positive for pair in program.pairs(0)]
    before = embedder.embed(items)
    load_weights(source, embedder)
    expected = embedder.embed(items)
    found = Embedder.load(folder).embed(items)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)
    assert (before - expected).abs().max() > 1e-3
    assert (folder / "model.safetensors").exists() == (merge or name == "full-sharded")


@pytest.mark.slow
def test_four_processes_never_wait_in_vain(tmp_path):
    """A gather of 4 processes on 2 cores was once seen to hang: 200 rounds of a step's collectives do not."""
    stress = PROGRAM.with_name("stress_program.py")
    printed = run_ranks(stress, ["200", "0"], 4, tmp_path, timeout_s=120)
    assert "200 rounds" in printed[0]


@pytest.fixture
def alone(tmp_path):
    """A job of one process, this one."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def gradients_of(embedder: Embedder) -> dict[str, Tensor]:
    """Gradients of something that pulls the vectors of a few words apart."""
    items = [Item((Text(words),)) for words in ("red", "a blue ring", "three")]
    sharding.reduce_in_next_backward(embedder, True)
    vectors = embedder(embedder.collate([embedder.prepare(item) for item in items]))
    (vectors @ vectors.T).sum().backward()
    return {name: sharding.full(weight.grad) for name, weight in embedder.named_parameters() if weight.grad is not None}


@pytest.mark.usefixtures("alone")
def test_blocks_compute_in_bfloat16_and_gradients_stay_float32():
    exact = gradients_of(tiny_embedder(0, 32, 2, 1))
    embedder = sharding.shard(tiny_embedder(0, 32, 2, 1), torch.device("cpu"), compute=torch.bfloat16)
    seen: list[torch.dtype] = []
    block = sharding.language_parts(embedder)[1][0]
    block.register_forward_pre_hook(lambda module, _: seen.append(next(module.parameters()).dtype))
    found = gradients_of(embedder)
    assert seen == [torch.bfloat16]
    assert {each.dtype for each in found.values()} == {torch.float32}
    whole = torch.cat([each.flatten() for each in found.values()]), torch.cat([exact[name].flatten() for name in found])
    assert torch.nn.functional.cosine_similarity(*whole, dim=0) > 0.99
    assert not torch.equal(*whole)


@pytest.mark.usefixtures("alone")
def test_a_step_that_fails_between_its_passes_leaves_no_trace():
    embedder = sharding.shard(tiny_embedder(0, 32, 2, 1), torch.device("cpu"))
    expected = gradients_of(embedder)
    embedder.zero_grad()
    sharding.reduce_in_next_backward(embedder, False)
    kept = embedder(embedder.collate([embedder.prepare(Item((Text("lost"),)))]))
    del kept
    sharding.abandon_step(embedder)
    for name, value in gradients_of(embedder).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("alone")
def test_replicas_must_divide_the_processes():
    with pytest.raises(ValueError, match=r"replicas = 2 .* divide the number of processes, 1"):
        sharding.shard(tiny_embedder(0, 32, 1, 1), torch.device("cpu"), replicas=2)


def test_sharding_needs_a_job():
    with pytest.raises(ValueError, match="torchrun"):
        sharding.shard(tiny_embedder(0, 32, 1, 1), torch.device("cpu"))


def test_without_sharding_there_is_nothing_to_agree_on():
    embedder = tiny_embedder(0, 32, 1, 1)
    chunk = embedder.collate([embedder.prepare(Item((Text("red"),)))])
    assert sharding.equal_passes(embedder, [chunk]) == [chunk]
    assert sharding.agreed_minimum(embedder, 5) == 5
    assert len(sharding.replicated(embedder)) == len(list(embedder.parameters()))


@pytest.mark.parametrize("limit", [0.7, 100.0])
def test_clipping_without_sharding_is_torchs(limit):
    """A gradient shorter than the limit stays as it is."""
    weights = [torch.nn.Parameter(torch.randn(size)) for size in ((4, 3), (5,), (2,))]
    for weight in weights[:2]:
        weight.grad = torch.randn_like(weight)
    copies = [torch.nn.Parameter(weight.detach().clone()) for weight in weights[:2]]
    for copy, weight in zip(copies, weights, strict=False):
        copy.grad = weight.grad.clone()
    norm = sharding.gradient_norm(weights)
    sharding.clip_gradients(weights, limit, norm)
    assert torch.equal(norm, torch.nn.utils.clip_grad_norm_(copies, limit))
    assert all(torch.equal(copy.grad, weight.grad) for copy, weight in zip(copies, weights, strict=False))


def test_a_model_that_is_not_sharded_saves_and_loads_too(tmp_path):
    embedder, optimizer = program.start(program.Case("alone", "full", None))
    program.train_step(embedder, optimizer, program.data_of(0, embedder, 0, 1), None)
    save_sharded(tmp_path / "one", embedder, optimizer)
    other, fresh = program.start(program.Case("alone", "full", None))
    load_sharded(tmp_path / "one", other, fresh)
    for weight, copy in zip(embedder.parameters(), other.parameters(), strict=True):
        assert torch.equal(weight, copy)
        assert all(torch.equal(optimizer.state[weight][key], fresh.state[copy][key]) for key in optimizer.state[weight])
