"""Attention functions beside transformers' own: for packed sequences, and for CPUs.

The fused kernel of torch takes half-precision inputs on a CPU, but several times as long as with float32 ones; so on a
CPU the inputs are widened, which costs little and rounds less.
"""

from collections.abc import Sequence
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

PACKED = "packed"
"""The name under which transformers finds `packed_attention`."""
WIDENED = "widened_sdpa"
"""The name under which transformers finds `widened_attention`."""
HALF = (torch.float16, torch.bfloat16)


def packed_attention(
    module: nn.Module,
    query: Float[Tensor, "rows heads total d"],
    key: Float[Tensor, "rows shared total d"],
    value: Float[Tensor, "rows shared total d"],
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kernel: object,
) -> tuple[Float[Tensor, "rows total heads d"], None]:
    """Causal attention within each packed item, with transformers' signature of an attention function.

    In half precision on a GPU one call of torch's own variable-length kernel; elsewhere one call for each run of
    items of the same length, which on a CPU costs no more than the items do.

    Raises:
        ValueError: the sequences are not packed.
    """
    if attention_mask is not None or "cu_seq_lens_q" not in kernel:
        raise ValueError("The attention for packed sequences got padded ones; set Embedder.packing.")
    starts, longest = kernel["cu_seq_lens_q"], kernel["max_length_q"]
    assert isinstance(starts, Tensor)
    assert isinstance(longest, int)
    if query.is_cuda and torch.is_autocast_enabled("cuda"):  # rotary positions make queries and keys float32 again
        query, key, value = (each.to(torch.get_autocast_dtype("cuda")) for each in (query, key, value))
    tokens = query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1)
    if query.is_cuda and query.dtype in HALF and dropout == 0:
        out = varlen_attn(
            *tokens, starts, starts, longest, longest, scale=scaling, window_size=(-1, 0), enable_gqa=True
        )
        assert isinstance(out, Tensor)
        return out[None], None
    return attend_in_runs(*tokens, starts.diff().tolist(), dropout_p=dropout, scale=scaling)[None], None


def attend_in_runs(
    query: Float[Tensor, "total heads d"],
    key: Float[Tensor, "total shared d"],
    value: Float[Tensor, "total shared d"],
    lengths: Sequence[int],
    **options: object,
) -> Float[Tensor, "total heads d"]:
    """Causal attention within items of these lengths, a call of torch's kernel for each run of the same length.

    In at least float32 on a CPU. Tokens stay the first axis, as the kernel lays out its result: so nothing is copied
    but the runs into one, forward and backward.
    """
    dtype = value.dtype
    if query.device.type == "cpu":
        query, key, value = widened(query), widened(key), widened(value)
    runs = [(len(list(alike)), length) for length, alike in groupby(lengths)]
    sizes = [count * length for count, length in runs]
    options |= {"is_causal": True, "enable_gqa": query.shape[1] != key.shape[1]}
    with torch.autocast("cpu", enabled=False):
        parts = [
            scaled_dot_product_attention(*(each.unflatten(0, run).transpose(1, 2) for each in tensors), **options)  # pyright: ignore[reportArgumentType]
            .transpose(1, 2)
            .flatten(0, 1)
            for run, *tensors in zip(runs, *(each.split(sizes) for each in (query, key, value)), strict=True)
        ]
    return torch.cat(parts).to(dtype)


def widened(states: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return half precision in float32; other types as they are."""
    return states.float() if states.dtype in HALF else states


def widened_attention(
    module: nn.Module,
    query: Float[Tensor, "rows heads length d"],
    key: Float[Tensor, "rows shared others d"],
    value: Float[Tensor, "rows shared others d"],
    attention_mask: Tensor | None,
    **options: object,
) -> tuple[Float[Tensor, "rows length heads d"], None]:
    """transformers' attention by torch's fused kernel, in at least float32; for CPUs."""
    with torch.autocast("cpu", enabled=False):
        wide = widened(query), widened(key), widened(value)
        out, weights = sdpa_attention_forward(module, *wide, attention_mask, **options)  # pyright: ignore[reportArgumentType]
    return out.to(value.dtype), weights


def attend_packed(language_model: PreTrainedModel) -> None:
    """Let a language model attend by `packed_attention`; it then runs over packed sequences only."""
    ALL_ATTENTION_FUNCTIONS.register(PACKED, packed_attention)
    language_model.config._attn_implementation = PACKED


def attend_widened(model: PreTrainedModel) -> None:
    """Let those parts of a model that attend by torch's fused kernel do so in at least float32."""
    ALL_ATTENTION_FUNCTIONS.register(WIDENED, widened_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(WIDENED, sdpa_mask)
    for part in model.modules():
        # Only configs without parts: set on a whole model's, it would be set on every part's.
        if not isinstance(part, PreTrainedModel) or part.config.sub_configs:
            continue
        if part.config._attn_implementation == "sdpa":
            part.config._attn_implementation = WIDENED


def attends_by_flash(language_model: PreTrainedModel) -> bool:
    """Tell whether the model's attention is a kernel that is made for packed sequences."""
    return "flash" in str(language_model.config._attn_implementation)
