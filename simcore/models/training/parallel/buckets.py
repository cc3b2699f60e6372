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


def buckets_of(pieces: Sequence[Piece], bucket: float) -> tuple[tuple[int, float], ...]:
    """Return the buckets of a backward pass, the last one first: how many, and what each takes [s].

    Examples
    --------
    >>> buckets_of([Piece(5, 2.0, 10.0, 1.0)], 20.0), buckets_of([Piece(5, 2.0, 10.0, 1.0)], 10.0)
    (((1, 1.0), (1, 2.0), (1, 2.0)), ((5, 1.0),))
    """
    filled = waiting = 0.0
    found = list[tuple[int, float]]()
    for count, _, size, sent in pieces:
        if size >= bucket and not filled:
            found.append((count, sent))
            continue
        for _ in range(count):
            filled += size
            waiting += sent
            if filled >= bucket:
                found.append((1, waiting))
                filled = waiting = 0.0
    if waiting:
        found.append((1, waiting))
    return tuple(found[::-1])


def left_after(left: float, sent: float, seconds: float, times: int) -> float:
    """Return what is left of a queue [s] after so many repetitions, each of which sends at its end.

    Examples
    --------
    >>> left_after(5.0, 1.0, 2.0, 3), left_after(5.0, 1.0, 2.0, 9), left_after(0.0, 3.0, 2.0, 3)
    (2.0, 1.0, 5.0)
    """
    more = sent - seconds
    return max(0.0, left + times * more, sent + max(0.0, (times - 1) * more))


def passed(gathered: Sequence[float], sent: Sequence[float], spent: Sequence[float]) -> tuple[float, list[float]]:
    """Return what the next repetition waits for its weights, and what is left in each queue when it starts [s].

    Parameters
    ----------
    gathered : sequence of float
        What each queue has up to the gather, when a repetition starts [s].
    sent : sequence of float
        What it scatters at its end [s].
    spent : sequence of float
        For how long it leaves the links free [s].

    Examples
    --------
    >>> passed([5.0, 1.0], [1.0, 4.0], [2.0, 2.0])
    (3.0, [1.0, 1.0])
    """
    ends = [left - seconds for left, seconds in zip(gathered, spent, strict=True)]
    late = max(0.0, *ends)
    # a queue that is done before the others starts with the scatter while the repetition waits
    return late, [max(0.0, max(0.0, end) + each - late) for end, each in zip(ends, sent, strict=True)]


def lag(late: list[float], buckets: Sequence[Sequence[tuple[int, float]]], back: float, sums: Sequence[float]) -> None:
    """Make queues as late as those before them let them be: sums reach a dimension through the inner ones [s].

    A bucket enters the inner dimension when the one before it has left that, on its way back too. So of whole buckets
    that are left, an outer dimension sees nothing before then. Of the one under way it has what is on its way outwards.

    Parameters
    ----------
    late : list of float
        What is left in each queue [s], innermost first; it is changed.
    buckets : sequence of sequence of (int, float)
        What they take in each queue, the last ones first, see `buckets_of`; none where they are so small that all that
        is left is of whole ones.
    back : float
        The share of a sum in an inner dimension that comes on its way back.
    sums : sequence of float
        What the same sums take in each queue [s].

    Examples
    --------
    Reduce-scatters that take 2 s in the inner dimension and 3 s in the outer one, then all-reduces of twice as many:

    >>> late = [4.0, 1.0]
    >>> lag(late, [[(2, 2.0)], []], 0.0, [2.0, 3.0])
    >>> late
    [4.0, 6.0]
    >>> late = [6.0, 1.0]
    >>> lag(late, [[(2, 4.0)], []], 0.5, [4.0, 6.0])
    >>> late
    [6.0, 8.0]
    >>> late = [7.0, 1.0]
    >>> lag(late, [[(2, 4.0)], []], 0.5, [4.0, 6.0])
    >>> late
    [7.0, 9.0]
    """
    for at, (known, whole) in enumerate(zip(buckets, sums, strict=True)):
        if late[at] > 0 and whole:
            under_way, outward = _under_way(late[at], known, back)
            for after in range(at + 1, len(late)):
                each = sums[after] / whole
                beyond = outward * each / (1 - back)  # all that an outer dimension has to do follows the way there
                late[after] = max(late[after], max(under_way, beyond) + (late[at] - under_way) * each)


def _under_way(left: float, buckets: Sequence[tuple[int, float]], back: float) -> tuple[float, float]:
    """Return what is left of the bucket under way, and what of that is on its way outwards [s]."""
    for count, each in buckets:
        if count * each > left:
            under_way = left % each
            return under_way, max(0.0, under_way - back * each)
        left -= count * each
    return 0.0, 0.0
