"""Queues of what replicas send: buckets that leave during a pass, and what is left of them at its end.

What a queue has ahead of it is counted in seconds of links that nothing else uses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """Equal repetitions, each with what it sends.

    Attributes
    ----------
    times : int
        Repetitions.
    seconds : float
        What one takes in its pass [s].
    size : float
        Its gradients [B].
    sent : float
        What its collective takes [s].
    """

    times: int
    seconds: float
    size: float
    sent: float


def summed_late(pieces: Sequence[Piece], bucket: float) -> float:
    """Return when the last sum of gradients ends, after the backward pass of a model chunk [s].

    It is infinitely early where nothing is sent.

    Parameters
    ----------
    pieces : sequence of Piece
        In the order of the backward pass.
    bucket : float
        A bucket leaves when it holds so many bytes [B], or at the end of the pass.

    Examples
    --------
    >>> summed_late([Piece(4, 2.0, 10.0, 1.0)], 10.0), summed_late([Piece(4, 2.0, 10.0, 3.0)], 10.0)
    (1.0, 6.0)
    >>> summed_late([Piece(4, 2.0, 10.0, 1.0)], 20.0)
    2.0
    """
    now = filled = waiting = 0.0
    free = -math.inf
    for count, seconds, size, sent in pieces:
        if size >= bucket and not filled:  # each repetition is a bucket: the first or the last one decides
            steady = max(seconds + count * sent, count * seconds + sent)
            free = max(free + count * sent, now + steady)
            now += count * seconds
            continue
        for _ in range(count):
            now += seconds
            filled += size
            waiting += sent
            if filled >= bucket:
                free = max(free, now) + waiting
                filled = waiting = 0.0
    if waiting:
        free = max(free, now) + waiting
    return free - now


def gathered_late(pieces: Sequence[Piece], bucket: float) -> float:
    """Return when the forward pass of a model chunk can start at the earliest, so that it waits for no weights [s].

    It counts from when the first bucket starts to be gathered; all others follow it. An earlier start ends no earlier.

    Parameters
    ----------
    pieces : sequence of Piece
        In the order of the forward pass.
    bucket : float
        A bucket is full with the gradients of so many bytes [B].

    Examples
    --------
    >>> gathered_late([Piece(4, 2.0, 10.0, 1.0)], 10.0), gathered_late([Piece(4, 2.0, 10.0, 3.0)], 10.0)
    (1.0, 6.0)
    """
    now = start = sent_by_now = filled = 0.0
    late = -math.inf
    for count, seconds, size, sent in pieces:
        if size >= bucket and not filled:
            late = max(late, sent_by_now + sent - now, sent_by_now + count * sent - now - (count - 1) * seconds)
            sent_by_now += count * sent
            now += count * seconds
            start = now
            continue
        for _ in range(count):
            filled += size
            sent_by_now += sent
            now += seconds
            if filled >= bucket:
                late, start, filled = max(late, sent_by_now - start), now, 0.0
    return max(late, sent_by_now - start) if filled else late


def left_after(left: float, sent: float, seconds: float, times: int) -> float:
    """Return what is left of a queue [s] after so many repetitions, each of which sends at its end.

    Examples
    --------
    >>> left_after(5.0, 1.0, 2.0, 3), left_after(5.0, 1.0, 2.0, 9), left_after(0.0, 3.0, 2.0, 3)
    (2.0, 1.0, 5.0)
    """
    more = sent - seconds
    return max(0.0, left + times * more, sent + max(0.0, (times - 1) * more))
