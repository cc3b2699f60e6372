"""Measured collectives beside what the zoo's profiles say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from simcore.models.network.measured import CollectiveProfile, Timing
from simcore.models.network.nccl import unaligned
from simcore.progress import tracked
from simcore.readers.collective_profiles import read_collective_profile
from simcore.readers.collective_rows import CollectiveRow, same_device
from simcore.readers.collective_tables import read_collectives
from simcore.readers.zoo import names
from simcore.studies.validate.rows import Held

UNKNOWN = 0.25
"""How far off a time may be in a group whose error was not measured, as a share of it."""


def held_against_collectives(path: str | Path) -> tuple[Held, ...]:
    """Predict every row of a table of measured collectives from the zoo's profiles.

    Parameters
    ----------
    path : str or Path
        With the columns that `simcore.readers.collective_tables` reads.

    Returns
    -------
    tuple of Held
        One for each row, in its order. The kind is the text of its column ``collective``, the precision that of
        ``dtype``.

    Raises
    ------
    InputError
        If the file cannot be read or lacks a column.
    """
    profiles = [read_collective_profile(name).value for name in names("collectives")]
    return tuple(_held(row, profiles) for row in tracked(read_collectives(path).rows, "rows of collectives"))


def _held(row: CollectiveRow, profiles: Sequence[CollectiveProfile]) -> Held:
    gpus = "" if row.span is None else str(row.span.gpus)
    base = Held(row.name, row.source, row.device, row.dtype, row.word, row.seconds, model=row.model, gpus=gpus)
    if row.why_not or row.span is None:
        return _because(base, row.why_not)
    profile = profile_for(row, profiles)
    if profile is None:
        known = ", ".join(sorted({device for each in profiles for device in each.devices}))
        remedy = "simcore calibrate --from this table --network NAME makes a profile of it"
        return _because(base, f"no profile of collectives of {row.device}; there are those of {known}; {remedy}")
    state = state_of(profile, row)
    timing = profile.timing(row.kind, row.span, state=state)
    predicted = timing.seconds(row.size)
    low, high = interval_of(timing)
    fitted = row.source == profile.source and _was_fitted(profile, row)
    return replace(base, predicted=predicted, low=predicted * low, high=predicted * high, fitted=fitted)


def _was_fitted(profile: CollectiveProfile, row: CollectiveRow) -> bool:
    """Return whether the profile was fitted to rows of this size in this group."""
    alike = (one for one in profile.curves if (one.kind, one.span) == (row.kind, row.span))
    return any(row.size in one.fitted for one in alike)


def _because(base: Held, why: str) -> Held:
    return replace(base, why_not=why or "not expressed")


def profile_for(row: CollectiveRow, profiles: Sequence[CollectiveProfile]) -> CollectiveProfile | None:
    """Return the profile of a row's device: that of its own source, or else the first one of the device."""
    same = [each for each in profiles if any(same_device(row.device, device) for device in each.devices)]
    own = [each for each in same if each.source == row.source]
    return next(iter((*own, *same)), None)


def state_of(profile: CollectiveProfile, row: CollectiveRow) -> str:
    """Return what sets a row apart, as far as the profile knows its tensor: see `CollectiveProfile.offsets`."""
    offset = profile.offsets.get(row.model, {}).get(row.mebibytes, 0)
    assert row.span is not None
    return "unaligned" if unaligned(row.kind, row.span.gpus, offset, row.element) else row.state


def interval_of(timing: Timing) -> tuple[float, float]:
    """Return factors on a prediction between which 90 % of the measured times lie."""
    if timing.error is None or timing.basis != "measured":
        return 1 / (1 + UNKNOWN), 1 + UNKNOWN
    return min(one.low for one in timing.curves), max(one.high for one in timing.curves)
