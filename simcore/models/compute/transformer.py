"""The transformer generator: a model's shape and its parallelism in, layers of compute and communication out.

A block is nine layers: Q, K, V, the scores QK^T, softmax, the output projection (``concat``), the two GEMMs of the
feed-forward network (``W1b1``, ``W2b2``) and the layer norm. Tensor parallelism cuts each GEMM as Megatron-LM does:
columns first, rows second, so that activations are summed after the two row-cut GEMMs going forward and after the two
column-cut ones going backward.

Symbols: h `hidden`, s `sequence`, n `tokens`, w the width of a GEMM, e `element` [B], r `rate` [FLOP/s].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simcore.errors import InputError
from simcore.models.workload import Collective, Layer, Phase, Workload

Variant = Literal["optimizer", "evaluation"]
"""Where the weight gradients are summed: after each layer (optimizer) or all at once in the first (evaluation)."""

UPDATE = 10e-9
"""Local weight update of a layer [s]: the placeholder that the published workloads carry; no formula reads it."""


@dataclass(frozen=True)
class Transformer:
    """The shape of a transformer and how fast an NPU computes it.

    Attributes
    ----------
    name : str
        For example ``175B``.
    hidden : int
        Hidden size h.
    blocks : int
        Transformer blocks that are generated.
    sequence : int
        Tokens in a sequence, s.
    tokens : int
        Tokens that one data-parallel replica processes per iteration, n = batch x s.
    heads : int or None
        Attention heads; None where nobody said, and then no split of the heads is checked.
    kv_heads : int or None
        Heads of K and V (grouped-query attention); None for as many as `heads`.
    feed_forward : int or None
        Inner width of the feed-forward network; None for 4 h.
    gated : bool
        Whether the feed-forward network has a gate beside its first GEMM (SwiGLU and its kin).
    element : int
        Bytes per element [B].
    rate : float
        FLOP/s that an NPU achieves [FLOP/s].
    source : str
        Where the numbers come from.
    """

    name: str
    hidden: int
    blocks: int
    sequence: int
    tokens: int
    heads: int | None = None
    kv_heads: int | None = None
    feed_forward: int | None = None
    gated: bool = False
    element: int = 2
    rate: float = 60 * 2.0**40
    source: str = ""

    @property
    def inner(self) -> int:
        """Inner width of the feed-forward network."""
        return 4 * self.hidden if self.feed_forward is None else self.feed_forward

    @property
    def kv_width(self) -> int:
        """Columns of the K and of the V projection."""
        if self.heads is None or self.kv_heads is None:
            return self.hidden
        return self.hidden * self.kv_heads // self.heads


def gemm_flop(tokens: int, inputs: int, outputs: int, tp: int) -> float:
    """Work of a GEMM on one NPU of a tensor-parallel group [FLOP]: 2 n inputs outputs / TP.

    Examples
    --------
    >>> gemm_flop(32768, 12288, 12288, 16) / (60 * 2**40)
    0.009375
    """
    return 2 * tokens * inputs * outputs / tp


def whole_nanoseconds(seconds: float) -> float:
    """Round a time [s] to the nearest nanosecond: the trace format that the published workloads use holds no less.

    The result is the float nearest to n / 1e9, so that ``round(result * 1e9)`` gives n back.

    Examples
    --------
    >>> whole_nanoseconds(1056.98e-9)
    1.057e-06
    """
    return round(seconds * 1e9) / 1e9


Passes = tuple[float, float, float]
"""Compute of a layer going forward, for the input gradient and for the weight gradient [s]."""

LayerTimes = Callable[[Transformer, str, int, int], Passes]
"""Compute of a layer: model, part of the block (``Q`` ... ``layerNorm``), width w and TP in, seconds out."""


def constant_rate(model: Transformer, part: str, width: int, tp: int) -> Passes:
    """Return the compute of a layer on an NPU of one speed [s]: its work over `Transformer.rate` in each pass.

    The published workloads count the softmax like the scores, and a layer norm as 2 n h FLOP on every NPU.
    """
    flop = (
        2.0 * model.tokens * model.hidden if part == "layerNorm" else gemm_flop(model.tokens, model.hidden, width, tp)
    )
    seconds = whole_nanoseconds(flop / model.rate)
    return seconds, seconds, seconds


def generate(
    model: Transformer, tp: int, dp: int, variant: Variant = "optimizer", times: LayerTimes = constant_rate
) -> Workload:
    """Cut a transformer for TP x DP and write its layers.

    Per block and pass, with GEMM time 2 n h w / (TP r), attention time 2 n h s / (TP r) for the scores and for the
    softmax, and 2 n h / r for the layer norm (source: the workload files of the SC'22 submission 245 artifact and of
    LIBRA, which this reproduces number for number):

    ====================  =========  =======================  ==========================  ==================
    layer                 w          forward                  input gradient              weight gradient
    ====================  =========  =======================  ==========================  ==================
    Q                     h          -                        all-reduce e n h            all-reduce e h w/TP
    K, V                  h          -                        -                           all-reduce e h w/TP
    QK, softmax           s          -                        -                           -
    concat                h          all-reduce e n h         all-gather, shard e n h/TP  all-reduce e h w/TP
    W1b1                  4h         -                        all-reduce e n h            all-reduce e h w/TP
    W2b2                  4h         all-reduce e n h         -                           all-reduce e h w/TP
    layerNorm             -          -                        -                           -
    ====================  =========  =======================  ==========================  ==================

    The three passes of a layer take the same time, the updates of norms and biases are left out, and with TP 1 the
    tensor-parallel bytes are still written: the group of one NPU makes them free.

    Parameters
    ----------
    model : Transformer
        The shape.
    tp, dp : int
        Degrees of tensor and data parallelism.
    variant : {'optimizer', 'evaluation'}
        Whether each layer sums its own weight gradient, or the first layer sums all of them at once.
    times : callable
        Compute of each layer: `constant_rate`, or that of a kernel profile
        (`simcore.models.compute.operators.ProfiledTimes`).

    Returns
    -------
    Workload
        9 x `blocks` layers, times at a constant rate in whole nanoseconds.

    Raises
    ------
    InputError
        If TP or DP is below 1, or TP does not split the hidden size, the heads or the feed-forward width evenly.

    Examples
    --------
    >>> model = Transformer("175B", hidden=12288, blocks=2, sequence=1024, tokens=32768)
    >>> workload = generate(model, tp=16, dp=64)
    >>> workload.layers[0].weight_gradient
    Phase(compute=0.009375, collective=<Collective.ALL_REDUCE: 'all-reduce'>, size=18874368.0)
    >>> generate(model, 16, 64, "evaluation").layers[0].weight_gradient.size
    452984832.0
    """
    _check_split(model, tp, dp)
    layers = [layer for block in range(1, model.blocks + 1) for layer in _block(model, tp, block, times)]
    if variant == "evaluation":
        layers = _fused(layers)
    checkpoints = tuple(range(0, len(layers), len(layers) // model.blocks))
    return Workload(model.name, tuple(layers), tp, dp, model.source, checkpoints)


def _block(model: Transformer, tp: int, block: int, times: LayerTimes) -> list[Layer]:
    """Write the nine layers of one block; names as in the published files."""
    n, h = model.tokens, model.hidden
    activations = Collective.ALL_REDUCE, float(model.element * n * h)
    shard = Collective.ALL_GATHER, model.element * n * h / tp
    nothing = None, 0.0

    def gemm(
        name: str,
        part: str,
        width: int,
        forward: tuple[Collective | None, float] = nothing,
        backward: tuple[Collective | None, float] = nothing,
    ) -> Layer:
        seconds = times(model, part, width, tp)
        weights = model.element * h * width / tp
        gradient = Phase(seconds[2], Collective.ALL_REDUCE, weights)
        return Layer(name, Phase(seconds[0], *forward), Phase(seconds[1], *backward), gradient, UPDATE)

    def local(name: str, part: str) -> Layer:
        forward, backward, gradient = times(model, part, model.sequence, tp)
        return Layer(name, Phase(forward), Phase(backward), Phase(gradient), UPDATE)

    return [
        gemm(f"Q{block}", "Q", h, backward=activations),
        gemm(f"K{block}", "K", model.kv_width),
        gemm(f"V{block}", "V", model.kv_width),
        local(f"QK{block}", "QK"),
        local(f"softmax{block}", "softmax"),
        gemm(f"concat{block}", "concat", h, forward=activations, backward=shard),
        gemm(f"X{block}W1b1", "W1b1", model.inner * (2 if model.gated else 1), backward=activations),
        gemm(f"X{block}W2b2", "W2b2", model.inner, forward=activations),
        local(f"layerNorm{block}", "layerNorm"),
    ]


def _fused(layers: list[Layer]) -> list[Layer]:
    """Move the weight-gradient all-reduces of all layers into the first one; their compute stays where it is."""
    total = sum(layer.weight_gradient.size for layer in layers)

    def with_gradient(layer: Layer, collective: Collective | None, size: float) -> Layer:
        gradient = Phase(layer.weight_gradient.compute, collective, size)
        return Layer(layer.name, layer.forward, layer.input_gradient, gradient, layer.update)

    first, *rest = layers
    return [with_gradient(first, Collective.ALL_REDUCE, total), *(with_gradient(layer, None, 0.0) for layer in rest)]


def _check_split(model: Transformer, tp: int, dp: int) -> None:
    for label, degree in (("TP", tp), ("DP", dp)):
        if degree < 1:
            raise InputError(f"workload '{model.name}', {label}", str(degree), "a whole number of at least 1")
    parts = {
        "hidden size": model.hidden,
        "feed-forward width": model.inner,
        "number of heads": model.heads,
        "number of K and V heads": model.kv_heads,
    }
    for what, count in parts.items():
        if count is not None and count % tp:
            expected = f"a divisor of its {what}, {count}"
            raise InputError(f"workload '{model.name}', TP", str(tp), expected, "Choose another with --tp.")
