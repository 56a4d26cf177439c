# ---
# jupyter:
#   lesson:
#     number: 10
#     title: "Two extensions: the explicit gradient amplifier, and zero-shot video"
#     goals:
#       - change a gradient without changing the loss, and say what that costs
#       - tell absolute from relative hardness by what they do to queries that are won and to queries that are lost
#       - show when an amplified gradient is an ordinary loss in disguise, and when no loss of the softmax kind has it
#       - take frames of a clip, and count the tokens that they cost
#       - test whether a model that never saw a video uses more than one frame, and the order of frames
#     prerequisites: [1, 3, 4, 7, 8]
#     minutes: 100
#     cpu_seconds: 20
#     code: [core/objectives/amplifier.py, core/objectives/relative.py, core/data/video/video_files.py]
#     paper:
#       - "Improve Multi-Modal Embedding Learning via Explicit Hard Negative Gradient Amplifying (arXiv 2506.02020)"
#       - "LLaVE (arXiv 2503.04812), zero-shot text-to-video retrieval"
#     real:
#       command: >-
#         torchrun --nproc_per_node=2 core/train.py --output runs/lesson-10 --objective.name amplifier
#         --objective.beta 9
#       view: hard_negatives
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["parameters"]
SEED = 0

# %%
import random
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.data.records import Item, Video
from core.encoder.embedder import Embedder
from core.objectives.amplifier import GradientAmplifier
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Objective, row_terms
from core.objectives.relative import RelativeHardness
from workbench.checks import lesson_10
from workbench.figures.frame_order import frame_order_figure
from workbench.figures.frames import frames_figure
from workbench.figures.gradient_by_similarity import gradient_by_similarity_figure
from workbench.figures.row_pulls import row_pulls_figure
from workbench.figures.slider import with_slider
from workbench.lessons import classroom
from workbench.lessons.clips import film_vectors, films, frame_vectors, mean_vectors
from workbench.measures.recall import recall_at_1

Context: TypeAlias = Any  # what torch hands from forward to backward
classroom.begin(SEED)

# %% [markdown]
# Nine lessons ago a loss was something that you write down and differentiate. This last lesson leaves that path
# twice. **Part A** changes the gradient and leaves the loss as it is. **Part B** asks a model for something that it
# was never trained on: to find videos.
#
# ## Part A. A gradient without a loss
#
# Lesson 3 put a weight $w_{ij} = e^{\alpha s_{ij}}$ on each negative. Within a row that is what we wanted: the most
# similar negatives get the largest shares. But a batch has many rows. Most queries of a trained model are *won*:
# their right answer is ahead of every negative. A few are *lost*. Who gets the pull? We take the tiny model that
# InfoNCE trained, 150 pairs of the data set "edit" that it never saw, and add up each row's gradient on its
# negatives.

# %%
TAU = 0.02
queries, targets = classroom.pair_vectors("infonce", "edit", 150, SEED)
similarity = (queries @ targets.T).double()
own = torch.eye(len(similarity), dtype=torch.bool)
margin = (similarity.diagonal() - similarity.masked_fill(own, -1).amax(dim=1)).numpy()


def pull(objective: Objective) -> Float[Tensor, "n n"]:
    """tau times the gradient on each negative, 0 on the diagonal."""
    return row_terms(objective, similarity, own).probability.masked_fill(own, 0)


print(f"{len(margin)} queries, {(margin < 0).sum()} of them lost; mean margin {margin.mean():+.3f}")

# %% [markdown] tags=["predict"]
# **Predict.** LLaVE's $\alpha = 9$ strengthens every negative with a positive cosine. Compared with InfoNCE, does the
# part of the whole pull that goes to the *lost* queries grow, stay, or shrink?

# %% [markdown] tags=["instructor"]
# It shrinks. InfoNCE gives a lost row a pull of almost 1, which is the most that a softmax can give, so a weight
# cannot add to it. A won row had nearly none, and its similar negatives now weigh e^(9 s), some thousand times as
# much: it pulls again. That is LLaVE's margin at work: it keeps improving what is already right. Whether this is
# good or bad is an empirical question; the point here is only that absolute hardness spreads the pull over rows that
# are won.

# %% tags=["figure"]
infonce = pull(InfoNCE(TAU)).sum(dim=1).numpy()
with_slider(
    {
        f"{alpha}": row_pulls_figure(
            margin, {"InfoNCE": infonce, "LLaVE": pull(HardnessWeighted(alpha, TAU)).sum(dim=1).numpy()}
        )
        for alpha in (0, 3, 6, 9, 15)
    },
    "alpha",
)

# %% [markdown]
# The *explicit gradient amplifier* (EGA, arXiv 2506.02020) goes the other way. It starts from the gradient that you
# derived by hand in lesson 1,
#
# $$\frac{\partial L}{\partial S} = \frac{P - I}{N\tau}, \qquad p_{ij} = \mathrm{softmax}_j(s_{ij} / \tau),$$
#
# and replaces $P$ by a $\bar P$ in which negatives count by how close they come to *their own query's positive*:
#
# $$\bar p_{ij} = p_{ij}\, e^{\beta (s_{ij} - s_{ii})} \quad (j \ne i), \qquad \bar p_{ii} = p_{ii}.$$
#
# A negative that stands above the positive gains; one below it loses. The loss that is reported stays InfoNCE's.
#
# **What is certain, and what is our reading.** Certain, from the paper's abstract and from summaries by two
# independent readers: the gradient of hard negatives is amplified explicitly; hardness is *relative* to the
# positive; $p_{ij}$ is replaced by a reweighted $\bar p_{ij}$ and the backward pass uses $\bar P - I$. Our reading:
# the exponential, $\beta$ and its value, the untouched diagonal, and that rows of $\bar P$ are not normalised again.
# The authors published no code for their loss. If you build on this, say which parts are a reading.
#
# ### Exercise 10.1: the amplified probabilities
#
# Write $\bar P$ for a batch in which target $i$ is the right one of query $i$.


# %% tags=["exercise"] exercise="10.1" difficulty=2 minutes=12
def amplified_probabilities(similarity: Float[Tensor, "n n"], beta: float, temperature: float) -> Float[Tensor, "n n"]:
    """Pbar: p_ij e^(beta (s_ij - s_ii)), with p = softmax(s / temperature) over the targets of each query.

    similarity: cosines in [-1, 1]; row i is query i, and its positive is on the diagonal. beta: 0 or more; 0 gives p.
    """
    # BEGIN SOLUTION
    p = torch.softmax(similarity / temperature, dim=1)
    positive = similarity.diagonal()[:, None]
    return p * torch.exp(beta * (similarity - positive))
    # END SOLUTION


# %% tags=["check"]
lesson_10.amplified_probabilities(amplified_probabilities, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Two matrices, multiplied element by element: the softmax of each row, and e to the power of beta times the distance
# of each similarity to the positive *of its row*. You need no special case for the diagonal. Why?

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# `similarity.diagonal()[:, None]` has shape (n, 1), so that row i of `similarity - ...` is `s_ij - s_ii`. Its
# diagonal is 0, and e^0 = 1 leaves p_ii alone.

# %% [markdown] tags=["explain"]
# **Explain.** The check printed row sums of $\bar P$ that are not 1. Any loss of the form "cross-entropy of a
# softmax" has $\partial L / \partial S$ with rows that sum to 0. Why? And what does it mean for training that the
# rows of $\bar P - I$ do not?

# %% [markdown] tags=["instructor"]
# A softmax does not change when one number is added to a whole row, so its loss does not either, and the derivative
# along the direction (1, ..., 1), which is the row's sum of gradients, is 0. Rows of Pbar - I sum to something else,
# so no softmax, whatever its weights, has this gradient. For training: a step changes the *level* of a row, not only
# the differences in it. In a won row the sum is negative: the positive is pulled up more than the negatives are
# pushed down. In a lost row it is positive: similarities are pushed down on the whole.

# %% [markdown] tags=["predict"]
# **Predict.** Take one query that is barely won and look at it through lesson 3's figure: once under LLaVE with
# $\alpha = 9$, once under the amplifier with $\beta = 9$. How will the two differ (a) in the bars "negatives alone",
# which say how the pull divides among the negatives, and (b) in the bars "whole row"?

# %% [markdown] tags=["instructor"]
# (a) Not at all: e^(beta (s_ij - s_ii)) = e^(-beta s_ii) e^(beta s_ij), and the first factor is the same for all
# negatives of the row, so the shares are LLaVE's to the last digit. (b) Very much: that factor is e^-8 where s_ii is
# 0.9. LLaVE's negatives take over the row; the amplifier's pull is a little weaker than InfoNCE's, as every negative of
# a won row lies below its positive. Absolute and relative hardness agree *within* rows and differ *between* rows.

# %% tags=["figure"]
row = int(torch.tensor(margin).where(torch.tensor(margin) > 0, torch.inf).argmin())
negatives = ~own[row]
with_slider(
    {
        name: gradient_by_similarity_figure(
            similarity[row][negatives].numpy(),
            pull(InfoNCE(TAU))[row][negatives].numpy(),
            pull(objective)[row][negatives].numpy(),
            float(similarity[row, row]),
            [f"target {place}" for place in range(len(margin) - 1)],
            "weighted",
        )
        for name, objective in {
            "InfoNCE": InfoNCE(TAU),
            "LLaVE": HardnessWeighted(9, TAU),
            "amplifier": GradientAmplifier(9, TAU),
        }.items()
    },
    "weighted",
)

# %% [markdown]
# So one figure is not enough. Back to all the rows, now with three objectives of the same strength. Above the dotted
# line, at 1, is what no softmax can reach.

# %% tags=["figure"]
with_slider(
    {
        f"{strength}": row_pulls_figure(
            margin,
            {
                "InfoNCE": infonce,
                "LLaVE": pull(HardnessWeighted(strength, TAU)).sum(dim=1).numpy(),
                "amplifier": pull(GradientAmplifier(strength, TAU)).sum(dim=1).numpy(),
            },
        )
        for strength in (0, 3, 6, 9, 15, 25)
    },
    "alpha = beta",
)

# %% [markdown]
# ### A disguise
#
# What if we normalise the rows of $\bar P$ again, which is the other reading (`core/objectives/relative.py`)? Then
# the factor $e^{-\beta s_{ii}}$ cancels and
# $\bar p_{ij} = \mathrm{softmax}_j\big((1/\tau + \beta)\, s_{ij}\big)$. The weights were meant to stress hard
# negatives; look at what they became.

# %%
beta = 9.0
lower = TAU / (1 + beta * TAU)
normalised = row_terms(RelativeHardness(beta, TAU), similarity, own).gradient
cooled = row_terms(InfoNCE(lower), similarity, own).gradient / (1 + beta * TAU)
print(f"tau' = tau / (1 + beta tau) = {lower:.6f}")
print(f"largest difference of the two gradients: {(normalised - cooled).abs().max():.1e}")
print(f"largest |sum of a row|: normalised {normalised.sum(dim=1).abs().max():.1e}, as the amplifier has it", end=" ")
print(f"{row_terms(GradientAmplifier(beta, TAU), similarity, own).gradient.sum(dim=1).abs().max():.1e}")

# %% [markdown]
# Relative hardness, normalised, is *exactly* InfoNCE at a lower temperature, times a constant that Adam does not even
# notice. A method can look new in its formula and be old in its gradient. LLaVE is not caught by this: its positive
# keeps $s_{ii}/\tau$, which leaves a margin. The amplifier is not caught either, as its rows do not sum to 0.
#
# ### Exercise 10.2: a loss with another gradient
#
# `torch.autograd.Function` lets you write both passes yourself. `forward` returns InfoNCE's mean loss. `backward`
# gets `grad_output`, the derivative of whatever comes after with respect to the loss (1 when you call
# `loss.backward()`), and returns the derivative with respect to each input of `forward`: for the similarities
# `grad_output` times $(\bar P - I) / (N\tau)$, for the two numbers `None`.


# %% tags=["exercise"] exercise="10.2" difficulty=3 minutes=20
class AmplifiedInfoNCE(torch.autograd.Function):
    """InfoNCE's value, query to target, with the amplified gradient. Call it by AmplifiedInfoNCE.apply(...)."""

    @staticmethod
    def forward(ctx: Context, similarity: Float[Tensor, "n n"], beta: float, temperature: float) -> Float[Tensor, ""]:
        """The mean InfoNCE loss; target i is the right one of query i."""
        ctx.save_for_backward(similarity)
        ctx.beta, ctx.temperature = beta, temperature
        # BEGIN SOLUTION
        return cross_entropy(similarity / temperature, torch.arange(len(similarity)))
        # END SOLUTION

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        """grad_output (Pbar - I) / (N tau), by amplified_probabilities; beta and temperature have no gradient."""
        (grad_output,) = grad_outputs
        (similarity,) = ctx.saved_tensors
        # BEGIN SOLUTION
        n = len(similarity)
        identity = torch.eye(n, dtype=similarity.dtype)
        amplified = amplified_probabilities(similarity, ctx.beta, ctx.temperature)
        gradient = grad_output * (amplified - identity) / (n * ctx.temperature)
        # END SOLUTION
        return gradient, None, None


# %% tags=["check"]
lesson_10.amplified_infonce(AmplifiedInfoNCE.apply, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# `forward` is lesson 1's loss and does not know beta. `backward` does not differentiate anything: it computes a
# matrix and hands it back under the name `gradient`. Everything that it needs was stored on `ctx`.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# forward: `cross_entropy(similarity / temperature, torch.arange(n))`. backward: `torch.eye(n,
# dtype=similarity.dtype)` for I; subtract it from your `amplified_probabilities(...)`, divide by `n *
# ctx.temperature`, multiply by `grad_output`.

# %% [markdown]
# There is a shorter way that needs no class. The gradient of $\sum_{ij} G_{ij} s_{ij}$ with a *constant* $G$ is $G$.
# So this *surrogate* has the right gradient and a meaningless value; adding and subtracting detached copies repairs
# the value. The trainer does neither: it computes $\bar P - I$ in tiles and multiplies it with the embeddings
# (lesson 5), which needs no graph over the similarities at all.

# %%
leaf = similarity.clone().requires_grad_()
constant = (amplified_probabilities(similarity, beta, TAU) - own.double()) / (len(own) * TAU)
surrogate = (constant * leaf).sum()
plain = cross_entropy(similarity / TAU, torch.arange(len(own)))
in_one_line = plain + surrogate - surrogate.detach()
by_surrogate = torch.autograd.grad(in_one_line, leaf)[0]
by_function = torch.autograd.grad(AmplifiedInfoNCE.apply(leaf, beta, TAU), leaf)[0]
print(
    f"values {float(in_one_line.detach()):.6f} and {float(plain):.6f}; surrogate alone {float(surrogate.detach()):.6f}"
)
print(f"largest difference of the gradients: {(by_surrogate - by_function).abs().max():.1e}")
small = torch.randn(4, 4, dtype=torch.float64).requires_grad_()
honest = torch.autograd.gradcheck(lambda s: AmplifiedInfoNCE.apply(s, beta, 0.5), (small,), raise_exception=False)
print(f"torch.autograd.gradcheck says that backward is the derivative of forward: {honest}")

# %% [markdown] tags=["explain"]
# **Explain.** `gradcheck` compares backward with finite differences of forward, and it is right to complain. The
# number that training reports is then not the thing that training makes small. Name two habits of yours that this
# breaks, and say what you would watch in place of the loss.

# %% [markdown] tags=["instructor"]
# Comparing losses between runs still works here, since all report plain InfoNCE (better than with LLaVE, whose loss
# has another scale for each alpha). What breaks: a falling loss is no longer guaranteed even with tiny steps; line
# search and L-BFGS assume that the gradient belongs to the value; "the loss has converged" says nothing about the
# gradient being near 0; gradcheck in the test suite cannot be used, a closed form has to replace it (as your check
# did). Watch rank metrics on held-out queries, the margin, and the gradient norm: a lost row can pull with more than
# 1 / tau, so clipping starts to matter.

# %% [markdown]
# ## Part B. Zero-shot video
#
# LLaVE's contrastive training used texts and still pictures of 20 data sets, and not one video. The paper then gives it
# up to 32 frames of a clip as one item and asks it to find clips for captions. It comes out ahead of some models that
# were made for video. Recall at 1 / 5 / 10 in percent, as published:
#
# | | MSR-VTT | MSVD |
# |---|---|---|
# | LLaVE-7B, never trained on video | 46.8 / 71.1 / 80.0 | 52.9 / 80.1 / 87.0 |
# | VLM2Vec on the same backbone | 43.5 / 69.3 / 78.9 | 49.5 / 77.5 / 85.7 |
# | InternVideo, trained on video | 40.0 / 65.3 / 74.1 | 43.4 / 69.9 / 79.1 |
# | InternVideo2-6B, trained on video | 55.9 / 78.3 / 85.1 | 59.3 / 84.4 / 89.6 |
#
# (The papers' own numbers; intervals were not reported.) We do the same with the tiny model. The miniature's clips
# show one shape that moves across the picture. We film each in 24 frames, and beside each stands a second film: the
# same shape on the same background, moving another way. Every caption is ranked against all films.

# %%
shown = films(60, SEED)
captions = classroom.trained("llave").embed(shown.captions)
print(shown.captions[0].text)
print(f"{len(shown.captions)} captions, {len(shown.films)} films of {len(shown.films[0])} frames")

# %% [markdown]
# ### Exercise 10.3: which frames
#
# A model cannot take all frames of a real clip; MSR-VTT's have hundreds. Write the rule of LLaVE's code: as many
# positions as wanted, spread evenly from the first frame to the last, rounded down. A clip with fewer frames than
# wanted gives each of its frames once. One frame: the first.


# %% tags=["exercise"] exercise="10.3" difficulty=2 minutes=10
def frame_positions(total: int, wanted: int) -> list[int]:
    """Which frames of a clip are taken, in order of time, counted from 0. total, wanted: 1 or more."""
    # BEGIN SOLUTION
    if total <= wanted:
        return list(range(total))
    return [place * (total - 1) // max(1, wanted - 1) for place in range(wanted)]
    # END SOLUTION


# %% tags=["check"]
lesson_10.frame_positions(frame_positions, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# n positions have n - 1 equal gaps between them, and together these span from 0 to total - 1. Treat the short clip,
# and a single frame, apart.

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# Position k is `k * (total - 1) // (wanted - 1)` for k = 0 .. wanted - 1; `max(1, wanted - 1)` keeps a single frame
# from dividing by zero. Or `np.linspace(0, total - 1, wanted)`, each number through `int`.

# %% [markdown] tags=["explain"]
# **Explain.** A clip of 24 frames opens on a title card for its first frame and fades to black at its last. What does
# this rule show the model with 1, 2 and 3 frames? What would the centres of n equal segments show? And why do the
# frames have to stay in the order of time, though we have not asked yet whether the model uses it?

# %% [markdown] tags=["instructor"]
# One frame: the title card. Two: the title card and black. Three: one useful frame in three. Segment centres avoid both
# ends (frame 12; 6 and 18; 4, 12 and 20) and are what many video models use; the ends matter where a motion begins and
# stops, as in the miniature's clips. The order belongs to the data: a function that loses it decides for every model
# behind it, and nobody could test what the order is worth.

# %% [markdown]
# ### Exercise 10.4: how many frames
#
# Frames are pictures, and pictures are many tokens. LLaVA-OneVision reduces each frame 2 x 2: of `side` x `side`
# patches it keeps $\lceil side/2 \rceil^2$ tokens, by bilinear interpolation, a quarter or a little more. Frames
# stand directly behind one another, and *one* newline token ends the clip. How many frames fit into a budget of
# tokens, when the other parts of the item (instruction, words, the template) need some too?


# %% tags=["exercise"] exercise="10.4" difficulty=2 minutes=10
def frames_that_fit(budget: int, side: int, others: int) -> int:
    """The largest number of frames for which the whole item has at most `budget` tokens; 0 if not one fits.

    side: patches along one side of a frame, such as 27. others: tokens of the item that are not the clip's.
    """
    # BEGIN SOLUTION
    of_frame = ((side + 1) // 2) ** 2
    return max(0, (budget - others - 1) // of_frame)
    # END SOLUTION


# %% tags=["check"]
lesson_10.frames_that_fit(frames_that_fit, SEED)

# %% [markdown] tags=["hint"]
# Hint 1: the idea
# Take from the budget what does not depend on the number of frames: the other tokens, and one newline. How often
# does a frame fit into what is left?

# %% [markdown] tags=["hint"]
# Hint 2: the formula
# A frame takes `((side + 1) // 2) ** 2` tokens; whole-number division `//` of the room by that, but never below 0.

# %%
llave = classroom.trained("llave")
for count in (1, 4, 8):
    clip = Item((Video(tuple(shown.films[0][place] for place in frame_positions(24, count))),))
    print(f"tiny model, {count} frames: {llave.prepare(clip).length} tokens, 2 of them the template's")
print(f"LLaVE, 8192 tokens, 100 for words: {frames_that_fit(8192, 27, 100)} frames;", end=" ")
print(f"without the 2 x 2 reduction {(8192 - 100 - 1) // 27**2}")

# %% [markdown] tags=["explain"]
# **Explain.** A frame of the tiny model is 6 x 6 patches: find its 12, 39 and 75 tokens again. A clip lasts two minutes
# at 25 frames a second: which share of its frames does LLaVE see with 32 of them, and how far apart are they? Which
# videos does that suit, and would you spend a doubled budget on more frames or on finer ones?

# %% [markdown] tags=["instructor"]
# 9 tokens a frame, one newline, two of the template: 9 + 3, 36 + 3, 72 + 3. Of 3000 frames 32 are 1 %, some 4 seconds
# apart: enough for what stays in view (a scene, an activity), not for what happens in between (a gesture, an order of
# short events). More frames help with events, finer ones with small things and with writing; only a benchmark that asks
# for one of them can tell, which the next cells test for motion.

# %% [markdown] tags=["predict"]
# **Predict.** The next cell gives the tiny model 1 to 8 frames of each film. It reads a clip in two ways: all
# frames in one sequence (as LLaVE does), and each frame alone, the vectors averaged afterwards. Sketch recall at 1
# over the number of frames for both. Where is chance? And where is the ceiling of a model that sees the scene
# perfectly and has no idea of motion?

# %% [markdown] tags=["instructor"]
# Chance is one in the number of films. A model that is blind to motion cannot tell a film from its neighbour that moves
# elsewhere, so it ends at 50 %. What happens: the first frame alone already comes near that ceiling, and more frames do
# not help, in either way of reading. With seed 0 the curves seem to fall; with seed 1 they are flat; the intervals
# allow both. So nothing that the other frames show is used. That is a matter of practice, not of information: no
# training example ever held two pictures whose difference mattered in time. Nothing here speaks against the paper:
# LLaVE's backbone, LLaVA-OneVision, was pretrained on several pictures and on videos; "zero-shot" there means that the
# *contrastive* training had no video.

# %%
counts = (1, 2, 3, 4, 6, 8)
taken = {count: frame_positions(24, count) for count in counts}
singles = frame_vectors(llave, shown.films, sorted({place for places in taken.values() for place in places}))
curves = {"one sequence": [], "mean of single frames": []}
for places in taken.values():
    together = film_vectors(llave, [[film[place] for place in places] for film in shown.films])
    for (name, scores), vectors in zip(curves.items(), (together, mean_vectors(singles, places)), strict=True):
        scores.append(recall_at_1(name, (captions @ vectors.T).numpy(), shown.right))
print(f"{'R@1 with frames:':22}" + "".join(f"{count:6}" for count in counts))
for name, scores in curves.items():
    print(f"{name:22}" + "".join(f"{score.value:6.2f}" for score in scores) + f"   chance {scores[0].chance:.3f}")

# %% tags=["figure"]
strip = [frame.open() for frame in shown.films[0]]
with_slider(
    {f"{count}": frames_figure(strip, places, curves, counts) for count, places in taken.items()},
    "frames",
    play=True,
)

# %% [markdown] tags=["explain"]
# **Explain.** Every score is far above chance, so "zero-shot video retrieval works". Why is that sentence misleading
# here? What would you have to add to a benchmark's clips or captions before a high recall meant that motion is
# understood?

# %% [markdown] tags=["instructor"]
# Because one frame does it: the captions name a shape, a colour and a background, and any frame shows them. Recall
# above chance says that the model reads pictures. Real benchmarks have the same weakness (single-frame bias). Needed:
# candidates that differ *only* in motion or order, as our second films do; captions that depend on it; and a control
# with one frame, or with shuffled frames, reported beside the result.

# %% [markdown] tags=["predict"]
# **Predict.** Now the test of order. We give 8 frames as filmed, in reverse, and shuffled. Reversed, a shape that
# moves right moves left: the film is no longer what its caption says. Which of three scores will notice: the right
# *film* of all, the right *scene* (either of its two films), the right *motion* (of the two films of the scene;
# chance 50 %)?

# %% [markdown] tags=["instructor"]
# None, within the intervals: forwards and backwards the vectors have a cosine near 1 (printed below). Motion is at
# 50 % before and after. A model that used the order would fall *below* 50 % on reversed frames where the second film
# happens to move the opposite way; nothing like it is seen. Positions are there (rotary embeddings), so the order
# can be read in principle; no training example ever rewarded doing it.

# %%
chance = random.Random(SEED)
orders = {
    "as filmed": lambda frames: frames,
    "reversed": lambda frames: frames[::-1],
    "shuffled": lambda frames: chance.sample(frames, len(frames)),
}
eight = [[film[place] for place in taken[8]] for film in shown.films]
by_order = {name: film_vectors(llave, [order(frames) for frames in eight]) for name, order in orders.items()}
found = {name: (captions @ each.T).numpy() for name, each in by_order.items()}
same = (by_order["as filmed"] * by_order["reversed"]).sum(dim=1)
print(f"cosine of a film with itself in reverse: mean {same.mean():.4f}, smallest {same.min():.4f}")

# %% tags=["figure"]
frame_order_figure(
    {
        name: [
            recall_at_1(f"film (of {len(shown.films)})", each, shown.right),
            recall_at_1("scene (either film)", each, shown.same_scene),
            recall_at_1("motion (of 2 films)", each, shown.right, shown.same_scene),
        ]
        for name, each in found.items()
    }
)

# %% [markdown] tags=["explain"]
# **Explain.** Two readers look at this figure. One says "the model ignores the order of frames". The other says "this
# test cannot show that it uses it". Which claim do the intervals support, and how many captions would you need to
# tell 50 % from 55 % in the last line?

# %% [markdown] tags=["instructor"]
# With 60 captions the interval of the last line is about 13 points to each side (2 * sqrt(0.25 / 60)), so an effect
# of 5 points would go unseen. "No effect larger than about 13 points" is what it supports, together with the cosines
# near 1, which are stronger evidence: the vectors hardly move. To tell 50 from 55 % takes 2 * sqrt(0.25 / n) < 0.05,
# so n > 400, and more for good power. Paired comparison on the same captions helps (lesson 8).

# %% [markdown]
# The same test with a real model: convert the published LLaVE-0.5B once
# (`python core/convert.py --source LLaVE-0.5B --output checkpoints/llave-0.5b`) and start Jupyter with
# `LESSONS_REAL=1`. MSR-VTT and MSVD themselves are suites of the evaluator: `python core/eval.py --suite.name msrvtt
# --help`.

# %% tags=["real"]
if classroom.real_models():
    larger = Embedder.load(classroom.ROOT / "checkpoints" / "llave-0.5b")
    asked = larger.embed(shown.captions)
    for name, order in orders.items():
        seen = (asked @ film_vectors(larger, [order(frames) for frames in eight]).T).numpy()
        film_score = recall_at_1("film", seen, shown.right)
        motion = recall_at_1("motion", seen, shown.right, shown.same_scene)
        print(f"LLaVE-0.5B, {name}: film {film_score.value:.2f}, motion {motion.value:.2f} (chance 0.50)")

# %% [markdown]
# ## What to take away
#
# - You may write a gradient that belongs to no loss. Then the closed form is your test, and rank metrics are your
#   eyes.
# - Absolute and relative hardness divide a row's pull alike. They differ in which *rows* pull: LLaVE spreads the pull
#   over rows that are won, the amplifier keeps it on rows that are lost.
# - Before you believe in a new weighting, ask whether it is an old loss in disguise. Normalised relative hardness is
#   InfoNCE at a lower temperature.
# - A frame of a real clip is some 200 tokens. Pooling decides how many frames a model can see at all.
# - "Zero-shot video works" can mean "one frame is enough". Ask for the one-frame score and for the shuffled one.
#
# ## Open questions
#
# 1. Train the amplifier (the command below) and compare with InfoNCE and LLaVE over several seeds: the capstone's
#    folder has a program for it. Does relative hardness help *more* when many queries are lost, early in training?
# 2. Take the centres of n equal segments in place of `frame_positions` and draw the curve again. Does the sampling
#    rule change more than the number of frames does?
# 3. What is the smallest change to the miniature's training data after which the model tells left from right in a
#    clip?
