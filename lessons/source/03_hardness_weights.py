# ---
# jupyter:
#   lesson:
#     number: 3
#     title: Hardness-weighted contrastive learning
#     goals:
#       - put a weight on negatives, and on nothing else
#       - write the weighted loss in log space, as InfoNCE with an offset on the negatives' logits
#       - derive its gradient with the weight held constant
#       - say which negatives gain, which queries wake up, and what margin alpha and tau ask for together
#     prerequisites: [1, 2]
#     minutes: 100
#     cpu_seconds: 30
#     code: [core/objectives/hardness.py, core/objectives/infonce.py, core/objectives/objective.py]
#     paper: ["LLaVE (arXiv 2503.04812), section 3.2, eq. 1-7, table 1"]
#     real:
#       command: torchrun --nproc_per_node=2 core/train.py --output runs/lesson-03 --objective.alpha 9 --steps 300
#       view: pair_weights
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
SEED = 0

# %%
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.contrast.contrast import value_and_gradient
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from workbench.checks import lesson_03 as check
from workbench.checks.batches import batch_of
from workbench.figures.gradient_by_similarity import gradient_by_similarity_figure
from workbench.figures.hardness_shares import hardness_shares_figure
from workbench.figures.pull_by_margin import pull_by_margin_figure
from workbench.figures.similarity_overlap import Histograms, similarity_overlap_figure
from workbench.figures.slider import with_slider
from workbench.figures.weight_curve import weight_curve_figure
from workbench.lessons import classroom
from workbench.lessons.pools import trained_pools
from workbench.measures.hardness import effect, mean_of, shares_by_hardness, weights_at
from workbench.measures.overlap import by_kind

classroom.begin(SEED)
DATASET, TAU, ALPHA = "image-to-caption", 0.02, 9.0

# %% [markdown]
# ## A query that has stopped learning
#
# The course's tiny model was trained with InfoNCE on the miniature. We give it 100 pictures, each with a pool of 100
# captions of which one is right. The pools hold near misses on purpose: captions that are wrong in one attribute only,
# such as the size or the shape.
#
# Most interesting is a query that the model gets right, but not by much. Of all 100 we take the one whose right caption
# has a cosine nearest to 15 percent above that of the best wrong caption. This is its picture:

# %%
pools = trained_pools("infonce", DATASET, 100, SEED)
rankings = classroom.task(DATASET, 100, SEED).rankings
positive = pools.similarity[pools.positive]
hardest = np.where(pools.wrong, pools.similarity, -1.0).max(axis=1)
chosen = int(np.abs(positive / hardest - 1.15).argmin())
next(rankings[chosen].query.images()).open().resize((192, 192))

# %% [markdown]
# And these are its five best captions: the cosine $s_{ij}$, and the probability $p_{ij}$ that InfoNCE's softmax gives
# to each. The right one comes first. Compare the second with it word by word.

# %%
plain = effect(InfoNCE(TAU), pools.pick([chosen]))
captions = [item.text for item in rankings[chosen].candidates]
print("cosine  p of InfoNCE  caption")
for column in np.argsort(-pools.similarity[chosen])[:5]:
    print(f"{pools.similarity[chosen, column]:6.3f}  {plain.probability[0, column]:12.5f}  {captions[column]}")
print(f"\nAll {int(pools.wrong[chosen].sum())} negatives together: {1 - plain.right[0]:.5f}")

# %% [markdown]
# You know from lesson 1 what that means. The gradient of one row's InfoNCE is $(p_{ij} - [j = i])/\tau$, where
# $[j = i]$ is 1 if the condition in the brackets holds and 0 if not. But for $1/\tau$, all negatives of a row together
# are pushed with $1 - p_{ii}$, and the right caption is pulled with the same. The last number is all that is left of
# this row. For InfoNCE the job is done, although the caption of another scene, with another shape, comes next at a
# cosine that is still high.
#
# **LLaVE's idea**: let a negative count as if it were there many times, the more the more similar it is to the query.
# Each negative's term gets a weight $w_{ij}$, and the right answer's does not:
#
# $$L_i = -\log \frac{e^{s_{ii}/\tau}}{e^{s_{ii}/\tau} + \sum_{j \neq i} w_{ij}\, e^{s_{ij}/\tau}}
# \qquad w_{ij} = e^{\alpha\, \mathrm{sg}(s_{ij})}$$
#
# $\alpha \ge 0$ says how strongly (the paper: 9), and *sg*, stop-gradient, says that $w$ is a constant
# when the loss is differentiated. $\alpha$ multiplies the cosine itself, not $s/\tau$.

# %% [markdown]
# ## 3.1 The weights
#
# A batch holds $n$ queries and their $n$ right targets. Its similarity matrix has one row a query, and the right
# target of query $i$ is target $i$: positives lie on the diagonal, everything else is a negative.
#
# Write the matrix of weights: $e^{\alpha s_{ij}}$ off the diagonal, 1 on it. It must carry no gradient, and it must
# not change the matrix that it is given.


# %% tags=["exercise"] exercise="3.1" difficulty=2 minutes=12
def hardness_weights(similarity: Float[Tensor, "n n"], alpha: float) -> Float[Tensor, "n n"]:
    """The weight of each pair, a constant of the backward pass.

    similarity: cosines of n queries (rows) with n targets (columns), in [-1, 1]; positives on the diagonal.
    alpha: at least 0. Returns e^(alpha s) for negatives and 1 for positives, without gradient.
    """
    # BEGIN SOLUTION
    own = torch.eye(len(similarity), dtype=torch.bool)
    return torch.exp(alpha * similarity.detach()).masked_fill(own, 1)
    # END SOLUTION


# %% tags=["check"]
check.hardness_weights(hardness_weights, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Compute $e^{\alpha s}$ for every pair first, then put ones on the diagonal. A constant of the backward pass is
# what `.detach()` gives.

# %% [markdown] tags=["hint"]
# Hint 2: the pieces
# `torch.eye(n, dtype=torch.bool)` marks the diagonal, and `matrix.masked_fill(mask, 1)` gives a copy with ones where
# the mask is true. Methods that end in `_` work in place, and `detach()` shares memory with the original: do not use
# `fill_diagonal_` on it.

# %% [markdown] tags=["predict"]
# **Predict.** Our query has 99 negatives with cosines between about -0.5 and 0.8. At $\alpha = 9$, how many times more
# does its hardest negative weigh than its median one: 3 times, 30 times, 300 times or more? Does any negative weigh
# *less* than under InfoNCE? (In the figure, *what-if* is the weight at the slider's alpha, and *as trained* is the loss
# with which this model was trained: InfoNCE, whose weights are all 1.)

# %% [markdown] tags=["instructor"]
# The ratio is e^(9 (s_hardest - s_median)), with a difference of some 0.6 to 0.9 a factor of several hundred to a few
# thousand; the figure's title has it. Negatives with a cosine below 0 weigh less than 1.

# %% tags=["figure"]
similarity = pools.similarity[chosen][pools.wrong[chosen]]
curve, ones = np.linspace(-1, 1, 41), np.ones(41)
stills = {}
for alpha in (0, 1, 2, 3, 5, 7, 9, 12, 16, 20):
    objective = HardnessWeighted(float(alpha), TAU)
    weight, line = (weights_at(objective, at, positive[chosen]) for at in (similarity, curve))
    still = weight_curve_figure(similarity, weight, positive[chosen], curve, line, ones)
    stills[str(alpha)] = still.update_yaxes(range=[-9, 9], dtick=3, exponentformat="power", tickformat="", nticks=0)
with_slider(stills, "alpha", start="9", play=True)

# %% [markdown] tags=["explain"]
# **Explain.** Suppose a row's weights were all the same number $c$. What would that do to the shares that its
# negatives have among themselves? And to the row as a whole?

# %% [markdown] tags=["instructor"]
# Among themselves nothing changes: a common factor cancels in every ratio p_ij / p_ik. But all of them gain against
# the positive, as if there were c times as many negatives, or as if the positive's logit were smaller by log c. So a
# weight does two things: its *differences* shift pull among the negatives of a row, and its *level* wakes the whole
# row. Which of the two matters more is what this lesson finds out. (HCL and HN-NCE divide the weights by their mean
# and keep the first alone.)

# %% [markdown]
# ## 3.2 The loss, in log space
#
# Multiplying $w$ with $e^{s/\tau}$ is a poor idea in floating point: at $\tau = 0.01$ a cosine near 1 makes
# $e^{100}$, and float32 ends at $e^{88}$. But a product of exponentials is the exponential of a sum:
#
# $$w_{ij}\, e^{s_{ij}/\tau} = e^{\,s_{ij}/\tau\; +\; \alpha\, \mathrm{sg}(s_{ij})}$$
#
# So the weighted loss **is InfoNCE with other logits**: negatives have the offset $\alpha s_{ij}$, positives have none.
# Write it so. The weight itself never appears, and neither does `exp`.


# %% tags=["exercise"] exercise="3.2" difficulty=3 minutes=18
def hardness_loss(similarity: Float[Tensor, "n n"], alpha: float, tau: float) -> Float[Tensor, ""]:
    """The hardness-weighted loss, query -> target, as a mean over the n queries.

    similarity: cosines of n queries (rows) with n targets (columns), in [-1, 1]; positives on the diagonal.
    alpha: at least 0. tau: above 0. The offset is a constant of the backward pass; the rest is not.
    Finite wherever the logits are, also in float16.
    """
    # BEGIN SOLUTION
    own = torch.eye(len(similarity), dtype=torch.bool)
    offset = (alpha * similarity.detach()).masked_fill(own, 0)
    return cross_entropy(similarity / tau + offset, torch.arange(len(similarity)))
    # END SOLUTION


# %% tags=["check"]
check.hardness_loss(hardness_loss, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Make the matrix of logits, and then it is lesson 1 again: the cross-entropy of each row, whose label is its own
# number. Only the offset is detached; $s/\tau$ has to carry the gradient.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# logits = `similarity / tau + offset`, where `offset` is $\alpha$ times the detached similarity, with 0 on the
# diagonal. Then `cross_entropy(logits, torch.arange(n))`.

# %% [markdown]
# Is it the same loss? We take a batch such as the trainer draws, 64 pictures with their captions, and compare
# three things: the paper's formula with your weights of 3.1, your loss in log space, and the function that the trainer
# calls. Like the paper's published code, the trainer takes the mean of both directions, query to target and target to
# query; the paper's own formula has the first alone.

# %%
queries, targets = (each.double() for each in classroom.pair_vectors("infonce", DATASET, 64, SEED))
batch = queries @ targets.T
mass = hardness_weights(batch, ALPHA) * torch.exp(batch / TAU)
by_formula = -torch.log(mass.diagonal() / mass.sum(dim=1)).mean()
rows, columns = (hardness_loss(each, ALPHA, TAU) for each in (batch, batch.T))
trainer = value_and_gradient(HardnessWeighted(ALPHA, TAU), batch_of(queries, targets)).loss
print(f"query -> target: formula {by_formula:.12f}, log space {rows:.12f}")
print(f"both directions: yours   {(rows + columns) / 2:.12f}, trainer   {trainer:.12f}")

# %% [markdown]
# Now the same vectors, nothing trained in between, at rising $\alpha$:

# %%
for alpha in (0.0, 3.0, 9.0, 20.0):
    print(f"alpha {alpha:4.0f}: loss {hardness_loss(batch, alpha, TAU):7.4f}")

# %% [markdown] tags=["explain"]
# **Explain.** A colleague trains with $\alpha = 0$ and with $\alpha = 9$, sees that the second run's loss is far
# higher, and concludes that it is worse. What do you answer, and what should be compared instead?

# %% [markdown] tags=["instructor"]
# The vectors above are the same in every line, so the loss rises by definition, not by quality: the denominators got
# larger. Losses of different alpha (or tau) are different scales. Compare what does not depend on alpha: the loss with
# all weights 1, which the trainer logs beside its own as `infonce_loss`, or ranks such as P@1 on held-out queries.

# %% [markdown]
# ## 3.3 The gradient
#
# Call the softmax of the offset logits $\tilde P$:
#
# $$\tilde p_{ij} = \frac{e^{z_{ij}}}{\sum_k e^{z_{ik}}}, \qquad z_{ij} = \frac{s_{ij}}{\tau} + \alpha\,
# \mathrm{sg}(s_{ij})\,[j \neq i], \qquad L = \frac{1}{N} \sum_i \bigl(-\log \tilde p_{ii}\bigr)$$
#
# Do it on paper first. Two steps are enough: what is $\partial(-\log \tilde p_{ii})/\partial z_{ij}$, and what is
# $\partial z_{ij}/\partial s_{ij}$ when the second term of $z$ counts as a constant? Mind the mean over $N$.

# %% [markdown] tags=["predict"]
# **Predict.** What do the entries of one row of the gradient sum to? Would that still hold if the offset were not
# detached?

# %% [markdown] tags=["instructor"]
# To 0: the p~ of a row sum to 1, and the -1 of the positive takes that away. What the negatives push, the positive
# pulls. Undetached, the slope of a negative's logit is 1/tau + alpha in place of 1/tau, so all negatives grow by the
# factor 1 + alpha tau (1.18 here), the positive does not, and the row no longer sums to 0. Lesson 4 is about that.


# %% tags=["exercise"] exercise="3.3" difficulty=3 minutes=18
def hardness_gradient(similarity: Float[Tensor, "n n"], alpha: float, tau: float) -> Float[Tensor, "n n"]:
    """dL/dS of hardness_loss in closed form: without autograd, and without calling hardness_loss.

    similarity: cosines of n queries (rows) with n targets (columns), in [-1, 1]; positives on the diagonal.
    alpha: at least 0. tau: above 0. L is the mean over the n queries, and the weights are constants.
    """
    # BEGIN SOLUTION
    own = torch.eye(len(similarity), dtype=torch.bool)
    logits = similarity / tau + (alpha * similarity).masked_fill(own, 0)
    return (torch.softmax(logits, dim=1) - own.to(similarity.dtype)) / (len(similarity) * tau)
    # END SOLUTION


# %% tags=["check"]
check.hardness_gradient(hardness_gradient, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# In its logits $z$ this is plain InfoNCE, whose gradient you know from lesson 1: probabilities minus labels. The
# offset only changes *which* probabilities.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# $\partial(-\log \tilde p_{ii})/\partial z_{ij} = \tilde p_{ij} - [j = i]$ and $\partial z_{ij}/\partial s_{ij} =
# 1/\tau$, so $\partial L/\partial S = (\tilde P - I)/(N\tau)$.

# %% [markdown]
# Beside float64 autograd of your own loss of 3.2, and its rows' sums:

# %%
free = batch.clone().requires_grad_()
(by_autograd,) = torch.autograd.grad(hardness_loss(free, ALPHA, TAU), free)
by_hand = hardness_gradient(batch, ALPHA, TAU)
print(f"largest entry {by_hand.abs().max():.4f}")
print(f"largest difference to autograd {(by_hand - by_autograd).abs().max():.1e}")
print(f"largest |sum of a row| {by_hand.sum(dim=1).abs().max():.1e}")

# %% [markdown]
# ## Who gains?
#
# Back to the query that had stopped learning, with its pool of 100 captions. $\tau \cdot |\partial L_i/\partial
# s_{ij}| = \tilde p_{ij}$ is how hard the objective pulls on negative $j$, and those of a row sum to $1 - \tilde
# p_{ii}$, always: a row has 1 to give, and what the right answer does not hold, the negatives do.

# %% [markdown] tags=["predict"]
# **Predict.** Alpha goes from 0 to 9 at $\tau = 0.02$. Two questions about this row. (a) How much of the row do the
# negatives hold together then: twice as much, ten times, a hundred times? (b) Of what the negatives hold, does
# the hardest one's share grow a lot, a little, or not at all?

# %% [markdown] tags=["instructor"]
# (a) From well under 1 % to most of the row: about a hundredfold or more. (b) A little. Most learners expect the
# opposite, that the weight takes pull from easy negatives and gives it to hard ones. At tau = 0.02 there is nothing to
# take: the softmax has already given everything to the few hardest.

# %% tags=["figure"]
one = pools.pick([chosen])
labels = [captions[column] for column in np.flatnonzero(one.wrong[0])]
pulls = {alpha: effect(HardnessWeighted(float(alpha), TAU), one).probability[one.wrong] for alpha in range(0, 21)}
with_slider(
    {
        str(alpha): gradient_by_similarity_figure(
            similarity, pulls[0], pulls[alpha], positive[chosen], labels, "weighted"
        )
        for alpha in (0, 1, 2, 3, 5, 7, 9, 12, 16, 20)
    },
    "alpha",
    start="9",
    play=True,
)

# %% [markdown]
# Move the slider. Above, one point a negative, on a logarithmic axis; hover to read the captions. What is smaller than
# $10^{-12}$ is drawn at $10^{-12}$: leave that floor out of account. Below, the same as bars: the row as it is, and its
# negatives alone, scaled to 100 %.

# %% [markdown] tags=["explain"]
# **Explain.** InfoNCE's points lie on a straight line, and so do the weighted ones. Which slopes do the two lines have
# (in natural logarithms per unit of cosine), and how do they explain the lower bars?

# %% [markdown] tags=["instructor"]
# log p_ij = s_ij / tau - log Z and log p~_ij = (1/tau + alpha) s_ij - log Z~: slopes 50 and 59. Two negatives 0.1
# apart differ by the factor e^5 = 148 under InfoNCE and e^5.9 = 365 under alpha = 9. Either way the nearer has nearly
# everything, so shares among negatives hardly move. What moves is the *height* of the line, because the positive's
# logit stays at s_ii / tau while a negative at 0.8 gains 7.2: a factor of e^7.2, about 1300, against the positive.
# Being steeper, the upper line crosses the lower one: at alpha = 20, negatives that are far enough away *lose*.

# %% [markdown]
# ## 3.4 The margin
#
# So the weight works against the right answer above all. How far ahead must the right answer be? Take a row with a
# single negative of cosine $s^-$ and look for the positive's cosine $s^+$ at which both hold one half,
# $\tilde p_{ii} = \frac12$: their logits are equal. Under InfoNCE that is $s^+ = s^-$.


# %% tags=["exercise"] exercise="3.4" difficulty=2 minutes=10
def tie(negative: Float[Tensor, " k"], alpha: float, tau: float) -> Float[Tensor, " k"]:
    """The positive's cosine at which it ties with one negative: both hold half of the row.

    negative: cosine of the negative in each of k rows, in [-1, 1]. alpha: at least 0. tau: above 0.
    """
    # BEGIN SOLUTION
    return (1 + alpha * tau) * negative
    # END SOLUTION


# %% tags=["check"]
check.tie(tie, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Write both logits and set them equal. The positive's has no offset.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# $s^+/\tau = s^-/\tau + \alpha s^-$. Multiply by $\tau$.

# %%
for alpha, tau in ((0.0, 0.02), (9.0, 0.02), (9.0, 0.05), (9.0, 0.2)):
    at = tie(torch.tensor([0.8]), alpha, tau).item()
    print(f"alpha {alpha:.0f}, tau {tau:.2f}: a negative at 0.8 ties with a positive at {at:.3f}")

# %% [markdown]
# The last two cosines do not exist. At such temperatures $\alpha = 9$ asks for more than any vector can give, and the
# row never comes to rest.

# %% [markdown] tags=["predict"]
# **Predict.** In the batch of 64 some right captions are ahead of their hardest negative by 2 percent, some by 15, some
# by 30. Which of these queries pull with at least half of full strength under InfoNCE, and which at $\alpha = 9$?

# %% [markdown] tags=["instructor"]
# Under InfoNCE those that are about level or behind; at alpha = 9 nearly all that are less than alpha tau = 18 % ahead.
# Several negatives at once move the crossing a little to the right of the line, because each adds its part.

# %% tags=["figure"]
diagonal = torch.eye(len(batch), dtype=torch.bool)
best_wrong = batch.masked_fill(diagonal, -1.0)
rivals = best_wrong.argmax(dim=1)
batch_captions = [each.candidates[each.right[0]].text for each in classroom.task(DATASET, 64, SEED).rankings]
names = [f"{batch_captions[i]}<br>hardest: {batch_captions[j]}" for i, j in enumerate(rivals.tolist())]
ends = (batch.diagonal().numpy(), best_wrong.amax(dim=1).numpy())


def row_pulls(alpha: float) -> np.ndarray:
    """1 - p~_ii of every query of the batch, from your gradient of 3.3."""
    return (-hardness_gradient(batch, alpha, TAU).diagonal() * len(batch) * TAU).numpy()


stills = {
    str(alpha): pull_by_margin_figure(*ends, row_pulls(0.0), row_pulls(alpha), alpha * TAU, names, "weighted")
    for alpha in (0, 1, 2, 3, 5, 7, 9, 12, 16, 20)
}
with_slider(stills, "alpha", start="9", play=True)

# %% [markdown] tags=["explain"]
# **Explain.** (a) Someone moves $\alpha = 9$ from $\tau = 0.02$ to a code base with $\tau = 0.05$. Which $\alpha$ would
# ask for the same margin there? (b) What does the margin ask of a negative with cosine 0, or below?

# %% [markdown] tags=["instructor"]
# (a) The margin is the product alpha tau, so alpha = 9 * 0.02 / 0.05 = 3.6. alpha is not portable across temperatures.
# (b) At 0 nothing, and below 0 less than nothing: the weight is below 1. Nothing pushes a negative further once it is
# orthogonal. Table 1 of the paper fits that: the easy negatives of its LLaVE models lie between -0.04 and 0.07, those
# of its InfoNCE models between 0.27 and 0.41. (Our own models do not show it: see the last figure.)

# %% [markdown]
# ## When does alpha choose among negatives?
#
# The miniature knows the truth: in how many of the asked attributes a caption is wrong. One wrong attribute is a truly
# hard negative. Over all 100 queries: what share of a query's pull goes to those, and does $\alpha = 9$ send more
# there than InfoNCE *at the same temperature*?

# %% [markdown] tags=["predict"]
# **Predict.** The slider below is the temperature, from 0.02 to 0.5. Where is the difference between InfoNCE and
# $\alpha = 9$ largest? (Green marks: what a group would get if every negative were pulled alike. Whiskers: 95 %
# intervals over the queries.)

# %% [markdown] tags=["instructor"]
# At high temperatures. There InfoNCE pulls on all negatives nearly alike, so e^(9 s) has much to redistribute; at 0.02
# the softmax itself is the sharper of the two (slope 50 against 9). Neither knows the truth: both follow the model's
# cosine, and some of the hardest by cosine are not among the truly hardest.

# %% tags=["figure"]
stills = {}
for tau in (0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3, 0.5):
    plain, weighted = (effect(each, pools).share for each in (InfoNCE(tau), HardnessWeighted(ALPHA, tau)))
    by_truth = (shares_by_hardness(pools, plain), shares_by_hardness(pools, weighted))
    still = hardness_shares_figure(*by_truth, names=("alpha = 9", "InfoNCE, same tau"))
    stills[str(tau)] = still.update_yaxes(range=[0, 100])
with_slider(stills, "tau", play=True)

# %% [markdown] tags=["explain"]
# **Explain.** "Hardness weighting makes the model focus on hard negatives." Is that what LLaVE's setting ($\alpha = 9$,
# $\tau = 0.02$) does here? Say it more precisely.

# %% [markdown] tags=["instructor"]
# Within a row hardly: at tau = 0.02 the shares are those of InfoNCE but for a percent or two. Across rows yes: queries
# whose right answer is ahead by less than 18 % keep pulling, on their hardest negatives, where InfoNCE has let go. It
# is a margin that grows with the negative's similarity.

# %% [markdown]
# ## What two trainings show
#
# Until now one model's vectors were looked at through different losses. The course also has that model's twin: the
# same first weights, the same batches in the same order, the same 1500 steps, but trained with $\alpha = 9$ (which
# rises from 0 over the first half of the steps).

# %% [markdown] tags=["predict"]
# **Predict.** Under the twin, are the cosines of right answers higher or lower than under InfoNCE? Those of hard
# negatives? The distance between them? And how often is the right caption first?

# %% [markdown] tags=["instructor"]
# Right answers about as high or a little lower, hard negatives clearly lower, so the distance grows: the margin is what
# the loss asked for.
# P@1 need not follow: a query that mixes up two captions is not helped by a larger distance between others. The table
# below the figure shows what of it holds on other data sets.

# %% tags=["figure"]
edges, means, models = np.linspace(-1, 1, 201), [], []
for name in ("infonce", "llave"):
    seen = trained_pools(name, DATASET, 100, SEED)
    kinds = by_kind(seen.similarity, seen.positive, seen.wrong)
    samples = {kind: np.concatenate(kinds[kind]) for kind in ("positive", "hard", "easy")}
    means.append({kind: values.mean() for kind, values in samples.items()})
    note = ", ".join(f"mean {kind} {mean:.2f}" for kind, mean in means[-1].items())
    models.append(Histograms(name, note, edges, {kind: np.histogram(v, edges)[0] for kind, v in samples.items()}))
falls = [means[0][kind] - means[1][kind] for kind in ("positive", "hard")]
similarity_overlap_figure(
    models, f"With hardness weights right answers lie {falls[0]:.2f} lower, hard negatives {falls[1]:.2f}"
)

# %%
print("llave - infonce, mean over 100 queries [95 % interval]")
for dataset in (DATASET, "shape", "colour-of", "how-many"):
    leads = []
    for name in ("infonce", "llave"):
        seen = trained_pools(name, dataset, 100, SEED)
        leads.append(seen.similarity[seen.positive] - np.where(seen.wrong, seen.similarity, -1.0).max(axis=1))
    hits = [(each > 0).astype(float) for each in leads]
    lead, first = (mean_of(other - one) for one, other in (leads, hits))
    print(
        f"{dataset:17} lead over the hardest negative {lead.value:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}]"
        f"   P@1 {hits[0].mean():.2f} -> {hits[1].mean():.2f}, {first.value:+.2f} [{first.low:+.2f}, {first.high:+.2f}]"
    )

# %% [markdown]
# Read the table as a referee would. An interval that holds 0 shows nothing either way. Where has the lead grown for
# certain, and where is P@1 higher, or lower, for certain? Look at `shape` above all: both models find its right answer
# almost always, so a lead that grows there is of no use to the ranking. The loss asked for it all the same.
#
# And the intervals are over queries alone: each side is *one* training, so what another seed of the training
# would change is not in them. `docs/results.md` has five (shorter) trainings of each: the growth of the margin is
# clear of zero there, and higher P@1 and less overlap are not. At this scale the loss does to the vectors what its
# formula says. That the ranking gets better does not show.
#
# In the paper it does. Table 1 there compares mean cosines and P@1 on eight data sets, two of which are:
#
# | | SUN397, InfoNCE | SUN397, LLaVE | DocVQA, InfoNCE | DocVQA, LLaVE |
# |---|---|---|---|---|
# | right answers | .71 | .66 | .70 | .61 |
# | 5 hardest negatives | .65 | .51 | .62 | .42 |
# | 5 easiest negatives | .36 | .03 | .30 | -.04 |
# | P@1, % | 66.2 | 75.5 | 81.2 | 88.5 |
#
# Its LLaVE column differs from its InfoNCE column in more than the weights: it also gathers negatives across devices
# (lesson 5) and freezes the vision tower. With those equal, its ablation has 64.0 without and 65.1 with weights, over
# all of MMEB, one training each.

# %% [markdown]
# ## What to take away
#
# - The weight is an offset $\alpha s_{ij}$ on the negatives' logits; positives have none, and it carries no gradient.
# - Then everything of lesson 1 holds with $\tilde P$: the gradient is $(\tilde P - I)/(N\tau)$, and rows sum to 0.
# - At $\tau = 0.02$ it hardly chooses among a row's negatives. It lifts all of them against the right answer and so
#   asks for a margin in proportion to the similarity: $s_{ii}$ must reach $(1 + \alpha\tau)\, s_{ij}$.
# - $\alpha$ and $\tau$ belong together: their product is the margin.
# - Losses of different $\alpha$ do not compare. Margins and ranks do, and so does `infonce_loss`: the plain InfoNCE of
#   the same batch, which the trainer logs beside the loss for that reason.
#
# ## Open questions
#
# 1. The weight follows the model's own cosine. A caption that is *right* but not marked as right gets the largest
#    weight of all. Lesson 2 found such pairs; from which share of them on does $\alpha = 9$ do harm? (Lesson 4.)
# 2. Train with a constant weight $c$ on all negatives, chosen to give the same margin at a cosine of 0.8. What is lost?
# 3. Could $\alpha$ fall as training goes on, and what would you watch to see whether it should?
