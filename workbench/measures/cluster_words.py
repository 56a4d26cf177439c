"""Words that tell a group of texts from the others: class-based TF-IDF.

    W(t, c) = tf(t, c) ln(1 + A / tf(t))        tf(t, c): how often word t stands in group c; tf(t): in all groups;
                                                A: mean number of words a group

Grootendorst 2022 (arXiv 2203.05794, equation 1). Words are those of two letters and more, in lower case; English stop
words are left out, and of other languages the most frequent words weigh little by the formula itself.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

WORD = r"(?u)\b[^\W\d_]\w+\b"
"""A letter first: numbers tell little of a group."""


def cluster_words(texts: Sequence[str], groups: Int[np.ndarray, " n"], most: int = 4) -> list[tuple[str, ...]]:
    """Return the words of each group by falling weight, at most so many; none for a group without words.

    groups: of each text, from 0 on.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer  # takes seconds, and most pages never need it

    count = int(groups.max(initial=-1)) + 1
    try:
        vectorizer = CountVectorizer(token_pattern=WORD, stop_words="english")
        counts = csr_matrix(vectorizer.fit_transform(texts))
    except ValueError:  # scikit-learn's word for texts that hold no word at all
        return [() for _ in range(count)]
    of_group = csr_matrix((np.ones(len(groups)), (groups, np.arange(len(groups)))), shape=(count, len(groups)))
    weights = class_weights(csr_matrix(of_group @ counts).toarray().astype(float))
    names = vectorizer.get_feature_names_out()
    order = np.argsort(-weights, axis=1, kind="stable")[:, :most]
    return [
        tuple(str(names[word]) for word in listed if weights[group, word] > 0) for group, listed in enumerate(order)
    ]


def class_weights(counts: np.ndarray) -> np.ndarray:
    """Return W of every group and word (groups x words) from how often each word stands in each group."""
    total = counts.sum(axis=0)
    mean = counts.sum() / max(1, len(counts))
    return counts * np.log1p(mean / np.maximum(total, 1))
