"""Optimus: elastic jobs grow where one more GPU saves most of the remaining time."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import ClassVar

from simcore.errors import InputError
from simcore.models.cluster.placement import Placement
from simcore.models.cluster.policies.ranked import quantum_error
from simcore.models.cluster.policy import Decision, Policy
from simcore.models.cluster.room import Change
from simcore.models.cluster.view import View

GROWTHS = ("gang", "batch")


@dataclass
class Optimus(Policy):
    """Every round each job gets a GPU of its type, the first submitted first; the others go where they help most.

    With w GPUs a job has r(w) seconds left. The next GPU goes to the job with the largest r(w) - r(w + 1), up to its
    maxP, while that is more than nothing. Ties go by row. Source: Peng et al., EuroSys 2018, with remaining work known.

    Attributes
    ----------
    round : float
        Time after which GPUs are handed out anew while there are jobs [s].
    growth : str
        ``gang``: a job grows up to its maxP. ``batch``: as far as its batch can be divided, unless it asks for one GPU.
    """

    gang: ClassVar[bool] = False
    oracle: ClassVar[bool] = True
    divided: ClassVar[bool] = False
    round: float = 60.0
    growth: str = "gang"

    def __post_init__(self) -> None:
        if error := quantum_error("round", self.round):
            raise error
        if self.growth not in GROWTHS:
            raise InputError("growth", f"'{self.growth}'", f"one of {', '.join(GROWTHS)}")

    def decide(self, view: View) -> Decision:
        """Hand all GPUs out anew."""
        held = self._share_out(view)
        changes: list[Change] = []
        starts: list[tuple[float, int, Placement]] = []
        for row in view.active:
            placement = held.get(row)
            if placement is not view.placement[row]:
                if view.placement[row] is not None:
                    changes.append((row, None))
                if placement is not None:
                    starts.append((sum(placement.gpus), row, placement))
        changes += [(row, placement) for _, row, placement in sorted(starts, key=lambda start: start[:2])]
        return Decision(changes, view.now + self.round if held else None)

    def _share_out(self, view: View) -> dict[int, Placement]:
        types = view.cluster.types
        left = list(view.cluster.counts)
        held: dict[int, Placement] = {}
        for row in sorted(view.active, key=lambda row: (view.submitted[row], row)):
            gpu = types.index(view.job(row).gpu_type)
            if left[gpu]:
                left[gpu] -= 1
                held[row] = view.on(row, 1)
        gains = [gain for row in held if (gain := self._gain(view, row, 1)) is not None]
        heapify(gains)
        while gains:
            _, row, gpus = heappop(gains)
            gpu = types.index(view.job(row).gpu_type)
            if not left[gpu]:
                continue
            left[gpu] -= 1
            held[row] = view.on(row, gpus + 1)
            if (gain := self._gain(view, row, gpus + 1)) is not None:
                heappush(gains, gain)
        return held

    def _gain(self, view: View, row: int, gpus: int) -> tuple[float, int, int] | None:
        """Return what one more GPU saves, the largest first; None if it saves nothing."""
        most = view.job(row).max_parallelism
        if gpus >= (view.most(row) if self.growth == "batch" and most > 1 else most):
            return None
        now, then = view.remaining_on(row, gpus), view.remaining_on(row, gpus + 1)
        return (then - now, row, gpus) if then < now else None
