r"""Shadow prices: the iteration time that loosening one limit saves, per unit, at the margin and in that direction.

The least time :math:`V(d)` of a convex program is convex in its limits d. Where several multipliers prove the optimum,
as where limits pin every dimension, V has a kink, and a limit is worth less when it is loosened than what tightening it
costs. The price of a limit is the one-sided derivative

.. math:: -\lim_{h \downarrow 0} \frac{V(d + h e_m) - V(d)}{h},

with all other limits held and the bandwidths split anew. It is read off as the multiplier of the limit once the limit
is loosened by a step. V is convex, so its slope there is no more than the saving per unit over the step, and that no
more than the price. Where slope and saving agree V is straight between, and both are the price; where they differ, the
step is made smaller. Splits are taken as moves from the best one: in a difference of two optima, or with the solver's
tolerances on whole bandwidths, such steps would drown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.region import Region, Sense
from simcore.models.bandwidth.relaxation import Relaxation
from simcore.models.training.closed_form import StepModel

Array = NDArray[np.float64]

#: The first step, as a share of the greatest bandwidth that the limit is about, or of the network cost. The next is
#: smaller by `_FINER`, and so on, as long as one moves a bandwidth by more than a share of `_LEAST`.
_STEP, _FINER, _TRIES, _LEAST = 1e-5, 10.0, 10, 1e-8
#: Bandwidths may change by shares that are so many times the limit's own.
_ROUGH = 100.0
#: The slopes after two steps agree, and the slope and the saving, to these shares.
_AGREED, _SAVED = 1e-3, 1e-2
#: The best split is made more exact by moves of about these shares; kinks that are worth less than a share of
#: `_ROUNDING` of the time are where they are only for its errors, and those of its network cost.
_POLISH, _ROUNDING = (1e-5, 1e-7, 1e-9), 1e-10
#: A limit is active if a split keeps it to this share of the budget, and touched if to this one.
_ACTIVE, _TOUCHED = 1e-9, 1e-12
#: A price that is worth less than this share of the time for a whole budget is 0.
_EXACT = 1e-9
UNSTEADY = "unsteady"
"""A price is unknown: the saving per unit changes with every step that numbers of double precision can tell apart."""


@dataclass(frozen=True)
class ShadowPrice:
    """What a limit costs: the time saved where it is loosened a little, the others held and the budget split anew.

    Attributes
    ----------
    name : str
        The budget, a constraint as the user wrote it, or the network cost.
    per_bandwidth : float or None
        Iteration time saved per B/s that the limit is loosened [s per B/s]. Of an equality, per B/s that its left side
        is larger; below 0 where a smaller one saves that much, and 0 where neither does. None for the network cost,
        where no split at the same network cost meets the loosened limit, and where the price is unknown.
    per_dollar : float or None
        The same per dollar [s/$]: at the split's mean price for the budget, at the dimension's price for a cap; None
        where no bandwidth is bought.
    direction : int
        Of an active equality, which way to move it: 1 for a larger one, -1 for a smaller one; 0 for anything else.
    dimension : int or None
        The only dimension (from 0) that the limit is about; None where it is about several.
    unknown : str
        Why the price is unknown: `UNSTEADY`, or what the solver says; empty where it is known, or where there is none.
    smaller : float or None
        Of a budget that has to be spent and costs time: what a smaller one saves [s per B/s], below 0 if it costs time
        too. At a kink that is not the price without its sign. None where it is unknown, and for anything else.
    """

    name: str
    per_bandwidth: float | None
    per_dollar: float | None
    direction: int = 0
    dimension: int | None = None
    unknown: str = ""
    smaller: float | None = None


def shadow_prices(model: StepModel, region: Region, b: Array, prices: Array, per_cost: bool) -> tuple[ShadowPrice, ...]:
    """Price the budget and each active limit.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        The limits.
    b : ndarray, shape (D,)
        The best split [B/s].
    prices : ndarray, shape (D,)
        Network cost per bandwidth [$ per B/s].
    per_cost : bool
        Whether the plan is one of performance per cost: its prices hold at its network cost, which is priced too.

    Returns
    -------
    tuple of ShadowPrice
        The budget first, then the active limits as the user gave them, the network cost last.
    """
    margins = _Margins(model, region, b, prices if per_cost else None)
    priced = []
    for index, constraint in enumerate(region.constraints):
        row = np.array(constraint.coefficients)
        used, largest = np.flatnonzero(row), float(np.abs(row).max())
        equal = constraint.sense is Sense.EQUAL
        if index > 0 and not equal and constraint.bound - float(row @ b) > _ACTIVE * region.budget * largest:
            continue
        saved, unknown = margins.price(index)
        if index == 0:
            less = margins.price(0, -1.0)[0] if equal and saved is not None and saved < 0 else None
            smaller, dollars = None if less is None else -less, float(prices @ b / b.sum())
            priced.append(ShadowPrice("budget", saved, _over(saved, dollars), unknown=unknown, smaller=smaller))
            continue
        if equal and not unknown and (saved is None or saved <= 0):  # the other way
            saved, unknown = margins.price(index, -1.0)
            saved = saved if saved is None else min(saved, 0.0)
        dimension, dollars = None, 0.0
        if len(used) == 1:
            dimension = int(used[0])
            saved = saved if saved is None else saved * float(row[dimension] if equal else largest)
            dollars = float(prices[dimension]) if equal or row[dimension] > 0 else 0.0
        direction = (1 if saved > 0 else -1) if equal and saved else 0
        priced.append(ShadowPrice(constraint.name, saved, _over(saved, dollars), direction, dimension, unknown))
    if per_cost:
        saved, unknown = margins.price(None)
        priced.append(ShadowPrice("network cost", None, saved, unknown=unknown))
    return tuple(priced)


def _over(saved: float | None, dollars: float) -> float | None:
    return saved / dollars if saved is not None and dollars > 0 else None


class _Margins:
    """The least time around the best split as its limits move, at its network cost where prices are given."""

    def __init__(self, model: StepModel, region: Region, b: Array, prices: Array | None) -> None:
        self.model, self.region, self.prices = model, region, prices
        self.cost = float(prices @ b) if prices is not None else 0.0
        # where the budget is spent and all dimensions cost the same, the budget is the cost
        self.fixed = prices is not None and bool(region.equal[0] and np.ptp(prices) <= 1e-9 * prices.max())
        self.relaxation, self.at = Relaxation(model, region), b
        self.b = self._polished(b)
        self.time = float(model.time(self.b))

    def price(self, index: int | None, direction: float = 1.0) -> tuple[float | None, str]:
        """Return what one limit saves per unit that it is loosened, and why that is unknown if it is.

        Parameters
        ----------
        index : int or None
            Of the constraint; None for the network cost.
        direction : float
            -1 where the right-hand side is to fall.

        Returns
        -------
        saved : float or None
            Seconds per B/s, or per $; None where no split meets the limit so moved, or the price is unknown.
        unknown : str
            Why it is unknown, or empty.
        """
        if self.fixed and not index:
            return None, ""
        loosened = self.region if index is None else self.region.loosened(index, 0.0)
        held, mean = self._held(loosened)
        rise = np.zeros(len(held.rows))
        if index is None:
            rise[-1], whole, reach = 1.0, self.cost, self.cost
        else:
            row = np.abs(self.region.constraints[index].coefficients)
            whole, reach = self.region.budget, float((row * self.b).max())
            rise[-1] = -mean if index == 0 else 0.0
            rise[0 if index == 0 else len(loosened.rows) - 1] = 1.0
        room, before, failed = self._room(held, self.b), None, ""
        least = _EXACT * self.time / whole
        for size in _STEP / _FINER ** np.arange(_TRIES):
            step = direction * size * reach
            try:
                solution = self.relaxation.solve_near(held, self.b, room + step * rise, _ROUGH * size)
            except RunError as error:
                failed = str(error)
                continue
            if solution is None:
                continue
            move, multipliers = solution
            slope = float(multipliers @ rise)
            saving = (self.time - float(self.model.time(np.clip(self.b + move, held.lower, held.upper)))) / step
            same = before is not None and abs(slope - before) <= _AGREED * abs(slope) + least
            if same and abs(slope - saving) <= _SAVED * abs(slope) + _ROUNDING * self.time / abs(step):
                return (slope if abs(slope) > least else 0.0), ""
            if before is not None and np.abs(move / self.b).max() < _LEAST:
                break
            before = slope
        return None, failed if before is None else UNSTEADY

    def _held(self, region: Region) -> tuple[Region, float]:
        """Return a region at the network cost that is held, and how much of the budget was taken off the cost [$/B/s].

        As much as leaves two rows at right angles where bandwidths count in shares: else the solver takes one for the
        other where most bandwidths have one price.
        """
        if self.prices is None or self.fixed:
            return region, 0.0
        square = self.at**2
        mean = float(self.prices @ square / square.sum()) if region.equal[0] else 0.0
        return region.with_row(self.prices - mean, self.cost - mean * float(region.rhs[0]), equal=True), mean

    def _room(self, region: Region, b: Array) -> Array:
        """Return how far each row may rise; one that is touched, or has to hold, not at all [B/s]."""
        room = region.rhs - region.rows @ b
        touched = room <= _TOUCHED * np.abs(region.rows).max(axis=1) * region.budget
        return np.where(touched | region.equal, 0.0, room)

    def _polished(self, b: Array) -> Array:
        """Return the best split more exactly: a gap of 1e-9 leaves the bandwidths uncertain by a root of that."""
        region, _ = self._held(self.region.loosened(0, 0.0))
        for size in _POLISH:
            try:
                solution = self.relaxation.solve_near(region, b, self._room(region, b), size)
            except RunError:  # b is good as it is
                solution = None
            if solution is None:
                continue
            moved = np.clip(b + solution[0], region.lower, region.upper)
            if self.model.time(moved) <= self.model.time(b):
                b = moved
        for bound in (region.lower, region.upper):
            b = np.where(np.abs(b - bound) <= _TOUCHED * bound, bound, b)
        return b
