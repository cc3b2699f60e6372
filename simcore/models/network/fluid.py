"""Fluid flows on shared links: each flow goes as fast as its links let it, links are shared max-min fairly.

A flow is what one collective sends in one dimension. It consists of many equal streams that keep step, because each
step of a collective waits for its slowest member. Rates change only when a flow starts or ends, and nothing else costs
events. There is no latency and there are no chunks: this is the limit of many small ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ulp

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from simcore.engine import Alarm, Clock

Array = NDArray[np.float64]

_ROUNDING = 1e-12
"""Flows of which no more than this share is left when another one ends have ended with it: the rest is rounding."""


def max_min(usage: Array, capacity: Array) -> Array:
    """Share links max-min fairly among flows.

    All rates grow together. When a link is full, the flows on it stop growing and the others go on. This is progressive
    filling (Bertsekas and Gallager, Data Networks, section 6.5.2).

    Parameters
    ----------
    usage : ndarray, shape (F, L)
        Streams of each flow on each link; each flow uses at least one.
    capacity : ndarray, shape (L,)
        Of each link [B/s].

    Returns
    -------
    ndarray, shape (F,)
        Rate of one stream of each flow [B/s].

    Examples
    --------
    Two flows share a link of 10; a second link of 3 holds one of them back, and the other takes what is left:

    >>> max_min(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([10.0, 3.0])).tolist()
    [7.0, 3.0]
    """
    rates = np.zeros(len(usage))
    growing = np.ones(len(usage), dtype=bool)
    left = capacity.astype(float)
    while growing.any():
        load = usage[growing].sum(axis=0)
        used = load > 0
        room = np.full(len(left), np.inf)
        room[used] = left[used] / load[used]
        step = room.min()
        rates[growing] += step
        left = np.maximum(left - step * load, 0.0)
        full = used & (room <= step * (1 + 1e-12))
        growing &= ~(usage[:, full] > 0).any(axis=1)
    return rates


@dataclass
class _Flow:
    pattern: int
    size: float  # bytes per stream
    left: float
    done: Event
    rate: float = 0.0

    def ends(self, seconds: float, now: float) -> bool:
        """Say whether it ends in so many seconds, as far as its size and the clock are exact."""
        return self.left <= self.rate * (seconds + 2 * ulp(now)) + self.size * _ROUNDING


@dataclass
class FluidNetwork:
    """Links that flows share.

    Links that every flow pattern uses alike behave alike and are simulated as one: the cost does not grow with the
    network.

    Parameters
    ----------
    clock : Clock
        The simulation's clock.
    capacity : ndarray, shape (L,)
        Capacity of each link [B/s].
    patterns : ndarray, shape (P, L)
        Streams on each link of every kind of flow that there will be.

    Examples
    --------
    Two equal flows on one link take twice as long as one:

    >>> clock = Clock()
    >>> network = FluidNetwork(clock, np.array([10.0]), np.array([[1.0]]))
    >>> flows = [network.start(0, 50.0), network.start(0, 50.0)]
    >>> clock.run()
    >>> [flow.value for flow in flows]
    [10.0, 10.0]
    """

    clock: Clock
    capacity: Array
    patterns: Array
    changes: int = 0
    _flows: list[_Flow] = field(default_factory=list)
    _since: float = 0.0

    def __post_init__(self) -> None:
        table = np.vstack([self.patterns, self.capacity])
        folded, self._fold = np.unique(table, axis=1, return_inverse=True)
        self._usage, self._capacity = folded[:-1], folded[-1]
        self._carried = np.zeros(len(self._capacity))
        self._alarm = Alarm(self.clock)

    @property
    def carried(self) -> Array:
        """Bytes that each link has carried so far [B], shape (L,)."""
        self._advance()
        return np.asarray(self._carried[self._fold.ravel()])

    def start(self, pattern: int, size: float) -> Event:
        """Start a flow now.

        Parameters
        ----------
        pattern : int
            Row of `patterns`.
        size : float
            Bytes per stream [B].

        Returns
        -------
        Event
            Fires when the last byte has arrived, with the time [s] as its value.
        """
        done = self.clock.event()
        if size <= 0 or not self._usage[pattern].any():
            done.succeed(self.clock.now)
            return done
        self._advance()
        self._flows.append(_Flow(pattern, size, size, done))
        self._share()
        return done

    def _advance(self) -> None:
        """Move all flows on to the present."""
        elapsed = self.clock.now - self._since
        self._since = self.clock.now
        if elapsed > 0:
            for flow in self._flows:
                flow.left -= flow.rate * elapsed
                self._carried += self._usage[flow.pattern] * (flow.rate * elapsed)

    def _share(self) -> None:
        """Give all flows new rates, and wake up when the first of them ends."""
        self.changes += 1
        if not self._flows:
            return
        rates = max_min(self._usage[[flow.pattern for flow in self._flows]], self._capacity)
        for flow, rate in zip(self._flows, rates.tolist(), strict=True):
            flow.rate = rate
        self._alarm.move(self.clock.now + min(max(flow.left, 0.0) / flow.rate for flow in self._flows))
        if not self._alarm.event.callbacks:
            self._alarm.event.callbacks = [self._wake]

    def _wake(self, event: Event) -> None:
        self._advance()
        first, now = max(min(flow.left / flow.rate for flow in self._flows), 0.0), self.clock.now
        ended = [flow for flow in self._flows if flow.ends(first, now)]
        self._flows = [flow for flow in self._flows if not flow.ends(first, now)]
        for flow in ended:
            flow.done.succeed(self.clock.now)
        self._share()
