"""Hops between the NPUs of a group along one dimension: on a ring they depend on where the group sits.

Members are positions along the dimension, ascending: ``range(4)`` are neighbours, ``range(0, 8, 2)`` every second NPU.
Hops are those of the real ring, whatever part of it the group covers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from simcore.models.network.topology import Block, Dimension, Topology, hops_between

Members = Sequence[int]
Kept = tuple[int, ...] | range
"""Members that can be looked up, as a range where they are one, however many."""
Positions = tuple[Kept | None, ...]
"""Members along each dimension; None where it makes no difference."""


def spread(topology: Topology, positions: Sequence[Members | None] | None) -> Positions | None:
    """Keep the positions that matter: those on rings that are no neighbours from 0 on.

    Examples
    --------
    >>> net = Topology("net", (Dimension(Block.RING, 8), Dimension(Block.SWITCH, 8)))
    >>> spread(net, [range(4), range(0, 8, 2)]), spread(net, [range(0, 8, 2), range(0, 8, 2)])
    (None, (range(0, 8, 2), None))
    """
    if positions is None:
        return None
    kept = tuple(
        (here if isinstance(here, range) else tuple(here))
        if here and each.block is Block.RING and here[-1] != len(here) - 1
        else None
        for each, here in zip(topology.dimensions, positions, strict=True)
    )
    return kept if any(kept) else None


def strided(positions: Sequence[Members | None] | None) -> frozenset[int]:
    """Return the dimensions along which a group is not of neighbours: it takes every second NPU or fewer.

    Examples
    --------
    >>> strided([range(4), range(0, 8, 2), range(1)]), strided(None)
    (frozenset({1}), frozenset())
    """
    listed = enumerate(positions or ())
    return frozenset(d for d, here in listed if here is not None and len(here) > 1 and here[1] - here[0] > 1)


def farthest(dimension: Dimension, members: Members) -> int:
    """Return the links between the two members that are farthest apart.

    Examples
    --------
    >>> ring = Dimension(Block.RING, 8)
    >>> [farthest(ring, members) for members in (range(8), range(4), range(0, 8, 4))]
    [4, 3, 4]
    """
    n, count = dimension.size, len(members)
    if dimension.block is not Block.RING or count in (1, n):
        return hops_between(dimension.block, n // 2 if count > 1 else 0, n)
    if isinstance(members, range):  # every pair is some number of steps apart; the best is nearest to half the ring
        half = n // (2 * members.step)
        apart = (min(max(number, 1), count - 1) * members.step for number in (half, half + 1))
        return max(hops_between(Block.RING, distance, n) for distance in apart)
    longest = 0
    for here in members:  # the member nearest to the opposite side is on either side of it
        behind = bisect_left(members, (here + n // 2) % n)
        for index in (behind - 1, behind % count):
            longest = max(longest, hops_between(Block.RING, members[index] - here, n))
    return longest


def nearest(dimension: Dimension, members: Members) -> int:
    """Return the links between the two members that are closest to each other."""
    return min(_neighbours(dimension, members))


def circulation(dimension: Dimension, members: Members) -> int:
    """Return the links of the longest route through all members, from neighbour to neighbour.

    Examples
    --------
    A group on half of a ring closes over its own links:

    >>> ring = Dimension(Block.RING, 8)
    >>> [circulation(ring, members) for members in (range(8), range(0, 8, 2), range(4))]
    [7, 6, 5]
    """
    if len(members) == dimension.size:
        return (len(members) - 1) * hops_between(dimension.block, 1, dimension.size)
    if isinstance(members, range):
        step, closing = _range_steps(dimension, members)
        return (len(members) - 1) * step + closing - min(step, closing)
    steps = list(_neighbours(dimension, members))
    return sum(steps) - min(steps)


def exchange(dimension: Dimension, members: Members, distance: int) -> int:
    """Return the links between partners of an exchange, member i with member ``i xor distance``: the farthest pair."""
    n, count = dimension.size, len(members)
    if dimension.block is not Block.RING or count == n:
        return hops_between(dimension.block, distance, n)
    if isinstance(members, range):
        return hops_between(Block.RING, distance * members.step, n)
    pairs = ((i, i ^ distance) for i in range(count) if i ^ distance < count)
    return max(hops_between(Block.RING, members[i] - members[j], n) for i, j in pairs)


def neighbours(dimension: Dimension, members: Members) -> list[int]:
    """Return the links from each member to the next one around the group; one number where they are all the same.

    Examples
    --------
    >>> ring = Dimension(Block.RING, 8)
    >>> [neighbours(ring, members) for members in (range(8), range(0, 8, 2), range(4))]
    [[1], [2], [1, 1, 1, 3]]
    """
    if len(members) in (1, dimension.size) or dimension.block is not Block.RING:
        return [hops_between(dimension.block, 1, dimension.size)]
    links = [hops_between(Block.RING, members[i] - members[i - 1], dimension.size) for i in range(len(members))]
    links = [*links[1:], links[0]]  # the one that closes the ring comes last
    return links if len(set(links)) > 1 else links[:1]


def _neighbours(dimension: Dimension, members: Members) -> Iterator[int]:
    if len(members) == dimension.size:
        return iter((hops_between(dimension.block, 1, dimension.size),))
    if isinstance(members, range) and len(members) > 1:
        return iter(_range_steps(dimension, members))
    return (hops_between(dimension.block, members[i] - members[i - 1], dimension.size) for i in range(len(members)))


def _range_steps(dimension: Dimension, members: range) -> tuple[int, int]:
    """Return the links between neighbours of a range, however many there are, and from its last member to the first."""
    block, n = dimension.block, dimension.size
    return hops_between(block, members.step, n), hops_between(block, members[0] - members[-1], n)
