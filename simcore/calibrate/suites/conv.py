"""Convolutions of the layers of image models and their gradients: dense, depthwise, and of 1 x 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.calibrate.measure.tensors import random_tensor, relative_error
from simcore.calibrate.measure.timing import Case, Inputs
from simcore.models.compute.convolution import CONVOLUTIONS
from simcore.models.training.operators import conv_output

Layer = tuple[int, int, int, int, int, int, int]

LAYERS: tuple[Layer, ...] = (
    # stems of ResNet, ShuffleNet, VGG, Swin and YOLO
    (1, 3, 64, 224, 7, 2, 1), (4, 3, 24, 224, 3, 2, 1), (1, 3, 64, 224, 3, 1, 1), (2, 3, 96, 224, 4, 4, 1),
    # 3 x 3 of ResNet, VGG and YOLO
    (2, 64, 64, 56, 3, 1, 1), (1, 128, 128, 28, 3, 1, 1), (2, 256, 256, 14, 3, 1, 1), (4, 512, 512, 7, 3, 1, 1),
    (1, 128, 128, 56, 3, 2, 1), (4, 512, 512, 14, 3, 2, 1), (1, 64, 128, 112, 3, 1, 1), (1, 256, 512, 28, 3, 1, 1),
    (1, 64, 64, 104, 3, 2, 1), (1, 512, 1024, 13, 3, 1, 1),
    # 1 x 1 of ResNet, ShuffleNet and YOLO
    (2, 64, 256, 56, 1, 1, 1), (2, 256, 64, 56, 1, 1, 1), (1, 128, 512, 28, 1, 1, 1), (4, 1024, 256, 14, 1, 1, 1),
    (4, 2048, 512, 7, 1, 1, 1), (4, 24, 58, 56, 1, 1, 1), (4, 116, 116, 14, 1, 1, 1), (8, 232, 232, 7, 1, 1, 1),
    (1, 256, 128, 52, 1, 1, 1), (2, 256, 512, 56, 1, 2, 1), (1, 1024, 2048, 14, 1, 2, 1),
    # depthwise of ShuffleNet
    (4, 24, 24, 56, 3, 2, 24), (4, 58, 58, 28, 3, 1, 58), (1, 116, 116, 14, 3, 1, 116), (8, 232, 232, 7, 3, 1, 232),
    (4, 116, 116, 28, 3, 2, 116), (2, 232, 232, 28, 3, 1, 232),
)  # fmt: skip
HELD_OUT: tuple[Layer, ...] = (
    (2, 3, 64, 224, 7, 2, 1), (1, 64, 64, 56, 3, 1, 1), (2, 128, 128, 28, 3, 1, 1), (2, 512, 512, 7, 3, 1, 1),
    (2, 256, 256, 28, 3, 2, 1), (1, 128, 256, 56, 3, 1, 1), (1, 256, 1024, 14, 1, 1, 1), (2, 512, 128, 28, 1, 1, 1),
    (2, 512, 2048, 7, 1, 1, 1), (4, 58, 58, 28, 1, 1, 1), (1, 512, 1024, 28, 1, 2, 1), (4, 116, 116, 14, 3, 1, 116),
    (2, 58, 58, 28, 3, 1, 58),
)  # fmt: skip
"""Samples, channels in and out, side of the map, kernel, stride and groups: fitted and held out. On a CPU; a GPU gets
`SAMPLES` times as many samples."""

SAMPLES = {"cpu": 1, "cuda": 16}


def cases(kind: str, *, full: bool) -> Iterator[Case]:
    """Yield the cases of convolutions, see `simcore.calibrate.suites.gemm.cases`; `full` changes nothing here."""
    for dtype in ("fp32",) if kind == "cpu" else ("fp32", "fp16"):
        for held_out, layers in ((False, LAYERS), (True, HELD_OUT)):
            for batch, *layer in layers:
                for kernel in CONVOLUTIONS:
                    yield _case(kind, dtype, kernel, (batch * SAMPLES[kind], *layer), held_out)


def _case(kind: str, dtype: str, kernel: str, layer: tuple[int, ...], held_out: bool) -> Case:
    torch = require_torch()
    aten, functional = torch.ops.aten, torch.nn.functional
    batch, inputs, outputs, side, taps, stride, groups = layer
    padding = 0 if taps == stride else taps // 2
    out, gradient = conv_output(side, taps, stride, padding), CONVOLUTIONS[kernel]
    sizes = (batch, inputs, side, side), (outputs, inputs // groups, taps, taps), (batch, outputs, out, out)

    def make_inputs(index: int) -> Inputs:
        x, w, g = (random_tensor(size, dtype, kind, 3 * index + i) for i, size in enumerate(sizes))
        return (x, w, g) if gradient else (x, w)

    def run(x: Any, w: Any, g: Any = None) -> Any:
        if g is None:
            return functional.conv2d(x, w, None, stride, padding, 1, groups)
        wanted = [gradient == "input", gradient == "weight", False]
        options = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups
        return aten.convolution_backward(g, x, w, None, *options, wanted)[wanted.index(True)]

    def check(output: Any, given: Inputs) -> float:
        if gradient == "weight":
            return relative_error(output, run(*(one.double() for one in given)))
        x, w, *g = (one.double() for one in given)  # one sample tells
        return relative_error(output[:1], run(x[:1], w, *(one[:1] for one in g)))

    shape = {
        "batch": batch, "in_channels": inputs, "out_channels": outputs, "height": side, "width": side,
        "kernel_h": taps, "kernel_w": taps, "stride": stride, "padding": padding, "groups": groups,
    }  # fmt: skip
    return Case(kernel, dtype, shape, make_inputs, run, check, held_out)
