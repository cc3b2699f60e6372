"""Networks for a number of GPUs: nodes that fill from the inside out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.readers.cluster_networks import fill, network_for
from simcore.readers.networks import OPEN, read_network
from simcore.studies.inputs import resolve_network

NODES = """dimensions:
  - {{block: {inner}, size: 4, bandwidth: 90 GB/s}}
  - {{block: Switch, size: 2, bandwidth: 40 GB/s}}
  - {{block: {outer}, size: nodes, bandwidth: 10 GB/s, latency: 1 us}}
"""


def write(tmp_path, inner="Switch", outer="Switch"):
    path = tmp_path / "mine.yaml"
    path.write_text(NODES.format(inner=inner, outer=outer), encoding="utf-8")
    return path


def sizes(network, gpus):
    return [each.size for each in network_for(network, gpus).value.topology.dimensions]


def refusal(call, *args):
    with pytest.raises(InputError) as error:
        call(*args)
    return str(error.value)


def test_gpus_fill_nodes_from_the_inside_out(tmp_path):
    path = write(tmp_path)
    assert [sizes(path, gpus) for gpus in (1, 3, 4, 8, 16, 24)] == [[1], [3], [4], [4, 2], [4, 2, 2], [4, 2, 3]]
    assert network_for(path, 8).value.bandwidths == (90e9, 40e9)


def test_a_node_that_would_be_half_full_is_refused_with_the_nearest_numbers(tmp_path):
    path = write(tmp_path)
    assert refusal(network_for, "dgx-h100", 12).endswith("Give 8 or 16.")
    assert refusal(network_for, "dgx-h100", 1001).endswith("Give 1000 or 1008.")
    # 6 of 8 GPUs are one half of the node and half of the other
    assert refusal(network_for, path, 6).endswith("a multiple of 4, for mine. Give 4 or 8.")
    assert refusal(network_for, path, 12).endswith("a multiple of 8, for mine. Give 8 or 16.")
    for gpus in (0, -8, 2**31 + 8):
        assert refusal(network_for, "dgx-h100", gpus).startswith(f"gpus: found {gpus}")


@given(st.lists(st.integers(1, 6), max_size=3), st.integers(1, 500))
def test_what_is_filled_has_the_gpus_and_what_is_named_can_be_filled(inner, gpus):
    try:
        taken = fill([*inner, OPEN], gpus)
    except InputError as error:
        for nearest in (int(word.strip(".")) for word in error.remedy.split() if word.strip(".").isdigit()):
            assert fill([*inner, OPEN], nearest)
            assert abs(nearest - gpus) < 6**3
        return
    product = 1
    for size in taken:
        product *= size
    assert product == gpus
    assert [*taken[:-1]] == inner[: len(taken) - 1]


def test_networks_of_a_fixed_size_are_taken_for_as_many_gpus():
    assert network_for("4D", 1024) == read_network("4D")
    network = network_for("Ring(4)@200GB/s", 4)
    assert (network.value.bandwidths, len(network.sha256)) == ((200e9,), 64)
    assert "found 4D, which has 1,024 NPUs, expected a network of 64. Give gpus 1024" in refusal(network_for, "4D", 64)
    assert "expected a network of 8" in refusal(network_for, "Ring(4)@200GB/s", 8)
    assert "Did you mean 'dgx-h100'?" in refusal(network_for, "dgx-h101", 8)


def test_part_of_a_mesh_has_fewer_links_and_part_of_a_ring_is_refused(tmp_path):
    mesh, ring = write(tmp_path, "FullyConnected"), tmp_path / "ring.yaml"
    assert network_for(mesh, 4).value.bandwidths == (90e9,)
    assert network_for(mesh, 3).value.bandwidths == (60e9,)
    assert network_for(mesh, 1).value.bandwidths == (90e9,)  # idle
    ring.write_text(NODES.format(inner="Ring", outer="Ring"), encoding="utf-8")
    assert sizes(ring, 24) == [4, 2, 3]
    assert "3 of the 4 NPUs of a Ring, expected whole rings of ring. Give 1 or 4." in refusal(network_for, ring, 3)


def test_without_gpus_such_a_network_is_refused_by_name(tmp_path):
    found = refusal(read_network, "dgx-h100")
    assert found.startswith("network: found dgx-h100, whose number of nodes follows from that of GPUs")
    written = found.split("16 nodes: ")[1].removesuffix(".")
    assert network_for(written, 128).value.bandwidths == network_for("dgx-h100", 128).value.bandwidths
    assert [each.latency for each in network_for(written, 128).value.topology.dimensions] == [1.7e-6, 7e-6]
    assert "found mine.yaml" in refusal(read_network, write(tmp_path)).replace(str(tmp_path) + "/", "")


def test_only_the_outermost_dimension_takes_what_nodes_there_are(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("dimensions:\n  - {block: Switch, size: nodes}\n  - {block: Ring, size: 4}\n", encoding="utf-8")
    assert "field 'dimensions.0.size': found 'nodes'" in refusal(network_for, path, 8)
    path.write_text("dimensions:\n  - {block: Switch, size: node}\n", encoding="utf-8")
    assert "line 2, field 'dimensions.0.size': found 'node', expected a whole number" in refusal(network_for, path, 8)


def test_studies_resolve_them_for_their_gpus(tmp_path):
    network, hashes = resolve_network("dgx-a100", "--network", 16)
    assert (network.topology.npus, list(hashes)) == (16, ["network"])
    assert resolve_network("Ring(4)@200GB/s", "--network", 4)[1] == {}
    assert "dimensions without bandwidth" in refusal(resolve_network, "4D", "--network", 1024)
    assert "follows from that of GPUs" in refusal(resolve_network, "dgx-a100")
