"""Gavel's traces and throughputs: rows made by hand, what is refused, and the files of shared."""

import gzip
import json
import re
import tarfile

import pytest
import simcore
from simcore.cluster import Cluster, read_trace
from simcore.errors import InputError
from simcore.readers.step_times import read_step_times

THROUGHPUTS = {
    "v100": {
        "('LM (batch size 5)', 1)": {"null": 10.0, "('A3C', 1)": [5.0, 2.0]},
        "('LM (batch size 5)', 2)": {"null": 20.0},
        "('A3C', 1)": {"null": 4.0},
    },
    "k80": {"('LM (batch size 5)', 1)": {"null": 2.0}, "('A3C', 1)": {"null": 0.0}},
}
NEW = "LM (batch size 5)\tpython3 x\tlanguage\t--steps\t1\t1000\t1\t2.0\t-1.0\t7\nA3C\tx\ty\t-z\t0\t80\t1\t1\t-1\t9\n"
OLD = "LM (batch size 5)\tcd %s\t--steps\t1\t1000\t0.0\t2\nA3C\tx\t-z\t0\t80\t6.0\t1\n"
CLUSTER = Cluster("two", ("k80", "v100"), (4, 4))


def rates(tmp_path):
    (tmp_path / "throughputs.json").write_text(json.dumps(THROUGHPUTS))
    return tmp_path / "throughputs.json"


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        (NEW, [("job-1", 7.0, 100.0, 1, "v100", True), ("job-2", 9.0, 20.0, 1, "v100", False)]),
        (OLD, [("job-1", 0.0, 50.0, 2, "v100", False), ("job-2", 6.0, 20.0, 1, "v100", False)]),
    ],
)
def test_rows_made_by_hand(text, jobs, tmp_path):
    (tmp_path / "jobs.trace").write_text(text)
    times = read_step_times(rates(tmp_path)).value
    trace = read_trace(tmp_path / "jobs.trace", cluster=CLUSTER, step_times=times).value
    classes = [trace.classes[index] for index in trace.class_index]
    kinds = [(job.max_parallelism, job.gpu_type, job.heterogeneous) for job in classes]
    found = zip(trace.names, trace.submit, trace.work, kinds, strict=True)
    assert [(name, submit, work, *kind) for name, submit, work, kind in found] == jobs


def test_a_job_takes_as_long_as_its_steps_on_the_only_type(tmp_path):
    (tmp_path / "jobs.trace").write_text(NEW.split("\n")[0].replace("\t7", "\t0") + "\n")
    result = simcore.trace(
        tmp_path / "jobs.trace", cluster=Cluster("slow", ("k80",), (1,)), rates=rates(tmp_path), startup_delay=0
    )
    assert result.jobs.column("jct_s") == [60.0 + 500.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("GAN\tx\ty\t-z\t0\t80\t1\t1\t-1\t9\n", "line 1: found no throughput of GAN on k80, v100"),
        ("A3C\tx\ty\t-z\t0\t80\t4\t1\t-1\t9\n", "found no throughput of A3C x4 on k80, v100"),
        (NEW + "A3C\tx\n", "line 3: found a row of 2 columns, not 10 or 7"),
        (NEW.replace("1000", "many"), "line 1, field 'total_steps': found 'many', expected a number"),
    ],
)
def test_rows_that_cannot_run(text, message, tmp_path):
    (tmp_path / "jobs.trace").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        simcore.trace(tmp_path / "jobs.trace", cluster=CLUSTER, rates=rates(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "found broken JSON"),
        ("{}", "found no throughputs, expected Gavel's throughputs"),
        ('{"v100": {"A3C": {"null": 1}}}', "field 'v100', field 'A3C': found no throughput"),
        ('{"v100": {"(\'A3C\', 1)": {"null": -1}}}', "found no throughput"),
    ],
)
def test_throughputs_that_are_wrong(text, message, tmp_path):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_step_times(tmp_path / "t.json")


def test_the_published_traces(shared, tmp_path):
    folder = shared / "traces" / "gavel_msr"
    (tmp_path / "t.json").write_bytes(gzip.decompress((folder / "simulation_throughputs.json.gz").read_bytes()))
    times = read_step_times(tmp_path / "t.json").value
    with tarfile.open(folder / "gavel_msr_seed0.tar.gz") as archive:
        for name in ("msr/seed=0/e13805.trace", "physical_cluster/max_min_fairness.trace"):
            data = archive.extractfile(name).read()
            (tmp_path / "jobs.trace").write_bytes(data)
            types = Cluster("c", ("v100", "p100", "k80"), (64, 64, 64))
            trace = read_trace(tmp_path / "jobs.trace", cluster=types, step_times=times, keep_going=True).value
            left = sum(
                int(note.split(": ")[1].split()[0].replace(",", "")) for note in trace.notes if "left out" in note
            )
            assert len(trace) + left == data.count(b"\n")
            assert "v100" in {job.gpu_type for job in trace.classes}
