"""Checkpoints of elastic jobs: written whole or not at all, with a hash that tells when one was cut short."""

from __future__ import annotations

import io
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from simcore.calibrate.measure.device import require_torch
from simcore.errors import InputError
from simcore.real.elastic.faults import Faults
from simcore.real.elastic.job import Job

_MAGIC = b"simcore elastic checkpoint 1\n"
_HASH = 64
_EXPECTED = "a whole checkpoint of this run"


class Damaged(Exception):
    """A file that is no whole checkpoint."""


def save(path: Path, state: dict[str, Any], faults: Faults, position: int) -> None:
    """Write a checkpoint; the one before stays beside it as ``.previous`` until the next.

    Raises
    ------
    OSError
        If it cannot be written; what was there stays.
    """
    stream = io.BytesIO()
    require_torch().save(state, stream)
    payload = stream.getvalue()
    data = _MAGIC + sha256(payload).hexdigest().encode() + b"\n" + payload
    scratch = path.with_name(f".{path.name}.new")
    try:
        _flushed(scratch, faults.written(scratch, data, position))
        if path.exists() and _whole(path):  # else the one before is the only whole one
            path.replace(previous(path))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    faults.reach("written", position)


def _flushed(path: Path, data: bytes) -> None:
    """Write a file to the disk itself: a rename that overtakes its data leaves an empty file after a crash."""
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def previous(path: Path) -> Path:
    """Return where the checkpoint before lies."""
    return path.with_name(f"{path.name}.previous")


def read(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds.

    Raises
    ------
    Damaged
        If it is no whole checkpoint.
    OSError
        If it cannot be read.
    """
    state: dict[str, Any] = require_torch().load(io.BytesIO(_payload(path)), map_location="cpu", weights_only=True)
    return state


def _payload(path: Path) -> bytes:
    """Return what a whole checkpoint holds, still in bytes."""
    data = path.read_bytes()
    head, payload = data[: len(_MAGIC) + _HASH + 1], data[len(_MAGIC) + _HASH + 1 :]
    if not head.startswith(_MAGIC):
        raise Damaged("a file that is no checkpoint of simcore")
    if head[len(_MAGIC) : -1].decode("ascii", "replace") != sha256(payload).hexdigest():
        raise Damaged(f"a checkpoint that was cut short or changed, of {len(data):,} bytes")
    return payload


def _whole(path: Path) -> bool:
    try:
        _payload(path)
    except Damaged:
        return False
    return True


def latest(path: Path, job: Job) -> dict[str, Any] | None:
    """Return the newest whole checkpoint of a run that goes on after a fault; None for none."""
    for each in (path, previous(path)):
        if each.exists():
            try:
                state = read(each)
            except Damaged:
                continue
            if state["identity"] == job.identity:
                return state
    return None


def check(path: Path, job: Job) -> dict[str, Any] | None:
    """Return what a checkpoint holds which a user gives; None where there is none yet.

    Raises
    ------
    InputError
        If it is of another run, cut short, or no checkpoint.
    """
    if not path.exists():
        return None
    try:
        state = read(path)
    except Damaged as error:
        before = previous(path)
        anew = "delete it to start anew."
        remedy = (
            f"Move '{before}' to its place to go on from there, or {anew}" if before.exists() else anew.capitalize()
        )
        raise InputError(str(path), str(error), _EXPECTED, remedy) from None
    except OSError as error:
        raise InputError(str(path), f"a file that cannot be read ({error.strerror})", _EXPECTED) from None
    if state["identity"] != job.identity:
        found, remedy = "a checkpoint of another run", "Name another file, or delete it to start anew."
        raise InputError(str(path), found, _EXPECTED, remedy)
    return state
