"""Checkpoints of a model that is spread over ranks: every rank writes what it holds, in safetensors, without pickle.

    <checkpoint>/weights/shard-00001-...safetensors      one file a rank, each with its rows of every sharded weight
    <checkpoint>/weights/shapes.json                     the whole shape of every weight
    <checkpoint>/optimizer/shard-00001-...safetensors    moments by <weight>/exp_avg, <weight>/exp_avg_sq, <weight>/step

They are read at any world size, and without torch.distributed. `core/consolidate.py` makes an ordinary embedder of one.
"""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from core.checkpoints.checkpoint import optimizer_tensors
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import SHARDS
from core.encoder.lora import lora_config
from core.files.atomic import CannotWrite, whole_folder
from core.files.reading import parse_json
from core.parallel.collectives import rank, sum_over_ranks

OPTIMIZER = "optimizer"
SHAPES = "shapes.json"


def is_sharded_checkpoint(folder: Path) -> bool:
    """Tell whether a checkpoint's weights lie in the shards of several ranks."""
    return (folder / SHARDS).is_dir()


def save_sharded(
    folder: Path,
    embedder: Embedder,
    optimizer: torch.optim.AdamW,
    describe: Callable[[Path], None] = lambda partial: None,
) -> None:
    """Write a checkpoint together with the other ranks; it appears in one piece or not at all.

    The folder must be one that all ranks share. `describe` adds the first rank's files when all others are written.

    Raises:
        core.files.atomic.CannotWrite: the system refused, here or on another rank; every rank raises.
    """
    device = embedder.device
    with ExitStack() as stack:
        with together(folder, device):
            partial = stack.enter_context(whole_folder(folder)) if rank() == 0 else folder
        partial = from_first(partial)
        with together(folder, device):
            if rank() == 0:
                embedder.describe(partial)
        write(partial / SHARDS, weights_of(embedder), device)
        write(partial / OPTIMIZER, optimizer_tensors(embedder, optimizer), device)
        with together(folder, device):
            if rank() == 0:
                describe(partial)
                stack.close()


def load_sharded(folder: Path, embedder: Embedder, optimizer: torch.optim.AdamW) -> None:
    """Read what `save_sharded` wrote, at whatever world size, into a model that may be sharded or whole.

    Raises:
        ValueError: shards are missing or damaged, or belong to other weights.
    """
    load_weights(folder, embedder)
    trained = {name: weight for name, weight in embedder.named_parameters() if weight.requires_grad}
    tensors: dict[str, Tensor] = {}
    for name in stored(folder / OPTIMIZER):
        weight_name, key = name.rsplit("/", 1)
        if weight_name not in trained:
            raise ValueError(f"{folder / OPTIMIZER}: state of {weight_name!r}, which the model does not train.")
        tensors[name] = torch.zeros(()) if key == "step" else torch.zeros_like(trained[weight_name])
    read(folder / OPTIMIZER, tensors)
    for name, tensor in tensors.items():
        weight_name, key = name.rsplit("/", 1)
        optimizer.state[trained[weight_name]][key] = tensor


def load_weights(folder: Path, embedder: Embedder) -> None:
    """Read the weights alone.

    Raises:
        ValueError: shards are missing or damaged, or belong to other weights.
    """
    read(folder / SHARDS, weights_of(embedder))


def weights_of(embedder: Embedder) -> dict[str, Tensor]:
    """Say what a checkpoint holds of the model, as it lies on this rank: all of it, or on a LoRA base what trains."""
    if lora_config(embedder.backbone) is None:
        return embedder.backbone.state_dict()
    return {name: weight.detach() for name, weight in embedder.backbone.named_parameters() if weight.requires_grad}


def write(folder: Path, tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Return every rank writes its part; what all hold alike is written by one."""
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        with alone_is_fine():
            save(dict(tensors), storage_writer=writer)
    except CheckpointException as error:
        first = next(iter(error.failures.values()))[0]
        raise CannotWrite(folder, first if isinstance(first, OSError) else OSError(str(first))) from error
    with together(folder, device):
        if rank() == 0:
            (folder / SHAPES).write_text(json.dumps({name: list(each.shape) for name, each in tensors.items()}) + "\n")


def read(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fill tensors, sharded or whole, in place.

    Raises:
        ValueError: the shards hold other names or shapes, or not all of a tensor.
    """
    found = stored(folder)
    for name in found.keys() ^ tensors.keys():
        where = "the model does not have" if name in found else "the shards lack"
        raise ValueError(f"{folder}: {where} {name!r}; these shards belong to another model.")
    for name, tensor in tensors.items():
        if found[name] != tensor.shape:
            raise ValueError(f"{folder}: {name} is {tuple(found[name])}, the model's is {tuple(tensor.shape)}.")
    try:
        with alone_is_fine():
            load(dict(tensors), storage_reader=HuggingFaceStorageReader(str(folder)))
    except CheckpointException as error:
        raise ValueError(f"{folder}: the shards cannot be read ({error}).") from error


def stored(folder: Path) -> dict[str, torch.Size]:
    """Return names and whole shapes of the tensors in a folder of shards.

    Raises:
        ValueError: a file is missing or cannot be read, or a tensor is not complete.
    """
    try:
        described = parse_json((folder / SHAPES).read_text())
        found = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{folder}: the shards cannot be read ({error}).") from error
    shapes = {name: torch.Size(shape) for name, shape in described.items()}
    for name, shape in shapes.items():
        entry = found.get(name)
        parts = entry.chunks if isinstance(entry, TensorStorageMetadata) else []
        if sum(part.sizes.numel() for part in parts) != shape.numel():
            raise ValueError(f"{folder}: parts of {name} are missing; copy the shards of every rank.")
    return shapes


@contextmanager
def alone_is_fine() -> Iterator[None]:
    """Without torch's warning that a single process saves or loads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")
        yield


@contextmanager
def together(folder: Path, device: torch.device) -> Iterator[None]:
    """Leave with an error on every rank if any rank has one, so that none waits for the failed one."""
    error: OSError | ValueError | None = None
    try:
        yield
    except SafetensorError as found:
        error = OSError(str(found))
    except (OSError, ValueError) as found:
        error = found
    failed = float(sum_over_ranks(torch.tensor(float(error is not None), device=device)))
    if error is not None:
        raise error
    if failed:
        raise CannotWrite(folder, OSError("another process failed; see its message"))


def from_first(path: Path) -> Path:
    """Return the first rank's path, on every rank."""
    found = [str(path)]
    if dist.is_initialized():
        dist.broadcast_object_list(found)
    return Path(found[0])


def offsets(metadata: Mapping[str, str]) -> dict[str, list[int]]:
    """Say where the tensors of one shard's file begin in the whole ones."""
    return {name: entry["saved_offsets"] for name, entry in json.loads(metadata["DCP_SHARDING_INFO"]).items()}
