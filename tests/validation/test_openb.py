"""Alibaba's openb-2023 as a whole: pods with shares of GPUs, cores and memory, on its list of nodes."""

from __future__ import annotations

import gzip
import re

import pytest
import simcore
from simcore.errors import InputError

NODES = "openb_node_list_gpu_node.csv"
AT_ONCE = {"interval": "event", "startup_delay": 0, "policies": ["fifo"]}


def pods(shared, name, folder):
    path = folder / f"{name}.csv"
    published = shared / "traces" / "openb_2023" / f"openb_pod_list_{name}.csv.gz"
    path.write_bytes(gzip.decompress(published.read_bytes()))
    return path


def test_all_pods_run_on_its_nodes(shared, tmp_path):
    cluster = shared / "traces" / "openb_2023" / NODES
    result = simcore.trace(pods(shared, "cpu0", tmp_path), cluster=cluster, keep_going=True, **AT_ONCE)
    jobs = result.jobs
    assert (len(jobs), sum(gang < 1 for gang in jobs.column("gang"))) == (7_063, 3_077)
    assert [re.sub("^.*csv", "", warning) for warning in result.warnings] == [
        ": 1 row is left out, the first in line 6219: a job that ran for 0 s"
    ]
    assert max(jobs.column("queueing_s")) == 0.0
    assert result.cluster.gpus == 6_212
    held = sum(gang * seconds for gang, seconds in zip(jobs.column("gang"), jobs.column("running_s"), strict=True))
    assert result.runs[0].times.gpu_seconds.sum() == pytest.approx(held)
    assert result.table[0]["mean_allocated_gpus"] == pytest.approx(14.4, abs=0.05)


def test_a_pod_that_no_node_of_its_type_holds_is_refused_by_name(shared, tmp_path):
    cluster = shared / "traces" / "openb_2023" / NODES
    (text := pods(shared, "gpuspec33", tmp_path)).write_text(
        "\n".join(line for line in text.read_text().splitlines() if line.startswith(("name,", "openb-pod-1639,")))
    )
    with pytest.raises(
        InputError, match="'openb-pod-1639', field 'gpus': found a job that needs 8 G2 at once, with 120"
    ):
        simcore.trace(text, cluster=cluster, **AT_ONCE)
