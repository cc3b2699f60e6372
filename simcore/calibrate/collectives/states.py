"""Which rows of a table are of unaligned messages: NCCL copies buffers that begin at multiples of 16 bytes faster.

A profiler that measures sizes of real tensors has both kinds at one size. In each octave of sizes of one group, the
rates of a kind of collective then fall into two clusters with a gap between them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from simcore.models.network.nccl import Span

GAP = 0.08
"""Least gap between the clusters, in logarithms of rates."""

SHARE = 0.08
"""Least share of the rows of a group in the slower cluster, for there to be one."""

LEAST = 100
"""Rows of a group from which clusters are looked for."""

FROM = 4 * 2**20
"""Size from which clusters are looked for [B]; below, latency hides them."""

Group = tuple[str, Span]


def slower(groups: Sequence[Group], sizes: Sequence[float], seconds: Sequence[float]) -> list[bool]:
    """Say of each row whether it is in the slower cluster of its group.

    Parameters
    ----------
    groups : sequence of (str, Span)
        Kind and group of each row.
    sizes : sequence of float
        Sizes [B].
    seconds : sequence of float
        Times [s].
    """
    rows: dict[Group, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        if sizes[index] >= FROM:
            rows[group].append(index)
    slow = [False] * len(groups)
    for own in (each for each in rows.values() if len(each) >= LEAST):
        found = _of_group(own, sizes, seconds)
        if len(found) >= SHARE * len(own):
            for index in found:
                slow[index] = True
    return slow


def _of_group(own: Sequence[int], sizes: Sequence[float], seconds: Sequence[float]) -> list[int]:
    """Return the rows of a group that are behind the best rate of sizes up to theirs by more than the widest gap."""
    ordered = sorted(own, key=lambda index: sizes[index])
    behind: dict[int, float] = {}
    best, at = -math.inf, 0
    for index in ordered:
        while at < len(ordered) and sizes[ordered[at]] <= sizes[index] * 1.05:
            best = max(best, math.log(sizes[ordered[at]] / seconds[ordered[at]]))
            at += 1
        behind[index] = best - math.log(sizes[index] / seconds[index])
    found: list[int] = []
    octaves: dict[int, list[int]] = defaultdict(list)
    for index in ordered:
        octaves[math.floor(math.log2(sizes[index]))].append(index)
    for octave in octaves.values():
        ranked = sorted(octave, key=behind.__getitem__)
        gaps = [(behind[b] - behind[a], place) for place, (a, b) in enumerate(pairwise(ranked), 1)]
        widest, place = max(gaps, default=(0.0, 0))
        if widest >= GAP:
            found += ranked[place:]
    return found
