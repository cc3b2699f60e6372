"""Batch norm over the maps of convolutional networks, and its gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.calibrate.suites.memory import Operation, streaming_case
from simcore.models.compute.device import DTYPES

Size = tuple[int, int, int, int]

MAPS: dict[str, tuple[Size, ...]] = {
    "cpu": ((1, 464, 7, 7), (4, 58, 28, 28), (1, 64, 56, 56), (2, 256, 14, 14), (2, 512, 28, 28), (2, 64, 112, 112),
            (4, 256, 56, 56), (4, 2048, 7, 7)),
    "cuda": ((8, 464, 7, 7), (32, 58, 28, 28), (32, 64, 56, 56), (64, 256, 14, 14), (64, 512, 28, 28),
             (64, 64, 112, 112), (128, 256, 56, 56), (96, 2048, 7, 7)),
}  # fmt: skip
HELD_OUT: dict[str, tuple[Size, ...]] = {
    "cpu": ((3, 116, 28, 28), (3, 1024, 14, 14), (3, 256, 56, 56)),
    "cuda": ((64, 116, 28, 28), (64, 1024, 14, 14), (48, 256, 56, 56)),
}
"""Samples, channels, height and width, fitted and held out: all of different bytes, which alone tell them apart."""

EPSILON, MOMENTUM = 1e-5, 0.1


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of batch norm, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for dtype in ("fp32",) if kind == "cpu" else ("fp32", "fp16"):
        for operation in _operations():
            for held_out, sizes in ((False, MAPS[kind]), (True, HELD_OUT[kind])):
                for n, c, h, w in sizes:
                    moved = operation.tensors * DTYPES[dtype] * n * c * h * w
                    yield streaming_case(kind, dtype, operation, (n, c, h, w), moved, held_out=held_out)


def _operations() -> list[Operation]:
    torch = require_torch()
    aten = torch.ops.aten

    def state(x: Any) -> Inputs:
        """Return scales, shifts, running mean and variance; all but float64 keep them in fp32."""
        kept = torch.float64 if x.dtype == torch.float64 else torch.float32
        ones = torch.ones(x.shape[1], device=x.device, dtype=kept)
        return 0.5 * ones, 0.1 * ones, ones.clone(), ones.clone()

    def forward(x: Any, g: Any, *kept: Any) -> Any:
        return aten.native_batch_norm(x, *kept, True, MOMENTUM, EPSILON)[0]

    def seen(x: Any, g: Any) -> Inputs:
        scales, shifts, mean, variance = state(x)
        _, saved, inverse = aten.native_batch_norm(x, scales, shifts, mean, variance, True, MOMENTUM, EPSILON)
        return x, g, scales, mean, variance, saved, inverse

    def backward(x: Any, g: Any, *kept: Any) -> Any:
        return aten.native_batch_norm_backward(g, x, *kept, True, EPSILON, [True, True, True])[0]

    return [
        Operation("batch_norm", 2, forward, lambda x, g: (x, g, *state(x))),
        Operation("batch_norm_backward", 3, backward, seen),
    ]
