"""A tiny SigLIP from random weights, made without any download."""

import string

import torch
from tokenizers import Regex, Tokenizer, normalizers, processors
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessorPil, SiglipModel

from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import initialize, token_id, trained_vocabulary

END, UNKNOWN = "</s>", "<unk>"
SIDE = 32
PATCH = 8
LONGEST = 64


def siglip_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tiny model's words with SigLIP's end, its lower case, and its way of dropping punctuation."""
    words = Tokenizer.from_str(trained_vocabulary((END, UNKNOWN)).to_str())
    words.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(f"[{''.join(chr(92) + each for each in string.punctuation)}]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    words.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, words.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token=END, pad_token=END, unk_token=UNKNOWN, model_max_length=LONGEST
    )


def tiny_siglip(seed: int = 0, width: int = 32, layers: int = 2) -> Embedder:
    """Return an untrained SigLIP embedder: pictures of 32 x 32 pixels, texts of 64 tokens."""
    tokenizer = siglip_tokenizer()
    tower = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers}
    config = SiglipConfig(
        text_config={
            **tower,
            "num_attention_heads": 4,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": LONGEST,
            "pad_token_id": token_id(tokenizer, END),
            "bos_token_id": token_id(tokenizer, END),
            "eos_token_id": token_id(tokenizer, END),
        },  # pyright: ignore[reportArgumentType]
        vision_config={**tower, "num_attention_heads": 2, "image_size": SIDE, "patch_size": PATCH},  # pyright: ignore[reportArgumentType]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = SiglipModel(config)
        initialize(backbone)
    return Embedder(backbone, tokenizer, SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}))
