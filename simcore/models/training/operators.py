"""The operator list of a model: what it computes, in order, and what each operator holds, keeps and sends.

A family of models makes the list, such as `simcore.models.training.transformer`. All else is derived from it:
`simcore.models.training.passes` gives the kernels of the backward pass, sums give parameters and saved activations, and
`simcore.models.training.lowering` gives the layers of a workload.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.sparse.statistics import Lengths, Pattern, Routing
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


def conv_output(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many positions a kernel takes that slides over a padded map: (size + 2 padding - kernel) / stride + 1.

    Examples
    --------
    >>> conv_output(224, kernel=7, stride=2, padding=3)
    112
    """
    return (size + 2 * padding - kernel) // stride + 1
