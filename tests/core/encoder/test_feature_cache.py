"""The cache of features on disk: whole, checked, shared."""

from pathlib import Path

import pytest
import torch
from warm_processes import Program, run_together

from core.encoder.feature_cache import FeatureCache

TOWER = "0123abcd-bfloat16"
FEATURES = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def cache(tmp_path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_was_written_is_read_bit_for_bit(cache, dtype):
    assert cache.read(TOWER, "abc") is None
    cache.write(TOWER, "abc", FEATURES.to(dtype))
    found = cache.read(TOWER, "abc")
    assert found.dtype == dtype
    assert torch.equal(found, FEATURES.to(dtype))
    assert cache.read("other", "abc") is None
    assert (cache.hits, cache.misses, cache.damaged) == (1, 2, 0)


def test_files_lie_in_folders_of_two_levels_and_are_counted(cache):
    assert cache.size_gb() == 0
    cache.write(TOWER, "abcdef", FEATURES)
    path = cache.folder / TOWER / "ab" / "abcdef.safetensors"
    assert path.is_file()
    assert cache.size_gb() == path.stat().st_size / 1e9
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # nothing temporary is left


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "empty": lambda path: path.write_bytes(b""),
    "one bit": flip_last_byte,
    "no safetensors": lambda path: path.write_text("hello, this is not a tensor"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_counts_as_absent_and_can_be_written_again(cache, damage):
    cache.write(TOWER, "abc", FEATURES)
    DAMAGES[damage](cache.path(TOWER, "abc"))
    with pytest.warns(UserWarning, match=r"abc\.safetensors is damaged"):
        assert cache.read(TOWER, "abc") is None
    assert cache.read(TOWER, "abc") is None  # warned of once, counted twice
    assert (cache.damaged, cache.misses) == (2, 2)
    cache.write(TOWER, "abc", FEATURES)
    assert torch.equal(cache.read(TOWER, "abc"), FEATURES)


WRITER = """
import sys
import warnings
from pathlib import Path
import torch
from core.encoder.feature_cache import FeatureCache
warnings.simplefilter("error")
cache = FeatureCache(Path(sys.argv[1]))
for _ in range(100):
    for name in ("aa", "ab", "ba"):
        found = cache.read("tower", name)
        assert found is None or bool((found == ord(name[1])).all()), name
        cache.write("tower", name, torch.full((64, 64), float(ord(name[1]))))
print(cache.damaged)
"""


@pytest.mark.slow
def test_processes_that_write_the_same_pictures_never_see_half_a_file(tmp_path):
    done = run_together([Program(["-c", WRITER, tmp_path]) for _ in range(3)], timeout_s=120)
    assert [(each.returncode, each.stdout) for each in done] == [(0, "0\n")] * 3, done


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        FeatureCache(tmp_path / "file").write(TOWER, "abc", FEATURES)
