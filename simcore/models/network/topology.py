"""Multi-dimensional networks: Ring, FullyConnected and Switch dimensions, innermost first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod


class Block(StrEnum):
    """The building block of one dimension."""

    RING = "Ring"
    FULLY_CONNECTED = "FullyConnected"
    SWITCH = "Switch"


@dataclass(frozen=True)
class Port:
    """A port of one NPU that several dimensions share, such as the NIC below all levels of a fat tree.

    Attributes
    ----------
    name : str
        By which the dimensions behind it name it.
    bandwidth : float
        Of one NPU through it, in one direction [B/s].
    """

    name: str
    bandwidth: float


@dataclass(frozen=True)
class Dimension:
    """One dimension of a network.

    Attributes
    ----------
    block : Block
        How its NPUs are wired.
    size : int
        NPUs along it.
    level : str
        Cost class: ``Tile``, ``Package``, ``Node``, ``Pod``.
    latency : float
        Link latency [s].
    port : Port or None
        What its links share with other dimensions; None where they have a port to themselves.
    rails : bool
        Whether it joins NPUs of the same place in the inner dimensions alone, as a switch for GPU i of each node does.
        Otherwise a message over it goes to any place there.
    """

    block: Block
    size: int
    level: str = ""
    latency: float = 0.0
    port: Port | None = None
    rails: bool = True


@dataclass(frozen=True)
class Topology:
    """A network of dimensions, innermost first.

    Attributes
    ----------
    name : str
        For example ``4D``.
    dimensions : tuple of Dimension
        Innermost first.
    source : str
        Where it is described.
    """

    name: str
    dimensions: tuple[Dimension, ...]
    source: str = ""

    @property
    def npus(self) -> int:
        """Number of NPUs."""
        return prod(dimension.size for dimension in self.dimensions)


def coordinates(topology: Topology, npu: int) -> tuple[int, ...]:
    """Return where an NPU sits along each dimension; neighbours in number are neighbours in the inner dimension.

    Examples
    --------
    >>> coordinates(Topology("2x8", (Dimension(Block.RING, 2), Dimension(Block.SWITCH, 8))), 5)
    (1, 2)
    """
    place = []
    for dimension in topology.dimensions:
        npu, here = divmod(npu, dimension.size)
        place.append(here)
    return tuple(place)


def hops_between(block: Block, distance: int, n: int) -> int:
    """Return the links on the shortest route between two NPUs `distance` apart along a dimension of n NPUs.

    The shorter direction around a Ring, one link of a FullyConnected mesh, the two links to and from a Switch.

    Examples
    --------
    >>> [hops_between(Block.RING, distance, 8) for distance in range(8)]
    [0, 1, 2, 3, 4, 3, 2, 1]
    """
    if block is Block.RING:
        return min(distance % n, -distance % n)
    return (2 if block is Block.SWITCH else 1) if distance else 0


def ring_crossings(n: int) -> int:
    """Return the links that the messages of one NPU to all others occupy on a ring: ``sum_i min(i, n - i)``.

    Examples
    --------
    >>> ring_crossings(8), sum(min(i, 8 - i) for i in range(8))
    (16, 16)
    """
    return n * n // 4


def peer_bandwidth(dimension: Dimension, bandwidth: float) -> float:
    """Return what one NPU has towards one peer of a fully connected dimension: ``b / (n - 1)``, n the whole dimension.

    Parameters
    ----------
    dimension : Dimension
        The dimension.
    bandwidth : float
        Bandwidth of one NPU into it, in any unit.
    """
    return bandwidth / (dimension.size - 1)


def hops(topology: Topology, source: int, target: int) -> int:
    """Return the links on a shortest path between two NPUs."""
    pairs = zip(coordinates(topology, source), coordinates(topology, target), strict=True)
    return sum(
        hops_between(dimension.block, abs(a - b), dimension.size)
        for dimension, (a, b) in zip(topology.dimensions, pairs, strict=True)
    )


def diameter(topology: Topology) -> int:
    """Return the links on the longest of all shortest paths.

    Examples
    --------
    >>> diameter(Topology("8x128", (Dimension(Block.RING, 8), Dimension(Block.SWITCH, 128))))
    6
    """
    return sum(hops_between(each.block, each.size // 2, each.size) for each in topology.dimensions)


def bisection_bandwidth(topology: Topology, bandwidths: Sequence[float]) -> float:
    """Return the least bandwidth between two halves of the network that a cut across one dimension leaves [B/s].

    One NPU has ``b_d`` into dimension d. In a Ring these are two links of b / 2, in a FullyConnected mesh n - 1 links
    of b / (n - 1), and at a Switch one link of b. Odd dimensions are cut as evenly as possible. One direction counts.

    Parameters
    ----------
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.

    Examples
    --------
    >>> bisection_bandwidth(Topology("ring", (Dimension(Block.RING, 8),)), [100e9])
    100000000000.0
    >>> bisection_bandwidth(Topology("switch", (Dimension(Block.SWITCH, 8),)), [100e9])
    400000000000.0
    """
    cuts = []
    for dimension, bandwidth in zip(topology.dimensions, bandwidths, strict=True):
        n = dimension.size
        if n == 1:
            continue
        small, large = n // 2, n - n // 2
        across = {
            Block.RING: bandwidth,
            Block.FULLY_CONNECTED: small * large * peer_bandwidth(dimension, bandwidth),
            Block.SWITCH: small * bandwidth,
        }[dimension.block]
        cuts.append(topology.npus // n * across)
    return min(cuts, default=0.0)
