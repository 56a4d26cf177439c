"""What lesson 7's checks compare with: the prompt spelled out, and counts of tokens by hand."""

import pytest
import torch

from workbench.checks import lesson_07 as check
from workbench.lessons.feedback import Wrong

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
ASSISTANT = "<|im_start|>assistant\n\n<|im_end|>\n"


def test_prompts_spelled_out():
    assert check.prompt_by_core("a lamp\n", 0) == f"{SYSTEM}<|im_start|>user\na lamp\n<|im_end|>\n{ASSISTANT}"
    asked = check.prompt_by_core("<|image_1|>\nwhat is it?", 0)
    assert asked == f"{SYSTEM}<|im_start|>user\n<image>\nwhat is it?<|im_end|>\n{ASSISTANT}"


@pytest.mark.parametrize(
    ("case", "tokens"),
    [
        ((384, 384, 1, 1), 729 + 27 * 28),
        ((768, 768, 2, 2), 729 + 54 * 55),
        ((100, 400, 2, 2), 729 + 14 * 55),  # 13.5 lines are 13; 41 are left over, 20 go on each side
        ((400, 100, 2, 2), 729 + 54 * 15),
    ],
)
def test_counts_by_hand(case, tokens):
    assert check.tokens_by_core(*case) == tokens
    tall, wide = check.kept_lines(*case)
    assert 729 + tall * (wide + 1) == tokens


@pytest.mark.parametrize("side", ["left", "right"])
def test_widening_keeps_what_is_read(side):
    states, mask = check.padded_states((4, 2, 5), side, 0)
    wide, wide_mask = check.widened(states, mask, side, 3)
    torch.testing.assert_close(check.expected(wide, wide_mask), check.expected(states, mask))
    assert wide_mask.sum(dim=1).tolist() == [4, 2, 5]


def test_absurd_answers_get_readable_messages():
    with pytest.raises(Wrong, match="no `return`"):
        check.last_vectors(lambda states, mask: None)
    with pytest.raises(Wrong, match="keepdim=True"):
        check.asked(
            lambda states, mask: states[:, -1] / states[:, -1].norm(dim=-1), *check.padded_states((6, 1, 3), "left", 0)
        )
    with pytest.raises(Wrong, match="a string is expected"):
        check.llave_prompt(lambda text: None)
    with pytest.raises(Wrong, match="a whole number is expected"):
        check.picture_tokens(lambda height, width, rows, columns: 1.5)
    with pytest.raises(Wrong, match="Up to character 0 the prompt is right"):
        check.llave_prompt(lambda text: "hello")
