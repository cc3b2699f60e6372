"""The transformer generator: a model's shape and its parallelism in, layers of compute and communication out.

A block is nine layers: Q, K, V, the scores QK^T, softmax, the output projection (``concat``), the two GEMMs of the
feed-forward network (``W1b1``, ``W2b2``) and the layer norm. Tensor parallelism cuts each GEMM as Megatron-LM does:
columns first, rows second, so that activations are summed after the two row-cut GEMMs going forward and after the two
column-cut ones going backward.

Symbols: h `hidden`, s `sequence`, n `tokens`, w the width of a GEMM, e `element` [B], r `rate` [FLOP/s].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Transformer
from simcore.models.training.workload import Layer, Phase, Workload

Variant = Literal["optimizer", "evaluation"]
"""Where the weight gradients are summed: after each layer (optimizer) or all at once in the first (evaluation)."""

UPDATE = 10e-9
"""Local weight update of a layer [s]: the placeholder that the published workloads carry; no formula reads it."""


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
"""Compute of a layer: model, part (``Q`` ... ``layerNorm``, or one of `ENDS`), width w and TP in, seconds out."""

ENDS = ("update", "embedding", "output")
"""Layers around the blocks of a model with a vocabulary: the optimiser's update of all weights is the last to run."""


def constant_rate(model: Transformer, part: str, width: int, tp: int) -> Passes:
    """Return the compute of a layer on an NPU of one speed [s]: its work over `Transformer.rate` in each pass.

    The published workloads count the softmax like the scores, and a layer norm as 2 n h FLOP on every NPU. Embedding
    and update move bytes and compute next to nothing.
    """
    if part in {"embedding", "update"}:
        return 0.0, 0.0, 0.0
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
        (`simcore.models.training.operators.ProfiledTimes`).

    Returns
    -------
    Workload
        9 x `blocks` layers, times at a constant rate in whole nanoseconds; with a vocabulary also `ENDS`.

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
    blocks = [_block(model, tp, block, times) for block in range(1, model.blocks + 1)]
    first, last = ([], []) if model.vocabulary is None else _ends(model, tp, times)
    layers = [*first, *(layer for block in blocks for layer in block), *last]
    if variant == "evaluation":
        layers = _fused(layers)
    # what comes before the first block is computed again with it
    checkpoints = (0, *(len(first) + 9 * block for block in range(1, model.blocks)))
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


def end_widths(model: Transformer) -> tuple[tuple[str, int], ...]:
    """Return `ENDS` with the columns of each."""
    return tuple(zip(ENDS, (model.hidden, model.hidden, model.columns), strict=True))


def _ends(model: Transformer, tp: int, times: LayerTimes) -> tuple[list[Layer], list[Layer]]:
    """Write the layers before and after the blocks, both cut over the vocabulary (Megatron-LM).

    The update stands first: gradients arrive from the last layer to the first. An output layer that shares the
    embedding's weights has no gradient of its own to sum.
    """
    vocabulary, n, h = model.vocabulary or 0, model.tokens, model.hidden
    activations = Collective.ALL_REDUCE, float(model.element * n * h)
    update, embedding, output = (times(model, part, width, tp) for part, width in end_widths(model))
    table, own = (float(model.element * h * rows / tp) for rows in (vocabulary, model.outputs or 0))
    layers = [
        Layer("update", Phase(0.0), Phase(0.0), Phase(update[2]), UPDATE),
        Layer(
            "embedding",
            Phase(embedding[0], *activations),
            Phase(embedding[1]),
            Phase(embedding[2], Collective.ALL_REDUCE, table),
            UPDATE,
        ),
    ]
    gradient = Phase(output[2], Collective.ALL_REDUCE if own else None, own)
    return layers, [Layer("output", Phase(output[0]), Phase(output[1], *activations), gradient, UPDATE)]


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
