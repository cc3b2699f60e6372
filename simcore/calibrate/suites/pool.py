"""Pools of convolutional networks: the maximum or the mean of windows, the mean of whole maps, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.calibrate.suites.memory import Operation, streaming_case
from simcore.models.compute.device import DTYPES
from simcore.models.training.operators import conv_output

Window = tuple[int, int, int]

MAXIMA: dict[str, tuple[tuple[int, int, int, Window], ...]] = {
    "cpu": ((1, 24, 112, (3, 2, 1)), (1, 64, 112, (3, 2, 1)), (4, 64, 112, (3, 2, 1)), (1, 192, 56, (2, 2, 0)),
            (1, 512, 28, (2, 2, 0)), (3, 128, 112, (2, 2, 0)), (2, 512, 14, (2, 2, 0))),
    "cuda": ((8, 24, 112, (3, 2, 1)), (32, 64, 112, (3, 2, 1)), (128, 64, 112, (3, 2, 1)), (32, 192, 56, (2, 2, 0)),
             (32, 512, 28, (2, 2, 0)), (96, 128, 112, (2, 2, 0)), (64, 512, 14, (2, 2, 0))),
}  # fmt: skip
MAXIMA_HELD_OUT = {
    "cpu": ((3, 64, 112, (3, 2, 1)), (1, 160, 112, (2, 2, 0))),
    "cuda": ((64, 64, 112, (3, 2, 1)), (32, 160, 112, (2, 2, 0))),
}
"""Samples, channels, side of the map, and kernel, stride and padding of the window."""

MEANS = {
    "cpu": ((1, 1024, 7), (4, 1024, 7), (1, 768, 14), (8, 1024, 7), (8, 2048, 7), (4, 2048, 14), (8, 2048, 14)),
    "cuda": ((16, 1024, 7), (64, 2048, 7), (64, 1024, 7), (32, 768, 14), (256, 2048, 7), (256, 2048, 14)),
}
MEANS_HELD_OUT = {"cpu": ((3, 2048, 7), (3, 2048, 14)), "cuda": ((128, 2048, 7), (128, 1024, 14))}
"""Samples, channels and side of maps of which the mean is taken."""


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of pools, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for dtype in ("fp32",) if kind == "cpu" else ("fp32", "fp16"):
        for held_out, maxima in ((False, MAXIMA[kind]), (True, MAXIMA_HELD_OUT[kind])):
            for n, c, side, window in maxima:
                out = conv_output(side, *window)
                for operation in _maxima(*window):
                    moved = DTYPES[dtype] * n * c * (side**2 + out**2)
                    yield streaming_case(kind, dtype, operation, (n, c, side, side), moved, held_out=held_out)
        for held_out, means in ((False, MEANS[kind]), (True, MEANS_HELD_OUT[kind])):
            for n, c, side in means:
                for operation in _means():
                    moved = DTYPES[dtype] * n * c * (side**2 + 1)
                    yield streaming_case(kind, dtype, operation, (n, c, side, side), moved, held_out=held_out)


def _maxima(kernel: int, stride: int, padding: int) -> list[Operation]:
    torch = require_torch()
    aten = torch.ops.aten
    window = [kernel] * 2, [stride] * 2, [padding] * 2, [1, 1]

    def forward(x: Any, g: Any) -> Any:
        return aten.max_pool2d_with_indices(x, *window)[0]

    def seen(x: Any, g: Any) -> Inputs:
        made, places = aten.max_pool2d_with_indices(x, *window)
        return x, g, made.clone(), places

    def backward(x: Any, g: Any, made: Any, places: Any) -> Any:
        return aten.max_pool2d_with_indices_backward(made, x, *window, False, places)

    return [
        Operation("max_pool", 2, forward),
        Operation("max_pool_backward", 2, backward, seen),
    ]


def _means() -> list[Operation]:
    def forward(x: Any, g: Any) -> Any:
        return x.mean((2, 3))

    def backward(x: Any, g: Any) -> Any:
        """Return what autograd does: the gradient spread over the map, which division writes."""
        return g[:, :, :1, :1].expand_as(x) / (x.shape[2] * x.shape[3])

    return [
        Operation("avg_pool", 2, forward),
        Operation("avg_pool_backward", 2, backward),
    ]
