# ---
# jupyter:
#   lesson:
#     number: 1
#     title: InfoNCE is a classifier over your batch
#     goals:
#       - build the similarity matrix of two sets of vectors
#       - write InfoNCE as a cross-entropy whose labels are the diagonal, in both directions
#       - derive its gradient by hand and find it again with autograd
#       - say what the batch size does to the loss, and what tau does to the gradient
#     prerequisites: []
#     minutes: 75
#     cpu_seconds: 20
#     code: [core/objectives/infonce.py, core/objectives/objective.py]
#     paper: ["van den Oord et al. 2018 (arXiv 1807.03748), section 2.3", "LLaVE (arXiv 2503.04812), eq. 1"]
#     real:
#       command: >-
#         torchrun --nproc_per_node=2 core/train.py --output runs/lesson-01 --objective.name infonce --steps 300
#       view: similarity
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
SEED = 0

# %%
from math import log

import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from core.contrast.contrast import value_and_gradient
from core.data.records import Image
from core.evaluation.bundle_items import thumbnail, webp
from core.objectives.infonce import InfoNCE
from core.objectives.objective import row_terms
from workbench.checks import lesson_01 as check
from workbench.checks.batches import batch_of, random_unit_vectors
from workbench.figures.gradient_shares import gradient_shares_figure
from workbench.figures.similarity_matrix import similarity_matrix_figure
from workbench.figures.slider import with_slider
from workbench.lessons import classroom

classroom.begin(SEED)
DATASET, TAU = "image-to-caption", 0.02

# %% [markdown]
# ## Ten pictures, ten captions
#
# The course's tiny model turns any item, a picture or a text, into a vector of length 1. Its data are the
# **miniature**: drawn scenes of coloured shapes, with captions, so that it is known what is true of each. Below are ten
# of its pictures (the rows, our *queries*) and their ten captions (the columns, the *targets*), in the same order. Each
# cell is the cosine of a picture's vector with a caption's. Hover to read the captions.
#
# The model was trained to make one thing true: *in each row the brightest cell is on the diagonal*. That is a guessing
# game. Shown a picture and ten captions, which one belongs to it? The bars under the matrix are the model's answer for
# the outlined row (blue: the right caption); how they come about is this lesson. That row is a close call: among the
# first 64 pairs we took a query whose right caption leads by about 0.03, which means that its cosine is that much above
# the best wrong caption's; then the pair that comes so close to it, and eight others.

# %%
queries, targets = (each.double() for each in classroom.pair_vectors("infonce", DATASET, 256, SEED))
rankings = classroom.task(DATASET, 256, SEED).rankings
captions = [each.candidates[each.right[0]].text for each in rankings]
similarity = queries[:64] @ targets[:64].T
diagonal = torch.eye(64, dtype=torch.bool)
best_wrong = similarity.masked_fill(diagonal, -1.0)
lead = similarity.diagonal() - best_wrong.amax(dim=1)

# %%
close = int((lead - 0.03).abs().argmin())
pair = [close, int(best_wrong[close].argmax())]
picked = sorted([*pair, *[each for each in range(10) if each not in pair][:8]])
ten, own, row = similarity[picked][:, picked], torch.eye(10, dtype=torch.bool), picked.index(close)
parts = [part for each in picked for part in rankings[each].query.parts if isinstance(part, Image)]
pictures = [webp(thumbnail(part)) for part in parts]
right_words = [captions[each] for each in picked]
words = [f"the picture of {caption}" for caption in right_words]


def matrix_at(tau: float) -> go.Figure:
    """The figure of the ten pairs at a temperature; the softmax is the trainer's."""
    probability = row_terms(InfoNCE(tau), ten, own).probability
    return similarity_matrix_figure(ten.numpy(), probability.numpy(), row, words, right_words, pictures)


# %% tags=["figure"]
matrix_at(0.1)

# %% [markdown]
# ## 1.1 The similarity matrix
#
# What a network puts out has any length; only its direction is meant. The cosine of two vectors is their dot product
# after both were divided by their lengths: $s_{ij} = \frac{q_i \cdot t_j}{\lVert q_i \rVert\, \lVert t_j \rVert}$. It
# lies in $[-1, 1]$.
#
# How to read the signatures of all exercises: `Float[Tensor, "m d"]` is a tensor of floats of the shape (m, d). The
# same letter stands for the same number, and `""` is a scalar.


# %% tags=["exercise"] exercise="1.1" difficulty=1 minutes=8
def cosine_similarity(queries: Float[Tensor, "m d"], targets: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
    """The cosine of each query (a row) with each target (a column), in [-1, 1].

    queries, targets: vectors of any length but 0.
    """
    # BEGIN SOLUTION
    return normalize(queries, dim=1) @ normalize(targets, dim=1).T
    # END SOLUTION


# %% tags=["check"]
check.cosine_similarity(cosine_similarity, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# First give every vector the length 1, then one matrix product makes all dot products at once.

# %% [markdown] tags=["hint"]
# Hint 2: the pieces
# `x / x.norm(dim=1, keepdim=True)`, or `normalize(x, dim=1)`, which is imported above. Then `queries @ targets.T`.

# %% [markdown]
# ## 1.2 The loss of one direction
#
# Now take the game literally. Row $i$ is a classification problem with $N$ classes, the targets of the batch, and the
# right class is number $i$. Similarities divided by a temperature $\tau$ are its logits, and the loss is the
# cross-entropy. That is InfoNCE, query to target:
#
# $$p_{ij} = \frac{e^{s_{ij}/\tau}}{\sum_k e^{s_{ik}/\tau}} \qquad L = \frac1N \sum_i -\log p_{ii}
# = \frac1N \sum_i \Bigl(\log \sum_k e^{s_{ik}/\tau} - \frac{s_{ii}}{\tau}\Bigr)$$

# %% [markdown] tags=["predict"]
# **Predict.** A model that knows nothing gives all cosines the same value. What is its loss in a batch of 64, and what
# in a batch of 1024? Does $\tau$ matter?

# %% [markdown] tags=["instructor"]
# Every p is 1/N, so the loss is log N: 4.16 and 6.93, for any tau, since equal logits stay equal. The check uses it.

# %% [markdown]
# Write it with `torch.logsumexp`, not with `exp` and `log`: at $\tau = 0.01$, $e^{s/\tau}$ reaches $e^{100}$, and
# float32 ends at $e^{88}$. (`cross_entropy` does all of it in one call. Use it if you like, but once in a life one
# should have written it.)


# %% tags=["exercise"] exercise="1.2" difficulty=2 minutes=15
def row_loss(similarity: Float[Tensor, "n n"], tau: float) -> Float[Tensor, ""]:
    """InfoNCE from queries to targets, as a mean over the n queries.

    similarity: cosines of n queries (rows) with n targets (columns); target i is the right one of query i.
    tau: above 0. Finite also where e^(s/tau) is not.
    """
    # BEGIN SOLUTION
    logits = similarity / tau
    return (torch.logsumexp(logits, dim=1) - logits.diagonal()).mean()
    # END SOLUTION


# %% tags=["check"]
check.row_loss(row_loss, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# The right-hand form above has two parts: one number a row from all of its logits, and one from the diagonal.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# With `logits = similarity / tau`: `torch.logsumexp(logits, dim=1)` is the first part, `logits.diagonal()` the second.

# %% [markdown]
# The classes of this classifier are whatever lies in the batch. So the same model is given an easy examination by a
# small batch and a hard one by a large batch. Chance is 1 in $N$, and $\log N$ for the loss:

# %%
print("batch  loss    log N   right caption first")
for count in (4, 16, 64, 256):
    batch = queries[:count] @ targets[:count].T
    first = (batch.argmax(dim=1) == torch.arange(count)).double().mean()
    print(f"{count:5}  {row_loss(batch, TAU):.4f}  {log(count):.4f}  {first:.0%}")

# %% [markdown]
# And vectors that know nothing, random directions in the model's 128 dimensions. Compare with your prediction:

# %%
directions = [random_unit_vectors(256, 128, SEED + each) for each in (1, 2)]
noise = cosine_similarity(*directions)
print(f"256 random pairs: cosines have a standard deviation of {noise.std():.3f}; log 256 = {log(256):.3f}")
for tau in (1.0, 0.1, 0.02):
    print(f"tau {tau:4.2f}: loss {row_loss(noise, tau):.3f}")

# %% [markdown] tags=["explain"]
# **Explain.** At $\tau = 0.02$ random vectors have a loss far *above* chance. How can one be worse than knowing
# nothing?

# %% [markdown] tags=["instructor"]
# By being sure and wrong. Random cosines differ by about 1/sqrt(128) = 0.09, which is several times tau: after division
# the logits differ by 4 and more, so the softmax stakes nearly everything on some target, and mostly a wrong one. log N
# is the loss only where similarities are alike *on the scale of tau*.

# %% [markdown]
# ## 1.3 Both directions
#
# Turn the game round: shown a caption, which of the pictures belongs to it? Those are the columns. CLIP, our trainer
# and the published code of LLaVE (the paper that this course follows) take the mean of both losses; LLaVE's equations
# have the first direction alone.


# %% tags=["exercise"] exercise="1.3" difficulty=1 minutes=5
def info_nce(similarity: Float[Tensor, "n n"], tau: float) -> Float[Tensor, ""]:
    """The mean of InfoNCE from queries to targets and from targets to queries.

    similarity: cosines of n queries (rows) with n targets (columns); target i is the right one of query i.
    tau: above 0. It may call row_loss.
    """
    # BEGIN SOLUTION
    return (row_loss(similarity, tau) + row_loss(similarity.T, tau)) / 2
    # END SOLUTION


# %% tags=["check"]
check.info_nce(info_nce, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# In the transposed matrix, targets are rows.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# Half of `row_loss(similarity, tau) + row_loss(similarity.T, tau)`.

# %% [markdown]
# `value_and_gradient` is what the trainer calls in every step. On the model's first 64 pairs:

# %%
trainer = value_and_gradient(InfoNCE(TAU), batch_of(queries[:64], targets[:64]))
print(f"yours {info_nce(similarity, TAU):.12f}, trainer {trainer.loss:.12f}")

# %% [markdown]
# ## What tau does to the probabilities
#
# Cosines live in a narrow range, and the softmax only looks at differences: adding a number to a whole row changes
# nothing. $\tau$ says which difference counts. Two targets 0.1 apart differ in probability by the factor
# $e^{0.1/\tau}$.

# %% [markdown] tags=["predict"]
# **Predict.** For the outlined row, what happens to the bar of the right caption as $\tau$ goes from 0.01 to 0.5? Where
# would the bars go for a very large $\tau$?

# %% [markdown] tags=["instructor"]
# At a small tau the most similar target takes all (right or wrong), then the bars level out, towards 1/N = 10 % each.
# Their order never changes: tau does not change which target is first.

# %% tags=["figure"]
TAUS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
with_slider({str(tau): matrix_at(tau) for tau in TAUS}, "tau", start="0.1", play=True)

# %% [markdown]
# ## 1.4 The gradient, by hand
#
# The gradient says what training does with a batch: which cosines are to rise, which to fall, and how strongly. Derive
# it on paper for $L$ of 1.2, query to target, *with its mean over N*. Three steps:
#
# 1. by the logits $z_{ij} = s_{ij}/\tau$ of one row: $\;\partial(-\log p_{ii})/\partial z_{ij}$. Start from
#    $\log \sum_k e^{z_{ik}} - z_{ii}$;
# 2. from logits to cosines: $\;\partial z_{ij}/\partial s_{ij}$;
# 3. the mean over the $N$ rows.


# %% tags=["exercise"] exercise="1.4" difficulty=3 minutes=18
def row_gradient(similarity: Float[Tensor, "n n"], tau: float) -> Float[Tensor, "n n"]:
    """dL/dS of row_loss in closed form, without autograd.

    similarity: cosines of n queries (rows) with n targets (columns); target i is the right one of query i.
    tau: above 0. L is the mean over the n queries.
    """
    # BEGIN SOLUTION
    probability = torch.softmax(similarity / tau, dim=1)
    labels = torch.eye(len(similarity), dtype=similarity.dtype)
    return (probability - labels) / (len(similarity) * tau)
    # END SOLUTION


# %% tags=["check"]
check.row_gradient(row_gradient, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# The derivative of $\log\sum_k e^{z_k}$ by $z_j$ is the softmax $p_j$. The second term, $-z_{ii}$, only has a
# derivative on the diagonal.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# $\partial L/\partial S = (P - I)/(N\tau)$, where $P$ is the softmax of each row of $S/\tau$.

# %% [markdown]
# Beside float64 autograd, for one direction and for both. For both, the second direction is the same function of the
# transposed matrix, transposed back:

# %%
free = similarity.clone().requires_grad_()
(one,) = torch.autograd.grad(row_loss(free, TAU), free)
(both,) = torch.autograd.grad(info_nce(free, TAU), free)
by_hand = row_gradient(similarity, TAU)
print("one direction: ", check.largest_difference(by_hand, one))
print("both:          ", check.largest_difference((by_hand + row_gradient(similarity.T, TAU).T) / 2, both))
print(f"largest |sum of a row|, one direction: {by_hand.sum(dim=1).abs().max():.1e}")

# %% [markdown] tags=["explain"]
# **Explain.** Read $(P - I)/(N\tau)$ aloud, for one row: what happens to the right target, what to each negative, and
# why do both balance? What is left of the row when the model is sure and right, and what when it is sure and wrong?

# %% [markdown] tags=["instructor"]
# The right cosine is to rise with the strength (1 - p_ii)/(N tau); each negative's is to fall in proportion to its
# probability, and together they fall with the same strength, because the p of a row sum to 1 (the shift invariance of
# the softmax, seen from the gradient). Sure and right: p_ii is 1, nothing is left. Sure and wrong: nearly the full
# 1/(N tau), all of it between the right target and one negative.

# %% [markdown]
# ## Which negatives pull
#
# Each negative gets its part of the row's gradient, in proportion to its probability. Here is the query of the close
# call again, now in a batch of 64 as the trainer draws it, with its 63 negatives sorted by similarity. The bars of the
# slider's $\tau$ stand beside those of $\tau = 0.02$, with which the model was trained.

# %% [markdown] tags=["predict"]
# **Predict.** How many of the 63 negatives share half of the gradient at $\tau = 0.02$? At $\tau = 0.5$?

# %% [markdown] tags=["instructor"]
# One or two at 0.02: InfoNCE at a low temperature mines hard negatives by itself. At 0.5 it takes some fifteen to
# twenty-five. The figure's title counts them; if all pulled alike it would be 32.

# %% tags=["figure"]
order = similarity[close].masked_fill(diagonal[close], -2.0).argsort(descending=True)[:-1]
labels = [f"{captions[column]} (cosine {similarity[close, column]:.3f})" for column in order]
shares = {tau: row_terms(InfoNCE(tau), similarity, diagonal).share[close, order].numpy() for tau in TAUS}
names = ("at this tau", "at tau = 0.02, as trained")
stills = {
    str(tau): gradient_shares_figure(labels, shares[TAU], share, names).update_yaxes(range=[0, 100])
    for tau, share in shares.items()
}
with_slider(stills, "tau", start="0.1", play=True)

# %% [markdown]
# $\tau$ also sets how much a *whole row* pulls, $(1 - p_{ii})/\tau$. For this query, for the one of the 64 whose right
# caption lies furthest behind (or leads least), and for the one with the largest lead:

# %%
print(f"leads: worst {lead.min():+.3f}, close call {lead[close]:+.3f}, easiest {lead.max():+.3f}")
print("pull of a row, (1 - p_ii) / tau\n  tau     worst   close call   easiest")
for tau in TAUS:
    pulls = -len(similarity) * row_gradient(similarity, tau).diagonal()
    print(f"{tau:5.2f}  {pulls[lead.argmin()]:8.3f}   {pulls[close]:10.3f}   {pulls[lead.argmax()]:8.1e}")

# %% [markdown] tags=["explain"]
# **Explain.** Someone says: "A lower temperature gives larger gradients, because of the $1/\tau$." For which of the
# three queries is that so? At which $\tau$ does the close call pull most, and what has that to do with its lead?

# %% [markdown] tags=["instructor"]
# Only for the query that is wrong (or all but tied): 1 - p_ii stays near 1/2 or 1, and 1/tau grows. For a query with a
# lead m, 1 - p_ii falls about like e^(-m/tau) once tau is well below m, much faster than 1/tau grows: it goes silent.
# The close call pulls most where tau is about its lead; the easiest at a tau about as large as *its* lead or somewhat
# below. So a low tau spends the training on what stands at the border, and stops as soon as the lead is some tau
# wide. Lesson 2 looks at what that leaves undone, lesson 3 at a loss that keeps asking for more.

# %% [markdown]
# ## What to take away
#
# - InfoNCE is a classifier whose classes are the batch: labels on the diagonal, chance at $\log N$.
# - A loss means nothing without $N$ and $\tau$: more pairs make a harder examination.
# - The gradient is $(P - I)/(N\tau)$. Every row balances: what the right target gains, the negatives lose.
# - $\tau$ chooses among negatives: at 0.02 the few hardest do nearly all, at 0.5 the pull is spread over many.
# - A query that leads by several $\tau$ has gone silent.
#
# ## Open questions
#
# 1. Two pictures in one batch have the *same* caption. What do the labels on the diagonal say then, and what should
#    they? (The trainer leaves such columns out; `core/contrast/similarity_tiles.py`.)
# 2. The trainer can learn $\tau$ (`--objective.learn_temperature true`). Which direction would the loss above push it
#    in when the model is right, and what stops it?
# 3. You have memory for 64 pairs at a time and want the loss of 4096. Why does adding up the losses of 64 small batches
#    not give it? (Lessons 5 and 6.)
