r"""The least iteration time x network cost: convex problems at a price of the dollar, and one at each cost if need be.

:math:`T(b) C(b)` is not convex, but at its minimum b is also a minimum of the convex :math:`T(b) + \mu C(b)` with
:math:`\mu = T / C`: both have the same conditions of optimality. Each round solves the relaxation at the :math:`\mu` of
the best split found. What it finds is no worse, because :math:`T' / T + C' / C < 2` implies :math:`T' C' < T C`, and a
search along the line there takes what is to be had. Bounds come from `product_bounds`: one for all costs at once, and
an envelope of lines. With a budget, caps and minima the first is tight at every stationary split. That proves it
globally best.

Other linear constraints may leave a gap. Then the convex problem is solved at one cost after the other, where the
envelope is least, until the two meet. Where the product is flat over decades of cost the envelope would take thousands
of lines to get within 1e-6. Then the range of costs is divided: each part of it caps the bandwidths, and the tighter
bound of `product_bound` mostly does for the parts away from the best split.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.certificate import Bound, Weights, lower_bound
from simcore.models.bandwidth.product_bounds import Envelope, Line, product_bound
from simcore.models.bandwidth.region import Region
from simcore.models.bandwidth.relaxation import Relaxation
from simcore.models.bandwidth.time_search import Optimum, least_time, relative_gap, search, starting_point
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


class ProductSearch:
    """The best split found, and what is known of all others.

    Attributes
    ----------
    best : ndarray, shape (D,)
        The split [B/s]; as long as none is known to be admissible, a scale.
    least : float
        Its time x cost [s $]; infinite for a scale.
    value : float
        No admissible split has less [s $].
    where : float
        The network cost at which the envelope is least [$].
    """

    def __init__(self, model: StepModel, region: Region, prices: Array) -> None:
        self.model, self.region, self.prices = model, region, prices
        self.relaxation = Relaxation(model, region)
        (cheapest, self.low), (dearest, high) = region.least(prices), region.least(-prices)
        self.high = -high
        self.envelope = Envelope(self.low, self.high)
        self.best, self.least = starting_point(region), np.inf
        self.value, self.where = -np.inf, self.low
        for b in (cheapest, dearest, region.repair(self.best)):
            self.offer(b)

    @property
    def margin(self) -> float:
        """How far the solver, which must meet a cost to the last digit, stays from the ends of the range [$]."""
        return 1e-9 * (self.high - self.low)

    @property
    def cost(self) -> float:
        """Network cost of the best split [$]."""
        return float(self.prices @ self.best)

    @property
    def gap(self) -> float:
        """Relative gap between the best split and the lower bound."""
        return relative_gap(self.least, self.value)

    def product(self, b: Array) -> float:
        """Return time x cost of a split [s $]."""
        return float(self.model.time(b)) * float(self.prices @ b)

    def offer(self, b: Array) -> bool:
        """Keep a split if it is admissible and better, and say whether it is admissible."""
        admissible = self.region.violation(b) < 1e-12
        product = self.product(b)
        if admissible and product < self.least:
            self.best, self.least = b, product
        return admissible

    def learn(self, candidates: tuple[Array, ...]) -> None:
        """Take the tangents at some splits, and the best on the line through them."""
        start, known = self.best, np.isfinite(self.least)
        for b in candidates:
            self.relaxation.add(b)
            if self.offer(b) and known:
                self._along(start, b - start)

    def _along(self, start: Array, direction: Array) -> None:
        """Look for a better split along a line, as far as the region reaches."""
        region = self.region
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(direction > 0, (region.upper - start) / direction, (region.lower - start) / direction)[
                direction != 0
            ]
            rise = region.rows @ direction
            stops = ((region.rhs - region.rows @ start) / rise)[~region.equal & (rise > 0)]
        farthest = float(min(ends.min(initial=np.inf), stops.min(initial=np.inf)))
        if not 0 < farthest < np.inf:
            return
        steps = np.append(2.0 ** np.arange(-6, 40), farthest)
        steps = steps[steps <= farthest]
        splits = np.clip(start + steps[:, None] * direction, region.lower, region.upper)
        products = self.model.time(splits) * (splits @ self.prices)
        if products.min() < self.least:
            self.offer(region.repair(splits[int(np.argmin(products))]))
            self.relaxation.add(self.best)

    def prove(self, cost: float, weights: Weights, near: Array) -> tuple[Bound, Array]:
        """Raise the lower bound by what some weights prove, the last of them the price of the cost [s per $].

        Returns
        -------
        bound : Bound
            Of the time at this cost.
        tight : ndarray, shape (D,)
            Where the bound of `product_bound` is tight [B/s].
        """
        bound = lower_bound(self.model, self.region.with_row(self.prices, cost, equal=True), weights)
        slope = -float(bound.rows[-1])
        # whatever the budget and the limits, sum a_i / b_i >= (sum sqrt(a_i c_i))**2 / kappa, by Cauchy and Schwarz
        scale_free = Line(float(np.sqrt(bound.volumes * self.prices).sum() ** 2), bound.fixed)
        self.envelope.add(Line(bound.value - slope * cost, slope), scale_free)
        product, tight = product_bound(bound, self.region, self.prices, near)
        least, self.where = self.envelope.least_product()
        self.value = max(self.value, product, least)
        return bound, self.region.repair(tight)

    def at_price(self, at: Array) -> tuple[Bound, Array]:
        """Solve the relaxation at the price T / C of the dollar that a split has, and learn from it."""
        cost = float(self.prices @ at)
        dollar = float(self.model.time(at)) / cost
        solution = self.relaxation.solve(self.region, at, dollar * self.prices)
        if solution is None:
            raise RunError("the solver calls the constraints infeasible although they can be met")
        b, weights = self.region.repair(solution[0]), solution[1]
        bound, tight = self.prove(cost, replace(weights, rows=np.append(weights.rows, dollar)), b)
        self.learn((b, self.region.repair(bound.point), tight))
        return bound, tight

    def between(self, low: float, high: float, bound: Bound) -> float:
        """Return a lower bound on the products of splits whose cost is within a range, of what some duals prove [s $].

        A range of costs caps every bandwidth that has a price, which makes the bound of `product_bound` tighter.
        """
        region, prices = self.region, self.prices
        spent = float(prices @ region.lower) - prices * region.lower
        caps = np.divide(high - spent, prices, out=np.full(len(prices), np.inf), where=prices > 0)
        # a rounding error more, and never below the floor: the range may have only splits at its bounds
        capped = region.with_bounds(region.lower, np.clip(caps * (1 + 1e-9), region.lower, region.upper))
        product, _ = product_bound(bound, capped, prices, np.clip(self.best, capped.lower, capped.upper))
        return max(product, self.envelope.within(low, high).least_product()[0])

    def at_cost(self, cost: float, scale: Array) -> tuple[Array, Bound]:
        """Solve the relaxation at a network cost, learn from it, and return its split."""
        inner, mean = self.region.with_cost(self.prices, cost)
        solution = self.relaxation.solve(inner, scale)
        if solution is None:
            raise RunError(f"the solver calls the bandwidth problem infeasible at a network cost of ${cost:,.2f}")
        b, weights = inner.repair(solution[0]), solution[1]
        weights.rows[0] -= mean * weights.rows[-1]
        bound, tight = self.prove(cost, weights, b)
        self.learn((self.region.repair(b), self.region.repair(bound.point), tight))
        return b, bound


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
    progress = ProductSearch(model, region, prices)
    if progress.high - progress.low <= 1e-9 * progress.high:  # every split costs the same
        fastest = least_time(model, region, aim / 2, progress.relaxation)
        cost = float(prices @ fastest.bandwidths)
        bound = replace(fastest.bound, rows=np.append(fastest.bound.rows, 0.0))
        lower = min(progress.low, cost) * fastest.lower_bound
        return Optimum(fastest.bandwidths, cost * fastest.objective, lower, bound, fastest.programs)
    _descend(progress, aim)
    _scan(progress, aim)
    if progress.gap > ACCEPTED:
        _divide(progress, ACCEPTED / 2)
    if progress.gap > max(aim, ACCEPTED):
        spent = f"{progress.relaxation.solved} linear programs"
        raise RunError(f"the search for the best bandwidth split did not converge in {spent}")
    bound = _duals(progress)
    cheaper = _cheapest(progress)
    equals = cheaper is not None or _equal_at(progress, progress.cost + _aside(progress)) is not None
    b, least = progress.best, progress.least
    if cheaper is not None:
        b, bound = cheaper.bandwidths, cheaper.bound
        least = progress.product(b)
    return Optimum(b, least, min(progress.value, least), bound, progress.relaxation.solved, equals)


def _descend(progress: ProductSearch, aim: float) -> None:
    """Solve at the price of the best split and, where that gains little, at the split where the bound is tight."""
    at, aside, since = progress.best, False, 0
    while since < _STALLED and progress.gap > aim:
        before, gap = progress.least, progress.least - progress.value
        _, tight = progress.at_price(at)
        aside = not aside and before - progress.least < gap / 2 and progress.region.violation(tight) < 1e-12
        at = tight if aside else progress.best
        since = 0 if progress.least - progress.value < 0.999 * gap else since + 1


def _scan(progress: ProductSearch, aim: float) -> None:
    """Solve at the cost where the envelope is least, until it meets the best split."""
    scale, since = progress.best, 0
    while progress.relaxation.solved < _PROGRAMS and since < _PATIENCE and progress.gap > aim:
        gap = progress.least - progress.value
        scale, _ = progress.at_cost(
            min(max(progress.where, progress.low + progress.margin), progress.high - progress.margin), scale
        )
        since = 0 if progress.least - progress.value < 0.999 * gap else since + 1


def _divide(progress: ProductSearch, aim: float) -> None:
    """Bound the product over ranges of cost, halving those where it is not proven yet, until all of them are."""
    open_, least, until = [(progress.low, progress.high)], np.inf, progress.relaxation.solved + _PROGRAMS
    scale = progress.best
    while open_ and progress.relaxation.solved < until:
        low, high = open_.pop()
        between = min(max(float(np.sqrt(low * high)), progress.low + progress.margin), progress.high - progress.margin)
        proven = -np.inf
        for _ in range(_AGAIN):
            scale, bound = progress.at_cost(between, scale)
            proven = max(proven, progress.between(low, high, bound))
            if relative_gap(progress.least, proven) <= aim:
                break
        else:
            open_ += [(between, high), (low, between)]
            continue
        least = min(least, proven)
    if not open_:
        progress.value = max(progress.value, least)


def _duals(progress: ProductSearch) -> Bound:
    """Return the bound on the time at the cost of the best split, priced T / C per dollar."""
    tightest: Bound | None = None
    for _ in range(_STALLED):
        split = progress.best
        bound, _ = progress.at_price(split)
        if tightest is None or split is not progress.best or bound.value > tightest.value:
            tightest = bound
        if split is progress.best and relative_gap(float(progress.model.time(split)), tightest.value) <= AIM:
            break
    assert tightest is not None
    return tightest


def _cheapest(progress: ProductSearch) -> Optimum | None:
    """Return the best split at the least cost whose product is equal to the least, or None where that is its own.

    Costs of equal products are an interval wherever the product is convex in log b, so its lower end can be bisected.
    """
    high = progress.cost - _aside(progress)
    equal = _equal_at(progress, high)
    if equal is None:
        return None
    low = progress.low
    at_end = _equal_at(progress, low + progress.margin)
    if at_end is not None:
        return at_end
    while high > low * (1 + _NEAR):
        between = float(np.sqrt(low * high))
        nearer = _equal_at(progress, between)
        if nearer is None:
            low = between
        else:
            equal, high = nearer, between
    return equal


def _aside(progress: ProductSearch) -> float:
    """Return how far from the cost of the best split another network is looked for that is as good [$]."""
    return _ASIDE * min(progress.cost, progress.high - progress.low)


def _equal_at(progress: ProductSearch, cost: float) -> Optimum | None:
    """Return the split of least time at a network cost, or None where its product is not equal to the least."""
    if not progress.low + progress.margin <= cost <= progress.high - progress.margin:
        return None
    inner, mean = progress.region.with_cost(progress.prices, cost)
    asked = progress.least * (1 + TIE) / cost
    try:
        other = search(progress.model, inner, TIE / 10, progress.relaxation, progress.best, asked)
    except RunError:  # a cost that the solver cannot meet is none to choose
        return None
    if other is None or progress.product(other.bandwidths) > progress.least * (1 + TIE):
        return None
    rows = other.bound.rows.copy()
    rows[0] -= mean * rows[-1]
    return replace(other, bound=replace(other.bound, rows=rows))
