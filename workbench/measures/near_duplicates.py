"""Texts and pictures that are nearly the same, without asking a model.

texts      normalised (NFKC, lower case, letters and digits only); Jaccard of their sets of 5 letters in a row,
           |A and B| / |A or B|, of the pairs that MinHash finds (Broder 1997; 64 functions in 16 bands of 4, so that a
           pair with a Jaccard of 0.8 is found with 99.98 %, of 0.9 nearly always)
pictures   dHash: 64 bits, whether each cell of an 8 x 8 grid is brighter than the one left of it; at most 4 bits
           differ, and no cell of a 16 x 16 reduction differs by more than 24 of 255 in any colour

The second rule for pictures keeps apart what differs in a small thing. Pictures that were cropped, mirrored or tinted
are not found. Groups are chains: two of a group are alike, or are joined by others that are.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import PIL.Image
from jaxtyping import Int, UInt8, UInt64
from scipy import sparse
from scipy.sparse.csgraph import connected_components

SHINGLE = 5
FUNCTIONS, BAND = 64, 4
MOST_VERIFIED = 20_000
"""Pairs whose Jaccard is computed; of more, those that MinHash holds for the most alike."""
LEEWAY = 0.12
"""MinHash's estimate may lie so much below the threshold: two of its standard errors at 64 functions."""
BITS, APART = 4, 24
ROWS_AT_ONCE = 512
Groups = Int[np.ndarray, " n"]
Pairs = Int[np.ndarray, "pairs 2"]
NOT_WORDS = re.compile(r"[\W_]+")


def normalised(text: str) -> str:
    """Return a text in lower case, with its letters and digits only and one space between words."""
    return NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def text_groups(texts: Sequence[str], threshold: float) -> Groups:
    """Number texts so that nearly equal ones get the same number. Texts without a letter are like none but each other.

    threshold: the least Jaccard of alike texts, above 0 and at most 1; 1 finds those with the same shingles.

    Raises:
        ValueError: the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold = {threshold} is outside (0, 1].")
    places: dict[str, int] = {}
    place = np.array([places.setdefault(normalised(text), len(places)) for text in texts], dtype=np.int64)
    different = list(places)
    if not different:
        return np.empty(0, np.int64)
    values, starts = shingles(different)
    pairs = verified(values, starts, candidate_pairs(signatures(values, starts), threshold), threshold)
    return components(len(different), pairs)[place]


def shingles(texts: Sequence[str]) -> tuple[UInt64[np.ndarray, " shingles"], Int[np.ndarray, " texts_and_one"]]:
    """Return the hashes of each text's runs of 5 letters behind one another, and where each text's begin.

    A text is padded with a space on both sides, and to 5 letters, so each has one at least.
    """
    padded = [f" {text} ".ljust(SHINGLE) for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    sizes = np.array([len(each) for each in padded])
    hashed = np.zeros(len(letters) - SHINGLE + 1, dtype=np.uint64)
    for place in range(SHINGLE):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + letters[place : place + len(hashed)]
    ends = np.cumsum(sizes)
    inside = np.repeat(ends, sizes)[: len(hashed)] - np.arange(len(hashed)) >= SHINGLE
    return hashed[inside], np.concatenate([[0], np.cumsum(sizes - SHINGLE + 1)])


def signatures(
    values: UInt64[np.ndarray, " shingles"], starts: Int[np.ndarray, " texts_and_one"]
) -> UInt64[np.ndarray, "texts functions"]:
    """Return the MinHash of each text: the least value of its shingles under each of 64 random functions."""
    drawn = np.random.default_rng(0).integers(0, 2**63, size=(FUNCTIONS, 2), dtype=np.uint64)
    mixed = values ^ (values >> np.uint64(31))
    found = np.empty((len(starts) - 1, FUNCTIONS), dtype=np.uint64)
    for function, (factor, shift) in enumerate(drawn):
        scattered = mixed * (factor | np.uint64(1)) + shift
        scattered ^= scattered >> np.uint64(29)
        found[:, function] = np.minimum.reduceat(scattered * np.uint64(0xBF58476D1CE4E5B9), starts[:-1])
    return found


def candidate_pairs(signature: UInt64[np.ndarray, "texts functions"], threshold: float) -> Pairs:
    """Return pairs that agree in a whole band and, by MinHash, nearly reach the threshold; the most alike first.

    Of the texts in one bucket of a band each is paired with the first and with the next, which joins them all.
    """
    listed: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    for start in range(0, FUNCTIONS, BAND):
        key = (signature[:, start : start + BAND] * np.array([1, 3, 5, 7], dtype=np.uint64)).sum(
            axis=1, dtype=np.uint64
        )
        order = np.argsort(key, kind="stable")
        same = key[order][1:] == key[order][:-1]
        first = np.concatenate([[True], ~same])
        leaders = order[np.flatnonzero(first)][np.cumsum(first) - 1]
        listed += [np.stack([side, order[1:]], axis=1)[same] for side in (order[:-1], leaders[1:])]
    pairs = np.unique(np.sort(np.concatenate(listed), axis=1), axis=0)
    agreed = np.concatenate(
        [np.empty(0)]
        + [
            (signature[some[:, 0]] == signature[some[:, 1]]).mean(axis=1)
            for some in np.array_split(pairs, max(1, len(pairs) // 2**16))
        ]
    )
    order = np.argsort(-agreed, kind="stable")
    return pairs[order[agreed[order] >= threshold - LEEWAY]]


def verified(
    values: UInt64[np.ndarray, " shingles"], starts: Int[np.ndarray, " texts_and_one"], pairs: Pairs, threshold: float
) -> Pairs:
    """Return the pairs whose Jaccard reaches the threshold, of at most 20,000 candidates."""
    kept = [jaccard(values, starts, int(one), int(two)) >= threshold for one, two in pairs[:MOST_VERIFIED]]
    return pairs[:MOST_VERIFIED][np.array(kept, dtype=bool)]


def jaccard(
    values: UInt64[np.ndarray, " shingles"], starts: Int[np.ndarray, " texts_and_one"], one: int, two: int
) -> float:
    """Return |A and B| / |A or B| of the shingles of two texts."""
    first, second = (np.unique(values[starts[each] : starts[each + 1]]) for each in (one, two))
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


def picture_groups(pictures: Sequence[PIL.Image.Image]) -> Groups:
    """Number pictures so that nearly equal ones get the same number."""
    if not pictures:
        return np.empty(0, np.int64)
    hashes = np.array([difference_hash(each) for each in pictures], dtype=np.uint64)
    reduced = np.stack([reduction(each) for each in pictures]).reshape(len(pictures), -1).astype(np.int16)
    found: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    for start in range(0, len(hashes), ROWS_AT_ONCE):
        differ = np.bitwise_count(hashes[start : start + ROWS_AT_ONCE, None] ^ hashes[None, :])
        rows, columns = np.nonzero(differ <= BITS)
        pairs = np.stack([rows + start, columns], axis=1)[columns > rows + start]
        for some in np.array_split(pairs, max(1, len(pairs) // 2**14)):
            apart = np.abs(reduced[some[:, 0]] - reduced[some[:, 1]]).max(axis=1, initial=0)
            found.append(some[apart <= APART])
    return components(len(hashes), np.concatenate(found))


def difference_hash(picture: PIL.Image.Image) -> int:
    """Return the 64 bits of dHash, row by row: whether a cell is brighter than the one left of it."""
    grey = np.asarray(picture.convert("L").resize((9, 8), PIL.Image.Resampling.BOX), dtype=np.int16)
    bits = (grey[:, 1:] > grey[:, :-1]).ravel()
    return int(np.packbits(bits).view(">u8")[0])


def reduction(picture: PIL.Image.Image) -> UInt8[np.ndarray, "16 16 3"]:
    """Return the mean colours of a 16 x 16 grid."""
    return np.asarray(picture.convert("RGB").resize((16, 16), PIL.Image.Resampling.BOX))


def components(count: int, pairs: Pairs) -> Groups:
    """Number `count` things so that those joined by pairs, directly or through others, get the same number."""
    ones = np.ones(len(pairs), dtype=bool)
    graph = sparse.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
