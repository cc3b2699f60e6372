"""Attention in one kernel, whose scores no memory sees, and its gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs

Size = tuple[int, int, int, int, int]

SIZES: dict[str, tuple[Size, ...]] = {
    "cpu": ((64, 3, 49, 49, 32), (1, 12, 384, 384, 64), (1, 12, 128, 128, 64), (4, 12, 32, 32, 64),
            (1, 4, 512, 512, 64), (1, 4, 64, 512, 64), (1, 8, 256, 256, 128), (1, 12, 1, 1024, 64),
             (4, 24, 49, 49, 32)),
    "cuda": ((1024, 3, 49, 49, 32), (8, 12, 384, 384, 64), (32, 12, 128, 128, 64), (4, 32, 2048, 2048, 128),
             (4, 16, 1024, 1024, 64), (16, 16, 64, 2048, 64), (2, 32, 4096, 4096, 128), (16, 32, 1, 4096, 128),
             (64, 24, 49, 49, 32)),
}  # fmt: skip
HELD_OUT: dict[str, tuple[Size, ...]] = {
    "cpu": ((16, 6, 49, 49, 32), (2, 12, 128, 128, 64), (1, 8, 384, 384, 64), (1, 4, 200, 300, 64)),
    "cuda": ((256, 6, 49, 49, 32), (16, 12, 256, 256, 64), (8, 16, 1024, 1024, 128), (8, 16, 200, 3000, 64)),
}
"""Samples, heads, queries, keys and the width of a head; fitted and held out."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of attention, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for dtype in ("fp32",) if kind == "cpu" else ("fp32", "fp16"):
        for held_out, sizes in ((False, SIZES[kind]), (True, HELD_OUT[kind])):
            for size in sizes:
                yield case(kind, dtype, size, "attention", held_out)
                yield case(kind, dtype, size, "attention_backward", held_out)


def case(kind: str, dtype: str, size: Size, kernel: str, held_out: bool) -> Case:
    """Return the case of attention of one size: samples, heads, queries, keys and the width of a head."""
    torch = require_torch()
    batch, heads, queries, keys, width = size
    attend = torch.nn.functional.scaled_dot_product_attention

    def make_inputs(index: int) -> Inputs:
        sides = queries, keys, keys, queries
        q, k, v, g = (random_tensor((batch, heads, side, width), dtype, kind, 4 * index + i)
                      for i, side in enumerate(sides))  # fmt: skip
        if kernel == "attention":
            return q, k, v
        wanted = [one.requires_grad_() for one in (q, k, v)]
        return *wanted, g, attend(*wanted)

    def run(q: Any, k: Any, v: Any, g: Any = None, made: Any = None) -> Any:
        if made is None:
            return attend(q, k, v)
        return torch.autograd.grad(made, (q, k, v), g, retain_graph=True)

    def check(output: Any, inputs: Inputs) -> float:
        q, k, v = (one.detach().double().requires_grad_() for one in inputs[:3])
        made = torch.softmax(q @ k.transpose(-2, -1) / width**0.5, -1) @ v
        if kernel == "attention":
            return relative_error(output, made.detach())
        pairs = zip(output, torch.autograd.grad(made, (q, k, v), inputs[3].double()), strict=True)
        return max(relative_error(got, wanted) for got, wanted in pairs)

    shape = {"batch": batch, "heads": heads, "queries": queries, "keys": keys, "width": width}
    return Case(kernel, dtype, shape, make_inputs, run, check, held_out)
