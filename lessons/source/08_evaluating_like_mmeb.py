# ---
# jupyter:
#   lesson:
#     number: 8
#     title: Evaluating like MMEB, and how evaluators lie
#     goals:
#       - state classification, visual questions, retrieval and grounding as one ranking problem
#       - compute Precision@1 so that a broken model scores chance, and say what breaks the published rule
#       - average data sets as MMEB does, and say what another mean would claim
#       - give a score its interval, and compare two models on the same queries
#       - gather a sharded evaluation without counting a query twice
#     prerequisites: [1, 2]
#     minutes: 90
#     cpu_seconds: 30
#     code: [core/evaluation/ranking.py, core/evaluation/metrics.py, core/evaluation/scoring.py, core/eval.py]
#     paper: ["VLM2Vec (arXiv 2410.05160), table 1: the 36 data sets of MMEB", "LLaVE (arXiv 2503.04812), main table"]
#     real:
#       command: >-
#         torchrun --standalone --nproc_per_node=2 core/train.py --output runs/lesson-08 --objective.name infonce
#         --validate.every 500
#       view: overview
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
SEED = 0

# %%
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.data.miniature.benchmark import SOURCES
from core.data.mmeb.datasets import DATASETS
from core.data.records import RankingTask, true_hardness
from core.evaluation.paper_table import published
from core.evaluation.scoring import rank_all, scores
from workbench.checks import lesson_08
from workbench.checks.shards import shards
from workbench.figures.evaluator_lies import Verdict, evaluator_lies_figure
from workbench.figures.failing_queries import failing_query_figure
from workbench.figures.paired_differences import Difference, paired_differences_figure
from workbench.figures.pool_curve import pool_curve_figure
from workbench.figures.scores import scores_figure
from workbench.figures.slider import with_slider
from workbench.lessons import classroom
from workbench.lessons.rankings import best_candidates, card, evaluated
from workbench.measures.smaller_pools import precision_by_pool

QUERIES = 100
meta_task_of = {source.name: source.meta_task for source in SOURCES if source.meta_task != "video"}
classroom.begin(SEED)

# %% [markdown]
# ## Four tasks, one question
#
# A benchmark such as MMEB asks an embedding model to name what is in a picture, to answer questions about it, to find
# pictures and captions, and to point at a part of a picture. All four are put as **one** problem: here is a query,
# here is a pool of candidates, which candidate is the right one? The model embeds them all, and the candidate with the
# largest cosine is its answer.
#
# Move the slider: one query of each meta-task, with the five candidates that the trained tiny model likes best.


# %% tags=["figure"]
def picture_of(dataset: str, query: int, objective: str = "infonce") -> go.Figure:
    """One query of a data set with its best candidates."""
    found = evaluated(objective, dataset, QUERIES, SEED)
    ranking = found.ranked[query].ranking
    shown = best_candidates(found, query)
    return failing_query_figure(dataset, card(ranking.query), shown, len(ranking.candidates))


EXAMPLES = ("shape", "colour-of", "caption-to-image", "grounding")
with_slider({f"{meta_task_of[name]}: {name}": picture_of(name, 0) for name in EXAMPLES}, "meta-task")

# %% [markdown]
# Only the candidates differ: names of classes, short answers, pictures or captions, cut-out parts. Classification has
# as many candidates as there are classes; elsewhere the pool is the right answer and wrong ones chosen to be hard (in
# the miniature 100 in all, in MMEB 1000). The score is **Precision@1**: the share of queries whose first candidate is
# right.
#
# That sounds too simple to get wrong. Let us get it wrong.
#
# ## An evaluator that cannot fail
#
# MMEB's files list the right answer first. The published harnesses rank by `argmax` and count a hit when the result
# is 0. Here is that rule, and some models to try it on. Only the first has learnt anything. Each is a function of
# what the trained model says, so that the broken ones can be as broken as we like.


# %%
def published_hits(similarities: Float[Tensor, "queries pool"]) -> Float[Tensor, " queries"]:
    """The rule of published harnesses: the right answer is candidate 0, and argmax finds it."""
    return torch.from_numpy(similarities.numpy().argmax(axis=1) == 0).float()


def reads_the_position(similarities: Float[Tensor, "queries pool"]) -> Float[Tensor, "queries pool"]:
    """A cache gives vectors by (query, place in the pool); by mistake place 0 holds the query's own: cosine 1."""
    leaking = torch.rand(similarities.shape)
    leaking[:, 0] = 1.0
    return leaking


MODELS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "trained": lambda similarities: similarities,
    "collapsed": torch.ones_like,  # every item gets the same vector: every cosine is 1
    "zero vectors": torch.zeros_like,  # a padding bug made all vectors 0: every cosine is 0
    "NaN vectors": lambda similarities: torch.full_like(similarities, torch.nan),  # the training diverged
    "wrong cache": reads_the_position,  # random vectors, but whatever stands first in the pool gets the query's own
}

# %% [markdown] tags=["predict"]
# **Predict.** The pool has 100 candidates. What does `published_hits` give each of the four broken models? What
# should a good evaluator say of each? Write eight numbers (or words) before you run the next cell.

# %%
retrieval = evaluated("infonce", "caption-to-image", QUERIES, SEED)
similarities, right = retrieval.similarities, retrieval.right
for name, model in MODELS.items():
    print(f"{name:14} {100 * published_hits(model(similarities)).mean():5.0f} %")

# %% [markdown] tags=["instructor"]
# 100 % each. `argmax` returns the first of equal values, and the right answer is the first; numpy's `argmax` takes
# NaN for the largest value and again returns the first. A good evaluator says chance (1 %) for the first two, refuses
# to score NaN, and finds chance for the wrong cache once the pool is shuffled before it is embedded. The point to
# press: all four bugs happen, and each of them looks like the best model ever trained.

# %% [markdown]
# Nothing crashed, and nobody would have noticed: a paper was nearly written. Two rules repair this:
#
# 1. **Honest ties.** When several candidates share the first place, nobody knows which one the model means. Count the
#    *expected* hit if one of them is drawn: with $r$ right ones among $b$ best ones, $r / b$. For a model whose
#    vectors are all alike that is chance, $1 / \text{pool}$.
# 2. **Refuse what is not finite.** NaN cannot be ranked; say so instead of scoring it.
#
# In float32, products of equal vectors differ by about $10^{-7}$, so "equal" means: within `tie` of the best.


# %% tags=["exercise"] exercise="8.1" difficulty=2 minutes=15
def precision_at_1(
    similarities: Float[Tensor, "queries pool"], right: Bool[Tensor, "queries pool"], tie: float = 1e-6
) -> Float[Tensor, " queries"]:
    """The expected hit of each query, in [0, 1], when ties are broken at random.

    similarities: cosines of each query with its candidates. right: which candidates are right, at least one a row, in
    any place. tie: candidates within so much of the row's largest similarity count as best.

    Raises:
        ValueError: a similarity is NaN or infinite.
    """
    # BEGIN SOLUTION
    if not bool(torch.isfinite(similarities).all()):
        raise ValueError("similarities are not finite; a model that gives them cannot be ranked.")
    best = similarities >= similarities.amax(dim=1, keepdim=True) - tie
    return (best & right).sum(dim=1) / best.sum(dim=1)
    # END SOLUTION


# %% tags=["check"]
lesson_08.precision_at_1(precision_at_1, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Find the row's largest similarity. Mark the candidates that are as good as it (up to `tie`). Of those marked, which
# share is right? A clear hit has one marked candidate and it is right: 1. A clear miss: 0.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# `best = similarities >= similarities.amax(dim=1, keepdim=True) - tie` is a matrix of truth values, and so is
# `best & right`. Count both along `dim=1` and divide. Begin with
# `if not bool(torch.isfinite(similarities).all()): raise ValueError(...)`.

# %% [markdown]
# Now the same five models by your rule. We also shuffle each pool *before* the model sees it, as a careful evaluator
# can afford to do: honest ties alone would not notice the wrong cache.


# %% tags=["figure"]
def honest_score(model: Callable[[Tensor], Tensor]) -> float | None:
    """P@1 of a model on shuffled pools by your rule; None where it refuses."""
    order = torch.rand(similarities.shape).argsort(dim=1)
    try:
        return float(precision_at_1(model(similarities.gather(1, order)), right.gather(1, order)).mean())
    except ValueError:
        return None


verdicts = [
    Verdict(name, float(published_hits(model(similarities)).mean()), honest_score(model), works=name == "trained")
    for name, model in MODELS.items()
]
evaluator_lies_figure(verdicts, chance=1 / similarities.shape[1])

# %% [markdown] tags=["explain"]
# **Explain.** The wrong cache scores 100 % by honest ties too, if the pools are not shuffled; shuffled, about chance
# (of 100 queries 0 to 3 hits). Why do honest ties not help here, and why does shuffling?

# %% [markdown] tags=["instructor"]
# There is no tie: candidate 0 has cosine 1 and wins clearly. The information that leaks is the *place* of the right
# answer. Once the place is random, it says nothing about which candidate is right. (Our evaluator embeds each distinct
# item once, before any pool is made, so a vector cannot depend on its place in one; the pool's order is then harmless.)

# %% [markdown]
# ### Ties that nobody sees
#
# A collapsed model is rare. Rounded numbers are not: on a GPU, vectors and their products are often bfloat16, with 8
# significant bits. Near 0.8 two neighbouring bfloat16 numbers are 0.004 apart, and hard candidates lie closer together
# than that. Here the trained model's vectors are rounded, and multiplied in bfloat16:


# %%
def rounded_similarities(dataset: str) -> tuple[Float[Tensor, "queries pool"], Bool[Tensor, "queries pool"]]:
    """A data set's cosines when vectors and products are bfloat16."""
    found = evaluated("infonce", dataset, QUERIES, SEED)
    vectors = torch.from_numpy(found.embedded.vectors).bfloat16()
    rows = [vectors[torch.from_numpy(each.candidates).long()] @ vectors[each.query] for each in found.ranked]
    return torch.stack(rows).float(), found.right


print("                  float32   bfloat16: first of the ties  honest  ties wrong   queries in a tie")
for dataset in ("caption-to-image", "image-to-caption", "edit", "look-alike", "grounding"):
    found = evaluated("infonce", dataset, QUERIES, SEED)
    rounded, marks = rounded_similarities(dataset)
    honest = precision_at_1(rounded, marks)
    numbers = (precision_at_1(found.similarities, found.right), published_hits(rounded), honest, (honest == 1).float())
    tied = ((honest > 0) & (honest < 1)).sum()
    print(f"{dataset:18}" + "".join(f"{100 * each.mean():9.1f} %   " for each in numbers) + f"{int(tied):9}")

# %% [markdown]
# The three scores of bfloat16 rate the *same* numbers. What lies between "first of the ties" and "ties wrong" is
# decided not by the model but by who stands first in a list; for image-to-caption that is a large part of the score.
# The honest score stays close to the one in float32; the score that gives every tie to candidate 0 goes UP when the
# arithmetic gets worse. Keep vectors as you like, but compute their products in float32: our evaluator does.
#
# ### Copies of the right answer
#
# Two items of a pool may be equal: the same caption twice, the same picture under two names. If the copy counts as
# wrong, it ties with the right answer, and an honest rule halves every hit, although the model is not to blame. The
# pool is. The evaluator therefore merges equal candidates into one, right if any of them is:

# %%
copied = torch.cat([similarities, similarities[:, :1]], dim=1)
marked = torch.cat([right, torch.zeros(len(right), 1, dtype=torch.bool)], dim=1)
print(f"pool as it is:       {100 * precision_at_1(similarities, right).mean():.1f} %")
print(f"with a copy:         {100 * precision_at_1(copied, marked).mean():.1f} %")
rankings = [each.ranking for each in retrieval.ranked]
twice = tuple(replace(each, candidates=(*each.candidates, each.candidates[0])) for each in rankings)
merged = rank_all([RankingTask("copies", "retrieval", True, twice)], retrieval.embedded)
score = np.mean([each.placement.hit(1) for each in merged])
print(f"core.evaluation:     {100 * score:.1f} %, pools of {len(merged[0].candidates)}")

# %% [markdown]
# ## How large is the pool?
#
# "P@1 is 60 %" is not a result. 60 % among how many, and how were they chosen? (All curves below end in one point: all
# 100 candidates, however they were chosen.)

# %% [markdown] tags=["predict"]
# **Predict.** The trained model's P@1 is measured among 100 candidates. What will it be among 10 of them, and among
# 2, if the wrong ones are drawn at random? And what if the pool keeps the *hardest* wrong ones, those that truly
# differ least from the right one? Sketch both curves, and the curve of chance.

# %% tags=["figure"]
SIZES = (2, 3, 5, 10, 20, 50, 100)


def curve(dataset: str) -> go.Figure:
    """P@1 against the size of the pool for one data set."""
    found = evaluated("infonce", dataset, QUERIES, SEED)
    return pool_curve_figure(dataset, SIZES, precision_by_pool(found.similarities, found.right, SIZES))


pooled = ("caption-to-image", "image-to-caption", "look-alike", "edit", "grounding", "cards")
with_slider({dataset: curve(dataset) for dataset in pooled}, "data set")

# %% [markdown] tags=["instructor"]
# With random wrong candidates, P@1 is high for small pools and falls slowly: most wrong candidates are easy, and a
# query fails only once one of its few hard ones is drawn. With the hardest first nearly the whole loss is there by 5 to
# 20 candidates, and the next 80 change little. Both end in the same point: the whole pool. So both the number and the
# choice belong to the score. MMEB takes 1000 (for classification the classes, from 2 to 1000), so its data sets have
# chance levels from 0.1 % to 50 %: report n, pool and chance with every score, as the evaluator does.

# %% [markdown]
# ## One number for many data sets
#
# MMEB has 36 data sets in four meta-tasks. Its overall score is the **unweighted mean over data sets**:

# %%
weights = Counter(dataset.meta_task for dataset in DATASETS)
print(dict(weights), "of", len(DATASETS))
results = {each["model"]: each["scores"] for each in published()["mmeb"]}
print(f"\n{'':24} as MMEB counts   each meta-task alike   printed")
for name in ("LLaVE Qwen2-VL-2B", "MMRet LLaVA-NeXT-7B", "VLM2Vec LLaVA-OV-7B", "VLM2Vec Qwen2-VL-7B"):
    row = [results[name][kind] for kind in weights]
    by_dataset, by_task = np.average(row, weights=list(weights.values())), np.mean(row)
    print(f"{name:24}{by_dataset:12.1f}{by_task:20.1f}{results[name]['overall']:18.1f}")

# %% [markdown]
# Those are published numbers (LLaVE's main table). The first column recomputes the printed overall score from the four
# meta-tasks' means. The second weighs each meta-task alike, which is what "mean of the four columns" would be. The
# first two models change places, and the last two are equal in one mean and a point apart in the other. Neither mean
# is wrong; but a table has to say which it is. Grounding, with 4 of 36 data sets, is 11 % of the one and 25 % of
# the other. A third mean is over all *queries* (micro). In MMEB each data set has 1000 queries, so micro and macro
# agree there; in most other suites they do not.


# %% tags=["exercise"] exercise="8.2" difficulty=2 minutes=10
def mmeb_means(hits: Mapping[str, Float[Tensor, " queries"]], meta_task: Mapping[str, str]) -> dict[str, float]:
    """The mean of each meta-task, under its name, and that of all data sets, under "overall"; all in [0, 1].

    hits: for each data set the hits of its queries, in [0, 1]; data sets may have different numbers of queries.
    meta_task: the meta-task of each data set. A data set counts once, however many queries it has.
    """
    # BEGIN SOLUTION
    of_dataset = {name: float(values.mean()) for name, values in hits.items()}
    means = {}
    for kind in dict.fromkeys(meta_task.values()):
        members = [value for name, value in of_dataset.items() if meta_task[name] == kind]
        means[kind] = sum(members) / len(members)
    return means | {"overall": sum(of_dataset.values()) / len(of_dataset)}
    # END SOLUTION


# %% tags=["check"]
lesson_08.means(mmeb_means, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# First one number for each data set: the mean of its hits. From then on, forget how many queries there were. A
# meta-task's mean is over the numbers of its data sets, the overall mean over the numbers of all data sets (not over
# the meta-tasks' means).

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# `of_dataset = {name: float(values.mean()) for name, values in hits.items()}`. Then for each `kind` in
# `dict.fromkeys(meta_task.values())`, the plain mean of those `of_dataset[name]` with `meta_task[name] == kind`; and
# `"overall"`: `sum(of_dataset.values()) / len(of_dataset)`.

# %% [markdown]
# Now all fifteen image data sets of the miniature (its sixteenth is video, which lesson 10 takes up), with your P@1
# and your means. Five of them are *out of distribution* (OOD): no pair of theirs was trained; the others are *in
# distribution* (IND), though no query here was ever trained on. It takes a few seconds a data set.

# %%
everything = {name: evaluated("infonce", name, QUERIES, SEED) for name in meta_task_of}
hits = {name: precision_at_1(found.similarities, found.right) for name, found in everything.items()}
for name, value in mmeb_means(hits, meta_task_of).items():
    print(f"{name:15} {100 * value:5.1f} %")
trained_on = {source.name: source.in_distribution for source in SOURCES}
for half in (True, False):
    members = {name: values for name, values in hits.items() if trained_on[name] is half}
    means = mmeb_means(members, meta_task={name: meta_task_of[name] for name in members})
    print(f"{'IND' if half else 'OOD'}: {len(members)} data sets, {100 * means['overall']:.1f} %")

# %% [markdown]
# IND is what the model was taught, OOD what it can do beyond; the gap is wide here, and in the published table LLaVE-7B
# has 75.0 % and 64.4 %. Look at both: a mean over IND data sets can be bought by training on more of them.

# %% [markdown]
# ## How sure are we?
#
# A score from 100 queries would be another one with 100 other queries. How much another? The **bootstrap** asks the
# data we have: draw as many queries again, *with replacement*, and compute the score; do that a thousand times; the
# middle 95 % of the thousand scores is the interval. For a mean over data sets, draw queries within each data set.

# %% [markdown] tags=["predict"]
# **Predict.** A data set has 100 queries and P@1 = 60 %. From where to where does its 95 % interval reach, roughly?
# And with 1000 queries, as in MMEB? (The standard error of a share $p$ of $n$ is $\sqrt{p (1 - p) / n}$.)

# %% [markdown] tags=["instructor"]
# The standard error is 4.9 points with 100 queries and 1.5 with 1000; two of them on each side give about 50 to 70 %,
# and 57 to 63 %. A mean over 36 data sets of 1000 queries has about a quarter point of standard error from its queries:
# half a point between two overall scores is little, unless they are compared on the same queries (below).


# %% tags=["exercise"] exercise="8.3" difficulty=3 minutes=15
def interval(
    groups: Sequence[Float[Tensor, " queries"]], generator: torch.Generator, resamples: int = 1000
) -> tuple[float, float]:
    """The 95 % percentile interval (low, high) of the mean of the groups' means when queries are drawn again.

    groups: for each data set a value of each query (one group: the interval of that data set's mean). A sample draws,
    in every group, as many of its queries as it has, with replacement. generator: where all randomness comes from.
    """
    # BEGIN SOLUTION
    total = torch.zeros(resamples, dtype=torch.float64)
    for values in groups:
        picks = torch.randint(len(values), (resamples, len(values)), generator=generator)
        total += values.double()[picks].mean(dim=1)
    low, high = torch.quantile(total / len(groups), torch.tensor([0.025, 0.975], dtype=torch.float64))
    return float(low), float(high)
    # END SOLUTION


# %% tags=["check"]
lesson_08.interval(interval, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# For one group: `torch.randint` gives a matrix of row numbers, one row of picks a sample. Index the values with it,
# take the mean of each row, and you have a thousand means. For several groups, average the thousand means of the
# groups, sample by sample. The ends are quantiles of the result.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# `picks = torch.randint(len(values), (resamples, len(values)), generator=generator)`;
# `means = values.double()[picks].mean(dim=1)` has shape (resamples,). Add up over groups, divide by `len(groups)`, and
# take `torch.quantile(..., torch.tensor([0.025, 0.975], dtype=torch.float64))`.

# %% [markdown]
# The evaluator does this for every score of its report. Here is its table for our model as a figure: a dot for each
# data set, its interval as a line, and a tick at chance.

# %% tags=["figure"]
report = scores([each for found in everything.values() for each in found.ranked])
of_datasets = [each for each in report if each.scope == "dataset" and each.metric == "P@1"]
scores_figure(of_datasets, [trained_on[each.name] for each in of_datasets])

# %% [markdown] tags=["explain"]
# **Explain.** (1) Which data sets are not told from chance? (2) A data set with 100 hits of 100 has an interval without
# any width. Do you believe it? (3) Why do we draw queries again, and not the candidates of each query?

# %% [markdown] tags=["instructor"]
# (1) Those whose line covers the tick, only OOD ones. Visual questions and class names have 8 to 10 candidates: 12 %
# can be chance. (2) No: who has only hits can draw only hits, so the bootstrap is blind there. With 100 of 100 right, a
# failure rate of up to 3 % would still be no surprise (the rule of three: 3 / n). (3) The queries are the sample: the
# claim is about other queries like these. The candidates are part of the task's definition; with other candidates it
# would be another task (see the pool curve), and redrawing them with replacement would put copies of the right answer
# into the pool.

# %% [markdown]
# ### Is one model better?
#
# Lesson 3 weighs hard negatives (LLaVE's objective); lesson 1 does not (InfoNCE). We have the same tiny model trained
# by both, all else equal. Is one better on the retrieval and grounding data sets that were trained?
#
# Both models answered *the same queries*, and a query that is hard for one may well be hard for the other. So look at
# the **difference query by query**, 1, 0 or -1, and give its mean an interval: your `interval` does it as it is. If
# you take the two models' queries for different ones, you pay for the spread among queries twice.

# %% [markdown] tags=["predict"]
# **Predict.** Which of the two models is ahead, and by how much? Will the interval of the mean difference exclude 0?
# How much wider is the unpaired interval?

# %% tags=["figure"]
both = ("caption-to-image", "image-to-caption", "look-alike", "edit", "grounding")


def difference(names: Sequence[str], title: str) -> Difference:
    """llave minus infonce over some data sets, with the paired and the unpaired interval."""
    first = [hits[name].double() for name in names]
    second = [hits_llave[name].double() for name in names]
    changes = [b - a for a, b in zip(first, second, strict=True)]
    value = float(torch.stack([each.mean() for each in changes]).mean())
    generator = torch.Generator().manual_seed(SEED)
    ends = [interval(groups, generator) for groups in (first, second)]
    half = sum(((high - low) / 2) ** 2 for low, high in ends) ** 0.5
    return Difference(title, value, interval(changes, generator), (value - half, value + half))


found_llave = {name: evaluated("llave", name, QUERIES, SEED) for name in both}
hits_llave = {name: precision_at_1(found.similarities, found.right) for name, found in found_llave.items()}
differences = [*(difference([name], name) for name in both), difference(both, "mean of all")]
paired_differences_figure(("infonce", "llave"), differences)

# %% [markdown] tags=["instructor"]
# With seed 0 llave is ahead by 4 points, and the interval reaches from just below 0 to 9. Unpaired it is a sixth wider.

# %% [markdown]
# How much pairing helps depends on how alike the two models fail. If their hits have the correlation $\rho$ (and the
# models score about alike), the paired interval is $\sqrt{1 - \rho}$ times as wide as the unpaired one:

# %%
for name in both:
    correlation = float(torch.corrcoef(torch.stack([hits[name], hits_llave[name]]))[0, 1])
    print(f"{name:18} correlation of the hits {correlation:+.2f}, width {(1 - correlation) ** 0.5:.2f}")

# %% [markdown] tags=["explain"]
# **Explain.** Read the figure's title and last row. May you write "hardness weighting improves retrieval" under this
# figure? What is missing even where an interval excludes 0? And if one of five data sets excludes 0, is that a finding?

# %% [markdown] tags=["instructor"]
# Write what the interval says, no more: with these queries the difference is (or is not) told from 0. The bootstrap
# knows queries only. It holds the two *trained models* fixed: another seed of the training would give other models, and
# that spread is not in the figure. For a claim about objectives, train several seeds of each and compare those. With
# five intervals at 95 %, one that misses 0 by chance is not rare (up to 23 %): a single data set that sticks out is a
# question for new queries. The published claim is about larger models and batches: not confirmed here, nor refuted.

# %% [markdown]
# ## Many processes
#
# A large evaluation is spread over GPUs. torch's `DistributedSampler` deals out the queries like cards: process $r$ of
# $W$ gets queries $r, r + W, r + 2W, \dots$ All must get equally many, $\lceil n / W \rceil$; so when $n$ is not a
# multiple of $W$, it **starts again from the first query** until every hand is full. Whoever averages what the
# processes report counts those queries twice.

# %%
grounding_hits = hits["grounding"]
print(f"one process: {100 * grounding_hits.mean():.2f} %")
for processes in (3, 7, 8, 16, 32, 64):
    hands = shards(grounding_hits, processes)
    counted = sum(len(hand) for hand in hands)
    naive = torch.cat(hands).mean()
    print(f"{processes:3} processes: {100 * naive:.2f} %, {counted - len(grounding_hits)} queries counted twice")

# %% [markdown]
# The score depends on the number of GPUs, and as the same queries always count twice, it does not average out. Put the
# hands back into one deck.


# %% tags=["exercise"] exercise="8.4" difficulty=2 minutes=10
def gather_hits(shards: Sequence[Float[Tensor, " each"]], queries: int) -> Float[Tensor, " queries"]:
    """The hits of all queries in their order, each once.

    shards: what process 0, 1, ... computed, all equally long; entry k of process r is query k * W + r, with W
    processes; entries from query number `queries` on are padding. queries: how many there are.
    """
    # BEGIN SOLUTION
    return torch.stack(list(shards), dim=1).flatten()[:queries]
    # END SOLUTION


# %% tags=["check"]
lesson_08.gathered(gather_hits, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Think of cards: to restore the deck, take the first card of every hand in turn, then the second of every hand. What
# was dealt twice lies at the very end.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# `torch.stack(list(shards), dim=1)` has shape (each, W): row k holds the k-th entry of every process. Flattened row by
# row, it is in the order of the queries. Keep the first `queries` entries.

# %% [markdown] tags=["explain"]
# **Explain.** Each process could also drop its own padding before it reports a sum and a count. Our evaluator goes
# further and deals out *items* to embed, in portions that need not be equally many, and one process ranks
# (`core/evaluation/encoding_workers.py`). Name an advantage of each of the three ways.

# %% [markdown] tags=["instructor"]
# Gathering keeps every query's hit, so that intervals and paired comparisons can follow. Sums and counts are two
# numbers to send, but only the mean survives. Dealing out items embeds a candidate once that thousands of pools share,
# and gives the same bits on any number of processes, since a portion's content does not depend on it.

# %% [markdown]
# ## Look at the failures
#
# A score says how often, a picture says why. Move the slider through queries that the model got wrong, the first
# two of some data sets. If the right answer is not among the five best, it stands last, with its place.

# %% tags=["figure"]
looked_at = ("caption-to-image", "look-alike", "edit", "grounding", "colour-of", "digits", "cards")
failing = {f"{name} {query}": picture_of(name, query) for name in looked_at for query in everything[name].failures[:2]}
with_slider(failing, "query")

# %%
# The miniature knows the truth: in how many of the asked attributes does the winner differ from the right answer?
for name in ("caption-to-image", "image-to-caption", "edit", "grounding", "cards"):
    found = everything[name]
    items = found.embedded.items
    lost = [found.ranked[query] for query in found.failures]
    pairs = [(each, items[each.candidates[each.similarities.argmax()]]) for each in lost]
    differ = Counter(true_hardness(each.ranking.asks, each.ranking.candidates[0], item) for each, item in pairs)
    counts = ", ".join(f"{n} differ in {k}" for k, n in sorted(differ.items()))
    print(f"{name:18} asks for {len(lost[0].ranking.asks)}: {counts}")

# %% [markdown] tags=["explain"]
# **Explain.** Take three failures. For each: in what does the winner differ from the right answer, and is that
# difference in the query? Would a harder pool or a better model mend it?

# %% [markdown] tags=["instructor"]
# The table above says how many winners are near misses (1 attribute off) and how many are far off. Winners share what
# the model sees well, colour above all, and differ in what it sees badly. Near misses are what hard negatives are about
# (lesson 3): they sit in the pool, and a harder pool only shows more of them. Digits and cards fail otherwise: nothing
# like them was trained, so it takes other data.

# %% [markdown]
# ## What to take away
#
# - P@1 means nothing without the pool's size, its choice, and chance.
# - A rule that trusts the order of candidates gives a dead model 100 %. Count ties by expectation, refuse NaN, and try
#   your evaluator on a model that knows nothing before you believe it.
# - "Overall" is a choice: MMEB's is the mean over 36 data sets, not over meta-tasks and not over queries.
# - Give scores intervals, compare models on the same queries; two trainings need several seeds besides.
# - A sharded evaluation gives the same bits on any number of processes, or it has a bug.
#
# **Further:** (1) Can the pool curve be continued to 1000 candidates without embedding more? What would you have to
# assume? (2) Look at how `core/evaluation/ranking.py` treats several right answers, and derive `tie_chances`. (3) How
# many queries would it take for the last paired interval to exclude 0, if the difference stays what it is?
