"""What is known while an exported graph is walked through: views, gradients, parameters, and what is saved."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simcore.models.training.captured import CapturedOperator, Size
from simcore.models.training.operators import Operation

NOTHING = Size()


@dataclass(frozen=True)
class Recorded:
    """An operator with sizes of one batch, and what it reads.

    Attributes
    ----------
    operator : CapturedOperator
        Its sizes are those of the example: they grow with no batch yet.
    read : Size
        Its first input [B].
    """

    operator: CapturedOperator
    read: Size


@dataclass
class Records:
    """Operators of a graph in order.

    Attributes
    ----------
    parameters : mapping of str to str
        Names of parameters by node of the graph.
    frozen : frozenset of str
        Those without a gradient.
    """

    parameters: Mapping[str, str]
    frozen: frozenset[str] = frozenset()
    made: list[Recorded] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    _base: dict[Any, Any] = field(default_factory=dict)
    _with_gradient: set[Any] = field(default_factory=set)
    _kept: set[Any] = field(default_factory=set)
    _owned: set[str] = field(default_factory=set)
    _paths: set[str] = field(default_factory=set)

    def given(self, node: Any) -> None:
        """Take an input, a parameter or a buffer of the graph."""
        if node.name in self.parameters and self.parameters[node.name] not in self.frozen:
            self._with_gradient.add(node)

    def gradient(self, node: Any) -> bool:
        """Say whether a node has a gradient."""
        return node in self._with_gradient

    def base(self, node: Any) -> Any:
        """Return the node whose memory a node is a view of."""
        while node in self._base:
            node = self._base[node]
        return node

    def parameter(self, node: Any) -> str | None:
        """Return the name of the parameter that a node is, or is a view of."""
        return self.parameters.get(self.base(node).name)

    def view(self, node: Any, of: Any) -> None:
        """Take a node that is a view of another."""
        self._base[node] = of
        if self.gradient(of) and is_float(node):
            self._with_gradient.add(node)

    def save(self, *nodes: Any) -> Size:
        """Return the bytes that are saved of some nodes, none of what is saved already, or a parameter."""
        total = NOTHING
        for node in map(self.base, nodes):
            if node.name not in self.parameters and node not in self._kept:
                self._kept.add(node)
                total = plus(total, size_of(node))
        return total

    def own(self, *nodes: Any) -> float:
        """Return the elements of parameters that no operator before owns."""
        total = 0.0
        for node in nodes:
            name = None if node is None else self.parameter(node)
            if name is not None and name not in self._owned:
                self._owned.add(name)
                total += elements(self.base(node))
        return total

    def left(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return the parameters that no operator owns, with their elements."""
        return {name: count for name, count in sizes.items() if name not in self._owned}

    def viewed(self, node: Any, moved: Size) -> None:
        """Add the copy of a part's gradient into that of the whole; going forward the part is a view."""
        copy = CapturedOperator(self.path(node), "copy", Operation.SPLIT, {"bytes": moved})
        self.made.append(Recorded(copy, moved))

    def add(
        self, node: Any, kernel: str, operation: Operation, shape: Mapping[str, float | Size], inputs: Sequence[Any], *,
        work: float = 0.0, weights: float = 0.0, vectors: float = 0.0, saved: Size = NOTHING,
    ) -> None:  # fmt: skip
        """Add an operator; one that no gradient passes through runs forward alone."""
        if any(map(self.gradient, inputs)) and is_float(node):
            self._with_gradient.add(node)
        else:
            operation, saved = Operation.SUM, NOTHING
        weights += self.own(*inputs)  # what its maker does not tell apart, such as a table that is indexed
        activations = [one for one in inputs if self.parameter(one) is None]
        sizes = {name: size if isinstance(size, Size) else Size(size) for name, size in shape.items()}
        operator = CapturedOperator(
            self.path(node), kernel, operation, sizes, Size(work), weights, vectors, saved, size_of(node),
            any(map(self.gradient, activations)),
        )  # fmt: skip
        self.made.append(Recorded(operator, size_of(activations[0]) if activations else NOTHING))

    def path(self, node: Any) -> str:
        """Return a module path for a node, which no other one has."""
        stack = list((node.meta.get("nn_module_stack") or {"": ("", None)}).values())
        module, name = stack[-1][0], name_of(node)
        whole = first = f"{module}.{name}" if module else name
        number = 2
        while whole in self._paths:
            whole, number = f"{first}_{number}", number + 1
        self._paths.add(whole)
        return whole

    def idle(self, sizes: Mapping[str, int]) -> None:
        """Add parameters that no operator uses, which take no time."""
        for name, count in self.left(sizes).items():
            idle = CapturedOperator(
                f"{name}.unused", "copy", Operation.SPLIT, {"bytes": Size(1)}, vectors=count, input_gradient=False
            )
            self.made.append(Recorded(idle, NOTHING))


def name_of(node: Any) -> str:
    """Return the name of an operator of torch, such as ``linear``."""
    schema = getattr(node.target, "_schema", None)
    return str(schema.name).removeprefix("aten::") if schema is not None else str(getattr(node.target, "__name__", ""))


def shape_of(node: Any) -> tuple[int, ...]:
    """Return the sizes of a tensor."""
    return tuple(int(size) for size in node.meta["val"].shape)


def is_tensor(node: Any) -> bool:
    """Say whether something of a graph is a node with one tensor."""
    return hasattr(getattr(node, "meta", {}).get("val") if hasattr(node, "meta") else None, "shape")


def is_float(node: Any) -> bool:
    """Say whether a node holds real numbers; of several tensors, whether the first does."""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, list | tuple) and value else value
    return bool(hasattr(value, "dtype") and value.dtype.is_floating_point)


def elements(node: Any) -> int:
    """Return the numbers of a tensor, or of several."""
    value = node.meta["val"]
    each = value if isinstance(value, list | tuple) else [value]
    return sum(math.prod(int(size) for size in one.shape) for one in each if hasattr(one, "shape"))


def size_of(node: Any) -> Size:
    """Return the bytes of a tensor: real numbers have as many as the model's elements, others their own."""
    if is_float(node):
        return Size(element=elements(node))
    value = node.meta.get("val")
    return Size(elements(node) * value.itemsize) if hasattr(value, "itemsize") else NOTHING


def plus(*sizes: Size) -> Size:
    """Return a sum of sizes."""
    names = ("fixed", "batch", "element", "both")
    return Size(*(math.fsum(getattr(one, name) for one in sizes) for name in names))


def tensors(arguments: Iterable[Any]) -> list[Any]:
    """Return the nodes with tensors among arguments, those in lists too."""
    found: list[Any] = []
    for one in arguments:
        if isinstance(one, list | tuple):
            found += tensors(one)
        elif is_tensor(one):
            found.append(one)
    return found
