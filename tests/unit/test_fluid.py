"""Fluid flows and jobs that share links."""

from __future__ import annotations

import numpy as np
import pytest
from simcore.engine import Clock
from simcore.errors import InputError
from simcore.models.network.collectives import Collective, collective_time, traffic
from simcore.models.network.fluid import FluidNetwork, max_min
from simcore.models.network.graph import link_graph, sharing, streams
from simcore.models.network.mapping import Groups
from simcore.models.network.sharing import Job, place, simulate
from simcore.models.network.simulation.run import simulate_collective
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.program import Axis, Loop, iteration
from simcore.models.training.simulated import Settings, run_iteration
from simcore.models.training.workload import Layer, Phase, Workload
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload

AR, A2A = Collective.ALL_REDUCE, Collective.ALL_TO_ALL


def reduce_only(size, dp, collective=AR, compute=0.0):
    weight = Phase(compute, collective, size)
    return Workload("toy", (Layer("mlp", Phase(0.0), Phase(0.0), weight),), 1, dp)


def job(name, topology, positions, size, **options):
    members = int(np.prod([len(each) for each in positions]))
    one = reduce_only(size, members, options.pop("collective", AR), options.pop("compute", 0.0))
    return Job(name, one, tuple(map(tuple, positions)), place(topology, positions, 1, members), **options)


def test_links_of_each_block():
    topology = Topology(
        "net", (Dimension(Block.RING, 4), Dimension(Block.FULLY_CONNECTED, 3), Dimension(Block.SWITCH, 2))
    )
    graph = link_graph(topology, [8e9, 6e9, 5e9])
    by_dimension = [[e for *_, e in graph.edges(data=True) if e["dimension"] == d] for d in range(3)]
    # 24 NPUs: two ring links each, two peers each, one link up and one down
    assert [len(found) for found in by_dimension] == [48, 48, 48]
    assert [{e["capacity"] for e in found} for found in by_dimension] == [{4e9}, {3e9}, {5e9}]
    assert sorted(e["index"] for *_, e in graph.edges(data=True)) == list(range(144))
    assert {n for n in graph if isinstance(n, str)} == {f"2:{first}" for first in range(12)}


def test_a_ring_of_two_has_one_link_each_way():
    graph = link_graph(Topology("pair", (Dimension(Block.RING, 2),)), [8e9])
    assert {
        ends: e["capacity"] for *ends, e in ((a, b, e) for a, b, e in graph.edges(data=True)) for ends in [tuple(ends)]
    } == {
        (0, 1): 8e9,
        (1, 0): 8e9,
    }


@pytest.mark.parametrize("block", list(Block))
@pytest.mark.parametrize("sizes", [(2,), (8,), (5,), (4, 2)])
def test_one_job_on_all_links_takes_the_closed_form(block, sizes):
    topology = Topology("net", tuple(Dimension(block, size) for size in sizes))
    bandwidths = [3e9, 2e9][: len(sizes)]
    run = simulate([job("a", topology, [range(size) for size in sizes], 8e9)], topology, bandwidths).jobs[0]
    assert run.time == pytest.approx(collective_time(traffic(AR, 8e9, sizes), bandwidths))


def test_part_of_a_full_mesh_has_part_of_its_links():
    topology = Topology("mesh", (Dimension(Block.FULLY_CONNECTED, 8),))
    run = simulate([job("a", topology, [range(4)], 8e9)], topology, [7e9]).jobs[0]
    assert run.time == pytest.approx(2 * 8 * (3 / 4) / 3)  # 3 of 7 links of 1 GB/s


@pytest.mark.parametrize("block", list(Block))
@pytest.mark.parametrize("collective", [AR, A2A])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_groups_spread_over_a_whole_dimension_agree_with_the_representative(block, collective, stride):
    """The same links, the same bytes: one group of every NPU, every second, every fourth."""
    topology = Topology("line", (Dimension(block, 8),))
    members = range(0, 8, stride)
    fluid = simulate([job("a", topology, [members], 8e9, collective=collective)], topology, [7e9]).jobs[0].time
    one = simulate_collective(collective, 8e9, topology, [7e9], (len(members),), positions=[members], chunks=1).time
    assert fluid == pytest.approx(one)


@pytest.mark.parametrize(
    ("groups", "factor"),
    [
        ([range(8)], 1),
        ([range(4), range(4, 8)], 2),
        ([range(2)], 2),
        ([range(0, 8, 2)], 1),
        ([range(0, 8, 2), range(1, 8, 2)], 2),
        ([range(i, 8, 4) for i in range(4)], 4),
    ],
)
def test_where_the_links_of_a_ring_are_shared_the_fluid_model_says_by_how_much(groups, factor):
    topology = Topology("ring", (Dimension(Block.RING, 8),))
    jobs = [job(f"{i}", topology, [members], 8e9) for i, members in enumerate(groups)]
    one = simulate_collective(AR, 8e9, topology, [2e9], (len(groups[0]),), positions=[groups[0]], chunks=1).time
    assert [run.time for run in simulate(jobs, topology, [2e9]).jobs] == pytest.approx([factor * one] * len(jobs))
    assert sharing(topology.dimensions[0], groups, AR) == pytest.approx(factor)


def test_part_of_a_ring_is_a_line():
    topology = Topology("ring", (Dimension(Block.RING, 8),))
    whole = simulate([job("a", topology, [range(8)], 8e9)], topology, [2e9]).jobs[0].time
    line = simulate([job("a", topology, [range(4)], 8e9)], topology, [2e9]).jobs[0].time
    assert whole == pytest.approx(2 * 8 * (7 / 8) / 2)
    assert line == pytest.approx(2 * 8 * (3 / 4))  # the way back goes over the same links


@pytest.mark.parametrize("n", [4, 5, 8])
def test_an_all_to_all_on_a_ring_is_bound_by_what_it_forwards(n):
    topology = Topology("ring", (Dimension(Block.RING, n),))
    run = simulate([job("a", topology, [range(n)], 8e9, collective=A2A)], topology, [2e9]).jobs[0]
    hops = sum(min(i, n - i) for i in range(1, n))
    assert run.time == pytest.approx(8 / n * hops / 2)


def test_two_equal_jobs_on_the_same_links_take_twice_as_long():
    topology = Topology("ring", (Dimension(Block.RING, 8),))
    jobs = [job(f"{i}", topology, [range(i, 8, 2)], 8e9) for i in range(2)]
    alone = simulate(jobs[:1], topology, [2e9])
    both = simulate(jobs, topology, [2e9])
    assert [run.time for run in both.jobs] == pytest.approx([2 * alone.jobs[0].time] * 2)


def test_disjoint_links_do_not_touch_each_other():
    topology = Topology("net", (Dimension(Block.RING, 4), Dimension(Block.SWITCH, 8)))
    jobs = [job(f"{i}", topology, [range(4), range(4 * i, 4 * i + 4)], (1 + i) * 8e9) for i in range(2)]
    both = simulate(jobs, topology, [2e9, 1e9])
    for index, one in enumerate(jobs):
        assert both.jobs[index] == simulate([one], topology, [2e9, 1e9]).jobs[0]


def test_a_short_job_slows_a_long_one_only_while_it_runs():
    topology = Topology("ring", (Dimension(Block.RING, 8),))
    long, short = job("long", topology, [range(0, 8, 2)], 8e9), job("short", topology, [range(1, 8, 2)], 2e9, start=1.0)
    runs = simulate([long, short], topology, [2e9]).jobs
    assert runs[1].time == pytest.approx(2 * 1.5)
    assert runs[0].time == pytest.approx(6 + 1.5)
    assert runs[0].exposed[Axis.DATA] == pytest.approx(runs[0].time)


def test_compute_of_one_job_hides_the_traffic_of_the_other():
    topology = Topology("ring", (Dimension(Block.RING, 8),))
    jobs = [job(f"{i}", topology, [range(i, 8, 2)], 8e9, compute=6.0, iterations=3, start=6.0 * i) for i in range(2)]
    assert [run.time for run in simulate(jobs, topology, [2e9]).jobs] == pytest.approx([36.0, 36.0])


@pytest.mark.parametrize("start", [0.0, 1e6, 1e8])
def test_short_flows_end_in_time_however_late_they_start(start):
    """The clock is exact to 15 ns after three years, which says nothing about bytes that are left."""
    topology = Topology("ring", (Dimension(Block.RING, 8),))
    jobs = [job(f"{i}", topology, [range(8)], 1e6, iterations=20, start=start) for i in range(2)]
    assert [run.time for run in simulate(jobs, topology, [1e11]).jobs] == pytest.approx([7e-4, 7e-4], rel=1e-3)


def test_bytes_are_conserved():
    topology = Topology("net", (Dimension(Block.RING, 4), Dimension(Block.SWITCH, 8)))
    jobs = [job(f"{i}", topology, [range(4), range(8)], (1 + i) * 8e9, start=0.3 * i) for i in range(3)]
    found = simulate(jobs, topology, [2e9, 1e9])
    volumes = np.sum([traffic(AR, (1 + i) * 8e9, (4, 8)) for i in range(3)], axis=0)
    ring = sum(sent for (a, b), sent in found.carried.items() if isinstance(a, int) and isinstance(b, int))
    switch = sum(sent for (a, b), sent in found.carried.items() if isinstance(b, str))
    assert [ring, switch] == pytest.approx([32 * volume for volume in volumes])


def test_groups_along_a_split_dimension_are_neighbours_and_strides():
    topology = Topology("ring", (Dimension(Block.SWITCH, 8),))
    phase = Phase(0.0, AR, 8e9)
    toy = Workload("toy", (Layer("mlp", phase, Phase(0.0), phase),), 2, 4)
    groups = place(topology, [range(8)], 2, 4)
    assert groups == Groups((2,), (4,))
    run = simulate([Job("a", toy, (tuple(range(8)),), groups, loop=Loop.NO_OVERLAP, recompute=False)], topology, [1e9])
    assert run.jobs[0].time == pytest.approx(8 + 12)


def test_simulation_cost_does_not_grow_with_the_network():
    def changes(size):
        topology = Topology("net", (Dimension(Block.RING, size), Dimension(Block.SWITCH, size)))
        return simulate([job("a", topology, [range(size)] * 2, 8e9)], topology, [2e9, 1e9]).changes

    assert changes(4) == changes(16) == 4  # two flows start and end


@pytest.mark.parametrize(
    ("positions", "part"),
    [
        ([range(9)], "positions 0, 1"),
        ([[0, 0]], "each once"),
        ([[]], "none"),
        ([range(4)] * 2, "one for each of the 1"),
        ([[0.5, 1]], "dimension 1: found positions 0.5, 1, expected a subset of the whole numbers 0 to 7"),
        (["01"], "positions 0, 1, expected"),
        ([3], "dimension 1: found 3, expected a list of positions"),
    ],
)
def test_positions_that_do_not_fit_are_refused(positions, part):
    topology = Topology("ring", (Dimension(Block.RING, 8),))
    with pytest.raises(InputError, match=part):
        place(topology, positions, 1, 8, "job 1")


RING8 = Topology("ring", (Dimension(Block.RING, 8),))


@pytest.mark.parametrize(
    ("changes", "bandwidths", "part"),
    [
        ({"groups": Groups((1,), (3,))}, [1e9], "job 1, dimension 1: found data-parallel groups of 3"),
        ({"groups": Groups((1,), (0,))}, [1e9], "job 1, dimension 1: found data-parallel groups of 0"),
        ({"groups": Groups((1,), (2,))}, [1e9], "groups of 2 = 2 NPUs, expected the job's 4 positions"),
        ({"groups": Groups((1.0,), (4,))}, [1e9], "found tensor-parallel groups of 1.0, expected a divisor"),
        ({"positions": ((0.5, 1, 2, 3),)}, [1e9], "job 1, dimension 1: found positions 0.5, 1, 2, 3"),
        ({"groups": Groups((1, 1), (4, 1))}, [1e9], "2 tensor-parallel group sizes"),
        ({"groups": Groups((2,), (2,))}, [1e9], "expected 1, the workload's degree of tensor parallelism"),
        ({"groups": Groups((1,), (4,)), "workload": reduce_only(8.0, 2)}, [1e9], "degree of data parallelism"),
        ({"iterations": 0}, [1e9], "0 iterations"),
        ({"iterations": 1.5}, [1e9], "1.5 iterations, expected a whole number of at least 1"),
        ({"start": -1.0}, [1e9], "a start at -1.0 s"),
        ({"start": "0"}, [1e9], "a start at '0' s"),
        ({"start": float("nan")}, [1e9], "a start at nan s"),
        ({"compute_scale": 0.0}, [1e9], "a compute scale of 0"),
        ({"compute_scale": None}, [1e9], "a compute scale of None"),
        ({"loop": "NoOverlap"}, [1e9], "job 1: found the loop 'NoOverlap', expected one of Loop.NO_OVERLAP"),
        ({}, [1e9, 1e9], "bandwidths: found 2 numbers, expected one for each of the 1 dimensions"),
        ({}, [0.0], "bandwidths, dimension 1: found 0.0 B/s, expected a finite number above 0"),
        ({}, [-1.0], "bandwidths, dimension 1: found -1.0 B/s"),
        ({}, ["1"], "bandwidths, dimension 1: found '1' B/s"),
    ],
)
def test_jobs_that_do_not_fit_are_refused_with_the_remedy(changes, bandwidths, part):
    fits = {"name": "job 1", "workload": reduce_only(8.0, 4), "positions": ((0, 1, 2, 3),)}
    fits |= {"groups": Groups((1,), (4,))}
    with pytest.raises(InputError) as refusal:
        simulate([Job(**(fits | changes))], RING8, bandwidths)
    assert part in str(refusal.value)
    assert refusal.value.exit_code == 2
    assert str(refusal.value).count(". ") == 1  # and one sentence on what to do


def test_degrees_of_a_job_are_whole_numbers():
    with pytest.raises(InputError, match=r"job, TP: found 2\.0, expected a whole number"):
        place(RING8, [range(8)], 2.0, 4)


def test_no_jobs_are_refused():
    with pytest.raises(InputError, match="at least one"):
        simulate([], RING8, [1e9])


def test_streams_of_opposite_neighbours_go_both_ways():
    _, counts = streams(Dimension(Block.RING, 4), range(4), A2A)
    assert set(counts.values()) == {2.0}  # one hop from each neighbour, half of two two-hop ways


def test_flows_without_bytes_or_links_end_at_once():
    clock = Clock()
    network = FluidNetwork(clock, np.array([1.0]), np.array([[1.0], [0.0]]))
    assert network.start(0, 0.0).triggered
    assert network.start(1, 5.0).triggered


def test_max_min_leaves_no_link_idle_that_a_flow_could_use():
    usage = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    # the second link is full first, then the first link, then the third
    assert max_min(usage, np.array([10.0, 4.0, 10.0])) == pytest.approx([2.0, 8.0, 2.0, 8.0])


def test_a_job_alone_is_the_chunk_simulation_of_many_chunks():
    dimensions = (Dimension(each.block, each.size) for each in read_network("4D", "n").value.topology.dimensions)
    topology, bandwidths = Topology("4D", tuple(dimensions)), [140e9, 120e9, 40e9, 25e9]
    workload = read_workload("175B", "w", variant="evaluation").value
    positions = tuple(tuple(range(each.size)) for each in topology.dimensions)
    groups = place(topology, positions, workload.tp, workload.dp)
    fluid = simulate([Job("a", workload, positions, groups)], topology, bandwidths).jobs[0]
    chunked = run_iteration(iteration(workload, Loop.SIMULATE), topology, bandwidths, groups, Settings(chunks=1024))
    assert fluid.time == pytest.approx(chunked.time, rel=1e-3)
    assert fluid.compute == pytest.approx(chunked.compute)
