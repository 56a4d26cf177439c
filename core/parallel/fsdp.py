"""Shard the language model over the ranks (FSDP2), so that one that fits no GPU trains; the rest stays whole.

Sharded: the embedding table and every block of the language model: weights, gradients, optimizer moments. Replicated:
the vision tower, the projector, the last norm. So only ranks that have pictures enter the tower, and none waits there
for the others. In the language model all ranks must make the same passes in the same order: `equal_passes` and
`agreed_minimum` see to it.

A rank's gradient is its part of one global loss, so ranks are summed, never averaged: sharded weights by FSDP's
reduce-scatter in the last backward of a step, replicated ones by `sum_gradients(replicated(embedder))`.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm

from core.data.records import Item, Text
from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs
from core.parallel.collectives import largest_over_ranks, world_size


def shard(
    embedder: Embedder,
    device: torch.device,
    replicas: int = 1,
    compute: torch.dtype | None = None,
    keep_gathered: bool = False,
) -> Embedder:
    """Shard the language model in place; call it after choosing what trains and before making the optimizer.

    Blocks move to the device one by one, so the whole model never has to fit there.

    Args:
        embedder: the same on every rank, all of it trainable, parts frozen, or with LoRA adapters.
        device: where to train; the replicated rest of the embedder moves there too.
        replicas: copies of the whole language model; each is spread over world size / replicas ranks. With one copy
            a node, weights travel only within nodes and summed gradients between them.
        compute: the dtype in which blocks are gathered and compute, such as bfloat16; None leaves it as it is.
            Weights, moments and the sum of gradients stay in their own precision.
        keep_gathered: keep a block's weights between its forward and its backward: faster, more memory.

    Raises:
        ValueError: torch.distributed is not running, or replicas does not divide the number of processes.
    """
    mesh = ranks(device, replicas)
    embedding, blocks = language_parts(embedder)
    require_input_gradients(embedding)
    policy = MixedPrecisionPolicy(compute, reduce_dtype(blocks, compute), cast_forward_inputs=False)
    for module in (embedding, *blocks):
        fully_shard(module, mesh=mesh, reshard_after_forward=not keep_gathered, mp_policy=policy)
    fully_shard(embedder, mesh=mesh, ignored_params=set(replicated(embedder)))
    for module in sharded_modules(embedder):
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
    return embedder.to(device)


def ranks(device: torch.device, replicas: int) -> DeviceMesh:
    """Return the ranks as replicas x shards; neighbouring ranks, those of one node, share a replica."""
    if not dist.is_initialized():
        raise ValueError("Sharding needs the processes of a torchrun job; this process runs alone.")
    world = world_size()
    if replicas < 1 or world % replicas:
        raise ValueError(f"replicas = {replicas} must be at least 1 and divide the number of processes, {world}.")
    if replicas == 1:
        return init_device_mesh(device.type, (world,), mesh_dim_names=("shard",))
    return init_device_mesh(device.type, (replicas, world // replicas), mesh_dim_names=("replicate", "shard"))


def language_parts(embedder: Embedder) -> tuple[nn.Module, list[nn.Module]]:
    """Return the language model's embedding table and its blocks, with adapters or without."""
    return embedder.backbone_adapter.embedding(embedder.backbone), list(
        embedder.backbone_adapter.blocks(embedder.backbone)
    )


def reduce_dtype(blocks: Iterable[nn.Module], compute: torch.dtype | None) -> torch.dtype | None:
    """Choose the dtype of summed gradients: the trained weights' own when blocks compute in a smaller one."""
    if compute is None:
        return None
    return next((weight.dtype for block in blocks for weight in block.parameters() if weight.requires_grad), None)


def require_input_gradients(embedding: nn.Module) -> None:
    """Let gradients reach the first block of every rank, whatever trains.

    Otherwise a rank with pictures and a trained projector would go back through frozen blocks, gathering their
    weights, and a rank with texts only would not.
    """

    def require(module: nn.Module, arguments: tuple[Tensor, ...], vectors: Tensor) -> None:
        if torch.is_grad_enabled():
            vectors.requires_grad_(True)

    if not any(weight.requires_grad for weight in embedding.parameters()):
        embedding.register_forward_hook(require)


def is_sharded(model: nn.Module) -> bool:
    """Tell whether `shard` was called on the model."""
    return isinstance(model, FSDPModule)


def is_part(weight: Tensor) -> bool:
    """Tell whether this rank holds a part of a weight. Optimizers that batch weights need these in own groups."""
    return isinstance(weight, DTensor)


def sharded_modules(model: nn.Module) -> list[FSDPModule]:
    """Return the model and its parts whose weights are gathered and let go together."""
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def replicated(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights that every rank holds whole; all of them without sharding."""
    return [weight for weight in model.parameters() if not isinstance(weight, DTensor)]


def reduce_in_next_backward(model: nn.Module, last: bool) -> None:
    """Sum the gradients over ranks in the next backward if it is the step's last; until then they add up locally.

    The gradient cache calls it before every backward. Nothing to do without sharding.
    """
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)
        model.set_is_last_backward(last)


def abandon_step(model: nn.Module) -> None:
    """Forget a step that failed between its passes, so that the next one starts clean; every rank must call it."""
    if isinstance(model, FSDPModule):
        model.reset_iter_state()


def equal_passes(embedder: Embedder, chunks: Sequence[ModelInputs]) -> list[ModelInputs]:
    """Get the chunks of a step, padded with a one-word text until every rank has as many; as they are without sharding.

    The padding's vectors come last and are in nobody's loss: their gradient is zero, and nothing changes.
    """
    chunks = list(chunks)
    if not is_sharded(embedder):
        return chunks
    missing = largest_over_ranks(len(chunks), embedder.device) - len(chunks)
    idle = embedder.collate([embedder.prepare(Item((Text("a"),)))])
    return chunks + [idle] * missing


def agreed_minimum(embedder: Embedder, number: int) -> int:
    """Agree on the smallest of the ranks' numbers when the model is sharded, such as how many graphs to keep."""
    return -largest_over_ranks(-number, embedder.device) if is_sharded(embedder) else number


def gradient_norm(weights: Iterable[nn.Parameter]) -> Tensor:
    """Compute the whole gradient's norm, the same on every rank: each shard and each replicated weight counts once."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    whole = get_total_norm([each for each in gradients if not isinstance(each, DTensor)])
    parts = [each for each in gradients if isinstance(each, DTensor)]
    if not parts:
        return whole
    mesh = parts[0].device_mesh
    squares = get_total_norm([local(each) for each in parts]).square()
    dist.all_reduce(squares, group=mesh.get_group(mesh.ndim - 1))
    return (whole.to(squares).square() + squares).sqrt()


def clip_gradients(weights: Iterable[nn.Parameter], limit: float | int, norm: Tensor) -> None:
    """Scale gradients of the given, finite norm so that it becomes at most `limit`, as torch's clip_grads_with_norm_.

    torch's own does not take sharded and replicated weights together.
    """
    scale = (limit / (norm + 1e-6)).clamp(max=1.0)
    for weight in weights:
        if weight.grad is not None:
            local(weight.grad).mul_(scale.to(weight.device))


def full_weights(model: nn.Module, trained: bool = False) -> Iterator[tuple[str, Tensor]]:
    """Return every weight (or every trained one), gathered one at a time; every rank must take them all."""
    for name, weight in model.named_parameters():
        if weight.requires_grad or not trained:
            yield name, full(weight.detach())


def local(tensor: Tensor) -> Tensor:
    """Return this rank's part of a tensor that may be sharded; it shares its memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def full(tensor: Tensor) -> Tensor:
    """Return the whole of a tensor that may be sharded."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
