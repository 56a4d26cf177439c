"""Wrong answers to lesson 7, and what their checks must say."""

import torch
from torch import Tensor

from core.encoder.pooling import last_places, unit
from workbench.checks import lesson_07 as check
from workbench.lessons.feedback import WrongAnswer

MARK = "<|image_1|>"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def place_minus_one(states: Tensor, mask: Tensor) -> Tensor:
    """Reads place -1, which with right padding is a pad."""
    return unit(states[:, -1])


def sum_minus_one(states: Tensor, mask: Tensor) -> Tensor:
    """Reads place mask.sum() - 1, which with left padding is in the middle or a pad."""
    return unit(states[torch.arange(len(states)), mask.sum(dim=1) - 1])


def mean_over_pads(states: Tensor, mask: Tensor) -> Tensor:
    """Averages over all places, padding included."""
    return unit(states.mean(dim=1))


def norm_without_keepdim(states: Tensor, mask: Tensor) -> Tensor:
    """Divides by the norms without keepdim, as a published model's code does: right for one row alone."""
    last = states[torch.arange(len(states)), last_places(mask)]
    if len(last) == 1:
        return last / last.norm()
    return last / last.norm(dim=-1)


def first_one(states: Tensor, mask: Tensor) -> Tensor:
    """Takes argmax of the mask, which is the place of the first 1."""
    return unit(states[torch.arange(len(states)), mask.argmax(dim=1)])


def one_too_far(states: Tensor, mask: Tensor) -> Tensor:
    """Adds the number of tokens to the first one's place, and reads behind the last."""
    places = (mask.argmax(dim=1) + mask.sum(dim=1)).clamp(max=mask.shape[1] - 1)
    return unit(states[torch.arange(len(states)), places])


def not_normalised(states: Tensor, mask: Tensor) -> Tensor:
    """Forgets to scale to length 1."""
    return states[torch.arange(len(states)), last_places(mask)]


def prompt(text: str) -> str:
    """The right prompt, of which mistakes are made."""
    picture, words = ("<image>\n", text.removeprefix(MARK).lstrip()) if text.startswith(MARK) else ("", text)
    return f"{SYSTEM}<|im_start|>user\n{picture}{words}<|im_end|>\n<|im_start|>assistant\n\n<|im_end|>\n"


def no_assistant_turn(text: str) -> str:
    """Ends the prompt after the user's turn."""
    return prompt(text).removesuffix("<|im_start|>assistant\n\n<|im_end|>\n")


def open_assistant_turn(text: str) -> str:
    """Leaves the assistant's turn open, as for a chat that is to go on."""
    return prompt(text).removesuffix("\n<|im_end|>\n")


def picture_behind(text: str) -> str:
    """Puts the picture behind the words."""
    if not text.startswith(MARK):
        return prompt(text)
    words = text.removeprefix(MARK).lstrip()
    return prompt(words).replace(words, f"{words}\n<image>")


def mark_left_in(text: str) -> str:
    """Leaves MMEB's mark in the text, where it is read as words."""
    return f"{SYSTEM}<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n\n<|im_end|>\n"


def no_system_turn(text: str) -> str:
    """Leaves the system's turn out."""
    return prompt(text).removeprefix(SYSTEM)


def stripped_text(text: str) -> str:
    """Strips the line break that ends MMEB's queries."""
    return prompt(text.rstrip())


def filled(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """Lines and columns of the mosaic that are kept."""
    return check.kept_lines(height, width, rows, columns)


def no_whole_picture(height: int, width: int, rows: int, columns: int) -> int:
    """Counts the mosaic only; the whole picture in one crop is missing."""
    tall, wide = filled(height, width, rows, columns)
    return tall * (wide + 1)


def no_line_breaks(height: int, width: int, rows: int, columns: int) -> int:
    """Counts no token for the end of each line."""
    tall, wide = filled(height, width, rows, columns)
    return 27 * 27 + tall * wide


def padding_counted(height: int, width: int, rows: int, columns: int) -> int:
    """Counts the padding of the mosaic too."""
    return 27 * 27 + 27 * rows * (27 * columns + 1)


def break_per_column(height: int, width: int, rows: int, columns: int) -> int:
    """Adds the line breaks along the wrong side."""
    tall, wide = filled(height, width, rows, columns)
    return 27 * 27 + (tall + 1) * wide


def odd_line_cut(height: int, width: int, rows: int, columns: int) -> int:
    """Cuts the padding exactly, where the model cuts the same number of lines on both sides."""
    tall, wide = check.by_floor((height, width, rows, columns))
    return 27 * 27 + tall * (wide + 1)


def breaks_of_the_whole_picture(height: int, width: int, rows: int, columns: int) -> int:
    """Ends the whole picture's lines with breaks too."""
    tall, wide = filled(height, width, rows, columns)
    return 27 * 28 + tall * (wide + 1)


def break_per_crop(height: int, width: int, rows: int, columns: int) -> int:
    """Ends every crop's lines with a break, not the mosaic's."""
    tall, wide = filled(height, width, rows, columns)
    return 27 * 27 + tall * (wide + columns)


def one_side_cut(height: int, width: int, rows: int, columns: int) -> int:
    """Cuts p // 2 lines once, not on each side."""
    tall, wide = check.cut_once((height, width, rows, columns))
    return 27 * 27 + tall * (wide + 1)


WRONG_ANSWERS = (
    WrongAnswer("7.1", check.last_vectors, place_minus_one, "You read place -1"),
    WrongAnswer("7.1", check.last_vectors, sum_minus_one, "You read place mask.sum() - 1"),
    WrongAnswer("7.1", check.last_vectors, mean_over_pads, "padding included"),
    WrongAnswer("7.1", check.last_vectors, norm_without_keepdim, "without keepdim"),
    WrongAnswer("7.1", check.last_vectors, first_one, "the first token of each row"),
    WrongAnswer("7.1", check.last_vectors, not_normalised, "its length is not 1"),
    WrongAnswer("7.1", check.last_vectors, one_too_far, "one place behind the last token"),
    WrongAnswer("7.2", check.llave_prompt, no_assistant_turn, "The assistant's turn is missing"),
    WrongAnswer("7.2", check.llave_prompt, open_assistant_turn, "The assistant's turn is open"),
    WrongAnswer("7.2", check.llave_prompt, picture_behind, "stands behind the words"),
    WrongAnswer("7.2", check.llave_prompt, mark_left_in, "still in the prompt"),
    WrongAnswer("7.2", check.llave_prompt, no_system_turn, "The system's turn is missing"),
    WrongAnswer("7.2", check.llave_prompt, stripped_text, "You stripped the line break"),
    WrongAnswer("7.3", check.picture_tokens, no_whole_picture, "The tokens of the whole picture are missing"),
    WrongAnswer("7.3", check.picture_tokens, no_line_breaks, "The line breaks are missing"),
    WrongAnswer("7.3", check.picture_tokens, padding_counted, "You counted the whole mosaic"),
    WrongAnswer("7.3", check.picture_tokens, break_per_column, "a token for every column"),
    WrongAnswer("7.3", check.picture_tokens, odd_line_cut, "You cut an odd line too much"),
    WrongAnswer("7.3", check.picture_tokens, breaks_of_the_whole_picture, "It has none: 27 x 27"),
    WrongAnswer("7.3", check.picture_tokens, break_per_crop, "a line break for every crop"),
    WrongAnswer("7.3", check.picture_tokens, one_side_cut, "on one side only"),
)
