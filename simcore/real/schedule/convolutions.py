"""Convolutions and batch norms that are cut over the channels, and what they sum and gather; needs torch."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.nn import functional

OUT, IN, GATHER, CHANNELS = "output channels", "input channels", "gathered channels", "channels"
"""How a layer is cut: by the channels that a convolution makes, or reads; it may gather what it makes; a norm."""


def cut_layer(part: nn.Module, mesh: DeviceMesh, kind: str, *, summed: bool) -> None:
    """Cut a convolution or batch norm over the ranks of a mesh, in place.

    A convolution cut by its output channels sums the gradient of its input; one cut by its input channels sums what it
    makes. Where neither is summed, each rank goes on with its own part.
    """
    if kind == CHANNELS:
        for name in ("weight", "bias"):
            setattr(part, name, _cut(getattr(part, name), mesh, 0))
        for name in ("running_mean", "running_var"):
            part.register_buffer(name, distribute_tensor(getattr(part, name), mesh, [Shard(0)]).to_local())
        object.__setattr__(part, "forward", partial(_norm, part))
        return
    part.weight = _cut(part.weight, mesh, 1 if kind == IN else 0)
    object.__setattr__(part, "forward", partial(_convolution, part, mesh, kind, summed))


def _cut(weight: Any, mesh: DeviceMesh, dimension: int) -> nn.Parameter:
    return nn.Parameter(distribute_tensor(weight.detach(), mesh, [Shard(dimension)]))


def _norm(part: Any, x: Tensor) -> Tensor:
    weight, bias = part.weight.to_local(), part.bias.to_local()
    mean, spread = part.running_mean, part.running_var
    return functional.batch_norm(x, mean, spread, weight, bias, part.training, part.momentum or 0.0, part.eps)


def _convolution(part: Any, mesh: DeviceMesh, kind: str, summed: bool, x: Tensor) -> Tensor:
    if kind != IN and summed:  # the gradient of what all ranks read is the sum of theirs
        x = DTensor.from_local(x, mesh, [Replicate()]).to_local(grad_placements=[Partial()])
    made = functional.conv2d(x, part.weight.to_local(), None, part.stride, part.padding)
    if not summed or kind == OUT:
        return made
    apart: Any = DTensor.from_local(made, mesh, [Partial() if kind == IN else Shard(1)])
    whole: Tensor = apart.redistribute(placements=[Replicate()]).to_local()
    return whole
