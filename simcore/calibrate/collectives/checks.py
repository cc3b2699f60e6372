"""What rows of measured collectives must be before a profile is fitted to them."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from pathlib import Path

from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.readers.collective_rows import CollectiveRow, CollectiveTable, check_kind, wire_seconds

FASTEST = 3
"""A time that beats the links by more than this factor is no time of this network; NVLS beats them by less than 2."""

SLOWEST = 300
"""Times that are in the median so many times longer than links and `FLOOR` allow are in another unit."""

APART = 200
"""A time that is so many times longer or shorter than others of its group is in another unit."""

FLOOR = 2e-5
"""What a collective takes at least where times are judged [s]."""


def checked(
    table: CollectiveTable, device: str, near: float, far: float, path: Path
) -> tuple[list[CollectiveRow], tuple[str, ...]]:
    """Return the rows of a device that a profile can be fitted to, and what to know of the others.

    Parameters
    ----------
    table : CollectiveTable
        The rows.
    device : str
        As the table has it.
    near, far : float
        Bandwidth of a GPU within its node, and between nodes [B/s].
    path : Path
        Of the table, for messages.

    Raises
    ------
    InputError
        If there are none, a row has no number or an unknown collective, or times are in another unit.
    """
    own = [(row, place) for row, place in zip(table.rows, table.places, strict=True) if row.device == device]
    if not own:
        listed = ", ".join(dict.fromkeys(row.device for row in table.rows)) or "no rows at all"
        raise InputError(str(path), f"no rows of {device}", f"one of its devices: {listed}", "Name one of these.")
    left: Counter[str] = Counter()
    kept: list[tuple[CollectiveRow, str]] = []
    for row, place in own:
        reason = _left_out(row, place)
        if reason:
            left[reason] += 1
        else:
            kept.append((row, place))
    if not any(row.kind == Collective.ALL_REDUCE for row, _ in kept):
        found = f"no all-reduce of {device} of a size above 0 that ran"
        raise InputError(str(path), found, "some, as other kinds are derived from it", "Add rows of all_reduce.")
    _check_units(kept, near, far, path)
    return [row for row, _ in kept], tuple(f"{count} rows left out: {reason}" for reason, count in left.items())


def _left_out(row: CollectiveRow, place: str) -> str:
    """Return why a row is left out, nothing where it is not, and refuse one that is wrong."""
    check_kind(row.word, f"{place}, column 'collective'")
    if row.why_not.startswith("it did not run"):
        return "they did not run"
    if row.why_not:
        raise InputError(place, row.why_not, "a measured collective", "Correct the row, or leave it out.")
    return "" if row.size > 0 else "their size is 0 bytes"


def _check_units(kept: list[tuple[CollectiveRow, str]], near: float, far: float, path: Path) -> None:
    groups: dict[tuple[object, ...], list[tuple[float, str]]] = defaultdict(list)
    longer = []
    for row, place in kept:
        assert row.seconds is not None
        assert row.span is not None
        wire = wire_seconds(row.kind, row.span, row.size, near, far)
        if row.seconds * FASTEST < wire:
            found = f"{row.seconds:.3g} s for {row.size:.4g} B, {wire / row.seconds:.3g} times faster than the links"
            remedy = "Check the unit of the times: are these milliseconds or seconds? Check the network, too."
            raise InputError(place, found, f"at most {FASTEST} times faster", remedy)
        longer.append(row.seconds / (wire + FLOOR))
        groups[row.kind, row.span].append((longer[-1], place))
    usual = statistics.median(longer)
    if usual > SLOWEST:
        found = f"times that are in the median {usual:.3g} times longer than the links allow"
        unit = "microseconds" if usual > 1e5 else "nanoseconds or milliseconds"
        remedy = f"Check the unit of the times: are these {unit}? Check the network, too."
        raise InputError(str(path), found, f"at most {SLOWEST} times", remedy)
    for some in groups.values():
        middle = statistics.median(ratio for ratio, _ in some)
        for ratio, place in some:
            if max(ratio / middle, middle / ratio) > APART:
                found = f"a time that is {max(ratio / middle, middle / ratio):.3g} times off those of its group"
                raise InputError(place, found, "times of one unit", "Write all times of a column in one unit.")
