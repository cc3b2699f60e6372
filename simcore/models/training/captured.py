"""A model that was captured from a torch module: its operators, each with sizes that grow with the batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simcore.errors import InputError, field
from simcore.models.training.architecture import Batch
from simcore.models.training.operator_maker import update_of
from simcore.models.training.operators import Operation, Operator, OperatorList, Section


@dataclass(frozen=True)
class Size:
    """A number that grows with the samples b of a batch, and with the bytes e of an element.

    Attributes
    ----------
    fixed, batch, element, both : float
        Its value is ``fixed + batch b + element e + both b e``.

    Examples
    --------
    >>> Size(1, 2, 3, 4).of(10, 100)
    4321.0
    """

    fixed: float = 0.0
    batch: float = 0.0
    element: float = 0.0
    both: float = 0.0

    def of(self, samples: int, element: int) -> float:
        """Return its value for so many samples, and so many bytes of an element."""
        return float(self.fixed + self.batch * samples + (self.element + self.both * samples) * element)


@dataclass(frozen=True)
class CapturedOperator:
    """An operator of a module, for any batch.

    Attributes
    ----------
    path, kernel, operation
        As of `simcore.models.training.operators.Operator`.
    shape : mapping of str to Size
        The kernel's sizes.
    work : Size
        What a constant rate counts [FLOP].
    weights, vectors : float
        Parameters that it owns: matrices and tables, and biases and scales.
    saved, output : Size
        Activations that its backward pass needs and nothing before it has saved, and that it hands on [B].
    input_gradient : bool
        Whether its input has a gradient.
    """

    path: str
    kernel: str
    operation: Operation
    shape: Mapping[str, Size]
    work: Size = Size()
    weights: float = 0.0
    vectors: float = 0.0
    saved: Size = Size()
    output: Size = Size()
    input_gradient: bool = True

    def made(self, samples: int, element: int) -> Operator:
        """Return the operator of a batch."""
        shape = tuple((name, math.ceil(size.of(samples, element))) for name, size in self.shape.items())
        return Operator(
            self.kernel, shape, self.work.of(samples, element), path=self.path, operation=self.operation,
            weights=element * self.weights, vectors=element * self.vectors, saved=self.saved.of(samples, element),
            output=self.output.of(samples, element), input_gradient=self.input_gradient,
            vectors_held=2 if self.operation is Operation.NORM else 1,
        )  # fmt: skip


@dataclass(frozen=True)
class CapturedSection:
    """Operators that a module has several times in a row.

    Attributes
    ----------
    operators : tuple of CapturedOperator
        Those of one repetition, with paths inside it.
    path, count, start
        As of `simcore.models.training.operators.Section`.
    input : Size
        What a repetition reads [B].
    """

    operators: tuple[CapturedOperator, ...]
    path: str = ""
    count: int = 1
    start: int = 0
    input: Size = Size()


@dataclass(frozen=True)
class CapturedModel:
    """A captured module.

    Attributes
    ----------
    name : str
        Of the class or function that builds it.
    sections : tuple of CapturedSection
        Its operators in order.
    source : str
        Where it was captured.
    """

    name: str
    sections: tuple[CapturedSection, ...]
    source: str = ""

    @property
    def blocks(self) -> int:
        """Repetitions that have numbers."""
        return sum(one.count for one in self.sections if one.path)

    @property
    def cut(self) -> bool:
        """Whether tensor parallelism cuts any operator: none says how."""
        return False


def captured_operators(model: CapturedModel, batch: Batch, tp: int = 1) -> OperatorList:
    """Return the operators of a captured module on one NPU, with Adam's update of all weights.

    Raises
    ------
    InputError
        If TP is not 1.

    Examples
    --------
    >>> copy = CapturedOperator("norm", "copy", Operation.ELEMENTWISE, {"bytes": Size(both=16)}, vectors=4)
    >>> listed = captured_operators(CapturedModel("toy", (CapturedSection((copy,)),)), Batch(1, 8, element=2))
    >>> [one.shape for one in listed][-1], listed.parameters
    ((('bytes', 256),), 8.0)
    """
    if tp != 1:
        remedy = f"Leave {field('tp')} out, or give 1."
        raise InputError(f"workload '{model.name}', TP", str(tp), "1, as its operators are not cut", remedy)
    sections = tuple(_sections(model, batch))
    return OperatorList((update_of(sections, batch.element), *sections))


def _sections(model: CapturedModel, batch: Batch) -> Iterator[Section]:
    samples, element = batch.sequences, batch.element
    for one in model.sections:
        operators = tuple(each.made(samples, element) for each in one.operators)
        read = one.input.of(samples, element) if one.path else None
        yield Section(one.path, operators, one.count, one.start, input=read)
