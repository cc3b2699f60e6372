"""What one NPU holds before and after a collective, and the sizes that commands take."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

from simcore.errors import InputError, field, written
from simcore.models.network.collectives import Collective
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
