"""Where the NPUs of a parallel group sit: how many of a group lie along each dimension."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.errors import InputError, field
from simcore.models.network.topology import Dimension, Topology

DEGREES = f"{field('tp')}, {field('dp')}"
"""What gives the degrees of parallelism, for messages."""


@dataclass(frozen=True)
class Groups:
    """Sizes of the tensor- and data-parallel groups along each dimension.

    Attributes
    ----------
    tp, dp : tuple of int
        NPUs of one group along each dimension, innermost first; 1 where the group does not use it.
    """

    tp: tuple[int, ...]
    dp: tuple[int, ...]

    def positions(self) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """Return where the first tensor-parallel and the first data-parallel group sit along each dimension.

        Tensor-parallel groups are neighbours, data-parallel groups stride over them.

        Examples
        --------
        >>> Groups((2,), (4,)).positions()
        (((0, 1),), ((0, 2, 4, 6),))
        """
        inner = tuple(tuple(range(p)) for p in self.tp)
        return inner, tuple(tuple(range(0, p * step, step)) for p, step in zip(self.dp, self.tp, strict=True))


def map_parallelism(topology: Topology, tp: int, dp: int, place: str = DEGREES) -> Groups:
    """Place tensor-parallel groups on the inner dimensions and data-parallel groups on the outer ones.

    A tensor-parallel group fills dimension after dimension from the inside, a data-parallel group from the outside. A
    dimension that both reach is split between them, and each still sees its whole bandwidth.

    Parameters
    ----------
    topology : Topology
        The network.
    tp, dp : int
        Degrees of tensor and data parallelism.
    place : str
        What gave the degrees, for messages.

    Raises
    ------
    InputError
        If TP x DP is not the number of NPUs, or a group does not fill a dimension in equal parts.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension, Topology
    >>> pod = Topology("pod", (Dimension(Block.RING, 8), Dimension(Block.SWITCH, 128)))
    >>> map_parallelism(pod, 16, 64)
    Groups(tp=(8, 2), dp=(1, 64))
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
    return Groups(tuple(inner), tuple(outer))


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
    dimensions = (
        Dimension(each.block, each.size // here, each.level, each.latency)
        for each, here in zip(topology.dimensions, sizes, strict=True)
    )
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


def check_groups(topology: Topology, groups: Groups, place: str) -> None:
    """Refuse an explicit communicator that does not fit the network.

    Raises
    ------
    InputError
        If a vector has another length than the network has dimensions, a group size does not divide its dimension, or
        both groups together do not.
    """
    for name, sizes in (("tensor-parallel", groups.tp), ("data-parallel", groups.dp)):
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
    for index, (tp, dp, dimension) in enumerate(zip(groups.tp, groups.dp, topology.dimensions, strict=True), 1):
        if dimension.size % (tp * dp):
            raise InputError(
                place,
                f"a tensor-parallel group of {tp} and a data-parallel group of {dp} on dimension {index}",
                f"sizes whose product divides its {dimension.size} NPUs: an NPU has one place in each",
                f"With {tp}, the other may be {dimension.size // tp} at most.",
            )
