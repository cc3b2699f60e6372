"""Every entry of the zoo that the network study reads: it loads, and says where it is from."""

from __future__ import annotations

import pytest
import yaml
from simcore.errors import InputError
from simcore.models.compute.predict import predict
from simcore.models.network.cost import cost_coefficients
from simcore.models.network.mapping import map_parallelism
from simcore.models.network.topology import Block
from simcore.readers.cluster_networks import network_for
from simcore.readers.costs import read_costs
from simcore.readers.devices import default_network, read_device
from simcore.readers.networks import read_network
from simcore.readers.profiles import read_profile
from simcore.readers.references import read_references
from simcore.readers.workloads import read_workload, read_workloads
from simcore.readers.zoo import ROOT, names

OPEN = [
    *("a100-800g", "dgx-a100", "dgx-b200", "dgx-h100", "dgx-v100", "gh200-slingshot"),
    *("jean-zay", "jean-zay-a100", "nvl72", "p3dn", "selene"),
]
"""Networks whose nodes follow from the GPUs."""
FIXED = [name for name in names("networks") if name not in OPEN]
DESCRIBED = ("networks", "costs", "models", "groups", "overheads", "references")
FILES = [path for kind in DESCRIBED for path in sorted((ROOT / kind).iterdir())]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_describes_itself_and_names_its_source(path):
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert data["description"]
    assert data["source"]


@pytest.mark.parametrize("name", FIXED)
def test_every_network_loads(name):
    topology = read_network(name, "NETWORK").value.topology
    assert topology.name == name
    assert topology.npus == (4096 if "4K" in name else 1024)


@pytest.mark.parametrize(
    ("name", "bandwidths"),
    [
        ("dgx-v100", (150e9, 6.25e9)),
        ("p3dn", (150e9, 1.5625e9)),
        ("dgx-a100", (300e9, 25e9)),
        ("selene", (300e9, 25e9)),
        ("dgx-h100", (450e9, 50e9)),
        ("dgx-b200", (900e9, 50e9)),
        ("a100-800g", (300e9, 12.5e9)),
        ("jean-zay-a100", (300e9, 6.25e9)),
    ],
)
def test_every_cluster_network_loads_for_its_gpus(name, bandwidths):
    assert name in OPEN
    network = network_for(name.upper(), 1024).value
    assert [(each.block, each.size) for each in network.topology.dimensions] == [(Block.SWITCH, 8), (Block.SWITCH, 128)]
    assert [each.latency for each in network.topology.dimensions] == [1.7e-6, 7e-6]
    assert (network.topology.name, network.bandwidths) == (name, bandwidths)
    assert "assumed" in network.topology.source
    for gpus in range(1, 9):
        inside = network_for(name, gpus).value
        assert ([each.size for each in inside.topology.dimensions], inside.bandwidths) == ([gpus], bandwidths[:1])


@pytest.mark.parametrize(
    ("name", "block", "size", "bandwidths"),
    [("jean-zay", Block.FULLY_CONNECTED, 4, (150e9, 12.5e9)), ("nvl72", Block.SWITCH, 64, (900e9, 50e9))],
)
def test_other_nodes_than_eight_behind_one_switch(name, block, size, bandwidths):
    network = network_for(name, 1024).value
    inside, between = network.topology.dimensions
    assert (inside.block, inside.size, between.block, between.size) == (block, size, Block.SWITCH, 1024 // size)
    assert network.bandwidths == bandwidths


@pytest.mark.parametrize("gpus", [4, 64])
def test_gpus_of_gh200_reach_each_other_through_the_network_alone(gpus):
    network = network_for("gh200-slingshot", gpus).value
    assert [(each.block, each.size) for each in network.topology.dimensions] == [(Block.SWITCH, gpus)]
    assert network.bandwidths == (25e9,)


def test_devices_name_networks_of_the_zoo():
    named = {name: default_network(name) for name in names("devices")}
    assert set(named.values()) <= {None, *OPEN}
    assert (named["gb200"], named["gh200-96gb"]) == ("nvl72", "gh200-slingshot")
    assert (named["v100-32gb"], named["a100-40gb"], named["h100"], named["b200"]) == (
        *("dgx-v100", "dgx-a100", "dgx-h100", "dgx-b200"),
    )
    assert [name for name in named if "pcie" in name and named[name]] == []


def test_networks_are_innermost_first():
    blocks = [dimension.block for dimension in read_network("4d", "NETWORK").value.topology.dimensions]
    assert blocks == [Block.RING, Block.FULLY_CONNECTED, Block.RING, Block.SWITCH]
    assert [dimension.latency for dimension in read_network("4D", "NETWORK").value.topology.dimensions] == [1e-9] * 4


@pytest.mark.parametrize(
    ("network", "costs", "expected"),
    [
        ("2D", "sc245", [2, 57.4]),
        ("3D", "sc245", [2, 2, 57.4]),
        ("4D", "sc245", [1, 2, 2, 57.4]),
        ("DGX-like", "sc245", [17, 57.4]),
        ("LIBRA-4D-4K", "libra-4d", [2.00001, 4.00002, 4.00003, 57.40012]),
        ("LIBRA-3D-4K", "libra-3d", [4.00001, 4.00002, 57.40009]),
    ],
)
def test_costs_per_npu(network, costs, expected):
    topology = read_network(network, "NETWORK").value.topology
    found = cost_coefficients(topology, read_costs(costs, "--cost").value)
    assert [c * 1e9 / topology.npus for c in found] == pytest.approx(expected, rel=1e-12)


def test_of_fixed_networks_only_the_dgx_like_one_has_bandwidths():
    fixed = {name: read_network(name, "NETWORK").value.bandwidths for name in FIXED}
    assert fixed.pop("DGX-like") == (300e9, 25e9)
    assert set(fixed.values()) == {None}


@pytest.mark.parametrize("workload", ["17B", "175B", "1T"])
@pytest.mark.parametrize("network", ["2D", "3D", "4D", "DGX-like"])
def test_every_workload_fits_every_network(network, workload):
    loaded = read_workload(workload, "WORKLOAD").value
    groups = map_parallelism(read_network(network, "NETWORK").value.topology, loaded.tp, loaded.dp)
    assert len(groups.tp) == len(groups.dp)


def test_the_group_is_three_workloads_and_no_one_workload():
    assert [workload.name for workload in read_workloads("group", "WORKLOAD").value] == ["17B", "175B", "1T"]
    assert [workload.name for workload in read_workloads("1T", "WORKLOAD").value] == ["1T"]
    with pytest.raises(InputError, match="a group of 17B, 175B, 1T, expected one workload"):
        read_workload("Group", "WORKLOAD")
    with pytest.raises(InputError, match="only for one workload"):
        read_workloads("Group", "WORKLOAD", tp=2)


@pytest.mark.parametrize(
    ("load", "word", "hint"),
    [
        (read_network, "5D", "Did you mean '4D'?"),
        (read_costs, "sc254", "Did you mean 'sc245'?"),
        (read_workload, "18B", "Did you mean '17B'?"),
        (read_references, "sc254", "Did you mean 'sc245'?"),
    ],
)
def test_an_unknown_name_brings_up_the_closest(load, word, hint):
    with pytest.raises(InputError) as error:
        load(word, "PLACE")
    assert str(error.value).startswith(f"PLACE: found '{word}'")
    assert hint in str(error.value)


def test_references_hold_four_plans():
    table = read_references("sc245", "reference").value.table6
    assert [(row.workload, row.loop) for row in table] == [
        ("175B", "NoOverlap"),
        ("175B", "Overlap"),
        ("1T", "NoOverlap"),
        ("1T", "Overlap"),
    ]
    # the original's last bandwidth is the budget less the others; each is printed to 0.001 GB/s
    assert all(abs(sum(row.bandwidths) - 325e9) <= 2e6 for row in table)


@pytest.mark.parametrize("name", ["h100", "h200", "b200"])
def test_products_in_fp8_are_bounded_by_the_data_sheet(name):
    profile = read_profile(name).value
    assert profile.device.peaks == read_device(name).value.peaks
    fit = profile.fit("gemm", "fp8")
    assert (fit.origin, fit.parameters["rate"]) == ("data sheet", profile.device.peak("fp8"))
    big = {"m": 8192, "n": 8192, "k": 8192}
    fp8, bf16 = (predict(profile, "gemm", dtype, big).seconds for dtype in ("fp8", "bf16"))
    assert 2 * 8192**3 / profile.device.peak("fp8") <= fp8 < bf16
    # a copy moves one byte per element, in the time that those bytes take
    moved = {"bytes": 2**30}
    assert predict(profile, "copy", "fp8", moved).seconds == predict(profile, "copy", "bf16", moved).seconds


def test_a_device_without_fp8_says_so():
    assert "fp8" not in read_device("a100-80gb").value.peaks
    with pytest.raises(InputError, match="found 'fp8', expected one of fp32, tf32, fp16, bf16"):
        predict(read_profile("a100-80gb").value, "gemm", "fp8", {"m": 64, "n": 64, "k": 64})
