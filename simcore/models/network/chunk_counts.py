"""How many chunks collectives are cut into where nobody says: as many as end first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from simcore.models.network.conventions import PHYSICAL, Convention
from simcore.models.network.schedulers.base import Scheduler

T = TypeVar("T")

AUTO = "auto"
"""The number of chunks that is fastest."""
MOST_CHUNKS = 2**20
"""Chunks that are simulated at most."""
PUBLISHED = 64
"""What ASTRA-sim's published evaluations cut a collective into, and what is tried at most."""
COUNTS = tuple(2**power for power in range(PUBLISHED.bit_length()))
"""What is tried. Together they cost as much as the largest one once more."""
_TIE = 1e-9
"""Times that agree to this share of the shortest tie: fewer chunks are taken then."""


def is_settled(chunks: int | str, schedule: type[Scheduler], convention: Convention) -> bool:
    """Return whether a number of chunks needs no trial: one that is given, or one that changes nothing.

    ASTRA-sim's conventions keep the published number. ``latency-aware`` takes fewer by itself.
    """
    return chunks != AUTO or convention is not PHYSICAL or schedule.name == "latency-aware"


def settled_count(chunks: int | str) -> int:
    """Return a number of chunks that `is_settled`.

    Examples
    --------
    >>> settled_count(8), settled_count("auto")
    (8, 64)
    """
    return chunks if isinstance(chunks, int) else PUBLISHED


def fastest(run: Callable[[int], T], time: Callable[[T], float]) -> tuple[int, T]:
    """Return which of `COUNTS` takes least time, and its run; of equal times the fewest chunks.

    Parameters
    ----------
    run : callable
        Simulates a number of chunks.
    time : callable
        What a run took [s].

    Examples
    --------
    >>> fastest(lambda chunks: 8.0 / chunks + chunks, float)
    (2, 6.0)
    """
    ran = [(count, run(count)) for count in COUNTS]
    least = min(time(each) for _, each in ran)
    return next((count, each) for count, each in ran if time(each) <= least * (1 + _TIE))
