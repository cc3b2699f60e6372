"""Tiresias and Optimus on the workloads of Pollux' artifact: the completion of every published job."""

import csv
import gzip
import io
import tarfile

import pytest
import simcore
from simcore.cluster import Node, cluster_of_nodes

from tests.applications import rows_of

POLICIES = {"tiresias": "tiresias:thresholds=57600,within=entry", "optimus": "optimus:growth=batch"}
FOLDERS = {"0.5": "workloads-0.5", "1.0": "workloads", "1.5": "workloads-1.5", "2.0": "workloads-2.0"}


@pytest.fixture(scope="module")
def profiles(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiles")
    with tarfile.open(shared / "traces" / "pollux_workloads" / "pollux_app_profiles.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "traces"


@pytest.mark.parametrize(("load", "workload"), [("0.5", 2), ("1.0", 1), ("1.0", 4), ("1.0", 6), ("1.5", 8), ("2.0", 4)])
def test_every_job_ends_when_the_artifact_says(load, workload, profiles, shared, tmp_path):
    with tarfile.open(shared / "traces" / "pollux_workloads" / "pollux_workloads.tar.gz") as archive:
        member = archive.extractfile(f"{FOLDERS[load]}/workload-{workload}.csv")
        (tmp_path / "jobs.csv").write_bytes(member.read())
    result = simcore.trace(
        tmp_path / "jobs.csv",
        cluster=cluster_of_nodes("pollux", [Node("t4", 4)] * 16),
        rates=profiles,
        policies=list(POLICIES.values()),
        placement="freest",
        startup="every-change",
        startup_delay=30,
    )
    with gzip.open(shared / "data" / "measured" / "pollux_jobs.csv.gz") as file:
        rows = [
            row
            for row in csv.DictReader(io.TextIOWrapper(file))
            if row["experiment"] == "jobload" and row["workload"] == f"workload-{workload}"
        ]
    for name, policy in POLICIES.items():
        published = {row["job"]: float(row["jct_s"]) for row in rows if row["run"] == f"{name}-{load}"}
        ours = {row["name"]: row["jct_s"] for row in rows_of(result.jobs) if row["policy"] == policy}
        assert ours == published
