"""Collectives and group mapping, by hand."""

from __future__ import annotations

import pytest
from simcore.errors import InputError
from simcore.models.network.collectives import Collective, collective_time, traffic
from simcore.models.network.mapping import Groups, check_groups, map_parallelism
from simcore.models.network.topology import Block, Dimension, Topology

RING, SWITCH = Block.RING, Block.SWITCH
TWO = Topology("2D", (Dimension(RING, 8), Dimension(SWITCH, 128)))
THREE = Topology("3D", (Dimension(RING, 8), Dimension(RING, 8), Dimension(SWITCH, 16)))
FOUR = Topology("4D", (Dimension(RING, 2), Dimension(RING, 8), Dimension(RING, 8), Dimension(SWITCH, 8)))


@pytest.mark.parametrize(
    ("collective", "size", "expected"),
    [
        # groups of 4 and 8: half, then what is left of the buffer
        (Collective.ALL_REDUCE, 3200.0, (2 * 3200 * 3 / 4, 0.0, 2 * 800 * 7 / 8)),
        (Collective.REDUCE_SCATTER, 3200.0, (2400.0, 0.0, 700.0)),
        (Collective.ALL_GATHER, 100.0, (100.0 * 8 * 3, 0.0, 100.0 * 7)),
        (Collective.ALL_TO_ALL, 3200.0, (2400.0, 0.0, 2800.0)),
    ],
)
def test_traffic(collective, size, expected):
    assert traffic(collective, size, (4, 1, 8)) == pytest.approx(expected)


def test_one_npu_sends_nothing():
    for collective in Collective:
        assert traffic(collective, 1e9, (1, 1)) == (0.0, 0.0)
    assert collective_time((0.0, 0.0), (1.0, 1.0)) == 0.0


def test_the_slowest_dimension_sets_the_time():
    assert collective_time((10.0, 0.0, 4.0), (5.0, 1e-9, 1.0)) == 4.0


@pytest.mark.parametrize(
    ("network", "tp", "dp", "groups"),
    [
        (TWO, 1, 1024, ((1, 1), (8, 128))),
        (TWO, 16, 64, ((8, 2), (1, 64))),
        (TWO, 128, 8, ((8, 16), (1, 8))),
        (THREE, 16, 64, ((8, 2, 1), (1, 4, 16))),
        (THREE, 128, 8, ((8, 8, 2), (1, 1, 8))),
        (FOUR, 16, 64, ((2, 8, 1, 1), (1, 1, 8, 8))),
        (FOUR, 128, 8, ((2, 8, 8, 1), (1, 1, 1, 8))),
    ],
)
def test_tensor_groups_fill_from_the_inside_and_data_groups_from_the_outside(network, tp, dp, groups):
    assert map_parallelism(network, tp, dp) == Groups(*groups)


@pytest.mark.parametrize(
    ("tp", "dp", "message"),
    [
        (16, 32, "With TP 16, DP must be 64"),
        (3, 512, "With DP 512, TP must be 2"),
        (0, 1024, "degrees of at least 1"),
        (2048, 1, "a product of 1024"),
    ],
)
def test_degrees_that_do_not_cover_the_npus(tp, dp, message):
    with pytest.raises(InputError, match=message):
        map_parallelism(FOUR, tp, dp)


def test_degrees_that_split_a_dimension_unevenly():
    uneven = Topology("6x4", (Dimension(RING, 6), Dimension(RING, 4)))
    with pytest.raises(InputError, match="splits each dimension evenly"):
        map_parallelism(uneven, 4, 6)
    with pytest.raises(InputError, match="leaves groups of 8 on a dimension of 6"):
        map_parallelism(uneven, 8, 3)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (Groups((8,), (1, 128)), "1 tensor-parallel group sizes"),
        (Groups((8, 1), (1, 3)), "a data-parallel group of 3 on dimension 2"),
        (Groups((0, 1), (1, 1)), "a tensor-parallel group of 0"),
    ],
)
def test_communicators_that_do_not_fit(groups, message):
    with pytest.raises(InputError, match=message):
        check_groups(TWO, groups, "communicator.yaml")
    check_groups(TWO, Groups((4, 1), (2, 128)), "communicator.yaml")
