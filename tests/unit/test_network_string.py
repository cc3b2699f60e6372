"""Networks written as one line."""

from __future__ import annotations

import pytest
from simcore.errors import InputError
from simcore.models.network.topology import Block
from simcore.readers.network_string import is_network_string, parse_network


def test_a_whole_network():
    network = parse_network("Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us", "--network")
    topology, bandwidths = network.topology, network.bandwidths
    assert [each.block for each in topology.dimensions] == [Block.RING, Block.FULLY_CONNECTED, Block.SWITCH]
    assert [each.size for each in topology.dimensions] == [4, 8, 4]
    assert [each.latency for each in topology.dimensions] == [5e-7, 7e-7, 1e-6]
    assert bandwidths == (200e9, 140e9, 50e9)


@pytest.mark.parametrize(
    "text",
    ["ring(4)@1.5GiB/s", " Ring ( 4 ) @ 1.5 GiB/s , 0 ns ", "Ring(4)@1536MiB/s,0s"],
)
def test_blanks_case_and_binary_units(text):
    network = parse_network(text, "--network")
    assert (network.topology.npus, network.bandwidths) == (4, (1.5 * 2**30,))


def test_a_cross_needs_no_blanks():
    assert parse_network("FullyConnected(2)@1GB/s,1nsxFC(3)@1GB/s×Switch(1)@1GB/s", "--network").topology.npus == 6


@pytest.mark.parametrize(
    ("text", "column", "found"),
    [
        ("", 1, "the end of the text"),
        ("Rng(4)@1GB/s", 1, "'Rng'"),
        ("Ring 4@1GB/s", 6, "'4'"),
        ("Ring(0)@1GB/s", 6, "'0'"),
        ("Ring(4@1GB/s", 7, "'@'"),
        ("Ring(4)", 8, "Ring(4) without a bandwidth"),
        ("Ring(4)@1GB/s x FC(8)", 22, "FC(8) without a bandwidth"),
        ("Ring(4)@,1ns", 9, "','"),
        ("Ring(4)@200", 9, "'200' without a unit"),
        ("Ring(4)@200GB", 9, "unit 'GB'"),
        ("Ring(4)@0GB/s", 9, "'0GB/s'"),
        ("Ring(4)@1GB/s,5", 15, "'5' without a unit"),
        ("Ring(4)@1GB/s,-5ns", 15, "'-5ns'"),
        ("Ring(4)@1GB/s FC(8)@1GB/s", 15, "'FC'"),
        ("Ring(4)@1GB/s x", 16, "the end of the text"),
        ("Switch(65536)@1GB/s x Switch(65536)@1GB/s", 1, "more than 2,147,483,648 NPUs in 2 dimensions"),
    ],
)
def test_a_caret_under_the_place(text, column, found):
    with pytest.raises(InputError) as failure:
        parse_network(text, "--network")
    message = str(failure.value)
    first, shown, caret = message.split("\n")
    assert first.startswith(f"--network, column {column}: found {found}, expected ")
    assert shown == f"  {text}"
    assert caret == " " * (column + 1) + "^"


def test_names_are_no_networks():
    assert is_network_string("Ring(4)@1GB/s")
    assert is_network_string("Ring@1GB/s")
    assert not is_network_string("DGX-like")
    assert not is_network_string("nets/pod.yaml")
