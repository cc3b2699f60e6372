"""Cost formulas of kernels: parameters, seconds, and the sizes whose sampled range a prediction must stay in.

Every kernel has one formula, and whatever needs the time of a kernel asks `simcore.models.compute.predict`. Parameters
are fitted by `simcore.calibrate.profile.fit`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import get_args

from simcore.models.compute.convolution import CONVOLUTIONS, as_product, direct_conv_seconds, is_depthwise
from simcore.models.compute.device import Device
from simcore.models.compute.profile import Fit, Shape
from simcore.models.compute.seconds import (
    TILES,
    USUAL_PERCENT,
    Parameters,
    attention_seconds,
    conv_seconds,
    dropout_seconds,
    gemm_seconds,
    index_seconds,
    launch_seconds,
    rows_seconds,
    streaming_seconds,
    update_seconds,
)
from simcore.models.compute.sparse.packed import layout_of, packed_of
from simcore.models.compute.sparse.stored import (
    CALLS,
    CONVERSIONS,
    STORED,
    TURNED,
    conversion_seconds,
    stored_measures,
    stored_seconds,
    turned_seconds,
)
from simcore.models.compute.sparse.tiles import Axis


@dataclass(frozen=True)
class Parameter:
    """One parameter of a formula: where its fit starts, and its bounds, all above 0 and in SI units."""

    start: float
    low: float
    high: float


@dataclass(frozen=True)
class Formula:
    """How long a kernel takes.

    Attributes
    ----------
    parameters : mapping of str to Parameter
        What is fitted.
    seconds : callable
        ``seconds(shape, parameters, dtype, device)`` [s].
    measures : callable
        ``measures(shape)``: the sizes whose sampled range a prediction must stay in.
    rate : callable, optional
        ``rate(shape)``: the work whose best measured speed bounds the parameter `rate`, so that it stays a speed.
    """

    parameters: Mapping[str, Parameter]
    seconds: Callable[[Shape, Parameters, str, Device], float]
    measures: Callable[[Shape], dict[str, float]]
    rate: Callable[[Shape], float] | None = None


def _flop(shape: Shape) -> float:
    return 2 * shape["m"] * shape["n"] * shape["k"] * shape.get("batch", 1)


def _gemm_measures(shape: Shape) -> dict[str, float]:
    sizes = {"m": shape["m"], "n": shape["n"], "k": shape["k"], "batch": shape.get("batch", 1)}
    return {**sizes, "output": shape["m"] * shape["n"] * sizes["batch"], "flop": _flop(shape)}


def _conv_measures(shape: Shape) -> dict[str, float]:
    """Return sizes of the forward pass, of the gradients too: so its range says where its fit may stand in."""
    product = as_product(shape)
    return {**shape, "output": product["m"] * product["n"] * product["batch"], "flop": _flop(product)}


def _attention_measures(shape: Shape) -> dict[str, float]:
    return {**shape, "scores": shape["batch"] * shape["heads"] * shape["queries"] * shape["keys"]}


_T0 = Parameter(3e-6, 1e-9, 1e-2)
_GEMM = Formula(
    {
        "t0": _T0,
        "rate": Parameter(1e11, 1e8, 1e16),
        "ramp": Parameter(16.0, 1e-2, 2e3),
        "onchip": Parameter(1e11, 1e8, 1e15),
        "stream": Parameter(2e10, 1e8, 1e15),
        "vector": Parameter(2e10, 1e8, 1e15),
        "fresh": Parameter(2e9, 1e8, 1e15),
    },
    gemm_seconds,
    _gemm_measures,
    _flop,
)


def _conv(gradient: str) -> Formula:
    """Return the formula of a convolution as a product."""

    def flop(shape: Shape) -> float:
        return _flop(as_product(shape, gradient))

    return Formula(_GEMM.parameters, partial(conv_seconds, gradient), _conv_measures, flop)


def _direct_conv(gradient: str) -> Formula:
    """Return the formula of a convolution where depthwise ones and those of 1 x 1 have speeds of their own."""
    speed = Parameter(1e10, 1e7, 1e16)
    parameters = {
        "t0": _T0,
        "call": _T0,
        "rate": speed,
        "strided": speed,
        "pointwise": speed,
        "depthwise": speed,
        "ramp": _GEMM.parameters["ramp"],
        "stream": Parameter(1e10, 1e8, 1e15),
    }
    return Formula(parameters, partial(direct_conv_seconds, gradient, TILES), _conv_measures)


_ATTENTION = Formula(
    {
        "t0": _T0,
        "rate": Parameter(1e11, 1e8, 1e16),
        "scores": Parameter(1e9, 1e6, 1e15),
        "stream": Parameter(2e10, 1e8, 1e15),
    },
    attention_seconds,
    _attention_measures,
)
_BYTES = "bandwidth", "knee", "ratio"
_STREAM = Formula(
    {
        "t0": _T0,
        "bandwidth": Parameter(2e10, 1e7, 1e15),
        "knee": Parameter(1e6, 1e4, 1e8),
        "ratio": Parameter(1.0, 0.125, 8.0),
    },
    streaming_seconds,
    lambda s: {name: s[name] for name in ("bytes", "width") if name in s},
)
_UPDATE = Formula(
    {"t0": _T0, "tensor": Parameter(3e-6, 1e-9, 1e-3), **{name: _STREAM.parameters[name] for name in _BYTES}},
    update_seconds,
    lambda s: {"bytes": s["bytes"], "tensors": s.get("tensors", 1)},
)
_DROPOUT = Formula(
    {"t0": _T0, "guess": Parameter(1.0, 1e-3, 100.0), **{name: _STREAM.parameters[name] for name in _BYTES}},
    dropout_seconds,
    lambda s: {"bytes": s["bytes"], "percent": s.get("percent", USUAL_PERCENT)},
)
_ROWS = Formula(
    {
        "t0": _T0,
        "row": Parameter(1e-8, 1e-13, 1e-4),
        "bandwidth": Parameter(1e10, 1e7, 1e15),
        "knee": Parameter(512.0, 64.0, 4096.0),
        "ratio": Parameter(1.5, 1.0, 8.0),
    },
    rows_seconds,
    lambda s: {"rows": s["rows"], "width": s["width"]},
)
_INDEX = Formula(
    {
        "t0": _T0,
        "element": Parameter(1e-10, 1e-15, 1e-6),
        "partial": Parameter(1e-10, 1e-15, 1e-6),
        "micro_tile": Parameter(1e-9, 1e-15, 1e-5),
        "entry": Parameter(1e-9, 1e-15, 1e-5),
    },
    index_seconds,
    lambda s: {"elements": s["elements"], "micro": s["micro"]},
)
_LAUNCH = Formula({"t0": _T0, "node": Parameter(1e-6, 1e-9, 1e-2)}, launch_seconds, lambda s: {"nodes": s["nodes"]})
_STORED = Formula(
    {
        "t0": _T0,
        "row": Parameter(1e-8, 1e-13, 1e-4),
        "entry": Parameter(1e-9, 1e-15, 1e-5),
        "rate": Parameter(1e10, 1e7, 1e16),
        "out": Parameter(1e10, 1e8, 1e15),
        "right": Parameter(1e10, 1e8, 1e15),
    },
    stored_seconds,
    stored_measures,
)
_TURNED = Formula({**_STORED.parameters, "sort": Parameter(1e-9, 1e-15, 1e-6)}, turned_seconds, stored_measures)
_CONVERSION = Formula(
    {
        "t0": _T0,
        "element": Parameter(1e-9, 1e-15, 1e-6),
        "entry": Parameter(1e-9, 1e-15, 1e-5),
        "run": Parameter(1e-9, 1e-15, 1e-5),
    },
    conversion_seconds,
    lambda s: {"elements": s["elements"], "stored share": s["stored"] / s["elements"]},
)


def _packed(axis: Axis) -> Formula:
    """Return the formula of a sparse kernel made of library calls."""
    speeds = dict.fromkeys(("left", "right", "out", "touched", "stream", "fresh"), Parameter(1e10, 1e8, 1e13))
    row = _ROWS.parameters["row"]
    parameters = {"t0": _T0, "group": _T0, "row": row, "rate": Parameter(1e11, 1e8, 1e16), **speeds}
    return Formula(parameters, partial(packed_of, axis), _sparse_measures)


def _layout(axis: Axis) -> Formula:
    """Return the formula of building the index that a sparse kernel needs."""

    def measures(shape: Shape) -> dict[str, float]:
        mask = "k", "n" if axis == "n" else "m"
        return {"elements of the mask": shape[mask[0]] * shape[mask[1]], **_granularity_of(shape)}

    each = Parameter(1e-9, 1e-15, 1e-5)
    parameters = {
        "t0": _T0, "byte": Parameter(1e10, 1e8, 1e13), "rest": each, "pad": Parameter(1e-10, 1e-15, 1e-6),
        "result": each, "entry": each, "group": Parameter(1e-6, 1e-15, 1e-3),
    }  # fmt: skip
    return Formula(parameters, partial(layout_of, axis), measures)


def _sparse_measures(shape: Shape) -> dict[str, float]:
    sizes = {"m": shape["m"], "n": shape["n"], "k": shape["k"], "flop of the dense product": _flop(shape)}
    return {**sizes, **_granularity_of(shape)}


def _granularity_of(shape: Shape) -> dict[str, float]:
    return {
        "rows of a block": shape["height"],
        "columns of a block": shape["width"],
        "sparsity": shape["sparsity"],
    }


AXES: tuple[Axis, ...] = get_args(Axis)
"""What sparse kernels pack: ``pit-k``, ``pit-m``... multiply, ``index-k``, ``index-m``... find the micro-tiles."""

FORMULAS: Mapping[str, Formula] = {
    "gemm": _GEMM, "stream": _STREAM, "update": _UPDATE, "dropout": _DROPOUT,
    "rows": _ROWS, "index": _INDEX, "launch": _LAUNCH, "attention": _ATTENTION,
    "stored": _STORED, TURNED: _TURNED, "conversion": _CONVERSION,
    **{name: _conv(gradient) for name, gradient in CONVOLUTIONS.items()},
    **{f"direct_{name}": _direct_conv(gradient) for name, gradient in CONVOLUTIONS.items()},
    **{f"pit-{axis}": _packed(axis) for axis in AXES}, **{f"index-{axis}": _layout(axis) for axis in AXES},
}  # fmt: skip
"""Formulas by name."""

_ACTIVATIONS = ("relu", "tanh", "sigmoid", "silu", "gelu")
_NORMALISED = ("softmax", "layer_norm", "batch_norm", "max_pool", "avg_pool", "cross_entropy", "dropout")

MASKING = ("masked", "masked_fill", "where", "compare")
"""Kernels of masks of booleans: numbers times a mask, a value where a mask is, one of two numbers by a mask, and
whether numbers are zero. On a CPU they take elements one by one, and so much longer than a copy of as many bytes."""

MEMORY_BOUND = (
    "copy", "add", "mul", *MASKING, *_ACTIVATIONS, *_NORMALISED,
    *(f"{name}_backward" for name in (*_ACTIVATIONS, *_NORMALISED)), "adam",
)  # fmt: skip
"""Memory-bound kernels; where a profile has no fit of one, ``copy`` stands in for it."""

FUSED = ("fused_gelu", "fused_layer_norm", "fused_cross_entropy")
"""Kernels that a compiler fuses, which move bytes too; nothing stands in for one."""

ROWS = ("gather", "scatter", "embedding_bag", "embedding_bag_backward")
"""Kernels that move rows of a table."""

FORMULA_OF: Mapping[str, str] = {
    "gemm": "gemm", **{name: name for name in CONVOLUTIONS}, **dict.fromkeys((*MEMORY_BOUND, *FUSED), "stream"),
    **dict.fromkeys(ROWS, "rows"), "index": "index",
    **dict.fromkeys(("launch", "graph", "eager", "first_touch", "checkpoint", *CALLS), "launch"),
    **dict.fromkeys(STORED, "stored"), TURNED: TURNED, **dict.fromkeys(CONVERSIONS, "conversion"),
    "attention": "attention", "attention_backward": "attention",
    "index-experts": "index", "index-sequence": "index",
    **{name: name for name in FORMULAS if name.startswith(("pit-", "index-"))},
}  # fmt: skip
"""The formula of each kernel; see `formula_of` for convolutions, which have two."""


_WITH_MORE = {"adam": ("update", "tensors"), "dropout": ("dropout", "percent")}
"""Memory-bound kernels that a formula knows another size of, where samples have it, and that size."""

STREAMS = ("stream", *(formula for formula, _ in _WITH_MORE.values()))
"""Formulas of memory-bound kernels."""


def formulas_of(kernel: str) -> tuple[str, ...]:
    """Return the formulas that a fit of a kernel may have.

    Examples
    --------
    >>> formulas_of("conv"), formulas_of("gemm")
    (('conv', 'direct_conv'), ('gemm',))
    """
    if kernel in CONVOLUTIONS:
        return FORMULA_OF[kernel], f"direct_{kernel}"
    return (FORMULA_OF[kernel], _WITH_MORE[kernel][0]) if kernel in _WITH_MORE else (FORMULA_OF[kernel],)


def formula_of(kernel: str, shapes: Iterable[Shape]) -> str:
    """Return the formula that is fitted to samples of a kernel: where depthwise convolutions are among them, theirs.

    Updates of several tensors have one of their own, and so has dropout of several rates.

    Examples
    --------
    >>> formula_of("adam", [{"bytes": 28}]), formula_of("adam", [{"bytes": 28, "tensors": 2}])
    ('stream', 'update')
    """
    known = list(shapes)
    if kernel in _WITH_MORE:
        return formulas_of(kernel)[any(_WITH_MORE[kernel][1] in one for one in known)]
    return formulas_of(kernel)[kernel in CONVOLUTIONS and any(map(is_depthwise, known))]


def has_formula(kernel: str, device: Device) -> bool:
    """Say whether a kernel's samples are fitted; on CUDA those of sparse kernels are a table of tiles instead."""
    return kernel in FORMULA_OF and not (device.kind == "cuda" and kernel.startswith("pit-"))


def seconds_of(fit: Fit, shape: Shape, device: Device) -> float:
    """Return the time that a fit gives for a shape [s], whatever its range."""
    seconds = FORMULAS[fit.formula].seconds(shape, fit.parameters, fit.dtype, device)
    return seconds if fit.correction is None else seconds * fit.correction.factor(shape, device)


def outside(fit: Fit, shape: Shape) -> list[str]:
    """Say which measures of a shape lie outside what a fit was sampled on; nothing for published fits."""
    sentences = []
    for name, value in FORMULAS[fit.formula].measures(shape).items():
        low, high = fit.ranges.get(name, (-math.inf, math.inf))
        if not low <= value <= high:
            sentences.append(f"{name} {value:g} is outside {low:g} to {high:g}")
    return sentences
