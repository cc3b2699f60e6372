"""The Python face of `simcore optimize`."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from simcore.errors import InputError
from simcore.studies.inputs import parse_budget, positional
from simcore.studies.optimize import optimize
from simcore.studies.optimize.inputs import limits


def test_a_result_has_a_plan_a_table_and_a_plot():
    result = optimize("3D", 325e9, "Group", "PerfPerCost", "Overlap", caps={"Package": 200e9})
    assert result.workloads == ("17B", "175B", "1T")
    assert result.table.column("dimension") == [1, 2, 3]
    assert sum(result.table.column("bandwidth")) == pytest.approx(325e9)
    assert result.table[0]["bandwidth"] <= 200e9
    assert result.plan.relative_gap <= 1e-6
    left, right = result.plot().axes
    assert left.get_ylabel() == "bandwidth [GB/s per NPU]"
    assert len(right.containers) == 4
    with pytest.raises(FrozenInstanceError):
        result.plan = None


def test_the_group_is_the_mean_of_its_members():
    budget = 325e9
    plan = optimize("4D", budget, "Group").plan
    members = [optimize("4D", budget, name).plan for name in ("17B", "175B", "1T")]
    assert plan.iteration_time >= sum(member.iteration_time for member in members) / 3
    assert plan.equal_split_time == pytest.approx(sum(member.equal_split_time for member in members) / 3)


def test_levels_without_prices_need_a_cost_model(tmp_path):
    network = tmp_path / "net.yaml"
    network.write_text("dimensions:\n  - {block: Ring, size: 4, level: Rack}\n")
    with pytest.raises(InputError, match="which no cost model in the zoo prices"):
        optimize(network, "100", "17B", tp=1, dp=4)
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices:\n  Rack: {link: $1 per GB/s}\n")
    result = optimize(network, "100", "17B", tp=1, dp=4, cost=prices)
    assert result.plan.bandwidths == (100e9,)
    assert result.plan.dimensions[0].gain > 0


@pytest.mark.parametrize(
    ("text", "value"), [("325", 325e9), ("325GB/s", 325e9), (" 1e2 ", 1e11), ("0.5 TB/s", 5e11), (1e9, 1e9)]
)
def test_budgets(text, value):
    assert parse_budget(text) == value


def test_arguments_and_limits():
    names, without = ["NETWORK", "BUDGET", "WORKLOAD"], {"--model m.yaml": ("WORKLOAD",)}
    assert positional("optimize", ["4D", "325"], names, "4D 325 1T", (), without) == ["4D", "325"]
    with pytest.raises(InputError, match=r"With --model m\.yaml, WORKLOAD is left out"):
        positional("optimize", ["4D", "325", "1T"], names, "4D 325 1T", (), without)
    with pytest.raises(InputError, match="For example: simcore train 4D 325 1T"):
        positional("train", ["4D"], names, "4D 325 1T")
    assert positional("train", ["4D", "-5", "1T"], names, "4D 325 1T") == ["4D", "-5", "1T"]
    assert limits("--cap", ("1 = 50 GB/s",)) == {"1": "50 GB/s"}
    with pytest.raises(InputError, match="DIM=BW"):
        limits("--cap", ("=50",))


@pytest.mark.parametrize("budget", ["1e-300", "1e-10", 0.5])
def test_a_budget_below_a_byte_per_second_is_refused(budget):
    with pytest.raises(InputError, match="at least 1 B/s"):
        optimize("4D", budget, "1T", "Perf", "Overlap")
