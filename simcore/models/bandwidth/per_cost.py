r"""The least iteration time x network cost: convex problems at a price of the dollar, and one at each cost if need be.

:math:`T(b) C(b)` is not convex, but at its minimum b is also a minimum of the convex :math:`T(b) + \mu C(b)` with
:math:`\mu = T / C`: both have the same conditions of optimality. Each round solves the relaxation at the :math:`\mu` of
the best split found. What it finds is no worse, because :math:`T' / T + C' / C < 2` implies :math:`T' C' < T C`, and a
search along the way there takes what is to be had. Bounds come from `geometric`, for all costs at once, and from
`envelope`. With a budget, caps and minima the first is tight at every stationary split, which proves it globally best.

Other linear constraints may leave a gap. Then the convex problem is solved at one cost after the other, where the
envelope is least, until the two meet. Where the product is flat over decades of cost the envelope would take thousands
of lines to get within 1e-6. Then the range of costs is divided: each part of it caps the bandwidths, and the tighter
bound of `geometric` mostly does for the parts away from the best split.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.certificate import Bound
from simcore.models.bandwidth.perf import Optimum, least_time, relative_gap, search
from simcore.models.bandwidth.product_search import ProductSearch
from simcore.models.bandwidth.region import Region
from simcore.models.training.closed_form import StepModel

Array = NDArray[np.float64]

#: Relative gap that the search aims for, and the largest it may end with.
AIM, ACCEPTED = 1e-9, 1e-6
#: Products that agree to this share are equal: of them the cheapest network is taken.
TIE = 1e-9
#: Programs without a gain in the gap before the search turns from the price of the dollar to one cost after the other.
_STALLED = 8
#: Linear programs in all, and without a gain in the gap, before the search gives up.
_PROGRAMS, _PATIENCE = 450, 250
#: Programs at one cost before its range is halved.
_AGAIN = 3
#: A cheaper or dearer network whose product is equal is looked for this far away, and its cost found to this share.
#: Closer than that a tie cannot be told from a smooth optimum: its product agrees to `TIE` over some 1e-4 of the cost.
_ASIDE, _NEAR = 1e-3, 1e-4


def least_time_cost(model: StepModel, region: Region, prices: Array, aim: float = AIM) -> Optimum:
    """Find the split of least iteration time x network cost; among equals that of the cheapest network.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        Admissible splits.
    prices : ndarray, shape (D,)
        Network cost per bandwidth [$ per B/s].
    aim : float
        Relative gap to reach.

    Returns
    -------
    Optimum
        With a relative gap of at most `ACCEPTED`. Its bound is that of the least time at its cost, the last row.

    Raises
    ------
    RunError
        If the search does not converge.
    """
    found = ProductSearch(model, region, prices)
    if found.high - found.low <= 1e-9 * found.high:  # every split costs the same
        fastest = least_time(model, region, aim / 2, found.relaxation)
        cost = float(prices @ fastest.bandwidths)
        bound = replace(fastest.bound, rows=np.append(fastest.bound.rows, 0.0))
        lower = min(found.low, cost) * fastest.lower_bound
        return Optimum(fastest.bandwidths, cost * fastest.objective, lower, bound, fastest.programs)
    _descend(found, aim)
    _scan(found, aim)
    if found.gap > ACCEPTED:
        _divide(found, ACCEPTED / 2)
    if found.gap > max(aim, ACCEPTED):
        spent = f"{found.relaxation.solved} linear programs"
        raise RunError(f"the search for the best bandwidth split did not converge in {spent}")
    bound = _duals(found)
    cheaper = _cheapest(found)
    equals = cheaper is not None or _equal_at(found, found.cost + _aside(found)) is not None
    b, least = found.best, found.least
    if cheaper is not None:
        b, bound = cheaper.bandwidths, cheaper.bound
        least = found.product(b)
    return Optimum(b, least, min(found.value, least), bound, found.relaxation.solved, equals)


def _descend(found: ProductSearch, aim: float) -> None:
    """Solve at the price of the best split and, where that gains little, at the split where the bound is tight."""
    at, aside, since = found.best, False, 0
    while since < _STALLED and found.gap > aim:
        before, gap = found.least, found.least - found.value
        _, tight = found.at_price(at)
        aside = not aside and before - found.least < gap / 2 and found.region.violation(tight) < 1e-12
        at = tight if aside else found.best
        since = 0 if found.least - found.value < 0.999 * gap else since + 1


def _scan(found: ProductSearch, aim: float) -> None:
    """Solve at the cost where the envelope is least, until it meets the best split."""
    scale, since = found.best, 0
    while found.relaxation.solved < _PROGRAMS and since < _PATIENCE and found.gap > aim:
        gap = found.least - found.value
        scale, _ = found.at_cost(min(max(found.where, found.low + found.margin), found.high - found.margin), scale)
        since = 0 if found.least - found.value < 0.999 * gap else since + 1


def _divide(found: ProductSearch, aim: float) -> None:
    """Bound the product over ranges of cost, halving those where it is not proven yet, until all of them are."""
    open_, least, until = [(found.low, found.high)], np.inf, found.relaxation.solved + _PROGRAMS
    scale = found.best
    while open_ and found.relaxation.solved < until:
        low, high = open_.pop()
        between = min(max(float(np.sqrt(low * high)), found.low + found.margin), found.high - found.margin)
        proven = -np.inf
        for _ in range(_AGAIN):
            scale, bound = found.at_cost(between, scale)
            proven = max(proven, found.between(low, high, bound))
            if relative_gap(found.least, proven) <= aim:
                break
        else:
            open_ += [(between, high), (low, between)]
            continue
        least = min(least, proven)
    if not open_:
        found.value = max(found.value, least)


def _duals(found: ProductSearch) -> Bound:
    """Return the bound on the time at the cost of the best split, priced T / C per dollar."""
    tightest: Bound | None = None
    for _ in range(_STALLED):
        split = found.best
        bound, _ = found.at_price(split)
        if tightest is None or split is not found.best or bound.value > tightest.value:
            tightest = bound
        if split is found.best and relative_gap(float(found.model.time(split)), tightest.value) <= AIM:
            break
    assert tightest is not None
    return tightest


def _cheapest(found: ProductSearch) -> Optimum | None:
    """Return the best split at the least cost whose product is equal to the least, or None where that is its own.

    Costs of equal products are an interval wherever the product is convex in log b, so its lower end can be bisected.
    """
    high = found.cost - _aside(found)
    equal = _equal_at(found, high)
    if equal is None:
        return None
    low = found.low
    at_end = _equal_at(found, low + found.margin)
    if at_end is not None:
        return at_end
    while high > low * (1 + _NEAR):
        between = float(np.sqrt(low * high))
        nearer = _equal_at(found, between)
        if nearer is None:
            low = between
        else:
            equal, high = nearer, between
    return equal


def _aside(found: ProductSearch) -> float:
    """Return how far from the cost of the best split another network is looked for that is as good [$]."""
    return _ASIDE * min(found.cost, found.high - found.low)


def _equal_at(found: ProductSearch, cost: float) -> Optimum | None:
    """Return the split of least time at a network cost, or None where its product is not equal to the least."""
    if not found.low + found.margin <= cost <= found.high - found.margin:
        return None
    inner, mean = found.region.with_cost(found.prices, cost)
    asked = found.least * (1 + TIE) / cost
    try:
        other = search(found.model, inner, TIE / 10, found.relaxation, found.best, asked)
    except RunError:  # a cost that the solver cannot meet is none to choose
        return None
    if other is None or found.product(other.bandwidths) > found.least * (1 + TIE):
        return None
    rows = other.bound.rows.copy()
    rows[0] -= mean * rows[-1]
    return replace(other, bound=replace(other.bound, rows=rows))
