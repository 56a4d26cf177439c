"""The chat template of an export: the checkpoint's own, such that whole strings give the tokens that pieces give.

This project tokenises the template and each text on its own; other libraries render the template and tokenise the
whole string. A tokenizer that puts a space before whatever it is given puts it before each text here, and only before
the first one there: the exported template writes those spaces itself.
"""

import json
from typing import Any

from transformers import PreTrainedTokenizerBase

from core.encoder.prompts import MARK

SPACED = (
    "{%- set spaced = namespace(turns=[]) -%}{%- for message in messages -%}"
    "{%- set turn = namespace(parts=[]) -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'text' and part['text'] and part['text'][0] not in ' " + MARK[0] + "' -%}"
    "{%- set turn.parts = turn.parts + [dict(part, text=' ' + part['text'])] -%}"
    "{%- else -%}{%- set turn.parts = turn.parts + [part] -%}{%- endif -%}{%- endfor -%}"
    "{%- set spaced.turns = spaced.turns + [dict(message, content=turn.parts)] -%}{%- endfor -%}"
    "{%- set messages = spaced.turns -%}"
)
"""Puts a space before each text that does not begin with one; not before this project's marks, which are no text."""


def exported_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the template to write into an export.

    Raises:
        ValueError: the tokenizer has none, or several by name.
    """
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise ValueError(f"The tokenizer has {'no' if not template else 'several'} chat template(s); it needs one.")
    return SPACED + template if adds_prefix_space(tokenizer) else template


def own_template(template: str) -> str:
    """Return the checkpoint's template again."""
    return template.removeprefix(SPACED)


def adds_prefix_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether the tokenizer puts a space before whatever it is given."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return False
    step = json.loads(backend.to_str())["pre_tokenizer"] or {}
    return any(bool(each.get("add_prefix_space")) for each in step.get("pretokenizers", [step]))
