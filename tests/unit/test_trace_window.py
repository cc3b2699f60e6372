"""Numbers over a window, loads that are steady, and columns that pass through."""

from __future__ import annotations

import numpy as np
import pytest
import simcore
from simcore.cluster import Cluster, JobClass, StepTimes, build_trace
from simcore.errors import InputError
from simcore.traces import easyscale

FOUR = Cluster("four", ("v100",), (4,))
TIMES = StepTimes("mine", {("m", 1, "v100"): 1.0})
JOB = JobClass("m", 1, 4, False, "v100")
# 10 s each on all four GPUs, one after another
THREE = build_trace("three", ["a", "b", "c"], [0.0, 20.0, 25.0], [40.0] * 3, [JOB] * 3)
HOW = {"cluster": FOUR, "rates": TIMES, "policies": ["fifo"], "interval": "event", "startup_delay": 0.0}


def test_numbers_of_a_window_by_hand():
    """Allocated from 0 to 10 and from 20 to 40 s; the jobs from 15 s on wait 0 and 5 s."""
    whole = simcore.trace(THREE, **HOW).table[0]
    part = simcore.trace(THREE, **HOW, window="15:30").table[0]
    assert (whole["jobs"], whole["mean_jct_s"], whole["utilisation"]) == (3, pytest.approx(35 / 3), 0.75)
    assert (part["jobs"], part["mean_jct_s"], part["utilisation"]) == (2, 12.5, pytest.approx(10 / 15))
    assert part["mean_queueing_s"] == 2.5
    assert part["makespan_s"] == whole["makespan_s"] == 40.0
    assert part["utilisation_arrivals"] == whole["utilisation_arrivals"] == 15 / 25


def test_a_steady_window_leaves_warm_up_and_drain_out():
    result = simcore.trace(THREE, **HOW, window="steady")
    assert result.window == (5.0, 25.0)
    assert result.as_dict()["window"] == [5.0, 25.0]
    assert result.table[0]["utilisation"] == 0.5
    again = simcore.trace(THREE, **{**HOW, **{"window": result.provenance.inputs["window"]}})
    assert again.table[0]["utilisation"] == 0.5
    assert simcore.trace(THREE, **HOW, window=(5, 25.0)).table[0]["utilisation"] == 0.5


@pytest.mark.parametrize("window", ["", "1", "5:1", "a:b", "1:2:3", "-1:5", "1:inf", "stedy", (1.0,)])
def test_windows_that_are_none(window):
    with pytest.raises(InputError, match=r"window: found '.*', expected START:END in seconds"):
        simcore.trace(THREE, **HOW, window=window)


def test_a_window_without_jobs():
    with pytest.raises(InputError, match=r"found 1:2, in which no job is submitted.* from 0 to 25 s"):
        simcore.trace(THREE, **HOW, window="1:2")
    one = build_trace("one", ["a"], [0.0], [40.0], [JOB])
    with pytest.raises(InputError, match="found jobs submitted all at once"):
        simcore.trace(one, **HOW, window="steady")
    assert simcore.trace(one, **HOW).table[0]["utilisation_arrivals"] is None


@pytest.mark.parametrize("load", [0.5, 0.9])
def test_a_load_keeps_that_share_busy_in_a_steady_window(load):
    """The start-up of 20 s, half a percent of the mean job, is on top."""
    result = simcore.trace(
        f"synthetic:jobs=100000,load={load}", cluster=Cluster("c", ("v100",), (256,)), policies=["fifo"],
        interval="event", window="steady",
    )  # fmt: skip
    assert result.warnings == ()
    assert result.table[0]["utilisation"] == pytest.approx(load, rel=0.01)
    assert result.table[0]["utilisation_arrivals"] == pytest.approx(load, rel=0.01)


def test_a_load_that_is_never_steady_says_so():
    (warning,) = simcore.trace("synthetic:jobs=500,load=0.9", cluster="v100-4096", policies=["fifo"]).warnings
    assert "the load is never steady. Give more jobs, about jobs=" in warning
    assert "and --window steady" in warning


@pytest.mark.parametrize(("jobs", "warned"), [(2, False), (19, False), (20, True)])
def test_a_handful_of_jobs_is_no_demand(jobs, warned):
    names = [f"job-{i}" for i in range(jobs)]
    trace = build_trace("few", names, np.arange(jobs) * 1.0, [4000.0] * jobs, [JOB] * jobs)
    assert any("times the GPU-seconds" in each for each in simcore.trace(trace, **HOW).warnings) == warned


OWN = """user,name,submit_s,model,max_parallelism,batch_size,samples,heterogeneous,gpu_type,jct_s,queue
ann,a,5,bert,4,8,320,no,v100,77,"x, y"
bob,b,0,bert,2,8,320,yes,t4,78,
"""
ARTIFACT = ",".join([*easyscale.COLUMNS, "user"]) + "\na,5,bert,4,8,2,1,v100,ann\nb,0,bert,2,8,2,0,t4,bob\n"


@pytest.mark.parametrize("text", [OWN, ARTIFACT])
def test_other_columns_pass_through_and_jobs_say_what_they_are(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    result = simcore.trace(tmp_path / "t.csv", policies=["fifo", "easyscale-homo"], order="submission")
    jobs = [dict(row) for row in result.jobs]
    assert [(row["name"], row["user"]) for row in jobs] == [("b", "bob"), ("a", "ann")] * 2
    assert [(row["model"], row["batch_size"], row["gang"], row["gpu_type"]) for row in jobs[:2]] == [
        ("bert", 8, 2, "t4"),
        ("bert", 8, 4, "v100"),
    ]
    if text == OWN:
        assert [(row["trace_jct_s"], row["queue"]) for row in jobs[:2]] == [("78", ""), ("77", "x, y")]
        assert jobs[0]["jct_s"] != 78


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (OWN.replace("submit_s", "sumbit_s"), "found no column 'submit_s'.* Did you mean 'sumbit_s'"),
        (OWN.replace("queue", "user"), "column 'user' twice"),
    ],
)
def test_columns_that_are_missing_or_doubled(tmp_path, header, message):
    (tmp_path / "t.csv").write_text(header)
    with pytest.raises(InputError, match=message):
        simcore.trace(tmp_path / "t.csv", policies=["fifo"])


def test_a_file_that_is_stretched_to_a_load_says_so_where_it_is_never_steady(tmp_path):
    rows = "".join(f"j{n},{100 * n},{5 * (n + 1)},1\n" for n in range(30))
    (tmp_path / "jobs.csv").write_text(f"name,submit_s,duration_s,gpus\n{rows}")
    cluster = Cluster("c", ("gpu",), (100,))
    said = simcore.trace(tmp_path / "jobs.csv", cluster=cluster, policies=["fifo"], load=0.9).warnings
    assert any("the load is never steady. Take a longer trace, of about " in each for each in said)
    assert not simcore.trace(tmp_path / "jobs.csv", cluster=cluster, policies=["fifo"]).warnings
