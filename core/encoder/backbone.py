"""LLaVA-OneVision as a backbone: vision features, and the language model over them and the words."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import LlavaOnevisionModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from core.encoder.inputs import Inputs


def to_float64(backbone: LlavaOnevisionModel) -> LlavaOnevisionModel:
    """The same weights in float64 all the way, for checks of exactness.

    transformers' RMSNorm computes in float32 whatever the weights' type; torch's own keeps the type.
    """
    for module in list(backbone.modules()):
        for name, child in module.named_children():
            if isinstance(child, Qwen2RMSNorm):
                exact = nn.RMSNorm(len(child.weight), eps=child.variance_epsilon)
                exact.weight = child.weight
                setattr(module, name, exact)
    return backbone.double()


def crop_features(
    backbone: LlavaOnevisionModel, pixels: Float[Tensor, "crops 3 side side"]
) -> Float[Tensor, "crops patches d"]:
    """The vision tower and the projector."""
    layer = backbone.config.vision_feature_layer
    output = backbone.vision_tower(pixels.to(backbone.dtype), output_hidden_states=True, return_dict=True)
    chosen = (
        output.hidden_states[layer]
        if isinstance(layer, int)
        else torch.cat([output.hidden_states[i] for i in layer], -1)
    )
    if backbone.config.vision_feature_select_strategy == "default":
        chosen = chosen[:, 1:]
    return backbone.multi_modal_projector(chosen)


def hidden_states(backbone: LlavaOnevisionModel, inputs: Inputs) -> Float[Tensor, "n length d"]:
    """Run the backbone without a language-model head; text-only inputs never touch the vision tower."""
    encoded: dict[str, BaseModelOutputWithPooling] = {}
    newline = backbone.image_newline
    if inputs.image_crops:
        split = crop_features(backbone, inputs.image_pixels).split(inputs.image_crops)
        packed, _ = backbone.pack_image_features(
            split, inputs.image_sizes, newline, backbone.config.vision_aspect_ratio
        )
        encoded["image"] = BaseModelOutputWithPooling(pooler_output=packed)  # pyright: ignore[reportArgumentType]
    if inputs.video_frames:
        pooled = backbone.apply_pooling(crop_features(backbone, inputs.video_pixels))
        clips = [torch.cat((clip.flatten(0, 1), newline[None].to(clip))) for clip in pooled.split(inputs.video_frames)]
        encoded["video"] = BaseModelOutputWithPooling(pooler_output=torch.cat(clips)[None])
    output = backbone(
        input_ids=inputs.token_ids,
        attention_mask=inputs.attention_mask,
        mm_encoder_outputs=encoded,
        use_cache=False,
    )
    return output.last_hidden_state
