"""LIBRA's own runs: its networks, prices, communicators and constraints; objectives solved by Gurobi."""

from __future__ import annotations

import json

import numpy as np
import pytest
from simcore.models.bandwidth.expressions import parse_constraint
from simcore.models.bandwidth.plan import best_split
from simcore.models.bandwidth.region import make_region
from simcore.models.bandwidth.target import Target
from simcore.models.network.cost import cost_coefficients
from simcore.models.network.mapping import check_groups
from simcore.models.training.closed_form import compile_step
from simcore.readers.costs import read_costs
from simcore.readers.libra import read_communicators
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload

OWN = ["b1 = 500", "b1 >= b2 >= b3", "b3 + b4 = 200"]
# LIBRA's name, ours, budget [GB/s], constraints, target, objective [ns, or ns $ / 1e10], bandwidths [GB/s]
RUNS = [
    ("GPT_3", "175B", 1000, OWN, "Perf", 708_438_743.38, (500, 300, 151.1811, 48.8189)),
    ("GPT_3", "175B", 500, [], "Perf", 722_411_771.0, (338.41, 84.60, 58.19, 18.79)),
    ("GPT_3", "175B", 500, [], "PerfPerCost", 395_990.7341, (448.83, 44.56, 5.00, 1.61)),
    ("MSFT_1T", "1T", 500, [], "Perf", 209_686_274.88, (321.75, 93.84, 10.05, 74.35)),
    ("MSFT_1T", "1T", 500, [], "PerfPerCost", 174_132.889, (391.52, 91.81, 9.84, 6.83)),
    ("Turing_NLG", "17B", 500, [], "Perf", 330_625_611.84, (375.09, 109.40, 11.72, 3.79)),
]


@pytest.mark.parametrize(("theirs", "name", "budget", "constraints", "target", "objective", "bandwidths"), RUNS)
def test_libra(shared, tmp_path, theirs, name, budget, constraints, target, objective, bandwidths):
    communicators = json.loads((shared / "data" / "bandwidth" / "libra_communicators.json").read_text("utf-8"))
    file = tmp_path / "communicator.json"
    file.write_text(json.dumps(communicators[f"{theirs}_4d"]), "utf-8")
    network, groups = read_network("LIBRA-4D-4K", "test").value.topology, read_communicators(file).value
    check_groups(network, groups, "test")
    model = compile_step(read_workload(name, "test", variant="evaluation").value, groups)
    prices = np.array(cost_coefficients(network, read_costs("libra-4d", "test").value))
    limits = [limit for text in constraints for limit in parse_constraint(text, 4, "constraint")]
    found, _ = best_split(model, make_region(budget * 1e9, 4, limits), prices, Target(target))
    unit = 1e9 if target == "Perf" else 1e-1  # from seconds to ns, from s $ to ns $ / 1e10
    assert found.objective * unit == pytest.approx(objective, rel=1e-6)
    assert found.gap <= 1e-6
    # the optimum is flat, and their solver works to 1e-6
    assert found.bandwidths / 1e9 == pytest.approx(bandwidths, rel=5e-3, abs=0.1)
