"""Finished points of the network evaluation in a file, so that an interrupted run can go on: one run at a time."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from simcore.documents import Broken, parse_json
from simcore.errors import InputError, SimcoreError
from simcore.files import read_text
from simcore.numerals import as_real, as_whole
from simcore.outputs import is_there, writing
from simcore.studies.evaluate.task import Task, Timed


def cache_directory() -> Path | None:
    """Return where programs of this user keep what can be made again; None for a user without a home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # the specification has others passed over
        return Path(given) / "simcore"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        return Path(local) / "simcore" if os.path.isabs(local) else None
    # where HOME is empty, ~ would be the root of the file system
    home = "" if os.environ.get("HOME") == "" else os.path.expanduser("~")
    if not os.path.isabs(home):
        return None
    below = ("Library", "Application Support") if sys.platform == "darwin" else (".cache",)
    return Path(home, *below, "simcore")


class State:
    """Finished points in a file of JSON Lines, one appended as each ends, so that an interrupted run can go on.

    While it is open no other run can have the file, on platforms and file systems that have locks.

    Parameters
    ----------
    path : Path or None
        The file, made where there is none and removed on closing if it has no point then; None keeps nothing.

    Raises
    ------
    InputError
        If another run has the file, if it cannot be made, or if a line of it, other than a last one that was cut
        short, is no finished point.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.times: dict[str, Timed] = {}
        self._made = path is not None and not is_there(path)
        self._lock = None if path is None else _lock(path)
        try:
            if path is not None and is_there(path):
                self._read(path)
        except SimcoreError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def kept(self) -> int:
        """How many whole lines the file has now."""
        try:
            return 0 if self.path is None else self.path.read_bytes().count(b"\n")
        except OSError:
            return 0

    def _read(self, path: Path) -> None:
        text = read_text(path, "state")
        whole, _, cut = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), 1):
            point = _point(line)
            if point is None:
                raise _strange(path, number, line)
            self.times[point[0]] = point[1]
        if cut:  # the writer was stopped in the middle of a line; another file in this one's place would not be locked
            if not cut.startswith(_BEGINS[: len(cut)]):
                raise _strange(path, text.count("\n") + 1, cut)
            with writing(path, "file"):
                os.truncate(path, path.stat().st_size - len(cut.encode()))

    def add(self, task: Task, timed: Timed) -> None:
        """Append a finished point."""
        self.times[task.key] = timed
        if self.path is None:
            return
        entry = {
            "key": task.key, "network": task.topology.name, "workload": task.workload.name,
            "bandwidths": task.bandwidths, "time": timed.time, "compute": timed.compute, "events": timed.events,
        }  # fmt: skip
        with writing(self.path, "file"), self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")

    def remove(self) -> None:
        """Remove the file, whose points are all in a result now, and let go of it."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._lock is None:
            return
        if self._made and self.path is not None:
            with suppress(OSError):
                if self.path.stat().st_size == 0:
                    self.path.unlink()
        self._lock.close()
        self._lock = None


_BEGINS = '{"key": '
"""What a line of a state file begins with."""


def _strange(path: Path, number: int, line: str) -> InputError:
    expected = "a finished point, as simcore evaluate --engine simulate writes it"
    return InputError(f"{path}, line {number}", line[:60], expected, "Choose another file.")


def _point(line: str) -> tuple[str, Timed] | None:
    """Return key and times of a line; None for one that is no finished point."""
    try:
        entry = parse_json(line)
        key, time, compute, events = (entry[name] for name in ("key", "time", "compute", "events"))
    except (Broken, KeyError, TypeError):
        return None
    numbers = isinstance(time, float | int) and isinstance(compute, float | int) and isinstance(events, int)
    if not isinstance(key, str) or not numbers or None in (as_real(time), as_real(compute), as_whole(events)):
        return None
    return key, Timed(time, compute, events)


class Scratch(State):
    """Finished points in a file that the user did not name: where it cannot be used the run goes on without.

    Parameters
    ----------
    path : Path or None
        The file; one that cannot be read is written anew. None for a user who has no place for it.
    tell : callable
        Told, once, why points are not kept.
    """

    def __init__(self, path: Path | None, tell: Callable[[str], None]) -> None:
        self.tell = tell
        if path is None:
            super().__init__(None)
            self._without("this user has no home directory")
            return
        with suppress(OSError):  # a cache: what is wrong with it, the next lines find out
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            super().__init__(path)
        except SimcoreError as error:
            super().__init__(None)
            self._without(_why(error))

    def _read(self, path: Path) -> None:
        try:
            super()._read(path)
        except InputError:  # nobody but simcore writes there: what is of no use is only in the way
            self.times.clear()
            with writing(path, "file"):
                os.truncate(path, 0)

    def add(self, task: Task, timed: Timed) -> None:
        """Append a finished point while that works."""
        try:
            super().add(task, timed)
        except SimcoreError as error:
            self.close()
            self.path = None
            self._without(_why(error))

    def _without(self, why: str) -> None:
        self.tell(f"finished points are not kept: {why}; --state FILE keeps them in FILE")


def _why(error: SimcoreError) -> str:
    return f"{error.place} is {error.found}" if isinstance(error, InputError) else str(error)


def _lock(path: Path) -> IO[bytes] | None:
    """Open a file, made where there is none, and lock it until it is closed.

    Returns
    -------
    file or None
        None where there are no locks, and for a file that is there and may only be read.

    Raises
    ------
    InputError
        If another run has it, or it cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    there = is_there(path)
    while True:
        try:
            with writing(path, "file"):
                stream = path.open("ab")
        except SimcoreError:
            if there:
                return None
            raise
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            remedy = "Wait until that run has ended, or name another file with --state."
            raise InputError(
                str(path), "a file that another run is using", "a file of this run alone", remedy
            ) from None
        except OSError:  # a file system without locks
            return stream
        with suppress(OSError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        stream.close()  # whoever had it removed it before it could be locked: that one is nobody's file any more
