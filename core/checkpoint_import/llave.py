"""LLaVE-0.5B, 2B and 7B in LLaVA-NeXT's `llava_qwen` layout, and LLaVA-OneVision checkpoints in the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from transformers import LlavaOnevisionConfig, LlavaOnevisionImageProcessorPil, PreTrainedTokenizerBase, Qwen2Tokenizer

from core.checkpoint_import.llave_config import onevision_config
from core.checkpoint_import.llave_weights import rename
from core.checkpoint_import.source import check_folder, read_json, settings, stored_tensors
from core.checkpoint_import.tensor_account import account
from core.checkpoint_import.writing import empty_model, shapes, write_embedder, write_record
from core.encoder.embedder_folder import LOAD_ERRORS

LAYOUT = "LLaVA-NeXT's llava_qwen (LLaVE, LLaVA-OneVision)"
LOOKED_FOR = "config.json with model_type llava_qwen, or llava and architectures LlavaQwenForCausalLM"
ARCHITECTURE = "LlavaQwenForCausalLM"
PAD, START, END, IMAGE, VIDEO = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"
WORDS = "language_model.embed_tokens.weight"

# As LLaVE's training and evaluation write it: ChatML with a system turn; one picture goes in front of the words,
# several stay where they are; the assistant's turn is a bare newline, so that the last token, which is read, is the
# newline after that turn's end.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    + START + "system\nYou are a helpful assistant." + END + "\n"
    + START + "{{ message['role'] }}\n"
    "{% set seen = message['content'] | rejectattr('type', 'equalto', 'text') | list %}"
    "{% set words = message['content'] | selectattr('type', 'equalto', 'text') | list %}"
    "{% set parts = seen + words if seen | length == 1 else message['content'] %}"
    "{% for part in parts %}"
    "{% if part['type'] == 'image' %}" + IMAGE
    + "{% elif part['type'] == 'video' %}" + VIDEO
    + "{% else %}{{ part['text'] }}{% endif %}"
    "{% if part['type'] != 'text' and not loop.last %}{{ '\n' }}{% endif %}"
    "{% endfor %}" + END + "\n"
    + START + "assistant\n\n" + END + "{{ '\n' }}"
    "{% endfor %}"
)  # fmt: skip


def recognises(folder: Path) -> bool:
    """Tell whether the folder is in this layout. LLaVA's own files name their model type llava_qwen, or llava."""
    config = settings(folder)
    kind = config.get("model_type")
    return kind == "llava_qwen" or (kind == "llava" and ARCHITECTURE in (config.get("architectures") or []))


def convert(source: Path, output: Path, base: Path | None) -> None:
    """Write the checkpoint as an embedder into `output`. It stands on no other model; `base` must be None.

    Raises:
        ValueError: the folder must not be read, its config is none that LlavaOnevisionModel computes, or its tensors
            are not exactly that model's.
    """
    if base is not None:
        raise ValueError(f"base = {base}: {source} is a whole model and stands on no base; leave it out.")
    check_folder(source)
    stored = stored_tensors(source)
    tokenizer = chat_tokenizer(source)
    image, video = (special_id(tokenizer, token) for token in (IMAGE, VIDEO))
    config = onevision_config(source, read_json(source / "config.json"), stored, image, video)
    accounted = account(source, stored, shapes(empty_model(config)), rename, padded=[WORDS])
    write_embedder(output, config, tokenizer, image_processor(config), accounted)
    write_record(output, LAYOUT, source, accounted.left)


def chat_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the folder's tokenizer with LLaVE's prompt and tokens for pictures and clips.

    Raises:
        ValueError: it cannot be loaded, or is not Qwen's.
    """
    try:
        tokenizer: Any = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    except LOAD_ERRORS as error:
        raise ValueError(f"{folder}: the tokenizer cannot be loaded: {error}") from error
    known: Mapping[str, int] = tokenizer.get_vocab()
    for token in (PAD, START, END):
        if token not in known:
            raise ValueError(f"{folder}: the tokenizer does not know {token!r}; LLaVE stands on Qwen2's.")
    added = [AddedToken(token, special=True, normalized=False) for token in (IMAGE, VIDEO)]
    tokenizer.add_tokens(added, special_tokens=True)
    tokenizer.pad_token, tokenizer.padding_side = PAD, "right"
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def special_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    """Return the id of a token."""
    found = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(found, int)
    return found


def image_processor(config: LlavaOnevisionConfig) -> LlavaOnevisionImageProcessorPil:
    """SigLIP's scaling with LLaVA's AnyRes; LLaVA keeps neither in a file but makes them of its code."""
    side = config.vision_config.image_size  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    return LlavaOnevisionImageProcessorPil(
        size={"height": side, "width": side},
        image_grid_pinpoints=config.image_grid_pinpoints or [],
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        resample=3,  # bicubic
    )
