"""Every collective that ASTRA-sim ran, within the tolerance that its kind allows; and what physics makes of it."""

from __future__ import annotations

import math

import pytest
from simcore.models.network.bounds import bounds
from simcore.models.network.conventions import ASTRA_SIM, PHYSICAL
from simcore.models.network.schedulers import LatencyAware
from simcore.studies.collective.run import collective

from tests.astra import MEBIBYTE, SCHEDULES, astra_runs, fresh_runs

RUNS, FRESH = astra_runs(), fresh_runs()
pytestmark = pytest.mark.skipif(not RUNS, reason="the published numbers (../shared) are not on this machine")
OTHERS = [schedule for schedule in SCHEDULES if schedule is not LatencyAware]


@pytest.mark.parametrize("run", [*RUNS, *FRESH], ids=lambda run: run.name)
def test_every_run_to_the_nanosecond(run):
    assert run.simulate().time * 1e9 == pytest.approx(run.nanoseconds, abs=1.01)


def test_all_runs_are_read():
    assert (len(RUNS), len(FRESH)) == (183, 167)
    assert {run.schedule for run in RUNS} == set(OTHERS)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_physics_never_beats_the_bound(run):
    groups = [dimension.size for dimension in run.topology.dimensions]
    least = bounds(run.collective, run.size, run.topology, run.bandwidths, groups).alpha_beta
    assert run.simulate(convention=PHYSICAL).time >= least * (1 - 1e-12)


def multi_dimensional():
    """Cases of several dimensions and many chunks, each once."""
    found = {}
    for run in RUNS:
        if len(run.bandwidths) > 1 and run.chunks > 1 and run.in_flight == 1:
            found.setdefault((run.topology, run.bandwidths, run.collective, run.size, run.optimization), run)
    return list(found.values())


@pytest.mark.parametrize("convention", [PHYSICAL, ASTRA_SIM])
@pytest.mark.parametrize("run", multi_dimensional(), ids=lambda run: run.name)
def test_latency_aware_is_within_a_percent_of_the_best_other(run, convention):
    settings = {"convention": convention, "chunks": 64}
    best = min(run.simulate(schedule=schedule, **settings).time for schedule in OTHERS)
    assert run.simulate(schedule=LatencyAware, **settings).time <= best * 1.01


def test_latency_aware_beats_all_others_where_latency_matters():
    ratios = []
    for run in multi_dimensional():
        latencies = [dimension.latency for dimension in run.topology.dimensions]
        if max(latencies) >= 250e-9 and run.size <= 64 * MEBIBYTE:
            settings = {"convention": PHYSICAL, "chunks": 64}
            best = min(run.simulate(schedule=schedule, **settings).time for schedule in OTHERS)
            ratios.append(run.simulate(schedule=LatencyAware, **settings).time / best)
    assert len(ratios) > 10
    assert max(ratios) < 1
    assert math.prod(ratios) ** (1 / len(ratios)) < 0.7


@pytest.mark.parametrize(
    ("arguments", "nanoseconds"),
    [
        (("all-reduce", "64MiB", "Ring(8)@100GiB/s,500ns", {"convention": "astra-sim"}), 1542085),
        (("all-to-all", "64MiB", "Switch(8)@100GiB/s,500ns", {"convention": "astra-sim"}), 142213),
        (("all-reduce", "1GiB", "Ring(8)@100GiB/s,500ns", {"convention": "astra-sim-2"}), 37217792),
        (("all-to-all", "1GiB", "Switch(8)@100GiB/s,500ns", {"convention": "astra-sim-2-aware"}), 10065152),
        (
            (
                "all-reduce",
                "1GiB",
                "Ring(4)@200GiB/s,50ns x FC(8)@140GiB/s,250ns x Switch(4)@50GiB/s,1us",
                {"convention": "astra-sim", "schedule": "flex"},
            ),
            5333826,
        ),
        (
            (
                "all-reduce",
                "1GiB",
                "Ring(4)@200GiB/s,50ns x FC(8)@140GiB/s,250ns x Switch(4)@50GiB/s,1us",
                {"convention": "astra-sim-2", "schedule": "themis"},
            ),
            16533824,
        ),
    ],
)
def test_cases_typed_as_they_are(arguments, nanoseconds):
    operation, size, network, options = arguments
    result = collective(operation, size, network=network, **options)
    assert result.time * 1e9 == pytest.approx(nanoseconds, rel=0.001)
    assert result.as_dict()["time"] == result.time
