"""Checks of lesson 6: the gradient cache. The answers are run on a small encoder that keeps a diary, in float64."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.contrast.contrast import value_and_gradient
from core.contrast.gradient_cache import CachedEncoder, RandomState
from core.contrast.similarity_tiles import EmbeddingBatch
from core.encoder.pooling import unit
from core.objectives.infonce import InfoNCE
from workbench.lessons.feedback import Wrong, compare, right, same

ITEMS, WIDTH, TEMPERATURE, DROPOUT = 12, 6, 0.1, 0.3
SEEDS = 987_000
"""Added to the seed: nobody sets this one by chance."""
SIZES = (1, 5, ITEMS)
"""Items a chunk: one, a size that leaves a shorter last chunk, and all at once."""


class Saved:
    """A tensor that a graph holds. As long as this object lives, so does the graph."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Tower:
    """An encoder with weights of its own. It knows how many of its graphs are alive."""

    def __init__(self, seed: int, dropout: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(WIDTH, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 4)).double()
        with torch.no_grad():
            for weight in self.net.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) / 2)
        self.alive: weakref.WeakSet[Saved] = weakref.WeakSet()
        self.alive_at_calls: list[bool] = []
        self.calls = 0

    def __call__(self, chunk: Float[Tensor, "m 6"]) -> Float[Tensor, "m 4"]:
        """Return unit vectors of a chunk."""
        self.calls += 1
        self.alive_at_calls.append(bool(self.alive))
        with torch.autograd.graph.saved_tensors_hooks(self._pack, lambda saved: saved.tensor):
            return unit(self.net(chunk))

    def _pack(self, tensor: Tensor) -> Saved:
        saved = Saved(tensor.detach())  # a node that held its own output would never be freed
        self.alive.add(saved)
        return saved

    def gradient(self) -> Float[Tensor, " weights"]:
        """Return the weights' gradients behind one another, zeros where there are none; they are cleared."""
        found = [torch.zeros_like(w) if w.grad is None else w.grad.clone() for w in self.net.parameters()]
        self.net.zero_grad()
        return torch.cat([each.flatten() for each in found])


class Contrasted:
    """From all vectors to the loss's gradient of them, as the trainer takes it; notes how often and of how many."""

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self.rows: list[int] = []
        self.alive: list[bool] = []

    def __call__(self, vectors: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
        """dloss / dvectors. Rows 2i and 2i + 1 are the two sides of pair i."""
        if not isinstance(vectors, Tensor):
            raise Wrong(
                f"gradient_of was called with a {type(vectors).__name__}; it takes one tensor with the vectors of all "
                "items, so join those of the chunks with torch.cat first."
            )
        if vectors.dim() != 2:
            raise Wrong(
                f"gradient_of was called with a tensor of shape {list(vectors.shape)}; it takes one row a vector, "
                "[n, d]. torch.stack makes a new dimension (and needs chunks of one size): join with torch.cat."
            )
        self.rows.append(len(vectors))
        self.alive.append(bool(self.tower.alive))
        if len(vectors) != ITEMS:
            raise Wrong(
                f"gradient_of was called with {len(vectors)} vectors of a batch of {ITEMS}: then a query's negatives "
                "are those of its own chunk only, and the gradient is another loss's. Encode every chunk, torch.cat "
                "all vectors, and call gradient_of once."
            )
        pairs = torch.arange(ITEMS // 2)
        batch = EmbeddingBatch(vectors[0::2].detach(), vectors[1::2].detach(), pairs, pairs + ITEMS)
        contrast = value_and_gradient(InfoNCE(TEMPERATURE), batch)
        return torch.stack([contrast.query_gradients, contrast.target_gradients], dim=1).flatten(0, 1)


def items(seed: int) -> Float[Tensor, "12 6"]:
    """Return a batch of six pairs whose sides are alike, so that the loss is neither 0 nor hopeless."""
    generator = torch.Generator().manual_seed(1000 + seed)
    queries = torch.randn(ITEMS // 2, WIDTH, generator=generator, dtype=torch.float64)
    targets = queries + 0.5 * torch.randn(queries.shape, generator=generator, dtype=torch.float64)
    return torch.stack([queries, targets], dim=1).flatten(0, 1)


def one_pass(tower: Tower, chunks: Sequence[Tensor]) -> Float[Tensor, " weights"]:
    """Compute the weights' right gradient: autograd through the whole batch at once, with lesson 1's cross-entropy."""
    vectors = torch.cat([tower(chunk) for chunk in chunks])
    scores = vectors[0::2] @ vectors[1::2].T / TEMPERATURE
    labels = torch.arange(len(scores))
    loss = nn.functional.cross_entropy(scores, labels) + nn.functional.cross_entropy(scores.T, labels)
    (loss / 2).backward()
    return tower.gradient()


def vectors_and_gradient(tower: Tower, chunks: Sequence[Tensor]) -> tuple[Tensor, Float[Tensor, "12 4"]]:
    """Return all vectors, and the right gradient of them by autograd."""
    with torch.no_grad():
        vectors = torch.cat([tower(chunk) for chunk in chunks])
    leaf = vectors.clone().requires_grad_()
    scores = leaf[0::2] @ leaf[1::2].T / TEMPERATURE
    labels = torch.arange(len(scores))
    loss = nn.functional.cross_entropy(scores, labels) + nn.functional.cross_entropy(scores.T, labels)
    (loss / 2).backward()
    assert leaf.grad is not None
    return vectors, leaf.grad


def cached_gradients(answer: Callable[..., Any], seed: int = 0) -> None:
    """Exercise 6.1: the first pass, and the gradient of every chunk's vectors.

    Raises:
        Wrong: the answer is wrong; the message says how.
    """
    for size in SIZES:
        chunks = list(items(seed).split(size))
        tower = Tower(seed)
        _, expected = vectors_and_gradient(tower, chunks)
        contrasted = Contrasted(tower)
        found = first_pass(answer, tower, chunks, contrasted)
        parts = check_parts(found, [len(chunk) for chunk in chunks])
        if any(contrasted.alive):
            raise Wrong(
                "The gradients may be right, but when gradient_of was called the graphs of the chunks were still "
                "alive: all the memory of one pass. Encode under `with torch.no_grad():`."
            )
        compare(
            f"the gradients of the vectors, in chunks of {size},",
            torch.cat([each.detach() for each in parts]),
            expected,
            {
                "Your gradients are right but divided by the number of chunks. The loss is already a mean over the "
                "whole batch; do not average over chunks once more.": expected / len(chunks),
                "You returned the vectors; what the second pass needs is gradient_of(all vectors), cut into "
                "chunks.": vectors_and_gradient(tower, chunks)[0],
            },
        )
    right("6.1", f"Chunks of {', '.join(map(str, SIZES))} items: autograd's gradients, and no graph was alive.")


def first_pass(answer: Callable[..., Any], tower: Tower, chunks: Sequence[Tensor], contrasted: Contrasted) -> object:
    """Call the answer; autograd's complaint about a value without a graph has one cause here."""
    try:
        return answer(tower, chunks, contrasted)
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        raise Wrong(
            "You asked autograd for a gradient, but there is no graph here and none is needed: gradient_of does not "
            "give the loss, it gives the loss's gradient. What it returns only has to be cut into chunks."
        ) from error


def check_parts(found: object, lengths: Sequence[int]) -> Sequence[Tensor]:
    """`found`, if it is a list of tensors, one a chunk with its number of rows; else Wrong is raised."""
    if found is None:
        raise Wrong("cached_gradients gave None: the function has no `return`.")
    if isinstance(found, Tensor):
        raise Wrong(
            f"cached_gradients gave one tensor of shape {list(found.shape)}; a list is expected, one tensor for each "
            f"of the {len(lengths)} chunks. Cut it with .split([rows of each chunk])."
        )
    if not isinstance(found, list | tuple) or not all(isinstance(each, Tensor) for each in found):
        raise Wrong(f"cached_gradients gave a {type(found).__name__}; a list of tensors is expected, one a chunk.")
    rows = [len(each) for each in found]
    if rows != list(lengths):
        raise Wrong(
            f"The chunks have {list(lengths)} rows, your gradients {rows}. The last chunk may be shorter: split by the "
            "chunks' own lengths, .split([len(each) for each in vectors]), not into equal parts."
        )
    return found


def push(answer: Callable[..., Any], seed: int = 0) -> None:
    """Exercise 6.2: the second pass.

    Raises:
        Wrong: the answer is wrong; the message says how.
    """
    for size in SIZES:
        chunks = list(items(seed).split(size))
        tower = Tower(seed)
        expected = one_pass(tower, chunks)
        gradients = list(vectors_and_gradient(tower, chunks)[1].split([len(chunk) for chunk in chunks]))
        mistakes = mistakes_of_push(tower, chunks, gradients, expected)
        tower.alive_at_calls.clear()
        run_push(answer, tower, chunks, gradients)
        compare(f"the weights' gradient, in chunks of {size},", tower.gradient(), expected, mistakes)
        if any(tower.alive_at_calls):
            raise Wrong(
                "The weights' gradient is right, but the graph of one chunk was still alive when the next was "
                "encoded: the memory of one pass again. Call backward inside the loop, once for each chunk, without "
                "retain_graph."
            )
    right("6.2", "The weights' gradient is that of one pass over the whole batch, and one graph lives at a time.")


def run_push(
    answer: Callable[..., Any],
    tower: Tower,
    chunks: Sequence[Tensor],
    gradients: Sequence[Tensor],
) -> None:
    """Call the answer; autograd's complaint about a vector without a graph has one cause."""
    try:
        answer(tower, chunks, gradients)
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        raise Wrong(
            "There is no graph to push the gradient through: encode the chunk again with gradients on, that is without "
            "torch.no_grad() and without detach()."
        ) from error


def mistakes_of_push(
    tower: Tower, chunks: Sequence[Tensor], gradients: Sequence[Tensor], expected: Tensor
) -> dict[str, Tensor]:
    """Say what the weights' gradient is after each likely mistake in the second pass."""

    def pushed(weigh: Callable[[Tensor], Tensor], only: slice = slice(None)) -> Tensor:
        for chunk, gradient in list(zip(chunks, gradients, strict=True))[only]:
            tower(chunk).backward(weigh(gradient))
        return tower.gradient()

    return {
        "No weight has a gradient. Call backward on the chunk's vectors, or on their dot product with the "
        "gradient.": torch.zeros_like(expected),
        "Only the last chunk's gradient arrived: the backward stands behind the loop; indent it, so that it runs for "
        "every chunk.": pushed(lambda gradient: gradient, slice(-1, None)),
        "You took the mean of vectors * gradient where the chain rule has the sum: each chunk is divided by its "
        "number of values.": pushed(lambda gradient: gradient / gradient.numel()),
        "You took the mean over a chunk's rows where the chain rule has the sum: each chunk is divided by its number "
        "of items.": pushed(lambda gradient: gradient / len(gradient)),
        "You divided by the number of chunks. The gradients of chunks add up, since dloss/dvectors already belongs to "
        "the loss of the whole batch.": expected / len(chunks),
        "You pushed ones back, not the cached gradients: the sum of the vectors' values is not the loss. Multiply by "
        "the gradient before you sum.": pushed(torch.ones_like),
        "Every gradient is twice what it should be: two backward passes reached the weights.": 2 * expected,
    }


def cached_step(answer: Callable[..., Any], seed: int = 0) -> None:
    """Exercise 6.3: both passes, with the same dropout in each.

    Raises:
        Wrong: the answer is wrong; the message says how.
    """
    worst = 0.0
    for dropout in (0.0, DROPOUT):
        for size in SIZES:
            worst = max(worst, check_step(answer, seed, dropout, size))
    right(
        "6.3",
        f"Chunks of {', '.join(map(str, SIZES))} items, dropout {DROPOUT}: one pass, CachedEncoder and you agree up "
        f"to {worst:.0e}.",
    )


def check_step(answer: Callable[..., Any], seed: int, dropout: float, size: int) -> float:
    """Return the largest difference from one pass at one setting.

    Raises:
        Wrong: the difference is more than rounding.
    """
    chunks = list(items(seed).split(size))
    tower = Tower(seed, dropout)
    torch.manual_seed(SEEDS + seed)
    expected = one_pass(tower, chunks)
    mistakes = mistakes_of_step(tower, chunks, seed, expected) if dropout else mistakes_without(expected, len(chunks))
    tower.alive_at_calls.clear()
    contrasted = Contrasted(tower)
    torch.manual_seed(SEEDS + seed)
    answer(tower, chunks, contrasted)
    if torch.initial_seed() != SEEDS + seed:
        raise Wrong(
            "You set a seed of your own: then every chunk and every step drop the same units, and the run's own seed "
            "is lost. Record the state with RandomState.now() before a chunk is encoded, and restore it."
        )
    found = tower.gradient()
    compare(f"the weights' gradient, in chunks of {size} with dropout {dropout},", found, expected, mistakes)
    if any(contrasted.alive) or any(tower.alive_at_calls):
        raise Wrong(
            "The gradient is right, but several chunks' graphs were alive at once, which is the memory that you wanted "
            "to save. Encode under torch.no_grad() in the first pass, and call backward after each chunk in the second."
        )
    torch.manual_seed(SEEDS + seed)
    if not same(by_core(tower, chunks), found):
        raise Wrong("Your gradient is one pass's, but not CachedEncoder's; please report this.")
    return float((found - expected).abs().amax())


def by_core(tower: Tower, chunks: Sequence[Tensor]) -> Float[Tensor, " weights"]:
    """Return the weights' gradient by the trainer's own encoder, which keeps no graph here."""
    encoder = CachedEncoder(tower, chunks, budget=0)
    vectors = encoder.vectors()
    encoder.backward(Contrasted(tower)(torch.cat(vectors)).split([len(each) for each in vectors]))
    return tower.gradient()


def mistakes_without(expected: Tensor, chunks: int) -> dict[str, Tensor]:
    """Say what the weights' gradient is after mistakes that have nothing to do with dropout."""
    return {
        "No weight has a gradient: the second pass is missing, or nothing was pushed through it.": torch.zeros_like(
            expected
        ),
        "Every gradient is twice what it should be: the first pass built graphs and its backward reached the weights "
        "too. Encode under torch.no_grad() first; only the second pass may reach the weights.": 2 * expected,
        "Your gradient is right but divided by the number of chunks. The loss is already a mean over the whole batch; "
        "do not average over chunks once more.": expected / chunks,
    }


def mistakes_of_step(tower: Tower, chunks: Sequence[Tensor], seed: int, expected: Tensor) -> dict[str, Tensor]:
    """Say what the weights' gradient is when the random state is handled in a wrong way."""

    def replayed(choose: Callable[[list[RandomState], int], RandomState | None]) -> Tensor:
        torch.manual_seed(SEEDS + seed)
        states, vectors = [], []
        with torch.no_grad():
            for chunk in chunks:
                states.append(RandomState.now())
                vectors.append(tower(chunk))
        states.append(RandomState.now())
        gradients = Contrasted(tower)(torch.cat(vectors)).split([len(each) for each in vectors])
        for number, (chunk, gradient) in enumerate(zip(chunks, gradients, strict=True)):
            state = choose(states, number)
            if state is not None:
                state.restore()
            tower(chunk).backward(gradient)
        return tower.gradient()

    other = replayed(lambda states, number: None)
    late = replayed(lambda states, number: states[number + 1])
    first = replayed(lambda states, number: states[0])
    mistakes = {
        "The second pass dropped other units than the first: the cached gradients belong to vectors that no longer "
        "exist. Record RandomState.now() before each chunk of the first pass and restore it before the same chunk of "
        "the second.": other,
        "You recorded each state after its chunk was encoded, so that every chunk was replayed with the next one's. "
        "Record it before.": late,
        "You restored the same state before every chunk, so that all chunks dropped what the first one did. Keep one "
        "state for each chunk.": first,
    }
    return mistakes | mistakes_without(expected, len(chunks))
