"""Properties of fluid flows."""

from __future__ import annotations

from itertools import pairwise, permutations

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.engine import Clock
from simcore.models.network.collectives import Collective
from simcore.models.network.fluid import FluidNetwork, max_min
from simcore.models.network.graph import exchange_load, link_graph, streams
from simcore.models.network.topology import Block, Dimension, Topology

LINKS = 4


def bottleneck(sizes, usage, capacity):
    """Return the time of flows that have the links to themselves: the busiest link's."""
    return float(((np.asarray(sizes) @ usage) / capacity).max(initial=0.0))


@st.composite
def problems(draw):
    flows = draw(st.integers(1, 6))
    counts = st.lists(st.integers(0, 2), min_size=LINKS, max_size=LINKS).filter(any)
    usage = np.array([draw(counts) for _ in range(flows)], dtype=float)
    capacity = np.array(draw(st.lists(st.integers(1, 50), min_size=LINKS, max_size=LINKS)), dtype=float)
    return usage, capacity


@given(problems())
def test_shares_are_feasible_and_max_min_fair(problem):
    usage, capacity = problem
    rates = max_min(usage, capacity)
    load = rates @ usage
    assert np.all(load <= capacity * (1 + 1e-9))
    full = load >= capacity * (1 - 1e-9)
    for flow, rate in enumerate(rates):
        # each flow has a full link on which nobody is faster: it can gain only from one that is no faster
        own = [link for link in range(LINKS) if usage[flow, link] and full[link]]
        assert any(all(rates[other] <= rate * (1 + 1e-9) for other in np.nonzero(usage[:, link])[0]) for link in own)


@given(problems(), st.data())
def test_all_bytes_arrive_in_order_of_what_links_allow(problem, data):
    usage, capacity = problem
    sizes = [data.draw(st.integers(1, 100)) for _ in usage]
    starts = [data.draw(st.integers(0, 20)) for _ in usage]
    clock = Clock()
    network = FluidNetwork(clock, capacity, usage)
    ends = {}

    def flow(number):
        yield clock.at(float(starts[number]))
        ends[number] = yield network.start(number, float(sizes[number]))

    for number in range(len(sizes)):
        clock.process(flow(number))
    clock.run()
    assert np.allclose(network.carried, np.array(sizes) @ usage)
    assert network.changes <= 2 * len(sizes)
    for number, end in ends.items():
        alone = bottleneck([sizes[number]], usage[[number]], capacity)
        assert end - starts[number] >= alone * (1 - 1e-9)
    last = (
        max(starts)
        + bottleneck(sizes, usage, capacity)
        + sum(bottleneck([size], usage[[number]], capacity) for number, size in enumerate(sizes))
    )
    assert max(ends.values()) <= last * (1 + 1e-9)


@given(problems(), st.integers(1, 100), st.integers(2, 4))
def test_equal_flows_take_turns_evenly(problem, size, copies):
    usage, capacity = problem
    alone = bottleneck([size], usage[:1], capacity)
    clock = Clock()
    network = FluidNetwork(clock, capacity, usage)
    done = [network.start(0, float(size)) for _ in range(copies)]
    clock.run()
    assert np.allclose([event.value for event in done], copies * alone)


@given(problems(), st.integers(1, 100), st.floats(1.0, 3.0))
def test_wider_links_are_never_slower_for_a_flow_alone(problem, size, factor):
    usage, capacity = problem

    def time(links):
        clock = Clock()
        done = FluidNetwork(clock, links, usage).start(0, float(size))
        clock.run()
        return done.value

    assert time(capacity * factor) <= time(capacity) * (1 + 1e-9)


@given(st.integers(2, 12), st.sampled_from([Collective.ALL_TO_ALL, Collective.ALL_REDUCE]), st.data())
def test_streams_on_a_ring_take_all_shortest_ways_in_equal_parts(size, collective, data):
    group = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=2)))
    ring = Dimension(Block.RING, size)
    pairs = [(a, b) for a in group for b in group if a != b]
    if collective is Collective.ALL_REDUCE:
        pairs = [pair for a, b in zip(group, group[1:] + group[:1], strict=True) for pair in ((a, b), (b, a))]
    graph, expected = link_graph(Topology("ring", (ring,)), [1.0]), {}
    for pair in pairs:
        ways = list(networkx.all_shortest_paths(graph, *pair))
        for way in ways:
            for hop in pairwise(way):
                expected[hop] = expected.get(hop, 0.0) + 1.0 / len(ways)
    assert streams(ring, group, collective)[1] == expected


@given(st.integers(2, 13), st.data())
def test_an_all_to_all_on_a_ring_loads_the_links_of_the_shorter_ways(n, data):
    group = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=2)))
    wanted: dict[tuple[int, int], float] = {}
    for here, there in permutations(group, 2):
        ahead = (there - here) % n
        ways = [turn for turn, far in ((1, ahead), (-1, n - ahead)) if 2 * far <= n]
        for turn in ways:
            for k in range(min(ahead, n - ahead)):
                hop = (here + turn * k) % n, (here + turn * (k + 1)) % n
                wanted[hop] = wanted.get(hop, 0.0) + 1 / len(ways)
    ring = Dimension(Block.RING, n)
    share, counts = streams(ring, group, Collective.ALL_TO_ALL)
    assert (share, counts) == (1 / (len(group) - 1), wanted)
    most, mean = exchange_load(ring, group)
    assert most == pytest.approx(max(wanted.values()) * (1 if n == 2 else 2))
    assert mean == pytest.approx(sum(wanted.values()) / n)
