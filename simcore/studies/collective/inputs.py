"""Inputs of ``simcore collective``: from words to a network with bandwidths, a group and a size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from simcore.errors import InputError, field, written
from simcore.models.network.algorithms import DEFAULT_ALGORITHM, Algorithm
from simcore.models.network.collectives import Collective
from simcore.models.network.groups import check_rank, group_positions
from simcore.models.network.topology import Topology
from simcore.readers.ranks import listed
from simcore.studies.inputs import choice
from simcore.units import LARGEST, SMALLEST, parse


@dataclass(frozen=True)
class Buffers:
    """What one NPU holds.

    Attributes
    ----------
    size : float
        As it was given [B].
    meaning : str
        What that is: ``full buffer per NPU`` or ``input shard per NPU``.
    full, shard : float
        The whole buffer, and the part of it that belongs to one NPU of the group [B].
    """

    size: float
    meaning: str
    full: float
    shard: float


def buffers(collective: Collective, size: float, npus: int) -> Buffers:
    """Return both readings of a size: for all-gather it is the input shard, otherwise the full buffer.

    Examples
    --------
    >>> buffers(Collective.ALL_GATHER, 1024.0, 8)
    Buffers(size=1024.0, meaning='input shard per NPU', full=8192.0, shard=1024.0)
    """
    if collective is Collective.ALL_GATHER:
        return Buffers(size, "input shard per NPU", size * npus, size)
    return Buffers(size, "full buffer per NPU", size, size / npus)


def parse_size(size: float | str) -> float:
    """Return a size in bytes.

    Raises
    ------
    InputError
        If it is text without a unit, or no finite size of at least 0.
    """
    refusal = InputError(field("size"), written(size), "a finite size of at least 0, such as 1 GiB")
    if isinstance(size, str) and size.strip().startswith("-"):  # before its unit is asked for
        raise refusal
    if isinstance(size, bool) or not isinstance(size, str | Real):
        raise refusal
    value = parse(size, "bytes", field("size")) if isinstance(size, str) else float(size)
    if not (value == 0 or SMALLEST <= value <= LARGEST):
        raise refusal
    return value


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
