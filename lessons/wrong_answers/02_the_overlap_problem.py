"""What learners answer in lesson 2, and what the checks have to say of it."""

import numpy as np
from jaxtyping import Bool, Float

from core.data.records import Ranking, true_hardness
from workbench.checks import lesson_02
from workbench.lessons.feedback import WrongAnswer

Samples = Float[np.ndarray, " n"]
Matrix = Float[np.ndarray, "m n"]
Marks = Bool[np.ndarray, "m n"]


def overlap_of_counts(positive: Samples, negative: Samples, bins: int) -> float:
    """The histograms are counts, so the side with more samples hides the other."""
    edges = np.linspace(-1, 1, bins + 1)
    return float(np.minimum(np.histogram(positive, edges)[0], np.histogram(negative, edges)[0]).sum())


def overlap_as_union_share(positive: Samples, negative: Samples, bins: int) -> float:
    """Intersection over union in place of the intersection."""
    edges = np.linspace(-1, 1, bins + 1)
    own = np.histogram(positive, edges)[0] / len(positive)
    other = np.histogram(negative, edges)[0] / len(negative)
    return float(np.minimum(own, other).sum() / np.maximum(own, other).sum())


def overlap_with_own_bins(positive: Samples, negative: Samples, bins: int) -> float:
    """Each side's bins span its own range, so that the same bin means something else."""
    own = np.histogram(positive, bins)[0] / len(positive)
    other = np.histogram(negative, bins)[0] / len(negative)
    return float(np.minimum(own, other).sum())


def overlap_of_densities(positive: Samples, negative: Samples, bins: int) -> float:
    """Densities are summed without the width of the bins."""
    edges = np.linspace(-1, 1, bins + 1)
    own, other = (np.histogram(each, edges, density=True)[0] for each in (positive, negative))
    return float(np.minimum(own, other).sum())


def overlap_by_common_total(positive: Samples, negative: Samples, bins: int) -> float:
    """Both histograms are divided by the number of all samples together."""
    edges = np.linspace(-1, 1, bins + 1)
    shared = np.minimum(np.histogram(positive, edges)[0], np.histogram(negative, edges)[0]).sum()
    return float(shared / (len(positive) + len(negative)))


def overlap_over_the_data(positive: Samples, negative: Samples, bins: int) -> float:
    """Both sides have the same bins, but those of the data's range."""
    edges = np.histogram_bin_edges(np.concatenate([positive, negative]), bins)
    own, other = (np.histogram(each, edges)[0] / len(each) for each in (positive, negative))
    return float(np.minimum(own, other).sum())


def auroc_without_ties(positive: Samples, negative: Samples) -> float:
    """Ties count nothing."""
    return float((positive[:, None] > negative).mean())


def auroc_with_ties_as_wins(positive: Samples, negative: Samples) -> float:
    """Ties count as if the positive were above."""
    return float((positive[:, None] >= negative).mean())


def auroc_turned_round(positive: Samples, negative: Samples) -> float:
    """The comparison is the wrong way round."""
    return float((positive[:, None] < negative).mean() + (positive[:, None] == negative).mean() / 2)


def auroc_of_the_hardest(positive: Samples, negative: Samples) -> float:
    """Every positive is compared with the hardest negative alone."""
    return float((positive > negative.max()).mean())


def auroc_side_by_side(positive: Samples, negative: Samples) -> float:
    """Positive i is compared with negative i, not with all."""
    few = min(len(positive), len(negative))
    own, other = positive[:few], negative[:few]
    return float((own > other).mean() + (own == other).mean() / 2)


def margin_to_the_mean(similarity: Matrix, positive: Marks) -> Samples:
    """The margin to the mean negative, which nobody retrieves."""
    return similarity[positive] - np.where(positive, np.nan, similarity)[~positive].reshape(len(positive), -1).mean(1)


def margin_to_itself(similarity: Matrix, positive: Marks) -> Samples:
    """The right answer is among the negatives, so the margin is never above zero."""
    return similarity[positive] - similarity.max(axis=1)


def margin_masked_by_zero(similarity: Matrix, positive: Marks) -> Samples:
    """The right answer is masked by 0, which beats negatives below zero."""
    return similarity[positive] - (similarity * ~positive).max(axis=1)


def margin_to_the_easiest(similarity: Matrix, positive: Marks) -> Samples:
    """The margin to the least similar negative."""
    return similarity[positive] - np.where(positive, np.inf, similarity).min(axis=1)


def margin_to_any_pool(similarity: Matrix, positive: Marks) -> Samples:
    """The hardest negative of all queries stands in for each query's own."""
    return similarity[positive] - np.where(positive, -np.inf, similarity).max()


def margin_without_sign(similarity: Matrix, positive: Marks) -> Samples:
    """A distance, which says nothing of who wins."""
    return np.abs(similarity[positive] - np.where(positive, -np.inf, similarity).max(axis=1))


def margin_to_a_place(similarity: Matrix, positive: Marks) -> Samples:
    """The column of the hardest negative in place of its similarity."""
    return similarity[positive] - np.where(positive, -np.inf, similarity).argmax(axis=1)


def with_the_right_answer(ranking: Ranking) -> list[int]:
    """The right answer itself is counted as a false negative."""
    own = ranking.candidates[ranking.right[0]]
    return [at for at, each in enumerate(ranking.candidates) if true_hardness(ranking.asks, own, each) == 0]


def exact_copies(ranking: Ranking) -> list[int]:
    """Only candidates with the same content are found."""
    own = ranking.candidates[ranking.right[0]].content_id
    return [at for at, each in enumerate(ranking.candidates) if at not in ranking.right and each.content_id == own]


def alike_in_everything(ranking: Ranking) -> list[int]:
    """All attributes have to agree, also those that the query does not ask for."""
    own = ranking.candidates[ranking.right[0]].attributes
    return [at for at, each in enumerate(ranking.candidates) if at not in ranking.right and each.attributes == own]


def unknown_is_zero(ranking: Ranking) -> list[int]:
    """None, which means that the truth is unknown, is taken for 0."""
    own = ranking.candidates[ranking.right[0]]
    others = [at for at in range(len(ranking.candidates)) if at not in ranking.right]
    return [at for at in others if not true_hardness(ranking.asks, own, ranking.candidates[at])]


def near_misses_too(ranking: Ranking) -> list[int]:
    """Candidates that differ in one asked attribute are called right."""
    own = ranking.candidates[ranking.right[0]]
    others = [at for at in range(len(ranking.candidates)) if at not in ranking.right]
    return [at for at in others if (true_hardness(ranking.asks, own, ranking.candidates[at]) or 0) <= 1]


def places_among_the_wrong(ranking: Ranking) -> list[int]:
    """The right answer is taken out first, so all indices after it are one too small."""
    own = ranking.candidates[ranking.right[0]]
    others = [each for at, each in enumerate(ranking.candidates) if at not in ranking.right]
    return [at for at, each in enumerate(others) if true_hardness(ranking.asks, own, each) == 0]


WRONG_ANSWERS = (
    WrongAnswer("2.1", lesson_02.overlap, overlap_of_counts, "these are counts"),
    WrongAnswer("2.1", lesson_02.overlap, overlap_as_union_share, "intersection over union"),
    WrongAnswer("2.1", lesson_02.overlap, overlap_with_own_bins, "each side has its own bins"),
    WrongAnswer("2.1", lesson_02.overlap, overlap_of_densities, "heights per unit of similarity"),
    WrongAnswer("2.1", lesson_02.overlap, overlap_by_common_total, "all samples together"),
    WrongAnswer("2.1", lesson_02.overlap, overlap_over_the_data, "span the data's range, not"),
    WrongAnswer("2.2", lesson_02.auroc, auroc_without_ties, "ties count nothing"),
    WrongAnswer("2.2", lesson_02.auroc, auroc_with_ties_as_wins, "ties count as wins"),
    WrongAnswer("2.2", lesson_02.auroc, auroc_turned_round, "the negative is above"),
    WrongAnswer("2.2", lesson_02.auroc, auroc_of_the_hardest, "hardest negative only"),
    WrongAnswer("2.2", lesson_02.auroc, auroc_side_by_side, "negative i alone"),
    WrongAnswer("2.3", lesson_02.margins, margin_to_the_mean, "the mean negative"),
    WrongAnswer("2.3", lesson_02.margins, margin_to_itself, "the right answer is among the negatives"),
    WrongAnswer("2.3", lesson_02.margins, margin_masked_by_zero, "masked by 0"),
    WrongAnswer("2.3", lesson_02.margins, margin_to_the_easiest, "the easiest negative"),
    WrongAnswer("2.3", lesson_02.margins, margin_to_any_pool, "each query has its own pool"),
    WrongAnswer("2.3", lesson_02.margins, margin_without_sign, "every margin is positive"),
    WrongAnswer("2.3", lesson_02.margins, margin_to_a_place, "the *place* of the largest"),
    WrongAnswer("2.4", lesson_02.false_negatives, with_the_right_answer, "the right answer itself is in the list"),
    WrongAnswer("2.4", lesson_02.false_negatives, exact_copies, "only exact copies are found"),
    WrongAnswer("2.4", lesson_02.false_negatives, alike_in_everything, "all attributes are compared"),
    WrongAnswer("2.4", lesson_02.false_negatives, unknown_is_zero, "the truth is unknown"),
    WrongAnswer("2.4", lesson_02.false_negatives, near_misses_too, "near misses are in the list"),
    WrongAnswer("2.4", lesson_02.false_negatives, places_among_the_wrong, "without the right answers"),
)
