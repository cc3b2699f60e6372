"""Table VI: four splits of 325 GB/s over the 4D network, beside what the original optimiser prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simcore.models.network.cost import cost_coefficients
from simcore.models.network.mapping import map_parallelism
from simcore.models.training.closed_form import compile_step
from simcore.models.training.program import Loop
from simcore.progress import tracked
from simcore.readers.costs import read_costs
from simcore.readers.networks import read_network
from simcore.readers.references import PublishedPlan
from simcore.readers.workloads import read_workload
from simcore.results import Table
from simcore.studies.evaluate.grid import PERF, file_hashes, solve

NETWORK = "4D"
BUDGET = 325e9
"""Bandwidth of one NPU [B/s]."""


def table6(published: Sequence[PublishedPlan], costs: str) -> tuple[dict[str, Table], dict[str, int], dict[str, str]]:
    """Solve the configurations that were published, with plain loops and weight gradients summed layer by layer.

    Parameters
    ----------
    published : sequence of PublishedPlan
        Workload, loop, and what the original finds.
    costs : str
        Prices: among equally fast splits the cheapest is taken.

    Returns
    -------
    tables : dict of str to Table
        ``table6``: bandwidths [B/s per NPU], the largest difference from the original's, times [s] and certificate.
    counts : dict of str to int
        Plans and linear programs solved.
    hashes : dict of str to str
        SHA-256 of each file, by kind and name.
    """
    network, priced = read_network(NETWORK), read_costs(costs)
    topology = network.value.topology
    prices = np.array(cost_coefficients(topology, priced.value))
    workloads = {name: read_workload(name) for name in dict.fromkeys(row.workload for row in published)}
    numbers = range(1, len(topology.dimensions) + 1)
    body: list[tuple[Any, ...]] = []
    programs = 0
    for row in tracked(published, "plans of Table VI"):
        workload = workloads[row.workload].value
        groups = map_parallelism(topology, workload.tp, workload.dp)
        model = compile_step(workload, groups, Loop(row.loop))
        optimum = solve(model, BUDGET, prices, PERF)
        programs += optimum.programs
        bandwidths = optimum.bandwidths.tolist()
        off = max(abs(ours - theirs) for ours, theirs in zip(bandwidths, row.bandwidths, strict=True))
        theirs_time = float(model.time(row.bandwidths))
        certificate = (optimum.objective, optimum.lower_bound, optimum.gap)
        body.append((row.workload, row.loop, *bandwidths, *row.bandwidths, off, *certificate, theirs_time, row.time))
    columns = [
        *("workload", "loop", *(f"b{d}" for d in numbers), *(f"reference_b{d}" for d in numbers), "largest_difference"),
        *("time", "lower_bound", "relative_gap", "time_at_reference", "reference_time"),
    ]
    hashes = file_hashes(networks=[network], workloads=list(workloads.values()), costs=[priced])
    return {"table6": Table(columns, body)}, {"plans": len(body), "linear_programs": programs}, hashes
