"""Every published allocation: ours is never worse, and theirs is nearly optimal where it was made."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from simcore.models.bandwidth.plan import best_split
from simcore.models.bandwidth.region import make_region
from simcore.models.bandwidth.target import Target
from simcore.models.network.cost import cost_coefficients
from simcore.models.network.mapping import map_parallelism
from simcore.models.training.closed_form import compile_step
from simcore.readers.costs import read_costs
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload

BUDGET = 100e9
PUBLISHED = [(net, name) for net in ("2D", "4D") for name in ("17b", "175b", "1t")]


@pytest.mark.parametrize(("target", "tolerance"), [("Perf", 1e-4), ("PerfPerCost", 1e-2)])
@pytest.mark.parametrize(("net", "name"), PUBLISHED)
def test_published_fractions(shared, net, name, target, tolerance):
    with (shared / "data" / "bandwidth" / "published_fractions.csv").open(encoding="utf-8") as stream:
        (row,) = [r for r in csv.DictReader(stream) if (r["objective"], r["net"], r["workload"]) == (target, net, name)]
    percent = np.array([float(row[f"pct{i}"]) for i in range(1, 5) if row[f"pct{i}"]])
    theirs = BUDGET * percent / percent.sum()
    network, workload = read_network(net, "test").value.topology, read_workload(name.upper(), "test").value
    prices = np.array(cost_coefficients(network, read_costs("sc245", "test").value))
    # the published splits are the optima of the loop that runs forward collectives twice
    model = compile_step(workload, map_parallelism(network, workload.tp, workload.dp), recompute=True)
    ours, _ = best_split(model, make_region(BUDGET, len(theirs)), prices, Target(target))
    value = float(model.time(theirs)) * (float(prices @ theirs) if target == "PerfPerCost" else 1.0)
    assert ours.lower_bound <= value
    assert ours.objective <= value
    assert value <= ours.objective * (1 + tolerance)
