# ---
# jupyter:
#   lesson:
#     number: 6
#     title: "Gradient cache: big batch, small memory"
#     goals:
#       - explain why accumulating the losses of small batches is not training with a big one
#       - write the two passes that are, and say why they are exact
#       - keep dropout the same in both passes
#       - read what the second pass costs, and when it can be left out
#     prerequisites: [1, 3, 5]
#     minutes: 75
#     cpu_seconds: 25
#     code: [core/contrast/gradient_cache.py, core/contrast/contrast.py, core/training/step.py]
#     paper: ["Gao et al. 2021, GradCache (arXiv 2101.06983)", "VLM2Vec (arXiv 2410.05160), training details"]
#     real:
#       command: >-
#         torchrun --nproc_per_node=2 core/train.py --output runs/lesson-06 --batch 128 --chunk 8 --graph_memory_gb 0
#       view: overview
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
SEED = 0

# %%
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from core.config.model_settings import TrainableSettings
from core.contrast.contrast import value_and_gradient
from core.contrast.gradient_cache import CachedEncoder, RandomState
from core.data.miniature.benchmark import training_sets
from core.data.records import Pair
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.encoder.inputs import ModelInputs
from core.objectives.hardness import HardnessWeighted
from core.training.step import batch_of, vector_gradients
from core.training.step_data import StepData, step_data
from workbench.checks import lesson_06 as check
from workbench.figures.gradient_agreement import gradient_agreement_figure
from workbench.figures.memory_curve import MemoryCurve, memory_curve_figure
from workbench.figures.slider import with_slider
from workbench.figures.two_passes import two_passes_figure
from workbench.lessons import classroom
from workbench.measures.chunked_step import graph_bytes, timed_step
from workbench.measures.weight_gradients import agreement, relative_error, taken_gradient

classroom.begin(SEED)

# %% [markdown]
# ## The bill
#
# The batch is where negatives come from: with $N$ pairs, every query has $N - 1$ of them. Lesson 5 got more of them by
# adding devices. This lesson is for the day when there are no more devices.
#
# What fills the memory is not the vectors. It is the **graph**: all the intermediate values that autograd keeps from
# the forward pass, because the backward pass needs them. Let us weigh it. Our pairs are the miniature's look-alikes:
# find another picture of the same scene.

# %%
embedder = classroom.trained("llave")
embedder.train()
dataset = next(each for each in training_sets(SEED) if each.name == "look-alike")
pairs = [dataset[index] for index in range(32)]


def prepared(pairs: Sequence[Pair], chunk: int) -> StepData:
    """The distinct items of some pairs, in chunks of `chunk` items, as the trainer prepares a step."""
    return step_data(0, pairs, embedder.prepare, embedder.collate, chunk)


for count in (4, 8, 16, 32):
    step = prepared(pairs[:count], chunk=2 * count)
    held = sum(graph_bytes(embedder, step.chunks, embedder.parameters()))
    vectors = 2 * 4 * len(step.items) * embedder.dimensions
    print(f"{count:3} pairs: graphs {held / 1e6:6.1f} MB, vectors and their gradients {vectors / 1e6:.3f} MB")

# %% [markdown]
# The graph grows in step with the batch, and it is about two thousand times as large as the vectors. This model has
# 1.3 million weights; LLaVE's smallest has several hundred times as many, and a real picture has hundreds of tokens,
# not 37. On one GPU a few pairs fill it.
#
# ## The obvious idea, and why it is wrong
#
# In ordinary supervised training there is a well-known way out: cut the batch into parts, take each part's loss,
# call `backward` on each, and let the gradients add up. It is called *gradient accumulation*, and it is exact when the
# loss is a mean over examples.

# %% [markdown] tags=["predict"]
# **Predict.** We cut 32 pairs into parts and accumulate the gradients of the parts' contrastive losses. (a) How many
# negatives does a query have with parts of 4 pairs? (b) Is the accumulated gradient shorter or longer than that of
# the whole batch, and does it point the same way?

# %% [markdown] tags=["instructor"]
# (a) Three, in place of 31. (b) Shorter, and it points elsewhere: the cells below print by how much. A query that
# beats three random negatives has a loss of nearly nothing, hence hardly any gradient. What is left comes from the few
# negatives that happened to fall into the same part; the hard ones mostly did not. No factor repairs that, since the
# direction is wrong too.

# %%
OBJECTIVE = HardnessWeighted(alpha=9.0, temperature=0.02)


def accumulated(pairs: Sequence[Pair], part: int) -> tuple[float, Tensor]:
    """Mean loss, and the weights' gradient, of parts of `part` pairs that know nothing of each other."""
    loss = 0.0
    for start in range(0, len(pairs), part):
        step = prepared(pairs[start : start + part], chunk=2 * part)
        vectors = torch.cat([embedder(chunk) for chunk in step.chunks])
        contrast = value_and_gradient(OBJECTIVE, batch_of(step, vectors.detach(), None))
        share = part / len(pairs)
        vectors.backward(share * vector_gradients(contrast, step, vectors.detach()))  # the loss's gradient, row by row
        loss += share * float(contrast.loss)
    return loss, taken_gradient(embedder)  # all weights' .grad as one vector; .grad is cleared for the next use


# %% tags=["figure"]
parts = [2, 4, 8, 16, 32]
found = {part: accumulated(pairs[:32], part) for part in parts}
whole = found[32][1]
likeness = {part: agreement(gradient, whole) for part, (_, gradient) in found.items()}
for part in parts:
    cosine, length = likeness[part]
    print(f"parts of {part:2}: loss {found[part][0]:.4f}; gradient, beside the whole's:", end=" ")
    print(f"cosine {cosine:.3f}, length {length:.1%}")
gradient_agreement_figure(
    parts, [likeness[part][0] for part in parts], [likeness[part][1] for part in parts], "pairs in a part"
)

# %% [markdown]
# Only the last point, where the one part is the whole batch, is right. Everything to the left of it trains another
# model: one that has only ever been asked to win against a few negatives. This one won against nearly any three long
# ago, so with parts of 4 hardly anything is left to learn from. (LLaVE's published command accumulates: with 8 devices
# and 4 pairs on each, a query of its "batch of 256" meets 31 negatives at a time.)
#
# The loss itself is the reason: it is not a sum over pairs, each on its own. Every $s_{ij}$ ties two items together,
# and most such ties run *between* parts.
#
# ## The idea: cut at the vectors
#
# Write $z_c = f(x_c; \theta)$ for the vectors of chunk $c$, and $L(z_1, \dots, z_C)$ for the loss of all of them. The
# chain rule says
#
# $$\frac{dL}{d\theta} = \sum_c \Big(\frac{\partial z_c}{\partial \theta}\Big)^{\!\top}
# \frac{\partial L}{\partial z_c}.$$
#
# Look at the two factors. The right one needs **all vectors but no graph of the encoder**: vectors are tiny, as you
# saw. The left one needs **the graph of one chunk alone**. So:
#
# 1. *First pass.* Encode every chunk without a graph. Take the gradient of the loss with respect to all vectors.
# 2. *Second pass.* For each chunk: encode it again, this time with a graph, push its part of the gradient through, and
#    let the graph go before the next chunk comes.
#
# Nothing is approximated. It is the same sum, in another order.

# %% [markdown]
# ## Exercise 6.1: the first pass
#
# `encode` takes a chunk and gives its vectors. `gradient_of` takes the vectors of *all* items, in the order of the
# chunks, and gives $\partial L / \partial z$ in the same shape; it is the trainer's own closed form and needs no graph.
# (The check uses a small encoder whose chunks are plain tensors; your code need not know.) Return one gradient per
# chunk. The chunks need not have the same number of rows: the last is often shorter.


# %% tags=["exercise"] exercise="6.1" difficulty=2 minutes=12
def cached_gradients(
    encode: Callable[[ModelInputs], Float[Tensor, "m d"]],
    chunks: Sequence[ModelInputs],
    gradient_of: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d"]],
) -> list[Float[Tensor, "m d"]]:
    """The loss's gradient of every chunk's vectors, without keeping any graph of the encoder.

    encode: chunk -> its m vectors. gradient_of: all n vectors -> dloss/dvectors. Returns a list with one tensor for
    each chunk, with as many rows as the chunk has vectors.
    """
    # BEGIN SOLUTION
    with torch.no_grad():
        vectors = [encode(chunk) for chunk in chunks]
    gradient = gradient_of(torch.cat(vectors))
    return list(gradient.split([len(each) for each in vectors]))
    # END SOLUTION


# %% tags=["check"]
check.cached_gradients(cached_gradients, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Three lines. Encode all chunks inside `with torch.no_grad():` and keep the vectors in a list. Join them, ask
# `gradient_of` once, and cut its answer at the same places.

# %% [markdown] tags=["hint"]
# Hint 2: the calls
# `torch.cat(vectors)` joins a list of tensors along the rows. `gradient.split([3, 3, 2])` cuts eight rows into pieces
# of three, three and two; the lengths you need are `[len(each) for each in vectors]`.

# %% [markdown] tags=["explain"]
# **Explain.** With hardness-weighted losses every weight $e^{\alpha s_{ij}}$ depends on the vectors. Does the gradient
# cache need a change for them? What if the weights came from a frozen reward model instead?

# %% [markdown] tags=["instructor"]
# No change: the weights are functions of the vectors (detached), and all vectors are there when `gradient_of` runs.
# A frozen reward model needs its own vectors of the same items, which are encoded without a graph anyway, and chunk by
# chunk; they too are only input to `gradient_of`. What would break the scheme is a loss that reads something of the
# encoder other than its vectors, such as attention maps: those would have to be cached as well.

# %% [markdown]
# ## Exercise 6.2: the second pass
#
# Now $\big(\partial z_c / \partial \theta\big)^\top g_c$ for every chunk, where $g_c$ is what you cached. There are two
# ways to ask autograd for it. Either call `vectors.backward(gradient)`: the argument is the gradient that arrives from
# above. Or build the **surrogate** $\langle z_c, g_c \rangle = \sum_{ik} (z_c)_{ik} (g_c)_{ik}$ and call `backward` on
# it: since $g_c$ is a constant, its gradient is exactly $g_c$ times the vectors'. Take whichever you like. The weights'
# `.grad` adds up over the chunks by itself.


# %% tags=["exercise"] exercise="6.2" difficulty=2 minutes=10
def push(
    encode: Callable[[ModelInputs], Float[Tensor, "m d"]],
    chunks: Sequence[ModelInputs],
    gradients: Sequence[Float[Tensor, "m d"]],
) -> None:
    """Add to the weights' .grad what each chunk contributes; the graph of one chunk at a time is alive.

    encode: chunk -> its m vectors, with a graph. gradients: dloss/dvectors of each chunk, constants.
    """
    # BEGIN SOLUTION
    for chunk, gradient in zip(chunks, gradients, strict=True):
        encode(chunk).backward(gradient)
    # END SOLUTION


# %% tags=["check"]
check.push(push, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# One loop over chunks and gradients together. In the loop: encode, then backward. Nothing is left for after the loop.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# `(encode(chunk) * gradient).sum().backward()`. The sum, not the mean: the chain rule has no division.

# %% [markdown] tags=["predict"]
# **Predict.** On the tiny model, in float32: how large is the relative difference between your gradient and that of
# one pass, for chunks of 2, 8 and 64 items? Is it 0, about $10^{-6}$, or about $10^{-2}$?

# %% [markdown] tags=["instructor"]
# About $10^{-6}$, or 0 where the one chunk is the whole batch: float32 rounds, and sums are added in another order. It
# is not an error of the method; the checks compare in float64 and accept less than $10^{-8}$. A mistake in the method
# shows as 0.1 or more.


# %%
def gradient_for(step: StepData) -> Callable[[Tensor], Tensor]:
    """The function that takes all vectors of a step to the loss's gradient of them: what the trainer calls."""

    def gradient_of(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        contrast = value_and_gradient(OBJECTIVE, batch_of(step, vectors, None))
        return vector_gradients(contrast, step, vectors)

    return gradient_of


for size in (2, 8, 64):
    step = prepared(pairs[:32], size)
    push(embedder, step.chunks, cached_gradients(embedder, step.chunks, gradient_for(step)))
    print(f"chunks of {size:2} items: relative difference {relative_error(taken_gradient(embedder), whole):.0e}")

# %% [markdown]
# ## What it saves
#
# Now weigh the graphs again, for several batches and chunk sizes. Two passes hold the graph of one chunk, so the
# largest chunk counts; chunks are sorted by length, the longest items first, so it is enough to weigh the first.


# %%
def curve_of(count: int) -> MemoryCurve:
    """Measured memory of a batch of `count` pairs over chunk sizes."""
    sizes = [2**power for power in range(7) if 2**power <= 2 * count]
    steps = [prepared(pairs[:count], size) for size in sizes]
    peaks = [graph_bytes(embedder, step.chunks[:1], embedder.parameters())[0] for step in steps]
    return MemoryCurve(2 * count, sizes, peaks, peaks[-1], 2 * 4 * 2 * count * embedder.dimensions)


curves = {count: curve_of(count) for count in (2, 4, 8, 16, 32)}

# %% [markdown] tags=["predict"]
# **Predict.** The slider below changes the batch. Which of the three lines move, and which does not?

# %% tags=["figure"]
with_slider(
    {f"{count}": memory_curve_figure(curve, (1e3, 1e9), 64) for count, curve in curves.items()},
    "pairs in the batch",
    start="8",
    play=True,
)

# %% [markdown] tags=["instructor"]
# The orange line (one pass) and the grey one (vectors) rise with the batch. The blue one only grows longer: what a
# chunk holds does not depend on how many other chunks there are. That is the point of the method: **memory is set by
# the chunk, negatives by the batch**. The vectors are the only thing that still grows, and far below.

# %% [markdown]
# ## Dropout: the second pass must be the first one again
#
# One assumption has slipped in: that encoding a chunk twice gives the same vectors twice. With dropout it does not.
# Every forward pass draws which units to drop, so the second pass would push a gradient through *other* vectors than
# those it was computed for. Published recipes do use dropout: VLM2Vec trains LoRA adapters with a dropout of 0.1.
#
# Here is such a model. A fresh adapter's second matrix is zero, so that it changes nothing at first; we draw it at
# random, as if it had been trained for a while.

# %%
adapted = Embedder.load(classroom.MODELS / "llave")
make_trainable(adapted, TrainableSettings(freeze=["vision"], lora_rank=8, lora_dropout=0.1))
generator = torch.Generator().manual_seed(SEED)
with torch.no_grad():
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.copy_(0.05 * torch.randn(weight.shape, generator=generator))
adapted.train()
step = prepared(pairs[:16], 8)
gradient_of = gradient_for(step)


def one_pass() -> Tensor:
    """The weights' gradient of one pass over the whole batch."""
    vectors = torch.cat([adapted(chunk) for chunk in step.chunks])
    vectors.backward(gradient_of(vectors.detach()))
    return taken_gradient(adapted)


torch.manual_seed(SEED)
dropped = one_pass()
torch.manual_seed(SEED)
push(adapted, step.chunks, cached_gradients(adapted, step.chunks, gradient_of))
careless = taken_gradient(adapted)
print(f"two passes, two draws of dropout: relative error {relative_error(careless, dropped):.3f}")

# %% [markdown]
# Nothing crashed, no loss looks odd, and the gradient is wrong by the number above.
#
# ## Exercise 6.3: replay
#
# Put both passes together so that each chunk meets the same dropout in both. The random numbers come from a generator
# whose state can be read and set: `state = RandomState.now()` records it (on the CPU and on every GPU), and
# `state.restore()` sets it back.


# %% tags=["exercise"] exercise="6.3" difficulty=3 minutes=15
def cached_step(
    encode: Callable[[ModelInputs], Float[Tensor, "m d"]],
    chunks: Sequence[ModelInputs],
    gradient_of: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d"]],
) -> None:
    """Add the gradient of the whole batch's loss to the weights' .grad, with one chunk's graph alive at a time.

    encode draws random numbers; each chunk is encoded twice from the same random state. Sets no seed.
    """
    # BEGIN SOLUTION
    states, vectors = [], []
    with torch.no_grad():
        for chunk in chunks:
            states.append(RandomState.now())
            vectors.append(encode(chunk))
    gradients = gradient_of(torch.cat(vectors)).split([len(each) for each in vectors])
    for chunk, state, gradient in zip(chunks, states, gradients, strict=True):
        state.restore()
        encode(chunk).backward(gradient)
    # END SOLUTION


# %% tags=["check"]
check.cached_step(cached_step, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Write both earlier functions into one body. In the first pass keep two lists: the vectors, and the state *before*
# each chunk. In the second pass restore a chunk's own state, then encode it.

# %% [markdown] tags=["hint"]
# Hint 2: the order
# First pass, for each chunk: `states.append(RandomState.now())`, then `vectors.append(encode(chunk))`, all without
# gradient. Second pass: `for chunk, state, gradient in zip(chunks, states, gradients, strict=True):` with
# `state.restore()` as the first line.

# %%
torch.manual_seed(SEED)
cached_step(adapted, step.chunks, gradient_of)
print(f"with replay: relative error {relative_error(taken_gradient(adapted), dropped):.0e}")
torch.manual_seed(SEED + 1)
other = one_pass()
print(f"cosine with one pass, without replay:          {agreement(careless, dropped)[0]:.3f}")
print(f"cosine with one pass, another draw of dropout: {agreement(other, dropped)[0]:.3f}")

# %% [markdown] tags=["explain"]
# **Explain.** Two honest steps with different dropout also differ, as the last number shows. Someone concludes: "then
# replay hardly matters, it is noise like any other." What is the difference between the two kinds of noise?

# %% [markdown] tags=["instructor"]
# A step with another draw is the exact gradient of the loss of *some* thinned network; over many draws its mean is the
# gradient of the mean loss, which is what dropout is meant to minimise. Without replay one multiplies
# $\partial L / \partial z$ of one thinned network with $\partial z / \partial \theta$ of another. That product is the
# gradient of nothing. The two draws are independent, so its mean is the product of two means, not the mean of the
# product: a bias that more steps do not average away. (Which of the two cosines is larger here says nothing about it:
# noise and bias are different things.)

# %% [markdown]
# ## What it costs, and how the trainer avoids it
#
# The price is one more forward pass. Counted in multiplications a backward pass is two forwards, so a step of three
# units becomes one of four. `CachedEncoder`, which the trainer runs, pays only where it must: the first chunks **keep**
# the graph of their first pass while a memory budget lasts, and only the others are encoded twice. (Hence one random
# state a chunk: a single one for the whole pass replays rightly only if no chunk is skipped.) The slider says how
# many keep it. Bars are measured on this machine just now (if it is busy with other things, run the cell again); the
# curve below them is what graphs hold.

# %% [markdown] tags=["predict"]
# **Predict.** At the slider's two ends, what shape has the memory curve: a saw or a mountain? And how much time lies
# between the two?

# %%
step = prepared(pairs[:16], 4)
chunks, weights = step.chunks, list(embedder.parameters())
timed = {}
for kept in range(0, 9, 2):
    tries = [timed_step(embedder, chunks, gradient_for(step), kept, weights) for _ in range(2)]
    timed[f"{kept}"] = min(tries, key=lambda each: each.seconds)
longest = 1.03 * max(each.seconds for each in timed.values())

# %% tags=["figure"]
with_slider({kept: two_passes_figure(each, longest) for kept, each in timed.items()}, "chunks that keep their graph")

# %%
none, all_kept = timed["0"], timed[f"{len(chunks)}"]
print(f"no graph kept:   {none.seconds:.2f} s, at most {none.peak / 1e6:.0f} MB")
print(f"all graphs kept: {all_kept.seconds:.2f} s, at most {all_kept.peak / 1e6:.0f} MB")
print(f"{none.seconds / all_kept.seconds:.2f} times the time for {none.peak / all_kept.peak:.2f} of the memory")

# %% [markdown] tags=["instructor"]
# No graph kept: a saw with one tooth per chunk. All kept: one mountain, up in the forward passes and down in the
# backward passes. The printed ratio of times is what the method costs here. On paper it is at most 4/3; look at the
# bars to see why it can be less: a first pass without a graph is faster than one that builds it, and in a model this
# small a backward costs hardly more than a forward. Times on a busy machine jump; run the cell again. On the trainer
# `--graph_memory_gb` is the budget; `null` takes half of what is free.

# %% [markdown]
# Last, the proof that it is one and the same step: gradients from `CachedEncoder` with budgets from nothing to
# everything. They are not only close; they are equal to the last bit, since chunks are pushed in the same order
# whatever is kept. A run therefore does not depend on how much memory happened to be free.

# %%
gradients = []
for budget in (0, 20e6, 40e6, 1e9):
    encoder = CachedEncoder[ModelInputs](embedder, chunks, budget, weights)
    vectors = encoder.vectors()
    kept = encoder.kept
    encoder.backward(gradient_for(step)(torch.cat(vectors)).split([len(each) for each in vectors]))
    gradients.append(taken_gradient(embedder))
    same = torch.equal(gradients[-1], gradients[0])
    print(f"{budget / 1e6:5.0f} MB: {kept} of {len(chunks)} chunks keep their graph, same bits as with 0 MB: {same}")

# %% [markdown]
# ## What to take away
#
# - Accumulating losses of parts shrinks the pool of negatives; on a trained model hardly any gradient is left.
# - The loss needs all vectors and no graph; the weights need one chunk's graph and its vectors' gradient.
# - Two passes, cut at the vectors, give the gradient of the whole batch exactly, at the memory of one chunk.
# - Whatever is random in the encoder must be replayed. The error of forgetting it raises no exception.
# - The price is a second forward for the chunks whose graph does not fit, and only for those.
#
# ## Open questions
#
# - Activation checkpointing (`--model.trainable.activation_checkpointing true`) also encodes twice, block by block
#   within one graph. What does each of the two save that the other does not, and when would you use both?
# - With several devices, every device pushes its own chunks. How often must gradients be summed over devices in one
#   step? Look at `before_backward` in `core/contrast/gradient_cache.py`, and at lesson 5.
# - Repeat the figure of accumulated gradients with `core.encoder.tiny.llava_onevision.tiny_embedder(SEED)`, an
#   untrained model. Is the accumulated gradient better or worse there, and why?
# - Batch normalisation would break the method. Why, and what would have to be recorded besides the random state?
