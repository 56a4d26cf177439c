"""A tensor is written as the format's own library reads it."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.files.tensor_file import write_tensor


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (0, 7)])
def test_the_library_reads_what_is_written_and_writes_the_same_bytes(tmp_path, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    write_tensor(tmp_path / "own", "items", array)
    save_file({"items": array}, tmp_path / "theirs")
    np.testing.assert_array_equal(load_file(tmp_path / "own")["items"], array)
    assert (tmp_path / "own").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_an_array_that_is_not_contiguous_is_written_in_order(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T
    write_tensor(tmp_path / "own", "items", array)
    np.testing.assert_array_equal(load_file(tmp_path / "own")["items"], array)


def test_another_type_is_refused(tmp_path):
    with pytest.raises(ValueError, match="float64, not float32"):
        write_tensor(tmp_path / "own", "items", np.zeros((2, 2)))
