"""Every tensor goes somewhere, or everybody hears of it."""

from pathlib import Path

import pytest
import torch

from core.checkpoint_import.source import Stored
from core.checkpoint_import.tensor_account import Left, account

FOLDER = Path("published")
WANTED = {"one": (2, 3), "two": (4,)}
NAMES = {"p.one": "one", "p.two": "two", "q.two": "two", "head": Left("a head"), "p.three": "three"}


def stored(**shapes: tuple[int, ...]) -> dict[str, Stored]:
    return {
        name.replace("_", "."): Stored(FOLDER / "x", torch.float32, shape, 0, 4 * torch.Size(shape).numel())
        for name, shape in shapes.items()
    }


def accounted(padded=(), **shapes):
    return account(FOLDER, stored(**shapes), WANTED, NAMES.get, padded)


def test_the_result_is_the_models_tensors_in_the_models_order():
    result = accounted(p_two=(4,), head=(9, 9), p_one=(2, 3))
    assert [tensor.name for tensor in result.tensors] == ["one", "two"]
    assert result.left == {"a head": ["head"]}
    assert result.dtype == torch.float32


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"p_one": (2, 3)}, r"1 missing \(by the model's names\): two\."),
        ({"p_one": (2, 3), "p_two": (4,), "x": (1,)}, r"1 unknown to the model: x\."),
        ({"p_one": (2, 3), "p_two": (4,), "p_three": (1,)}, r"1 unknown to the model: p\.three\."),
        ({"p_one": (3, 2), "p_two": (4,)}, r"1 of another shape: p\.one is \[3, 2\] where the config says \[2, 3\]\."),
        ({"p_one": (2, 3), "p_two": (4,), "q_two": (4,)}, r"1 there twice under two names: q\.two\."),
    ],
)
def test_what_does_not_fit_is_listed(shapes, message):
    with pytest.raises(ValueError, match=rf"^published: the weights do not fit the config\. {message}"):
        accounted(**shapes)


def test_everything_wrong_is_said_at_once_and_long_lists_are_cut():
    unknown = {f"n{number}": (1,) for number in range(10)}
    with pytest.raises(ValueError, match="n7, ") as caught:
        accounted(p_one=(1,), **unknown)
    message = str(caught.value)
    assert "10 unknown to the model: n0, " in message
    assert "n8" not in message
    assert "1 of another shape" in message
    assert "1 missing" in message


def test_rows_may_be_fewer_only_where_that_is_said():
    result = accounted(padded=["one"], p_one=(1, 3), p_two=(4,))
    assert (result.tensors[0].shape, result.tensors[0].source.shape) == ((2, 3), (1, 3))
    for shapes in ({"p_one": (3, 3)}, {"p_one": (1, 2)}):
        with pytest.raises(ValueError, match="of another shape"):
            accounted(padded=["one"], p_two=(4,), **shapes)
    with pytest.raises(ValueError, match="of another shape"):
        accounted(p_one=(1, 3), p_two=(4,))


def test_buffers_of_old_files_are_left():
    shapes = {"p_one": (2, 3), "p_two": (4,)}
    extra = stored(**shapes) | {"m.layers.0.self_attn.rotary_emb.inv_freq": Stored(FOLDER, torch.float32, (4,), 0, 16)}
    result = account(FOLDER, extra, WANTED, NAMES.get)
    assert [*result.left] == ["buffers that the config gives"]
