"""Properties of the readers: what is written is read back, and broken files give an `InputError`, never a traceback."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.training.workload import Layer, Phase
from simcore.readers.astra import parse_layers
from simcore.readers.costs import read_costs
from simcore.readers.libra import read_communicators
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload
from simcore.readers.zoo import ROOT

WORDS = {
    None: "NONE",
    Collective.ALL_REDUCE: "ALLREDUCE",
    Collective.ALL_GATHER: "ALLGATHER",
    Collective.REDUCE_SCATTER: "REDUCESCATTER",
    Collective.ALL_TO_ALL: "ALLTOALL",
}
nanoseconds = st.integers(0, 10**12)
sizes = st.integers(0, 10**12).map(float)
kinds = st.sampled_from(list(WORDS))
phases = st.builds(lambda n, kind, size: Phase(n / 1e9, kind, size if kind else 0.0), nanoseconds, kinds, sizes)
names = st.text("abcXYZ019_", min_size=1).filter(lambda name: not name.isdigit() and not name.startswith("_"))
activations = st.none() | sizes
layers = st.lists(st.builds(Layer, names, phases, phases, phases, activations=activations), min_size=1, max_size=5)


def written(layer):
    fields = [layer.name, "-1"]
    for phase in (layer.forward, layer.input_gradient, layer.weight_gradient):
        fields += [str(round(phase.compute * 1e9)), WORDS[phase.collective], str(int(phase.size))]
    last = [] if layer.activations is None else [f"activations={layer.activations:.0f}"]
    return [*fields, "10", *last]


@given(layers, st.sampled_from(["\t", " ", "   "]), st.booleans())
def test_layers_survive_the_way_through_text(made, blank, counted):
    text = "".join(blank.join(written(layer)) + "\n" for layer in made)
    if counted:
        text = f"HYBRID_TRANSFORMER model_parallel_NPU_group: 8\n{len(made)}\n{text}"
    read = parse_layers(Path("x"), text)
    assert read.layers == tuple(made)
    assert read.header.count("model_parallel_NPU_group") == (8 if counted else None)


@given(layers, st.data())
def test_a_field_that_is_dropped_is_always_noticed(made, data):
    lines = [written(layer) for layer in made]
    line = data.draw(st.integers(0, len(lines) - 1))
    del lines[line][data.draw(st.integers(1, 11))]
    text = "".join(" ".join(fields) + "\n" for fields in lines)
    with pytest.raises(InputError, match=f"x, line {line + 1}, column"):
        parse_layers(Path("x"), text)


ASTRA_1 = {
    "topologies-per-dim": ["Ring", "Switch"],
    "units-count": [8, 4],
    "links-count": [2, 1],
    "link-bandwidth": [25, 12.5],
    "link-latency": [500, 700],
    "nic-latency": [0, 30],
    "hbm-scale": [0, 0],
}
VALID = [
    *((read_network, (ROOT / "networks" / f"{name}.yaml").read_text()) for name in ("4D", "DGX-like")),
    (read_network, json.dumps({"npus-count": [8, 4], "topology": ["Ring", "Switch"], "network-type": ["a", "b"]})),
    (read_network, "topology: [ Ring, FC ]\nnpus_count: [ 8, 4 ]\nbandwidth: [ 50.0, 9 ]\nlatency: [ 500.0, 7 ]\n"),
    (read_network, "Topology: [ Ring ]\nNpusCount: [ 8 ]\nCostDimension: [ Pod ]\n"),
    (read_network, json.dumps(ASTRA_1)),
    (lambda path, place: read_communicators(path), "Forward: [ 2, -1 ]\nInputGrad: [ 2, -1 ]\nWeightGrad: [ -1, 4 ]\n"),
    (read_costs, (ROOT / "costs" / "sc245.yaml").read_text()),
    (read_costs, json.dumps({"Tile": {"Link": 2.0}, "Pod": {"Link": 7.8, "Switch": 18.0}})),
    (read_workload, (ROOT / "models" / "175B.yaml").read_text()),
    (read_workload, "HYBRID_TRANSFORMER model_parallel_NPU_group: 2\n1\nQ -1 1 NONE 0 1 ALLREDUCE 8 1 NONE 0 1\n"),
    (read_workload, json.dumps({"hidden_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 32})),
]


@given(st.sampled_from(VALID), st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, valid, data):
    load, text = valid
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    junk = data.draw(st.text("0123456789 .:-{}[],\"'\n\t#&*!%$abNé\x00", max_size=4))
    path = tmp_path_factory.getbasetemp() / "damaged.txt"
    path.write_text(text[:start] + junk + text[end:], encoding="utf-8")
    options = {"tp": 1, "dp": 1} if load is read_workload else {}
    with suppress(InputError):
        load(path, "PLACE", **options)
