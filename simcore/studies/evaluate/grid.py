"""The points of the network evaluation: plans of bandwidth, and what each of them gives over a range of budgets.

As published, a plan is a set of fractions of the budget, found once, at a budget of 100 GB/s per NPU, for the iteration
with recomputed activations whose collectives run one after the other, and scaled to all budgets. Each point is then
timed in closed form as the artifact's evaluation does: compute takes 0.26 of what the workload says, the forward pass
runs twice with its compute and its collectives, nothing overlaps, and a GB/s is 2**30 bytes per second. Costs count a
GB/s as the price table does, once per GB/s of budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore.models.network.cost import CostModel, cost_coefficients
from simcore.models.network.mapping import map_parallelism
from simcore.models.network.topology import Topology
from simcore.models.training.closed_form import StepModel, compile_step, mean_step
from simcore.models.training.program import Loop
from simcore.models.training.workload import Workload
from simcore.readers.costs import read_costs
from simcore.readers.networks import read_network
from simcore.readers.read import Read
from simcore.readers.workloads import read_workload

if TYPE_CHECKING:
    from simcore.models.bandwidth.time_search import Optimum

Array = NDArray[np.float64]

EQUAL, PERF, PER_COST, FIXED = "EqualBW", "PerfOptBW", "PerfPerCostOptBW", "DGX-like"
NETWORKS = ("2D", "3D", "4D")
WORKLOADS = ("17B", "175B", "1T")
GROUP = "Group"
BUDGETS = tuple(100e9 * step for step in range(1, 11))
"""Budgets of the figures [B/s per NPU]."""
FIXED_BUDGET = 325e9
"""What the DGX-like network has [B/s per NPU]: 300 + 25 GB/s."""
PLAN_BUDGET = 100e9
"""Budget at which the published fractions were found [B/s per NPU]."""
COMPUTE_SCALE = 0.26
"""Factor on compute in the artifact's evaluation (its flag ``--compute-scale``)."""
GIGABYTE = 2**30 / 1e9
"""The artifact's simulator takes a GB/s for 2**30 B/s; its optimiser and its prices take it for 1e9."""


@dataclass(frozen=True)
class Point:
    """One plan at one budget, timed and priced.

    Attributes
    ----------
    network, workload, allocation : str
        What runs where, and the rule that split the bandwidth.
    tuned_for : str or None
        Workload that the split was optimised for; None where it was not.
    budget : float
        Bandwidth of one NPU [B/s].
    bandwidths : tuple of float
        Into each dimension [B/s per NPU], innermost first.
    time, compute : float
        Iteration time and the compute in it [s].
    cost : float
        Network [$].
    feasible : bool
        Whether each dimension stays within what its level can have.
    """

    network: str
    workload: str
    allocation: str
    tuned_for: str | None
    budget: float
    bandwidths: tuple[float, ...]
    time: float
    compute: float
    cost: float
    feasible: bool


@dataclass(frozen=True)
class Scene:
    """A network with the workloads that run on it.

    Attributes
    ----------
    topology : Topology
        The network.
    workloads : tuple of Workload
        What runs on it.
    costs : CostModel
        Prices of its levels.
    limits : mapping of str to float
        Largest feasible bandwidth [B/s per NPU] by level.
    own : tuple of float
        Bandwidths that the network comes with [B/s per NPU]; empty where it has none.
    """

    topology: Topology
    workloads: tuple[Workload, ...]
    costs: CostModel
    limits: dict[str, float]
    own: tuple[float, ...] = ()

    @cached_property
    def prices(self) -> Array:
        """Cost of bandwidth in each dimension [$ per B/s], shape (D,)."""
        return np.array(cost_coefficients(self.topology, self.costs))

    @cached_property
    def planned(self) -> dict[str, StepModel]:
        """The iteration that plans are made for, by workload; ``Group`` is the mean of all."""
        return self._models(1.0, False)

    @cached_property
    def timed(self) -> dict[str, StepModel]:
        """The iteration that is timed, by workload."""
        return self._models(COMPUTE_SCALE, True)

    def _models(self, compute_scale: float, recompute_compute: bool) -> dict[str, StepModel]:
        models = {}
        for workload in self.workloads:
            groups = map_parallelism(self.topology, workload.tp, workload.dp)
            loop = Loop.NO_OVERLAP
            models[workload.name] = compile_step(workload, groups, loop, True, compute_scale, recompute_compute)
        models[GROUP] = mean_step(list(models.values()), list(models))
        return models

    def points(self, workload: str, allocation: str, tuned_for: str | None, splits: Array) -> list[Point]:
        """Time and price splits of shape (budgets, D) [B/s]."""
        model = self.timed[workload]
        limits = np.array([self.limits.get(dimension.level, np.inf) for dimension in self.topology.dimensions])
        budgets, times, costs = splits.sum(axis=1), model.time(splits * GIGABYTE), splits @ self.prices
        feasible = [bool(np.all(split <= limits)) for split in splits]
        return [
            Point(
                network=self.topology.name,
                workload=workload,
                allocation=allocation,
                tuned_for=tuned_for,
                budget=float(round(budgets[i])),  # a sum of fractions: back on the grid
                bandwidths=tuple(splits[i].tolist()),
                time=float(times[i]),
                compute=model.compute,
                cost=float(costs[i]),
                feasible=feasible[i],
            )
            for i in range(len(splits))
        ]


@dataclass
class Planner:
    """Solves plans, each once, and counts what that took.

    Attributes
    ----------
    resolve : bool
        Whether each budget gets a plan of its own, made for the very iteration that is timed, in place of the published
        fractions' way.
    counts : dict
        Plans and linear programs solved.
    """

    resolve: bool = False
    counts: dict[str, int] = field(default_factory=lambda: {"plans": 0, "linear_programs": 0})

    def splits(self, scene: Scene, tuned_for: str, goal: str, budgets: Sequence[float]) -> Array:
        """Return the best splits [B/s], shape (budgets, D), for `PERF` or `PER_COST`."""
        if self.resolve:
            model = scene.timed[tuned_for]
            rows = [self._solve(model, budget * GIGABYTE, scene.prices, goal) / GIGABYTE for budget in budgets]
            return np.array(rows)
        fractions = self._solve(scene.planned[tuned_for], PLAN_BUDGET, scene.prices, goal) / PLAN_BUDGET
        return np.outer(budgets, fractions)

    def _solve(self, model: StepModel, budget: float, prices: Array, goal: str) -> Array:
        optimum = solve(model, budget, prices, goal)
        self.counts["plans"] += 1
        self.counts["linear_programs"] += optimum.programs
        return optimum.bandwidths


def solve(model: StepModel, budget: float, prices: Array, goal: str) -> Optimum:
    """Split a budget [B/s] over dimensions of given prices [$ per B/s] for `PERF` or `PER_COST`."""
    from simcore.models.bandwidth.plan import best_split
    from simcore.models.bandwidth.region import make_region
    from simcore.models.bandwidth.target import Target

    region = make_region(budget, model.shapes.shape[1])
    return best_split(model, region, prices, Target.PERF if goal == PERF else Target.PER_COST)[0]


def load_scenes(
    networks: Sequence[str], workloads: Sequence[str], costs: str, limits: dict[str, float]
) -> tuple[list[Scene], dict[str, str]]:
    """Load networks of the zoo with some workloads, weight gradients fused into the first layer as evaluated.

    Returns
    -------
    scenes : list of Scene
        One per network.
    hashes : dict of str to str
        SHA-256 of each file, by kind and name.
    """
    run = [read_workload(name, variant="evaluation") for name in workloads]
    named, priced = [read_network(name) for name in networks], read_costs(costs)
    loaded = tuple(each.value for each in run)
    scenes = [Scene(each.value.topology, loaded, priced.value, limits, each.value.bandwidths or ()) for each in named]
    return scenes, file_hashes(networks=named, workloads=run, costs=[priced])


def file_hashes(**kinds: Sequence[Read[Any]]) -> dict[str, str]:
    """Return the SHA-256 of what was read of the zoo, by kind and name."""
    return {f"{kind}/{read.name}": read.sha256 for kind, reads in kinds.items() for read in reads}


def equal_splits(scene: Scene, budgets: Sequence[float]) -> Array:
    """Return equal splits [B/s], shape (budgets, D)."""
    dimensions = len(scene.topology.dimensions)
    return np.repeat(np.array(budgets)[:, None] / dimensions, dimensions, axis=1)


def fixed_points(scene: Scene) -> list[Point]:
    """Return the points of a network at the bandwidths that it comes with."""
    bandwidths = np.array([scene.own])
    return [point for each in scene.workloads for point in scene.points(each.name, FIXED, None, bandwidths)]


def rows(points: Sequence[Point]) -> list[tuple[Any, ...]]:
    """Return points as rows of `COLUMNS`, bandwidths padded to four dimensions."""
    return [
        (
            *(point.network, point.workload, point.allocation, point.tuned_for, point.budget),
            *(*point.bandwidths, None, None, None, None)[:4],
            *(point.time, point.compute, point.time - point.compute, point.cost, point.feasible),
        )
        for point in points
    ]


COLUMNS = [
    *("network", "workload", "allocation", "tuned_for", "budget", "b1", "b2", "b3", "b4"),
    *("time", "compute", "exposed", "cost", "feasible"),
]
"""Columns of the table of points: bandwidths in [B/s per NPU], times in [s], cost in [$]."""
