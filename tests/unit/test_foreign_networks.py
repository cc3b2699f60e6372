"""Networks of ASTRA-sim 1.0 and 2, of LIBRA and of the artifact: what each number of theirs means."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.readers.network_string import MOST_NPUS, parse_network
from simcore.readers.networks import read_network

ASTRA_1 = {
    "topologies-per-dim": ["Switch", "Switch"],
    "units-count": [8, 4],
    "links-count": [4, 1],
    "link-bandwidth": [25, 12.5],
    "link-latency": [500, 700],
}
ASTRA_2 = "topology: [ Ring ]\nnpus_count: [ 8 ]\nbandwidth: [ 40.0 ]  # GB/s\nlatency: [ 600.0 ]  # ns\n"
LIBRA = "Topology: [ Ring, Switch ]\nNpusCount: [ 4, 8 ]\nCostDimension: [ InterNode, InterPod ]\n"


def read(tmp_path, content, name="net.txt"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_network(path, "NETWORK").value


def shape(network):
    return [(str(each.block), each.size, each.latency) for each in network.topology.dimensions], network.bandwidths


def refusal(tmp_path, content):
    with pytest.raises(InputError) as error:
        read(tmp_path, content)
    return str(error.value)


def test_links_times_their_bandwidth_is_what_an_npu_has(tmp_path):
    """4 links of 25 GB/s are 100 GB/s."""
    network = read(tmp_path, ASTRA_1)
    assert shape(network) == shape(parse_network("Switch(8)@100GB/s,500ns x Switch(4)@12.5GB/s,700ns"))
    assert [each.level for each in network.topology.dimensions] == ["", ""]
    assert (network.notes, network.of_bandwidth) == ((), ())


def test_all_fields_of_astra_sim_1(tmp_path):
    said = {
        "topology-name": "Hierarchical",
        "dimensions-count": 2,
        "dimension-type": ["N", "P"],
        "nic-latency": [0, 0],
        "router-latency": [0, 0],
        "hbm-latency": [500, 500],
        "hbm-bandwidth": [370, 370],
        "hbm-scale": [0, 0],
    }
    network = read(tmp_path, ASTRA_1 | said)
    assert shape(network) == shape(read(tmp_path, ASTRA_1))
    assert [each.level for each in network.topology.dimensions] == ["N", "P"]


def test_nics_and_a_router_are_part_of_what_a_message_takes(tmp_path):
    """Through a switch: two links, two NICs and the router, 2 x 500 + 2 x 30 + 8 ns. In a mesh: one link, two NICs."""
    delays = {"nic-latency": [30, 20], "router-latency": [8, 0]}
    mesh = ASTRA_1 | delays | {"topologies-per-dim": ["Switch", "FullyConnected"], "links-count": [4, 3]}
    first, second = read(tmp_path, mesh).topology.dimensions
    assert 2 * first.latency == pytest.approx((2 * 500 + 2 * 30 + 8) * 1e-9)
    assert second.latency == pytest.approx((700 + 2 * 20) * 1e-9)


def test_astra_sim_2(tmp_path):
    assert shape(read(tmp_path, ASTRA_2)) == shape(parse_network("Ring(8)@40GB/s,600ns"))
    followed = read(tmp_path, ASTRA_2 + "network-type: [ Pod ]\n")
    assert shape(followed) == shape(read(tmp_path, ASTRA_2))
    assert followed.topology.dimensions[0].level == "Pod"
    bare = "topology: Ring\nnpus_count: 8\nbandwidth: 40\nlatency: 600\n"
    assert shape(read(tmp_path, bare)) == shape(read(tmp_path, ASTRA_2))


def test_a_mesh_of_astra_sim_2_says_whose_bandwidth_it_takes(tmp_path):
    network = read(tmp_path, ASTRA_2.replace("Ring", "FullyConnected"))
    assert network.bandwidths == (40e9,)
    (note,) = network.of_bandwidth
    assert "ASTRA-sim 2 gives them to each link: write 280 for that." in note


def test_libra_has_neither_bandwidth_nor_latency(tmp_path):
    network = read(tmp_path, LIBRA)
    assert shape(network) == ([("Ring", 4, 0.0), ("Switch", 8, 0.0)], None)
    assert [each.level for each in network.topology.dimensions] == ["InterNode", "InterPod"]
    (note,) = network.notes
    assert "says nothing of latency" in note


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({**ASTRA_1, "links-count": [4]}, ["field 'links-count'", "found 1 value, expected 2 values"]),
        ({k: v for k, v in ASTRA_1.items() if k != "links-count"}, ["Add the field 'links-count'"]),
        ({k: v for k, v in ASTRA_1.items() if k != "link-latency"}, ["Add the field 'link"]),
        ({**ASTRA_1, "hbm-scale": [0, 1]}, ["field 'hbm-scale'", "0 in each dimension"]),
        ({**ASTRA_1, "dimensions-count": 3}, ["3 beside 2 topologies"]),
        ({**ASTRA_1, "link-bandwidth": [0, 1]}, ["field 'link-bandwidth'", "above 0"]),
        ({**ASTRA_1, "link-latency": [True, 1]}, ["link-latency", "a number"]),
        ({**ASTRA_1, "units-count": ["8", 4]}, ["units-count", "a whole number"]),
        ({**ASTRA_1, "link-latncy": [1, 1]}, ["'link-latncy'", "Did you mean 'link_latency'?"]),
        (
            {**ASTRA_1, "topologies-per-dim": ["Ring", "Switch"], "nic-latency": [5, 0]},
            ["field 'nic-latency'", "5 ns in dimension 1", "0 for a Ring"],
        ),
        (ASTRA_2.replace("latency", "# "), ["Add the field 'latency'"]),
        (ASTRA_2.replace("[ 40.0 ]", "[ 0 ]"), ["field 'bandwidth'", "above 0"]),
        (ASTRA_2.replace("Ring", "Torus2D"), ["'Torus2D'", "A torus is a Ring in each of its dimensions."]),
        (ASTRA_2.replace("[ 8 ]", "[ 4294967296 ]"), ["at most 2,147,483,648"]),
        (LIBRA.replace("[ 4, 8 ]", "[ 65536, 65536 ]"), ["more than 2,147,483,648 NPUs in 2 dimensions"]),
        (LIBRA.replace("NpusCount", "NpuCount"), ["'NpuCount'", "Did you mean 'npus_count'?"]),
        ("dimensions:\n  - {block: Ring, size: 2147483649}\n", ["more than 2,147,483,648 NPUs in 1 dimension"]),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path, content, parts):
    message = refusal(tmp_path, content)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("block", "links", "note"),
    [("Ring", 3, "ASTRA-sim uses 2"), ("FullyConnected", 13, "ASTRA-sim uses 7"), ("Switch", 3, "")],
)
def test_links_that_make_up_no_whole_ring_or_mesh_are_told(tmp_path, block, links, note):
    content = {**ASTRA_1, "topologies-per-dim": [block, "Switch"], "links-count": [links, 1]}
    network = read(tmp_path, content)
    assert network.bandwidths[0] == links * 25e9
    assert [note in each for each in network.of_bandwidth] == ([True] if note else [])


def test_a_network_of_the_most_npus_is_read(tmp_path):
    assert read(tmp_path, LIBRA.replace("[ 4, 8 ]", "[ 2, 1073741824 ]")).topology.npus == MOST_NPUS


@pytest.mark.parametrize("size", ["٤", "9" * 5000, "9" * 19])
def test_sizes_are_digits_of_ascii_and_few(size):
    with pytest.raises(InputError, match="a number of NPUs of at least 1"):
        parse_network(f"Ring({size})@1GB/s")


def test_no_block_is_suggested_for_another_topology():
    with pytest.raises(InputError) as error:
        parse_network("FT(8)@1GB/s")
    assert "Did you mean" not in str(error.value)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Ring", "FullyConnected", "Switch"]),
            st.integers(2, 64),
            st.integers(1, 16),
            st.integers(1, 400),
            st.integers(0, 5000),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_file_reads_as_the_network_written_out(tmp_path_factory, dimensions):
    blocks, sizes, links, rates, delays = (list(each) for each in zip(*dimensions, strict=True))
    keys = ("topologies-per-dim", "units-count", "links-count", "link-bandwidth", "link-latency")
    first = read(tmp_path_factory.mktemp("n"), dict(zip(keys, (blocks, sizes, links, rates, delays), strict=True)))
    text = " x ".join(f"{b}({n})@{k * r}GB/s,{t}ns" for b, n, k, r, t in dimensions)
    assert shape(first) == shape(parse_network(text))
    keys = ("topology", "npus_count", "bandwidth", "latency")
    products = [k * r for k, r in zip(links, rates, strict=True)]
    second = read(tmp_path_factory.mktemp("n"), dict(zip(keys, (blocks, sizes, products, delays), strict=True)))
    assert shape(second) == shape(first)
