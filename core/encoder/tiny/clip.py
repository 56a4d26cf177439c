"""A tiny CLIP from random weights, made without any download."""

import torch
from tokenizers import Regex, Tokenizer, normalizers, processors
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast

from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import initialize, token_id, trained_vocabulary

START, END = "<|startoftext|>", "<|endoftext|>"
SIDE = 32
PATCH = 8
LONGEST = 77


def clip_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tiny model's words with CLIP's ends and its lower case; padding is the end once more."""
    words = Tokenizer.from_str(trained_vocabulary((START, END)).to_str())
    words.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    ends = [(each, words.token_to_id(each)) for each in (START, END)]
    words.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token=START, eos_token=END, pad_token=END, model_max_length=LONGEST
    )


def tiny_clip(seed: int = 0, width: int = 32, layers: int = 2) -> Embedder:
    """Return an untrained CLIP embedder: pictures of 32 x 32 pixels, texts of 77 tokens, vectors of half the width."""
    tokenizer = clip_tokenizer()
    tower = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers}
    config = CLIPConfig(
        text_config={
            **tower,
            "num_attention_heads": 4,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": LONGEST,
            "pad_token_id": token_id(tokenizer, END),
            "bos_token_id": token_id(tokenizer, START),
            "eos_token_id": token_id(tokenizer, END),
        },  # pyright: ignore[reportArgumentType]
        vision_config={**tower, "num_attention_heads": 2, "image_size": SIDE, "patch_size": PATCH},  # pyright: ignore[reportArgumentType]
        projection_dim=width // 2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = CLIPModel(config)
        initialize(backbone)
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return Embedder(backbone, tokenizer, processor)
