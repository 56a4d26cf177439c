"""Generators: whatever turns chat messages with pictures into words; here a local folder of transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from workbench.rag.prompt import Message, defused


class Generator(Protocol):
    """Answers chat messages. Implement it to hand the cards to any model or service of your choice."""

    def answer(self, messages: Sequence[Message]) -> str:
        """Return the answer in words."""
        ...


class LocalGenerator:
    """An image-text-to-text model of transformers from a local folder: safetensors only, no code from the folder."""

    def __init__(self, folder: Path, longest: int = 256, device: str = "cpu") -> None:
        """Load a model and its processor.

        Args:
            folder: what `save_pretrained` wrote, with the processor and its chat template.
            longest: tokens of the answer at most, 1 or more.
            device: where the model runs, such as "cpu" or "cuda".

        Raises:
            ValueError: the folder holds no such model or processor, or would need code of its own.
        """
        if longest < 1:
            raise ValueError(f"longest = {longest} is below 1 token.")
        if not (folder / "config.json").is_file():
            raise ValueError(f"{folder}: holds no model of transformers (no config.json).")
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._processor: Any = AutoProcessor.from_pretrained(folder, **options)
            self._model: Any = AutoModelForImageTextToText.from_pretrained(
                folder, use_safetensors=True, dtype="auto", **options
            )
        except (OSError, ValueError, KeyError, AttributeError, ImportError, TypeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"{folder}: is no image-text-to-text model that can be loaded ({reason}). Processors with a part for "
                "video need torchvision."
            ) from error
        if not getattr(self._processor, "chat_template", None):
            raise ValueError(f"{folder}: its processor has no chat template; use an instruction-tuned model.")
        self._model.to(device).eval()
        self._longest = longest

    @property
    def control(self) -> list[str]:
        """The tokens that are no words: a card may not contain them."""
        tokenizer = self._processor.tokenizer
        added = [str(each) for each in getattr(tokenizer, "added_tokens_decoder", {}).values()]
        return list(dict.fromkeys([*tokenizer.all_special_tokens, *added]))

    @torch.inference_mode()
    def answer(self, messages: Sequence[Message]) -> str:
        """Return the most likely answer, token by token."""
        batch = self._processor.apply_chat_template(
            defused(messages, self.control),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device, dtype=self._model.dtype)
        out = self._model.generate(**batch, max_new_tokens=self._longest, do_sample=False)
        return self._processor.decode(out[0, batch["input_ids"].shape[1] :], skip_special_tokens=True).strip()
