"""Transfers between pipeline stages: the route from one to the next, and what it takes of each dimension's links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.network.ports import is_direct
from simcore.models.network.topology import Block, Topology, hops_between, peer_bandwidth


@dataclass(frozen=True, slots=True)
class TransferLeg:
    """The part of a transfer that runs along one dimension.

    Attributes
    ----------
    dimension : int
        From 0.
    size : float
        Bytes of the message [B].
    work : float
        How long it would occupy all links that one NPU has there [s]: what it takes from others that use them.
    duration : float
        How long it occupies the links that it uses itself, which are not all [s].
    latency : float
        How long its last byte is under way after that [s].
    sent : float
        Bytes that cross the links of one NPU [B], what it forwards for others included.
    """

    dimension: int
    size: float
    work: float
    duration: float
    latency: float
    sent: float


def transfer_legs(
    topology: Topology, bandwidths: Sequence[float], stages: Sequence[int], source: int, target: int, size: float
) -> tuple[TransferLeg, ...]:
    """Return the route of a message from an NPU of one stage to its like in another, dimension by dimension.

    Stages fill dimensions from the inside, and all NPUs of a stage send at once. On a ring they send over as many hops
    as lie between the two stages, in the shorter direction, with half of the bandwidth. Where both directions are as
    long they use both, as in `simcore.models.network.graph.streams`. A full mesh has one link, and a switch is crossed.
    Of two levels behind one port, and within levels without rails, only the outer one is crossed.

    Parameters
    ----------
    topology : Topology
        The whole network.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], innermost first.
    stages : sequence of int
        Stages along each dimension.
    source, target : int
        Stages, from 0.
    size : float
        Bytes [B].

    Examples
    --------
    >>> from simcore.models.network.topology import Dimension
    >>> pod = Topology("pod", (Dimension(Block.SWITCH, 8, latency=1e-6),))
    >>> (leg,) = transfer_legs(pod, [50e9], [4], 0, 1, 100e6)
    >>> round((leg.duration + leg.latency) * 1e3, 6)
    2.002
    """
    legs: list[TransferLeg] = []
    for d, (dimension, bandwidth, here) in enumerate(zip(topology.dimensions, bandwidths, stages, strict=True)):
        source, at = divmod(source, here)
        target, there = divmod(target, here)
        if at == there or size <= 0:
            continue
        distance = dimension.size // here * abs(at - there)
        hops = hops_between(dimension.block, distance, dimension.size)
        forwarded = size * hops if dimension.block is Block.RING else size
        rate = {
            Block.RING: bandwidth if 2 * distance == dimension.size else bandwidth / 2,
            Block.FULLY_CONNECTED: peer_bandwidth(dimension, bandwidth),
            Block.SWITCH: bandwidth,
        }[dimension.block]
        latency = hops * dimension.latency
        legs = [leg for leg in legs if not is_direct(topology, leg.dimension, d)]
        legs.append(TransferLeg(d, size, forwarded / bandwidth, forwarded / rate, latency, forwarded))
    return tuple(legs)
