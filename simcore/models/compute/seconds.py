"""Seconds of dense kernels and of those that move bytes, by their sizes and the parameters of a fit.

Parameters and the sizes whose range counts stand beside them in `simcore.models.compute.kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from simcore.models.compute.convolution import as_product
from simcore.models.compute.device import DTYPES, FRESH, Device
from simcore.models.compute.profile import Shape

Parameters = Mapping[str, float]

USUAL_PERCENT = 10.0
"""Elements of a hundred that dropout drops where a shape does not say."""

TILES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "cuda": ((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64), (32, 64), (64, 32)),
    "cpu": ((8, 16),),
}
"""Output tiles BM x BN that a library chooses from; for a CPU what its kernels round sizes up to at the edges."""


def gemm_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time of a (batched) dense matrix product [s].

    ::

        t = t0 + min(tiled, vector) + fresh
        tiled = min_T waves_T max(2 BM BN (K + ramp) S / P, e K (BM + BN) S / B) + e (M K + K N + M N) batch / stream
        waves_T = ceil(batch ceil(M / BM) ceil(N / BN) / S)
        vector = e K M N batch / V
        fresh = e M N batch / F where that is as large as `FRESH`, else 0

    over the tiles T = BM x BN, with S processors, P `rate` [FLOP/s], B `onchip` [B/s], e bytes per element; `ramp`
    [elements of K] is what a tile takes to start, `stream` [B/s] what cold operands cost beside it. Few rows (columns)
    are quicker one at a time, each of which reads the whole other matrix at V `vector` [B/s]. F is `fresh` [B/s].
    Source: the wave model of tiled matrix products as LLMCompass (ISCA'24) uses it; the last two terms are what it
    misses on a CPU.

    Examples
    --------
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> p = {"t0": 1e-6, "rate": 1e9, "ramp": 1e-9, "onchip": 1e15, "stream": 1e15, "vector": 1e9, "fresh": 1e9}
    >>> round(gemm_seconds({"m": 16, "n": 48, "k": 100}, p, "fp32", toy) * 1e6, 3)
    154.6
    >>> round(gemm_seconds({"m": 1, "n": 48, "k": 100}, p, "fp32", toy) * 1e6, 3)
    20.2
    """
    m, n, k, batch, e = shape["m"], shape["n"], shape["k"], shape.get("batch", 1), DTYPES[dtype]
    slots, output = device.processors, DTYPES[dtype] * m * n * batch
    tiled = math.inf
    for bm, bn in TILES[device.kind]:
        waves = math.ceil(batch * math.ceil(m / bm) * math.ceil(n / bn) / slots)
        compute = 2 * bm * bn * (k + p["ramp"]) * slots / p["rate"]
        moved = e * k * (min(m, bm) + min(n, bn)) * slots / p["onchip"]
        tiled = min(tiled, waves * max(compute, moved))
    tiled += e * (m * k + k * n + m * n) * batch / p["stream"]
    fresh = output / p["fresh"] if output >= FRESH[device.kind] else 0.0
    return p["t0"] + min(tiled, output * k / p["vector"]) + fresh


def streaming_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time of a memory-bound kernel [s]: ``t0 + (min(b, C) + r max(b - C, 0)) / B``.

    With b the bytes read and written: a byte beyond the `knee` C takes r (`ratio`) times as long as one before it, as
    caches end or prefetching sets in.
    """
    b = shape["bytes"]
    return p["t0"] + (min(b, p["knee"]) + p["ratio"] * max(b - p["knee"], 0.0)) / p["bandwidth"]


def update_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time of an optimizer's update [s]: that of its bytes, and ``tensors tensor``.

    Of each of so many `tensors` of parameters Python collects the arrays, counts the step and gives away the gradient
    before. A GPU starts a kernel for some tens of tensors, and one for so many bytes of them. See `streaming_seconds`.

    Examples
    --------
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> p = {"t0": 1e-6, "tensor": 2e-6, "bandwidth": 1e9, "knee": 1e6, "ratio": 1.0}
    >>> round(update_seconds({"bytes": 3000, "tensors": 4}, p, "fp32", toy) * 1e6, 3)
    12.0
    """
    return streaming_seconds(shape, p, dtype, device) + shape.get("tensors", 1) * p["tensor"]


def dropout_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time of dropout on a CPU [s]: ``t0 + s (1 + 2 r min(q, 1 - q))``.

    With q the share that is dropped, `percent` / 100, and s what the bytes take where all or none is: a processor
    guesses which way each element goes, and at a half it is wrong as often as right, which takes r (`guess`) times as
    long as the rest. See `streaming_seconds`.

    Examples
    --------
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> p = {"t0": 1e-6, "guess": 2.0, "bandwidth": 1e9, "knee": 1e6, "ratio": 1.0}
    >>> [round(dropout_seconds({"bytes": 1000, "percent": q}, p, "fp32", toy) * 1e6, 3) for q in (10, 50, 90)]
    [2.4, 4.0, 2.4]
    """
    share = shape.get("percent", USUAL_PERCENT) / 100
    moved = streaming_seconds(shape, p, dtype, device) - p["t0"]
    return p["t0"] + moved * (1 + 2 * p["guess"] * min(share, 1 - share))


def rows_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time to gather or scatter rows [s]: ``t0 + rows (row + 2 (max(w - C, 0) + r min(w, C)) / B)``.

    With w the width of a row [B], which is read once and written once: each row costs `row` [s], and its first bytes up
    to the `knee` C take r (`ratio`) times as long as those after it, for which prefetching has set in.
    """
    w = shape["width"]
    bytes_ = max(w - p["knee"], 0.0) + p["ratio"] * min(w, p["knee"])
    return p["t0"] + shape["rows"] * (p["row"] + 2 * bytes_ / p["bandwidth"])


def index_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time to find a mask's non-zero micro-tiles [s].

    ::

        t = t0 + a elements + b partial + c micro + d found

    `elements` are reduced along the rows of the micro-tiles (0 for those one wide), the `partial` results along their
    columns (0 for those one high), `micro` results are scanned, and the indices of those `found` are written. Kernels
    made of library calls have a formula of their own, see `simcore.models.compute.sparse.packed.layout_seconds`.
    """
    parts = {"elements": "element", "partial": "partial", "micro": "micro_tile", "found": "entry"}
    return p["t0"] + math.fsum(shape[count] * p[cost] for count, cost in parts.items())


def conv_seconds(gradient: str, shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time of a convolution or of a gradient of it [s]: that of the product that it is.

    See `gemm_seconds` and `as_product`.
    """
    return gemm_seconds(as_product(shape, gradient), p, dtype, device)


def attention_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time of attention in one kernel, or of its gradients [s].

    ::

        t = t0 + 4 L Q K w / P + L Q K / E + 2 e L (Q + K) w / stream

    with L = batch heads, Q queries, K keys, heads w wide: two products at P `rate` [FLOP/s], a softmax of E `scores`
    [1/s] that no memory sees, and queries, keys, values and output, read or written once.

    Examples
    --------
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> p = {"t0": 1e-6, "rate": 1e9, "scores": 1e8, "stream": 1e9}
    >>> sizes = {"batch": 1, "heads": 2, "queries": 16, "keys": 16, "width": 8}
    >>> round(attention_seconds(sizes, p, "fp32", toy) * 1e6, 3)
    26.6
    """
    of_one = shape["batch"] * shape["heads"]
    scores = of_one * shape["queries"] * shape["keys"]
    moved = 2 * DTYPES[dtype] * of_one * (shape["queries"] + shape["keys"]) * shape["width"]
    return p["t0"] + 4 * scores * shape["width"] / p["rate"] + scores / p["scores"] + moved / p["stream"]


def launch_seconds(shape: Shape, p: Parameters, dtype: str, device: Device) -> float:
    """Return the time of empty kernels in a row [s], launched one by one or replayed as a graph: ``t0 + nodes t``."""
    return p["t0"] + shape["nodes"] * p["node"]
