"""The network simulator by physics against an event simulation that shares no code with it."""

import random

import pytest
from simcore.network import Block, Collective, Dimension, Topology, simulate_collective

from tests.reference_network import finished, phase

CASES = 200


def drawn(seed):
    """Draw a network, a collective and how it is cut."""
    pick = random.Random(seed)
    dimensions = []
    for _ in range(pick.randint(1, 4)):
        block = pick.choice(("Ring", "FullyConnected", "Switch"))
        n = 2 ** pick.randint(1, 4) if block == "Switch" else pick.randint(2, 9)
        dimensions.append((block, n, 10 ** pick.uniform(9, 12), pick.choice([0.0, 1e-9, 5e-7, 1e-5]) * pick.random()))
    collective = pick.choice(["all-reduce", "reduce-scatter", "all-gather", "all-to-all"])
    return dimensions, collective, 10 ** pick.uniform(4, 10), pick.choice([1, 2, 3, 7, 16, 50]), pick.choice([1, 2, 4])


@pytest.mark.parametrize("first", range(0, CASES, 50))
def test_the_simulator_equals_an_independent_event_simulation(first):
    for seed in range(first, first + 50):
        dimensions, collective, size, chunks, in_flight = drawn(seed)
        net = Topology("drawn", tuple(Dimension(Block(b), n, latency=h) for b, n, _, h in dimensions))
        run = simulate_collective(
            Collective(collective), size, net, [b for _, _, b, _ in dimensions], chunks=chunks, in_flight=in_flight
        )
        time, sending = finished(dimensions, collective, size, chunks, in_flight)
        assert run.time == pytest.approx(time, rel=1e-12), seed
        assert list(run.busy) == pytest.approx(sending, rel=1e-12), seed


def test_the_reference_itself_on_cases_worked_out_by_hand():
    ring, mesh, switch = (("Ring", 4, 1e9, 1e-6), ("FullyConnected", 4, 3e9, 1e-6), ("Switch", 4, 1e9, 1e-6))
    assert phase(ring, "all-reduce", 4e6) == pytest.approx((6e-3, 6e-6))
    assert phase(mesh, "all-to-all", 4e6) == pytest.approx((1e-3, 1e-6))
    assert phase(switch, "reduce-scatter", 4e6) == pytest.approx((3e-3, 4e-6))
    assert phase(ring, "all-to-all", 4e6) == pytest.approx((4e-3, 2e-6))
    assert finished([ring], "all-reduce", 8e6, 2, 1)[0] == pytest.approx(2 * 6.006e-3)
    assert finished([ring], "all-reduce", 8e6, 2, 2)[0] == pytest.approx(12.006e-3)  # the second sends meanwhile


@pytest.mark.parametrize("seed", range(0, 60, 7))
def test_very_many_chunks_take_what_they_would_with_a_log(seed, monkeypatch):
    dimensions, collective, size, chunks, in_flight = drawn(seed)
    net = Topology("drawn", tuple(Dimension(Block(b), n, latency=h) for b, n, _, h in dimensions))
    options = {"chunks": chunks, "in_flight": in_flight}
    runs = []
    for many in (10**9, 1):
        monkeypatch.setattr("simcore.models.network.simulation.run.MANY", many)
        bandwidths = [b for _, _, b, _ in dimensions]
        runs.append(simulate_collective(Collective(collective), size, net, bandwidths, **options))
    logged, alone = runs
    for what in ("time", "busy", "sent", "utilisation", "occupied"):
        assert getattr(alone, what) == pytest.approx(getattr(logged, what), rel=1e-12)
    assert (alone.chunks, alone.phases, dict(alone.kinds)) == (logged.chunks, logged.phases, dict(logged.kinds))
    assert callable(alone.logged)
    assert alone.log == logged.log


def test_a_hundred_thousand_chunks_keep_no_phase():
    three = Topology("three", tuple(Dimension(block, 4, latency=1e-6) for block in Block))
    run = simulate_collective(Collective.ALL_REDUCE, 1e11, three, [1e11] * 3, chunks=100_000)
    assert (run.chunks, run.phases, run.events) == (100_000, 500_000, 500_000)
    assert callable(run.logged)
    assert len(run.kinds) == 5
