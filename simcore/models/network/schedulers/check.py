"""What a schedule of a user's own does is checked before it is simulated."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from math import inf
from numbers import Real
from pathlib import Path
from typing import TypeVar

from simcore.errors import RunError, SimcoreError
from simcore.models.network.chunks import ChunkPlan
from simcore.models.network.schedulers.base import CollectiveView, Scheduler

T = TypeVar("T")

_ROUNDING = 1e-6
"""Share of a collective's size by which the sizes of its chunks may miss it."""


def made(schedule: type[Scheduler]) -> Scheduler:
    """Return a new object of a schedule.

    Raises
    ------
    RunError
        If a schedule that does not come with simcore fails.
    """
    return _called(schedule, schedule)


def planned(scheduler: Scheduler, view: CollectiveView) -> list[ChunkPlan]:
    """Let a schedule plan a collective.

    Raises
    ------
    RunError
        If a schedule that does not come with simcore fails, or gives chunks that are not the collective's.
    """
    plans = _called(type(scheduler), lambda: list(scheduler.plan(view)))
    wrong = "" if _own(type(scheduler)) else _wrong(plans, view)
    if wrong:
        raise RunError(f"the schedule {scheduler.name} gives {wrong}.")
    return plans


def _own(schedule: type[Scheduler]) -> bool:
    """Say whether a schedule comes with simcore."""
    return schedule.__module__.startswith("simcore.")


def _called(schedule: type[Scheduler], call: Callable[[], T]) -> T:
    """Call into a schedule; what goes wrong inside one of the user's own is no bug of simcore."""
    try:
        return call()
    except SimcoreError:
        raise
    except Exception as error:
        if _own(schedule):
            raise
        file = getattr(sys.modules.get(schedule.__module__), "__file__", None)
        from traceback import extract_tb

        frames = extract_tb(error.__traceback__)
        last = [frame for frame in frames if frame.filename == file] or frames
        where = f"{Path(last[-1].filename).name}, line {last[-1].lineno}"
        raise RunError(f"the schedule {schedule.name} failed in {where}: {type(error).__name__}: {error}") from error


def _wrong(plans: Sequence[ChunkPlan], view: CollectiveView) -> str:
    """Say what is wrong with the chunks of a collective, or nothing."""
    used = sorted(view.default_order)
    for number, plan in enumerate(plans, 1):
        if not isinstance(plan, ChunkPlan):
            return f"{plan!r} for chunk {number}, not a simcore.network.ChunkPlan"
        if not isinstance(plan.order, tuple) or sorted(plan.order) != used:
            return f"chunk {number} the order {plan.order}, where the group uses the dimensions {tuple(used)}"
        if not isinstance(plan.size, Real) or not plan.size > 0:
            return f"chunk {number} the size {plan.size!r}, not a number above 0"
        if plan.lag != plans[0].lag:
            return f"chunk {number} the lag {plan.lag}, and chunk 1 the lag {plans[0].lag}"
        # without a lag a chunk's later phases would come before its earlier ones
        if plan.lag is not None and not (isinstance(plan.lag, Real) and 0 < plan.lag < inf):
            return f"the lag {plan.lag!r}, not a number above 0"
    total, size = sum(plan.size for plan in plans), view.convention.bytes(view.size)
    if abs(total - size) > size * _ROUNDING:
        return f"chunks of {total:g} B in all for a collective of {size:g} B"
    return ""
