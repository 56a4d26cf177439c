"""A checkpoint as a folder that `SentenceTransformer(folder)` opens, without this project and without remote code.

The folder is a Transformer (the backbone without a head, and its processor), Pooling of the last token, and Normalize:
h_last / |h_last|, as `Embedder` computes it; two towers (CLIP, SigLIP) have no Pooling. `Embedder.load` reads it too.
sentence-transformers is not needed to write it. What differs there is that texts are tokenised together with what
stands beside them: one that begins with a line break, or follows another text, can fall into other tokens than here.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.checkpoint_export.chat_template import exported_template
from core.checkpoint_export.model import Exported, exported
from core.checkpoint_export.processors import ProcessorFiles, Settings, processor_files, write_json, write_processor
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import DESCRIPTION, FORMAT

TRANSFORMER = "sentence_transformers.base.modules.transformer.Transformer"
POOLING = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
NORMALIZE = "sentence_transformers.base.modules.normalize.Normalize"
VERSIONS = {"sentence_transformers": "sentence-transformers", "transformers": "transformers", "pytorch": "torch"}
SHARD = "5GB"
"""Larger models are split into several files."""
NORMALIZED = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
HIDDEN = {"method": "forward", "method_output_name": "last_hidden_state"}
# Nothing is cut off, nothing is added to the template, and a text that spells a special token stays those characters.
PROCESSING = {
    "text": {"truncation": False, "add_special_tokens": False},
    "chat_template": {"sanitize_control_tokens": True},
}


def write_sentence_transformers(embedder: Embedder, folder: Path, where: Path) -> None:
    """Fill a folder. The embedder has no adapter; `where` is the checkpoint it came from, for messages.

    Raises:
        ValueError: the family has no export, or the checkpoint's image processor or chat template does not allow it.
    """
    model = exported(embedder)
    files = processor_files(model, where)
    template = None if files.text else exported_template(model.tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    backbone = model.backbone
    backbone.config.dtype, backbone.config.architectures = backbone.dtype, [type(backbone).__name__]
    backbone.save_pretrained(folder, max_shard_size=SHARD)
    write_tokenizer(model, template, folder)
    write_processor(model, files, folder)
    write_modules(model, files, folder)
    if model.ours:
        write_json(folder / DESCRIPTION, {**FORMAT, "dimensions": model.dimensions})


def write_tokenizer(model: Exported, template: str | None, folder: Path) -> None:
    """Write the tokenizer with another chat template than its own."""
    tokenizer = model.tokenizer
    own = tokenizer.chat_template
    try:
        tokenizer.chat_template = template  # pyright: ignore[reportAttributeAccessIssue] - None is none
        tokenizer.save_pretrained(folder)
    finally:
        tokenizer.chat_template = own


def write_modules(model: Exported, files: ProcessorFiles, folder: Path) -> None:
    """Write what sentence-transformers reads besides a model and its processor."""
    pooling = {"embedding_dimension": model.dimensions, "pooling_mode": "lasttoken", "include_prompt": True}
    modules: list[tuple[str, str, Settings]] = [("", TRANSFORMER, {})]
    modules += [("1_Pooling", POOLING, pooling)] * (files.text is None)
    modules += [(f"{len(modules)}_Normalize", NORMALIZE, NORMALIZED)]
    listed = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind, _) in enumerate(modules)]
    write_json(folder / "modules.json", listed)
    for path, _, settings in modules[1:]:
        write_json(folder / path / "config.json", settings)
    transformer = towers(files.text(model)) if files.text else language_model(files)
    write_json(folder / "sentence_bert_config.json", {"transformer_task": "feature-extraction", **transformer})
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "__version__": {name: installed(package) for name, package in VERSIONS.items()},
            "model_type": "SentenceTransformer",
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )


def language_model(files: ProcessorFiles) -> Settings:
    """Everything goes through the chat template, and the last hidden states come out."""
    kinds = ("text", "image", "video") if files.clips else ("text", "image")
    return {
        "modality_config": {kind: HIDDEN for kind in kinds} | {"message": {**HIDDEN, "format": "structured"}},
        "module_output_name": "token_embeddings",
        "processing_kwargs": PROCESSING,
        "unpad_inputs": False,
    }


def towers(text: Settings) -> Settings:
    """Send a text or a picture through its tower and projection; items of several parts are not for this library."""
    kinds = {kind: f"get_{kind}_features" for kind in ("text", "image")}
    return {
        "modality_config": {k: {"method": each, "method_output_name": "pooler_output"} for k, each in kinds.items()},
        "module_output_name": "sentence_embedding",
        "processing_kwargs": {"text": text},
    }


def installed(package: str) -> str:
    """Return a package's version; that of sentence-transformers that the folder is made for, if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "6.2.0"
