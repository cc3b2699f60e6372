"""Tables of the network figures from points made by hand."""

from __future__ import annotations

from math import sqrt

import pytest
from simcore.readers.references import References, Spread
from simcore.results import Table
from simcore.studies.evaluate.grid import EQUAL, PER_COST, PERF, Point
from simcore.studies.evaluate.tables import figure12, figure13, figure14, figure15, geometric_mean

BUDGET = 100e9


def point(network, allocation, time, cost, workload="17B", tuned_for=None, budget=BUDGET):
    return Point(network, workload, allocation, tuned_for, budget, (budget,), time, 0.5, cost, True)


POINTS = [
    point("2D", EQUAL, 8.0, 100.0),
    point("2D", PERF, 4.0, 50.0),
    point("2D", PER_COST, 5.0, 10.0),
    point("4D", EQUAL, 6.0, 80.0),
    point("4D", PERF, 2.0, 40.0),
    point("4D", PER_COST, 3.0, 8.0),
]
REFERENCES = References(
    limits={},
    speedup={"4D": Spread(2.0, 3.0)},
    perf_per_cost={"4D": Spread(25.0, 20.0)},
    perf_per_cost_over_2d={},
    table6=(),
    iterations=(),
    source="",
)


def test_speedup_is_over_the_equal_split_of_the_first_network():
    tables = figure12(POINTS, REFERENCES)
    assert tables["fig12"].column("speedup") == [1.0, 2.0, 1.6, 8 / 6, 4.0, 8 / 3]
    # the summary compares with the equal split of the same network
    assert tables["summary"].column("mean") == pytest.approx([2.0, 3.0])
    assert tables["summary"].column("difference") == [None, pytest.approx(0.5)]


def test_no_reference_where_the_points_are_not_the_published_ones():
    assert figure12(POINTS, None)["summary"].column("reference_mean") == [None, None]


def test_cost_is_the_points_own():
    tables = figure13(POINTS, None)
    assert tables["fig13"].column("cost") == [100.0, 50.0, 10.0, 80.0, 40.0, 8.0]
    assert tables["summary"].column("mean") == pytest.approx([0.5, 0.5, 0.1, 0.1])


def test_performance_per_cost():
    tables = figure14(POINTS, REFERENCES)
    expected = [1.0, 4.0, 16.0, 800 / 480, 10.0, 800 / 24]
    assert tables["fig14"].column("perf_per_cost") == pytest.approx(expected)
    assert tables["fig14"].column("perf_per_cost_over_100") == pytest.approx(expected)
    assert tables["summary"].column("mean") == pytest.approx([16.0, 20.0, 16.0, 800 / 24])
    assert tables["summary"].column("reference_mean") == [None, 25.0, None, None]


def test_the_mean_slowdown_has_one_more_one():
    times = {("A", "A"): 1.0, ("A", "B"): 4.0, ("B", "A"): 2.0, ("B", "B"): 1.0}
    times |= {("Group", "A"): 1.5, ("Group", "B"): 2.0}
    points = [point("2D", PERF, time, 1.0, workload, tuned) for (tuned, workload), time in times.items()]
    tables = figure15(points)
    assert tables["fig15"].column("slowdown") == [1.0, 4.0, 2.0, 1.0, 1.5, 2.0]
    means = {row["tuned_for"]: row["slowdown"] for row in tables["summary"] if row["workload"] == "mean"}
    assert means == pytest.approx({"A": sqrt(4.0), "B": sqrt(2.0), "Group": 3.0 ** (1 / 3)})


def test_slowdown_is_averaged_over_budgets():
    points = []
    for budget, slowdown in ((BUDGET, 4.0), (2 * BUDGET, 1.0)):
        points += [point("2D", PERF, 1.0, 1.0, name, name, budget) for name in "AB"]
        points.append(point("2D", PERF, slowdown, 1.0, "B", "A", budget))
        points.append(point("2D", PERF, 1.0, 1.0, "A", "B", budget))
    rows = [row for row in figure15(points)["summary"] if row["tuned_for"] == "A" and row["workload"] == "B"]
    assert [(row["slowdown"], row["least"], row["largest"]) for row in rows] == [(pytest.approx(2.0), 1.0, 4.0)]


def test_geometric_mean():
    assert geometric_mean([1.0, 2.0, 4.0]) == pytest.approx(2.0)


def test_tables_are_results():
    assert all(isinstance(table, Table) for table in figure12(POINTS, None).values())
