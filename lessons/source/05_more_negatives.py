# ---
# jupyter:
#   lesson:
#     number: 5
#     title: "More negatives: gathering across devices"
#     goals:
#       - say what a larger batch does to the hardest negative, and how many negatives a query really sees
#       - write the loss of one device's rows against the columns of all devices
#       - give a gather its backward, and find out by measurement which training steps have a wrong gradient
#       - say which factor a loss needs when the devices' gradients are averaged, and when they are added
#     prerequisites: [1, 3]
#     minutes: 90
#     cpu_seconds: 40
#     code: [core/parallel/collectives.py, core/contrast/contrast.py, core/contrast/similarity_tiles.py]
#     paper: ["LLaVE (arXiv 2503.04812), section 3.3, eq. 8 and fig. 3", "CLIP (arXiv 2103.00020), section 2"]
#     real:
#       command: torchrun --nproc_per_node=2 core/train.py --output runs/lesson-05 --batch 128 --steps 750
#       view: hard_negatives
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
SEED = 0

# %%
import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

from core.objectives.infonce import InfoNCE
from workbench.checks import lesson_05 as check
from workbench.figures.accumulation import accumulation_figure
from workbench.figures.gather_layout import gather_layout_figure
from workbench.figures.gradient_errors import Measured, gradient_errors_figure
from workbench.figures.hardest_negative import hardest_negative_figure
from workbench.figures.slider import with_slider
from workbench.lessons import classroom, processes
from workbench.lessons.data_parallel import TAU, Step, gradient_on_rank, whole_gradient
from workbench.lessons.processes import run_on_ranks
from workbench.measures.accumulation import accumulated
from workbench.measures.pool_size import chance_of_any, differing_attributes, expected_hardest

classroom.begin(SEED)

# %%
processes.start(2)  # two more Python processes, in the background: you need them from exercise 5.2 on

# %% [markdown]
# ## Why everybody wants a large batch
#
# In-batch negatives are free: a batch of $N$ pairs gives every query $N - 1$ wrong answers. But lessons 1 and 3
# showed that nearly all of the gradient goes to the few *hard* ones, and a small batch drawn at random may hold none.
#
# We take the tiny model after its training with InfoNCE and 300 captions of the miniature with their images, from the
# split it never saw. For each caption we know every other image's cosine, and in how many of the asked attributes
# (shape, colour, ...) that image truly differs. So we need not draw batches: the *average over all batches of a given
# size* can be counted exactly.

# %%
rankings = classroom.task("caption-to-image", 300, SEED).rankings
queries, targets = (each.double() for each in classroom.pair_vectors("infonce", "caption-to-image", 300, SEED))
similarity = (queries @ targets.T).numpy()
differing = differing_attributes(rankings)  # 0: that image is right for this caption too, so it is no negative
negative = differing > 0
print(f"cosine of a caption and its own image, on average: {similarity.diagonal().mean():.3f}")
print(f"an average caption has {negative.sum(1).mean():.1f} true negatives among the 299 other images,")
print(f"of which {(differing == 1).sum(1).mean():.1f} differ from its own image in one attribute only")

# %% [markdown] tags=["predict"]
# **Predict.** The batch grows from 4 pairs to 32 and then to 256. (a) How does the mean cosine of a query's *hardest*
# negative change: not at all, by a step each time, or up to 32 and then no more? (b) How likely is it that a batch of
# 32 holds, for a given caption, at least one image that differs in a single attribute?

# %% tags=["figure"]
batches = [2, 4, 8, 16, 32, 64, 128, 256]
above = similarity > similarity.diagonal()[:, None]
chances = {
    "a negative that differs in one attribute": [
        chance_of_any(differing == 1, negative, n - 1).mean() for n in batches
    ],
    "a negative above the right answer": [chance_of_any(above, negative, n - 1).mean() for n in batches],
}
hardest = [float(expected_hardest(similarity, negative, n - 1).mean()) for n in batches]
marked = {4: "one device", 32: "LLaVE's pool", 256: "its batch size"}
hardest_negative_figure(batches, hardest, float(similarity.diagonal().mean()), chances, marked)

# %%
for size in (4, 32, 256):
    place = batches.index(size)
    one, higher = [values[place] for values in chances.values()]
    print(f"{size:4} pairs: hardest negative {hardest[place]:.3f};", end=" ")
    print(f"chance of one attribute {one:.1%}, of one above the right answer {higher:.1%}")

# %% [markdown] tags=["instructor"]
# (a) It rises all the way, with smaller steps towards the end: the largest of k draws creeps up the tail of the
# distribution, roughly with log k, and cannot pass the hardest negative there is. (b) Most guess too high. The truly
# hard images are a handful among hundreds, so a pool of 31 misses them more often than one thinks. The last curve
# matters most: only a negative that comes near the right answer, or above it, pulls at temperature 0.02. A batch
# without one has next to no gradient for this query.

# %% [markdown] tags=["explain"]
# **Explain.** The dotted lines mark 4, 32 and 256 pairs. LLaVE trains with "batch size 256": 8 GPUs, 4 pairs on each,
# and the gradients of 8 such rounds are accumulated before the weights move: $8 \cdot 4 \cdot 8 = 256$. The loss of a
# round gathers the targets of the 8 GPUs, but not those of the rounds before. How many negatives does a query see?

# %% [markdown] tags=["instructor"]
# $8 \cdot 4 - 1 = 31$. Rounds of accumulation never meet: their loss is computed, differentiated and thrown away
# before the next one begins. Without gathering it would be 3. (The paper says "batch size of 256 by gradient
# accumulation"; the published command has 4 pairs a device and 8 rounds.)

# %% [markdown]
# ## Accumulation is not a large batch
#
# For an ordinary classification loss, a mean over examples, accumulating 8 small batches gives the gradient of the
# large one: the mean of means is the mean. A contrastive loss is no mean over examples: every example's loss depends
# on the whole pool. Let us count what that costs, on 256 of our pairs, with the trainer's own contrast step.

# %% [markdown] tags=["predict"]
# **Predict.** We cut the 256 pairs into 8 parts of 32, take the gradient of each part and average. What is the cosine
# between this gradient and that of the 256 pairs at once: about 1, about 0.7, or below 0.5?

# %% tags=["figure"]
cuts = [accumulated(InfoNCE(0.02), queries[:256], targets[:256], parts) for parts in (1, 2, 4, 8, 16, 32, 64)]
accumulation_figure(cuts)

# %%
for cut in cuts:
    print(f"{cut.parts:3} parts, {cut.negatives:3} negatives a query: loss {cut.loss:.3f},", end=" ")
    print(f"cosine {cut.cosine:.3f}, relative error {cut.error:.0%}")

# %% [markdown] tags=["instructor"]
# Each part has its own, smaller softmax. Read the loss as well: it falls as the parts shrink, since the task "find
# the right one among 32" is easier than "among 256", and this model was trained with 64 pairs a batch: smaller pools
# it has nearly solved. The gradient is not a noisy version of the large batch's: it misses the hard negatives that
# lie in other parts. Two ways out: gather over devices (this lesson) and the gradient cache (the next).

# %% [markdown]
# ## Own rows, all columns
#
# $W$ processes ("ranks") hold $n$ pairs each: rank $r$ owns the global pairs $r n, \dots, r n + n - 1$, and the
# global batch has $N = W n$. Every rank encodes its own pairs. Then the ranks exchange the *vectors* of their targets
# (a few megabytes, not the images), so that each holds all $N$. With them rank $r$ computes its strip of the
# similarity matrix, **own rows by all columns**: $n \times N$.

# %% [markdown]
# ### Exercise 5.1: the loss of own rows
#
# Write InfoNCE (query to target, the mean over the own rows) for one rank. `all_targets` has the rows of rank 0
# first, then those of rank 1, and so on. What is new since lesson 1: the right column of row $i$ is no longer $i$.


# %% tags=["exercise"] exercise="5.1" difficulty=2 minutes=10
def own_rows_loss(
    queries: Float[Tensor, "n d"], all_targets: Float[Tensor, "N d"], rank: int, tau: float = TAU
) -> Float[Tensor, ""]:
    """InfoNCE of this rank's queries against the targets of all ranks: one number, the mean over the n queries.

    queries, all_targets: unit vectors. rank: 0 .. N / n - 1; its targets are the rows rank * n .. rank * n + n - 1 of
    all_targets. tau: what the cosines are divided by.
    """
    # BEGIN SOLUTION
    n = len(queries)
    labels = rank * n + torch.arange(n)
    return torch.nn.functional.cross_entropy(queries @ all_targets.T / tau, labels)
    # END SOLUTION


# %% tags=["check"]
check.own_rows_loss(own_rows_loss, seed=SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Draw it for two ranks with two rows each. The matrix of rank 1 has 2 rows and 4 columns. Its queries are the global
# queries 2 and 3. In which columns are their right answers?

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# With logits `queries @ all_targets.T / tau` of shape (n, N), the labels are `rank * n + torch.arange(n)`, and
# `torch.nn.functional.cross_entropy(logits, labels)` takes the mean over rows.

# %% [markdown]
# The check has just shown more than your loss: the mean over ranks of your losses is the loss of the whole batch, and
# calling your function with queries and targets exchanged gives the other direction, as LLaVE's code and our trainer
# use it. All of that ran in one process, where `all_targets` was an ordinary tensor with an ordinary gradient. Now to
# real processes, where it is not.

# %% [markdown] tags=["predict"]
# **Predict.** On rank $r$, `all_targets` comes out of a communication call. Autograd does not know that call: remote
# targets arrive as plain numbers. Say we put the rank's own targets back in, so that at least these keep their
# gradient (the figure's left side). Every mark below is a pair of the matrix, and its kind says which of the two
# vectors learns from that pair. Which part of the matrix still reaches its targets when there are 2 ranks, and which
# when there are 8? Say it before you move the slider.

# %% tags=["figure"]
with_slider({str(world): gather_layout_figure(world) for world in (1, 2, 4, 8)}, "ranks", start="2")

# %% [markdown] tags=["instructor"]
# Only the diagonal blocks: 1/W of the matrix, 1/2 and then 1/8; with nothing put back, none. The more devices, the
# more of the targets' gradient is lost - and the loss, which is a number computed forward, does not change at all.
# The framed strip is the last rank's work. Read the cost as well: the strip is 1/W of the arithmetic, and the
# exchange is small beside an image.

# %% [markdown]
# ## A loss that is right and a gradient that is not
#
# Here is the plain exchange with `torch.distributed`, and a small training step that uses it. The encoder is a single
# matrix on top of the tiny model's vectors, so that "the gradient" is one matrix too. `run_on_ranks` sends the
# functions of this notebook to the two Python processes that you started at the top, runs them there at the same time
# and brings back what they return, rank by rank. In each process `dist.get_rank()` says which rank it is. What a
# function prints there appears here with its rank; if it fails, you see that rank's error, and the next call starts
# two new processes (some seconds).


# %%
def plain_gather(local: Float[Tensor, "n d"]) -> Float[Tensor, "N d"]:
    """The rows of all ranks, in the order of ranks, as plain numbers."""
    pieces = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(pieces, local.contiguous())
    return torch.cat(pieces)


def plain_step(queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """This rank's loss, from the vectors of its own pairs."""
    return own_rows_loss(queries, plain_gather(targets), dist.get_rank())


# %%
generator = torch.Generator().manual_seed(SEED)
weight = torch.randn(queries.shape[1], 32, dtype=torch.float64, generator=generator)
batch = (weight, queries[:16], targets[:16])  # 16 pairs: 8 on each of two ranks

whole = whole_gradient(*batch)  # one process that holds all 16 pairs: the trainer's contrast step
ranks = run_on_ranks(gradient_on_rank, 2, *batch, step=plain_step)
averaged = torch.stack([each["gradient"] for each in ranks]).mean(dim=0)  # what DDP does with the ranks' gradients
loss = torch.stack([each["loss"] for each in ranks]).mean()
cosine = torch.cosine_similarity(averaged.flatten(), whole["gradient"].flatten(), dim=0)
print(f"loss        one process {whole['loss']:.12f}   two processes {loss:.12f}")
print(f"|gradient|  one process {whole['gradient'].norm():.6f}         two processes {averaged.norm():.6f}")
print(f"cosine between the two gradients {cosine:.3f}")

# %% [markdown]
# The same loss to the last digit, and another gradient, in length and in direction. Nothing crashes, the loss is
# logged as it should be, and the model learns something else than you think. So the exchange needs a **backward**.
#
# Think of rank 1's targets $T_1$. They go to *every* rank, and every rank's loss depends on them. By the chain rule
# their gradient is the sum of what all ranks have to say about them:
#
# $$\frac{\partial (L_0 + L_1 + \dots)}{\partial T_1} = \sum_r \frac{\partial L_r}{\partial T_1} .$$
#
# Rank $r$ knows its own term: it is a slice of the gradient that autograd hands to the backward of its gather.
#
# ### Exercise 5.2: a gather with a gradient
#
# `torch.autograd.Function` lets you say what forward and backward do. The forward is given. Write the backward. You
# need one more call: `dist.all_reduce(x)` replaces `x`, on every rank, by the sum over ranks.


# %% tags=["exercise"] exercise="5.2" difficulty=3 minutes=20
def gather(local: Float[Tensor, "n d"]) -> Float[Tensor, "N d"]:
    """The rows of all ranks, in the order of ranks; their gradients find the way back to the rank that owns them."""
    return GatheredRows.apply(local)


class GatheredRows(torch.autograd.Function):
    """What autograd needs to know about the exchange."""

    @staticmethod
    def forward(ctx: FunctionCtx, local: Float[Tensor, "n d"]) -> Float[Tensor, "N d"]:
        """The plain exchange."""
        return plain_gather(local)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Float[Tensor, "N d"]) -> Float[Tensor, "n d"]:
        """From dL_r / d(all rows), with L_r this rank's own loss, to the gradient of this rank's own rows."""
        gradient = gradients[0].clone(memory_format=torch.contiguous_format)  # (N, d): a copy, so you may change it
        # BEGIN SOLUTION
        dist.all_reduce(gradient)
        n = len(gradient) // dist.get_world_size()
        return gradient[dist.get_rank() * n : (dist.get_rank() + 1) * n]
        # END SOLUTION


# %% tags=["check"]
check.gather(gather, seed=SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# On rank $r$, `gradient` holds $\partial L_r / \partial(\text{all rows})$: what *this* rank's loss says about
# *everybody's* rows. You want the opposite: what *everybody's* losses say about *this* rank's rows. Sum first, then
# take your part.

# %% [markdown] tags=["hint"]
# Hint 2: the code
# After `dist.all_reduce(gradient)` every rank holds the sum for all N rows. The own ones are `gradient[rank * n :
# (rank + 1) * n]`, with `rank = dist.get_rank()` and `n = len(gradient) // dist.get_world_size()`. (A reduce-scatter
# does both at once and sends less; that is what `core/parallel/collectives.py` calls.)

# %% [markdown] tags=["explain"]
# **Explain.** Your backward *sums* over ranks, and DDP then *averages* the gradients of the weights over ranks. Why
# is the result the gradient of the whole batch, neither W times too large nor W times too small?

# %% [markdown] tags=["instructor"]
# The loss of the whole batch is the mean of the ranks' losses, $L = \frac{1}{W} \sum_r L_r$. After the summing
# backward, the vectors of rank $r$ hold $\sum_s \partial L_s / \partial(\cdot)$, which is $W$ times $\partial L /
# \partial(\cdot)$. The sum of the weight gradients over ranks is therefore $W \, \partial L / \partial \theta$, and
# DDP's division by $W$ makes it right. Sum over *who speaks about my rows*, then average over *whose rows were
# encoded*.

# %% [markdown]
# ## Spot the impostor
#
# Six ways to write a data-parallel contrastive step. Most of them occur in published training code, the wrong ones
# too. `live` puts the own rows back into a plain gather, so that these rows, and only these, carry a gradient.


# %%
def live(local: Float[Tensor, "n d"]) -> Float[Tensor, "N d"]:
    """A plain gather with this rank's own rows put back, gradient and all."""
    rows, n = plain_gather(local), len(local)
    return torch.cat([rows[: dist.get_rank() * n], local, rows[(dist.get_rank() + 1) * n :]])


def a(queries: Tensor, targets: Tensor) -> Tensor:
    return own_rows_loss(queries, gather(targets), dist.get_rank())


def b(queries: Tensor, targets: Tensor) -> Tensor:
    return own_rows_loss(queries, plain_gather(targets), dist.get_rank())


def c(queries: Tensor, targets: Tensor) -> Tensor:
    return own_rows_loss(queries, live(targets), dist.get_rank())


# %% [markdown]
# In `d`, `e` and `f` every rank computes all $N$ rows: rank 0's labels fit, since nothing is left out.


# %%
def d(queries: Tensor, targets: Tensor) -> Tensor:
    return own_rows_loss(plain_gather(queries), plain_gather(targets), 0)


def e(queries: Tensor, targets: Tensor) -> Tensor:
    return own_rows_loss(live(queries), live(targets), 0)


def f(queries: Tensor, targets: Tensor) -> Tensor:
    return own_rows_loss(live(queries), live(targets), 0) * dist.get_world_size()


# %% [markdown] tags=["predict"]
# **Predict.** For each of a to f: is the logged loss that of one process? Is the gradient? If it is not: too small,
# in a wrong direction, or missing? Two of the six gradients are right.

# %% [markdown] tags=["instructor"]
# All but `f` log the right loss. `a` and `f` have the right gradient; `e` is too small by W; in `d` it is missing; `b`
# and `c` have a wrong direction. Let the students defend their list before they measure: `c` looks right to most.

# %% [markdown]
# ### Exercise 5.3: measure it
#
# Reading code is not enough, as you have just felt. Write the instrument that every project with a gather should have
# among its tests.


# %% tags=["exercise"] exercise="5.3" difficulty=3 minutes=15
def gradient_error(
    step: Step,
    weight: Float[Tensor, "inputs d"],
    queries: Float[Tensor, "N inputs"],
    targets: Float[Tensor, "N inputs"],
) -> float:
    """How far a step on two processes is from one process: |averaged - whole| / |whole|, with norms of matrices.

    step: as plain_step above. averaged: the mean over the 2 ranks of `gradient_on_rank(...)["gradient"]`, as DDP takes
    it. whole: `whole_gradient(weight, queries, targets)["gradient"]`. A right step has 0, up to rounding (1e-14).
    """
    # BEGIN SOLUTION
    ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)
    averaged = torch.stack([each["gradient"] for each in ranks]).mean(dim=0)
    whole = whole_gradient(weight, queries, targets)["gradient"]
    return float((averaged - whole).norm() / whole.norm())
    # END SOLUTION


# %% tags=["check"]
check.gradient_error(gradient_error, seed=SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# All parts are in the cell with `plain_step` above: the call of `run_on_ranks`, the average of the two gradients, and
# the right gradient of one process. Only the last line is new.

# %% [markdown] tags=["hint"]
# Hint 2: the code
# `ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)`; average `each["gradient"]` over
# them; then `float((averaged - whole).norm() / whole.norm())`.

# %% tags=["figure"]
steps = {
    "a  own rows, gather": a,
    "b  own rows, plain": b,
    "c  own rows, live": c,
    "d  all rows, plain": d,
    "e  all rows, live": e,
    "f  all rows, live, x W": f,
}
measured, found = {}, {}
for name, step in steps.items():
    ranks = run_on_ranks(gradient_on_rank, 2, *batch, step=step)
    found[name] = torch.stack([each["gradient"] for each in ranks]).mean(dim=0)
    loss = torch.stack([each["loss"] for each in ranks]).mean()
    measured[name] = Measured(float(loss), gradient_error(step, *batch))
gradient_errors_figure(measured, float(whole["loss"]))

# %%
print("                         loss       error of the gradient   its length   its cosine, to one process's")
for name, each in measured.items():
    length = found[name].norm() / whole["gradient"].norm()
    cosine = torch.cosine_similarity(found[name].flatten(), whole["gradient"].flatten(), dim=0)
    print(f"{name:24} {each.loss:.6f}   {each.error:21.1e}   {length:10.2f}   {cosine:.3f}")

# %% [markdown] tags=["explain"]
# **Explain.** (1) `e` has an error of exactly one half. Would you notice it with plain SGD? With Adam? With gradient
# clipping? (2) `f` has the right gradient and the wrong loss. What would you log? (3) Which of the six would a test
# catch that compares *losses*? (4) `c` gives the targets a part of their gradient back, `b` none. Why can `c` be
# further off all the same?

# %% [markdown] tags=["instructor"]
# (1) `e` is the right direction, 1/W as long. SGD: a learning rate W times too small. Adam divides by the gradient's
# own size, so its steps hardly change - which is how the mistake survives. But clipping at a fixed norm then clips
# less, and weight decay inside the gradient weighs W times more. `b` and `c` are worse: a wrong direction, which no
# learning rate mends. `d` does not train at all. (2) The unscaled loss: otherwise the curve jumps when the number of
# GPUs changes. (3) Only `f`, one of the two that are right! (4) The right gradient of a nearly solved batch is the
# small difference of large parts, and `c` has all of the pull towards the right pair but half of the push away from
# the wrong ones; hence its length. Known recipes: a is OpenCLIP's and LLaVE's, f is VLM2Vec's.

# %% [markdown]
# ## Averaged or added? (optional)
#
# DDP averages gradients over ranks. Our trainer adds them (`sum_gradients` in `core/parallel/collectives.py`). Both are
# fine, if the loss has the factor that fits.
#
# ### Exercise 5.4: the factor
#
# Each rank multiplies its loss by a factor before the backward pass, so that the combined gradient is that of the
# whole batch's mean loss. `rows` says what a rank computes: `"own"` is `a` above, `"all"` is `e`. `combine` says what
# happens to the ranks' gradients.


# %% tags=["exercise"] exercise="5.4" difficulty=3 minutes=10
def loss_factor(rows: str, combine: str, world: int) -> float:
    """The factor of each rank's loss.

    rows: "own" (own rows, a gather with a backward; the mean over n rows) or "all" (all rows on every rank, live own
    rows; the mean over N rows). combine: "mean" or "sum", of the ranks' gradients. world: the number of ranks, W.
    """
    # BEGIN SOLUTION
    of_rows = {"own": 1.0, "all": float(world)}[rows]
    return of_rows if combine == "mean" else of_rows / world
    # END SOLUTION


# %% tags=["check"]
check.loss_factor(loss_factor, seed=SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# You have measured two of the four: `a` needs no factor under a mean, `e` needs the one that makes it `f`. And a sum
# is W times a mean.

# %% [markdown] tags=["hint"]
# Hint 2: the table
# Own rows: 1 under a mean, 1 / W under a sum. All rows: W under a mean. What remains is W / W.

# %% [markdown] tags=["explain"]
# **Explain.** With "all rows" every rank computes the loss of the whole batch. Why does adding W such gradients not
# give W times the gradient?

# %% [markdown] tags=["instructor"]
# On every rank the loss is already $L$, but the backward reaches only the rank's own vectors: rank $r$ gets the part
# of $\partial L / \partial \theta$ that flows through its own pairs. The parts add up to the whole. That is also how
# the trainer does it, without autograd: `value_and_gradient` in `core/contrast/contrast.py` computes $\partial L /
# \partial(\text{own vectors})$ in closed form, and the ranks' weight gradients are added. It computes own rows only,
# so it has the arithmetic of `a` and the factor of `e` under a sum.

# %% [markdown]
# ## The trainer, on two processes, here and now
#
# Enough of single matrices: the next cell runs `torchrun --nproc_per_node=2 core/train.py` with a very small model,
# for 3 steps of 16 pairs, in a temporary folder, and shows its log. `--batch` is the *global* batch, 8 pairs a
# process, and every query sees all 15 negatives.
#
# (LLaVE's alpha grows from 0 to 9 in the first half of a run, so step 1 has two equal losses: `loss` is the weighted
# one, `infonce_loss` that of the same pool with all weights 1. Both are means over all 16 pairs, not over 8.
# `positive` and `hardest` are mean cosines: of a query with its right answer, and with its hardest negative. Every step
# has other pairs and another alpha, so three steps say nothing yet about learning.)

# %%
small = ("--model.width", "32", "--model.layers", "1", "--model.vision_layers", "1", "--data.block", "8")
log = processes.torchrun(2, "--steps", "3", "--batch", "16", "--seed", str(SEED), *small)
for line in log:
    names = ("step", "loss", "infonce_loss", "positive", "hardest", "gradient_norm")
    print("   ".join(f"{name} {line[name]:.4g}" for name in names))

# %% [markdown]
# ## What to take away
#
# - A query learns from its hardest negatives, and a larger pool has harder ones. Ask of every paper: how many
#   negatives does a *query* see?
# - Accumulating gradients does not enlarge the pool. Gathering vectors over devices does, for a few megabytes.
# - Own rows, all columns, labels from `rank * n`. The gather's backward: sum over ranks, own rows.
# - A wrong gather has the right loss. Test **gradients**, in real processes, against one process.
# - Averaged or added, own rows or all: the factor follows from the chain rule, and the logged loss is the unscaled
#   one.
#
# ## Open questions
#
# 1. LLaVE's weights depend on the similarities of the pool. With 31 negatives or 255, is the same alpha right? Try
#    `--batch 32` and `--batch 256`.
# 2. Hardly any of our 300 images is right for a second caption. Repeat the count with the data set `"shape"`, whose
#    answers are class names: how soon does a batch hold a "negative" that is right (`differing == 0` off the
#    diagonal), and what must a trainer do about it?
# 3. With 1024 devices, is the exchange still small? Put the numbers of the layout figure's cost line into a formula
#    in $W$, $n$ and $d$.
