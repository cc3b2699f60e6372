"""Training iterations held against ASTRA-sim 1.0: every published run at its own compute scale."""

from __future__ import annotations

import re

import pytest
from simcore.models.network.conventions import ASTRA_SIM, PHYSICAL
from simcore.models.network.mapping import map_parallelism
from simcore.models.network.schedulers import Ascending, LatencyAware, RoundRobin, Themis
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.program import Axis, Loop, iteration
from simcore.models.training.simulated import Settings, bound, run_iteration
from simcore.readers.workloads import read_workload

from tests.astra import SCHEDULES, network, rows, shared_network

NANOSECOND = 1e-9
GIGABYTE = 2**30  # what ASTRA-sim calls GB
PART = 0.0001
"""What a part may be off, of the iteration: a nanosecond of the loop is no compute in ASTRA-sim."""
ASTRA_SCHEDULES = {"ascending": Ascending, "offlineGreedy": Themis}


def _label(row):
    return f"{row['net']}-{row['workload']}-{row['bw_setup']}-{row['inter_dim_sched']}"


ROWS = rows("astra_training.csv")
FRESH = [row for row in rows("astra_fresh.csv") if row["kind"] == "training"]


def case(row):
    latencies = [float(word) * NANOSECOND for word in row["link_latency_ns"].split()]
    dimensions = tuple(
        Dimension(Block(block), int(size), latency=latency)
        for (block, size), latency in zip(re.findall(r"(\w+?)\((\d+)\)x?", row["topology"]), latencies, strict=True)
    )
    links, each = row["links_per_dim"].split(), row["link_bw_GBps(2^30)"].split()
    bandwidths = [float(n) * float(b) * GIGABYTE for n, b in zip(links, each, strict=True)]
    topology = Topology(row["net"], dimensions)
    workload = read_workload(row["workload"], "workload", variant="evaluation", npus=topology.npus).value
    steps = iteration(workload, Loop.SIMULATE, compute_scale=float(row["comp_scale"]), counted=True)
    return steps, topology, bandwidths, map_parallelism(topology, workload.tp, workload.dp)


def simulated(row):
    settings = Settings(int(row["chunks"]), ASTRA_SCHEDULES[row["inter_dim_sched"]], ASTRA_SIM)
    return run_iteration(*case(row), settings)


def test_all_published_iterations_are_there(shared):
    assert len(ROWS) == 25
    assert sum(row["inter_dim_sched"] == "offlineGreedy" for row in ROWS) == 2


@pytest.mark.skipif(not ROWS, reason="the published numbers (../shared) are not on this machine")
@pytest.mark.parametrize("row", ROWS, ids=_label)
def test_iteration_time(row):
    assert simulated(row).time == pytest.approx(float(row["result_ns"]) * NANOSECOND, abs=1.01 * NANOSECOND)


@pytest.mark.skipif(not FRESH, reason="the published numbers (../shared) are not on this machine")
@pytest.mark.parametrize("row", FRESH, ids=lambda row: row["id"])
def test_time_of_an_iteration_that_nothing_was_fitted_to(row):
    topology, bandwidths = network(row)
    workload = read_workload(shared_network(row["workload_file"]), "workload", npus=topology.npus).value
    scale, recompute = float(row["comp_scale"]), workload.recomputes
    steps = iteration(workload, Loop.SIMULATE, recompute=recompute, compute_scale=scale, counted=True)
    settings = Settings(int(row["chunks"]), ASTRA_SCHEDULES[row["inter_dim_sched"]], ASTRA_SIM)
    run = run_iteration(steps, topology, bandwidths, map_parallelism(topology, workload.tp, workload.dp), settings)
    assert run.time * 1e9 == pytest.approx(float(row["result_ns"]), abs=1.01)


@pytest.mark.skipif(not ROWS, reason="the published numbers (../shared) are not on this machine")
@pytest.mark.parametrize("row", ROWS, ids=_label)
def test_parts_of_the_iteration(row):
    run = simulated(row)
    axes = run.exposed_by_axis()
    within = PART * run.time
    assert run.compute == pytest.approx(float(row["compute_ns"]) * NANOSECOND, rel=1e-5)
    assert axes[Axis.TENSOR] == pytest.approx(float(row["mp_comm_ns"]) * NANOSECOND, abs=within)
    assert axes[Axis.DATA] == pytest.approx(float(row["dp_comm_ns"]) * NANOSECOND, abs=within)


@pytest.mark.skipif(not ROWS, reason="the published numbers (../shared) are not on this machine")
@pytest.mark.parametrize("row", ROWS, ids=_label)
def test_no_iteration_beats_its_bound(row):
    least = bound(*case(row))
    for convention in (PHYSICAL, ASTRA_SIM):
        for schedule in (Ascending, RoundRobin, Themis):
            settings = Settings(int(row["chunks"]), schedule, convention)
            assert run_iteration(*case(row), settings).time >= least * (1 - 1e-9)


@pytest.mark.skipif(not ROWS, reason="the published numbers (../shared) are not on this machine")
@pytest.mark.parametrize("row", ROWS, ids=_label)
@pytest.mark.parametrize("convention", [PHYSICAL, ASTRA_SIM])
def test_latency_aware_iterations_are_within_a_percent_of_the_best_other(row, convention):
    times = {each: run_iteration(*case(row), Settings(64, each, convention)).time for each in SCHEDULES}
    ours = times.pop(LatencyAware)
    assert ours <= 1.01 * min(times.values())
