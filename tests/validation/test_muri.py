"""Muri's trace3: the rules of its simulator give its own numbers, and without those that differ ours."""

import csv
import io
import tarfile

import pytest
import simcore
from simcore.cluster import Cluster

from tests.muri import GPUS, SLOWER, mean_jct, read_jobs

SHORTEST, DLAS = 193_081.796, 347_213.248


@pytest.fixture(scope="module")
def table(shared):
    with tarfile.open(shared / "traces" / "muri_philly" / "muri_traces.tar.gz") as archive:
        return archive.extractfile("trace-data/trace3.csv").read().decode()


def measured(table, *, dlas, slower=SLOWER, losing=True, behind=True):
    jobs = read_jobs(csv.DictReader(io.StringIO(table)), slower=slower, losing=losing)
    return round(mean_jct(jobs, dlas=dlas, behind=behind), 3)


def test_its_rules_give_its_numbers(table):
    assert (measured(table, dlas=False), measured(table, dlas=True)) == (SHORTEST, DLAS)


def test_what_each_rule_makes(table):
    found = [
        measured(table, dlas=False, slower=1.0),
        measured(table, dlas=False, losing=False),
        measured(table, dlas=True, slower=1.0),
        measured(table, dlas=True, losing=False),
        measured(table, dlas=True, behind=False),
    ]
    assert found == pytest.approx([182_563.5, 190_377.4, 335_545.2, 340_306.3, 489_830.1], abs=0.1)


def test_without_these_rules_ours_is_the_same(table, tmp_path):
    """What is left is below a second of each job: the trace rounds durations, and jumps wait for a whole second."""
    (tmp_path / "trace3.csv").write_text(table)
    policies = ["srtf", "tiresias:thresholds=3250/7200,within=entry"]
    result = simcore.trace(
        tmp_path / "trace3.csv",
        cluster=Cluster("c", ("v100",), (GPUS,)),
        interval="event",
        startup_delay=0,
        policies=policies,
    )
    bare = [measured(table, dlas=dlas, slower=1.0, losing=False, behind=False) for dlas in (False, True)]
    assert result.table.column("mean_jct_s") == pytest.approx(bare, rel=3e-5)
