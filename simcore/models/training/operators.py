"""The operator list of a model: what it computes, in order, and what each operator holds, keeps and sends.

A family of models makes the list, such as `simcore.models.training.transformer`. All else is derived from it: `passes`
gives the kernels of the backward pass, sums give parameters and saved activations, and
`simcore.models.training.lowering` gives the layers of a workload.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.sparse.library import TURNED
from simcore.models.compute.sparse.statistics import Lengths, Pattern, Routing, Zeros
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis


class Operation(StrEnum):
    """What an operator computes; it decides what its backward pass is."""

    LINEAR = "linear"
    SCORES = "scores"
    CONTEXT = "context"
    ELEMENTWISE = "elementwise"
    NORM = "norm"
    DROPOUT = "dropout"
    RESIDUAL = "residual"
    GATE = "gate"
    SUM = "sum"
    ROUTE = "route"
    LOOKUP = "lookup"
    UPDATE = "update"
    CONV = "convolution"
    POOL = "pool"
    SPLIT = "split"
    ATTENTION = "attention"
    GATED = "gated activation"
    INDEX = "index"
    MASK = "mask"
    STORED = "stored"
    CALLS = "calls"


@dataclass(frozen=True)
class Communication:
    """A collective that an operator needs.

    Attributes
    ----------
    collective : Collective
        The operation.
    size : float
        Bytes [B]: the full buffer per NPU, for all-gather the input shard per NPU.
    axis : Axis
        Group that it runs in.
    hidden : bool
        Whether it runs while the operator computes.
    """

    collective: Collective
    size: float
    axis: Axis = Axis.TENSOR
    hidden: bool = False


@dataclass(frozen=True)
class Reuse:
    """How long what an operator touches lies before it is used again, in bytes that are touched meanwhile.

    Attributes
    ----------
    element : int
        Bytes per element [B].
    since_forward : float
        Bytes between the operator's forward and its backward pass [B].
    since_step : float
        Bytes between two steps' uses of its weights [B].
    """

    element: int
    since_forward: float
    since_step: float


@dataclass(frozen=True)
class Operator(KernelCall):
    """One operator of a model on one NPU of a tensor-parallel group; its kernel is that of the forward pass.

    Attributes
    ----------
    path : str
        Module path, such as ``block.3.attention.scores``; blocks count from 0, as in PyTorch.
    operation : Operation
        What it computes.
    weights : float
        Matrices and tables that it owns [B].
    vectors : float
        Biases, and scales of norms, that it owns [B].
    saved : float
        Activations that its backward pass needs, and that no operator before it has saved [B].
    output : float
        Activations that it hands on [B].
    after_forward, after_input_gradient : Communication or None
        What follows its forward pass, and its input gradient.
    before_forward, before_backward : tuple of Communication
        What comes before its forward pass, and before its gradients.
    input_gradient : bool
        Whether its input has a gradient; that of the first layer, an image, has none.
    reuse : Reuse or None
        Where its operands are, which `simcore.models.training.reuse.placed` finds out.
    mask : Lengths, Routing, Window, Bars or None
        What is known of the mask of the positions that it computes: which hold a token, which expert each goes to, or
        who attends to whom. Zeros of an operand are `zeros`.
    vectors_held : int
        Tensors that `vectors` are, where there are any: two of a norm with a scale and a shift.
    """

    path: str = ""
    operation: Operation = Operation.ELEMENTWISE
    weights: float = 0.0
    vectors: float = 0.0
    saved: float = 0.0
    output: float = 0.0
    after_forward: Communication | None = None
    after_input_gradient: Communication | None = None
    before_forward: tuple[Communication, ...] = ()
    before_backward: tuple[Communication, ...] = ()
    input_gradient: bool = True
    reuse: Reuse | None = None
    mask: Lengths | Routing | Pattern | None = None
    vectors_held: int = 1

    @property
    def tensors(self) -> int:
        """Tensors of parameters that it owns: its weights in one, and what it has beside them."""
        return (self.weights > 0) + self.vectors_held * (self.vectors > 0)

    @property
    def parameters(self) -> float:
        """All parameters that it owns [B]."""
        return self.weights + self.vectors


@dataclass(frozen=True)
class Section:
    """Operators that a model has several times in a row.

    Attributes
    ----------
    path : str
        Module path of one repetition, without its number; empty for operators that stand alone.
    operators : tuple of Operator
        Those of one repetition, with paths inside it.
    count : int
        Repetitions.
    start : int
        Number of the first one.
    checkpointed : bool
        Whether a schedule recomputes it in the backward pass.
    captured : bool
        Whether one launch starts all kernels of a pass through it.
    input : float or None
        What a repetition reads [B]; None where that follows from the model's width.
    """

    path: str
    operators: tuple[Operator, ...]
    count: int = 1
    start: int = 0
    checkpointed: bool = False
    captured: bool = False
    input: float | None = None

    def __iter__(self) -> Iterator[Operator]:
        if not self.path:
            yield from self.operators
            return
        for number in range(self.start, self.start + self.count):
            yield from (replace(one, path=f"{self.path}.{number}.{one.path}") for one in self.operators)


@dataclass(frozen=True)
class OperatorList:
    """All operators of a model, in the order of the forward pass; equal blocks are held once.

    Attributes
    ----------
    sections : tuple of Section
        In order. The optimiser's update stands first: gradients arrive from the last operator to the first.

    Examples
    --------
    >>> copy = Operator("copy", (("bytes", 8),), path="norm", vectors=4.0)
    >>> model = OperatorList((Section("block", (copy,), count=96),))
    >>> [one.path for one in model][-1], model.parameters
    ('block.95.norm', 384.0)
    """

    sections: tuple[Section, ...]

    def __iter__(self) -> Iterator[Operator]:
        return (one for section in self.sections for one in section)

    @property
    def parameters(self) -> float:
        """Parameters that one NPU holds [B]."""
        return math.fsum(section.count * one.parameters for section in self.sections for one in section.operators)

    @property
    def saved(self) -> float:
        """Activations that one NPU keeps for the backward pass where nothing is recomputed [B]."""
        return math.fsum(section.count * one.saved for section in self.sections for one in section.operators)


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


def conv_output(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many positions a kernel takes that slides over a padded map: (size + 2 padding - kernel) / stride + 1.

    Examples
    --------
    >>> conv_output(224, kernel=7, stride=2, padding=3)
    112
    """
    return (size + 2 * padding - kernel) // stride + 1


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
