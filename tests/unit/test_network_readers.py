"""Readers of networks and prices: simcore's YAML, the artifact's JSON, LIBRA's YAML."""

from __future__ import annotations

import json

import pytest
from simcore.errors import InputError
from simcore.models.network.mapping import Groups
from simcore.models.network.topology import Block
from simcore.readers.costs import read_costs
from simcore.readers.libra import read_communicators
from simcore.readers.networks import read_network

OPTIMIZER = {
    "total-bandwidth": 100,
    "npus-count": [8, 128],
    "topology": ["Ring", "Switch"],
    "network-type": ["Package", "Pod"],
}
EVALUATION = {
    "topology-name": "Hierarchical",
    "topologies-per-dim": ["Ring", "Switch"],
    "dimension-type": ["Package", "Pod"],
    "dimensions-count": 2,
    "units-count": [8, 128],
    "links-count": [2, 1],
    "link-latency": [1, 500],
    "link-bandwidth": [50, 50],
    "hbm-scale": [0, 0],
}


def write(tmp_path, content, name="mine.dat"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return path


def refusal(call, *args):
    with pytest.raises(InputError) as error:
        call(*args, "PLACE")
    return str(error.value)


def shape(topology):
    return [(str(d.block), d.size, d.level, d.latency) for d in topology.dimensions]


def test_both_flavours_of_the_artifacts_json(tmp_path):
    first = read_network(write(tmp_path, OPTIMIZER), "NETWORK").value.topology
    second = read_network(write(tmp_path, EVALUATION), "NETWORK").value.topology
    assert shape(first) == [("Ring", 8, "Package", 0.0), ("Switch", 128, "Pod", 0.0)]
    assert shape(second) == [("Ring", 8, "Package", 1e-9), ("Switch", 128, "Pod", 500e-9)]
    assert first.name == "mine"
    assert read_network(write(tmp_path, OPTIMIZER), "NETWORK").value.bandwidths is None
    assert read_network(write(tmp_path, EVALUATION), "NETWORK").value.bandwidths == (100e9, 50e9)


def test_json_may_be_indented_by_tabs(tmp_path):
    assert read_network(write(tmp_path, json.dumps(OPTIMIZER, indent="\t")), "NETWORK").value.topology.npus == 1024


def test_libras_yaml_network_with_underscores_and_short_names(tmp_path):
    text = "topology: [ring, FC, switch]\nnpus_count: [16, 8, 32]\nnetwork_type: [InterPackage, InterNode, InterPod]\n"
    topology = read_network(write(tmp_path, text), "NETWORK").value.topology
    assert [d.block for d in topology.dimensions] == [Block.RING, Block.FULLY_CONNECTED, Block.SWITCH]
    assert topology.npus == 4096


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({**OPTIMIZER, "npus-count": [8]}, ["field 'npus-count'", "found 1 value,", "expected 2 values"]),
        ({**OPTIMIZER, "topology": ["Ring", "Swich"]}, ["line 9", "'Swich'", "Did you mean 'Switch'?"]),
        ({**EVALUATION, "units-count": [1, 1]}, ["[1, 1]", "of at least 2 NPUs", "into 'units-count'"]),
        ('{"npus-count": [8,\n 128,]}', ["line 2, column", "broken JSON"]),
        ("dimensions:\n  - {block: Rnig, size: 8}\n", ["line 2", "dimensions.0.block", "'Ring'"]),
        ("dimensions:\n  - {block: Ring, size: 0}\n", ["line 2", "found 0", "at least 1"]),
        ("dimensions: []\n", ["line 1", "nothing in it, expected at least one entry"]),
        ("dimensions:\n  - {block: Ring, size: 8, latency: 3}\n", ["latency", "3 without a unit", "500 ns"]),
        ("dimensions:\n  - {block: Ring, size: 8, latency: 3 m}\n", ["unit 'm'", "Did you mean 'ms'?"]),
        ("dimensions:\n  - {block: Ring, size: 8, latency: -3 ns}\n", ["'-3 ns'", "at least 0"]),
        ("dimensions:\n  - {block: Ring, size: 8, latncy: 3 ns}\n", ["line 2", "'latncy'"]),
        ("dimensons: []\n", ["line 1", "'dimensons'", "Did you mean 'dimensions'?"]),
        ("", ["an empty file", "a network file"]),
        ("just words\n", ["just words", "a network file"]),
    ],
)
def test_a_broken_network_names_place_and_remedy(tmp_path, content, parts):
    message = refusal(read_network, write(tmp_path, content))
    assert "mine.dat" in message
    for part in parts:
        assert part in message


def test_prices_without_units_are_the_artifacts_or_libras(tmp_path):
    table = {"Tile": {"Link": 2.0}, "Pod": {"Link": 7.8, "Switch": 18.0, "Nic": 31.6}}
    model = read_costs(write(tmp_path, table), "--cost").value
    assert model.levels["Pod"] == read_costs("sc245", "--cost").value.levels["Pod"]
    assert not model.counts_both_directions
    libra = read_costs(write(tmp_path, "InterPod: {link: 7.80004, switch: 18.00004, nic: 31.60004}\n"), "--cost").value
    assert libra.levels["InterPod"] == read_costs("libra-4d", "--cost").value.levels["InterPod"]
    assert libra.counts_both_directions


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("prices:\n  Tile: {link: 3}\n", ["line 2", "prices.Tile.link", "$7.8 per GB/s"]),
        ("prices:\n  Tile: {link: $3 per GBs}\n", ["unit 'GBs'", "Did you mean 'GB/s'?"]),
        ("prices: {}\n", ["nothing in it"]),
        ("prices:\n  Tile: {link: $3 per GB/s}\ncount_links: thrice\n", ["line 3", "'thrice'", "'once', 'twice'"]),
        ("Tile: {Link: -1}\n", ["Tile.link", "found -1", "at least 0"]),
        ("Tile: {Lnk: 1}\n", ["field 'Tile'", "'Lnk'", "Link, Switch and Nic"]),
        ("Tile: 3\n", ["line 1", "found 3", "a level: a mapping"]),
        ("Tile: {Link: .nan}\n", ["Tile.link", "a finite number"]),
        ("Tile: {Link: 1.0e+300}\n", ["Tile.link", "from 1e-30 to 1e+30"]),
        ("Tile: {Link: 1, link: 2}\n", ["'link' beside another spelling of it"]),
    ],
)
def test_broken_prices_name_place_and_remedy(tmp_path, text, parts):
    message = refusal(read_costs, write(tmp_path, text))
    for part in parts:
        assert part in message


def test_communicators_in_any_spelling(tmp_path):
    expected = Groups((4, 4, 1, 1), (1, 2, 4, 32))
    short = "F: [4, 4, -1, -1]\nI: [4, 4, -1, -1]\nW: [-1, 2, 4, 32]\n"
    long = {"Forward": [4, 4, -1, -1], "input-grad": [4, 4, -1, -1], "weight_gradient": [-1, 2, 4, 32]}
    assert read_communicators(write(tmp_path, short)).value == expected
    assert read_communicators(write(tmp_path, long)).value == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("F: [2, -1]\nI: [2, -1]\n", "Add the field 'weight_gradient'"),
        ("F: [2, -1]\nI: [2, 2]\nW: [-1, 2]\n", "the same group for both"),
        ("F: [2, 0]\nI: [2, 0]\nW: [-1, 2]\n", "or -1 for a dimension not used"),
        ("F: [2]\nI: [2]\nW: [-1, 2]\n", "one size per dimension"),
        ("F: 2\nI: [2]\nW: [2]\n", "a list"),
    ],
)
def test_broken_communicators_name_the_remedy(tmp_path, text, part):
    with pytest.raises(InputError, match=part):
        read_communicators(write(tmp_path, text))
