"""The best split of a bandwidth budget: what it is, how good it is, and the numbers that say why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simcore.models.bandwidth.certificate import Bound
from simcore.models.bandwidth.dimensions import DimensionReport, dimension_reports
from simcore.models.bandwidth.product_search import least_time_cost
from simcore.models.bandwidth.region import Region
from simcore.models.bandwidth.shadow import ShadowPrice, shadow_prices
from simcore.models.bandwidth.target import Target
from simcore.models.bandwidth.ties import settle
from simcore.models.bandwidth.time_search import Optimum, least_time, relative_gap
from simcore.models.training.closed_form import StepModel, StepTime

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BandwidthPlan:
    """A split of a bandwidth budget over the dimensions of a network, with its certificate.

    Attributes
    ----------
    target : Target
        What it makes least.
    budget : float
        Bandwidth of one NPU in all [B/s].
    bandwidths : tuple of float
        Of one NPU into each dimension [B/s], innermost first.
    step : StepTime
        One training iteration.
    cost : float
        The network [$].
    equal_split : StepTime
        The iteration with the budget in equal parts, whatever the constraints.
    equal_split_cost : float
        That network [$].
    objective, lower_bound : float
        Iteration time [s], or time x cost [s $], and what no admissible split falls below.
    linear_programs : int
        Solved on the way.
    dimensions : tuple of DimensionReport
        What each dimension does.
    shadow_prices : tuple of ShadowPrice
        What the budget and each active limit cost.
    prices : tuple of float
        Network cost per bandwidth, of each dimension [$ per B/s].
    free : tuple of int
        Dimensions (from 0) that could have another bandwidth at the same objective.
    equal_products : bool
        Whether networks of other costs have the same time x cost.
    model : StepModel
        The iteration time.
    region : Region
        Admissible splits.
    bound : Bound
        The Lagrangian bound behind `lower_bound`.
    """

    target: Target
    budget: float
    bandwidths: tuple[float, ...]
    step: StepTime
    cost: float
    equal_split: StepTime
    equal_split_cost: float
    objective: float
    lower_bound: float
    linear_programs: int
    dimensions: tuple[DimensionReport, ...]
    shadow_prices: tuple[ShadowPrice, ...]
    prices: tuple[float, ...]
    free: tuple[int, ...]
    equal_products: bool
    model: StepModel
    region: Region
    bound: Bound

    @property
    def relative_gap(self) -> float:
        """How much better a split could be at most, as a share of the objective."""
        return relative_gap(self.objective, self.lower_bound)

    @property
    def iteration_time(self) -> float:
        """One training iteration [s]."""
        return self.step.total

    @property
    def equal_split_time(self) -> float:
        """One iteration with the budget in equal parts [s]."""
        return self.equal_split.total

    @property
    def speedup(self) -> float:
        """Iteration time of the equal split over that of this one."""
        return self.equal_split_time / self.step.total

    @property
    def perf_per_cost(self) -> float:
        """Iterations per second and dollar [1/(s $)]."""
        return 1.0 / (self.step.total * self.cost)

    @property
    def perf_per_cost_gain(self) -> float:
        """Performance per cost over that of the equal split."""
        return self.perf_per_cost * self.equal_split_time * self.equal_split_cost


def best_plan(model: StepModel, region: Region, prices: Array, target: Target) -> BandwidthPlan:
    """Find the best split, choose among equals, and say what each dimension and each limit does.

    Parameters
    ----------
    model : StepModel
        The iteration time.
    region : Region
        Admissible splits.
    prices : ndarray, shape (D,)
        Network cost per bandwidth [$ per B/s].
    target : Target
        What to make least.

    Raises
    ------
    RunError
        If the search does not converge: no plan is returned without its certificate.
    """
    optimum, free = best_split(model, region, prices, target)
    b, per_cost = optimum.bandwidths, target is Target.PER_COST
    return BandwidthPlan(
        target=target,
        budget=region.budget,
        bandwidths=tuple(float(value) for value in b),
        step=model.split(b),
        cost=float(prices @ b),
        equal_split=model.split(np.full(region.dimensions, region.budget / region.dimensions)),
        equal_split_cost=float(prices.mean()) * region.budget,
        objective=optimum.objective,
        lower_bound=optimum.lower_bound,
        linear_programs=optimum.programs,
        dimensions=dimension_reports(model, b, prices),
        shadow_prices=shadow_prices(model, region, b, prices, per_cost),
        prices=tuple(float(price) for price in prices),
        free=tuple(free),
        equal_products=optimum.equals,
        model=model,
        region=region,
        bound=optimum.bound,
    )


def best_split(model: StepModel, region: Region, prices: Array, target: Target) -> tuple[Optimum, list[int]]:
    """Find the best split; among equals the cheapest, then the one nearest to equal shares.

    Returns
    -------
    optimum : Optimum
        The split.
    free : list of int
        Dimensions (from 0) that could have another bandwidth at the same objective.
    """
    if target is Target.PERF:
        optimum = least_time(model, region)
        b, free = settle(model, region, prices, optimum.bandwidths, optimum.bound)
        objective = float(model.time(b))
    else:
        optimum = least_time_cost(model, region, prices)
        paid = region.with_row(prices, float(prices @ optimum.bandwidths), equal=True)
        b, free = settle(model, paid, None, optimum.bandwidths, optimum.bound)
        objective = float(model.time(b)) * float(prices @ b)
    lower = min(optimum.lower_bound, objective)
    return replace(optimum, bandwidths=b, objective=objective, lower_bound=lower), free
