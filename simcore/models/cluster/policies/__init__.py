"""Scheduling policies: one small file each, and the table of their names.

A policy is told which jobs arrive and finish, and is asked what changes now. It sees rows and classes, never the
clock or the work that is left, so a round in which nothing arrived, finished or changed would decide the same again
and is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.placement import Placement
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes

Changes = list[tuple[int, Placement | None]]


class Policy(Protocol):
    """What the simulator asks of a scheduling policy.

    Attributes
    ----------
    settles : bool
        True where one decision leaves nothing for the next, as long as no job arrives or finishes.
    """

    settles: bool

    def submit(self, row: int, kind: int) -> None:
        """Take a job of class `kind` into the queue."""

    def finish(self, row: int) -> None:
        """Forget a job that is done; its GPUs are free already."""

    def decide(self, free: Sequence[int]) -> Changes:
        """Return the placements that change now, given the free GPUs of each type; None takes a placement away.

        The changes will be carried out: a policy keeps its own books as if they were.
        """


PolicyFactory = Callable[[Sequence[JobClass], Cluster, StepTimes, Rules], Policy]


def factories() -> dict[str, PolicyFactory]:
    """Return every policy's factory by its name, in the order of the reports."""
    from simcore.models.cluster.policies.easyscale import EasyScale
    from simcore.models.cluster.policies.fifo import Fifo
    from simcore.models.cluster.policies.yarn_cs import YarnCs

    return {"yarn-cs": YarnCs, "fifo": Fifo, "easyscale-homo": EasyScale.homogeneous, "easyscale-heter": EasyScale}


def gang_scheduled(name: str) -> bool:
    """Tell whether a policy starts a job only on its full gang of the preferred type."""
    return name in {"yarn-cs", "fifo"}


def uses_all_types(name: str) -> bool:
    """Tell whether a policy runs heterogeneous jobs on every GPU type."""
    return name == "easyscale-heter"
