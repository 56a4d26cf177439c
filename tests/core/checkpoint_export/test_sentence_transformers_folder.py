"""sentence-transformers itself opens the exported folders and gives our vectors and our tokens.

torchvision cannot be imported everywhere, so video processors are left out (support/without_torchvision.py): pictures
go through transformers' Pillow implementation, and clips are not tested here.
"""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_backbones import BACKBONES
from without_torchvision import leave_out_video_processors

from core.checkpoint_export.processors import PROCESSORS
from core.checkpoint_export.sentence_transformers_folder import write_sentence_transformers
from core.data.images.image_files import BadImage, BytesImage
from core.data.records import Image, Item
from core.encoder.embedder import Embedder

LANGUAGE_MODELS = ("llava_onevision_anyres", "qwen2_vl", "qwen2_5_vl", "qwen3_vl")
TOWERS = ("clip", "siglip")
TOLERANCE = 1e-5
"""Of 1 - cosine; vectors are to agree to 1e-4."""
SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(autouse=True)
def no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_video_processors(monkeypatch)


def exported(name: str, folder: Path) -> tuple[Embedder, SentenceTransformer]:
    embedder = BACKBONES[name]().eval()
    write_sentence_transformers(embedder, folder, folder)
    return embedder, SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def encoded(model: SentenceTransformer, inputs: list[Any]) -> torch.Tensor:
    return model.encode(inputs, convert_to_tensor=True, show_progress_bar=False)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_vectors_and_tokens_are_ours(
    name: str, tmp_path: Path, items: dict[str, Item], messages: dict[str, list[dict[str, Any]]]
) -> None:
    embedder, model = exported(name, tmp_path)
    ours = embedder.embed(list(items.values()))
    for row, (kind, item) in enumerate(items.items()):
        ids = model.preprocess([messages[kind]])["input_ids"][0]
        assert ids.tolist() == embedder.prepare(item).token_ids.tolist(), kind
        alone = encoded(model, [messages[kind]])[0]
        assert 1 - float(alone @ ours[row]) < TOLERANCE, kind
        assert float(alone.norm()) == pytest.approx(1, abs=1e-5)
    together = encoded(model, list(messages.values()))
    assert float((together * ours).sum(dim=1).min()) > 1 - TOLERANCE


def test_one_crop_is_llava_with_a_newline_in_words(
    tmp_path: Path, items: dict[str, Item], messages: dict[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny model that a training starts from; the processor of LLaVA 1.5 does not need torchvision."""
    monkeypatch.undo()
    embedder, model = exported("llava_onevision", tmp_path)
    newline = model.tokenizer.convert_tokens_to_ids("<image_newline>")
    picture = embedder.backbone.config.image_token_id
    kinds = list(items)
    ours = embedder.embed([items[kind] for kind in kinds])
    for row, kind in enumerate(kinds):
        ids = model.preprocess([messages[kind]])["input_ids"][0]
        assert (ids == newline).sum() == sum(1 for _ in items[kind].images())
        same = torch.where(ids == newline, picture, ids)
        assert same.tolist() == embedder.prepare(items[kind]).token_ids.tolist(), kind
        assert 1 - float(encoded(model, [messages[kind]])[0] @ ours[row]) < TOLERANCE, kind
    together = encoded(model, [messages[kind] for kind in kinds])
    assert float((together * ours).sum(dim=1).min()) > 1 - TOLERANCE
    assert not (tmp_path / "embedder.json").exists()


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_texts_pictures_and_dictionaries_need_no_message(name: str, tmp_path: Path, items: dict[str, Item]) -> None:
    embedder, model = exported(name, tmp_path)
    picture, text = items["question"].parts
    shown = picture.source.open()  # pyright: ignore[reportAttributeAccessIssue]
    chosen = ["sentence", "word", "photo", "question"]
    inputs = [
        items["sentence"].text,
        items["word"].text,
        next(items["photo"].images()).open(),
        {"image": shown, "text": text.text},  # pyright: ignore[reportAttributeAccessIssue]
    ]
    found = torch.cat([encoded(model, [each]) for each in inputs])
    ours = embedder.embed([items[each] for each in chosen])
    assert float((found * ours).sum(dim=1).min()) > 1 - TOLERANCE
    assert model.get_embedding_dimension() == embedder.dimensions


@pytest.mark.parametrize("name", TOWERS)
def test_two_towers_take_a_text_or_a_picture(name: str, tmp_path: Path, items: dict[str, Item]) -> None:
    embedder, model = exported(name, tmp_path)
    texts = [items[each] for each in ("word", "sentence", "lines", "special tokens")]
    pictures = [items["drawing"], items["photo"]]
    found = encoded(model, [each.text for each in texts])
    assert float((found * embedder.embed(texts)).sum(dim=1).min()) > 1 - TOLERANCE
    found = encoded(model, [next(each.images()).open() for each in pictures])
    assert float((found * embedder.embed(pictures)).sum(dim=1).min()) > 1 - TOLERANCE


@pytest.mark.parametrize("name", [*LANGUAGE_MODELS, *TOWERS])
def test_the_folder_is_a_checkpoint_of_ours_too(name: str, tmp_path: Path, items: dict[str, Item]) -> None:
    embedder = BACKBONES[name]().eval()
    write_sentence_transformers(embedder, tmp_path, tmp_path)
    chosen = list(items.values())
    torch.testing.assert_close(Embedder.load(tmp_path).embed(chosen), embedder.embed(chosen))


@pytest.mark.parametrize("name", ["qwen2_vl", "llava_onevision"])
def test_exporting_leaves_the_embedder_as_it_was(name: str, tmp_path: Path) -> None:
    embedder = BACKBONES[name]()
    template, words = embedder.tokenizer.chat_template, len(embedder.tokenizer)
    weights = {key: each.clone() for key, each in embedder.backbone.state_dict().items()}
    write_sentence_transformers(embedder, tmp_path, tmp_path)
    assert (embedder.tokenizer.chat_template, len(embedder.tokenizer)) == (template, words)
    after = embedder.backbone.state_dict()
    assert after.keys() == weights.keys()
    assert all(torch.equal(after[key], each) for key, each in weights.items())


@pytest.mark.parametrize("name", [*LANGUAGE_MODELS, *TOWERS, "llava_onevision"])
def test_no_file_names_the_folder_or_code_to_run(name: str, tmp_path: Path) -> None:
    write_sentence_transformers(BACKBONES[name](), tmp_path, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in files:
        if path.suffix != ".safetensors":
            assert str(tmp_path) not in path.read_text(), path
            assert "auto_map" not in path.read_text(), path
    assert not [path for path in files if path.suffix in (".py", ".bin", ".pt")]
    kinds = [each["type"] for each in json.loads((tmp_path / "modules.json").read_text())]
    assert all(kind.startswith("sentence_transformers.") for kind in kinds)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_video_is_promised_only_where_clips_agree(name: str, tmp_path: Path) -> None:
    embedder = BACKBONES[name]()
    write_sentence_transformers(embedder, tmp_path, tmp_path)
    modalities = json.loads((tmp_path / "sentence_bert_config.json").read_text())["modality_config"]
    assert ("video" in modalities) == PROCESSORS[embedder.backbone.config.model_type].clips
    assert (tmp_path / "video_preprocessor_config.json").is_file()


def test_a_family_without_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"here: model_type 'smolvlm' cannot be exported.*llava_onevision, qwen2_vl"):
        write_sentence_transformers(BACKBONES["smolvlm"](), tmp_path, Path("here"))


@pytest.mark.parametrize(
    ("name", "message"), [("qwen2_vl", "no chat template"), ("llava_onevision", "does not write <image>")]
)
def test_a_tokenizer_without_a_template_is_refused(name: str, message: str, tmp_path: Path) -> None:
    embedder = BACKBONES[name]()
    embedder.tokenizer.chat_template = None
    with pytest.raises(ValueError, match=message):
        write_sentence_transformers(embedder, tmp_path, tmp_path)


@pytest.mark.slow
def test_it_opens_where_this_project_is_not(tmp_path: Path, items: dict[str, Item]) -> None:
    embedder = BACKBONES["qwen2_vl"]().eval()
    write_sentence_transformers(embedder, tmp_path / "model", tmp_path)
    program = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
import pytest, json
from without_torchvision import leave_out_video_processors
leave_out_video_processors(pytest.MonkeyPatch())
sys.modules["core"] = None  # from here on importing this project fails
from sentence_transformers import SentenceTransformer
model = SentenceTransformer({str(tmp_path / "model")!r}, device="cpu")
print(json.dumps(model.encode([{items["sentence"].text!r}], show_progress_bar=False)[0].tolist()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    found = torch.tensor(json.loads(done.stdout.splitlines()[-1]))
    assert float(found @ embedder.embed([items["sentence"]])[0]) > 1 - TOLERANCE


def drawn_in_alpha(base: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    """A picture that gets clearer from left to right."""
    layer = base.convert(mode)
    layer.putalpha(PIL.Image.linear_gradient("L").rotate(90).resize(base.size))
    return layer


def unusual_pictures() -> dict[str, PIL.Image.Image]:
    """Pictures in modes and shapes that processors have to convert; each as its file holds it."""
    grid = np.random.default_rng(1).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    base = PIL.Image.fromarray(grid).resize((90, 70), PIL.Image.Resampling.BICUBIC)
    return {
        "palette": base.quantize(16),
        "transparent": drawn_in_alpha(base, "RGBA"),
        "transparent grey": drawn_in_alpha(base, "LA"),
        "grey": base.convert("L"),
        "black and white": base.convert("1"),
        "wide": base.resize((1000, 10)),
        "tall": base.resize((10, 1000)),
        "one pixel": base.resize((1, 1)),
    }


@pytest.mark.parametrize("name", [*LANGUAGE_MODELS, *TOWERS])
def test_unusual_pictures_get_our_vectors(name: str, tmp_path: Path) -> None:
    embedder, model = exported(name, tmp_path)
    for kind, picture in unusual_pictures().items():
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        ours = embedder.embed([Item((Image(BytesImage(stream.getvalue())),))])[0]
        assert 1 - float(encoded(model, [picture])[0] @ ours) < TOLERANCE, kind


def test_a_picture_too_narrow_is_an_error_there_and_here(tmp_path: Path) -> None:
    embedder, model = exported("qwen2_vl", tmp_path)
    narrow = PIL.Image.new("RGB", (2010, 10), "red")
    stream = io.BytesIO()
    narrow.save(stream, "PNG")
    with pytest.raises(ValueError, match="absolute aspect ratio must be smaller than 200"):
        encoded(model, [narrow])
    with pytest.raises(BadImage, match="upload: 2010 x 10 pixels; one side may be 200 times the other"):
        embedder.embed([Item((Image(BytesImage(stream.getvalue(), "upload")),))])


def test_a_picture_that_clips_processor_would_enlarge_to_gigabytes_is_refused_here() -> None:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (30_000, 1)).save(stream, "PNG")
    with pytest.raises(BadImage, match="30000 x 1 pixels; one side may be 200 times the other"):
        BACKBONES["clip"]().embed([Item((Image(BytesImage(stream.getvalue())),))])
