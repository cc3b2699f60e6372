"""Optimus: elastic jobs grow where one more GPU saves most of the remaining time."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import ClassVar

from simcore.models.cluster.placement import Placement
from simcore.models.cluster.policies.ranked import quantum_error
from simcore.models.cluster.policy import Decision, Policy
from simcore.models.cluster.room import Change
from simcore.models.cluster.view import View


@dataclass
class Optimus(Policy):
    """Every round each job gets a GPU of its type, the first submitted first; the others go where they help most.

    With w GPUs a job has r(w) seconds left. The next GPU goes to the job with the largest r(w) - r(w + 1), up to its
    maxP, while that is more than nothing. Ties go by row. Source: Peng et al., EuroSys 2018, with remaining work known.

    Attributes
    ----------
    round : float
        Time after which GPUs are handed out anew while there are jobs [s].
    """

    gang: ClassVar[bool] = False
    oracle: ClassVar[bool] = True
    divided: ClassVar[bool] = False
    round: float = 60.0

    def __post_init__(self) -> None:
        if error := quantum_error("round", self.round):
            raise error

    def decide(self, view: View) -> Decision:
        """Hand all GPUs out anew."""
        held = self._share_out(view)
        changes: list[Change] = []
        for row in view.active:
            placement = held.get(row)
            if placement is not view.placement[row]:
                if view.placement[row] is not None:
                    changes.insert(0, (row, None))
                if placement is not None:
                    changes.append((row, placement))
        return Decision(changes, view.now + self.round if held else None)

    def _share_out(self, view: View) -> dict[int, Placement]:
        types = view.cluster.types
        left = list(view.cluster.counts)
        held: dict[int, Placement] = {}
        for row in sorted(view.active, key=lambda row: (view.submitted[row], row)):
            gpu = types.index(view.job(row).gpu_type)
            if left[gpu]:
                left[gpu] -= 1
                held[row] = _on(view, row, 1)
        gains = [gain for row in held if (gain := self._gain(view, row, 1)) is not None]
        heapify(gains)
        while gains:
            _, row, gpus = heappop(gains)
            gpu = types.index(view.job(row).gpu_type)
            if not left[gpu]:
                continue
            left[gpu] -= 1
            held[row] = _on(view, row, gpus + 1)
            if (gain := self._gain(view, row, gpus + 1)) is not None:
                heappush(gains, gain)
        return held

    def _gain(self, view: View, row: int, gpus: int) -> tuple[float, int, int] | None:
        """Return what one more GPU saves, the largest first; None if it saves nothing."""
        if gpus >= view.job(row).max_parallelism:
            return None
        steps = view.remaining[row] / view.gang(row).step_time
        now, then = (steps * _on(view, row, number).step_time for number in (gpus, gpus + 1))
        return (then - now, row, gpus) if then < now else None


def _on(view: View, row: int, gpus: int) -> Placement:
    if gpus == view.job(row).max_parallelism:
        return view.gang(row)
    gpu = view.cluster.types.index(view.job(row).gpu_type)
    return view.place(row, [gpus if g == gpu else 0 for g in range(len(view.cluster.types))])
