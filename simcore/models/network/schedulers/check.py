"""What a schedule of a user's own gives is checked before it is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from traceback import extract_tb

from simcore.errors import RunError, SimcoreError
from simcore.models.network.chunks import ChunkPlan
from simcore.models.network.schedulers.base import CollectiveView, Scheduler

_ROUNDING = 1e-6
"""Share of a collective's size by which the sizes of its chunks may miss it."""


def planned(scheduler: Scheduler, view: CollectiveView) -> list[ChunkPlan]:
    """Let a schedule plan a collective.

    Raises
    ------
    RunError
        If a schedule that does not come with simcore fails, or gives chunks that are not the collective's.
    """
    if type(scheduler).__module__.startswith("simcore."):
        return list(scheduler.plan(view))
    try:
        plans = list(scheduler.plan(view))
    except SimcoreError:
        raise
    except Exception as error:
        last = extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        raise RunError(f"the schedule {scheduler.name} failed in {where}: {type(error).__name__}: {error}") from error
    wrong = _wrong(plans, view)
    if wrong:
        raise RunError(f"the schedule {scheduler.name} gives {wrong}.")
    return plans


def _wrong(plans: Sequence[ChunkPlan], view: CollectiveView) -> str:
    """Say what is wrong with the chunks of a collective, or nothing."""
    used = sorted(view.default_order)
    for number, plan in enumerate(plans, 1):
        if not isinstance(plan, ChunkPlan):
            return f"{plan!r} for chunk {number}, not a simcore.network.ChunkPlan"
        if sorted(plan.order) != used:
            return f"chunk {number} the order {plan.order}, where the group uses the dimensions {tuple(used)}"
        if not isinstance(plan.size, Real) or not plan.size > 0:
            return f"chunk {number} the size {plan.size!r}, not a number above 0"
        if plan.lag != plans[0].lag:
            return f"chunk {number} the lag {plan.lag}, and chunk 1 the lag {plans[0].lag}"
    total, size = sum(plan.size for plan in plans), view.convention.bytes(view.size)
    if abs(total - size) > size * _ROUNDING:
        return f"chunks of {total:g} B in all for a collective of {size:g} B"
    return ""
