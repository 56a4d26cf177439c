"""Wrong answers to lesson 6, and what their checks must say."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from core.contrast.gradient_cache import RandomState
from workbench.checks import lesson_06 as check
from workbench.lessons.feedback import WrongAnswer

Encode = Callable[[Tensor], Tensor]
GradientOf = Callable[[Tensor], Tensor]


def graphs_kept(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> list[Tensor]:
    """The first pass builds graphs: right numbers, no memory saved."""
    vectors = [encode(chunk) for chunk in chunks]
    return list(gradient_of(torch.cat(vectors)).split([len(each) for each in vectors]))


def negatives_of_the_chunk(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> list[Tensor]:
    """The loss is taken of each chunk: the negatives shrink to those of the chunk."""
    with torch.no_grad():
        return [gradient_of(encode(chunk)) for chunk in chunks]


def averaged_gradients(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> list[Tensor]:
    """Averages over chunks a loss that is a mean already."""
    with torch.no_grad():
        vectors = [encode(chunk) for chunk in chunks]
    gradient = gradient_of(torch.cat(vectors)) / len(chunks)
    return list(gradient.split([len(each) for each in vectors]))


def equal_parts(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> list[Tensor]:
    """Cuts the gradient into equal parts, though the last chunk is shorter."""
    with torch.no_grad():
        vectors = [encode(chunk) for chunk in chunks]
    return list(gradient_of(torch.cat(vectors)).tensor_split(len(chunks)))


def one_tensor(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> Tensor:
    """Does not cut the gradient into chunks."""
    with torch.no_grad():
        return gradient_of(torch.cat([encode(chunk) for chunk in chunks]))


def gradient_of_the_gradient(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> list[Tensor]:
    """Takes gradient_of for the loss and asks autograd for its gradient."""
    vectors = [encode(chunk).detach() for chunk in chunks]
    joined = torch.cat(vectors).requires_grad_()
    (gradient,) = torch.autograd.grad(gradient_of(joined).sum(), joined)
    return list(gradient.split([len(each) for each in vectors]))


def stacked(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> list[Tensor]:
    """Stacks the chunks' vectors, which makes a dimension of the chunks, in place of joining them."""
    with torch.no_grad():
        return list(gradient_of(torch.stack([encode(chunk) for chunk in chunks])))


def mean_surrogate(encode: Encode, chunks: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Takes the mean of vectors * gradient in place of the sum."""
    for chunk, gradient in zip(chunks, gradients, strict=True):
        (encode(chunk) * gradient).mean().backward()


def mean_over_rows(encode: Encode, chunks: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Sums vectors * gradient over the dimensions, and takes the mean over a chunk's items."""
    for chunk, gradient in zip(chunks, gradients, strict=True):
        (encode(chunk) * gradient).sum(dim=1).mean().backward()


def one_backward_for_all(encode: Encode, chunks: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Adds the surrogates of all chunks before one backward: every graph is held until then."""
    surrogates = [(encode(chunk) * each).sum() for chunk, each in zip(chunks, gradients, strict=True)]
    torch.stack(surrogates).sum().backward()


def behind_the_loop(encode: Encode, chunks: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """The backward stands behind the loop, so that only the last chunk is pushed."""
    surrogate = torch.zeros(())
    for chunk, gradient in zip(chunks, gradients, strict=True):
        surrogate = (encode(chunk) * gradient).sum()
    surrogate.backward()


def without_graph(encode: Encode, chunks: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Encodes under no_grad in the second pass too."""
    with torch.no_grad():
        vectors = [encode(chunk) for chunk in chunks]
    for each, gradient in zip(vectors, gradients, strict=True):
        (each * gradient).sum().backward()


def ones_pushed(encode: Encode, chunks: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Forgets the cached gradients: the gradient of the sum of the vectors is pushed."""
    for chunk, _ in zip(chunks, gradients, strict=True):
        encode(chunk).sum().backward()


def not_replayed(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> None:
    """The random state is not replayed: the second pass drops other units than the first."""
    with torch.no_grad():
        vectors = [encode(chunk) for chunk in chunks]
    gradients = gradient_of(torch.cat(vectors)).split([len(each) for each in vectors])
    for chunk, gradient in zip(chunks, gradients, strict=True):
        encode(chunk).backward(gradient)


def one_state_for_all(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> None:
    """One state, recorded at the start, is restored before every chunk."""
    state = RandomState.now()
    with torch.no_grad():
        vectors = [encode(chunk) for chunk in chunks]
    gradients = gradient_of(torch.cat(vectors)).split([len(each) for each in vectors])
    for chunk, gradient in zip(chunks, gradients, strict=True):
        state.restore()
        encode(chunk).backward(gradient)


def state_recorded_late(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> None:
    """The state is recorded after the chunk was encoded, when its dropout is drawn already."""
    states, vectors = [], []
    with torch.no_grad():
        for chunk in chunks:
            vectors.append(encode(chunk))
            states.append(RandomState.now())
    gradients = gradient_of(torch.cat(vectors)).split([len(each) for each in vectors])
    for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
        state.restore()
        encode(chunk).backward(gradient)


def own_seed(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> None:
    """Sets a seed before each chunk: the passes agree, but every chunk and every step drop the same units."""
    vectors = []
    with torch.no_grad():
        for chunk in chunks:
            torch.manual_seed(12345)
            vectors.append(encode(chunk))
    gradients = gradient_of(torch.cat(vectors)).split([len(each) for each in vectors])
    for chunk, gradient in zip(chunks, gradients, strict=True):
        torch.manual_seed(12345)
        encode(chunk).backward(gradient)


def doubled(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> None:
    """The first pass is not detached and its backward reaches the weights: gradients are doubled."""
    states, vectors = [], []
    for chunk in chunks:
        states.append(RandomState.now())
        vectors.append(encode(chunk))
    joined = torch.cat(vectors)
    gradient = gradient_of(joined)
    joined.backward(gradient)
    parts = gradient.split([len(each) for each in vectors])
    for chunk, state, part in zip(chunks, states, parts, strict=True):
        state.restore()
        encode(chunk).backward(part)


def held_together(encode: Encode, chunks: Sequence[Tensor], gradient_of: GradientOf) -> None:
    """One pass in disguise: right, dropout and all, with every graph alive."""
    joined = torch.cat([encode(chunk) for chunk in chunks])
    joined.backward(gradient_of(joined))


WRONG_ANSWERS = (
    WrongAnswer("6.1", check.cached_gradients, graphs_kept, "were still alive"),
    WrongAnswer("6.1", check.cached_gradients, negatives_of_the_chunk, "those of its own chunk only"),
    WrongAnswer("6.1", check.cached_gradients, averaged_gradients, "divided by the number of chunks"),
    WrongAnswer("6.1", check.cached_gradients, equal_parts, "not into equal parts"),
    WrongAnswer("6.1", check.cached_gradients, one_tensor, "gave one tensor"),
    WrongAnswer("6.1", check.cached_gradients, gradient_of_the_gradient, "gives the loss's gradient"),
    WrongAnswer("6.1", check.cached_gradients, stacked, "join with torch.cat"),
    WrongAnswer("6.2", check.push, mean_surrogate, "the mean of vectors * gradient"),
    WrongAnswer("6.2", check.push, mean_over_rows, "the mean over a chunk's rows"),
    WrongAnswer("6.2", check.push, one_backward_for_all, "still alive when the next was encoded"),
    WrongAnswer("6.2", check.push, behind_the_loop, "Only the last chunk's gradient"),
    WrongAnswer("6.2", check.push, without_graph, "no graph to push the gradient through"),
    WrongAnswer("6.2", check.push, ones_pushed, "You pushed ones back"),
    WrongAnswer("6.3", check.cached_step, not_replayed, "dropped other units than the first"),
    WrongAnswer("6.3", check.cached_step, one_state_for_all, "the same state before every chunk"),
    WrongAnswer("6.3", check.cached_step, state_recorded_late, "after its chunk was encoded"),
    WrongAnswer("6.3", check.cached_step, own_seed, "a seed of your own"),
    WrongAnswer("6.3", check.cached_step, doubled, "twice what it should be"),
    WrongAnswer("6.3", check.cached_step, held_together, "several chunks' graphs were alive"),
)
