"""What a search for the least time x cost knows: the best split found, tangents, and lower bounds for all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError
from simcore.models.bandwidth.certificate import Bound, Weights, lower_bound
from simcore.models.bandwidth.envelope import Envelope, Line
from simcore.models.bandwidth.geometric import product_bound
from simcore.models.bandwidth.perf import relative_gap, starting_point
from simcore.models.bandwidth.region import Region
from simcore.models.bandwidth.relaxation import Relaxation
from simcore.models.training.closed_form import StepModel

Array = NDArray[np.float64]


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
        """Take the tangents at some splits, and the best on the way through them."""
        start, known = self.best, np.isfinite(self.least)
        for b in candidates:
            self.relaxation.add(b)
            if self.offer(b) and known:
                self._along(start, b - start)

    def _along(self, start: Array, way: Array) -> None:
        """Look for a better split along a line, as far as the region reaches."""
        region = self.region
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(way > 0, (region.upper - start) / way, (region.lower - start) / way)[way != 0]
            rise = region.rows @ way
            stops = ((region.rhs - region.rows @ start) / rise)[~region.equal & (rise > 0)]
        farthest = float(min(ends.min(initial=np.inf), stops.min(initial=np.inf)))
        if not 0 < farthest < np.inf:
            return
        steps = np.append(2.0 ** np.arange(-6, 40), farthest)
        steps = steps[steps <= farthest]
        splits = np.clip(start + steps[:, None] * way, region.lower, region.upper)
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
            Where the bound of `geometric` is tight [B/s].
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

        A range of costs caps every bandwidth that has a price, which makes the bound of `geometric` tighter.
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
