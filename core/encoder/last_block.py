"""The last block of a language model, computed for the tokens that are read: the last one of each item.

Its other outputs reach nothing. The keys and values of all tokens are needed; queries, feed-forward and output
projection are not, which in a model of L blocks saves nearly 1/L of the language model's arithmetic, both ways.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers.models.qwen2.modeling_qwen2 import rotate_half

from core.encoder.attention import attend
from core.encoder.packing import Sequences


class ReadTokensOnly:
    """Takes the place of `forward` of a Qwen2 decoder block (those of Llama and Qwen2-VL have the same parts).

    Qwen3's normalises queries and keys besides.

    Not told what is read, as when the model is called without an embedder, it is the block as it was.
    """

    def __init__(self, block: nn.Module) -> None:
        self.block: Any = block

    def __call__(
        self,
        hidden_states: Float[Tensor, "rows length d"],
        position_embeddings: tuple[Tensor, Tensor],
        read: Sequences | None = None,
        **others: object,
    ) -> Float[Tensor, "_ _ d"]:
        """The block's output at the last token of each item, items in rows of one."""
        if read is None:
            return type(self.block).forward(
                self.block, hidden_states, position_embeddings=position_embeddings, **others
            )
        attention = self.block.self_attn
        states = self.block.input_layernorm(hidden_states)
        cos, sin = position_embeddings
        heads = (*states.shape[:2], -1, attention.head_dim)
        keys = turned(normed(attention, "k_norm", attention.k_proj(states).view(heads)), cos, sin)
        values = attention.v_proj(states).view(heads)
        one = (len(read.last_tokens), 1, -1, attention.head_dim)
        queries = turned(
            normed(attention, "q_norm", attention.q_proj(read.last(states)).view(one)),
            read.last(cos)[:, None],
            read.last(sin)[:, None],
        )
        mixed = attend(
            queries.transpose(1, 2),
            read.by_item(keys).transpose(1, 2),
            read.by_item(values).transpose(1, 2),
            attn_mask=read.attended[:, None, None],
            dropout_p=attention.attention_dropout if attention.training else 0.0,
            scale=attention.scaling,
        )
        out = read.last(hidden_states)[:, None] + attention.o_proj(mixed.transpose(1, 2).flatten(2))
        return out + self.block.mlp(self.block.post_attention_layernorm(out))


def normed(
    attention: nn.Module, name: str, states: Float[Tensor, "rows length heads width"]
) -> Float[Tensor, "rows length heads width"]:
    """Queries or keys through the attention's norm of that name, if it has one."""
    norm = getattr(attention, name, None)
    return states if norm is None else norm(states)


def turned(
    states: Float[Tensor, "rows length heads width"],
    cos: Float[Tensor, "rows length width"],
    sin: Float[Tensor, "rows length width"],
) -> Float[Tensor, "rows length heads width"]:
    """Queries or keys with their rotary positions."""
    return states * cos[:, :, None] + rotate_half(states) * sin[:, :, None]


def read_tokens_only(blocks: nn.ModuleList) -> None:
    """Let the last of a language model's blocks compute what is read; once is enough."""
    last = blocks[-1]
    if not isinstance(last.forward, ReadTokensOnly):
        last.forward = ReadTokensOnly(last)
