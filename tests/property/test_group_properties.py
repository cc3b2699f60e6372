"""Properties of named groups: they divide the NPUs, and all models run a collective in the same one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simcore.models.network.collectives import Collective, collective_time, traffic
from simcore.models.network.distances import circulation, exchange, farthest, nearest
from simcore.models.network.graph import ring_sharing, sharing
from simcore.models.network.mapping import Axis, Groups, map_parallelism
from simcore.models.network.sharing.job import Job
from simcore.models.network.sharing.jobs import simulate
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.closed_form import step_time
from simcore.models.training.program import Loop, iteration
from simcore.models.training.simulated import Settings, bound, run_iteration
from simcore.models.training.workload import Layer, Phase, Workload
from simcore.studies.train import train

NET = Topology("net", (Dimension(Block.SWITCH, 4), Dimension(Block.SWITCH, 8)))
BANDWIDTHS = [2e9, 1e9]
COLLECTIVE_AXES = [axis for axis in Axis if axis is not Axis.PIPELINE]

powers = st.sampled_from([1, 2, 4, 8, 16, 32])


@st.composite
def mapped(draw):
    tp = draw(powers)
    dp = 32 // tp
    ep = draw(powers.filter(lambda degree: dp % degree == 0))
    return tp, dp, ep, map_parallelism(NET, tp, dp, ep=ep)


@st.composite
def phases(draw):
    collective = draw(st.sampled_from([None, *Collective]))
    size = float(draw(st.integers(1, 10**8))) if collective else 0.0
    return Phase(draw(st.floats(0, 0.1)), collective, size, draw(st.sampled_from([None, *COLLECTIVE_AXES])))


layers = st.lists(st.builds(Layer, st.just("x"), phases(), phases(), phases()), min_size=1, max_size=4).map(tuple)


@given(mapped(), st.sampled_from(COLLECTIVE_AXES))
def test_the_groups_of_an_axis_have_each_npu_once(found, axis):
    tp, dp, ep, groups = found
    degrees = {Axis.TENSOR: tp, Axis.DATA: dp, Axis.EXPERT: ep, Axis.EXPERT_DATA: dp // ep, Axis.CONTEXT: 1,
               Axis.ALL: 32}  # fmt: skip
    assert groups.degree(axis) == degrees[axis]
    for index, dimension in enumerate(NET.dimensions):
        members = groups.divide(axis, index, dimension.size)
        assert sorted(i for group in members for i in group) == list(range(dimension.size))
        assert members[0] == groups.positions(axis)[index]
        assert all(len(a) == len(b) for a, b in pairwise(members))


@given(mapped())
def test_expert_groups_divide_a_data_parallel_one(found):
    groups = found[3]
    for index in range(2):
        data = set(groups.positions(Axis.DATA)[index])
        inner, outer = groups.positions(Axis.EXPERT)[index], groups.positions(Axis.EXPERT_DATA)[index]
        assert {a + b for a in inner for b in outer} == data


@given(layers, mapped())
@settings(max_examples=60)
def test_the_closed_form_and_the_program_use_the_same_groups(layers, found):
    tp, dp, _, groups = found
    workload = Workload("toy", layers, tp, dp)
    steps = iteration(workload, Loop.NO_OVERLAP, recompute=False)
    closed = step_time(workload, groups, BANDWIDTHS).total
    assert bound(steps, NET, BANDWIDTHS, groups) <= closed * (1 + 1e-9)
    assert run_iteration(steps, NET, BANDWIDTHS, groups, Settings(4)).time >= closed * (1 - 1e-9)


@given(layers)
@settings(max_examples=60)
def test_groups_of_one_dimension_take_the_closed_form_at_once(found):
    groups = map_parallelism(NET, 4, 8, ep=2)
    workload = Workload("toy", tuple(map(_without_all, found)), 4, 8)
    steps = iteration(workload, Loop.NO_OVERLAP, recompute=False)
    run = run_iteration(steps, NET, BANDWIDTHS, groups, Settings(1))
    assert run.time == pytest.approx(step_time(workload, groups, BANDWIDTHS).total)
    assert run.time == pytest.approx(bound(steps, NET, BANDWIDTHS, groups))


def _without_all(layer):
    phases = [phase if phase.group is not Axis.ALL else Phase(phase.compute) for _, phase in layer.phases()]
    return Layer(layer.name, *phases)


@given(st.sampled_from(list(Collective)), st.sampled_from(COLLECTIVE_AXES), mapped())
def test_a_collective_takes_the_time_of_its_group(collective, axis, found):
    groups = found[3]
    workload = Workload("one", (Layer("x", Phase(0.0, collective, 1e6, axis), Phase(0.0), Phase(0.0)),), 1, 1)
    expected = collective_time(traffic(collective, 1e6, groups.sizes(axis)), BANDWIDTHS)
    assert step_time(workload, groups, BANDWIDTHS).total == pytest.approx(expected)


def test_groups_that_are_both_all_npus():
    groups = Groups((4, 8), (4, 8), grid=(4, 8))
    assert groups.positions(Axis.DATA) == groups.positions(Axis.TENSOR) == (range(4), range(8))
    assert groups.divide(Axis.DATA, 1, 8) == [range(8)]


@given(st.sampled_from(list(Collective)), st.sampled_from(COLLECTIVE_AXES), mapped())
@settings(max_examples=40)
def test_a_job_among_others_has_the_same_groups(collective, axis, found):
    tp, dp, ep, groups = found
    phase = Phase(0.0, collective, 1e6, axis)
    workload = Workload("one", (Layer("x", phase, Phase(0.0), Phase(0.0)),), tp, dp, ep=ep)
    job = Job("a", workload, (range(4), range(8)), groups, loop=Loop.NO_OVERLAP, recompute=False)
    alone = simulate([job], NET, BANDWIDTHS).jobs[0]
    assert alone.end == pytest.approx(step_time(workload, groups, BANDWIDTHS).total)
    assert alone.exposed[axis] == pytest.approx(alone.end)


@given(st.integers(2, 9), st.integers(1, 6), st.integers(1, 5))
def test_sharing_of_equal_groups_is_that_of_their_links(size, step, blocks):
    npus = size * step * blocks
    assume(npus > 2 and size < npus)
    groups = [range(s + i, s + size * step, step) for s in range(0, npus, size * step) for i in range(step)]
    on_links = sharing(Dimension(Block.RING, npus), groups, Collective.ALL_REDUCE)
    assert on_links == pytest.approx(ring_sharing(size, step, npus))


@given(st.integers(2, 9), st.integers(1, 6), st.integers(1, 5), st.integers(0, 4))
def test_a_range_of_a_ring_has_the_distances_of_its_members(size, step, blocks, start):
    ring = Dimension(Block.RING, size * step * blocks)
    members = range(start % step, size * step, step)
    written = tuple(members)
    assert farthest(ring, members) == farthest(ring, written)
    assert nearest(ring, members) == nearest(ring, written)
    assert circulation(ring, members) == circulation(ring, written)
    for distance in (1, 2, 4):
        if distance < len(members) and len(members) & (len(members) - 1) == 0:
            assert exchange(ring, members, distance) == exchange(ring, written, distance)


def test_a_ring_of_two_billion_npus_is_no_list_of_them():
    """What a run of it holds are ranges: its cost does not grow with the ring."""
    network = "Ring(2147483648)@1GB/s,1ns"
    events = [train(net, None, "175B", tp=16, chunks=1).run.events for net in (network, "Ring(256)@1GB/s,1ns")]
    assert events[0] == events[1]
