"""`simcore evaluate` against what is known of the published figures and of Table VI."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from simcore.errors import InputError
from simcore.readers.references import read_references
from simcore.studies.evaluate import evaluate
from simcore.studies.evaluate.grid import EQUAL, FIXED, NETWORKS, PER_COST, PERF, WORKLOADS, load_scenes
from simcore.studies.evaluate.targets import NETWORK


@pytest.fixture(scope="module")
def evaluations():
    return {target: evaluate(target) for target in NETWORK.titles}


@pytest.mark.parametrize(
    ("network", "mean", "largest"), [("2D", 1.117, 1.438), ("3D", 1.254, 1.891), ("4D", 1.146, 1.498)]
)
def test_mean_speedup_of_the_fastest_splits(evaluations, network, mean, largest):
    (row,) = [row for row in evaluations["network-fig12"].tables()["summary"] if row["network"] == network]
    assert row["mean"] == pytest.approx(mean, rel=0.005)
    assert row["largest"] == pytest.approx(largest, rel=0.005)


@pytest.mark.parametrize(
    ("network", "over", "mean", "largest"),
    [
        ("2D", EQUAL, 6.4, 9.6),
        ("3D", EQUAL, 8.6, 9.9),
        ("4D", EQUAL, 8.9, 12.5),
        ("4D", f"2D {EQUAL}", 16.1, 23.6),
    ],
)
def test_mean_performance_per_cost(evaluations, network, over, mean, largest):
    summary = evaluations["network-fig14"].tables()["summary"]
    (row,) = [row for row in summary if (row["network"], row["over"]) == (network, over)]
    # the references are known to one decimal, and the published splits behind them are up to 1 % from optimal
    assert row["mean"] == pytest.approx(mean, rel=0.01)
    assert row["largest"] == pytest.approx(largest, rel=0.01)


def test_each_of_the_three_splits_is_best_at_what_it_is_for(evaluations):
    points = {}
    for row in evaluations["network-fig14"].tables()["points"]:
        points.setdefault((row["network"], row["workload"], row["budget"]), {})[row["allocation"]] = row
    for found in points.values():
        if PERF in found:
            times = {name: row["time"] for name, row in found.items()}
            assert min(times.values()) == times[PERF]
        if PER_COST in found:
            costs = {name: row["cost"] for name, row in found.items()}
            assert min(costs.values()) == costs[PER_COST]


def test_published_fractions_give_the_same_times(evaluations, shared):
    """The published fractions, scaled and timed like ours, are never faster, and at most 0.02 % slower at 100 GB/s.

    Timed as the figures are; under the loop that they were found for 0.01 % holds (`test_published_fractions`).
    """
    limits = dict(read_references("sc245", "reference").value.limits)
    ours = {
        (row["network"], row["workload"]): row
        for row in evaluations["network-fig12"].tables()["points"]
        if row["allocation"] == PERF and row["budget"] == 100e9
    }
    with (shared / "data" / "bandwidth" / "published_fractions.csv").open(encoding="utf-8") as stream:
        published = [row for row in csv.DictReader(stream) if row["objective"] == PERF.removesuffix("OptBW")]
    assert len(published) == 6
    for row in published:
        workload = row["workload"].upper()
        percent = np.array([float(row[f"pct{d}"]) for d in range(1, 5) if row[f"pct{d}"]])
        (scene,), _ = load_scenes([row["net"]], [workload], "sc245", limits)
        (point,) = scene.points(workload, PERF, workload, (percent / percent.sum() * 100e9)[None, :])
        excess = point.time / ours[row["net"], workload]["time"] - 1
        assert -1e-9 <= excess <= 2e-4


def test_dgx_like_network(evaluations):
    points = [row for row in evaluations["network-fig13"].tables()["points"] if row["allocation"] == FIXED]
    assert [row["workload"] for row in points] == list(WORKLOADS)
    for row in points:
        assert row["budget"] == 325e9
        assert row["cost"] == pytest.approx(6_691_840, rel=1e-12)
        assert row["feasible"]


def test_all_points_of_the_full_evaluation(evaluations):
    """552 iteration times, each once; with 213 network costs they are the 765 runs of the artifact's full suite."""
    times, costs = set(), set()
    for name in ("network-fig12", "network-fig15"):
        for row in evaluations[name].tables()["points"]:
            split = (row["network"], row["allocation"], row["tuned_for"], row["budget"])
            times.add((row["workload"], *split))
            if row["tuned_for"] != "Group" and row["allocation"] != FIXED:
                costs.add(split)
    assert (len(times), len(costs)) == (552, 213)


def test_a_plan_is_feasible_while_its_levels_are(evaluations):
    for row in evaluations["network-fig12"].tables()["points"]:
        if row["network"] == "2D" and row["allocation"] == EQUAL:
            assert row["feasible"] == (row["budget"] <= 200e9)  # the switch level, Pod, has at most 100 GB/s
        if row["network"] == "4D" and row["allocation"] == EQUAL:
            assert row["feasible"] == (row["budget"] <= 400e9)


def test_table6_is_the_emulated_original(evaluations):
    table = evaluations["network-table6"].tables()["table6"]
    assert [(row["workload"], row["loop"]) for row in table] == [
        ("175B", "NoOverlap"),
        ("175B", "Overlap"),
        ("1T", "NoOverlap"),
        ("1T", "Overlap"),
    ]
    for row in table:
        assert row["largest_difference"] <= 0.05e9
        assert row["time"] == pytest.approx(row["reference_time"], rel=1e-6)
        assert row["lower_bound"] <= row["time"] <= row["time_at_reference"]
        assert row["relative_gap"] <= 1e-7


def test_no_split_made_for_another_is_faster(evaluations):
    for row in evaluations["network-fig15"].tables()["fig15"]:
        assert row["slowdown"] >= 1 - 1e-7
        if row["tuned_for"] == row["workload"]:
            assert row["slowdown"] == 1


def test_resolving_every_budget_is_never_worse(evaluations):
    scaled = evaluate("network-fig14", small=True)
    resolved = evaluate("network-fig14", small=True, resolve=True)
    pairs = list(zip(scaled.tables()["points"], resolved.tables()["points"], strict=True))
    assert all(a["budget"] == b["budget"] for a, b in pairs)
    for before, after in pairs:
        if before["allocation"] == PERF:  # fractions do not depend on the budget: the same plan
            assert after["time"] == pytest.approx(before["time"], rel=1e-7)
        if before["allocation"] == PER_COST:
            assert after["time"] * after["cost"] <= before["time"] * before["cost"] * (1 + 1e-7)
    assert resolved.provenance.counts["plans"] == 20
    assert resolved.tables()["summary"].column("reference_mean") == [None, None]
    assert scaled.provenance.counts["plans"] == 2


def test_the_evaluation_says_where_it_comes_from(evaluations):
    for target, result in evaluations.items():
        provenance = result.provenance
        assert (provenance.command, provenance.inputs["target"]) == ("evaluate", target)
        assert "references/sc245" in provenance.sha256
        assert provenance.versions.keys() >= {"simcore", "numpy", "scipy"}
    assert evaluations["network-fig12"].settings["networks"] == list(NETWORKS)
    assert "networks/DGX-like" in evaluations["network-fig12"].provenance.sha256
    assert "networks/DGX-like" not in evaluations["network-fig15"].provenance.sha256


def test_the_same_inputs_give_the_same_bytes(evaluations):
    assert evaluate("network-fig15").to_json() == evaluations["network-fig15"].to_json()


@pytest.mark.parametrize(
    ("target", "options", "part"),
    [
        ("network-fig16", {}, "Did you mean 'network-fig1"),
        ("network-table6", {"resolve": True}, "solved at its own budget already"),
        ("network-table6", {"small": True}, "has one size"),
    ],
)
def test_what_makes_no_sense_is_refused(target, options, part):
    with pytest.raises(InputError, match=part):
        evaluate(target, **options)


def test_times_are_in_the_artifacts_gigabytes(evaluations):
    """17B on an equal 2D split, from the sums in its file: 0.26 x (2 F + I + W) + all-reduce over 8 x 128."""
    (row,) = [
        row
        for row in evaluations["network-fig12"].tables()["points"]
        if (row["network"], row["workload"], row["allocation"], row["budget"]) == ("2D", "17B", EQUAL, 100e9)
    ]
    compute = 0.26 * 4 * 109_049_554e-9
    reduce = 2 * 869_449_728 * 7 / 8 / (50 * 2**30)
    assert row["compute"] == pytest.approx(compute, rel=1e-12)
    assert row["time"] == pytest.approx(compute + reduce, rel=1e-12)
