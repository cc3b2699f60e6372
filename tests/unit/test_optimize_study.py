"""The Python face of `simcore optimize`."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from simcore.errors import InputError
from simcore.studies.inputs import parse_budget
from simcore.studies.optimize import optimize
from simcore.studies.optimize.request import limits


def test_a_result_has_a_plan_a_table_and_a_plot():
    result = optimize("3D", 325e9, "Group", "PerfPerCost", "Overlap", caps={"Package": 200e9})
    assert [each.name for each in result.workloads] == ["17B", "175B", "1T"]
    assert result.dimensions.column("dimension") == [1, 2, 3]
    assert sum(result.dimensions.column("bandwidth")) == pytest.approx(325e9)
    assert result.dimensions[0]["bandwidth"] <= 200e9
    assert result.plan.relative_gap <= 1e-6
    left, right = result.figures()["plan"].axes
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


def test_limits():
    assert limits("--cap", ("1 = 50 GB/s",)) == {"1": "50 GB/s"}
    with pytest.raises(InputError, match="DIM=BW"):
        limits("--cap", ("=50",))


@pytest.mark.parametrize("budget", ["1e-30", "1e-10", "0.0009", "999 kB/s", 0.5, 325])
def test_a_budget_below_a_megabyte_per_second_is_refused(budget):
    with pytest.raises(InputError, match="at least 1 MB/s"):
        optimize("4D", budget, "1T", "Perf", "Overlap")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"caps": {"Pod": 40e9}, "minima": {"4": "50"}}, "caps Pod=40 GB/s and minima 4=50, which conflict"),
        ({"caps": {"1": "1", "b1": "2"}}, "caps: found '1' and 'b1', which both name dimension 1"),
        ({"minima": {"Rack": "1"}}, "minima: found 'Rack', expected one of b1, b2, b3, b4"),
        ({"caps": {"1": "lots"}}, "caps 1: found 'lots'"),
        ({"constraints": ["b1*b2 <= 3"]}, "constraints, column 3: found a product of bandwidths"),
        ({"constraints": "b1 = 400"}, "constraints 'b1 = 400'"),
        ({"cost": "sc254"}, "cost: found 'sc254'"),
    ],
)
def test_a_script_reads_names_of_fields(limits, message):
    with pytest.raises(InputError) as refused:
        optimize("4D", "325", "1T", **limits)
    assert message in str(refused.value)
    assert "--" not in str(refused.value)


def test_a_result_calls_limits_after_their_options():
    limits = {"caps": {"1": 100e9}, "minima": {"Pod": "60"}, "constraints": "b2 >= 2*b3"}
    result = optimize("4D", "325", "1T", **limits)
    names = [constraint.name for constraint in result.plan.region.constraints]
    assert names == ["a budget of 325 GB/s", "--cap 1=100 GB/s", "--min Pod=60", "--constraint 'b2 >= 2*b3'"]
    assert {price["of"] for price in result.as_dict()["shadow_prices"]} <= {"budget", *names}
