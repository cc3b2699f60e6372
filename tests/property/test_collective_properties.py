"""Properties of the network simulator by physics, on random networks."""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.engine import Clock
from simcore.models.network.algorithms import DEFAULT_ALGORITHM, Algorithm, steps
from simcore.models.network.bounds import bounds, per_dimension
from simcore.models.network.chunks import ChunkPlan, Optimization, phases
from simcore.models.network.collectives import Collective, collective_time, traffic
from simcore.models.network.conventions import ASTRA_SIM, CONVENTIONS, PHYSICAL
from simcore.models.network.distances import circulation, farthest, nearest
from simcore.models.network.schedulers import Ascending, LatencyAware, RoundRobin
from simcore.models.network.schedulers.latency_aware.batches import batches
from simcore.models.network.schedulers.latency_aware.mixtures import LAGS_IN_FLIGHT, mixtures
from simcore.models.network.schedulers.latency_aware.phase_table import phase_table
from simcore.models.network.simulation.network import Network
from simcore.models.network.simulation.rank_programs import GroupCollective
from simcore.models.network.simulation.ranks import simulate_ranks
from simcore.models.network.simulation.run import simulate_collective
from simcore.models.network.topology import Block, Dimension, Topology, coordinates, hops

from tests.astra import SCHEDULES

OTHERS = [schedule for schedule in SCHEDULES if schedule is not LatencyAware]
BY_PHASE = [convention for convention in CONVENTIONS.values() if not convention.by_message]
REDUCING = [Collective.ALL_REDUCE, Collective.REDUCE_SCATTER, Collective.ALL_GATHER]

collectives = st.sampled_from(Collective)
schedules = st.sampled_from(SCHEDULES)
sizes = st.floats(1e3, 1e10)
bandwidths = st.floats(1e9, 1e12)
latencies = st.one_of(st.just(0.0), st.floats(1e-9, 5e-6))
chunk_counts = st.sampled_from([1, 2, 3, 8, 64])
one_to_four = st.integers(1, 4)


@st.composite
def networks(draw, latency=latencies, most=9, blocks=tuple(Block), counts=one_to_four):
    count = draw(counts)
    dimensions = tuple(
        Dimension(draw(st.sampled_from(blocks)), draw(st.integers(2, most)), "", draw(latency)) for _ in range(count)
    )
    return Topology("drawn", dimensions), tuple(draw(bandwidths) for _ in range(count))


@st.composite
def groups_in(draw, topology):
    return tuple(
        draw(st.sampled_from([p for p in range(1, each.size + 1) if each.size % p == 0]))
        for each in topology.dimensions
    )


def slower(topology, factor, extra):
    return Topology(
        topology.name, tuple(replace(each, latency=each.latency * factor + extra) for each in topology.dimensions)
    )


@settings(max_examples=150)
@given(
    networks(), collectives, sizes, chunk_counts, schedules, st.integers(1, 4), st.sampled_from(Optimization), st.data()
)
def test_no_result_beats_the_bound(network, collective, size, chunks, schedule, in_flight, optimization, data):
    topology, bandwidth = network
    groups = data.draw(groups_in(topology))
    run = simulate_collective(
        collective, size, topology, bandwidth, groups, chunks=chunks, schedule=schedule, in_flight=in_flight,
        optimization=optimization,
    )  # fmt: skip
    least = bounds(collective, size, topology, bandwidth, groups)
    assert run.time >= least.alpha_beta * (1 - 1e-9)
    assert least.alpha_beta >= max(least.latency, least.bandwidth)
    assert max(run.utilisation) <= 1 + 1e-9


def check_monotone(topology, bandwidth, collective, size, factor, extra, options, data):
    """More bytes, more latency in any dimension, less bandwidth in any: it takes no less time."""
    least = simulate_collective(collective, size, topology, bandwidth, **options).time * (1 - 1e-9)
    assert simulate_collective(collective, size * factor, topology, bandwidth, **options).time >= least
    one = data.draw(st.integers(0, len(bandwidth) - 1))
    late = list(topology.dimensions)
    late[one] = replace(late[one], latency=late[one].latency * factor + extra)
    assert simulate_collective(collective, size, Topology("", tuple(late)), bandwidth, **options).time >= least
    narrow = [b / factor if d == one else b for d, b in enumerate(bandwidth)]
    assert simulate_collective(collective, size, topology, narrow, **options).time >= least


@settings(max_examples=150)
@given(
    networks(),
    collectives,
    sizes,
    chunk_counts,
    st.sampled_from([Ascending, RoundRobin]),
    st.sampled_from([1, 1, 2, 3, 8]),
    st.floats(1, 3),
    st.floats(0, 1e-6),
    st.data(),
)
def test_monotone_in_bytes_latency_and_inverse_bandwidth(
    network, collective, size, chunks, schedule, in_flight, factor, extra, data
):
    options = {"chunks": chunks, "schedule": schedule, "in_flight": in_flight}
    check_monotone(*network, collective, size, factor, extra, options, data)


@pytest.mark.parametrize(("count", "examples"), [(2, 40), (3, 40), (4, 12)])
def test_latency_aware_is_monotone(count, examples):
    """By construction."""

    @settings(max_examples=examples)
    @given(networks(counts=st.just(count)), collectives, sizes, chunk_counts, st.floats(1, 3), st.data())
    def check(network, collective, size, chunks, factor, data):
        options = {"chunks": chunks, "schedule": LatencyAware}
        check_monotone(*network, collective, size, factor, data.draw(st.floats(0, 1e-6)), options, data)

    check()


@settings(max_examples=25)
@given(networks(counts=st.just(3), latency=st.floats(1e-9, 5e-6)), collectives, sizes, st.floats(1, 3), st.data())
def test_latency_aware_is_monotone_with_several_in_flight(network, collective, size, factor, data):
    topology, bandwidth = network
    options = {"chunks": 8, "schedule": LatencyAware, "in_flight": data.draw(st.integers(2, 5))}
    check_monotone(topology, bandwidth, collective, size, factor, 0.0, options, data)


@settings(max_examples=40)
@given(
    networks(counts=st.just(2)),
    collectives,
    sizes,
    st.integers(1, 4),
    st.sampled_from([PHYSICAL, ASTRA_SIM]),
)
def test_no_mixture_beats_its_bound(network, collective, size, in_flight, convention):
    """Bounds decide which mixtures are timed at all."""
    topology, bandwidth = network
    groups = tuple(each.size for each in topology.dimensions)
    idle = Network(Clock(), topology, bandwidth, in_flight=in_flight, convention=convention)
    table = phase_table(idle.view(collective, size, groups, 8))
    for batch in batches(table, size, 8, mixtures(table.used, table.even), inf):
        every = np.arange(batch.rows.shape[1])
        for lag in LAGS_IN_FLIGHT:
            times = batch.times(every, lag) * (1 + 1e-9)
            assert (batch.bounds(every) <= times).all()
            assert (batch.least <= times).all()


@settings(max_examples=60)
@given(networks(), collectives, sizes, chunk_counts, schedules, st.integers(1, 3), st.integers(-3, 3))
def test_a_network_slower_throughout_is_slower_by_that_factor(
    network, collective, size, chunks, schedule, in_flight, power
):
    """All schedules plan it alike. So do they with more bytes and as much more bandwidth."""
    topology, bandwidth = network
    factor = 2.0**power  # exact, so that ties stay ties
    options = {"chunks": chunks, "schedule": schedule, "in_flight": in_flight}
    time = simulate_collective(collective, size, topology, bandwidth, **options).time
    other = [b / factor for b in bandwidth]
    scaled = simulate_collective(collective, size, slower(topology, factor, 0.0), other, **options).time
    assert scaled == pytest.approx(time * factor, rel=1e-9)
    wide = [b * factor for b in bandwidth]
    assert simulate_collective(collective, size * factor, topology, wide, **options).time == pytest.approx(time)


@settings(max_examples=60)
@given(st.sampled_from(Block), st.integers(2, 9), latencies, bandwidths, collectives, sizes, schedules, st.floats(1, 3))
def test_monotone_with_any_schedule_where_there_is_one_dimension(
    block, n, latency, bandwidth, collective, size, schedule, factor
):
    def time(size, latency, bandwidth):
        line = Topology("line", (Dimension(block, n, "", latency),))
        return simulate_collective(collective, size, line, [bandwidth], schedule=schedule).time

    least = time(size, latency, bandwidth) * (1 - 1e-9)
    assert time(size * factor, latency, bandwidth) >= least
    assert time(size, latency * factor, bandwidth) >= least
    assert time(size, latency, bandwidth / factor) >= least


@settings(max_examples=100)
@given(networks(latency=st.just(0.0)), st.sampled_from(REDUCING), sizes)
def test_many_chunks_without_latency_converge_to_the_closed_form(network, collective, size):
    topology, bandwidth = network
    groups = [each.size for each in topology.dimensions]
    closed = collective_time(traffic(collective, size, groups), bandwidth)
    errors = [
        simulate_collective(collective, size, topology, bandwidth, chunks=chunks).time / closed - 1
        for chunks in (1, 64, 512)
    ]
    # the first chunk and the last pass the other dimensions alone: at most 2 D phases of one chunk
    phases_of_a_chunk = 2 * len(groups)
    assert 0 - 1e-9 <= errors[2] <= phases_of_a_chunk / 512 + 1e-9
    assert errors[2] <= errors[1] + 1e-9 <= errors[0] + 2e-9


@settings(max_examples=50)
@given(st.integers(3, 16), st.data(), st.sampled_from(REDUCING), sizes)
def test_part_of_a_fully_connected_dimension_keeps_its_own_links(n, data, collective, size):
    p = data.draw(st.integers(2, n - 1))
    topology, b = Topology("fc", (Dimension(Block.FULLY_CONNECTED, n),)), 1e11
    closed = collective_time(traffic(collective, size, [p]), [b])
    time = simulate_collective(collective, size, topology, [b], [p]).time
    assert time == pytest.approx(closed * (n - 1) / (p - 1))


@settings(max_examples=100)
@given(networks(), collectives, sizes, st.sampled_from(Optimization), st.sampled_from(BY_PHASE))
def test_one_chunk_takes_the_sum_over_dimensions(network, collective, size, optimization, convention):
    topology, bandwidth = network
    groups = [each.size for each in topology.dimensions]
    size = float(int(size)) * prod(groups)
    time = simulate_collective(
        collective, size, topology, bandwidth, chunks=1, optimization=optimization, convention=convention
    ).time
    order = tuple(range(len(groups)))
    plan = ChunkPlan(size, order[::-1] if collective is Collective.ALL_GATHER else order)
    total = 0.0
    for d, operation, part in phases(plan, collective, groups, optimization, convention):
        dimension = topology.dimensions[d]
        algorithm = DEFAULT_ALGORITHM[dimension.block]
        cost = convention.phase_cost(dimension, bandwidth[d], algorithm, operation, groups[d], part)
        total += cost.work + cost.latency
    assert time == pytest.approx(total, rel=1e-9)


@settings(max_examples=100)
@given(st.sampled_from(Block), st.integers(1, 6), st.sampled_from(REDUCING), sizes, chunk_counts, latencies)
def test_one_dimension_equals_its_formula(block, power, collective, size, chunks, latency):
    n, b = 2**power, 1e11
    topology = Topology("line", (Dimension(block, n, "", latency),))
    time = simulate_collective(collective, size, topology, [b], chunks=chunks).time
    rounds = {Block.RING: n - 1, Block.FULLY_CONNECTED: 1, Block.SWITCH: 2 * power}[block]
    volume = (n - 1) * size if collective is Collective.ALL_GATHER else (n - 1) / n * size
    twice = 2 if collective is Collective.ALL_REDUCE else 1
    assert time == pytest.approx(twice * (chunks * rounds * latency + volume / b))


@settings(max_examples=60)
@given(st.integers(2, 40), st.sampled_from(REDUCING), sizes, latencies)
def test_halving_doubling_folds_any_size(n, collective, size, latency):
    """No power of two costs a fold at most: the buffer once more, there and back, and two more messages each way."""
    switch = Dimension(Block.SWITCH, n, "", latency)
    cost = ASTRA_SIM.phase_cost(switch, 1e11, Algorithm.HALVING_DOUBLING, collective, n, size)
    whole = PHYSICAL.phase_cost(switch, 1e11, Algorithm.HALVING_DOUBLING, collective, n, size)
    ring = PHYSICAL.phase_cost(switch, 1e11, Algorithm.RING, collective, n, size)
    assert whole.work + whole.latency <= ring.work + ring.latency + 1e-15 or n & (n - 1) == 0
    moved = sum(step.times * step.parts / step.of for step in steps(Algorithm.HALVING_DOUBLING, collective, n)) * size
    volume = traffic(collective, size, [n])[0]
    assert volume * (1 - 1e-9) <= moved <= (volume if n & (n - 1) == 0 else 3 * volume + 2 * size) * (1 + 1e-9)
    assert cost.sent <= moved * (1 + 1e-9)


@settings(max_examples=30)
@given(
    networks(most=4),
    collectives,
    sizes,
    st.sampled_from([1, 2, 5]),
    schedules,
    st.integers(1, 3),
    st.sampled_from([PHYSICAL, ASTRA_SIM]),
    st.data(),
)
def test_a_simulation_per_npu_equals_the_representative(
    network, collective, size, chunks, schedule, in_flight, convention, data
):
    topology = Topology("drawn", network[0].dimensions[:3])
    bandwidth = network[1][:3]
    groups = data.draw(groups_in(topology))
    strides = [data.draw(st.integers(1, each.size // p)) for each, p in zip(topology.dimensions, groups, strict=True)]
    at = [tuple(range(0, p * stride, stride)) for p, stride in zip(groups, strides, strict=True)]
    size = float(int(size))
    options = {"schedule": schedule, "in_flight": in_flight, "convention": convention}
    one = simulate_collective(collective, size, topology, bandwidth, groups, positions=at, chunks=chunks, **options)
    members = tuple(rank for rank in range(topology.npus) if _inside(topology, rank, at))
    program = [GroupCollective(collective, size, members, chunks)]
    every = simulate_ranks(Network(Clock(), topology, bandwidth, **options), dict.fromkeys(members, program))
    assert every.time == pytest.approx(one.time, rel=1e-9)
    assert set(every.finished.values()) == {every.time}


def _inside(topology, rank, at):
    return all(here in members for here, members in zip(coordinates(topology, rank), at, strict=True))


@given(st.sampled_from(Block), st.integers(2, 12), st.data())
def test_distances_are_those_of_all_pairs(block, n, data):
    members = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=2)))
    dimension = Dimension(block, n)
    line = Topology("line", (dimension,))
    pairs = [hops(line, a, b) for a in members for b in members if a != b]
    assert (farthest(dimension, members), nearest(dimension, members)) == (max(pairs), min(pairs))
    around = [hops(line, a, b) for a, b in zip(members, members[1:] + members[:1], strict=True)]
    ways = [sum((around * 2)[i : i + len(members) - 1]) for i in range(len(members))]
    assert circulation(dimension, members) == max(ways)


@settings(max_examples=40)
@given(networks(), collectives, sizes, chunk_counts, schedules, st.data())
def test_no_group_anywhere_beats_its_bound(network, collective, size, chunks, schedule, data):
    topology, bandwidth = network
    at = [data.draw(st.sets(st.integers(0, each.size - 1), min_size=1).map(sorted)) for each in topology.dimensions]
    groups = tuple(map(len, at))
    time = simulate_collective(
        collective, size, topology, bandwidth, groups, positions=at, chunks=chunks, schedule=schedule
    ).time
    assert time >= bounds(collective, size, topology, bandwidth, groups, at).alpha_beta * (1 - 1e-9)


@pytest.mark.parametrize(("dimensions", "least"), [(2, 0.9), (3, 0.9), (4, 0.95)])
def test_latency_aware_is_rarely_slower_than_any_other(dimensions, least):
    """Within 3 % of the best other schedule for most networks: its family is finite, the others adapt."""
    generator, near, drawn = np.random.default_rng([dimensions, 1]), 0, 40
    for number in range(drawn):
        topology, bandwidth = random_network(generator, dimensions)
        collective, size = list(Collective)[number % 4], 10 ** generator.uniform(3, 10)
        times = [
            simulate_collective(collective, size, topology, bandwidth, schedule=schedule).time
            for schedule in (*OTHERS, LatencyAware)
        ]
        near += times[-1] <= 1.03 * min(times[:-1])
        assert times[-1] <= 1.2 * min(times[:-1])
    assert near >= least * drawn


def random_network(generator, count):
    sizes, latencies = generator.integers(2, 10, count), 10 ** generator.uniform(-9, -5, count)
    dimensions = tuple(
        Dimension(list(Block)[generator.integers(3)], int(n), "", float(latency))
        for n, latency in zip(sizes, latencies, strict=True)
    )
    return Topology("random", dimensions), tuple(10 ** generator.uniform(9, 12, count))


@settings(max_examples=50)
@given(networks(), collectives, sizes, chunk_counts, st.sampled_from(OTHERS))
def test_chunks_in_flight_share_the_links(network, collective, size, chunks, schedule):
    """More in flight hides latency, and no more: links carry the same bytes in no less time than they need."""
    topology, bandwidth = network
    run = simulate_collective(collective, size, topology, bandwidth, chunks=chunks, schedule=schedule, in_flight=chunks)
    assert run.time >= max(run.busy) * (1 - 1e-9)
    groups = [each.size for each in topology.dimensions]
    if schedule is Ascending:
        slowest = per_dimension(collective, size, topology, bandwidth, groups)
        assert run.time >= max(slowest) * (1 - 1e-9)
