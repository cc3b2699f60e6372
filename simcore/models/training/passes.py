"""The kernels of an operator by pass: what runs forward, for the gradient of its input and for that of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.sparse.statistics import Zeros
from simcore.models.compute.sparse.stored import TURNED
from simcore.models.training.operators import Operation, Operator


@dataclass(frozen=True)
class Passes:
    """Kernels of an operator by pass, in the order in which they run.

    Attributes
    ----------
    forward, input_gradient, weight_gradient : tuple of KernelCall
        What runs in each pass.
    """

    forward: tuple[KernelCall, ...] = ()
    input_gradient: tuple[KernelCall, ...] = ()
    weight_gradient: tuple[KernelCall, ...] = ()


def passes(operator: Operator) -> Passes:
    """Derive the backward pass of an operator.

    A product A B of m x k and k x n has the gradients dA = dC B^T, which is m x n by n x k, and dB = A^T dC, which is
    k x m by m x n. Where B is a weight its gradient is the weight gradient; where both are activations both belong to
    the input gradient. Those of a convolution are kernels of their own, of the same sizes and the same work. The
    gradient of a bias is a sum over the rows of the output's gradient, which reads it once.

    Examples
    --------
    >>> product = Operator("gemm", (("m", 16), ("n", 4), ("k", 8), ("batch", 1)), operation=Operation.LINEAR)
    >>> [call.shape for call in passes(product).weight_gradient]
    [(('m', 8), ('n', 4), ('k', 16), ('batch', 1))]
    """
    made = _PASSES[operator.operation](operator)
    return made if operator.input_gradient else replace(made, input_gradient=())


def _linear(one: Operator) -> Passes:
    inputs, weights = _turned(one, "mkn"), _turned(one, "knm")
    if one.zeros is not None:
        of_inputs, of_weights = _gradient_zeros(one.zeros)
        inputs, weights = replace(inputs, zeros=of_inputs), replace(weights, zeros=of_weights)
    return Passes((_call(one),), (inputs,), (weights, *_summed(one, one.vectors)))


def _gradient_zeros(zeros: Zeros) -> tuple[Zeros, Zeros]:
    """Return the zeros of a product's two gradients dA = dC B^T and dB = A^T dC.

    Where a weight B is sparse, dA multiplies with it, and dB is wanted where the mask keeps it. Where an activation A
    is, dA is wanted where it is not zero, and dB multiplies with it. The forward pass has found the non-zeros.
    """
    found = replace(zeros, indexed=False)
    if zeros.operand == "b":
        return found.turned("b"), replace(found, operand="c")
    return replace(found, operand="c"), found.turned("a")


def _conv(one: Operator) -> Passes:
    inputs, weights = (
        KernelCall(f"conv_{gradient}_gradient", one.shape, one.work, one.dtype) for gradient in ("input", "weight")
    )
    return Passes((_call(one),), (inputs,), (weights, *_summed(one, one.vectors)))


def _summed(one: Operator, added: float) -> tuple[KernelCall, ...]:
    """Return the sum that the gradient of what was added to every row takes; nothing where nothing was."""
    return (KernelCall("add", (("bytes", math.ceil(one.output + added)),)),) if added else ()


def _pool(one: Operator) -> Passes:
    """Of a maximum or a mean, or of calls alone: its gradient moves or calls as much."""
    return Passes((_call(one),), (KernelCall(f"{one.kernel}_backward", one.shape),))


def _scores(one: Operator) -> Passes:
    """Of Q K^T: the keys lie as n x k, and so does their gradient."""
    return Passes((_call(one),), (_turned(one, "mkn"), _turned(one, "nkm")))


def _context(one: Operator) -> Passes:
    return Passes((_call(one),), (_turned(one, "mkn"), _turned(one, "knm")))


def _elementwise(one: Operator) -> Passes:
    """Of what reads and writes as much: going back it reads its output or input too, in rows of the same width."""
    rest = tuple((name, size) for name, size in one.shape if name != "bytes")
    back = KernelCall(f"{one.kernel}_backward", (("bytes", one.size("bytes") * 3 // 2), *rest))
    return Passes((_call(one),), (back,), _summed(one, one.weights))


def _dropout(one: Operator) -> Passes:
    back = KernelCall(f"{one.kernel}_backward", one.shape)
    return Passes((_call(one),), (back,), _summed(one, one.weights))


def _residual(one: Operator) -> Passes:
    """Of x + f(x): the gradients of both ways are added."""
    return Passes((_call(one),), (_call(one),))


def _gate(one: Operator) -> Passes:
    """Of a product element by element: each factor has a gradient."""
    return Passes((_call(one),), (_call(one), _call(one)))


def _gated(one: Operator) -> Passes:
    """Of an activation and the product with its gate in one kernel: it reads 2, writes 1; back it reads 3, writes 2."""
    back = KernelCall(f"{one.kernel}_backward", (("bytes", one.size("bytes") * 5 // 3),))
    return Passes((_call(one),), (back,), _summed(one, one.weights))


def _sum(one: Operator) -> Passes:
    """Of a sum: its gradient is that of each summand; that of weights which all rows share is summed over the rows."""
    return Passes((_call(one),), (), _summed(one, one.weights))


def _split(one: Operator) -> Passes:
    """Of a part of the channels, a view: its gradient is copied into that of the whole."""
    return Passes((), (_call(one),))


def _route(one: Operator) -> Passes:
    """Of rows that change places: their gradients go the same way back."""
    return Passes((_call(one),), (_call(one),))


def _lookup(one: Operator) -> Passes:
    """Of rows of a table: the gradient is as large as the table, so its owner clears it before rows are added to it."""
    table = one.size("width") * math.ceil(one.weights / one.size("width"))
    cleared = (KernelCall("copy", (("bytes", table),)),) if one.weights else ()
    return Passes((_call(one),), (), (*cleared, KernelCall("scatter", one.shape)))


def _index(one: Operator) -> Passes:
    """Of positions that a mask keeps: nothing of them has a gradient."""
    return Passes((_call(one),))


def _mask(one: Operator) -> Passes:
    """Of a weight times a mask: its gradient is multiplied by the mask too."""
    return Passes((_call(one),), weight_gradient=(_call(one),))


def _stored(one: Operator) -> Passes:
    """Of a product of a stored matrix: its transpose gives the gradient of the dense one; its own gradient is dense.

    The input gradient is the former, as where a weight is stored.
    """
    m, n, k = (one.size(name) for name in "mnk")
    turned = replace(_call(one), kernel=TURNED, shape=tuple({**dict(one.shape), "m": k, "k": m}.items()))
    dense = KernelCall("gemm", (("m", m), ("n", k), ("k", n), ("batch", one.size("batch"))), one.work, one.dtype)
    return Passes((_call(one),), (turned,), (dense, *_summed(one, one.vectors)))


def _update(one: Operator) -> Passes:
    return Passes(weight_gradient=(_call(one),))


def _attention(one: Operator) -> Passes:
    """Of attention in one kernel: its gradients are one kernel too, which computes the scores again."""
    return Passes((_call(one),), (KernelCall(f"{one.kernel}_backward", one.shape, 2.5 * one.work, one.dtype),))


_PASSES: Mapping[Operation, Callable[[Operator], Passes]] = {
    Operation.LINEAR: _linear,
    Operation.SCORES: _scores,
    Operation.CONTEXT: _context,
    Operation.ELEMENTWISE: _elementwise,
    Operation.NORM: _elementwise,
    Operation.DROPOUT: _dropout,
    Operation.RESIDUAL: _residual,
    Operation.GATE: _gate,
    Operation.SUM: _sum,
    Operation.ROUTE: _route,
    Operation.LOOKUP: _lookup,
    Operation.UPDATE: _update,
    Operation.CONV: _conv,
    Operation.POOL: _pool,
    Operation.SPLIT: _split,
    Operation.ATTENTION: _attention,
    Operation.GATED: _gated,
    Operation.INDEX: _index,
    Operation.MASK: _mask,
    Operation.STORED: _stored,
    Operation.CALLS: _pool,
}


def _call(one: Operator) -> KernelCall:
    return KernelCall(one.kernel, one.shape, one.work, one.dtype, zeros=one.zeros)


def _turned(one: Operator, order: str) -> KernelCall:
    """Return a product of the same work whose m, n and k are other sizes of a product, in this order."""
    sizes = zip("mnk", (one.size(name) for name in order), strict=True)
    return KernelCall(one.kernel, (*sizes, ("batch", one.size("batch"))), one.work, one.dtype)
