"""The least iteration time within a region: cutting planes above, Lagrangian bounds below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.certificate import Bound, lower_bound
from simcore.models.bandwidth.region import Region
from simcore.models.bandwidth.relaxation import Relaxation
from simcore.models.training.closed_form import StepModel

Array = NDArray[np.float64]

#: Relative gap that the search aims for, and the largest it may end with.
AIM, ACCEPTED = 1e-9, 1e-7
#: Rounds in all, and without a gain in the gap, before the search gives up.
_ROUNDS, _PATIENCE = 80, 20


@dataclass(frozen=True, eq=False)
class Optimum:
    """A split, its objective, and the proof that no split is better than `lower_bound`.

    Attributes
    ----------
    bandwidths : ndarray, shape (D,)
        The split [B/s].
    objective : float
        Its time [s], or time x cost [s $].
    lower_bound : float
        No split in the region has less.
    bound : Bound
        Duals of the time at this split.
    programs : int
        Linear programs solved.
    equals : bool
        Whether networks of other costs have the same objective, where it is time x cost.
    """

    bandwidths: Array
    objective: float
    lower_bound: float
    bound: Bound
    programs: int
    equals: bool = False

    @property
    def gap(self) -> float:
        """Relative gap between objective and lower bound."""
        return relative_gap(self.objective, self.lower_bound)


def starting_point(region: Region) -> Array:
    """Return an equal split, clipped to the bounds: a scale, not necessarily a feasible point."""
    equal: Array = np.full(region.dimensions, region.budget / region.dimensions)
    return np.asarray(np.clip(equal, region.lower, region.upper))


def relative_gap(objective: float, bound: float) -> float:
    """Return by how much the objective could be better at most, as a share of it; infinite where it is."""
    if not np.isfinite(objective):
        return np.inf
    return max(0.0, 1.0 - bound / objective) if objective > 0 else 0.0


def least_time(
    model: StepModel,
    region: Region,
    aim: float = AIM,
    relaxation: Relaxation | None = None,
    start: Array | None = None,
) -> Optimum:
    """Find the split of least iteration time.

    Each round solves the linear relaxation. The true time at its split is an upper bound, the Lagrangian bound at its
    duals a lower one. Then it adds the tangents at the split and at the bound's own minimiser.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        Admissible splits.
    aim : float
        Relative gap to reach.
    relaxation : Relaxation, optional
        With tangents of an earlier search.
    start : ndarray, shape (D,), optional
        A good split of that search [B/s], where this one begins.

    Returns
    -------
    Optimum
        With a relative gap of at most `ACCEPTED`.

    Raises
    ------
    RunError
        If the search does not converge.
    """
    optimum = search(model, region, aim, relaxation, start)
    if optimum is None or optimum.gap > max(aim, ACCEPTED):
        raise RunError(f"the search for the best bandwidth split did not converge in {_ROUNDS} rounds")
    return optimum


def search(
    model: StepModel,
    region: Region,
    aim: float,
    relaxation: Relaxation | None = None,
    start: Array | None = None,
    asked: float | None = None,
) -> Optimum | None:
    """Look for the split of least iteration time as `least_time` does, and return the best found, whatever its gap.

    Where a time is asked for [s], it ends as soon as that time is met or proved to be out of reach. None where no split
    was found that meets the limits to the last digits, which a region of one point can be too thin for.
    """
    relaxation = relaxation or Relaxation(model, region)
    scale = starting_point(region) if start is None else start
    best, least = scale, np.inf
    proof: Bound | None = None
    started = relaxation.solved
    since, gap = 0, np.inf
    for _ in range(_ROUNDS):
        solution = relaxation.solve(region, scale)
        if solution is None:
            break
        b, weights = solution
        bound = lower_bound(model, region, weights)
        if proof is None or bound.value > proof.value:
            proof = bound
        for candidate in (region.repair(b), region.repair(bound.point)):
            relaxation.add(candidate)
            time = float(model.time(candidate))
            if time < least and region.violation(candidate) < 1e-12:
                best, least = candidate, time
        before, gap = gap, relative_gap(least, proof.value)
        since = 0 if gap < 0.999 * before else since + 1
        if gap <= aim or since == _PATIENCE or (asked is not None and (least <= asked or proof.value > asked)):
            break
        scale = best if np.isfinite(least) else np.clip(b, region.lower, region.upper)
    if proof is None or not np.isfinite(least):
        return None
    return Optimum(best, least, proof.value, proof, relaxation.solved - started)
