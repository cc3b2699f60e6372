"""A trace drawn anew from itself, so that a file too says how sure a result is: the bootstrap, by jobs or by days."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.models.cluster.jobs import Trace

RESAMPLES = ("jobs", "days")
DAY = 86400.0
_KEY = 0x5E5A  # keeps these random numbers apart from those of a generator with the same seed


def resampled(trace: Trace, by: str, seed: int, place: str = "resample") -> Trace:
    """Return a trace of the same length whose jobs or days are drawn from it with replacement.

    Parameters
    ----------
    trace : Trace
        With submissions from any time on [s].
    by : str
        ``jobs``: each submission keeps its time and gets the rest of a random job, so that what arrives varies.
        ``days``: each day, counted from the first submission, is replaced by a random one of the trace, whose jobs keep
        their time of the day. So bursts and habits of a day stay whole (a block bootstrap, Kuensch 1989).
    seed : int
        Of the random numbers.
    place : str
        The field that asked for it, for messages.

    Raises
    ------
    InputError
        If a trace of less than two days is to be drawn by days.

    Examples
    --------
    >>> from simcore.models.cluster.jobs import JobClass, build_trace
    >>> job = JobClass("bert", 8, 4, True, "v100")
    >>> trace = build_trace("t", ["a", "b"], [0.0, 5.0], [64.0, 32.0], [job, job])
    >>> resampled(trace, "jobs", 4).submit.tolist(), len(set(resampled(trace, "jobs", 4).names))
    ([0.0, 5.0], 2)
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_KEY,)))
    if by == "jobs":
        drawn = random.integers(len(trace), size=len(trace))
        submit = trace.submit
    else:
        drawn, submit = _days(trace, random, place)
    taken = replace(trace.take(drawn), submit=submit)
    taken = replace(
        taken, names=_unique([trace.names[row] for row in drawn.tolist()]), numbers=_moved(trace, drawn, submit)
    )
    order = np.argsort(submit, kind="stable")
    note = f"{trace.name}: {by} are drawn anew, with replacement (seed {seed})"
    return replace(taken if bool((np.diff(order) == 1).all()) else taken.take(order), notes=(*trace.notes, note))


def _days(trace: Trace, random: np.random.Generator, place: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows of days drawn at random, and when their jobs are submitted [s]."""
    first = float(trace.submit.min())
    day = ((trace.submit - first) // DAY).astype(np.int64)
    days = int(day.max()) + 1
    if days < 2:
        found = f"days of a trace that spans {np.ptp(trace.submit) / 3600:.3g} h"
        raise InputError(place, found, "a trace of two days or more", "Draw its jobs: jobs.")
    rows, submit = [], []
    for target, source in enumerate(random.integers(days, size=days).tolist()):
        mine = np.flatnonzero(day == source)
        rows.append(mine)
        submit.append(trace.submit[mine] + (target - source) * DAY)
    drawn = np.concatenate(rows)
    if not len(drawn):  # days without a job alone
        return np.arange(len(trace)), trace.submit
    return drawn, np.concatenate(submit)


def _moved(trace: Trace, drawn: NDArray[np.int64], submit: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of numbers of drawn jobs; a deadline moves with the submission."""
    numbers = {name: values[drawn] for name, values in trace.numbers.items()}
    if "deadline_s" in numbers:
        numbers["deadline_s"] = numbers["deadline_s"] + (submit - trace.submit[drawn])
    return numbers


def _unique(names: list[str]) -> list[str]:
    """Return names of which each that comes again has a number behind it.

    Examples
    --------
    >>> _unique(["a", "b", "a"])
    ['a', 'b', 'a~2']
    """
    taken, again, unique = set(names), Counter[str](), []
    for name in names:
        again[name] += 1
        chosen = name if again[name] == 1 else f"{name}~{again[name]}"
        while chosen in taken and again[name] > 1:
            again[name] += 1
            chosen = f"{name}~{again[name]}"
        taken.add(chosen)
        unique.append(chosen)
    return unique
