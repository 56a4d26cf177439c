"""Checks of lesson 7: reading the last token, writing LLaVE's prompt, counting the tokens of a picture."""

import random
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import LlavaOnevisionConfig, SiglipVisionConfig

from core.checkpoint_import.llave import CHAT_TEMPLATE
from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Text
from core.encoder.backbones.llava_onevision import image_tokens
from core.encoder.pooling import last_places, unit
from core.encoder.prompts import TemplateText, segments
from core.encoder.tiny.llava_onevision import tiny_tokenizer
from workbench.lessons.feedback import Wrong, compare, right, tensor_like

MARK = "<|image_1|>"
SIDE, PATCHES = 384, 27
"""Of one crop of SigLIP so400m, in pixels and in patches of 14."""


def last_vectors(answer: Callable[[Tensor, Tensor], Any], seed: int = 0) -> None:
    """Exercise 7.1: unit vectors of the last attended token, whichever side is padded.

    Raises:
        Wrong: the answer is wrong; the message says how.
    """
    for lengths, side in (((5,), "right"), ((4, 2, 5, 3), "right"), ((4, 2, 5, 3), "left"), ((6, 1, 3), "left")):
        states, mask = padded_states(lengths, side, seed)
        what = f"Your result for {len(lengths)} row{'s' * (len(lengths) > 1)} padded on the {side}"
        compare(what, asked(answer, states, mask), expected(states, mask), mistakes_of_reading(states, mask))
    for side in ("right", "left"):
        states, mask = padded_states((4, 2, 5, 3), side, seed)
        for further in (0, 3):
            wide, wide_mask = widened(states, mask, side, further)
            alone = torch.cat([asked(answer, wide[[row]], wide_mask[[row]]) for row in range(len(wide))])
            compare(
                f"Your result row by row, with {further} more pads on the {side},", alone, expected(states, mask), {}
            )
    right("7.1", "Either side, any amount of padding, one row or many: the same vectors, and core's.")


def padded_states(
    lengths: tuple[int, ...], side: str, seed: int
) -> tuple[Float[Tensor, "n length 4"], Int[Tensor, "n length"]]:
    """States of rows of the given lengths; those at padding are not zero, as in a real model."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    states = torch.randn(len(lengths), longest, 4, generator=generator, dtype=torch.float64)
    mask = torch.zeros(len(lengths), longest, dtype=torch.long)
    for row, length in enumerate(lengths):
        mask[row, slice(0, length) if side == "right" else slice(longest - length, longest)] = 1
        # A row's own states do not depend on the side.
        states[row, mask[row] == 1] = torch.randn(length, 4, generator=generator, dtype=torch.float64)
    return states, mask


def widened(states: Tensor, mask: Tensor, side: str, further: int) -> tuple[Tensor, Tensor]:
    """Return the same rows with more padding on the same side."""
    more, blank = torch.full((len(states), further, 4), 7.0, dtype=states.dtype), mask.new_zeros(len(mask), further)
    pieces = ((states, more), (mask, blank)) if side == "right" else ((more, states), (blank, mask))
    return torch.cat(pieces[0], dim=1), torch.cat(pieces[1], dim=1)


def asked(answer: Callable[[Tensor, Tensor], Any], states: Tensor, mask: Tensor) -> Tensor:
    """Get the answer's vectors, once they have the right shape; shapes that do not go together have one cause here."""
    try:
        found = answer(states, mask)
    except RuntimeError as error:
        if "must match the size" not in str(error):
            raise
        raise Wrong(
            "Shapes do not go together when you divide by the length: x.norm(dim=-1) has shape [n]. Ask for "
            "keepdim=True, which gives [n, 1], one length a row."
        ) from error
    return tensor_like("last_vectors", found, states[:, 0])


def expected(states: Tensor, mask: Tensor) -> Float[Tensor, "n 4"]:
    """Say what core reads."""
    return unit(states[torch.arange(len(states)), last_places(mask)])


def mistakes_of_reading(states: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return the vectors that likely mistakes give."""
    rows, counts = torch.arange(len(states)), mask.sum(dim=1)
    last = states[rows, last_places(mask)]
    kept = states * mask[..., None]
    mistakes = {
        "The right token, but its length is not 1: divide each row by its norm.": last,
        "You divided by one norm for the whole batch: a row's vector then depends on the others. Take the norm along "
        "the last dimension, norm(dim=-1, keepdim=True).": last / last.norm(),
        "You read place -1: with padding on the right that is a pad. Look for the last 1 in each row of the "
        "mask.": unit(states[:, -1]),
        "You read place mask.sum() - 1: that is how many tokens there are, not where they are, and with padding on the "
        "left they end at the right edge. Look for the place of the last 1.": unit(states[rows, counts - 1]),
        "You read one place behind the last token: first place + number of tokens is the place after it; subtract "
        "1.": unit(states[rows, (last_places(mask) + 1).clamp(max=states.shape[1] - 1)]),
        "You averaged over all places, padding included: what a vector says then depends on how long its neighbours "
        "are.": unit(states.mean(dim=1)),
        "You averaged over the item's own tokens. That is a sound rule for models trained with it; this one is trained "
        "to speak in its last token, so read that one alone.": unit(kept.sum(dim=1) / counts[:, None]),
        "You read the first token of each row; in a causal model it has seen nothing of the rest. argmax of a mask of "
        "ones gives the first 1: multiply the mask by the places first.": unit(states[rows, mask.argmax(dim=1)]),
    }
    if len(states) == states.shape[-1]:
        mistakes[
            "You divided by norm(dim=-1) without keepdim: a shape [n] meets [n, d] as if it were [1, n], so column j "
            "was divided by the length of row j. It shows only where n = d; elsewhere it crashes, or with one row it "
            "is right by luck. Write keepdim=True."
        ] = last / last.norm(dim=-1)
    return mistakes


def llave_prompt(answer: Callable[[str], Any], seed: int = 0) -> None:
    """Exercise 7.2: the whole prompt of a row of MMEB, as LLaVE was trained to read it.

    Raises:
        Wrong: the answer is wrong; the message says how.
    """
    chance = random.Random(seed)
    word = chance.choice(("lamp", "harbour", "violin", "tram"))
    for text in (
        f"{MARK}\nFind a caption of the image.",
        f"a photo of a {word}",
        f"{MARK}\nWhat is behind the {word}?\n",
    ):
        found = answer(text)
        if not isinstance(found, str):
            raise Wrong(f"llave_prompt gave {type(found).__name__}; a string is expected. Does it return something?")
        wanted = prompt_by_core(text, seed)
        if found != wanted:
            raise Wrong(mistake_of_prompt(found, wanted, text))
    right("7.2", "With a picture and without: character by character what core's template for LLaVE writes.")


def prompt_by_core(text: str, seed: int) -> str:
    """Return the prompt by the chat template that core gives converted LLaVE checkpoints."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    words = Text(text.removeprefix(MARK).lstrip() if text.startswith(MARK) else text)
    picture = Image(DrawnScene(random_single(random.Random(seed))))
    parts = (picture, words) if text.startswith(MARK) else (words,)
    pieces = segments(Item(parts), tokenizer)
    return "".join(
        each.text if isinstance(each, TemplateText | Text) else "<image>" if isinstance(each, Image) else ""
        for each in pieces
    )


def mistake_of_prompt(found: str, wanted: str, text: str) -> str:
    """Tell which mistake makes `found` of the right prompt."""
    answer_turn = "<|im_start|>assistant\n\n<|im_end|>\n"
    words = text.removeprefix(MARK).lstrip() if text.startswith(MARK) else text
    for message, other in (
        (
            "The assistant's turn is missing: the prompt ends after the user's. LLaVE reads its vector behind the "
            "assistant's empty turn, so add that turn, an empty line in it.",
            wanted.removesuffix(answer_turn),
        ),
        (
            "The assistant's turn is open, as if it were to speak. LLaVE's is complete: an empty line, the closing "
            "token and a line break, which is the token that is read.",
            wanted.removesuffix("\n<|im_end|>\n"),
        ),
        ("The last line break is missing: it is the very token that LLaVE reads.", wanted.removesuffix("\n")),
        (
            "The picture stands behind the words. It goes in front, and its own line break after it.",
            wanted.replace("<image>\n", "").replace(words, f"{words}\n<image>"),
        ),
        (
            "The picture's place is missing: write <image> and a line break before the words.",
            wanted.replace("<image>\n", ""),
        ),
        ("The system's turn is missing; LLaVE never saw a prompt without it.", wanted.partition("<|im_end|>\n")[2]),
        (
            "You stripped the line break at the end of the text. Rows of MMEB have it, and models were trained with "
            "it; leave the end of the text as it is.",
            wanted.replace(words, words.rstrip()) if words != words.rstrip() else "",
        ),
    ):
        if found == other:
            return message
    if MARK in found:
        return (
            f"MMEB's mark {MARK} is still in the prompt, where it would be read as words. Take it out and write "
            "<image> in front."
        )
    if not text.startswith(MARK) and "<image>" in found:
        return "A row without a picture got an <image>; write it only where the text begins with the mark."
    place = next(
        (p for p, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted))
    )
    return (
        f"Up to character {place} the prompt is right; then it goes on {found[place : place + 25]!r} in place of "
        f"{wanted[place : place + 25]!r}."
    )


def picture_tokens(answer: Callable[[int, int, int, int], Any], seed: int = 0) -> None:
    """Exercise 7.3: how many tokens one picture becomes under AnyRes.

    Raises:
        Wrong: the answer is wrong; the message says how.
    """
    chance = random.Random(seed)
    cases = [(384, 384, 1, 1), (768, 768, 2, 2), (400, 768, 2, 2), (768, 400, 2, 2), (300, 900, 1, 2), (900, 300, 2, 1)]
    cases += [
        (chance.randint(100, 1500), chance.randint(100, 1500), *chance.choice(((1, 2), (2, 1), (2, 2))))
        for _ in range(20)
    ]
    found = [answer(*case) for case in cases]
    for case, each in zip(cases, found, strict=True):
        if not isinstance(each, int) or isinstance(each, bool):
            raise Wrong(f"picture_tokens{case} gave {each!r}, a {type(each).__name__}; a whole number is expected.")
    counts = torch.tensor(found, dtype=torch.float64)
    by_core = torch.tensor([float(tokens_by_core(*case)) for case in cases], dtype=torch.float64)
    kept = [kept_lines(*case) for case in cases]
    whole = torch.tensor([PATCHES**2] * len(cases), dtype=torch.float64)

    def counted(count: Callable[[int, int], int]) -> Tensor:
        return whole + torch.tensor([count(*each) for each in kept], dtype=torch.float64)

    full = [(rows * PATCHES, columns * PATCHES) for _, _, rows, columns in cases]
    height, width, rows, columns = cases[int((counts - by_core).abs().argmax())]
    worst = f"a picture of height {height} and width {width} in {rows} x {columns} crops"
    compare(
        f"picture_tokens (furthest off for {worst})",
        counts,
        by_core,
        {
            "The tokens of the whole picture are missing: AnyRes shows it in one crop besides the mosaic, 27 x 27 "
            "more.": by_core - whole,
            "The line breaks are missing: the model adds one token at the end of every line of the mosaic.": counted(
                lambda height, width: height * width
            ),
            "You added a token for every column, or took height for width: a line break stands at the end of every "
            "line, and there are as many lines as the mosaic is high.": counted(
                lambda height, width: (height + 1) * width
            ),
            "You added line breaks to the whole picture too. It has none: 27 x 27 tokens; only the mosaic's lines end "
            "in one.": by_core + PATCHES,
            "You added a line break for every crop. A line of the mosaic runs through all its crops and ends once.": (
                whole
                + torch.tensor([t * (w + c[3]) for (t, w), c in zip(kept, cases, strict=True)], dtype=torch.float64)
            ),
            "You cut on one side only: p // 2 lines go on each of the two sides.": whole
            + torch.tensor([t * (w + 1) for t, w in map(cut_once, cases)], dtype=torch.float64),
            "You counted the whole mosaic. Lines or columns that show only padding are cut off before the model sees "
            "them.": whole + torch.tensor([height * (width + 1) for height, width in full], dtype=torch.float64),
            "You cut an odd line too much: (mosaic - picture) // 2 lines go on each side, so that with an odd rest one "
            "line of padding stays.": whole
            + torch.tensor([h * (w + 1) for h, w in map(by_floor, cases)], dtype=torch.float64),
        },
    )
    right("7.3", f"{len(cases)} sizes, from {int(by_core.min())} to {int(by_core.max())} tokens: core's counts.")


def tokens_by_core(height: int, width: int, rows: int, columns: int) -> int:
    """Return the count by the model's own packing, with one grid to choose from."""
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(image_size=SIDE, patch_size=14, num_hidden_layers=1),
        image_grid_pinpoints=[[rows * SIDE, columns * SIDE]],
    )
    return image_tokens(config, 1 + rows * columns, height, width)


def by_floor(case: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return lines and columns of the mosaic that the picture itself fills, the last one perhaps in part."""
    height, width, rows, columns = case
    tall, wide = rows * PATCHES, columns * PATCHES
    if width / height > wide / tall:
        return int(round(height * wide / width, 7)), wide
    return tall, int(round(width * tall / height, 7))


def cut_once(case: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return lines and columns of the mosaic when p // 2 of the p that are left over are cut on one side alone."""
    tall, wide = case[2] * PATCHES, case[3] * PATCHES
    filled_tall, filled_wide = by_floor(case)
    return tall - (tall - filled_tall) // 2, wide - (wide - filled_wide) // 2


def kept_lines(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """Return lines and columns of the mosaic after the same number was cut on both sides."""
    tall, wide = rows * PATCHES, columns * PATCHES
    filled_tall, filled_wide = by_floor((height, width, rows, columns))
    return tall - 2 * ((tall - filled_tall) // 2), wide - 2 * ((wide - filled_wide) // 2)
