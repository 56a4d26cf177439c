"""Near-duplicates of texts and pictures against sets of Python and pictures drawn for the case."""

import io
import random

import numpy as np
import PIL.Image
import pytest

from workbench.measures.near_duplicates import (
    candidate_pairs,
    components,
    difference_hash,
    jaccard,
    normalised,
    picture_groups,
    shingles,
    signatures,
    text_groups,
)

WORDS = [f"w{number}" for number in range(500)]


def runs_of_five(text):
    padded = f" {text} ".ljust(5)
    return {padded[place : place + 5] for place in range(len(padded) - 4)}


def test_jaccard_is_that_of_sets_of_five_letters():
    texts = ["a red circle", "a red circles", "two blue squares", "x", ""]
    values, starts = shingles(texts)
    for one, first in enumerate(texts):
        for two, second in enumerate(texts):
            a, b = runs_of_five(first), runs_of_five(second)
            assert jaccard(values, starts, one, two) == pytest.approx(len(a & b) / len(a | b))


def test_case_punctuation_and_forms_of_unicode_do_not_count():
    assert normalised("  A red-Circle! ") == "a red circle"
    assert normalised("\uff21\u00df") == "ass"
    groups = text_groups(["A red circle, left of a square!", "a red circle left of a square", "something else"], 1.0)
    assert groups[0] == groups[1] != groups[2]


@pytest.mark.parametrize("threshold", [0.8, 0.9])
def test_planted_pairs_are_found_and_no_others(threshold):
    chance = random.Random(0)
    texts = [" ".join(chance.choices(WORDS, k=14)) for _ in range(300)]
    texts += [text + "s" for text in texts[:50]]
    found = text_groups(texts, threshold)
    sets = [runs_of_five(normalised(text)) for text in texts]
    for one in range(len(texts)):
        for two in range(one):
            near = len(sets[one] & sets[two]) / len(sets[one] | sets[two]) >= threshold
            assert near == bool(found[one] == found[two])


def test_minhash_agrees_as_often_as_the_jaccard():
    chance = random.Random(1)
    texts = []
    for _ in range(200):
        words = chance.choices(WORDS, k=20)
        texts += [" ".join(words), " ".join([*words[:-4], *chance.choices(WORDS, k=4)])]
    values, starts = shingles(texts)
    signature = signatures(values, starts)
    pairs = [(place, place + 1) for place in range(0, len(texts), 2)]
    agreed = [float((signature[one] == signature[two]).mean()) for one, two in pairs]
    truth = [jaccard(values, starts, *pair) for pair in pairs]
    assert np.mean(agreed) == pytest.approx(np.mean(truth), abs=0.02)
    assert len(candidate_pairs(signature, 0.99)) == 0


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"threshold = 0 is outside"):
        text_groups(["a"], 0)
    assert len(text_groups([], 0.9)) == 0


def drawn(colour=(200, 0, 0), size=96, corner=30):
    picture = PIL.Image.new("RGB", (96, 96), "white")
    picture.paste(colour, (corner, corner, corner + 24, corner + 24))
    return picture.resize((size, size))


def as_jpeg(picture):
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return PIL.Image.open(io.BytesIO(stream.getvalue()))


def test_pictures_saved_anew_are_alike_and_other_colours_and_places_are_not():
    pictures = [drawn(), drawn(size=80), as_jpeg(drawn()), drawn(colour=(0, 0, 200)), drawn(corner=50)]
    groups = picture_groups(pictures)
    assert groups[0] == groups[1] == groups[2]
    assert len({int(groups[0]), int(groups[3]), int(groups[4])}) == 3
    assert len(picture_groups([])) == 0


def test_dhash_is_the_bits_of_rising_brightness():
    picture = PIL.Image.new("L", (9, 8), 0)
    picture.putpixel((1, 0), 255)  # brighter than the one left of it, and the next is darker
    assert difference_hash(picture) == 1 << 63


def test_groups_are_chains():
    assert components(5, np.array([[0, 2], [2, 4]])).tolist() == [0, 1, 0, 2, 0]
