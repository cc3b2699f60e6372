"""The generator and the readers against the published files, number for number."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Groups, map_parallelism
from simcore.readers.astra import parse_layers
from simcore.readers.costs import read_costs
from simcore.readers.libra import read_communicators
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload

KINDS = {
    "NONE": None,
    "ALLREDUCE": Collective.ALL_REDUCE,
    "ALLGATHER": Collective.ALL_GATHER,
    "ALLTOALL": Collective.ALL_TO_ALL,
}
PAIRS = [
    *((f"sc245_optimizer__transformer_{name}", name, "optimizer") for name in ("17B", "175B", "1T")),
    *((f"sc245_evaluation__transformer_{name}", name, "evaluation") for name in ("17B", "175B", "1T")),
    ("libra__Turing_NLG", "17B", "evaluation"),
    ("libra__GPT_3", "175B", "evaluation"),
    ("libra__MSFT_1T", "1T", "evaluation"),
]


@pytest.fixture(scope="module")
def bandwidth(shared):
    return shared / "data" / "bandwidth"


def table(bandwidth, name):
    with (bandwidth / "workloads" / f"{name}.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("file", "name", "variant"), PAIRS)
def test_the_generator_gives_the_published_files(bandwidth, file, name, variant):
    published = table(bandwidth, file)
    workload = read_workload(name, "WORKLOAD", variant=variant).value
    assert len(workload.layers) == len(published) == 18
    for row, layer in zip(published, workload.layers, strict=True):
        assert layer.name == row["layer"]
        for prefix, phase in (
            ("fwd", layer.forward),
            ("ig", layer.input_gradient),
            ("wg", layer.weight_gradient),
        ):
            assert round(phase.compute * 1e9) == int(row[f"{prefix}_compute_ns"])
            assert phase.collective is KINDS[row[f"{prefix}_comm_type"]]
            assert phase.size == int(row[f"{prefix}_comm_bytes"])


@pytest.mark.parametrize("with_header", [True, False])
@pytest.mark.parametrize(("file", "name", "variant"), PAIRS)
def test_the_text_reader_gives_what_the_generator_gives(bandwidth, tmp_path, file, name, variant, with_header):
    published = table(bandwidth, file)
    generated = read_workload(name, "WORKLOAD", variant=variant).value
    text = "".join("\t".join(list(row.values())[1:]) + "\n" for row in published)
    if with_header:
        header = f"HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: {generated.tp} "
        text = f"{header}checkpoints: 2 0 9 checkpoint_initiates: 2 17 8\n{len(published)}\n{text}"
    path = tmp_path / "workload.txt"
    path.write_text(text, encoding="utf-8")
    read = read_workload(path, "WORKLOAD", tp=None if with_header else generated.tp, npus=1024).value
    # a text does not say how large parameters and activations are
    known = tuple(replace(layer, parameters=None, activations=None) for layer in generated.layers)
    assert (read.layers, read.tp, read.dp) == (known, generated.tp, generated.dp)


@pytest.mark.parametrize(("name", "layers"), [("DLRM", 20), ("ResNet_50", 54)])
def test_workloads_that_are_no_transformers(bandwidth, tmp_path, name, layers):
    published = table(bandwidth, f"libra__{name}")
    text = "".join(" ".join(list(row.values())[1:]) + "\n" for row in published)
    read = parse_layers(tmp_path / name, text)
    assert len(read.layers) == layers
    assert not read.header.policy
    with (bandwidth / "workload_summary.csv").open(encoding="utf-8") as stream:
        (totals,) = [row for row in csv.DictReader(stream) if row["workload"] == name]
    assert round(sum(layer.forward.compute for layer in read.layers) * 1e9) == int(totals["fwd_compute_ns"])
    assert round(sum(layer.input_gradient.compute for layer in read.layers) * 1e9) == int(totals["ig_compute_ns"])
    assert sum(layer.forward.size for layer in read.layers) == int(totals["fwd_A2A_bytes"])
    assert sum(layer.weight_gradient.size for layer in read.layers) == int(totals["wg_AR_bytes"])


def shape(topology):
    return [(dimension.block, dimension.size, dimension.level) for dimension in topology.dimensions]


def test_the_zoo_has_the_published_networks(bandwidth, tmp_path):
    published = json.loads((bandwidth / "networks.json").read_text(encoding="utf-8"))
    pairs = [(published["optimizer"][name.lower()], name) for name in ("2D", "3D", "4D")]
    pairs += [(published["libra"][name.lower()], f"LIBRA-{name}-4K") for name in ("3D", "4D")]
    for data, name in pairs:
        path = tmp_path / "network.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        assert shape(read_network(path, "NETWORK").value.topology) == shape(
            read_network(name, "NETWORK").value.topology
        )
    for name, sizes in (("2d", [8, 128]), ("3d", [8, 8, 16]), ("4d", [2, 8, 8, 8]), ("dgx", [8, 128])):
        path.write_text(json.dumps({**published["evaluation"][name], "units-count": sizes}), encoding="utf-8")
        entry = read_network("DGX-like" if name == "dgx" else name, "NETWORK").value.topology
        assert read_network(path, "NETWORK").value.topology.dimensions == entry.dimensions


def test_the_zoo_has_the_published_prices(bandwidth, tmp_path):
    published = json.loads((bandwidth / "costs.json").read_text(encoding="utf-8"))
    pairs = {"sc245_usd_per_GBps": "sc245", "libra_4d": "libra-4d", "libra_3d": "libra-3d"}
    for key, name in pairs.items():
        path = tmp_path / "costs.json"
        path.write_text(json.dumps(published[key]), encoding="utf-8")
        read, entry = read_costs(path, "--cost").value, read_costs(name, "--cost").value
        assert (read.levels, read.counts_both_directions) == (entry.levels, entry.counts_both_directions)


def test_libras_communicators_are_our_mapping(bandwidth, tmp_path):
    """LIBRA writes the groups out; the mapping of TP and DP gives the same, at 4,096 NPUs."""
    published = json.loads((bandwidth / "libra_communicators.json").read_text(encoding="utf-8"))
    degrees = {"GPT_3": (16, 256), "MSFT_1T": (128, 32), "Turing_NLG": (1, 4096), "ResNet_50": (1, 4096)}
    for key, data in published.items():
        path = tmp_path / "communicators.yaml"
        path.write_text("".join(f"{phase}: {sizes}\n" for phase, sizes in data.items()), encoding="utf-8")
        name, _, dimensions = key.rpartition("_")
        topology = read_network(f"LIBRA-{dimensions}-4K", "NETWORK").value.topology
        read = read_communicators(path).value
        assert isinstance(read, Groups)
        assert read == map_parallelism(topology, *degrees[name])
