"""Kernels that move bytes, several in one; importing this module needs torch.

The fuser is `torch.compile` with Inductor. Inductor writes C++ for a CPU; where there is no compiler for it,
``aot_eager`` traces the same operators and fuses none, and `simcore.calibrate.measure.compiler.fuser` says so by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.tensor import DTensor
from torch.nn import functional

from simcore.calibrate.measure import compiler
from simcore.models.training.schedule import NotApplicable, Value
from simcore.real.language import FeedForward, Sublayer


def compiled(function: Callable[..., Tensor], device: str) -> Callable[..., Tensor]:
    """Return a function whose kernels are fused; what it drops at random is what an eager run drops."""
    return _compiled(function, compiler.fuser(device))


@cache
def _compiled(function: Callable[..., Tensor], backend: str) -> Callable[..., Tensor]:
    made: Callable[..., Tensor] = torch.compile(function, backend=backend, options=_options(backend), dynamic=False)
    return made


def _options(backend: str) -> dict[str, Any] | None:
    return {"fallback_random": True} if backend == compiler.INDUCTOR else None


def fuse(module: nn.Module, value: Value) -> nn.Module:
    """Compile a module: each run of kernels that move bytes becomes one."""
    backend = compiler.fuser(_device(module))
    module.compile(backend=backend, options=_options(backend), dynamic=False)
    return module


class BiasApart(nn.Linear):
    """A product whose bias a kernel of its own adds."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows times the weights, and then with the bias."""
        return functional.linear(x, self.weight) + self.bias


class WithoutBias(nn.Linear):
    """A product whose bias what follows it adds."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows times the weights."""
        return functional.linear(x, self.weight)


def decompose(module: nn.Module, value: Value) -> nn.Module:
    """Separate the biases of the products in a module.

    Raises
    ------
    NotApplicable
        If no product in it adds a bias.
    """
    products = [one for one in module.modules() if type(one) is nn.Linear and one.bias is not None]
    if not products:
        raise NotApplicable("no product here adds a bias")
    for one in products:
        one.__class__ = BiasApart  # the same module, so that a hook that sums over ranks stays
    return module


def fuse_bias_activation(module: nn.Module, value: Value) -> nn.Module:
    """Fuse the bias of the first product of a feed-forward network with the activation behind it, and its gate.

    Raises
    ------
    NotApplicable
        If there is no activation, or neither bias nor gate beside it.
    """
    if not isinstance(module, FeedForward):
        raise NotApplicable("there is no activation here")
    gated = not isinstance(module.up, nn.Linear)
    products = [one for one in module.up.modules() if isinstance(one, nn.Linear)]
    if not gated and products[0].bias is None:
        raise NotApplicable("the product before the activation adds no bias")
    for one in products:
        _leave_bias(one)
    function = compiled(_gated if gated else _activated, _device(module))
    activation = module.activation

    def between(made: Any) -> Tensor:
        biases = [_local(one.bias) for one in products]
        return function(*(made if gated else (made,)), *biases, activation)

    object.__setattr__(module, "between", between)
    return module


def fuse_bias_gelu(module: nn.Module, value: Value) -> nn.Module:
    """Do the same where the activation is GELU.

    Raises
    ------
    NotApplicable
        If it is another one.
    """
    activation = getattr(module, "activation", None)
    if activation is not None and not isinstance(activation, nn.GELU):
        raise NotApplicable(f"the activation is {type(activation).__name__}: fuse_bias_activation")
    return fuse_bias_activation(module, value)


def fuse_bias_dropout_norm(module: nn.Module, value: Value) -> nn.Module:
    """Fuse the bias of a product that ends a half of a block with dropout, residual, and a norm behind the sum.

    Raises
    ------
    NotApplicable
        If no half of a block is in the module.
    """
    halves = [one for one in module.modules() if isinstance(one, Sublayer)]
    if not halves:
        raise NotApplicable("no sublayer ends here with dropout, residual and norm")
    for half in halves:
        _fuse_end(half)
    return module


def _fuse_end(half: Sublayer) -> None:
    """Let a half of a block end with one kernel."""
    last: Any = half.down if isinstance(half, FeedForward) else half.output
    _leave_bias(last)
    function, share = compiled(_ended, _device(half)), getattr(half.dropout, "p", 0.0)
    norm = None if half.norm_first else half.norm

    def leave(x: Tensor, made: Tensor) -> Tensor:
        return function(x, _arrived(made), _local(last.bias), share if half.training else 0.0, norm)

    object.__setattr__(half, "leave", leave)


def _activated(made: Tensor, bias: Tensor, activation: nn.Module) -> Tensor:
    activated: Tensor = activation(made + bias)
    return activated


def _gated(gate: Tensor, made: Tensor, first: Tensor | None, second: Tensor | None, activation: nn.Module) -> Tensor:
    if first is not None and second is not None:
        gate, made = gate + first, made + second
    gated: Tensor = activation(gate) * made
    return gated


def _ended(x: Tensor, made: Tensor, bias: Tensor | None, share: float, norm: nn.Module | None) -> Tensor:
    whole = x + functional.dropout(made if bias is None else made + bias, share, share > 0)
    ended: Tensor = whole if norm is None else norm(whole)
    return ended


def _leave_bias(one: nn.Linear) -> None:
    """Let a product add no bias; its parameter stays where it is."""
    one.__class__ = WithoutBias


def _arrived(one: Tensor) -> Tensor:
    """Return a sum over ranks that is there: compiled code would take the promise of one for the sum."""
    return one.clone() if isinstance(one, AsyncCollectiveTensor) else one


def _local(one: Tensor | None) -> Tensor | None:
    """Return a rank's part of a weight."""
    return one.to_local() if isinstance(one, DTensor) else one


def _device(module: nn.Module) -> str:
    return next((one.device.type for one in module.parameters()), "cpu")
