"""The study behind ``simcore schedule``: what each step of a training schedule changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.schedule.request import ScheduleRequest
    from simcore.studies.schedule.result import ScheduleResult
    from simcore.studies.schedule.run import schedule

__getattr__, __dir__ = attach(
    __name__,
    {
        "ScheduleRequest": "simcore.studies.schedule.request",
        "ScheduleResult": "simcore.studies.schedule.result",
        "schedule": "simcore.studies.schedule.run",
    },
)

__all__ = ["ScheduleRequest", "ScheduleResult", "schedule"]
