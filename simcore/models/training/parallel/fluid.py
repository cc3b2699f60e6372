"""Collectives as fluids: what has passed one dimension goes on to the next one at once.

It is what chunks come to that are ever smaller. A dimension serves collectives in the order in which they were issued,
and those that have not reached it let later ones go ahead. Collectives that compute waits for go first: they leave a
share of each dimension free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

NONE_LEFT = 1e-12
"""Shares of a collective, or of a dimension, that count as none."""


class Window(NamedTuple):
    """A part of a turn.

    Attributes
    ----------
    seconds : float
        How long it takes [s].
    free : tuple of float
        The share of each dimension that it leaves free.
    """

    seconds: float
    free: tuple[float, ...]


class Leg(NamedTuple):
    """A part of a collective in one dimension.

    Attributes
    ----------
    dimension : int
        Which one.
    seconds : float
        For how long it takes that [s].
    """

    dimension: int
    seconds: float


class Flow:
    """A collective under way.

    Parameters
    ----------
    legs : sequence of Leg
        The way that its bytes take.
    """

    __slots__ = ("at", "left", "legs")

    def __init__(self, legs: Sequence[Leg]) -> None:
        self.legs = [leg for leg in legs if leg.seconds > 0]
        self.left = [1.0] * len(self.legs)  # the share that has not passed each leg
        self.at = 0  # the first leg that some of it has not passed

    @property
    def done(self) -> bool:
        """Whether all of it has arrived."""
        return self.at == len(self.legs)


class Fluid:
    """Dimensions with the collectives under way there.

    Parameters
    ----------
    dimensions : int
        How many.

    Examples
    --------
    A gather of 2 s in the outer dimension and 1 s in the inner one ends when the outer one has passed it on. While
    something else fills the inner one, it waits there:

    >>> fluid = Fluid(2)
    >>> first = fluid.issue([Leg(1, 2.0), Leg(0, 1.0)])
    >>> fluid.run(Window(1.5, (0.0, 1.0)))
    >>> round(fluid.finish([first]), 9)
    1.0
    """

    def __init__(self, dimensions: int) -> None:
        self._whole = (1.0,) * dimensions
        self._flows: list[Flow] = []

    def issue(self, legs: Sequence[Leg], *, first: bool = False) -> Flow:
        """Start a collective behind all others, or ahead of them."""
        flow = Flow(legs)
        if not flow.done:
            self._flows.insert(0 if first else len(self._flows), flow)
        return flow

    def run(self, window: Window) -> None:
        """Let time pass."""
        left = window.seconds
        while left > 0 and self._flows:
            left -= self._step(left, window.free)

    def finish(self, flows: Sequence[Flow] | None = None) -> float:
        """Let collectives end, by default all, while nothing else is under way; return what they take [s]."""
        spent = 0.0
        for flow in list(self._flows if flows is None else flows):
            while not flow.done:
                spent += self._step(math.inf, self._whole)
        return spent

    def waiting(self) -> list[float]:
        """Return what is left of all collectives in each dimension [s]."""
        left = [0.0] * len(self._whole)
        for flow in self._flows:
            for leg, share in zip(flow.legs, flow.left, strict=True):
                left[leg.dimension] += share * leg.seconds
        return left

    def _step(self, most: float, free: Sequence[float]) -> float:
        """Go on until a leg ends or catches up with the one before it, `most` seconds at most; return how long [s]."""
        room, moving = list(free), list[tuple[Flow, int, float, bool]]()
        for flow in self._flows:
            before = coming = 0.0
            lefts = flow.left
            for at in range(flow.at, len(lefts)):
                dimension, seconds = flow.legs[at]
                left, share = lefts[at], room[dimension]
                rate = share / seconds if share > 0 else 0.0
                follows = left - before <= NONE_LEFT and rate >= coming
                if follows:
                    rate = coming
                elif rate > coming and (left - before) / (rate - coming) < most:
                    most = (left - before) / (rate - coming)
                if rate > 0:
                    room[dimension] = share - rate * seconds
                    moving.append((flow, at, rate, follows))
                before, coming = left, rate
            if max(room) <= NONE_LEFT:
                break
        ended = False
        for flow, at, rate, follows in moving:
            left = flow.left[at - 1] if follows and at else flow.left[at] - rate * most
            if left > NONE_LEFT:
                flow.left[at] = left
                continue
            flow.left[at] = 0.0
            flow.at = at + 1
            ended = ended or flow.done
        if ended:
            self._flows = [flow for flow in self._flows if not flow.done]
        return most
