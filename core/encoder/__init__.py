"""From items to unit vectors: prompts, inputs, backbones, pooling, packing, LoRA."""
