"""Schedules by name: those that come with simcore, those of installed packages, and those of a user's own files."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError
from simcore.models.network.schedulers.base import Scheduler
from simcore.plugins import load

ENTRY_POINTS = "simcore.schedulers"  # the group by which an installed package offers its schedules
# in the order of the reports
SCHEDULERS = {
    "ascending": "simcore.models.network.schedulers.ascending:Ascending",
    "round-robin": "simcore.models.network.schedulers.round_robin:RoundRobin",
    "themis": "simcore.models.network.schedulers.themis:Themis",
    "flex": "simcore.models.network.schedulers.flex:Flex",
    "latency-aware": "simcore.models.network.schedulers.latency_aware.schedule:LatencyAware",
}


def scheduler(text: str | type[Scheduler], place: str = "schedule") -> type[Scheduler]:
    """Return the schedule that a text names.

    Parameters
    ----------
    text : str or type of Scheduler
        A name of `SCHEDULERS` in any case, the name of an entry point of the group ``simcore.schedulers``, or
        ``FILE.py:CLASS``. A schedule itself is returned as it is.
    place : str
        The argument that gave it, for messages.

    Raises
    ------
    InputError
        If there is no such schedule, or it is none.

    Examples
    --------
    >>> scheduler("Themis").name
    'themis'
    """
    named = load(text, ENTRY_POINTS, SCHEDULERS, place) if isinstance(text, str) else text
    if not (isinstance(named, type) and issubclass(named, Scheduler) and named.plan is not Scheduler.plan):
        expected = "a class derived from simcore.network.Scheduler that has a method plan(view)"
        raise InputError(place, f"'{text}', which is no schedule", expected)
    return named


def scheduler_file(text: str | type[Scheduler]) -> Path | None:
    """Return the file that defines the schedule that a text names, None for one that no file of the user's defines.

    Examples
    --------
    >>> scheduler_file("themis"), scheduler_file("mine.py:Mine").name
    (None, 'mine.py')
    """
    file, colon, _ = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    return Path(file) if colon and file.endswith(".py") else None
