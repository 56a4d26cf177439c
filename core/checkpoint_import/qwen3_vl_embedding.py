"""Qwen3-VL-Embedding-2B and 8B: Qwen3-VL under the prompt and pixel limits of its authors' code."""

from pathlib import Path
from typing import Any

from core.checkpoint_import.hugging_face import read_image_processor, read_model, read_tokenizer
from core.checkpoint_import.source import check_folder, settings
from core.checkpoint_import.writing import write_embedder, write_record

LAYOUT = "Qwen3-VL-Embedding"
LOOKED_FOR = (
    "config.json with model_type qwen3_vl, in a folder named Qwen3-VL-Embedding*, or with "
    "scripts/qwen3_vl_embedding.py, or whose README.md is headed Qwen3-VL-Embedding"
)
START, END = "<|im_start|>", "<|im_end|>"
MIN_PIXELS, MAX_PIXELS = 4 * 32 * 32, 1800 * 32 * 32

# The default instruction is the system turn; clips come first, then pictures, then texts; the vector is read at the
# newline that opens the answer.
CHAT_TEMPLATE = (
    START + "system\nRepresent the user's input." + END + "\n"
    "{% for message in messages %}"
    + START + "{{ message['role'] }}\n"
    "{% for part in message['content'] if part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    + END + "\n"
    "{% endfor %}"
    + START + "assistant{{ '\n' }}"
)  # fmt: skip


def recognises(folder: Path) -> bool:
    """Tell whether a Qwen3-VL is this one. Its config is that of the base model, so what lies beside it decides."""
    if settings(folder).get("model_type") != "qwen3_vl":
        return False
    readme = folder / "README.md"
    return (
        folder.resolve().name.startswith(LAYOUT)
        or (folder / "scripts/qwen3_vl_embedding.py").is_file()
        or (readme.is_file() and f"# {LAYOUT}" in readme.read_text(errors="replace"))
    )


def convert(source: Path, output: Path, base: Path | None) -> None:
    """Write the model as an embedder with its published prompt into `output`; `base` must be None.

    Raises:
        ValueError: the folder must not be read, or its weights, tokenizer or image processor do not fit.
    """
    if base is not None:
        raise ValueError(f"base = {base}: {source} is a whole model and stands on no base; leave it out.")
    check_folder(source)
    config, accounted = read_model(source)
    tokenizer: Any = read_tokenizer(source)
    tokenizer.chat_template = CHAT_TEMPLATE + appended(tokenizer)
    image_processor: Any = read_image_processor(source)
    image_processor.size = {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}
    write_embedder(output, config, tokenizer, image_processor, accounted)
    write_record(output, LAYOUT, source, accounted.left)


def appended(tokenizer: Any) -> str:  # noqa: ANN401
    """Find what the tokenizer puts behind every text, such as an end-of-text token, which is then read instead."""
    plain, whole = (tokenizer.encode("a", add_special_tokens=special) for special in (False, True))
    if whole[: len(plain)] != plain:
        raise ValueError(f"{tokenizer.name_or_path}: the tokenizer puts {whole} for 'a': tokens in front are not read.")
    return tokenizer.decode(whole[len(plain) :], skip_special_tokens=False)
