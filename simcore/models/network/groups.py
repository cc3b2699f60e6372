"""Groups of NPUs by rank: which shapes a collective can run in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from simcore.errors import InputError
from simcore.models.network.topology import Topology, coordinates


def group_positions(topology: Topology, members: Sequence[int], place: str) -> tuple[tuple[int, ...], ...]:
    """Return where the NPUs of a group sit along each dimension, ascending.

    Parameters
    ----------
    topology : Topology
        The network.
    members : sequence of int
        Ranks, from 0. Along each dimension the group may use any NPUs, but in every combination: a box, so that each
        phase of a collective runs among equals.
    place : str
        What gave the group, for messages.

    Raises
    ------
    InputError
        If the group is empty, names a rank twice or one that the network has not, or is no box.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> net = Topology("net", (Dimension(Block.RING, 4), Dimension(Block.SWITCH, 8)))
    >>> group_positions(net, [0, 2, 4, 6], "--group")
    ((0, 2), (0, 1))
    """
    npus = topology.npus
    if not members:
        raise InputError(place, "an empty group", f"ranks from 0 to {npus - 1}")
    for rank in members:
        check_rank(topology, rank, place)
    if len(set(members)) < len(members):
        twice = next(rank for rank in members if list(members).count(rank) > 1)
        raise InputError(place, f"rank {twice} twice", "each rank once", "Remove one of them.")
    at = {coordinates(topology, rank) for rank in members}
    along = [sorted({point[d] for point in at}) for d in range(len(topology.dimensions))]
    if prod(map(len, along)) != len(at):
        first = next(point for point in product(*along) if point not in at)
        shape = " x ".join(str(each.size) for each in topology.dimensions)
        rank = sum(here * prod(each.size for each in topology.dimensions[:d]) for d, here in enumerate(first))
        raise InputError(
            place,
            f"a group of {len(at)} ranks without rank {rank}",
            f"the same coordinates along each dimension of {shape}, in every combination",
            f"Add rank {rank}, or leave out those it would join.",
        )
    return tuple(map(tuple, along))


def check_rank(topology: Topology, rank: int, place: str) -> None:
    """Refuse a rank that the network has not.

    Raises
    ------
    InputError
        That names `place`.
    """
    if not 0 <= rank < topology.npus:
        raise InputError(
            place,
            f"rank {rank}",
            f"a subset of the network's NPUs, 0 to {topology.npus - 1}",
            f"Leave out rank {rank}, or choose a larger network.",
        )
