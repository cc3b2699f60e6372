"""Where the NPUs of a parallel group sit: how many of a group lie along each dimension, and how far apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import prod

from simcore.errors import InputError, field
from simcore.models.network.topology import Topology

DEGREES = f"{field('tp')}, {field('dp')}"
"""What gives the degrees of parallelism, for messages."""


class Axis(StrEnum):
    """What communication is for: the group that a collective runs in, or transfers between pipeline stages.

    An expert-parallel group is a part of a data-parallel one: the NPUs that hold different experts of a layer. The
    expert-data-parallel group is what holds the same experts: their gradients are summed in it. A context-parallel
    group is a part of a data-parallel one too: the NPUs that share sequences, which hold the same weights.
    """

    TENSOR = "tensor-parallel"
    DATA = "data-parallel"
    EXPERT = "expert-parallel"
    EXPERT_DATA = "expert-data-parallel"
    CONTEXT = "context-parallel"
    ALL = "all-NPU"
    PIPELINE = "pipeline"


@dataclass(frozen=True)
class Groups:
    """Sizes of the parallel groups along each dimension.

    Attributes
    ----------
    tp, dp : tuple of int
        NPUs of one tensor- and of one data-parallel group along each dimension, innermost first; 1 where the group does
        not use it.
    ep : tuple of int
        NPUs of one expert-parallel group, a part of `dp` along each dimension; empty for 1 everywhere.
    grid : tuple of int
        NPUs along each dimension that have a place; empty for ``tp x dp``, which groups without an NPU in common take.
    cp : tuple of int
        NPUs of one context-parallel group, a part of `dp` along each dimension; empty for 1 everywhere.
    """

    tp: tuple[int, ...]
    dp: tuple[int, ...]
    ep: tuple[int, ...] = ()
    grid: tuple[int, ...] = ()
    cp: tuple[int, ...] = ()

    @property
    def npus(self) -> tuple[int, ...]:
        """NPUs along each dimension that have a place."""
        return self.grid or tuple(tp * dp for tp, dp in zip(self.tp, self.dp, strict=True))

    def along(self, axis: Axis) -> tuple[tuple[int, int], ...]:
        """Return the size of a group along each dimension, and the step from one of its NPUs to the next.

        Tensor-parallel groups are neighbours, and data-parallel groups stride over them. Expert-parallel and
        context-parallel groups are the inner part of the data-parallel ones. Where both are the whole dimension, both
        are of neighbours.

        Examples
        --------
        >>> groups = Groups((2,), (8,), ep=(4,))
        >>> groups.along(Axis.DATA), groups.along(Axis.EXPERT), groups.along(Axis.EXPERT_DATA), groups.along(Axis.ALL)
        (((8, 2),), ((4, 2),), ((2, 8),), ((16, 1),))
        """
        expert, context = (part or (1,) * len(self.tp) for part in (self.ep, self.cp))
        steps = [tp if tp * dp <= n else 1 for tp, dp, n in zip(self.tp, self.dp, self.npus, strict=True)]
        return {
            Axis.TENSOR: tuple((tp, 1) for tp in self.tp),
            Axis.DATA: tuple(zip(self.dp, steps, strict=True)),
            Axis.EXPERT: tuple(zip(expert, steps, strict=True)),
            Axis.EXPERT_DATA: tuple((dp // ep, step * ep) for dp, ep, step in zip(self.dp, expert, steps, strict=True)),
            Axis.CONTEXT: tuple(zip(context, steps, strict=True)),
            Axis.ALL: tuple((n, 1) for n in self.npus),
        }[axis]

    def sizes(self, axis: Axis) -> tuple[int, ...]:
        """Return the NPUs of one group along each dimension, innermost first.

        Examples
        --------
        >>> Groups((2, 1), (1, 8)).sizes(Axis.DATA)
        (1, 8)
        """
        return tuple(size for size, _ in self.along(axis))

    def degree(self, axis: Axis) -> int:
        """Return the NPUs of one group."""
        return prod(self.sizes(axis))

    def positions(self, axis: Axis) -> tuple[range, ...]:
        """Return where the first group sits along each dimension.

        Examples
        --------
        >>> Groups((2,), (4,)).positions(Axis.TENSOR), Groups((2,), (4,)).positions(Axis.DATA)
        ((range(0, 2),), (range(0, 8, 2),))
        """
        return tuple(range(0, size * step, step) for size, step in self.along(axis))

    def divide(self, axis: Axis, dimension: int, npus: int) -> list[range]:
        """Return all groups along one dimension (from 0), as positions among its first `npus` NPUs.

        Examples
        --------
        >>> Groups((2,), (2,)).divide(Axis.DATA, 0, 4)
        [range(0, 4, 2), range(1, 4, 2)]
        """
        size, step = self.along(axis)[dimension]
        starts = range(0, npus, size * step)
        return [range(start + i, start + size * step, step) for start in starts for i in range(step)]


def map_parallelism(topology: Topology, tp: int, dp: int, place: str = DEGREES, *, ep: int = 1, cp: int = 1) -> Groups:
    """Place tensor-parallel groups on the inner dimensions and data-parallel groups on the outer ones.

    A tensor-parallel group fills dimension after dimension from the inside, a data-parallel group from the outside. A
    dimension that both reach is split between them, and each still sees its whole bandwidth. An expert-parallel group
    fills what its data-parallel group has, from the inside.

    Parameters
    ----------
    topology : Topology
        The network.
    tp, dp : int
        Degrees of tensor and data parallelism.
    place : str
        What gave the degrees, for messages.
    ep, cp : int
        Degrees of expert and of context parallelism, divisors of `dp`.

    Raises
    ------
    InputError
        If TP x DP is not the number of NPUs, or a group does not fill a dimension in equal parts.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension, Topology
    >>> pod = Topology("pod", (Dimension(Block.RING, 8), Dimension(Block.SWITCH, 128)))
    >>> map_parallelism(pod, 16, 64)
    Groups(tp=(8, 2), dp=(1, 64), ep=(), grid=(), cp=())
    """
    sizes = [dimension.size for dimension in topology.dimensions]
    shape = " x ".join(str(size) for size in sizes)
    if tp < 1 or dp < 1:
        raise InputError(place, f"TP {tp} and DP {dp}", "degrees of at least 1")
    if tp * dp != topology.npus:
        remedy = ""
        if topology.npus % tp == 0:
            remedy = f"With TP {tp}, DP must be {topology.npus // tp}."
        elif topology.npus % dp == 0:
            remedy = f"With DP {dp}, TP must be {topology.npus // dp}."
        else:
            remedy = "Choose degrees that divide it, or leave one of them out."
        raise InputError(
            place,
            f"TP {tp} x DP {dp} = {tp * dp} NPUs",
            f"a product of {topology.npus}, the NPUs of network {topology.name} ({shape})",
            remedy,
        )
    inner = _fill(sizes, tp, "TP", topology.name, place)
    outer = _fill(sizes[::-1], dp, "DP", topology.name, place)[::-1]
    groups = Groups(tuple(inner), tuple(outer))
    for name, degree in (("ep", ep), ("cp", cp)):
        if degree < 1 or dp % degree:
            remedy = f"{_PARTS[name]} groups are parts of the data-parallel ones."
            raise InputError(place, f"{name.upper()} {degree} beside DP {dp}", "a divisor of DP", remedy)
        if degree > 1:
            part = tuple(_fill(outer, degree, name.upper(), topology.name, place))
            groups = replace(groups, ep=part) if name == "ep" else replace(groups, cp=part)
    return groups


_PARTS = {"ep": "Expert-parallel", "cp": "Context-parallel"}


def map_stages(topology: Topology, stages: int, place: str = field("stages")) -> tuple[tuple[int, ...], Topology]:
    """Place pipeline stages on the outermost dimensions.

    Parameters
    ----------
    topology : Topology
        The network.
    stages : int
        Pipeline stages.
    place : str
        What gave their number, for messages.

    Returns
    -------
    sizes : tuple of int
        Stages along each dimension, innermost first.
    part : Topology
        What one stage has of the network, for `map_parallelism`.

    Raises
    ------
    InputError
        If the stages do not fill dimensions in equal parts.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension, Topology
    >>> pod = Topology("pod", (Dimension(Block.RING, 8), Dimension(Block.SWITCH, 128)))
    >>> sizes, part = map_stages(pod, 4)
    >>> sizes, part.npus
    ((1, 4), 256)
    """
    if stages < 1 or topology.npus % stages:
        raise InputError(place, str(stages), f"a divisor of the {topology.npus} NPUs of network {topology.name}")
    sizes = _fill([dimension.size for dimension in topology.dimensions][::-1], stages, "stages", topology.name, place)
    sizes.reverse()
    if stages == 1:
        return tuple(sizes), topology
    dimensions = (replace(each, size=each.size // here) for each, here in zip(topology.dimensions, sizes, strict=True))
    return tuple(sizes), Topology(f"{topology.name}, one of {stages} stages", tuple(dimensions), topology.source)


def _fill(sizes: list[int], degree: int, name: str, network: str, place: str) -> list[int]:
    """Fill dimensions in the given order until `degree` NPUs are placed."""
    groups, left = [], degree
    for size in sizes:
        here = min(left, size)
        if size % here or left % here:
            raise InputError(
                place,
                f"{name} {degree}, which leaves groups of {left} on a dimension of {size} NPUs of network {network}",
                "a degree that splits each dimension evenly",
                f"Choose a {name} of which each dimension takes a whole divisor.",
            )
        groups.append(here)
        left //= here
    return groups


def check_groups(topology: Topology, groups: Groups, place: str) -> Groups:
    """Return an explicit communicator with the NPUs that it takes; one that does not fit the network is refused.

    An NPU has one place in each group, so that the sizes of both together divide a dimension; but both may be the whole
    dimension, as in a file where F = I = W = all NPUs.

    Raises
    ------
    InputError
        If a vector has another length than the network has dimensions, a group size does not divide its dimension, or
        both groups together do not.
    """
    for name, sizes in ((Axis.TENSOR.value, groups.tp), (Axis.DATA.value, groups.dp)):
        if len(sizes) != len(topology.dimensions):
            raise InputError(
                place,
                f"{len(sizes)} {name} group sizes",
                f"one for each of the {len(topology.dimensions)} dimensions of network {topology.name}",
                "Write 1 for a dimension that the group does not use.",
            )
        for index, (group, dimension) in enumerate(zip(sizes, topology.dimensions, strict=True), 1):
            if group < 1 or dimension.size % group:
                raise InputError(
                    place,
                    f"a {name} group of {group} on dimension {index}",
                    f"a divisor of its {dimension.size} NPUs",
                    "Groups fill a dimension in equal parts; choose another size.",
                )
    grid = []
    for index, (tp, dp, dimension) in enumerate(zip(groups.tp, groups.dp, topology.dimensions, strict=True), 1):
        whole = tp == dp == dimension.size
        if dimension.size % (tp * dp) and not whole:
            raise InputError(
                place,
                f"a tensor-parallel group of {tp} and a data-parallel group of {dp} on dimension {index}",
                f"sizes whose product divides its {dimension.size} NPUs: an NPU has one place in each",
                f"With {tp}, the other may be {dimension.size // tp} at most.",
            )
        grid.append(dimension.size if whole else tp * dp)
    disjoint = all(tp * dp == n for tp, dp, n in zip(groups.tp, groups.dp, grid, strict=True))
    return groups if disjoint else replace(groups, grid=tuple(grid))
