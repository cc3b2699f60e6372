"""What both versions of ASTRA-sim have in common: whole bytes and whole nanoseconds, and links that nobody shares.

Messages sent at once use a link at its full bandwidth each, and several chunks in flight multiply it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import ClassVar

from simcore.models.network.algorithms import Algorithm, PhaseCost, Step, steps
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions.base import Convention
from simcore.models.network.distances import exchange, farthest, neighbours
from simcore.models.network.topology import Block, Dimension, peer_bandwidth

NANOSECOND = 1e-9


@dataclass(frozen=True)
class WholeNanoseconds(Convention):
    """A program that counts whole nanoseconds and bytes: each message truncated, no two messages share a link.

    Attributes
    ----------
    memory : int
        Rate of local memory in a reduction [B/ns].
    per_step, per_phase : int
        What is added to each step and to each phase [ns].
    ring_directions : int
        Over how many directions of a ring the bandwidth of an NPU is divided: a message uses one.
    """

    shares_links: ClassVar[bool] = False
    whole_bytes: ClassVar[bool] = True
    first_come: ClassVar[bool] = True
    mirrors_gathers: ClassVar[bool] = True
    memory: ClassVar[int]
    per_step: ClassVar[int]
    per_phase: ClassVar[int]
    ring_directions: ClassVar[int]

    def phase_cost(
        self,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        operation: Collective,
        group: int,
        size: float,
        members: Sequence[int] | None = None,
    ) -> PhaseCost:
        """Return the cost of one phase of a chunk, see `Convention.phase_cost`."""
        rate, latency = self.link_bandwidth(dimension, bandwidth), link_latency(dimension)
        total, sent = self.per_phase, 0
        for step, message, reduced in messages(algorithm, operation, group, int(size)):
            hops = _hops(dimension, algorithm, step, range(group) if members is None else members)
            times = [floor(each * latency + message / rate) for each in hops]
            total += _longest(times, step.times) + step.times * (self.per_step + self.reduction(reduced))
            sent += step.times * step.peers * message
        return PhaseCost(total * NANOSECOND, 0.0, float(sent))

    def byte_costs(
        self,
        dimension: Dimension,
        bandwidth: float,
        algorithm: Algorithm,
        operation: Collective,
        group: int,
        size: float,
        members: Sequence[int] | None = None,
    ) -> list[PhaseCost]:
        """Return the line through the costs of no bytes and of `size`, see `Convention.byte_costs`."""
        least, most = (
            self.phase_cost(dimension, bandwidth, algorithm, operation, group, each, members) for each in (0.0, size)
        )
        return [PhaseCost((most.work - least.work) / size, least.work, most.sent / size)]

    def link_bandwidth(self, dimension: Dimension, bandwidth: float) -> float:
        """Return what one message sees of the bandwidth of one NPU [B/ns]."""
        per_nanosecond = bandwidth / 1e9
        if dimension.block is Block.FULLY_CONNECTED:
            return peer_bandwidth(dimension, per_nanosecond)
        return per_nanosecond / self.ring_directions if dimension.block is Block.RING else per_nanosecond

    def reduction(self, size: int) -> int:
        """Return how long the reduction of so many bytes takes [ns]: two operands read and one written."""
        return 3 * (size // self.memory)

    def bytes(self, size: float) -> float:
        """Return the whole bytes."""
        return int(size)

    def share(self, size: float, parts: int) -> float:
        """Return one of so many parts, rounded down."""
        return size // parts

    def cut(self, size: float, chunks: int) -> Sequence[float]:
        """Return chunks of ``floor(size / chunks)`` whole bytes; what is left becomes further chunks.

        Examples
        --------
        >>> from simcore.models.network.conventions import ASTRA_SIM
        >>> ASTRA_SIM.cut(10, 4)
        [2, 2, 2, 2, 2]
        """
        chunk = max(1, int(size) // chunks)
        count, rest = divmod(int(size), chunk)
        return [chunk] * count + ([rest] if rest else [])

    def after(self, start: float, duration: float) -> float:
        """Return ``start + duration`` on the grid of whole nanoseconds [s]."""
        return (round(start * 1e9) + round(duration * 1e9)) / 1e9

    def serve(self, now: float, links_free: float, cost: PhaseCost) -> tuple[float, float, float]:
        """Let a phase have the links for itself, whoever uses them."""
        return now, (round(now * 1e9) + round(cost.work * 1e9)) / 1e9, links_free


def link_latency(dimension: Dimension) -> float:
    """Return the latency of a link as ASTRA-sim is told it [ns]: 7e-9 s are 7 ns, not a rounding less."""
    return round(dimension.latency / NANOSECOND, 6)


def messages(algorithm: Algorithm, operation: Collective, group: int, size: int) -> list[tuple[Step, int, int]]:
    """Return the steps of a phase, each with the bytes of a message and the bytes that are reduced after it.

    ASTRA-sim reduces when it prepares the next message of the reduce-scatter, and as many bytes as this has. A ring and
    direct messages reduce what they received once more at the end, halving-doubling does not. So it reduces the sum of
    ``s / 2**i`` over i >= 2. In an all-reduce the messages that double start from ``floor(s / 2n)``.

    Parameters
    ----------
    algorithm : Algorithm
        How the group runs the phase.
    operation : Collective
        The phase.
    group : int
        NPUs of the group.
    size : int
        Input of the phase [B].

    Examples
    --------
    >>> halving = messages(Algorithm.HALVING_DOUBLING, Collective.ALL_REDUCE, 4, 1001)
    >>> [(message, reduced) for _, message, reduced in halving]
    [(500, 250), (250, 0), (250, 0), (500, 0)]
    >>> [(message, reduced) for _, message, reduced in messages(Algorithm.RING, Collective.REDUCE_SCATTER, 4, 1001)]
    [(250, 250)]
    """
    listed = steps(algorithm, operation, group)
    halves = group & (group - 1) == 0 and algorithm is Algorithm.HALVING_DOUBLING
    doubles = halves and operation is Collective.ALL_REDUCE
    sizes = [
        size // (2 * group) * (2 * group // step.of) if doubles and not step.reduces else size * step.parts // step.of
        for step in listed
    ]
    reduced = [message if step.reduces else 0 for step, message in zip(listed, sizes, strict=True)]
    if halves and operation is not Collective.ALL_TO_ALL:
        reduced = [*reduced[1:], 0]
    return list(zip(listed, sizes, reduced, strict=True))


def _hops(dimension: Dimension, algorithm: Algorithm, step: Step, members: Sequence[int]) -> list[int]:
    """Return the links that a message of a step crosses: on a ring of NPUs those between neighbours, in turn."""
    if step.peers > 1:
        return [farthest(dimension, members)]
    if algorithm is Algorithm.RING:
        return neighbours(dimension, members)
    return [exchange(dimension, members, step.distance)]


def _longest(times: Sequence[int], count: int) -> int:
    """Return the longest time of so many messages, one after the other, around a ring of links of these times [ns].

    Examples
    --------
    >>> _longest([5], 3), _longest([1, 1, 1, 3], 3)
    (15, 5)
    """
    n, (rounds, rest) = len(times), divmod(count, len(times))
    windows = (sum(times[(start + k) % n] for k in range(rest)) for start in range(n)) if rest else (0,)
    return rounds * sum(times) + max(windows)
