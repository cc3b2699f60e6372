r"""Shadow prices: the iteration time that loosening one limit saves, per unit, at the margin and in that direction.

The least time :math:`V(d)` of a convex program is convex in its limits d. Where several multipliers prove the optimum,
as where limits pin every dimension, V has a kink, and a limit is worth less when it is loosened than what tightening it
costs. The price of a limit is the one-sided derivative

.. math:: -\lim_{h \downarrow 0} \frac{V(d + h e_m) - V(d)}{h},

with all other limits held and the bandwidths split anew. It is read off as the multiplier of the limit once the limit
is loosened by a little: V is convex, so its slope a little further on tends to the one-sided derivative, whichever
multiplier the solver picks there. A difference of two optima would divide their gaps by h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.perf import AIM, search
from simcore.models.bandwidth.region import Region, Sense
from simcore.models.bandwidth.relaxation import Relaxation
from simcore.models.training import StepModel

Array = NDArray[np.float64]

#: A limit is loosened by this share of the least bandwidth that it is about, within these shares of the budget.
_STEP, _STEPS = 1e-5, (1e-9, 1e-7)
#: The network cost is loosened by this share.
_COST_STEP = 1e-7
#: A limit is active if a split keeps it to this share of the budget.
_ACTIVE = 1e-9
#: A price that is worth less than this share of the time for a whole budget is 0: the search is no more exact.
_EXACT = 1e-9


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
        and where no split at the same network cost meets the loosened limit.
    per_dollar : float or None
        The same per dollar [s/$]: at the split's mean price for the budget, at the dimension's price for a cap; None
        where no bandwidth is bought.
    shift : str
        Of an active equality, which way to move it: ``the left side larger``, ``b1 smaller``; empty for anything else.
    """

    name: str
    per_bandwidth: float | None
    per_dollar: float | None
    shift: str = ""


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
    cost = float(prices @ b) if per_cost else None
    relaxation = Relaxation(model, region)
    relaxation.add(b)
    found = []
    for index, constraint in enumerate(region.constraints):
        row = np.array(constraint.coefficients)
        used, largest = np.flatnonzero(row), float(np.abs(row).max())
        equal = constraint.sense is Sense.EQUAL
        if index > 0 and not equal and constraint.bound - float(row @ b) > _ACTIVE * region.budget * largest:
            continue
        low, high = _STEPS
        step = largest * float(np.clip(_STEP * b[used].min(), low * region.budget, high * region.budget))
        last = 0 if index == 0 else -1  # where `loosened` puts the row
        saved = _multiplier(model, region.loosened(index, step), last, b, relaxation, prices, cost)
        if index == 0:
            found.append(ShadowPrice("budget", saved, _over(saved, float(prices @ b / b.sum()))))
            continue
        if equal and (saved is None or saved <= 0):  # the other way
            saved = _multiplier(model, region.loosened(index, -step), last, b, relaxation, prices, cost)
            saved = saved if saved is None else min(saved, 0.0)
        what, dollars = "the left side", 0.0
        if len(used) == 1:
            (i,) = used
            saved = saved if saved is None else saved * float(row[i] if equal else largest)
            what, dollars = f"b{i + 1}", float(prices[i]) if equal or row[i] > 0 else 0.0
        shift = f"{what} {'larger' if saved > 0 else 'smaller'}" if equal and saved else ""
        found.append(ShadowPrice(constraint.name, saved, _over(saved, dollars), shift))
    if cost is not None:
        saved = _multiplier(model, region, None, b, relaxation, prices, cost * (1 + _COST_STEP))
        found.append(ShadowPrice("network cost", None, saved))
    return tuple(found)


def _over(saved: float | None, dollars: float) -> float | None:
    return saved / dollars if saved is not None and dollars > 0 else None


def _multiplier(
    model: StepModel,
    region: Region,
    row: int | None,
    b: Array,
    relaxation: Relaxation,
    prices: Array,
    cost: float | None,
) -> float | None:
    """Return the multiplier of a row, or of the cost where there is none, at the least time in a region [s per unit].

    None where no split has that cost.
    """
    place, mean = (len(region.rows) + row) % len(region.rows) if row is not None else -1, 0.0
    if cost is not None:
        if region.equal[0] and np.ptp(prices) <= 1e-9 * prices.max():  # the budget is the cost
            if place <= 0:
                return None
        else:
            region, mean = region.with_cost(prices, cost)
    try:
        found = search(model, region, AIM, relaxation, b)
    except RunError:  # so thin a region that the solver cannot tell whether it is empty
        found = None
    if found is None:
        return None
    rows = found.bound.rows
    price = float(rows[place] - (mean * rows[-1] if place == 0 else 0.0))
    unit = cost if row is None and cost is not None else region.budget
    return price if abs(price) * unit > _EXACT * found.objective else 0.0
