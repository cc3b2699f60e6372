"""Rings and chains of links between the GPUs of a node, and collectives of groups that were not measured."""

from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement, pairwise, permutations

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.calibrate.collectives.fit import fit_collectives
from simcore.calibrate.collectives.samples import Fitting, Sample
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.mesh import Mesh
from simcore.models.network.nccl import Line, Span
from simcore.readers.cluster_networks import network_for
from simcore.readers.networks import read_any_network

CUBE = read_any_network("dgx-v100").value.mesh
LINE = Line("ring", "Simple", 20e-6, 4e-6, efficiency=0.9)


def searched(mesh, gpus, *, closed):
    """Count disjoint rings or chains by trying all sets of them."""
    orders = permutations(range(1, gpus)) if closed else permutations(range(gpus))
    paths = [(0, *each, 0) if closed else each for each in orders]
    if not closed:
        paths = [path for path in paths if path[0] < path[-1]]
    count = 0
    while True:
        for some in combinations_with_replacement(paths, count + 1):
            taken = Counter(step for path in some for step in pairwise(path))
            if not closed:
                taken = Counter(tuple(sorted(step)) for step in taken.elements())
            if all(each <= mesh.links[a][b] for (a, b), each in taken.items()):
                break
        else:
            return count
        count += 1


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 4), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_rings_and_chains_are_those_of_a_search_through_all_sets(gpus, drawn):
    links = [[0] * 4 for _ in range(4)]
    for count, (a, b) in zip(drawn, [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], strict=True):
        links[a][b] = links[b][a] = count
    mesh = Mesh(tuple(map(tuple, links)), 1.0)
    rings, chains = (searched(mesh, gpus, closed=closed) for closed in (True, False))
    assert (mesh.rings(gpus), mesh.chains(gpus)) == (rings, chains)
    assert mesh.bus_bandwidth(gpus) == max(rings, chains * (gpus - 1) / gpus)


def test_the_cube_mesh_of_a_dgx_1_offers_few_rings_to_small_groups():
    assert [sum(row) for row in CUBE.links] == [6] * 8  # links of a V100
    assert [CUBE.rings(gpus) for gpus in range(2, 9)] == [1, 2, 4, 0, 2, 4, 6]
    assert CUBE.chains(5) == 2  # the fifth GPU has links to the first one alone
    assert CUBE.bus_bandwidth(5) == pytest.approx(25e9 * 2 * 4 / 5)
    assert CUBE.bus_bandwidth(8) == 150e9
    assert read_any_network("p3dn").value.mesh == CUBE


def test_a_dense_uneven_mesh_is_counted_by_the_rings_of_optima_in_parts():
    """As many as the search over all rings finds, which takes half a minute here."""
    links = (
        (0, 3, 4, 4, 1, 1, 4, 4), (3, 0, 4, 2, 2, 4, 2, 2), (4, 4, 0, 1, 4, 4, 4, 3), (4, 2, 1, 0, 1, 2, 1, 2),
        (1, 2, 4, 1, 0, 1, 3, 2), (1, 4, 4, 2, 1, 0, 1, 4), (4, 2, 4, 1, 3, 1, 0, 2), (4, 2, 3, 2, 2, 4, 2, 0),
    )  # fmt: skip
    mesh = Mesh(links, 1.0)
    assert (mesh.rings(8), mesh.chains(8)) == (13, 9)


def test_six_gpus_with_a_link_each_close_one_ring_less_than_the_optimum_in_parts():
    """No five rings without a direction in common pass all six (Tillson, 1980)."""
    assert Mesh(tuple(tuple(int(a != b) for b in range(6)) for a in range(6)), 1.0).rings(6) == 4


def test_a_group_that_was_not_measured_finds_what_its_links_offer():
    """Times are made with nine tenths of what the links offer, so that a fit to some groups must find the others."""
    offered = {gpus: CUBE.bus_bandwidth(gpus) / 150e9 for gpus in range(2, 9)}
    true = CollectiveProfile("true", (150e9, 6.25e9), {"all-reduce": (LINE,)}, shares=offered)
    samples = [
        Sample("all-reduce", Span(gpus), 2.0**power, true.timing("all-reduce", Span(gpus)).seconds(2.0**power))
        for gpus in (3, 7, 8) for power in range(20, 31)
    ]  # fmt: skip
    fitted = fit_collectives("again", samples, Fitting(150e9, 6.25e9, mesh=CUBE), folds=0)
    blind = fit_collectives("again", samples, Fitting(150e9, 6.25e9, uneven=True), folds=0)
    off = {}
    for gpus in (2, 4, 5, 6):
        expected = true.timing("all-reduce", Span(gpus)).seconds(1e9)
        off[gpus] = [one.timing("all-reduce", Span(gpus)).seconds(1e9) / expected - 1 for one in (fitted, blind)]
    assert max(abs(one) for one, _ in off.values()) < 0.02
    assert min(abs(one) for _, one in off.values()) > 0.2


def test_a_group_faster_than_the_links_of_the_first_gpus_says_nothing_of_others():
    profile = CollectiveProfile("", (1e9, 1e9), {}, shares={2: 0.3, 8: 0.9}, offered={2: 0.2, 4: 0.6, 8: 1.0})
    assert profile.share(2) == 0.3
    assert profile.share(4) == pytest.approx(0.9 * 0.6)
    assert CollectiveProfile("", (1e9, 1e9), {}, offered={4: 0.6}).share(4) == 0.6


def test_a_network_that_is_calibrated_keeps_its_mesh(tmp_path):
    table, net = tmp_path / "collectives.csv", tmp_path / "net.json"
    rows = [f"me,mine,{gpus},all_reduce,{2**power},{30 + 2**power / 2e4 / gpus},float,"
            for gpus in (4, 8) for power in range(16, 28)]  # fmt: skip
    table.write_text("\n".join(["source,device,gpus,collective,bytes,time_us,dtype,note", *rows]) + "\n")
    made = CliRunner().invoke(main, ["calibrate", "--from", str(table), "--network", "dgx-v100", "-o", str(net)])
    assert made.exit_code == 0, made.output
    spec = network_for(net, 8).value
    assert spec.mesh == CUBE
    assert spec.collectives.offered[3] == pytest.approx(1 / 3, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "links", "said"),
    [
        (3, "[[0, 1], [1, 0]]", "2 rows of 2 numbers, expected 3 rows of 3 numbers"),
        (2, "[[0, 1], [2, 0]]", "1 links from GPU 0 to GPU 1, and 2 back"),
        (2, "[[0, 0], [0, 0]]", "no link at all"),
        (2, "[[1, 1], [1, 0]]", "1 links from GPU 0 to itself"),
        (2, "[[0, -1], [-1, 0]]", "mesh.links.0.1"),
        (9, "[[0]]", "it beside nodes of 9 GPUs, expected nodes of 2 to 8 GPUs"),
        ("nodes", "[[0]]", "nodes of any number of GPUs"),
    ],
)
def test_links_that_are_no_mesh_of_a_node_are_named(tmp_path, size, links, said):
    path = tmp_path / "mine.yaml"
    path.write_text(f"dimensions: [{{block: Switch, size: {size}}}]\nmesh: {{link: 25 GB/s, links: {links}}}\n")
    with pytest.raises(InputError) as refused:
        read_any_network(path)
    assert said in str(refused.value)
    assert "mine.yaml" in str(refused.value)
