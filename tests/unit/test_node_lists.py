"""Public lists of nodes as clusters: rows made by hand, what is refused, and the files of shared."""

import re

import pytest
from simcore.cluster import Node
from simcore.errors import InputError
from simcore.readers.clusters import read_cluster

LISTS = {
    "openb": (
        "sn,cpu_milli,memory_mib,gpu,model\nn0,32000,262144,0,\nn1,96000,1024,2,P100\nn2,128000,2048,8,G2\n",
        [Node("P100", 2, cpus=96.0, memory=2.0**30), Node("G2", 8, cpus=128.0, memory=2.0**31)],
        "1 nodes without GPUs are left out",
    ),
    "helios": ("vc,node num\nvcA,2\nvcB,1\n", [Node("gpu", 8, vc="vcA")] * 2 + [Node("gpu", 8, vc="vcB")], "Helios"),
    "philly": (
        "machineId, number of GPUs, single GPU mem\nm1, 2, 12GB\nm2, 8, 24GB\n",
        [Node("12GB", 2), Node("24GB", 8)],
        "Philly",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_rows_made_by_hand(name, tmp_path):
    text, nodes, source = LISTS[name]
    (tmp_path / "nodes.csv").write_text(text)
    cluster = read_cluster(tmp_path / "nodes.csv").value
    assert (cluster.name, list(cluster.nodes)) == ("nodes", nodes)
    assert source in cluster.source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,32000,262144,x,G2\n", "nodes.csv, line 2, field 'gpu': found 'x'"),
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,32000,262144,2,\n", "line 2, field 'model': found nothing"),
        (
            "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(f"n,1,1,1,M{each}\n" for each in range(1001)),
            "nodes.csv: found 1,001 GPU types, expected at most 1,000. Give GPUs that are alike one name.",
        ),
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,32000\n", "line 2: found 2 fields, expected 5: sn, cpu_milli"),
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,32000,1,0,\n", "nodes.csv: found no GPUs"),
        (
            "sn,cpu_milli,memory_mib,gpu,model\nn0,-5,1,2,G2\n",
            "field 'cpu_milli': found -5, expected above 0, to 1e+12",
        ),
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,0,1,2,G2\n", "field 'cpu_milli': found 0, expected above 0, to 1e+12"),
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,5,0,2,G2\n", "field 'memory_mib': found 0, expected above 0, to 1e+12"),
        (
            "sn,cpu_milli,memory_mib,gpu,model\nn0,5,1e300,2,G2\n",
            "field 'memory_mib': found 1e+300, expected above 0, to",
        ),
        ("sn,cpu_milli,memory_mib,gpu,model\nn0,5,1,2,G2,4\n", "line 2: found 6 fields, expected 5"),
        ("sn,cpu_milli,memory_mib,gpu,model,gpu\nn0,5,1,2,G2,4\n", "header: found column 'gpu' twice"),
        ("machineId,number of GPUs,single GPU mem\nm1,2,\n", "line 2, field 'single GPU mem': found nothing"),
        ("vc,node num\nvcA,-2\n", "line 2, field 'node num': found -2, expected 0 to 1,000,000"),
    ],
)
def test_rows_that_are_wrong(text, message, tmp_path):
    (tmp_path / "nodes.csv").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_cluster(tmp_path / "nodes.csv")


def test_the_published_lists(shared):
    openb = read_cluster(shared / "traces" / "openb_2023" / "openb_node_list_all_node.csv").value
    assert (len(openb.nodes), dict(zip(openb.types, openb.counts, strict=True))["G2"]) == (1213, 4392)
    helios = read_cluster(shared / "traces" / "philly_pollux" / "helios_philly_vc_nodes.csv").value
    assert (len(helios.nodes), helios.gpus, len(helios.vcs)) == (352, 2816, 11)
