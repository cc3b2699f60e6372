"""Tables of Figures 12 to 15 from the points of the network evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from simcore.readers.references import References, Spread
from simcore.results import Table
from simcore.studies.evaluate.grid import BUDGETS, EQUAL, NETWORKS, PER_COST, PERF, Point

Ratio = Callable[[Point], float]


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean.

    Examples
    --------
    >>> round(geometric_mean([1.0, 4.0]), 12)
    2.0
    """
    return exp(sum(map(log, values)) / len(values))


def speedup(point: Point, base: Point) -> float:
    """Return how many times faster a point is than a base."""
    return base.time / point.time


def perf_per_cost(point: Point, base: Point) -> float:
    """Return how much more performance a point gives per dollar than a base: (T C of the base) / (T C)."""
    return base.time * base.cost / (point.time * point.cost)


def _cost(point: Point) -> float:
    return point.cost


@dataclass(frozen=True)
class _Comparison:
    """A ratio to be averaged over workloads and budgets, beside published numbers where there are any."""

    allocation: str
    over: str
    ratio: Ratio
    published: Mapping[str, Spread]


class _Bases:
    """Equal splits to compare with: those of the 2D network, and those of the point's own."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._equal = {(p.network, p.workload, p.budget): p for p in points if p.allocation == EQUAL}

    def first(self, point: Point, budget: float | None = None) -> Point:
        """Return the 2D network's, at the point's budget unless told another."""
        return self._equal[NETWORKS[0], point.workload, point.budget if budget is None else budget]

    def own(self, point: Point) -> Point:
        """Return the same network's, at the point's budget."""
        return self._equal[point.network, point.workload, point.budget]


def figure12(points: Sequence[Point], references: References | None) -> dict[str, Table]:
    """Compare time with that of an equal split of the 2D network with the same budget.

    Parameters
    ----------
    points : sequence of Point
        Equal splits among them.
    references : References or None
        Published numbers for the summary; None where the points are not those that were published.
    """
    bases = _Bases(points)
    published = references.speedup if references else {}
    compared = _Comparison(PERF, EQUAL, lambda p: speedup(p, bases.own(p)), published)
    table = _table(points, {"speedup": lambda p: speedup(p, bases.first(p)), "cost": _cost})
    return {"fig12": table, "summary": _summary(points, [compared])}


def figure13(points: Sequence[Point], references: References | None) -> dict[str, Table]:
    """Tabulate network costs; parameters as for `figure12`."""
    bases = _Bases(points)
    compared = [_Comparison(name, EQUAL, lambda p: p.cost / bases.own(p).cost, {}) for name in (PERF, PER_COST)]
    return {"fig13": _table(points, {"cost": _cost}), "summary": _summary(points, compared)}


def figure14(points: Sequence[Point], references: References | None) -> dict[str, Table]:
    """Compare performance per cost with that of an equal split of the 2D network; parameters as for `figure12`.

    The base has the same budget in ``perf_per_cost``, and 100 GB/s per NPU in ``perf_per_cost_over_100``.
    """
    bases = _Bases(points)
    own, first = (references.perf_per_cost, references.perf_per_cost_over_2d) if references else ({}, {})
    compared = [
        _Comparison(PER_COST, EQUAL, lambda p: perf_per_cost(p, bases.own(p)), own),
        _Comparison(PER_COST, f"2D {EQUAL}", lambda p: perf_per_cost(p, bases.first(p)), first),
    ]
    ratios: dict[str, Ratio] = {
        "perf_per_cost": lambda p: perf_per_cost(p, bases.first(p)),
        "perf_per_cost_over_100": lambda p: perf_per_cost(p, bases.first(p, BUDGETS[0])),
        "cost": _cost,
    }
    return {"fig14": _table(points, ratios), "summary": _summary(points, compared)}


def figure15(points: Sequence[Point]) -> dict[str, Table]:
    """Tabulate the slowdown of workload W on a split made for O: T(W on O's) / T(W on its own).

    The summary averages it over budgets. Its mean over the other workloads is geometric and has one 1.0 more in it, for
    O itself; as published, that is so for the group too, which is no workload.
    """
    own = {(p.network, p.workload, p.budget): p.time for p in points if p.tuned_for == p.workload}
    ratios = [
        (p.network, p.tuned_for, p.workload, p.budget, p.time / own[p.network, p.workload, p.budget]) for p in points
    ]
    cells: dict[tuple[str, str | None], dict[str, list[float]]] = {}
    for network, tuned_for, workload, _, slowdown in ratios:
        cells.setdefault((network, tuned_for), {}).setdefault(workload, []).append(slowdown)
    summary: list[tuple[Any, ...]] = []
    for (network, tuned_for), by_workload in cells.items():
        others = [values for workload, values in by_workload.items() if workload != tuned_for]
        means = [geometric_mean([*at_budget, 1.0]) for at_budget in zip(*others, strict=True)]
        for workload, values in {**by_workload, "mean": means}.items():
            summary.append((network, tuned_for, workload, geometric_mean(values), min(values), max(values)))
    return {
        "fig15": Table(["network", "tuned_for", "workload", "budget", "slowdown"], ratios),
        "summary": Table(["network", "tuned_for", "workload", "slowdown", "least", "largest"], summary),
    }


def _table(points: Sequence[Point], ratios: Mapping[str, Ratio]) -> Table:
    return Table(
        ["network", "workload", "allocation", "budget", *ratios, "feasible"],
        [
            (p.network, p.workload, p.allocation, p.budget, *(ratio(p) for ratio in ratios.values()), p.feasible)
            for p in points
        ],
    )


def _summary(points: Sequence[Point], comparisons: Sequence[_Comparison]) -> Table:
    body: list[tuple[Any, ...]] = []
    for each in comparisons:
        chosen = [p for p in points if p.allocation == each.allocation]
        for network in dict.fromkeys(p.network for p in chosen):
            values = [each.ratio(p) for p in chosen if p.network == network]
            mean, reference = geometric_mean(values), each.published.get(network)
            beside: tuple[float | None, ...] = (None, None, None)
            if reference is not None:
                beside = reference.mean, reference.largest, mean / reference.mean - 1
            body.append((network, each.allocation, each.over, mean, max(values), *beside))
    columns = ["network", "allocation", "over", "mean", "largest", "reference_mean", "reference_largest", "difference"]
    return Table(columns, body)
