"""Files of other kinds where a network, prices or groups are wanted: each is called by its name, with the way on."""

from __future__ import annotations

import re

import pytest
from simcore.errors import InputError
from simcore.models.training.tuning.space import Space
from simcore.readers.clusters import read_cluster
from simcore.readers.costs import read_costs
from simcore.readers.libra import read_communicators
from simcore.readers.networks import read_network
from simcore.readers.schedules import read_schedule
from simcore.readers.shared_jobs import read_shared_jobs
from simcore.readers.spaces import read_space

FILES = {
    "a system configuration of ASTRA-sim": '{"scheduling-policy": "FIFO", "endpoint-delay": 5, "local-mem-bw": 50}',
    "a logical topology of ASTRA-sim": '{"logical-dims": ["4", "2"]}',
    "a memory configuration of ASTRA-sim": '{"memory-type": "NONE"}',
    "a network of ASTRA-sim's Garnet backend": "num-npus: 16\nnum-packages: 2\n",
    "a table of bus bandwidths of SimAI": "TP:\n  allreduce,: 100\nDP:\n  allreduce,: 50\n",
    "communicator groups of Chakra or ASTRA-sim 2": '{"1": [0, 1], "2": [2, 3]}',
    "a configuration of ns-3": "ENABLE_QCN 1\nTOPOLOGY_FILE a.txt\n",
    "a list of links of ns-3 or SimAI": "3 1 2 1 2 H100\n2\n0 2 400Gbps 0.0005ms 0\n1 2 400Gbps 0.0005ms 0\n",
    "a configuration of BookSim": "// a torus\ntopology = torus;\nk = 4;\n",
    "XML, such as a topology of NCCL or hwloc": '<system version="1">\n</system>\n',
    "a workload of ASTRA-sim": "DATA\n1\na -1 1 NONE 0 1 NONE 0 1 NONE 0 1\n",
    "a model of Hugging Face": '{"model_type": "llama"}',
    "a cluster": "gpus: {v100: 4}\n",
}
READERS = {"network": read_network, "cost": read_costs, "communicator": lambda path, place: read_communicators(path)}


def refusal(tmp_path, text, wanted):
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        READERS[wanted](path, "PLACE")
    return error.value


@pytest.mark.parametrize("wanted", READERS)
@pytest.mark.parametrize("name", FILES)
def test_each_kind_is_named_and_told_what_to_do(tmp_path, name, wanted):
    error = refusal(tmp_path, FILES[name], wanted)
    assert error.found == name
    assert error.remedy
    assert "Did you mean" not in error.remedy


@pytest.mark.parametrize(
    ("text", "wanted", "name", "option"),
    [
        ("topology: [Ring]\nnpus_count: [4]\n", "cost", "a network", "--network"),
        ("Forward: [2]\nInputGrad: [2]\nWeightGrad: [2]\n", "network", "groups of a workload", "--communicator"),
        ("InterPod: {Link: 1, Switch: 2, Nic: 3}\n", "communicator", "a cost model", "--cost"),
        ("prices:\n  Pod: {link: $3 per GB/s}\n", "network", "a cost model", "--cost"),
    ],
)
def test_a_file_of_another_option_is_sent_there(tmp_path, text, wanted, name, option):
    error = refusal(tmp_path, text, wanted)
    assert (error.found, option in error.remedy) == (name, True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Forward: [2]\nBackward: [2]\nWeightGrad: [2]\n", "'Backward'"),
        ("F: [2]\nForward: [4]\nI: [2]\nW: [2]\n", "'Forward' beside another spelling of it"),
    ],
)
def test_no_group_is_guessed(tmp_path, text, found):
    error = refusal(tmp_path, text, "communicator")
    assert error.found == found
    assert "Did you mean" not in str(error)


BY_HAND = {
    "cluster": read_cluster,
    "cost": read_costs,
    "jobs": lambda path: read_shared_jobs(path, read_network("2D").value.topology),
    "network": read_network,
    "schedule": read_schedule,
    "space": lambda path: read_space(path, Space((8,), (1.0,), ("",), ("",))),
}


@pytest.mark.parametrize("what", BY_HAND)
@pytest.mark.parametrize("text", ["name,gpus\na,2\n", "# Title\n\nwords: more: words\n"])
def test_what_is_no_yaml_gets_an_example_that_is_read(tmp_path, what, text):
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        BY_HAND[what](path)
    example = re.search("such as '(.*)'", error.value.remedy)
    assert example is not None
    path.write_text(example[1], encoding="utf-8")
    BY_HAND[what](path)
