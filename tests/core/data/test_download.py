"""Downloads from a hub on this machine, through huggingface_hub's own client."""

import json
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, serving
from huggingface_hub import constants

from core.data.download import DownloadSettings, Record, download, size
from core.data.mmeb.video import BY_NAME

MODEL = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"a" * 3000,
    "model-00002-of-00002.safetensors": b"b" * 2000,
    "model.safetensors.index.json": b"{}",
    "tokenizer.json": b"{}",
    "tokenizer.model": b"t",
    "merges.txt": b"m",
    "chat_template.jinja": b"j",
    "1_Pooling/config.json": b"{}",
    "a[1].json": b"{}",
    "download.json": b"the repository's own",
    "pytorch_model.bin": b"pickle",
    "optimizer.pt": b"pickle",
    "training_args.bin": b"pickle",
    "modeling_llava.py": b"code",
    "onnx/model.onnx": b"o",
    "../outside.json": b"{}",
}
TRAIN = {
    "README.md": b"r",
    "unzip_file.py": b"code",
    **{
        f"{name}/{split}-00000-of-00001.parquet": b"p" * 10
        for name in ("OK-VQA", "WebQA")
        for split in ("original", "x")
    },
    **{f"images_zip/{name}.zip": b"z" * 100 for name in ("OK-VQA", "WebQA")},
}
FILES = {
    "models/owner/model": MODEL,
    "models/owner/pickled": {"config.json": b"{}", "pytorch_model.bin": b"pickle"},
    "datasets/TIGER-Lab/MMEB-train": TRAIN,
    "datasets/TIGER-Lab/MMEB-eval": {
        "images.zip": b"z",
        "CIRR/test-00000-of-00001.parquet": b"p",
        "OVEN/test-00000-of-00001.parquet": b"p",
    },
    "datasets/ziyjiang/MMEB_Test_Instruct": {"CIRR/test-00000-of-00001.parquet": b"p", "README.md": b"r"},
    "datasets/TIGER-Lab/MMEB-V2": {
        "image-tasks/mmeb_v1.tar.gz": b"t",
        "video-tasks/frames/video_ret.tar.gz": b"r",
        "video-tasks/frames/video_qa.tar.gz-00": b"q",
        "video-tasks/frames/video_cls.tar.gz": b"c",
    },
    "datasets/VLM2Vec/MSVD": {"data/test-00000-of-00001.parquet": b"p", "README.md": b"r"},
    "datasets/lmms-lab/YouCook2": {"data/val-00000-of-00001.parquet": b"p"},
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The fake hub in place of the real one."""
    with serving(FILES) as serves:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        monkeypatch.setattr(constants, "ENDPOINT", serves.address)
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.split("/{repo_id}")[1]
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", serves.address + "/{repo_id}" + template)
        yield serves


def fetched(folder: Path) -> dict[str, bytes]:
    """The files below a folder, without the client's own notes."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes() for name, path in found.items() if ".cache" not in name and path.name != "download.json"
    }


def get(what: str, to: Path, *datasets: str, **options: object) -> list[Record]:
    """Download without a word."""
    return download(DownloadSettings(what, to, datasets=list(datasets), **options), say=lambda text: None)


def test_of_a_model_only_what_cannot_run_code_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    (record,) = get("model", tmp_path / "m", name="owner/model")
    wanted = set(MODEL) - {
        "pytorch_model.bin", "optimizer.pt", "training_args.bin", "modeling_llava.py", "onnx/model.onnx",
        "../outside.json", "download.json",
    }  # fmt: skip
    assert fetched(tmp_path / "m") == {name: MODEL[name] for name in wanted}
    assert not (tmp_path / "outside.json").exists()
    assert record == Record("owner/model", "model", hub.commit, len(wanted), sum(len(MODEL[n]) for n in wanted), True)
    assert json.loads((tmp_path / "m" / "download.json").read_text())["commit"] == hub.commit


def test_a_model_without_safetensors_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"owner/pickled .*no weights as safetensors \(pytorch_model.bin can run code"):
        get("model", tmp_path, name="owner/pickled")
    assert hub.asked == []


@pytest.mark.parametrize(
    ("what", "datasets", "expected"),
    [
        (
            "mmeb-train",
            ["WebQA"],
            {"WebQA/original-00000-of-00001.parquet", "WebQA/x-00000-of-00001.parquet", "images_zip/WebQA.zip"},
        ),
        ("mmeb-train", ["OK-VQA", "WebQA"], set(TRAIN) - {"README.md", "unzip_file.py"}),
        ("mmeb-eval", ["CIRR"], {"images.zip", "CIRR/test-00000-of-00001.parquet"}),
        ("mmeb-v2", ["CIRR"], {"CIRR/test-00000-of-00001.parquet", "MMEB-V2/image-tasks/mmeb_v1.tar.gz"}),
        (
            "mmeb-v2-video",
            ["MSVD", "YouCook2"],
            {
                "MSVD/data/test-00000-of-00001.parquet",
                "YouCook2/data/val-00000-of-00001.parquet",
                "MMEB-V2/video-tasks/frames/video_ret.tar.gz",
            },
        ),
    ],
)
def test_of_data_the_named_data_sets_are_fetched(
    hub: FakeHub, tmp_path: Path, what: str, datasets: list[str], expected: set[str]
) -> None:
    records = get(what, tmp_path, *datasets)
    assert set(fetched(tmp_path)) == expected
    assert all(record.complete for record in records)


@pytest.mark.slow
def test_a_download_that_was_broken_off_goes_on_at_its_commit(hub: FakeHub, tmp_path: Path) -> None:
    hub.broken.add("images_zip/OK-VQA.zip")
    with pytest.raises(ValueError, match="same command"):
        get("mmeb-train", tmp_path, "OK-VQA")
    assert json.loads((tmp_path / "download.json").read_text())["complete"] is False
    hub.broken.clear()
    hub.asked.clear()
    (record,) = get("mmeb-train", tmp_path, "OK-VQA")
    assert (record.complete, record.commit) == (True, hub.commit)
    assert "images_zip/OK-VQA.zip" in hub.asked
    assert (tmp_path / "images_zip" / "OK-VQA.zip").read_bytes() == b"z" * 100
    hub.asked.clear()
    get("mmeb-train", tmp_path, "OK-VQA")
    assert hub.asked == []


def test_a_folder_keeps_to_one_repository_and_commit(hub: FakeHub, tmp_path: Path) -> None:
    get("mmeb-eval", tmp_path, "CIRR")
    with pytest.raises(ValueError, match=f"holds commit {hub.commit}, not other; name another folder"):
        get("mmeb-eval", tmp_path, "CIRR", revision="other")
    with pytest.raises(ValueError, match="holds TIGER-Lab/MMEB-eval, not owner/model"):
        get("model", tmp_path, name="owner/model")
    (tmp_path / "download.json").write_text("{}")
    with pytest.raises(ValueError, match=r"download\.json: not a record of a download"):
        get("mmeb-eval", tmp_path, "CIRR")


def test_size_and_space_are_told_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    download(DownloadSettings("mmeb-train", tmp_path / "new" / "deep", datasets=["OK-VQA"]), said.append)
    assert said[0] == f"TIGER-Lab/MMEB-train at {hub.commit[:12]}: 3 files, 120 bytes"
    assert said[1].startswith(f"still to fetch: 120 bytes; free in {tmp_path}: ")
    hub.asked.clear()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000, 881, 119))
    with pytest.raises(ValueError, match="120 bytes are to be fetched and 119 bytes are free"):
        get("mmeb-train", tmp_path / "other", "OK-VQA")
    assert hub.asked == []
    assert not (tmp_path / "other").exists()


def test_what_is_to_be_unpacked_is_told_as_commands(hub: FakeHub, tmp_path: Path) -> None:
    said: list[str] = []
    download(DownloadSettings("mmeb-v2-video", tmp_path, datasets=["MSVD"]), said.append)
    folder = tmp_path / "MMEB-V2" / "video-tasks" / "frames"
    assert said[-1] == f"unpack: cd {folder} && mkdir -p video_ret && cat video_ret.tar.gz | tar -xz -C video_ret"
    download(DownloadSettings("mmeb-v2", tmp_path / "v2", datasets=["CIRR"]), said.append)
    assert said[-1].endswith("image-tasks && mkdir -p . && cat mmeb_v1.tar.gz | tar -xz -C .")


def test_unknown_names_are_told_before_the_hub_is_asked(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"datasets: 'ImageNet-1K' is unknown; there are ImageNet_1K, N24News"):
        get("mmeb-train", tmp_path, "ImageNet-1K")
    with pytest.raises(ValueError, match=f"'K700' is unknown; there are {', '.join(BY_NAME)}"):
        get("mmeb-v2-video", tmp_path, "K700")


def test_what_the_hub_does_not_have_is_told(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"owner/none \(model\): no such repository"):
        get("model", tmp_path, name="owner/none")
    with pytest.raises(ValueError, match=r"owner/model \(model\): has no revision 'v9'"):
        get("model", tmp_path, name="owner/model", revision="v9")
    with pytest.raises(ValueError, match="is no name of a repository"):
        get("model", tmp_path, name="one/two/three")
    with pytest.raises(ValueError, match=r"MMEB_Test_Instruct .*none of its 2 files is wanted"):
        get("mmeb-v2", tmp_path, "OVEN")
    with pytest.raises(ValueError, match=r"MMEB-eval .*: has no tables of EDIS, GQA; name others in datasets"):
        get("mmeb-eval", tmp_path, "CIRR", "EDIS", "GQA")
    assert hub.asked == []


def test_a_repository_on_request_says_so_when_its_files_are_asked_for(hub: FakeHub, tmp_path: Path) -> None:
    hub.gated.add("models/owner/model")
    with pytest.raises(ValueError, match=r"owner/model \(model\): its owner gives access on request"):
        get("model", tmp_path, name="owner/model")


def test_files_that_the_client_leaves_out_without_an_error_are_missed(hub: FakeHub, tmp_path: Path) -> None:
    hub.unlisted.add("models/owner/model")
    with pytest.raises(ValueError, match=r"bytes did not come; the same command fetches them"):
        get("model", tmp_path, name="owner/model")
    assert json.loads((tmp_path / "download.json").read_text())["complete"] is False


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"owner/model \(model\): the hub cannot be reached \(OfflineMode.*copy the"):
        get("model", tmp_path, name="owner/model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"the hub cannot be reached \(ConnectError"):
        get("model", tmp_path, name="owner/model")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"what": "model"}, "name is missing"),
        ({"what": "model", "name": "a/b", "datasets": ["x"]}, "of use for data only"),
        ({"what": "mmeb-v2-video", "name": "a/b"}, "many repositories"),
        ({"what": "mmeb-v2", "revision": "v1"}, "several repositories"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DownloadSettings(to=Path("x"), **settings)


def test_sizes_are_told_in_readable_units() -> None:
    assert [size(count) for count in (12, 3_400_000, 1_250_000_000)] == ["12 bytes", "3.40 MB", "1.25 GB"]
