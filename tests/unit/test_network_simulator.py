"""The network simulator by example: costs, event counts, sharing, queues, ranks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from simcore.engine import Clock
from simcore.errors import InputError, RunError
from simcore.models.network.algorithms import Algorithm, steps
from simcore.models.network.bounds import bounds, usable_bandwidth
from simcore.models.network.chunks import ChunkPlan, Optimization
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import ASTRA_SIM, ASTRA_SIM_2_AWARE, CONVENTIONS, PHYSICAL
from simcore.models.network.groups import group_positions
from simcore.models.network.schedulers import Ascending, Flex, LatencyAware, RoundRobin, Themis
from simcore.models.network.schedulers.latency_aware.batches import batches
from simcore.models.network.schedulers.latency_aware.mixtures import LAGS, LAGS_IN_FLIGHT, mixtures
from simcore.models.network.schedulers.latency_aware.phase_table import phase_table
from simcore.models.network.simulation.links import Messages
from simcore.models.network.simulation.network import Network
from simcore.models.network.simulation.rank_programs import GroupCollective
from simcore.models.network.simulation.ranks import simulate_ranks
from simcore.models.network.simulation.run import simulate_collective
from simcore.models.network.topology import Block, Dimension, Topology, coordinates

from tests.astra import SCHEDULES

AR, RS, AG, A2A = (
    Collective.ALL_REDUCE,
    Collective.REDUCE_SCATTER,
    Collective.ALL_GATHER,
    Collective.ALL_TO_ALL,
)


def net(*dimensions):
    return Topology("net", tuple(Dimension(block, size, "", latency) for block, size, latency in dimensions))


RING4 = net((Block.RING, 4, 0.0))
CUBE = net((Block.RING, 4, 5e-7), (Block.FULLY_CONNECTED, 8, 7e-7), (Block.SWITCH, 4, 1e-6))
CUBE_BANDWIDTHS = [200e9, 140e9, 50e9]


@pytest.mark.parametrize(("collective", "legs"), [(AR, 5), (RS, 3), (AG, 3), (A2A, 3)])
@pytest.mark.parametrize("chunks", [1, 16, 64])
def test_events_grow_with_chunks_times_phases(collective, legs, chunks):
    run = simulate_collective(collective, 2**30, CUBE, CUBE_BANDWIDTHS, chunks=chunks)
    assert run.phases == chunks * legs == len(run.log)
    assert run.events == run.phases + 1  # and one that ends the collective


@pytest.mark.parametrize("schedule", [Themis, Flex, RoundRobin, LatencyAware])
def test_events_do_not_grow_with_npus(schedule):
    """131,072 NPUs cost what 32 do."""
    small = net(*((Block.SWITCH, 2, 1e-6) for _ in range(5)))
    large = net(
        *((block, size, 1e-6) for block, size in zip([Block.RING, *[Block.SWITCH] * 4], [8, 16, 16, 8, 8], strict=True))
    )
    assert large.npus == 131072
    few = simulate_collective(AR, 1e9, small, [1e11] * 5, schedule=schedule)
    many = simulate_collective(AR, 1e9, large, [1e11] * 5, schedule=schedule)
    assert few.events <= 64 * 10 + 1
    assert many.events <= 64 * 10 + 1


class EveryNpu(Messages):
    """All NPUs simulated, whether they are alike or not."""

    def _alike(self):
        return False


@pytest.mark.parametrize("block", Block)
@pytest.mark.parametrize("algorithm", [Algorithm.RING, Algorithm.DIRECT, Algorithm.HALVING_DOUBLING])
@pytest.mark.parametrize("collective", Collective)
@pytest.mark.parametrize("in_flight", [1, 3])
def test_one_npu_stands_for_all_in_messages_too(block, algorithm, collective, in_flight):
    dimension = Dimension(block, 8, "", 500e-9)
    runs = []
    for kind in (Messages, EveryNpu):
        clock = Clock()
        messages = kind(clock, dimension, 100e9, algorithm, collective, [2**20] * 5, in_flight)
        clock.run(until=messages.done)
        runs.append((clock.now, messages.busy, messages.sent, messages.log, clock.events))
    (*one, few), (*every, many) = runs
    assert one == every
    halving = algorithm is Algorithm.HALVING_DOUBLING and collective is not Collective.ALL_TO_ALL
    assert few == many if halving and block is Block.RING else few <= many / 8 + 2


@pytest.mark.parametrize(
    ("sizes", "collective", "chunks", "in_flight"),
    [((2, 2, 2), AR, 2, 1), ((3, 4, 3), AG, 5, 1), ((3, 4, 3), AR, 2, 2), ((2, 3, 2), AR, 2, 3), ((4, 2, 2), AG, 5, 2)],
)
@pytest.mark.parametrize("schedule", [Themis, Flex, RoundRobin])
def test_ties_are_broken_alike_on_every_npu(sizes, collective, chunks, in_flight, schedule):
    """Equal dimensions: chunks reach the same queue at the same moment from different sides."""
    topology = net(*((block, size, 0.0) for block, size in zip(Block, sizes, strict=True)))
    options = {"schedule": schedule, "in_flight": in_flight}
    one = simulate_collective(collective, 101260.0, topology, [1e9] * 3, chunks=chunks, **options)
    ranks = tuple(range(topology.npus))
    program = [GroupCollective(collective, 101260.0, ranks, chunks)]
    every = simulate_ranks(Network(Clock(), topology, [1e9] * 3, **options), dict.fromkeys(ranks, program))
    assert every.time == pytest.approx(one.time, rel=1e-9)


def test_ranks_cost_events_per_group():
    pair = net((Block.RING, 4, 0.0), (Block.SWITCH, 2, 0.0))
    call = GroupCollective(AR, 1e6, tuple(range(8)), chunks=4)
    run = simulate_ranks(Network(Clock(), pair, [1e9, 1e9]), {rank: [call] for rank in range(8)})
    assert run.phases == 4 * (2 + 4 + 2)  # two rings of the first dimension twice, four pairs of the second once


def test_two_equal_collectives_on_one_link_take_twice_as_long():
    clock = Clock()
    network = Network(clock, RING4, [1e9])
    first, second = (network.issue(AR, 4e6, chunks=8, label=name) for name in "ab")
    clock.run()
    assert first.value == pytest.approx(0.006)
    assert second.value == pytest.approx(0.012)
    assert network.busy == [pytest.approx(0.012)]


def test_collectives_on_disjoint_dimensions_do_not_touch_each_other():
    topology = net((Block.RING, 4, 1e-6), (Block.SWITCH, 4, 1e-6))
    clock = Clock()
    network = Network(clock, topology, [1e9, 1e9])
    inner, outer = network.issue(AR, 4e6, (4, 1)), network.issue(AR, 4e6, (1, 4))
    clock.run()
    for event, groups in ((inner, (4, 1)), (outer, (1, 4))):
        assert event.value == simulate_collective(AR, 4e6, topology, [1e9, 1e9], groups, chunks=64).time


def test_a_higher_priority_passes_what_waits_but_not_what_is_served():
    clock = Clock()
    network = Network(clock, RING4, [1e9], record=True)
    low = network.issue(RS, 4e6, chunks=2, label="low")
    high = network.issue(RS, 4e6, chunks=1, label="high", priority=1.0)
    clock.run()
    assert [phase.label for phase in network.log] == ["low", "high", "low"]
    assert (high.value, low.value) == (pytest.approx(0.0045), pytest.approx(0.006))


@pytest.mark.parametrize(
    ("members", "late"),
    [(range(8), 7), (range(0, 8, 2), 3 * 2), (range(0, 8, 4), 4), (range(4), 2 + 3), (range(2), 1)],
)
def test_latency_counts_the_hops_of_the_real_ring(members, late):
    ring = net((Block.RING, 8, 1e-6))
    p = len(members)
    options = {"positions": [members], "chunks": 1}
    assert simulate_collective(RS, 8.0, ring, [1e18], (p,), **options).time == pytest.approx(late * 1e-6, rel=1e-3)
    theirs = simulate_collective(RS, 8.0, ring, [1e18], (p,), convention=ASTRA_SIM, **options)
    assert theirs.time == pytest.approx(late * 1e-6, rel=0.02)
    # farthest apart: half the ring, or the ends of the line
    apart = max(min(abs(a - b), 8 - abs(a - b)) for a in members for b in members)
    assert bounds(RS, 8.0, ring, [1e18], (p,), [members]).latency == pytest.approx(apart * 1e-6)


def test_chunks_in_flight_hide_latency_and_share_the_link():
    ring = net((Block.RING, 8, 500e-9))
    alone, several = (simulate_collective(AR, 2**26, ring, [100 * 2**30], in_flight=k, chunks=64) for k in (1, 4))
    assert alone.time == pytest.approx(64 * 14 * 500e-9 + several.busy[0])
    assert several.busy[0] < several.time < alone.time
    astra = simulate_collective(AR, 2**26, ring, [100 * 2**30], in_flight=4, convention=ASTRA_SIM)
    assert astra.time < several.busy[0] / 2  # each chunk has the whole link there


@pytest.mark.parametrize(
    ("block", "n", "expected"),
    [(Block.SWITCH, 8, 7 / 8), (Block.FULLY_CONNECTED, 8, 7 / 8), (Block.RING, 8, 16 / 8), (Block.RING, 5, 6 / 5)],
)
def test_all_to_all_is_bound_by_what_links_carry(block, n, expected):
    cost = PHYSICAL.phase_cost(Dimension(block, n), 1e9, Algorithm.DIRECT, A2A, n, 1e9)
    assert cost.work == pytest.approx(expected)
    assert bounds(A2A, 1e9, net((block, n, 0.0)), [1e9], [n]).bandwidth == pytest.approx(expected)


def test_algorithms_on_blocks_they_are_not_made_for():
    def work(block, algorithm, n=8):
        return PHYSICAL.phase_cost(Dimension(block, n), 7e9, algorithm, RS, n, 8e9).work

    assert work(Block.SWITCH, Algorithm.RING) == work(Block.SWITCH, Algorithm.DIRECT) == pytest.approx(1.0)
    assert work(Block.FULLY_CONNECTED, Algorithm.RING) == pytest.approx(7.0)  # one of seven links at a time
    assert work(Block.RING, Algorithm.DIRECT) == pytest.approx(16 / 7)
    # halves to the neighbour in one direction of two; quarters cross two links, eighths four, both ways around
    assert work(Block.RING, Algorithm.HALVING_DOUBLING) == pytest.approx((4 * 2 + 2 * 4 + 1 * 4) / 7)


def test_halving_doubling_of_three_folds_one_npu():
    assert [(s.parts / s.of, s.reduces) for s in steps(Algorithm.HALVING_DOUBLING, AR, 3)] == [
        (1.0, True),
        (0.5, True),
        (0.5, False),
        (1.0, False),
    ]
    scatter = [s.parts / s.of for s in steps(Algorithm.HALVING_DOUBLING, RS, 6)]
    assert scatter == [1.0, 3 / 6, 2 / 6, 1 / 6]


def test_folding_where_latency_counts_and_a_ring_where_bandwidth_does():
    switch = Dimension(Block.SWITCH, 6, "", 1e-6)
    small, large = (PHYSICAL.phase_cost(switch, 1e9, Algorithm.HALVING_DOUBLING, AR, 6, size) for size in (6.0, 6e9))
    assert small.latency == pytest.approx(6 * 2e-6)  # fold, two halvings, two doublings, unfold
    assert large.work == pytest.approx(10.0)


def test_groups_of_one_and_empty_buffers_end_at_once():
    for size, groups in ((1e6, (1, 1, 1)), (0.0, (4, 8, 4))):
        run = simulate_collective(AR, size, CUBE, CUBE_BANDWIDTHS, groups)
        assert (run.time, run.phases) == (0.0, 0)
    lone = net((Block.RING, 1, 1e-6), (Block.SWITCH, 2, 1e-6))
    assert simulate_collective(AR, 1e6, lone, [1e9, 1e9], chunks=1).time == pytest.approx(1e-3 + 4e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("convention", CONVENTIONS.values())
def test_less_than_one_byte_is_nothing_where_bytes_are_whole(convention, schedule):
    run = simulate_collective(AR, 0.5, RING4, [1e9], convention=convention, schedule=schedule)
    assert (run.time > 0) is (convention is PHYSICAL)


def test_a_plan_may_be_given():
    clock = Clock()
    network = Network(clock, CUBE, CUBE_BANDWIDTHS, record=True)
    clock.run(until=network.issue(RS, 1e6, plans=[ChunkPlan(1e6, (2, 0, 1))]))
    assert [phase.dimension for phase in network.log] == [2, 0, 1]
    assert [phase.size for phase in network.log] == [1e6, 25e4, 62500.0]


def test_parts_of_a_dimension_have_queues_of_their_own_in_astra_sim_only():
    topology, times = net((Block.SWITCH, 8, 0.0)), {}
    for convention in (ASTRA_SIM, PHYSICAL):
        clock = Clock()
        network = Network(clock, topology, [1e9], convention=convention)
        network.issue(AR, 4e6, (2,), queue="tp")
        network.issue(AR, 4e6, (4,), queue="dp")
        clock.run()
        times[convention] = clock.now
    assert times[PHYSICAL] == pytest.approx(0.010)
    assert times[ASTRA_SIM] == pytest.approx(0.006, rel=1e-3)


def test_the_aware_convention_is_no_server_of_phases():
    with pytest.raises(ValueError, match="message by message"):
        Network(Clock(), RING4, [1e9], convention=ASTRA_SIM_2_AWARE)
    with pytest.raises(InputError, match="one dimension"):
        simulate_collective(AR, 1e6, CUBE, CUBE_BANDWIDTHS, convention=ASTRA_SIM_2_AWARE)
    with pytest.raises(InputError, match="a power of two"):
        simulate_collective(AR, 1e6, net((Block.SWITCH, 6, 0.0)), [1e9], convention=ASTRA_SIM_2_AWARE)


@pytest.mark.parametrize("convention", list(CONVENTIONS.values())[1:])
def test_whole_nanoseconds_of_latency_stay_whole(convention):
    """7 / 1e9 over 1e-9 is a rounding below 7."""
    times = [
        simulate_collective(RS, 1, net((Block.RING, 2, ns / 1e9)), [1e9], chunks=1, convention=convention).time
        for ns in range(20)
    ]
    assert [round((b - a) * 1e9) for a, b in pairwise(times)] == [1] * 19


def test_a_straggler_delays_its_group_only():
    topology = net((Block.RING, 2, 0.0), (Block.SWITCH, 2, 0.0))
    rows = [GroupCollective(AR, 2e6, members, chunks=1) for members in ((0, 1), (2, 3))]
    programs = {0: [0.5, rows[0]], 1: [rows[0]], 2: [rows[1]], 3: [rows[1]]}
    run = simulate_ranks(Network(Clock(), topology, [1e9, 1e9]), programs)
    assert run.finished == {0: pytest.approx(0.502), 1: pytest.approx(0.502), 2: 0.002, 3: 0.002}


def test_ranks_call_a_collective_again_and_again():
    call = GroupCollective(AR, 1e6, (0, 1), chunks=1)
    pair = net((Block.SWITCH, 2, 0.0))
    run = simulate_ranks(Network(Clock(), pair, [1e9]), {0: [call, call], 1: [call, 0.1, call]})
    assert run.time == pytest.approx(0.102)


def test_a_watchdog_names_the_ranks_of_a_deadlock():
    first, second = (GroupCollective(AR, 1e6, (0, 1), label=name) for name in ("gradients", "activations"))
    network = Network(Clock(), net((Block.SWITCH, 2, 0.0)), [1e9])
    with pytest.raises(RunError) as failure:
        simulate_ranks(network, {0: [first, second], 1: [second, first]})
    text = str(failure.value)
    assert "rank 0 waits in 'gradients of 2 ranks' for ranks 1" in text
    assert "rank 1 waits in 'activations of 2 ranks' for ranks 0" in text
    assert text.endswith("Let all ranks of a group call its collectives, in the same order.")
    assert failure.value.exit_code == 1


def test_a_rank_that_never_comes_is_a_deadlock_too():
    call = GroupCollective(AR, 1e6, tuple(range(16)))
    network = Network(Clock(), net((Block.SWITCH, 16, 0.0)), [1e9])
    with pytest.raises(RunError, match="7 more ranks wait"):
        simulate_ranks(network, {rank: [call] for rank in range(15)})


@pytest.mark.parametrize(
    ("rank", "step", "found"),
    [
        (2, GroupCollective(AR, 1e6, (0, 1)), "rank 2, step 1: found 'all-reduce of 2 ranks', which rank 2 is no mem"),
        (4, 1.0, "rank 4: found its program, expected ranks of the network, 0 to 3"),
        (0, -1.0, "found -1 s of compute"),
        (0, float("nan"), "found nan s of compute"),
        (0, GroupCollective(AR, -1.0, (0, 1)), "found 'all-reduce of 2 ranks' of -1 B"),
        (0, GroupCollective(AR, 1e6, (0, 1), chunks=0), "in 0 chunks"),
        (0, GroupCollective(AR, 1e6, (0, 1), chunks=2.5), "in 2.5 chunks"),
        (0, "1", "a GroupCollective"),
        (0, GroupCollective(AR, 1e6, (0, 5)), "found rank 5"),
    ],
)
def test_programs_that_make_no_sense_are_refused(rank, step, found):
    with pytest.raises(InputError, match=found):
        simulate_ranks(Network(Clock(), RING4, [1e9]), {rank: [step]})


def test_groups_are_boxes():
    assert coordinates(CUBE, 37) == (1, 1, 1)
    assert group_positions(CUBE, range(16), "--group") == ((0, 1, 2, 3), (0, 1, 2, 3), (0,))
    assert group_positions(CUBE, [0, 2, 32, 34], "--group") == ((0, 2), (0,), (0, 1))
    for members, found in (([], "empty"), ([128], "rank 128"), ([1, 1], "twice"), (range(6), "without rank 6")):
        with pytest.raises(InputError, match=found):
            group_positions(CUBE, members, "--group")


def test_bounds_by_hand():
    found = bounds(AR, 128e6, CUBE, CUBE_BANDWIDTHS, (4, 8, 4))
    assert found.bandwidth == pytest.approx(2 * 127e6 / 390e9)
    assert found.latency == pytest.approx(2 * 0.5e-6 + 0.7e-6 + 2e-6)
    assert found.alpha_beta == pytest.approx(found.bandwidth + 0.5e-6)
    assert (found.hierarchical, found.limiting) == (pytest.approx(2 * 96e6 / 200e9), 0)
    assert found.latency < found.bandwidth
    late = bounds(AG, 1.0, CUBE, CUBE_BANDWIDTHS, (4, 8, 4))
    assert late.alpha_beta == late.latency > late.bandwidth
    assert usable_bandwidth(CUBE.dimensions[1], 140e9, 4) == 60e9
    assert bounds(AR, 1.0, CUBE, CUBE_BANDWIDTHS, (1, 1, 1)).alpha_beta == 0


def test_phases_of_chunks_in_flight_overlap_in_the_log_but_not_on_the_link():
    ring = net((Block.RING, 8, 500e-9))
    log = simulate_collective(AR, 2**20, ring, [1e11], chunks=8, in_flight=2).log
    work = 2 * 7 / 8 * 2**20 / 8 / 1e11
    starts = sorted(phase.start for phase in log)
    assert all(later - start >= work * (1 - 1e-9) for start, later in pairwise(starts))
    assert any(after.start < before.end for before, after in pairwise(log))


def test_an_all_gather_of_even_loads_runs_inwards_by_physics_and_outwards_in_astra_sim():
    even = net((Block.SWITCH, 4, 0.0), (Block.SWITCH, 4, 0.0))
    first = {}
    for convention in (PHYSICAL, ASTRA_SIM):
        run = simulate_collective(AG, 2**20, even, [1e9, 1e9], chunks=4, schedule=Themis, convention=convention)
        first[convention] = next(phase.dimension for phase in run.log if phase.chunk == 0)
    assert first == {PHYSICAL: 1, ASTRA_SIM: 0}


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize(
    ("collective", "optimization", "sizes"),
    [
        (AR, Optimization.LOCAL, (4, 8)),
        (AR, Optimization.LOCAL, (3, 6)),
        (AR, Optimization.FULL_PER_DIMENSION, (4, 8)),
        (RS, Optimization.LOCAL, (4, 8)),
        (AG, Optimization.LOCAL, (2, 5)),
        (A2A, Optimization.LOCAL, (4, 8)),
    ],
)
def test_latency_aware_takes_the_fastest_of_all_mixtures(collective, optimization, sizes, in_flight):
    """No bound may drop it, and the servers take the time that the search counts."""
    topology = net((Block.RING, sizes[0], 3e-7), (Block.SWITCH, sizes[1], 1e-6))
    network = Network(Clock(), topology, [2e11, 1e11], in_flight=in_flight, optimization=optimization)
    lags, times = LAGS if in_flight == 1 else LAGS_IN_FLIGHT, []
    for option in PHYSICAL.candidates(topology.dimensions[1], Algorithm.HALVING_DOUBLING, collective, sizes[1]):
        idle = network if in_flight == 1 else network.idle_copy([Algorithm.RING, option])
        table = phase_table(idle.view(collective, 1e7, sizes, 8))
        every = batches(table, 1e7, 8, mixtures(table.used, table.even), inf)
        times += [batch.times(np.arange(batch.rows.shape[1]), lag).min() for batch in every for lag in lags]
    run = simulate_collective(
        collective, 1e7, topology, [2e11, 1e11], chunks=8, schedule=LatencyAware, in_flight=in_flight,
        optimization=optimization,
    )  # fmt: skip
    assert run.time == pytest.approx(min(times), rel=1e-12)
    assert run.chunks <= 8


def test_round_robin_fills_what_is_in_flight():
    """Its settled order must not hold back chunks whose latency could hide."""
    topology = net((Block.RING, 4, 5e-7), (Block.FULLY_CONNECTED, 8, 7e-7), (Block.SWITCH, 4, 1e-6))
    times = [
        simulate_collective(AR, 1e5, topology, [2e11, 1.4e11, 5e10], schedule=schedule, in_flight=64).time
        for schedule in (Ascending, RoundRobin)
    ]
    assert times[1] <= 1.05 * times[0]


@pytest.mark.parametrize("chunks", [[2**12] * 16, [1000, 7, 250_000, 3, 64_000]])
@pytest.mark.parametrize("in_flight", [2, 4, 16])
def test_messages_of_the_next_chunk_wait_until_it_has_begun(chunks, in_flight):
    """Halving-doubling on a ring: partners are not alike, one may send before the other has started the chunk."""
    clock = Clock()
    dimension = Dimension(Block.RING, 16, "", 100e-9)
    messages = Messages(clock, dimension, 200e9, Algorithm.HALVING_DOUBLING, RS, chunks, in_flight)
    clock.run(until=messages.done)
    assert len(messages.log) == len(chunks)


def test_a_lag_settles_the_order_in_each_dimension():
    """Chunk 1 is first in the second dimension, and waits for chunk 0 all the same."""
    plans = [ChunkPlan(1e6, (0, 1), lag=0.5), ChunkPlan(1e6, (1, 0), lag=0.5)]
    topology = net((Block.SWITCH, 2, 0.0), (Block.SWITCH, 2, 0.0))
    logs = []
    for each in (plans, [replace(plan, lag=None) for plan in plans]):
        network = Network(Clock(), topology, [1e9, 1e9], record=True)
        network.clock.run(until=network.issue(RS, 2e6, plans=each))
        logs.append([(phase.dimension, phase.chunk, round(phase.start * 1e3, 6)) for phase in network.log])
    assert logs[0] == [(0, 0, 0.0), (1, 0, 0.5), (1, 1, 0.75), (0, 1, 1.25)]
    assert sorted(logs[1]) == [(0, 0, 0.0), (0, 1, 0.5), (1, 0, 0.5), (1, 1, 0.0)]


def test_latency_aware_cuts_whole_bytes_completely():
    for size in (1, 7, 17, 1000):
        network = Network(Clock(), CUBE, CUBE_BANDWIDTHS, convention=ASTRA_SIM, schedule=LatencyAware)
        plans = network.plans(AR, size, (4, 8, 4), 64)
        assert sum(plan.size for plan in plans) == size
        assert all(isinstance(plan.size, int) and plan.size > 0 for plan in plans)
