"""Checkpoints, published models and bundles of which one file is bad; pictures and clips that are none."""

import io
import json
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import small_runs
import torch
from bad_cases import DEEP, GARBAGE, NOT_ANY_FILE, SAFETENSORS, Case, Write, bytes_of, json_of, text_of

from core.encoder.tiny.qwen2_vl import tiny_qwen2_vl
from core.evaluation.bundle import sha256

JSON: Mapping[str, Write] = {
    "deep": text_of(DEEP),
    "deep_within": text_of('{"model_type": ' + DEEP),
    "a_list": json_of([1]),
    "a_word": json_of("hello"),
    "empty_object": json_of({}),
    "nan": text_of('{"model_type": NaN}'),
    "huge_number": text_of('{"hidden_size": ' + "9" * 5000 + "}"),
    "half_of_a_character": text_of('{"model_type": "\\ud800"}'),
}
CONFIG: Mapping[str, object] = {
    "unknown_model": {"model_type": "evil"},
    "number_for_the_model": {"model_type": 3},
    "list_for_the_model": {"model_type": ["qwen2_vl"]},
    "no_model": {"model_type": None},
    "code": {"auto_map": {"AutoModel": "evil.Model"}},
    "code_within": {"text_config": {"auto_map": {"AutoModel": "evil.Model"}}},
    "kernel_of_a_hub": {"_attn_implementation": "evil/kernel"},
    "kernel_within": {"text_config": {"attn_implementation": "evil/kernel"}},
    "kernels": {"use_kernels": True},
    "unknown_attention": {"attn_implementation": "evil"},
    "word_for_a_size": {"text_config": {"hidden_size": "many"}},
    "negative_size": {"text_config": {"hidden_size": -1}},
    "huge_size": {"text_config": {"hidden_size": 2**60}},
    "other_size": {"text_config": {"hidden_size": 48}},
    "list_for_text": {"text_config": [1]},
    "unknown_activation": {"text_config": {"hidden_act": "os.system"}},
    "quantised": {"quantization_config": {"quant_method": "bitsandbytes"}},
    "word_for_a_type": {"dtype": "float17"},
}
INDEX: Mapping[str, object] = {
    "no_map": {},
    "list_for_a_map": {"weight_map": [1]},
    "climbing": {"weight_map": {"w": "../model.safetensors"}},
    "absolute": {"weight_map": {"w": "/etc/passwd.safetensors"}},
    "pickle": {"weight_map": {"w": "model.bin"}},
    "missing": {"weight_map": {"w": "model-1.safetensors"}},
    "number": {"weight_map": {"w": 3}},
    "nul": {"weight_map": {"w": "a\0b.safetensors"}},
}
ADAPTER: Mapping[str, object] = {
    **{
        f"began_as_{name}": {"init_lora_weights": name}
        for name in ("pissa", "olora", "corda", "loftq", "pissa_niter_4")
    },
    "word_for_a_rank": {"r": "four"},
    "list_for_a_rank": {"r": [4]},
    "huge_rank": {"r": 2**40},
    "other_kind": {"peft_type": "IA3"},
    "list_for_a_kind": {"peft_type": [1]},
    "patterns": {"rank_pattern": {"q_proj": 1}},
    "number_for_targets": {"target_modules": 3},
    "broken_pattern": {"target_modules": "((("},
}
EMBEDDER: Mapping[str, object] = {
    "other_format": {"format": 2, "pooling": "last_token", "normalize": True},
    "other_pooling": {"format": 1, "pooling": "mean", "normalize": True},
    "list_for_a_format": {"format": [1], "pooling": "last_token", "normalize": True},
    "missing_base": {"format": 1, "pooling": "last_token", "normalize": True, "base": "gone"},
    "number_for_a_base": {"format": 1, "pooling": "last_token", "normalize": True, "base": 3},
    "base_of_itself": {"format": 1, "pooling": "last_token", "normalize": True, "base": "."},
    "nul_in_a_base": {"format": 1, "pooling": "last_token", "normalize": True, "base": "a\0b"},
}


def checkpoint_cases(folder: Path) -> Iterator[Case]:
    """A tiny model with one bad file: as an embedder for an evaluation, and as a published one for a conversion."""
    good = folder / "good"
    tiny_qwen2_vl(0).save(good)
    published = shutil.copytree(good, folder / "published")
    (published / "embedder.json").unlink()

    def spoilt(whole: Path, kind: str, name: str, file: str, write: Write) -> Path:
        copy = shutil.copytree(whole, folder / f"{kind}-{name}-{file}")
        (copy / file).unlink(missing_ok=True)
        write(copy / file)
        return copy

    def evaluated(name: str, file: str, write: Write) -> Case:
        copy = spoilt(good, "own", name, file, write)
        options = ("--suite.datasets", "[colour]", "--suite.queries", "2", "--out", str(folder / "kept"))
        return Case(f"checkpoints/{file}/{name}", "eval", ("--checkpoint", str(copy), *options))

    def converted(name: str, file: str, write: Write) -> Case:
        copy = spoilt(published, "published", name, file, write)
        return Case(f"published/{file}/{name}", "convert", ("--source", str(copy), "--output", str(folder / "out")))

    config = json.loads((good / "config.json").read_text())
    changes = {name: json_of(merged(config, change)) for name, change in CONFIG.items()}
    accepted = {"empty_object", "nan", "huge_number", "half_of_a_character"}
    for name, write in {**JSON, **changes, **NOT_ANY_FILE}.items():
        yield converted(name, "config.json", write)
    for name, write in {**changes, **JSON}.items():
        if name != "quantised":
            yield evaluated(name, "config.json", write)
    for name, write in {**SAFETENSORS, **NOT_ANY_FILE}.items():
        yield converted(name, "model.safetensors", write)
        yield evaluated(name, "model.safetensors", write)
    for name, change in INDEX.items():
        yield converted(name, "model.safetensors.index.json", json_of(change))
    for name, write in {**JSON, **NOT_ANY_FILE}.items():
        if name not in accepted:
            yield evaluated(name, "preprocessor_config.json", write)
            yield evaluated(name, "tokenizer.json", write)
    described = {name: json_of(change) for name, change in EMBEDDER.items()}
    for name, write in {**JSON, **described, **NOT_ANY_FILE}.items():
        yield evaluated(name, "embedder.json", write)
    yield from adapter_cases(folder, published)


def adapter_cases(folder: Path, base: Path) -> Iterator[Case]:
    """Adapters on the published model."""
    plain = {"base_model_name_or_path": "Qwen2-VL", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    writers = {name: json_of(plain | dict(change)) for name, change in ADAPTER.items()}  # type: ignore[call-overload]
    for name, write in {**JSON, **writers}.items():
        adapter = folder / f"adapter-{name}"
        adapter.mkdir()
        write(adapter / "adapter_config.json")
        (adapter / "adapter_model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        options = ("--source", str(adapter), "--base", str(base), "--name", "vlm2vec", "--output", str(folder / "out"))
        yield Case(f"adapters/{name}", "convert", options)


def merged(whole: Mapping[str, object], change: object) -> dict[str, object]:
    """Settings with some entries changed, inner ones too."""
    out = dict(whole)
    for name, value in dict(change).items():  # type: ignore[call-overload]
        inner = out.get(name)
        out[name] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return out


def table(**columns: object) -> Write:
    """Writes a table of Parquet."""
    return lambda path: pq.write_table(pa.table(columns), path)


def bundle_cases(folder: Path) -> Iterator[Case]:
    """A bundle with one bad file, whose hash the manifest gives as it is: made to be opened."""
    run = small_runs.write_run(folder, "run")
    good = next((run / "bundles").iterdir())
    names = sorted(path.name for path in good.iterdir() if path.suffix in (".parquet", ".safetensors"))
    vectors = "embeddings.safetensors"
    spoilt = [(name, kind, write) for name in names for kind, write in NOT_ANY_FILE.items() if kind != "nothing"]
    spoilt += [(vectors, kind, write) for kind, write in SAFETENSORS.items()]
    spoilt += [("scores.json", kind, write) for kind, write in {**JSON, **NOT_ANY_FILE}.items() if kind != "nothing"]
    spoilt += [(name, "other_columns", table(x=[1])) for name in names if name != vectors]
    for name, kind, write in spoilt:
        copy = shutil.copytree(good, folder / f"{name}-{kind}")
        (copy / name).unlink()
        write(copy / name)
        if (copy / name).is_file():
            files = json.loads((copy / "manifest.json").read_text())["files"]
            small_runs.rewrite_manifest(copy, files=files | {name: sha256(copy / name)})
        yield opened(f"bundles/{name}/{kind}", copy, folder)
    for kind, write in {**JSON, **NOT_ANY_FILE}.items():
        copy = shutil.copytree(good, folder / f"manifest-{kind}")
        (copy / "manifest.json").unlink()
        write(copy / "manifest.json")
        yield opened(f"bundles/manifest.json/{kind}", copy, folder)


def opened(name: str, bundle: Path, folder: Path) -> Case:
    """A bundle handed to the export of bundles, over an older result."""
    options = ("--bundle", str(bundle), "--to", "atlas", "--output", str(folder / "kept" / "older.parquet"))
    return Case(name, "export_bundle", options)


def png(size: tuple[int, int] = (8, 8), colour: str = "red") -> bytes:
    """A good picture."""
    stream = io.BytesIO()
    PIL.Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def chunks(*given: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks."""
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in given
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def head(width: int, height: int, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    """The header of a PNG."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def pictures() -> Mapping[str, Write]:
    """Pictures that are none, or are more than any computer holds."""
    data, end = (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b"")
    return {
        **NOT_ANY_FILE,
        "cut_short": bytes_of(png()[:40]),
        "bomb": bytes_of(chunks(head(30_000, 30_000), data, end)),
        "bomb_of_a_side": bytes_of(chunks(head(2**31 - 1, 1), data, end)),
        "no_size": bytes_of(chunks(head(0, 0), data, end)),
        "no_pixels": bytes_of(chunks(head(8, 8), end)),
        "odd_depth": bytes_of(chunks(head(8, 8, 3), data, end)),
        "odd_colour": bytes_of(chunks(head(8, 8, 8, 5), data, end)),
        "profile_bomb": bytes_of(chunks(head(8, 8), (b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000))), end)),
        "damaged_pixels": bytes_of(png((64, 64))[:60] + GARBAGE + png((64, 64))[-12:]),
        "a_drawing": text_of("<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "jpeg_head_alone": bytes_of(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"),
        "gif_head_alone": bytes_of(b"GIF89a\xff\xff\xff\xff\x00\x00\x00"),
        "webp_head_alone": bytes_of(b"RIFF\xff\xff\xff\x7fWEBPVP8 \xff\xff\xff\x7f"),
        "bmp_of_a_huge_size": bytes_of(
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
        ),
        "postscript": text_of("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"),
        "tiff_head_alone": bytes_of(b"II*\x00\x08\x00\x00\x00\xff\xff"),
    }


def clips() -> Mapping[str, bytes]:
    """Clips that are none."""
    box = struct.pack(">I4s", 24, b"ftyp") + b"isom\x00\x00\x02\x00isommp41"
    return {
        "mp4_head_alone": box,
        "mp4_garbage": box + GARBAGE,
        "mp4_huge_box": box + struct.pack(">I4sQ", 1, b"moov", 2**62) + GARBAGE,
        "mp4_nested": box + struct.pack(">I4s", 9_000, b"moov") * 1000,
        "webm_head_alone": b"\x1a\x45\xdf\xa3",
        "webm_garbage": b"\x1a\x45\xdf\xa3" + GARBAGE,
        "avi_head_alone": b"RIFF\xff\xff\xff\x7fAVI ",
        "avi_garbage": b"RIFF\xff\xff\xff\x7fAVI LIST" + GARBAGE,
    }


def picture_cases(folder: Path) -> Iterator[Case]:
    """A folder with one bad picture beside a good one, to be embedded over an older result."""
    tiny = folder / "tiny"
    torch.manual_seed(0)
    tiny_qwen2_vl(0).save(tiny)
    for name, write in pictures().items():
        if name in ("nothing", "a_folder", "a_dead_link"):
            continue  # these are no pictures, and are left out
        place = folder / name
        place.mkdir()
        (place / "good.png").write_bytes(png())
        write(place / "bad.png")
        options = ("--checkpoint", str(tiny), "--folder", str(place), "--out", str(folder / "kept"))
        yield Case(f"pictures/{name}", "embed", options)


def upload_cases(folder: Path) -> Iterator[Case]:
    """Bytes that a visitor of the search page uploads."""
    for name, write in pictures().items():
        path = folder / name
        write(path)
        if path.is_file():
            yield Case(f"uploads/{name}", "page", (str(path),))
    for name, content in clips().items():
        path = folder / name
        path.write_bytes(content)
        yield Case(f"clips/{name}", "page", (str(path),))
