"""A timed step is core's own: its runs, its memory, and gradients left as they were."""

import pytest
import torch
from torch import nn

from core.contrast.gradient_cache import GraphSize
from workbench.measures.chunked_step import ChunkedStep, Run, graph_bytes, timed_step


def model_and_chunks():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 4))
    return model, [torch.randn(rows, 6) for rows in (5, 3, 2)]


def test_bytes_of_each_chunk_are_what_graph_size_counts():
    model, chunks = model_and_chunks()
    counter = GraphSize(model.parameters())
    with counter:
        kept = model(chunks[1])
    assert kept.requires_grad
    found = graph_bytes(model, chunks, model.parameters())
    assert found[1] == counter.bytes
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_runs_of_a_step(kept):
    model, chunks = model_and_chunks()
    step = timed_step(model, chunks, lambda vectors: 2 * vectors, kept, list(model.parameters()))
    second = [
        pair for chunk in range(3) for pair in ([("forward again", chunk)] * (chunk >= kept), [("backward", chunk)])
    ]
    expected = [
        ("forward", 0),
        ("forward", 1),
        ("forward", 2),
        ("gradient", None),
        *(run for runs in second for run in runs),
    ]
    assert [(run.kind, run.chunk) for run in step.runs] == expected
    assert step.kept == kept
    times = [moment for run in step.runs for moment in (run.start, run.end)]
    assert times == sorted(times)
    assert step.seconds == times[-1] - times[0]


def test_a_step_leaves_gradients_as_they_were():
    model, chunks = model_and_chunks()
    weights = list(model.parameters())
    timed_step(model, chunks, lambda vectors: vectors, 1, weights)
    assert all(weight.grad is None for weight in weights)
    model(chunks[0]).sum().backward()
    before = [weight.grad.clone() for weight in weights]
    timed_step(model, chunks, lambda vectors: vectors, 1, weights)
    assert all(torch.equal(weight.grad, old) for weight, old in zip(weights, before, strict=True))


def test_kept_is_within_the_chunks():
    model, chunks = model_and_chunks()
    with pytest.raises(ValueError, match=r"kept = 4 is outside 0\.\.3"):
        timed_step(model, chunks, lambda vectors: vectors, 4)


def step_of(kept, order):
    return ChunkedStep([Run(kind, chunk, at, at + 1.0) for at, (kind, chunk) in enumerate(order)], [30, 20, 10], kept)


def test_memory_is_a_saw_without_kept_graphs_and_a_mountain_with_all():
    first = [("forward", 0), ("forward", 1), ("forward", 2), ("gradient", None)]
    again = [(kind, chunk) for chunk in range(3) for kind in ("forward again", "backward")]
    saw = step_of(0, [*first, *again])
    assert saw.peak == 30
    assert saw.held()[1][-12::2] == [0, 30, 0, 20, 0, 10]
    mountain = step_of(3, [*first, *(("backward", chunk) for chunk in range(3))])
    assert mountain.peak == 60
    assert mountain.held()[1] == [0, 0, 30, 30, 50, 50, 60, 60, 60, 60, 30, 30, 10, 10, 0]
    some = step_of(1, [*first, ("backward", 0), *again[2:]])
    assert some.peak == 30
    for step in (saw, mountain, some):
        assert step.held()[1][-1] == 0
