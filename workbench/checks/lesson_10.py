"""Checks of lesson 10: the amplified probabilities, a loss whose backward pass they are, and frames of clips.

The right values of every check come from the trainer's own functions: the objective `GradientAmplifier` through
`row_terms` and through the contrast step, the video reader's `positions`, and the encoder's `video_tokens`.
"""

import random
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import LlavaOnevisionConfig

from core.contrast.contrast import value_and_gradient
from core.data.video.video_files import positions
from core.encoder.backbones.llava_onevision import patches_per_side, video_tokens
from core.encoder.tiny.llava_onevision import tiny_config
from core.objectives.amplifier import GradientAmplifier
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Objective, PairTerms, row_terms
from core.objectives.relative import RelativeHardness
from workbench.checks.batches import batch_of, own_pairs, random_unit_vectors, scalar, untouched
from workbench.lessons.feedback import Wrong, compare, right, tensor_like

Similarities = Float[Tensor, "n n"]
SMALL = torch.tensor([[0.70, 0.55, -0.10], [0.72, 0.66, 0.20], [0.05, 0.30, 0.50]], dtype=torch.float64)
"""Cosines of three queries (rows) and three targets. Row 1 is won, row 2 is lost to target 1, row 3 lies between."""
BETA, TAU = 9.0, 0.02
LONG, SHORT, FEW = 24, 3, 8
"""Frames of a long and of a short clip, and how many of the short one are asked for."""


def amplified_probabilities(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check Pbar: p_ij e^(beta (s_ij - s_ii)) beside the diagonal, p_ii on it, rows not normalised again.

    Raises:
        Wrong: the matrix is wrong; the message names the likely mistake.
    """
    answer = untouched(answer)
    for similarity, beta, tau in ((SMALL, BETA, TAU), (cosines(seed), 4.0, 0.1)):
        expected = terms(GradientAmplifier(beta, tau), similarity).probability
        found = answer(similarity, beta, tau)
        compare("amplified_probabilities", found, expected, mistaken_probabilities(similarity, beta, tau))
    plain = terms(InfoNCE(TAU), SMALL).probability
    compare("amplified_probabilities with beta = 0", answer(SMALL, 0.0, TAU), plain, {})
    sums = answer(SMALL, BETA, TAU).sum(dim=1)
    right(
        "10.1", f"The trainer's Pbar. Rows no longer sum to 1: the won row to {sums[0]:.3f}, the lost to {sums[1]:.3f}."
    )


def amplified_infonce(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check a loss with InfoNCE's value and the amplified gradient.

    answer: called as answer(similarity, beta, temperature), such as `apply` of a torch.autograd.Function.

    Raises:
        Wrong: value or gradient is wrong; the message names the likely mistake.
    """
    for similarity, beta, tau in ((SMALL, BETA, TAU), (cosines(seed), 4.0, 0.1)):
        leaf = similarity.clone().requires_grad_()
        loss = answer(leaf, beta, tau)
        plain = terms(InfoNCE(tau), similarity).loss.mean()
        compare("the loss", scalar("the loss", loss, len(leaf)), plain, mistaken_values(similarity, beta, tau))
        expected = terms(GradientAmplifier(beta, tau), similarity).gradient / len(leaf)
        gradient = gradient_of(loss, leaf)
        compare("its gradient", gradient, expected, mistaken_gradients(similarity, beta, tau))
        if not torch.allclose(gradient_of(3 * answer(leaf, beta, tau), leaf), 3 * gradient, rtol=1e-9):
            raise Wrong(
                "the gradient is right for the loss alone, but not for 3 * loss: backward ignores what it is given. "
                "Multiply by grad_output, the derivative of what comes after with respect to this loss."
            )
    check_beside_trainer(answer, seed)
    right("10.2", "The value is InfoNCE's, the gradient (Pbar - I) / (N tau), and the trainer's step agrees.")


def check_beside_trainer(answer: Callable[..., Tensor], seed: int) -> None:
    """Return the gradient that reaches the queries must be that of the trainer's contrast step.

    Raises:
        Wrong: it is another one.
    """
    queries, targets = random_unit_vectors(8, 16, seed).requires_grad_(), random_unit_vectors(8, 16, seed + 1)
    gradient = gradient_of(answer(queries @ targets.T, BETA, TAU), queries)
    objective = GradientAmplifier(BETA, TAU, both_directions=False)
    trained = value_and_gradient(objective, batch_of(queries.detach(), targets))
    compare("the gradient of the queries beside the trainer's", gradient, trained.query_gradients, {})


def gradient_of(loss: Tensor, leaf: Tensor) -> Tensor:
    """dloss/dleaf.

    Raises:
        Wrong: no gradient comes back.
    """
    if not loss.requires_grad:
        raise Wrong(
            "the loss has the right value, but no gradient flows back from it. With a torch.autograd.Function, call "
            "its apply, not its forward."
        )
    (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
    if gradient is None:
        raise Wrong("backward gave None for the similarities; it must return their gradient first.")
    return tensor_like("the gradient", gradient, leaf)


def frame_positions(answer: Callable[..., Sequence[int]], seed: int = 0) -> None:
    """Check which frames are taken: evenly from the first to the last, rounded down, each at most once.

    Raises:
        Wrong: the positions are wrong; the message names the likely mistake.
    """
    drawn = random.Random(seed)
    pairs = [(LONG, 4), (LONG, 7), (LONG, 1), (SHORT, FEW), (5, 5)]
    pairs += [(drawn.randrange(40, 300), drawn.randrange(2, 12)) for _ in range(20)]
    for total, wanted in pairs:
        expected = exact_positions(total, wanted)
        if tuple(expected) == positions(total, None, wanted, None):  # one rounding apart where linspace rounds
            compare_positions(answer(total, wanted), expected, total, wanted)
    right(
        "10.3", f"Of {LONG} frames, 4 are {list(answer(LONG, 4))}, and the reader of video files takes the same ones."
    )


def compare_positions(found: object, expected: list[int], total: int, wanted: int) -> None:
    """Raise Wrong, naming the mistake, unless the positions are the expected ones."""
    name = f"frame_positions({total}, {wanted})"
    if found is None:
        raise Wrong(f"{name} gave None: the function has no `return`.")
    try:
        listed = [float(each) for each in found]  # pyright: ignore[reportGeneralTypeIssues]
    except TypeError as error:
        raise Wrong(f"{name} gave {found!r}; a list of positions is expected.") from error
    if listed == expected:
        return
    if any(each != int(each) for each in listed):
        raise Wrong(f"{name} gave {shown(listed)}: frames have whole numbers; round down, as int() does.")
    if any(not 0 <= each < total for each in listed):
        raise Wrong(
            f"{name} gave {shown(listed)}, but the frames are numbered 0 to {total - 1}: the last position is one too "
            "far. Spread from 0 to total - 1."
        )
    if len(set(listed)) < len(listed):
        raise Wrong(
            f"{name} gave {shown(listed)}: some frames come twice. A clip with fewer frames than wanted gives each of "
            "its frames once; the model would count a repeated frame as more of the clip."
        )
    if listed == expected[::-1]:
        raise Wrong(f"{name} gave {shown(listed)}: the order of time is reversed. What moved right would move left.")
    for message, wrong in mistaken_positions(total, wanted).items():
        if listed == wrong:
            raise Wrong(f"{name} gave {shown(listed)}: {message}")
    raise Wrong(f"{name} gave {shown(listed)}; {expected} is expected.")


def mistaken_positions(total: int, wanted: int) -> Mapping[str, list[float]]:
    """Return positions of common mistakes."""
    spread = [place * (total - 1) / max(1, wanted - 1) for place in range(wanted)]
    return {
        "these are the first frames; the rest of the clip is never seen.": [float(each) for each in range(wanted)],
        "the last frame is left out. Divide by wanted - 1 steps: n positions have n - 1 gaps between them.": [
            float(place * total // wanted) for place in range(wanted)
        ],
        "these are the centres of equal segments, another good rule; this exercise wants the ends included, as "
        "LLaVE's code and ours have it.": [float((2 * place + 1) * total // (2 * wanted)) for place in range(wanted)],
        "rounded to the nearest; the rule rounds down, as int() does.": [float(round(each)) for each in spread],
    }


def shown(listed: Sequence[float]) -> str:
    """Return positions as a learner would write them, at most twelve."""
    texts = [f"{each:g}" for each in listed[:12]]
    return f"[{', '.join(texts)}{', ...' if len(listed) > 12 else ''}]"


def frames_that_fit(answer: Callable[..., int], seed: int = 0) -> None:
    """Check how many frames fit into a budget of tokens.

    Raises:
        Wrong: a number is wrong; the message names the likely mistake.
    """
    drawn = random.Random(seed)
    tiny, real = tiny_config(), LlavaOnevisionConfig()
    cases = [(real, 8192, 100), (tiny, 4 * 9 + 20, 20), (tiny, 4 * 9 + 21, 20), (tiny, 15, 20), (tiny, 21, 20)]
    cases += [(drawn.choice((tiny, real)), drawn.randrange(500, 9000), drawn.randrange(5, 300)) for _ in range(20)]
    for config, budget, others in cases:
        side = patches_per_side(config)
        expected = largest(lambda frames, c=config, o=others: video_tokens(c, frames) + o, budget)
        found = answer(budget, side, others)
        if found is None:
            raise Wrong("frames_that_fit gave None: the function has no `return`.")
        if isinstance(found, bool) or not isinstance(found, int):
            raise Wrong(f"frames_that_fit gave a {type(found).__name__}, {found!r}; frames are counted by an int (//).")
        if found != expected:
            raise Wrong(message_of_fit(found, expected, budget, side, others))
    most = answer(8192, patches_per_side(real), 100)
    right("10.4", f"LLaVE's 8192 tokens hold {most} frames of 27 x 27 patches beside 100 other tokens; it uses 32.")


def largest(tokens: Callable[[int], int], budget: int) -> int:
    """Return the largest number of frames whose tokens stay within the budget; 0 if not even one does."""
    frames = 0
    while tokens(frames + 1) <= budget:
        frames += 1
    return frames


def message_of_fit(found: int, expected: int, budget: int, side: int, others: int) -> str:
    """Say what is wrong with a number of frames."""
    where = f"frames_that_fit({budget}, {side}, {others}) gave {found}, not {expected}: "
    pooled, room = ((side + 1) // 2) ** 2, budget - others
    mistakes = {
        "every patch is counted, as for a still picture. Frames are pooled 2 x 2: a quarter of the tokens.": (room - 1)
        // side**2,
        "an odd side is rounded up when it is halved (27 patches become 14, not 13).": (room - 1) // (side // 2) ** 2,
        "each frame gets its own newline; a clip has one newline, after its last frame.": room // (pooled + 1),
        "the newline that ends the clip is not counted. It costs a token, and here the last frame.": room // pooled,
        "the other tokens of the item (instruction, words, template) need room too.": (budget - 1) // pooled,
    }
    if found < 0:
        return where + "fewer than no frames do not exist; where nothing fits, the answer is 0."
    fitting = [message for message, wrong in mistakes.items() if found == max(0, wrong)]
    return where + (fitting[0] if fitting else "frames * ceil(side / 2)^2 + 1 + others must stay within the budget.")


def cosines(seed: int, n: int = 8) -> Similarities:
    """Return the similarities of random directions, float64."""
    return random_unit_vectors(n, 16, seed) @ random_unit_vectors(n, 16, seed + 1).T


def terms(objective: Objective, similarity: Similarities) -> PairTerms:
    """Say what an objective of the trainer does to the pairs of a batch."""
    return row_terms(objective, similarity, own_pairs(similarity))


def mistaken_probabilities(similarity: Similarities, beta: float, tau: float) -> dict[str, Tensor]:
    """Matrices of common mistakes in place of Pbar."""
    p, own = torch.softmax(similarity / tau, dim=1), own_pairs(similarity)
    s_ii, s_jj = similarity.diagonal()[:, None], similarity.diagonal()[None, :]
    absolute = torch.exp(beta * similarity)
    relative = torch.exp(beta * (similarity - s_ii))
    return {
        "nothing is amplified: these are InfoNCE's p.": p,
        "each row is normalised again. That is the other reading of EGA (relative.py); its gradient is only InfoNCE's "
        "at a lower temperature. Here rows of Pbar need not sum to 1.": torch.softmax(
            similarity / tau + beta * similarity, dim=1
        ),
        "hardness is absolute here, e^(beta s_ij), as in LLaVE's weight. EGA's is relative to the row's positive: "
        "e^(beta (s_ij - s_ii)).": (p * absolute).where(~own, p),
        "hardness is absolute, e^(beta s_ij), and the positive on the diagonal is amplified too. Use the distance to "
        "the row's positive, s_ij - s_ii, which is 0 on the diagonal.": p * absolute,
        "the weight compares s_ij with s_jj, the positive of the column's query. `similarity.diagonal()` runs along "
        "columns when it is subtracted; give it a second axis, [:, None], so that row i gets s_ii.": p
        * torch.exp(beta * (similarity - s_jj)),
        "the factor is 1 + beta (s_ij - s_ii), which agrees with e^(beta (s_ij - s_ii)) only near 0 and turns negative "
        "far below the positive. Take .exp().": p * (1 + beta * (similarity - s_ii)),
        "negatives below the positive are left as they are. The factor e^(beta (s_ij - s_ii)) also makes those "
        "smaller; leave out the clamp.": p * torch.exp(beta * (similarity - s_ii).clamp(min=0)),
        "the sign of the hardness is reversed: negatives below the positive gain, and those above it lose.": p
        / relative,
        "the hardness is divided by the temperature; beta multiplies cosines, not logits.": p * relative ** (1 / tau),
        "the softmax runs over queries (dim=0); p_ij is normalised over the targets of query i, dim=1.": torch.softmax(
            similarity / tau, dim=0
        )
        * relative,
        "the softmax lacks the temperature: p = softmax(s / tau).": torch.softmax(similarity, dim=1) * relative,
    }


def mistaken_values(similarity: Similarities, beta: float, tau: float) -> dict[str, Tensor]:
    """Return values of common mistakes in place of InfoNCE's loss."""
    plain = terms(InfoNCE(tau), similarity)
    amplified = terms(GradientAmplifier(beta, tau), similarity).probability
    normalised = terms(RelativeHardness(beta, tau), similarity).loss.mean()
    words = "the forward value is amplified. EGA leaves the loss alone and changes only the backward pass: "
    return {
        words + "return InfoNCE's loss, with p and not Pbar.": normalised,
        words + "return InfoNCE's loss, not LLaVE's.": terms(HardnessWeighted(beta, tau), similarity).loss.mean(),
        words + "return InfoNCE's loss, not the sum over Pbar times s.": (amplified * similarity).sum(),
        words + "the surrogate's own value means nothing; subtract its detached copy and add InfoNCE's loss.": (
            (amplified - torch.eye(len(similarity), dtype=similarity.dtype)) * similarity
        ).sum()
        / (len(similarity) * tau),
        "the loss is summed over queries; take the mean.": plain.loss.sum(),
        "the softmax runs over the queries of each target; row i is query i, and its classes are the targets.": terms(
            InfoNCE(tau), similarity.T
        ).loss.mean(),
    }


def mistaken_gradients(similarity: Similarities, beta: float, tau: float) -> dict[str, Tensor]:
    """Return gradients of common mistakes in place of (Pbar - I) / (N tau)."""
    n = len(similarity)
    right_one = terms(GradientAmplifier(beta, tau), similarity).gradient / n
    eye = torch.eye(n, dtype=similarity.dtype)
    absolute = terms(InfoNCE(tau), similarity).probability * torch.exp(beta * similarity)
    return {
        "the gradient is InfoNCE's: nothing is amplified.": terms(InfoNCE(tau), similarity).gradient / n,
        f"the gradient is {n} times too large: the loss is a mean over N = {n} queries, so divide by N.": n * right_one,
        f"the gradient is {tau:g} times what it should be: d(s / tau)/ds = 1/tau is missing.": tau * right_one,
        "the gradient has the wrong sign: it is Pbar - I, so that positives, with -1, are pulled together when the "
        "optimizer goes against it.": -right_one,
        "the identity is missing: Pbar alone pushes the positive away too; subtract I.": right_one + eye / (n * tau),
        "the rows of Pbar are normalised again, which makes it the gradient of an ordinary softmax.": terms(
            RelativeHardness(beta, tau), similarity
        ).gradient
        / n,
        "the weights are absolute, e^(beta s_ij): use the distance to the row's positive, s_ij - s_ii.": (
            absolute.where(eye == 0, terms(InfoNCE(tau), similarity).probability) - eye
        )
        / (n * tau),
        "a gradient flows through Pbar as well, which is a constant here. Detach it.": through_weights(
            similarity, beta, tau
        ),
    }


def through_weights(similarity: Similarities, beta: float, tau: float) -> Tensor:
    """Return the gradient of sum_ij (Pbar - I)_ij s_ij / (N tau) when Pbar is not held constant."""
    leaf = similarity.clone().requires_grad_()
    amplified = torch.softmax(leaf / tau, dim=1) * torch.exp(beta * (leaf - leaf.diagonal()[:, None]))
    pulled = ((amplified - torch.eye(len(leaf), dtype=leaf.dtype)) * leaf).sum() / (len(leaf) * tau)
    (gradient,) = torch.autograd.grad(pulled, leaf)
    return gradient


def exact_positions(total: int, wanted: int) -> list[int]:
    """Return the rule in whole numbers, so that no rounding of a computer's fractions can enter."""
    if total <= wanted:
        return list(range(total))
    return [place * (total - 1) // max(1, wanted - 1) for place in range(wanted)]
