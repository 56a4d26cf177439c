"""The words that tell two texts apart, for many pairs of texts at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int

from core.data.records import MARKS

HAS, LACKS = "+", "-"
"""Begin a name: the first text has the word and the second lacks it, or the other way round."""
LONGEST = 600
"""Characters of a text that are looked at."""
WITHOUT_THINGS = (
    "a an the and or but if then than that this these those there here it its is are was were be been being am do "
    "does did has have had of to as at by for from with into i you he she we they them his her their our your my me "
    "him us who whom which what when where how why can could will would shall should may might must so such s t"
)
STOP_WORDS = frozenset(WITHOUT_THINGS.split())
"""Words without a thing or a property. Words of place, number and denial stay: they are what captions differ in."""
APART = r"[^\p{L}\p{N}\p{M}]+"


@dataclass(frozen=True)
class DifferingWords:
    """Place i says that pair `pair[i]` differs in `names[name[i]]`, such as "+red" or "-blue".

    rarity: of each name log(texts / texts that hold the word), in nats, over the texts of all pairs: the idf of tf-idf.
    """

    names: Sequence[str]
    pair: Int[np.ndarray, " found"]
    name: Int[np.ndarray, " found"]
    rarity: Float[np.ndarray, " names"]


def differing_words(
    texts: pd.Series, first: Int[np.ndarray, " pairs"], second: Int[np.ndarray, " pairs"]
) -> DifferingWords:
    """Say for each pair of texts which words one has and the other lacks; upper and lower case are alike.

    first, second: rows of `texts`. Stop words and the marks of pictures and clips count for nothing, and neither does
    what stands after the first 600 characters. A pair of which one text has no word is left out.
    """
    rows, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    owner, word, words = words_of(texts.iloc[rows])
    seen = np.bincount(word, minlength=len(words))
    counts = np.bincount(owner, minlength=len(rows))
    starts = np.concatenate([[0], np.cumsum(counts)])
    one, other = places[: len(first)], places[len(first) :]
    both = np.flatnonzero((counts[one] > 0) & (counts[other] > 0))
    size = max(1, len(words))
    keys = [expanded(side[both], starts, word, size) for side in (one, other)]
    has, lacks = (keys[side][~np.isin(keys[side], keys[1 - side], assume_unique=True, kind="sort")] for side in (0, 1))
    pair = both[np.concatenate([has, lacks]) // size]
    codes = np.concatenate([has % size, lacks % size + size])
    counted = np.bincount(codes, minlength=2 * size)
    used = np.flatnonzero(counted)
    name = (np.cumsum(counted > 0) - 1)[codes]
    names = [(HAS if code < size else LACKS) + words[code % size] for code in used]
    rarity = np.log(max(1, len(rows)) / np.maximum(1, seen[used % size])) if len(used) else np.empty(0)
    return DifferingWords(names, pair, name, rarity)


def words_of(
    texts: pd.Series,
) -> tuple[Int[np.ndarray, " found"], Int[np.ndarray, " found"], list[str]]:
    """Return which text has which word, each once, in the order of the texts; and the words."""
    plain = pa.array(texts, pa.string())
    for mark in MARKS.values():
        plain = pc.call_function("replace_substring", [plain], pc.ReplaceSubstringOptions(mark, " "))
    short = pc.call_function("utf8_slice_codeunits", [plain], pc.SliceOptions(0, LONGEST))
    lower = pc.call_function("utf8_lower", [short])
    lists = pc.call_function("split_pattern_regex", [lower], pc.SplitPatternOptions(APART))
    owner = pc.call_function("list_parent_indices", [lists]).to_numpy()
    encoded = pc.call_function("dictionary_encode", [pc.call_function("list_flatten", [lists])])
    words = encoded.dictionary.to_pylist()
    kept = np.array([bool(word) and word not in STOP_WORDS for word in words], dtype=bool)
    code = encoded.indices.to_numpy()
    there = kept[code] if len(words) else np.zeros(len(code), dtype=bool)
    size = max(1, len(words))
    keys = np.sort(owner[there].astype(np.int64) * size + code[there])  # numpy's unique takes ten times as long
    once = keys[np.diff(keys, prepend=-1) > 0]
    return once // size, once % size, words


def expanded(
    rows: Int[np.ndarray, " pairs"], starts: Int[np.ndarray, " starts"], word: Int[np.ndarray, " found"], size: int
) -> Int[np.ndarray, " keys"]:
    """Return pair * size + word for each word of each pair's text."""
    lengths = starts[rows + 1] - starts[rows]
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return np.repeat(np.arange(len(rows)), lengths) * size + word[np.repeat(starts[rows], lengths) + within]
