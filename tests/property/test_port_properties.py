"""Shared ports on random fat trees: closed form and simulation agree, and a port costs what it may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.models.network.bounds import bounds, per_dimension, per_port
from simcore.models.network.collectives import Collective
from simcore.models.network.simulation.run import simulate_collective
from simcore.models.network.topology import Block, Dimension, Port, Topology

SIZE = 1e9


@st.composite
def trees(draw: st.DrawFn) -> tuple[Topology, tuple[float, ...]]:
    """Return up to three levels behind one port, perhaps around a node, and their bandwidths."""
    port = Port("nic", draw(st.sampled_from([25e9, 50e9])))
    left, bandwidths, dimensions = port.bandwidth, list[float](), list[Dimension]()
    if draw(st.booleans()):
        dimensions.append(Dimension(Block.SWITCH, 8))
        bandwidths.append(450e9)
    for _ in range(draw(st.integers(2, 3))):
        left /= draw(st.sampled_from([1.0, 1.0, 2.0, 4.0]))
        dimensions.append(Dimension(Block.SWITCH, draw(st.sampled_from([2, 4, 8, 16])), port=port))
        bandwidths.append(left)
    return Topology("tree", tuple(dimensions)), tuple(bandwidths)


def _closed(collective: Collective, topology: Topology, bandwidths: tuple[float, ...]) -> float:
    groups = [each.size for each in topology.dimensions]
    alone = per_dimension(collective, SIZE, topology, bandwidths, groups)
    return max(*alone, *per_port(collective, SIZE, topology, groups), 0.0)


@settings(max_examples=60, deadline=None)
@given(trees(), st.sampled_from(list(Collective)))
def test_many_chunks_take_what_the_closed_form_says(
    tree: tuple[Topology, tuple[float, ...]], collective: Collective
) -> None:
    """Without latency the simulation comes down to the closed form, never below it, nor below the bound."""
    topology, bandwidths = tree
    closed = _closed(collective, topology, bandwidths)
    time = simulate_collective(collective, SIZE, topology, bandwidths, chunks=512).time
    assert closed * (1 - 1e-9) <= time
    assert time <= closed * 1.03
    groups = [each.size for each in topology.dimensions]
    least = bounds(collective, SIZE, topology, bandwidths, groups)
    assert least.alpha_beta <= closed * (1 + 1e-9)
    assert least.hierarchical == pytest.approx(closed)


@settings(max_examples=60, deadline=None)
@given(trees(), st.sampled_from(list(Collective)[:3]), st.sampled_from([1, 4, 64]))
def test_a_shared_port_is_no_quicker_than_ports_apart_and_no_slower_than_one_after_the_other(
    tree: tuple[Topology, tuple[float, ...]], collective: Collective, chunks: int
) -> None:
    """In the closed form, its bound, and the simulation."""
    topology, bandwidths = tree
    apart = replace(topology, dimensions=tuple(replace(each, port=None) for each in topology.dimensions))
    groups = [each.size for each in topology.dimensions]
    in_turn = sum(per_dimension(collective, SIZE, topology, bandwidths, groups))
    assert _closed(collective, apart, bandwidths) <= _closed(collective, topology, bandwidths) <= in_turn * (1 + 1e-9)
    low, high = (bounds(collective, SIZE, each, bandwidths, groups).bandwidth for each in (apart, topology))
    assert low <= high * (1 + 1e-9)
    first, second = (
        simulate_collective(collective, SIZE, each, bandwidths, chunks=chunks).time for each in (apart, topology)
    )
    assert first <= second * (1 + 1e-9)
    assert second <= in_turn * (1 + 1e-9)
