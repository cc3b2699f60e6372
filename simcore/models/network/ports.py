"""Ports that levels of a network share, and the way of a message through such levels.

A fat tree of two levels has one NIC per NPU below both. Bytes to NPUs at the same leaf switch and bytes to others leave
through it, one after the other. Let ``v_d`` be what one NPU sends into dimension d, ``b_d`` its bandwidth there, and B
the bandwidth of a port. With many chunks in flight a collective takes

    max( max_d v_d / b_d, max_port sum_(d behind it) v_d / B )

Without oversubscription ``b_d = B``, so that the port is full and the levels are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from simcore.models.network.topology import Port, Topology


def ports(topology: Topology) -> dict[Port, tuple[int, ...]]:
    """Return the shared ports of a network, each with the dimensions behind it (from 0).

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> nic = Port("nic", 50e9)
    >>> tree = Topology("tree", (Dimension(Block.SWITCH, 8), *[Dimension(Block.SWITCH, 16, port=nic)] * 2))
    >>> ports(tree)
    {Port(name='nic', bandwidth=50000000000.0): (1, 2)}
    """
    behind: dict[Port, tuple[int, ...]] = {}
    for index, dimension in enumerate(topology.dimensions):
        if dimension.port is not None:
            behind[dimension.port] = (*behind.get(dimension.port, ()), index)
    return behind


def through_ports(topology: Topology, volumes: Sequence[float]) -> tuple[float, ...]:
    """Return how long bytes take through each shared port [s], in the order of `ports`.

    Parameters
    ----------
    topology : Topology
        The network.
    volumes : sequence of float
        Bytes that one NPU sends into each dimension [B].

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> tree = Topology("tree", (Dimension(Block.SWITCH, 16, port=Port("nic", 50e9)),) * 2)
    >>> through_ports(tree, [30e9, 2e9])
    (0.64,)
    """
    return tuple(sum(volumes[d] for d in behind) / port.bandwidth for port, behind in ports(topology).items())


def send_rate(topology: Topology, bandwidths: Sequence[float]) -> float:
    """Return what one NPU sends at most over all dimensions together [B/s]: those behind a port no more than it.

    Parameters
    ----------
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension that is used, 0 into others [B/s].

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> tree = Topology("tree", (Dimension(Block.SWITCH, 16, port=Port("nic", 50e9)),) * 2)
    >>> send_rate(tree, [50e9, 12.5e9]), send_rate(tree, [0.0, 12.5e9])
    (50000000000.0, 12500000000.0)
    """
    alone = sum(b for b, each in zip(bandwidths, topology.dimensions, strict=True) if each.port is None)
    shared = (min(port.bandwidth, sum(bandwidths[d] for d in behind)) for port, behind in ports(topology).items())
    return alone + sum(shared)


def exchanged(topology: Topology, groups: Sequence[int]) -> tuple[float, ...]:
    """Return the part of an all-to-all's buffer that is exchanged along each dimension.

    An NPU sends a message to another place in an outer dimension over that one alone, where it is behind the same port
    or joins all places of the inner ones. Then only the part for its own place there crosses the inner dimension. On
    rails everything does.

    Parameters
    ----------
    topology : Topology
        The network.
    groups : sequence of int
        NPUs of the group along each dimension.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> tree = Topology("tree", (Dimension(Block.SWITCH, 4, port=Port("nic", 50e9)),) * 2)
    >>> exchanged(tree, [4, 4]), exchanged(Topology("rails", (Dimension(Block.SWITCH, 4),) * 2), [4, 4])
    ((0.25, 1.0), (1.0, 1.0))
    """
    parts = []
    for inner in range(len(groups)):
        direct = (groups[outer] for outer in range(inner + 1, len(groups)) if is_direct(topology, inner, outer))
        parts.append(1.0 / prod(direct))
    return tuple(parts)


def is_direct(topology: Topology, inner: int, outer: int) -> bool:
    """Say whether a message to other places in two dimensions (from 0) crosses the outer one alone."""
    here, there = topology.dimensions[inner], topology.dimensions[outer]
    return not there.rails or (here.port is not None and here.port == there.port)


def widened(
    topology: Topology, bandwidths: Sequence[float], dimensions: Sequence[int], factor: float
) -> tuple[Topology, tuple[float, ...]]:
    """Return a network with more bandwidth in some dimensions, and in all behind the ports that these share.

    Parameters
    ----------
    topology : Topology
        The network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s].
    dimensions : sequence of int
        Which are widened, from 0.
    factor : float
        By how much.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> tree = Topology("tree", (Dimension(Block.SWITCH, 16, port=Port("nic", 50e9)),) * 2)
    >>> wide, bandwidths = widened(tree, [50e9, 12.5e9], [0], 2)
    >>> bandwidths, wide.dimensions[1].port
    ((100000000000.0, 25000000000.0), Port(name='nic', bandwidth=100000000000.0))
    """
    shared = {topology.dimensions[d].port for d in dimensions} - {None}
    made, wide = [], []
    for index, (each, bandwidth) in enumerate(zip(topology.dimensions, bandwidths, strict=True)):
        port = each.port if each.port in shared else None
        wide.append(bandwidth * factor if index in dimensions or port is not None else bandwidth)
        made.append(each if port is None else replace(each, port=replace(port, bandwidth=port.bandwidth * factor)))
    return replace(topology, dimensions=tuple(made)), tuple(wide)


def is_plain(topology: Topology) -> bool:
    """Say whether no dimension shares a port and all of them are rails: all that other simulators and budgets know."""
    return all(each.port is None and each.rails for each in topology.dimensions)
