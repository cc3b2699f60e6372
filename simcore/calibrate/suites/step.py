"""What a training step costs beside its kernels on a CPU: Python and autograd around each, and memory that is new.

A step keeps activations and gradients, and frees all of them at its end. The C library gives that memory back to the
system, which clears the pages of the next step when they are touched first. Calls of one kernel in a row never pay
that. On a GPU torch keeps memory, and what the host takes is hidden behind the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.models.compute.device import PAGE

LAYERS = ((1, False), (4, False), (16, False), (48, False), (8, True), (32, True))
"""Layers of one unit in a row, and whether they are held out."""

CALLS = 4
"""Kernels of a layer in a step: its product, and the gradients of its input, its weight and its bias."""

MEBIBYTES = ((48, False), (64, False), (128, False), (256, False), (96, True), (192, True))
"""Memory that is touched first, more than the C library keeps, and whether it is held out [MiB]."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of a CPU, see `simcore.calibrate.suites.gemm.cases`; none of a GPU. `full` changes nothing."""
    if kind != "cpu":
        return
    for layers, held_out in LAYERS:
        yield Case(
            "eager", "fp32", {"nodes": CALLS * layers}, lambda i: (random_tensor((1, 1), "fp32", "cpu", i),),
            _Trained(layers), None, held_out, state="warm", host=True,
        )  # fmt: skip
    for size, held_out in MEBIBYTES:
        yield Case(
            "first_touch", "fp32", {"nodes": size * 2**20 // PAGE}, _pages(size), _touch, None, held_out,
            state="warm", host=True,
        )  # fmt: skip


class _Trained:
    """Layers of one unit, run forward and back."""

    def __init__(self, layers: int) -> None:
        nn = require_torch().nn
        self.module = nn.Sequential(*(nn.Linear(1, 1) for _ in range(layers)))

    def __call__(self, x: Any) -> Any:
        self.module.zero_grad(set_to_none=True)
        out = self.module(x.requires_grad_())
        out.backward()
        return out


def _pages(size: int) -> Any:
    def make_inputs(index: int) -> Inputs:
        return (size * 2**20 // PAGE,)

    return make_inputs


def _touch(pages: int) -> Any:
    """Write one number to each of so many pages of memory that the system gives anew."""
    torch = require_torch()
    made = torch.empty(pages, PAGE // 4)
    made[:, 0] = 1.0
    return made
