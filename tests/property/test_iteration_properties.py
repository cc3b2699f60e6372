"""Properties of simulated training iterations."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Groups
from simcore.models.network.schedulers import Ascending
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.program import Axis, Issue, Loop, Wait, iteration
from simcore.models.training.simulated import Settings, bound, run_iteration
from simcore.models.training.workload import Layer, Phase, Workload
from simcore.models.training.zero import zero3

from tests.astra import SCHEDULES
from tests.programs import sent

NET = Topology("net", (Dimension(Block.RING, 4, latency=1e-6), Dimension(Block.SWITCH, 8, latency=1e-6)))
GROUPS = Groups((4, 1), (1, 8))
BANDWIDTHS = [2e9, 1e9]

compute = st.floats(0, 0.1)
size = st.integers(0, 10**8)
sums = st.sampled_from([None, Collective.ALL_REDUCE, Collective.REDUCE_SCATTER])
collectives = st.sampled_from([None, Collective.ALL_REDUCE, Collective.ALL_GATHER, Collective.REDUCE_SCATTER])


@st.composite
def phases(draw, kinds=collectives):
    collective = draw(kinds)
    return Phase(draw(compute), collective, float(draw(size)) if collective else 0.0)


@st.composite
def workloads(draw):
    layers = draw(st.lists(st.builds(Layer, st.just("x"), phases(), phases(), phases(sums)), min_size=1, max_size=5))
    checkpoints = draw(st.sets(st.integers(0, len(layers) - 1)))
    return Workload("toy", tuple(layers), 4, 8, checkpoints=tuple(sorted({0, *checkpoints})))


def simulated(steps, bandwidths=BANDWIDTHS, schedule=Ascending, chunks=4):
    return run_iteration(steps, NET, bandwidths, GROUPS, Settings(chunks, schedule))


@given(workloads(), st.sampled_from(Loop), st.booleans(), st.sampled_from(SCHEDULES))
@settings(max_examples=60)
def test_no_iteration_beats_its_bound_and_all_its_time_is_accounted_for(workload, loop, recompute, schedule):
    steps = iteration(workload, loop, recompute=recompute)
    run = simulated(steps, schedule=schedule)
    assert run.time >= bound(steps, NET, BANDWIDTHS, GROUPS) * (1 - 1e-9)
    assert abs(run.compute + run.exposed - run.time) <= 1e-9 * max(run.time, 1)
    assert abs(sum(run.exposed_by_dimension()) - run.exposed) <= 1e-9 * max(run.time, 1)
    assert abs(sum(run.exposed_by_axis().values()) - run.exposed) <= 1e-9 * max(run.time, 1)


@given(workloads(), st.sampled_from(Loop), st.booleans(), st.booleans())
def test_each_collective_is_started_once_and_waited_for_once(workload, loop, recompute, sharded):
    steps = (zero3 if sharded and sum(x.weight_gradient.size > 0 for x in workload.layers) != 1 else iteration)(
        workload, loop, recompute=recompute
    )
    started = [step.key for step in steps if isinstance(step, Issue)]
    waited = [step.key for step in steps if isinstance(step, Wait)]
    assert len(set(started)) == len(started)
    assert sorted(started) == sorted(waited)
    seen = set()
    for step in steps:
        if isinstance(step, Issue):
            seen.add(step.key)
        elif isinstance(step, Wait):
            assert step.key in seen


@given(workloads(), st.booleans())
def test_loops_send_the_same_and_wait_less_and_less(workload, recompute):
    programs = [
        iteration(workload, loop, recompute=recompute) for loop in (Loop.NO_OVERLAP, Loop.OVERLAP, Loop.SIMULATE)
    ]
    for axis in Axis:
        totals = [sent(steps, axis) for steps in programs]
        assert totals[0] == totals[1] == totals[2]
    none, overlap, free = (simulated(steps).time for steps in programs)
    assert overlap <= none * (1 + 1e-9)
    assert free <= overlap * (1 + 1e-9)


@given(workloads(), st.sampled_from(Loop), st.floats(1.0, 4.0))
def test_wider_dimensions_and_faster_compute_are_never_slower(workload, loop, factor):
    steps = iteration(workload, loop)
    time = simulated(steps).time
    assert simulated(steps, [b * factor for b in BANDWIDTHS]).time <= time * (1 + 1e-9)
    assert simulated(iteration(workload, loop, compute_scale=1 / factor)).time <= time * (1 + 1e-9)
