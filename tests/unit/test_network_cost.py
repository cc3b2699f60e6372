"""Network cost, by hand."""

from __future__ import annotations

import pytest
from simcore.errors import InputError
from simcore.models.network.cost import CostModel, LevelCost, cost_coefficients, network_cost
from simcore.models.network.topology import Block, Dimension, Topology

SC245 = CostModel(
    "sc245",
    {
        "Tile": LevelCost(2e-9),
        "Package": LevelCost(4e-9, 13e-9),
        "Node": LevelCost(4e-9, 13e-9),
        "Pod": LevelCost(7.8e-9, 18e-9, 31.6e-9),
    },
)
FOUR = Topology(
    "4D",
    (
        Dimension(Block.RING, 2, "Tile"),
        Dimension(Block.FULLY_CONNECTED, 8, "Package"),
        Dimension(Block.RING, 8, "Node"),
        Dimension(Block.SWITCH, 8, "Pod"),
    ),
)


def test_coefficients_of_the_four_dimensional_network():
    per_npu = [c * 1e9 / 1024 for c in cost_coefficients(FOUR, SC245)]
    assert per_npu == pytest.approx([1.0, 2.0, 2.0, 57.4])


def test_links_counted_in_both_directions_cost_twice():
    both = CostModel("libra", SC245.levels, counts_both_directions=True)
    per_npu = [c * 1e9 / 1024 for c in cost_coefficients(FOUR, both)]
    assert per_npu == pytest.approx([2.0, 4.0, 4.0, 57.4])


def test_a_switch_without_nics_costs_link_and_port():
    dgx = Topology("dgx", (Dimension(Block.SWITCH, 8, "Package"), Dimension(Block.SWITCH, 128, "Pod")))
    assert network_cost(dgx, SC245, [300e9, 25e9]) == pytest.approx(6_691_840)


def test_a_level_without_a_price():
    with pytest.raises(InputError, match="no prices for level 'Rack'"):
        cost_coefficients(Topology("x", (Dimension(Block.RING, 2, "Rack"),)), SC245)
    with pytest.raises(InputError, match="no price for a switch"):
        cost_coefficients(Topology("x", (Dimension(Block.SWITCH, 2, "Tile"),)), SC245)
