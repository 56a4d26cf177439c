"""The final hidden state at every token of an item, not only at the one that is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from core.data.records import Item
from core.encoder.backbones.llava_onevision import LlavaOnevision
from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs, distinct
from core.encoder.pooling import padded

Kind: TypeAlias = Literal["template", "picture", "words"]


@dataclass(frozen=True)
class Tokens:
    """An item as the language model reads it.

    texts: what each token spells, empty for a picture's. kinds: where it comes from. states: the language model's
    final hidden state at each token.
    """

    texts: Sequence[str]
    kinds: Sequence[Kind]
    states: Float[Tensor, "length d"]


@torch.no_grad()
def hidden_states(embedder: Embedder, inputs: ModelInputs) -> Float[Tensor, "n length d"]:
    """Return the language model's final hidden states at all tokens of a padded batch of a LLaVA-OneVision.

    Those at padding have no meaning. The embedder is left in evaluation mode.

    Raises:
        ValueError: the embedder is of another family, packs its sequences, or an item has a clip.
    """
    adapter, backbone = embedder.backbone_adapter, embedder.backbone
    if not isinstance(adapter, LlavaOnevision) or embedder.packing or inputs.video_frames:
        raise ValueError("hidden_states reads LLaVA-OneVision over padded batches of texts and pictures only.")
    embedder.eval()
    sequences, images = padded(inputs), inputs.images
    pictures: dict[str, object] = {}
    if images.ids:
        seen = embedder.vision_features(distinct((images,)))
        tokens = adapter.project_images(backbone, [seen[each] for each in images.ids], images.sizes)
        pictures["image"] = BaseModelOutputWithPooling(pooler_output=[tokens])  # pyright: ignore[reportArgumentType]
    output = backbone(
        input_ids=sequences.token_ids,
        attention_mask=sequences.attention_mask,
        position_ids=sequences.positions[0],
        mm_encoder_outputs=pictures,
        use_cache=False,
    )
    return output.last_hidden_state


def tokens_of(embedder: Embedder, item: Item) -> Tokens:
    """Return one item token by token.

    Raises:
        ValueError: see `hidden_states`.
    """
    prepared = embedder.prepare(item)
    ids, tokenizer = prepared.token_ids.tolist(), embedder.tokenizer
    states = hidden_states(embedder, embedder.collate([prepared]))[0]
    picture, special = embedder.backbone_adapter.config.image_token_id, set(tokenizer.all_special_ids)
    kinds: list[Kind] = ["picture" if each == picture else "template" if each in special else "words" for each in ids]
    texts = ["" if kind == "picture" else str(tokenizer.decode([each])) for each, kind in zip(ids, kinds, strict=True)]
    return Tokens(texts, kinds, states)
