"""The trace experiment of EasyScale (SC'23) against its published numbers and the artifact's own simulator."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import simcore


def table(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def fitted():
    return simcore.trace()


@pytest.fixture(scope="module")
def measured():
    return simcore.trace(rates="sc23-measured")


def run_of(result, policy):
    return next(run for run in result.runs if run.policy == policy)


def row_of(result, policy):
    return next(row for row in result.table if row["policy"] == policy)


@pytest.mark.parametrize(
    ("policy", "file", "mean"),
    [
        ("yarn-cs", "peer_jobs_fit_fifo.csv", 8898.9656),
        ("easyscale-homo", "peer_jobs_fit_easyscale_homo.csv", 1068.2316),
    ],
)
def test_every_completion_equals_the_artifacts_simulator(shared, fitted, policy, file, mean):
    peer = {row["name"]: row for row in table(shared / "data/easyscale" / file)}
    times = run_of(fitted, policy).times
    assert set(peer) == set(fitted.trace.names)
    for name, end, rescales in zip(fitted.trace.names, times.end, times.rescales, strict=True):
        assert end == pytest.approx(float(peer[name]["completion_s"]), abs=1e-6)
        assert rescales == int(peer[name]["num_restarts"])
    assert row_of(fitted, policy)["mean_jct_s"] == pytest.approx(mean, abs=1e-4)


def test_homogeneous_allocation_series_equals_the_published_one_at_every_point(shared, fitted):
    published = table(shared / "data/easyscale/trace_alloc_published.csv")
    ours = [row for row in fitted.allocation if row["policy"] == "easyscale-homo"]
    assert len(published) == 113
    assert [row["time_s"] for row in ours] == [float(row["row_label_s"]) for row in published]
    assert [row["clock_s"] for row in ours] == [float(row["sim_clock_s"]) for row in published]
    assert [row["total"] for row in ours] == [int(row["easyscale_homo_gpus"]) for row in published]


def test_heterogeneous_run_lies_in_the_band(shared, fitted):
    published = {row["policy"]: row for row in table(shared / "data/easyscale/jct_makespan_published.csv")}
    row, heter = row_of(fitted, "easyscale-heter"), published["EasyScale-heter"]
    assert row["mean_jct_s"] == pytest.approx(float(heter["jct_s"]), rel=0.10)
    assert row["makespan_s"] == pytest.approx(float(heter["makespan_s"]), rel=0.05)


@pytest.mark.parametrize(("policy", "mean"), [("yarn-cs", 6238.0027), ("easyscale-homo", 583.9790)])
def test_measured_rates(measured, policy, mean):
    assert row_of(measured, policy)["mean_jct_s"] == pytest.approx(mean, abs=0.001)


def test_artifacts_own_file_gives_the_bundled_trace(shared, fitted):
    result = simcore.trace(shared / "traces/easyscale_sc23/test.csv")
    assert list(result.trace.names) == list(fitted.trace.names)
    for mine, bundled in zip(result.runs, fitted.runs, strict=True):
        np.testing.assert_array_equal(mine.times.end, bundled.times.end)


def test_bundled_facts_equal_the_published_ones(shared, fitted):
    effective = table(shared / "data/easyscale/workload_effective_62_jobs.csv")
    epoch = {r["application"]: float(r["samples_per_epoch_in_simulator"]) for r in
             table(shared / "data/easyscale/applications.csv")}  # fmt: skip
    trace = fitted.trace
    assert [row["name"] for row in effective] == list(trace.names)
    for row, submit, samples, kind in zip(effective, trace.submit, trace.work, trace.class_index, strict=True):
        job = trace.classes[kind]
        assert submit == float(row["time_s"])
        assert samples == pytest.approx(float(row["epochs"]) * epoch[row["application"]], rel=1e-14)
        assert (job.model, job.gpu_type) == (row["application"], row["preferred_gpu"])
        assert (job.batch_size, job.max_parallelism) == (int(row["batch_size"]), int(row["max_parallelism"]))
        assert job.heterogeneous == (row["enable_heterogeneous_deterministic"] != "0")


@pytest.mark.parametrize(("name", "file"), [("sc23-fitted", "step_times_fit"), ("sc23-measured", "step_times_recon0")])
def test_rate_tables_hold_the_source_numbers(shared, name, file):
    from simcore.readers.step_times import read_step_times

    rates = read_step_times(name).value
    source = table(shared / f"data/easyscale/{file}.csv")
    assert len(source) == len(rates.seconds)
    for row in source:
        assert rates.seconds[row["application"], int(row["batch_size"]), row["gpu"]] == float(row["step_time_s"])


def test_bundled_trace_oversubscribes_the_v100s(fitted):
    assert [note for note in fitted.warnings if "1.42 times" in note and "v100" in note]
