"""Tensor and sequence parallelism and FSDP2 of language models with torch's own tools, and what a step of it sends.

The process group is torch's fake one: one process stands for any number of ranks, and nothing is sent. Importing this
module needs torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.parallel import loss_parallel
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from simcore.errors import InputError
from simcore.real.language import Stack, Translator
from simcore.real.schedule.shard import cut, kinds

COLLECTIVES: Mapping[str, str] = {
    "all_reduce": "all-reduce", "all_gather_into_tensor": "all-gather", "reduce_scatter_tensor": "reduce-scatter",
    "allreduce_": "all-reduce", "_allgather_base_": "all-gather", "_reduce_scatter_base_": "reduce-scatter",
}  # fmt: skip
"""Collectives by the name of torch's operator: functional ones of DTensor, and those that DDP and FSDP2 call."""


@dataclass(frozen=True)
class Spread:
    """How a module is spread over ranks.

    Attributes
    ----------
    tp, data : int
        Degree of tensor parallelism, and ranks that train each of its parts on data of their own.
    sequence_parallel : bool
        Whether what tensor parallelism leaves whole is cut along the sequence.
    sharded : bool
        Whether those ranks shard weights and gradients (FSDP2), or have them whole.
    mixed : bool
        Whether FSDP2 gathers weights in bf16 and sums gradients in fp32.
    """

    tp: int = 1
    data: int = 1
    sequence_parallel: bool = False
    sharded: bool = True
    mixed: bool = False


@dataclass(frozen=True)
class Sent:
    """What one rank's training step sends.

    Attributes
    ----------
    counts : Counter of str
        Collectives by kind, as CommDebugMode counts them.
    sizes : dict of str to list of int
        Bytes of each collective's input by kind, in the order of the step, as a dispatch mode sees them [B].
    """

    counts: Counter[str]
    sizes: dict[str, list[int]]


@contextmanager
def fake_ranks(count: int) -> Iterator[None]:
    """Let this process be the first of so many ranks, of which there are no others.

    Raises
    ------
    InputError
        If the process is one of a group already.
    """
    from torch.testing._internal.distributed.fake_pg import FakeStore

    if distributed.is_initialized():
        raise InputError("process group", "one that is set up", "none", "Destroy it first.")
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=count)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def spread(module: Stack, how: Spread) -> nn.Module:
    """Spread a model over the ranks of the process group, in place.

    Q, K and V, and both products before an activation, share one gathered input, as torchtitan has it. The table of
    tokens is cut by rows, and logits stay cut over the vocabulary. FSDP2 gathers block by block, and all around the
    blocks at once; ranks that have all weights sum gradients likewise.
    """
    with unset_fake_temporarily():  # meshes read the numbers of their ranks
        mesh = init_device_mesh("cpu", (how.data, how.tp), mesh_dim_names=("data", "tensor"))
        if how.tp > 1:
            _cut(module, mesh["tensor"], how.sequence_parallel)
        if how.data > 1:
            _share(module, mesh["data"], how)
    return module


def sent_by_step(module: nn.Module, numbers: Tensor, wanted: Tensor, *, cut_loss: bool) -> Sent:
    """Run a training step and return what it sends: forward and backward pass, and the update.

    The update sums the gradients of weights that all ranks have and apply to parts of the sequence.

    Parameters
    ----------
    module : nn.Module
        The model.
    numbers, wanted : Tensor
        Tokens, and those that should follow each.
    cut_loss : bool
        Whether logits are cut over the vocabulary.
    """
    counting, seeing = CommDebugMode(), _Seeing()  # type: ignore[no-untyped-call]
    # what it keeps by module is not read, and it does not expect that a module runs twice in its parent
    counting.advanced_module_tracker._fw_set_module_hook = lambda *_: None  # type: ignore[method-assign]
    with seeing, counting, loss_parallel() if cut_loss else nullcontext():
        logits = module(numbers).flatten(0, 1).float()
        functional.cross_entropy(logits, wanted.flatten()).backward()  # type: ignore[no-untyped-call]
        torch.optim.SGD(module.parameters(), lr=0.1, foreach=False).step()
    counts: Counter[str] = Counter()
    for operator, count in counting.get_comm_counts().items():
        counts[COLLECTIVES[str(operator).rpartition(".")[2]]] += count
    return Sent(counts, seeing.sizes)


class _Seeing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the bytes of every collective's input: the last tensor that its operator takes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: dict[str, list[int]] = {}

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if DTensor in types:
            return NotImplemented  # so that it becomes operators of plain tensors, which come here again
        space, _, name = str(operator).partition(".")
        kind = COLLECTIVES.get(name.partition(".")[0]) if "c10d" in space else None
        if kind is not None:
            given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)][-1]
            self.sizes.setdefault(kind, []).append(given.numel() * given.element_size())
        return operator(*args, **(kwargs or {}))


def _share(module: Stack, mesh: DeviceMesh, how: Spread) -> None:
    """Let ranks share a model, block by block."""
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if how.mixed else MixedPrecisionPolicy()
    shared: Any = fully_shard
    if not how.sharded:
        from torch.distributed._composable.replicate_with_fsdp import replicate as shared  # not in every release
    for part in (*blocks_of(module), module):
        shared(part, mesh=mesh, mp_policy=policy)


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """Return the blocks of a language model in the order in which they run; of any other module what it repeats."""
    if not isinstance(module, Stack):
        return [one for part in module.modules() if isinstance(part, nn.ModuleList | nn.Sequential) for one in part]
    encoder = [*module.encoder.block] if isinstance(module, Translator) else []
    return [*encoder, *module.block]


def _cut(module: Stack, mesh: DeviceMesh, sequence: bool) -> None:
    """Cut all of a model's products, and its activations along the sequence or not at all."""
    every = kinds(module)
    cut(module, mesh, every, every, sequence=sequence)
