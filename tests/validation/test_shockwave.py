"""Max-min and finish-time fairness on Shockwave's cluster of 32 GPUs, beside its physical run and its simulator."""

import csv
import tarfile

import pytest
import simcore
from simcore.cluster import Node, cluster_of_nodes

TRACE = "120_0.2_5_100_40_25_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic"
OURS = {
    "max_min_fairness": ("gavel:round=120", -0.0401, -0.1161),
    "finish_time_fairness": ("finish-time-fairness:round=120", -0.0955, 0.1630),
}


def test_the_distance_from_the_physical_run_is_the_one_that_is_printed(shared, tmp_path):
    with tarfile.open(shared / "traces" / "shockwave" / "shockwave_traces.tar.gz") as archive:
        (tmp_path / "jobs.trace").write_bytes(archive.extractfile(f"reproduce/{TRACE}.trace").read())
    with (shared / "data" / "measured" / "scheduler_results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["experiment"].endswith("tacc_32gpus_comparison physical")]
    physical = {row["policy"]: (float(row["mean_jct_s"]), float(row["makespan_s"])) for row in rows}
    result = simcore.trace(
        tmp_path / "jobs.trace",
        cluster=cluster_of_nodes("tacc", [Node("v100", 4)] * 8),
        interval=120,
        startup_delay=0,
        policies=[policy for policy, _, _ in OURS.values()],
    )
    for row, (theirs, (_, mean, span)) in zip(result.table, OURS.items(), strict=True):
        found = (row["mean_jct_s"] / physical[theirs][0] - 1, row["makespan_s"] / physical[theirs][1] - 1)
        assert found == pytest.approx((mean, span), abs=1e-4)
