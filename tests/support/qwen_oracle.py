"""transformers' own forward of a Qwen-VL model on pixels that its own image processor made."""

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch

from core.data.images.image_files import BytesImage
from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs


@torch.no_grad()
def shaken(embedder: Embedder) -> Embedder:
    """The embedder with biases that are not 0 and norms that are not 1, as trained ones have them."""
    draw = torch.Generator().manual_seed(1)
    for weight in embedder.backbone.parameters():
        if weight.dim() == 1:
            weight += 0.2 * torch.randn(weight.shape, generator=draw)
    return embedder


def hidden_states(embedder: Embedder, inputs: ModelInputs) -> torch.Tensor:
    """What the language model made of a batch on its way to vectors."""
    seen = []
    norm = embedder.backbone.language_model.norm
    hook = norm.register_forward_hook(lambda _, __, out: seen.append(out))
    embedder(inputs)
    hook.remove()
    return seen[0]


def theirs(embedder: Embedder, inputs: ModelInputs, **pixels: torch.Tensor) -> torch.Tensor:
    """transformers' forward, which places the tokens itself."""
    backbone, ids = embedder.backbone, inputs.token_ids
    kinds = (ids == backbone.config.image_token_id).int() + 2 * (ids == backbone.config.video_token_id).int()
    output = backbone(input_ids=ids, attention_mask=inputs.attention_mask, mm_token_type_ids=kinds, **pixels)
    return output.last_hidden_state


def clip_pixels(embedder: Embedder, frames: Sequence[BytesImage]) -> dict[str, torch.Tensor]:
    """A clip's pixels by hand: the processor's patches of each frame, the frames of a pair behind each colour."""
    singles = [embedder.image_processor([each.open()], return_tensors="pt") for each in frames]
    singles += [singles[-1]] * (len(frames) % 2)
    side = embedder.image_processor.patch_size
    pairs = [
        torch.stack([each["pixel_values"].view(-1, 3, 2, side, side)[:, :, 0] for each in (one, other)], dim=2).flatten(
            1
        )
        for one, other in zip(singles[::2], singles[1::2], strict=True)
    ]
    grid = torch.tensor([[len(pairs), *singles[0]["image_grid_thw"][0, 1:].tolist()]])
    return {"pixel_values_videos": torch.cat(pairs), "video_grid_thw": grid}


def noise(width: int, height: int, seed: int = 0) -> BytesImage:
    """A picture with something in it."""
    pixels = np.random.default_rng([width, height, seed]).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "PNG")
    return BytesImage(stream.getvalue())
