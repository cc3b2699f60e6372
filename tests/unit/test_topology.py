"""Topology: the closed forms agree with a shortest-path search on the graph of links."""

from __future__ import annotations

import networkx
import pytest
from simcore.models.network.graph import link_graph
from simcore.models.network.topology import (
    Block,
    Dimension,
    Topology,
    bisection_bandwidth,
    coordinates,
    diameter,
    hops,
)

MIXED = Topology("mixed", (Dimension(Block.RING, 5), Dimension(Block.FULLY_CONNECTED, 3), Dimension(Block.SWITCH, 4)))


def drawn_of(topology):
    return link_graph(topology, [1.0] * len(topology.dimensions)).to_undirected()


def test_graph_has_all_npus_and_links():
    drawn = drawn_of(MIXED)
    switches = [node for node in drawn if not isinstance(node, int)]
    assert len(drawn) - len(switches) == MIXED.npus == 60
    assert len(switches) == 15
    by_dimension = [data["dimension"] for *_, data in drawn.edges(data=True)]
    assert [by_dimension.count(d) for d in (0, 1, 2)] == [60, 60, 60]


def test_hops_and_diameter_are_shortest_paths():
    drawn = drawn_of(MIXED)
    lengths = networkx.single_source_shortest_path_length(drawn, 7)
    assert all(hops(MIXED, 7, npu) == lengths[npu] for npu in range(MIXED.npus))
    assert diameter(MIXED) == max(lengths[npu] for npu in range(MIXED.npus)) == 5


def test_coordinates_count_from_the_inside():
    assert coordinates(MIXED, 0) == (0, 0, 0)
    assert coordinates(MIXED, 59) == (4, 2, 3)
    assert coordinates(MIXED, 5) == (0, 1, 0)


def test_ring_of_two_has_one_neighbour():
    pair = Topology("pair", (Dimension(Block.RING, 2),))
    assert list(drawn_of(pair).edges) == [(0, 1)]
    assert hops(pair, 0, 1) == diameter(pair) == 1


@pytest.mark.parametrize(
    ("block", "size", "expected"),
    [
        (Block.RING, 8, 100.0),
        (Block.FULLY_CONNECTED, 8, 16 * 100 / 7),
        (Block.SWITCH, 8, 400.0),
        (Block.FULLY_CONNECTED, 3, 100.0),
    ],
)
def test_bisection_of_one_dimension(block, size, expected):
    assert bisection_bandwidth(Topology("one", (Dimension(block, size),)), [100.0]) == pytest.approx(expected)


def test_bisection_takes_the_weakest_cut():
    # across the ring: 12 rings of 2 links; across the switches: 15 of 2 NPUs each
    assert bisection_bandwidth(MIXED, [10.0, 1e6, 1e6]) == 120.0
    assert bisection_bandwidth(MIXED, [1e6, 1e6, 10.0]) == 300.0
    assert bisection_bandwidth(Topology("none", (Dimension(Block.RING, 1),)), [1.0]) == 0.0
