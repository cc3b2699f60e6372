"""Collectives on links, simulated event by event with nothing of simcore: what its simulator is held against.

A dimension is a set of links that send one message batch after another. A chunk takes dimension after dimension. Up to
``in_flight`` chunks are under way in a dimension: one sends, the others wait for the latency of what they sent. Those
that find it full wait in line.
"""

from collections import deque
from heapq import heappop, heappush
from math import log2


def rounds(block, operation, n):
    """Return the messages that an NPU sends one after the other: shares of the input, hops, and over how many links."""
    if operation == "all-reduce":
        return rounds(block, "reduce-scatter", n) + [
            (share / n, hops, links) for share, hops, links in rounds(block, "all-gather", n)
        ]
    part = 1 / n if operation != "all-gather" else 1.0
    if operation == "all-to-all":
        if block == "Ring":  # every NPU forwards; both directions carry half of all hops
            return [(part * sum(min(k, n - k) for k in range(n)), n // 2, 1)]
        return [(part, 1, n - 1)] if block == "FullyConnected" else [(part * (n - 1), 2, 1)]
    if block == "Ring":
        return [(part, 1, 1)] * (n - 1)
    if block == "FullyConnected":
        return [(part, 1, n - 1)]
    halves = [(2**k * part, 2, 1) for k in range(int(log2(n)))]
    return halves if operation == "all-gather" else halves[::-1]


def phase(dimension, operation, size):
    """Return how long a phase sends, and how long its messages are under way beside that [s]."""
    block, n, bandwidth, latency = dimension
    sent = rounds(block, operation, n)
    each_link = {"FullyConnected": bandwidth / (n - 1)}.get(block, bandwidth)
    return sum(share * size / each_link for share, _, _ in sent), sum(hops for _, hops, _ in sent) * latency


def journey(dimensions, collective, size):
    """Return the phases of a chunk: dimension, time of sending and latency [s]."""
    order = list(range(len(dimensions)))
    listed = []
    if collective == "all-reduce":
        for d in order[:-1]:
            listed.append((d, "reduce-scatter", size))
            size /= dimensions[d][1]
        listed.append((order[-1], "all-reduce", size))
        for d in order[:-1][::-1]:
            listed.append((d, "all-gather", size))
            size *= dimensions[d][1]
    else:
        for d in order[::-1] if collective == "all-gather" else order:
            listed.append((d, collective, size))
            size *= {"all-gather": dimensions[d][1], "reduce-scatter": 1 / dimensions[d][1]}.get(collective, 1)
    return [(d, *phase(dimensions[d], operation, bytes_)) for d, operation, bytes_ in listed]


def finished(dimensions, collective, size, chunks, in_flight):
    """Return when the last chunk of a collective is done [s], and how long each dimension sends [s]."""
    trip = journey(dimensions, collective, size / chunks)
    lines, under_way = [deque() for _ in dimensions], [0] * len(dimensions)
    free, sending, events, now = [0.0] * len(dimensions), [0.0] * len(dimensions), [], 0.0

    def join(chunk, stop):
        lines[trip[stop][0]].append((chunk, stop))
        serve(trip[stop][0])

    def serve(d):
        while lines[d] and under_way[d] < in_flight:
            chunk, stop = lines[d].popleft()
            _, busy, late = trip[stop]
            free[d] = max(now, free[d]) + busy
            sending[d] += busy
            under_way[d] += 1
            heappush(events, (free[d] + late, len(sending) + next_number(), d, chunk, stop))

    numbers = iter(range(10**9))
    next_number = numbers.__next__
    for chunk in range(chunks):
        join(chunk, 0)
    while events:
        now, _, d, chunk, stop = heappop(events)
        under_way[d] -= 1
        if stop + 1 < len(trip):
            target = trip[stop + 1][0]
            lines[target].append((chunk, stop + 1))
            if target != d:
                serve(target)
        serve(d)
    return now, sending
