"""Evaluate a checkpoint from settings: load, embed, rank, score, write the bundle."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from core.checkpoints import checkpoint as checkpoints
from core.checkpoints import listing
from core.config.command_line import plain
from core.config.private_paths import is_private, shareable
from core.data.records import RankingTask
from core.encoder.embedder import Embedder, load_item_tokenizer
from core.encoder.feature_cache import FeatureCache
from core.encoder.freezing import set_attention
from core.encoder.item_rules import ItemRules
from core.evaluation.bundle import Description, write_bundle
from core.evaluation.bundle_name import EvaluationDigest, default_folder
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import Embedded, distinct_items
from core.evaluation.encode import Encoding
from core.evaluation.encode_distributed import embed_distributed, encode_shard
from core.evaluation.encoding_workers import EncodingWorkers
from core.evaluation.layouts import check_umap, umap_layout
from core.evaluation.left_out import LeftOut
from core.evaluation.metrics import Score
from core.evaluation.report_files import report_files
from core.evaluation.scoring import clustering_scores, ranked_in_turn, scores
from core.evaluation.settings import EvalSettings
from core.evaluation.suites import suite_tasks
from core.evaluation.training_folders import labelled, with_rows
from core.evaluation.vector_cache import VectorCache, encoder_name
from core.files.reading import read_settings
from core.files.run_layout import CONFIG
from core.objectives.settings import ObjectiveSettings

LONG = 20_000
"""Items from which on an evaluation without a cache is warned of."""


def evaluate(
    settings: EvalSettings, progress: bool = True, workers: EncodingWorkers | None = None
) -> tuple[Path, list[Score]]:
    """Score a checkpoint and write its bundle; the bundle's folder and the scores.

    In a job of several processes the first calls this and the others `assist`.

    Raises:
        ValueError: there is no checkpoint, the suite cannot be read, the vectors are not finite, or a UMAP is asked for
            and cannot be made here.
        RuntimeError: another process is lost.
    """
    workers = workers or EncodingWorkers()
    if settings.umap:
        check_umap()  # before hours of encoding
    with workers.calling_off():
        checkpoint = listing.resolve(settings.checkpoint)
        private = settings.private_paths or trained_in_private(checkpoint.folder)
        if private:
            settings = shareable(settings)
            checkpoint = listing.resolve(settings.checkpoint)
        asked, rows = with_rows(settings.suite, checkpoint.folder)
        tasks = labelled(suite_tasks(asked, progress, ItemRules(load_item_tokenizer(checkpoint.folder))), rows)
        embedder = load_embedder(settings, checkpoint.folder)
        tasks, embedded = embed(settings, embedder, tasks, workers, progress)
    objective = trained_objective(checkpoint.folder)
    tables = RankedTables(embedded.items, None if objective is None else objective.at(1, 1))
    digest = EvaluationDigest(asked, embedded.items, embedder.backbone.dtype)
    placed = []
    for each in ranked_in_turn(tasks, embedded):
        digest.add(each)
        placed.append(tables.add(each))
    found = scores(placed) + clustering_scores(placed, embedded, settings.suite.seed)
    suite = plain(asked) | ({"rows": rows} if rows else {})
    trained = None if objective is None else plain(objective)
    description = Description(str(checkpoint.folder), checkpoint.step, suite, trained)
    reports = report_files(tasks, found, str(checkpoint.folder), suite, settings.report)
    folder = settings.out or default_folder(checkpoint, asked, digest)
    layouts = {"umap": umap_layout(embedded.vectors)} if settings.umap else {}
    write_bundle(folder, description, embedded, tables, found, reports, private, layouts)
    return folder, found


def assist(settings: EvalSettings, workers: EncodingWorkers) -> bool:
    """Encode what the first process of the job deals to this one; False if it called the evaluation off.

    Raises:
        ValueError: the checkpoint or a picture cannot be read here, or vectors are not finite.
        RuntimeError: another process is lost.
    """
    shard = workers.receive_shard()
    if shard:
        checkpoint = listing.resolve(settings.checkpoint)
        encode_shard(workers, load_embedder(settings, checkpoint.folder), shard, encoding(settings))
    return shard is not None


def embed(
    settings: EvalSettings, embedder: Embedder, tasks: Sequence[RankingTask], workers: EncodingWorkers, progress: bool
) -> tuple[list[RankingTask], Embedded]:
    """Return the vectors of the tasks' items, from the cache or encoded by all workers, and the tasks with them.

    An item that could be read before and cannot be now leaves the tasks if suite.on_bad_item is "skip".

    Raises:
        core.data.checks.problems.BadItems: there is such an item and suite.on_bad_item is "stop"; or nothing is left.
    """
    left_out = LeftOut(tasks, settings.suite.on_bad_item)
    items = distinct_items(tasks, left_out.unknown)
    cache = None
    if settings.cache is not None:
        cache = VectorCache(settings.cache, encoder_name(embedder))
        cache.remove_left_overs()
    elif len(items) > LONG:
        print(f"warning: {len(items)} items and no --cache: if interrupted, all is encoded again.", file=sys.stderr)
    embedded = embed_distributed(workers, embedder, items, encoding(settings), cache, progress, left_out.add)
    return left_out.tasks_left(), embedded


def encoding(settings: EvalSettings) -> Encoding:
    """Say how the settings want items encoded."""
    features = None if settings.feature_cache is None else FeatureCache(settings.feature_cache)
    return Encoding(settings.portion, settings.batch, settings.workers, features)


def load_embedder(settings: EvalSettings, folder: Path) -> Embedder:
    """Return the checkpoint on its device, in its precision, with nothing that trains.

    Raises:
        ValueError: it cannot be loaded, or the settings ask for a GPU where there is none.
    """
    device = device_of(settings)
    widest = settings.precision == "float32" or (settings.precision == "auto" and not gpu_computes_bfloat16(device))
    embedder = Embedder.load(folder, torch.float32 if widest else torch.bfloat16).to(device)
    embedder.requires_grad_(False)
    embedder.eval()
    set_attention(embedder, "auto")
    return embedder


def device_of(settings: EvalSettings) -> torch.device:
    """Say where this process encodes.

    Raises:
        ValueError: a GPU is asked for, but there is none.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device = 'cuda', but torch finds no GPU; set device to 'auto' or 'cpu'.")
    if settings.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def gpu_computes_bfloat16(device: torch.device) -> bool:
    """Tell whether a device computes in bfloat16 by itself."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def trained_objective(checkpoint: Path) -> ObjectiveSettings | None:
    """Return the objective of the run that a checkpoint belongs to; None outside a run, where it is not known.

    A temperature (and SigLIP's bias) that was learned is the one that the checkpoint had reached.
    """
    config = checkpoint.parent.parent / CONFIG
    if not config.is_file():
        return None
    try:
        settings = ObjectiveSettings(**read_settings(config)["objective"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{config}: the run's objective cannot be read ({error}).") from error
    if settings.learn_temperature:
        reached = checkpoints.training_state(listing.Checkpoint(checkpoint, 0)).objective
        learned = {name: reached[name] for name in ("temperature", "bias") if name in reached}
        return replace(settings, **learned)
    return settings


def trained_in_private(checkpoint: Path) -> bool:
    """Tell whether the run that a checkpoint belongs to was trained to be shared; False outside a run."""
    config = checkpoint.parent.parent / CONFIG
    try:
        return config.is_file() and is_private(read_settings(config))
    except ValueError:
        return False  # what cannot be read is told where the objective is taken from it
