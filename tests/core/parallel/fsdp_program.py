"""One rank of a real gloo job: two training steps of each case, whole or sharded, with the gradient cache.

python fsdp_program.py RANK WORLD RENDEZVOUS_FILE train OUT_FOLDER   steps 1 and 2; a checkpoint between them
python fsdp_program.py RANK WORLD RENDEZVOUS_FILE resume OUT_FOLDER  step 2 from the checkpoint of another job
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageWriter

from core.checkpoints.sharded import load_sharded, save_sharded
from core.config.model_settings import TrainableSettings
from core.contrast.contrast import value_and_gradient
from core.contrast.gradient_cache import CachedEncoder
from core.contrast.similarity_tiles import EmbeddingBatch
from core.data.miniature.benchmark import training_sets
from core.data.records import Item, Pair, Text
from core.encoder.backbones.adapter import to_float64
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.encoder.inputs import ModelInputs
from core.encoder.tiny.clip import tiny_clip
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.files.atomic import CannotWrite
from core.objectives.hardness import HardnessWeighted
from core.parallel import fsdp as sharding
from core.parallel.collectives import sum_gradients
from core.parallel.job import leave
from core.training.step_data import StepData, step_data

OBJECTIVE = HardnessWeighted(9.0, 0.05)
CHUNK = 2
CLIP = 0.5


@dataclass(frozen=True)
class Case:
    """What trains, and how it lies: None whole on every rank, else how many replicas of the sharded model.

    budget: bytes of graphs that the gradient cache keeps; None keeps one graph.
    """

    name: str
    training: str
    replicas: int | None
    budget: float | None = None
    keep_gathered: bool = False


ALL = 1e12
CASES = (
    Case("full-whole", "full", replicas=None),
    Case("lora-whole", "lora", replicas=None, budget=0),
    Case("full-sharded", "full", replicas=1),
    Case("lora-sharded", "lora", replicas=1, budget=0),
    Case("full-gathered", "full", replicas=1, budget=ALL, keep_gathered=True),
    Case("dora-checkpointing", "dora", replicas=1),
    Case("projector-sharded", "projector", replicas=1, budget=ALL),
    Case("full-copies", "full", replicas=2, budget=0),
    Case("towers-sharded", "towers", replicas=1, budget=0),
)
SAVED = ("full-sharded", "lora-sharded")
TRAININGS = {
    "full": TrainableSettings(),
    # Rank 2: with 4 processes some hold no row of an adapter.
    "lora": TrainableSettings(["vision"], lora_rank=2, lora_targets=["q_proj", "v_proj", "down_proj"]),
    "dora": TrainableSettings(lora_rank=2, lora_targets=["v_proj"], dora=True, activation_checkpointing=True),
    "projector": TrainableSettings(["vision", "language"]),
    "towers": TrainableSettings(),
}


def embedder_of(training: str, base: Path | None = None) -> Embedder:
    """The same small embedder in float64 everywhere, its adapters not zero."""
    embedder = tiny_clip() if training == "towers" else tiny_embedder(3, width=32, layers=2, vision_layers=1)
    to_float64(embedder.backbone)
    make_trainable(embedder, TRAININGS[training])
    embedder.base = base
    torch.manual_seed(5)
    for name, weight in embedder.backbone.double().named_parameters():
        if "lora_A" in name or "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return embedder.train()


def optimizer_of(embedder: Embedder) -> torch.optim.AdamW:
    trained = [weight for weight in embedder.parameters() if weight.requires_grad]
    split = [[each for each in trained if sharding.is_part(each) == part] for part in (False, True)]
    return torch.optim.AdamW([{"params": each} for each in split if each], lr=0.01, weight_decay=0.1, foreach=True)


def pairs(step: int) -> list[Pair]:
    """Eight pairs: the first four with pictures and all different, the others of texts, many of them repeated."""
    pictures = {each.name: each for each in training_sets(0)}["caption-to-image"]
    words = ("red", "blue ring", "two green squares", f"step {step}")
    texts = [Pair(said(words[i % 4]), said(f"it is {words[i % 3]}"), "words", "retrieval") for i in (0, 3, 3, 3)]
    return [pictures[4 * step + i] for i in range(4)] + texts


def said(words: str) -> Item:
    return Item((Text(words),))


def data_of(step: int, embedder: Embedder, rank: int, world: int) -> StepData:
    share = 8 // world
    mine = pairs(step)[rank * share : (rank + 1) * share]
    return step_data(step, mine, embedder.prepare, embedder.collate, CHUNK)


class OneKept:
    """A gradient cache that keeps the graph of the first chunk alone."""

    def __init__(self, embedder: Embedder, chunks: list[ModelInputs]) -> None:
        self.embedder, self.chunks = embedder, chunks

    def vectors(self) -> list[Tensor]:
        self.kept = self.embedder(self.chunks[0])
        with torch.no_grad():
            return [self.kept.detach(), *(self.embedder(chunk) for chunk in self.chunks[1:])]

    def backward(self, gradients: Sequence[Tensor]) -> None:
        for number, (chunk, gradient) in enumerate(zip(self.chunks, gradients, strict=True)):
            sharding.reduce_in_next_backward(self.embedder, number == len(self.chunks) - 1)
            vectors = self.embedder(chunk) if number else self.kept
            vectors.backward(gradient)


def train_step(
    embedder: Embedder, optimizer: torch.optim.AdamW, data: StepData, budget: float | None
) -> dict[str, Tensor]:
    """One step as the trainer does it; the loss, the norm before clipping, and every gradient before clipping."""
    chunks = sharding.equal_passes(embedder, data.chunks)
    reduce = partial(sharding.reduce_in_next_backward, embedder)
    if budget is None:
        encoder = OneKept(embedder, chunks)
    else:
        encoder = CachedEncoder(embedder, chunks, budget, before_backward=reduce)
    vectors = torch.cat(encoder.vectors())
    batch = EmbeddingBatch(vectors[data.query_rows], vectors[data.target_rows], data.query_ids, data.target_ids)
    contrast = value_and_gradient(OBJECTIVE, batch)
    gradients = torch.zeros_like(vectors)
    gradients.index_add_(0, data.query_rows, contrast.query_gradients)
    gradients.index_add_(0, data.target_rows, contrast.target_gradients)
    encoder.backward(gradients.split([len(chunk.token_ids) for chunk in chunks]))
    sum_gradients(sharding.replicated(embedder))
    found = {f"gradient/{name}": whole(weight.grad) for name, weight in trained(embedder)}
    norm = sharding.gradient_norm(embedder.parameters())
    sharding.clip_gradients(embedder.parameters(), CLIP, norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return found | {"loss": contrast.loss, "norm": norm, "passes": torch.tensor(len(data.chunks))}


def trained(embedder: Embedder) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, weight) for name, weight in embedder.named_parameters() if weight.requires_grad]


def whole(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return sharding.full(tensor.detach()).clone()


def start(case: Case, base: Path | None = None) -> tuple[Embedder, torch.optim.AdamW]:
    embedder = embedder_of(case.training, base)
    if case.replicas is not None:
        sharding.shard(embedder, torch.device("cpu"), case.replicas, keep_gathered=case.keep_gathered)
    return embedder, optimizer_of(embedder)


def train(case: Case, rank: int, world: int, out: Path) -> None:
    embedder, optimizer = start(case, out / "base")
    first = train_step(embedder, optimizer, data_of(0, embedder, rank, world), case.budget)
    if case.name in SAVED:
        save_sharded(out / case.name, embedder, optimizer, described)
    second = train_step(embedder, optimizer, data_of(1, embedder, rank, world), case.budget)
    weights = {f"weight/{name}": weight.clone() for name, weight in sharding.full_weights(embedder)}
    second = {f"second/{name}": value for name, value in second.items()}
    save_file(first | second | weights, out / f"{case.name}-{rank}.safetensors")


def described(folder: Path) -> None:
    (folder / "training.json").write_text('{"step": 1}')


def resume(case: Case, rank: int, world: int, out: Path) -> None:
    embedder, optimizer = start(case)
    load_sharded(out / case.name, embedder, optimizer)
    found = train_step(embedder, optimizer, data_of(1, embedder, rank, world), case.budget)
    weights = {f"weight/{name}": weight.clone() for name, weight in sharding.full_weights(embedder)}
    save_file(found | weights, out / f"{case.name}-resumed-{rank}.safetensors")


def refusals(rank: int, out: Path) -> None:
    """Save where one rank cannot write; every rank's error, for the test to read."""
    embedder, optimizer = start(Case("any", "full", replicas=1))

    write = HuggingFaceStorageWriter.write_data

    def refuse(*arguments: Any) -> Any:
        if rank == 1:
            raise OSError(28, "No space left on device")
        return write(*arguments)

    def refuse_first(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    found = []
    for writing in (refuse, write):
        HuggingFaceStorageWriter.write_data = writing
        try:
            save_sharded(out / "refused" / "000001", embedder, optimizer, refuse_first)
        except CannotWrite as error:
            found.append(str(error))
    (out / f"refusals-{rank}.json").write_text(json.dumps(found))


def main() -> None:
    rank, world, rendezvous, what, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], Path(sys.argv[5])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world)
    if what == "train":
        refusals(rank, out)
    for case in CASES:
        if what == "train":
            train(case, rank, world, out)
        elif case.name in SAVED:
            resume(case, rank, world, out)
    dist.destroy_process_group()
    leave(0, processes=world)


if __name__ == "__main__":
    main()
