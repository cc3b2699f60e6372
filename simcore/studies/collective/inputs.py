"""Inputs of ``simcore collective``: from words to a network with bandwidths, a group and a size."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.errors import InputError, field
from simcore.models.network.algorithms import DEFAULT_ALGORITHM, Algorithm
from simcore.models.network.groups import check_rank, group_positions
from simcore.models.network.topology import Topology
from simcore.readers.ranks import listed
from simcore.studies.inputs import choice


def parse_group(group: str | Sequence[int] | None, topology: Topology) -> tuple[Sequence[int], ...]:
    """Return where the NPUs of a group sit along each dimension.

    Raises
    ------
    InputError
        If it is no list of ranks, or no subset of the network in the shape of a box.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension
    >>> parse_group("0-3,8-11", Topology("net", (Dimension(Block.RING, 4), Dimension(Block.SWITCH, 8))))
    ((0, 1, 2, 3), (0, 2))
    """
    if group is None:
        return tuple(range(each.size) for each in topology.dimensions)
    if not isinstance(group, str):
        return group_positions(topology, group, field("group"))
    members = listed(group, field("group"), lambda last: check_rank(topology, last, field("group")))
    return group_positions(topology, members, field("group"))


def parse_algorithms(names: str | Sequence[str] | None, topology: Topology) -> list[Algorithm]:
    """Return the algorithm of each dimension.

    Raises
    ------
    InputError
        If a name is unknown, or there are neither one nor as many as dimensions.
    """
    if names is None:
        return [DEFAULT_ALGORITHM[each.block] for each in topology.dimensions]
    words = [word.strip() for word in names.split(",")] if isinstance(names, str) else list(names)
    algorithms = [choice(field("algorithms"), word, Algorithm) for word in words]
    dimensions = len(topology.dimensions)
    if len(algorithms) not in (1, dimensions):
        raise InputError(
            field("algorithms"), f"{len(algorithms)} algorithms", f"one for all dimensions, or {dimensions}"
        )
    return algorithms * dimensions if len(algorithms) == 1 else algorithms
