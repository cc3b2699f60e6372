"""A language model cut into the stages of a pipeline, with `torch.distributed.pipelining`; needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.pipelining import PipelineStage, Schedule1F1B
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from simcore.errors import InputError, field
from simcore.real.language import Stack, Translator


class StageOf:
    """Which blocks of a model a stage runs; the model keeps no others."""

    def __init__(self, module: Stack, start: int, end: int) -> None:
        self.module, self.start, self.end = module, start, end
        self.encoder = module.encoder if isinstance(module, Translator) else None
        self.read = len(self.encoder.block) if self.encoder is not None else 0
        self.count = self.read + len(module.block)
        product: Any = module.output.product
        weight = product.weight
        # logits are cut over the vocabulary, as the weights of the product are
        self.cut = (weight.device_mesh, [Shard(2)]) if isinstance(weight, DTensor) else None

    def __call__(self, *given: Tensor, wanted: Tensor | None = None) -> Any:
        """Return what the next stage reads, or logits; `wanted` are the tokens that a decoder writes."""
        x, other = self._entered(given, wanted)
        for at in range(self.start, self.end):
            if at < self.read:
                assert self.encoder is not None
                x = self.encoder.block[at](x, None, **self.encoder.given(x.shape[1], x))
                continue
            if at == self.read and self.encoder is not None:
                assert wanted is not None
                other = self.encoder.output(x) if self.start < self.read else x
                x = self.module.embedding(wanted)
            x = self.module.block[at - self.read](x, other, **self.module.given(x.shape[1], x))
        if self.end == self.count:
            return self._left(self.module.output(x))
        if self.end == self.read and self.encoder is not None:
            return self.encoder.output(x)
        return x if other is None else (x, other)

    def _left(self, logits: Tensor) -> Tensor:
        """Return the logits of this rank."""
        if not isinstance(logits, DTensor):
            return logits
        local: Tensor = logits.to_local(grad_placements=logits.placements)
        return local

    def whole(self, logits: Tensor) -> Tensor:
        """Return logits with the parts of all ranks that share a product."""
        if self.cut is None:
            return logits
        whole: Tensor = DTensor.from_local(logits, *self.cut).full_tensor()
        return whole

    def part(self, whole: Tensor) -> Tensor:
        """Return the part of something of the logits' size that belongs to this rank's."""
        mine: Tensor = whole if self.cut is None else distribute_tensor(whole, *self.cut).to_local()
        return mine

    def _entered(self, given: Sequence[Tensor], wanted: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return rows, and an encoder's, from what a stage is given."""
        if self.start == 0:
            first = self.module if self.encoder is None else self.encoder
            return first.embedding(given[0]), None
        return given[0], given[1] if len(given) > 1 else None


def stage_of(module: nn.Module, stages: Sequence[int], at: int) -> nn.Module:
    """Leave of a model the blocks of one stage, in place; paths stay.

    Raises
    ------
    InputError
        If it is no language model of `simcore.real`, or has another number of blocks.
    """
    if not isinstance(module, Stack):
        found = f"cut of {type(module).__name__}"
        raise InputError(field("steps"), found, "a model of simcore.real", "Leave the step out.")
    start = sum(stages[:at])
    stage = StageOf(module, start, start + stages[at])
    if sum(stages) != stage.count:
        found = f"cut={'+'.join(map(str, stages))}: {sum(stages)} blocks"
        raise InputError(field("steps"), found, f"{stage.count} blocks in all")
    for number in range(stage.count):
        if not stage.start <= number < stage.end:
            stack, index = (stage.encoder, number) if number < stage.read else (module, number - stage.read)
            assert stack is not None
            stack.block[index] = nn.Identity()
    object.__setattr__(module, "forward", stage)
    return module


def staged(
    module: nn.Module, inputs: Sequence[Tensor], probe: Callable[[Tensor, int], Tensor], mesh: DeviceMesh,
    share: Callable[[Tensor], Tensor],
) -> list[Tensor]:  # fmt: skip
    """Run a pipeline's passes as one of its stages, and return the logits where the last one is."""
    at, count, part = mesh.get_local_rank(), mesh.size(), module.forward
    assert isinstance(part, StageOf)
    stage = PipelineStage(module, at, count, inputs[0].device, group=mesh.get_group())
    pieces = micro_batches(len(inputs[0]), count)
    runner = Schedule1F1B(stage, pieces, loss_fn=loss, scale_grads=False)
    more: dict[str, Any] = {"wanted": inputs[1]} if len(inputs) > 1 else {}
    last = at == count - 1
    target = part.part(share(probe(_shape(module, inputs), 0))) if last else None
    made = runner.step(*(inputs[:1] if at == 0 else ()), target=target, **more)
    _sum_shared(module, mesh)
    return [part.whole(made).detach()] if last else []


def _shape(module: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    """Return a tensor of the logits' shape."""
    product: Any = module.get_submodule("output.product")
    tokens = inputs[-1]
    dtype = product.weight.dtype
    return torch.empty(*tokens.shape, product.weight.shape[0], dtype=dtype, device=tokens.device)


def loss(output: Tensor, probe: Tensor) -> Tensor:
    """Return the sum of an output's elements, each times a number of its own."""
    return (output * probe).sum()


def micro_batches(samples: int, stages: int) -> int:
    """Return micro-batches: as many as divide the samples, two for each stage at most."""
    return max(pieces for pieces in range(1, 2 * stages + 1) if samples % pieces == 0)


def _sum_shared(module: nn.Module, mesh: DeviceMesh) -> None:
    """Sum over stages the gradients of what stands around the blocks, such as a table that the output shares."""
    for path, one in module.named_parameters():
        if "block." in path:
            continue
        gradient: Any = torch.zeros_like(one) if one.grad is None else one.grad
        if isinstance(one, DTensor):  # a table's gradient may be partial, or whole
            gradient = gradient.redistribute(placements=one.placements)
        torch.distributed.all_reduce(_local(gradient), group=mesh.get_group())
        one.grad = gradient


def _local(one: Tensor) -> Tensor:
    return one.to_local() if isinstance(one, DTensor) else one
