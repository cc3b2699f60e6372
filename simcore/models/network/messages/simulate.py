"""Messages on shared links: each send waits for those before it, then its bytes share links max-min fairly.

A message of s bytes takes ``latency + s / rate`` where its rate does not change: the first byte crosses all links of
its route, then the others follow. Rates change when a message starts or ends to flow.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.models.network.fluid import max_min
from simcore.models.network.messages.fabric import Fabric
from simcore.models.network.messages.program import Checked
from simcore.progress import counter

Array = NDArray[np.float64]

MOST_CELLS = 40_000_000
"""Pairs of NPUs x links: 320 MB."""
_ROUNDING = 1e-12
"""Messages of which no more than this share is left when another one ends have ended with it: the rest is rounding."""


@dataclass(frozen=True)
class MessagesRun:
    """What became of the sends of a program.

    Attributes
    ----------
    starts, ends : array, shape (S,)
        When each send started and ended [s].
    sizes : array, shape (S,)
        Of each send [B].
    carried : array, shape (L,)
        What each link carried [B].
    critical : tuple of int
        Sends that the end waited for, each because of the one before it.
    changes : int
        How often rates were shared out anew: what the simulation costs.
    """

    starts: Array
    ends: Array
    sizes: Array
    carried: Array
    critical: tuple[int, ...]
    changes: int

    @property
    def time(self) -> float:
        """When the last send ended [s]."""
        return float(self.ends.max(initial=0.0))


def simulate_sends(checked: Checked, fabric: Fabric, chunk: float, members: tuple[int, ...]) -> MessagesRun:
    """Run the sends of a program on a network.

    Parameters
    ----------
    checked : Checked
        The program.
    fabric : Fabric
        The network.
    chunk : float
        Bytes of a chunk [B].
    members : tuple of int
        The network's NPU that each NPU of the program is.

    Raises
    ------
    InputError
        If NPUs are not joined, or there are too many pairs and links.

    Examples
    --------
    >>> from simcore.models.network.collectives import Collective
    >>> from simcore.models.network.messages.program import Program, Send, checked
    >>> from simcore.models.network.messages.shapes import torus
    >>> swap = Program("swap", Collective.ALL_GATHER, 2, 2, (Send(0, 1, (0,)), Send(1, 0, (1,))))
    >>> simulate_sends(checked(swap), torus([2], [False], 1e9, 1e-6), 1e6, (0, 1)).time
    0.001001
    """
    return _Messages(checked, fabric, chunk, members).run()


class _Messages:
    def __init__(self, checked: Checked, fabric: Fabric, chunk: float, members: tuple[int, ...]) -> None:
        sends = checked.program.sends
        self.waits = checked.waits
        self.following: list[list[int]] = [[] for _ in sends]
        for index, before in enumerate(checked.waits):
            for earlier in before:
                self.following[earlier].append(index)
        ends = [(members[send.source], members[send.target]) for send in sends]
        pairs = {pair: number for number, pair in enumerate(dict.fromkeys(ends))}
        if len(pairs) * len(fabric.links) > MOST_CELLS:
            found = f"{len(pairs):,} pairs of NPUs on {len(fabric.links):,} links"
            remedy = "Take a smaller network or group, or a ring."
            raise InputError(f"network {fabric.name}", found, f"{MOST_CELLS:,} in the product at most", remedy)
        self.usage = np.zeros((len(pairs), len(fabric.links)))
        latency = np.zeros(len(pairs))
        for pair, number in pairs.items():
            route = fabric.route(*pair)
            latency[number] = route.latency
            for link, share in route.shares.items():
                self.usage[number, link] = share
        self.pair = np.array([pairs[each] for each in ends], dtype=np.intp)
        self.latency = latency[self.pair]
        self.capacity = np.array([link.bandwidth for link in fabric.links])
        self.sizes = np.array([chunk * len(send.chunks) for send in sends])
        self.starts, self.ends = np.full(len(sends), np.nan), np.full(len(sends), np.nan)
        self.because: list[int | None] = [None] * len(sends)
        self.changes = 0

    def run(self) -> MessagesRun:
        count = counter("messages", len(self.sizes))
        missing = [len(before) for before in self.waits]
        waiting: list[tuple[float, int]] = []  # sends whose first byte is under way, by when it arrives
        flowing, left, rates = np.empty(0, dtype=np.intp), np.empty(0), np.empty(0)
        now = 0.0
        begin = [index for index, number in enumerate(missing) if not number]
        while begin or waiting or len(flowing):
            for index in begin:
                self.starts[index] = now
                heapq.heappush(waiting, (now + float(self.latency[index]), index))
            begin = []
            ends = left / rates + now
            following = min(float(ends.min(initial=np.inf)), waiting[0][0] if waiting else np.inf)
            left = left - rates * (following - now)
            now = following
            arrived = []
            while waiting and waiting[0][0] <= now:
                arrived.append(heapq.heappop(waiting)[1])
            done = (ends <= now) | (
                left <= self.sizes[flowing] * _ROUNDING
            )  # what the clock cannot tell from now is over
            ended = [*flowing[done].tolist(), *(index for index in arrived if self.sizes[index] == 0)]
            flows = [index for index in arrived if self.sizes[index] > 0]
            flowing = np.concatenate([flowing[~done], np.array(flows, dtype=np.intp)])
            left = np.concatenate([left[~done], self.sizes[flows]])
            for index in sorted(ended):
                self.ends[index] = now
                if count is not None:
                    count()
                for later in self.following[index]:
                    missing[later] -= 1
                    if not missing[later]:
                        self.because[later] = index
                        begin.append(later)
            if len(flowing) and (len(ended) or flows):
                self.changes += 1
                rates = max_min(self.usage[self.pair[flowing]], self.capacity)
            elif not len(flowing):
                rates = np.empty(0)
        carried = np.zeros(len(self.capacity))
        amounts = np.bincount(self.pair, weights=self.sizes, minlength=len(self.usage))
        carried += amounts @ self.usage
        return MessagesRun(self.starts, self.ends, self.sizes, carried, self._critical(), self.changes)

    def _critical(self) -> tuple[int, ...]:
        chain = []
        at: int | None = int(np.argmax(self.ends)) if len(self.ends) else None
        while at is not None:
            chain.append(at)
            at = self.because[at]
        return tuple(chain[::-1])
