"""What happens at one instant: rounding decides nothing, whatever unit times are counted in."""

from __future__ import annotations

import resource
from dataclasses import replace

import numpy as np
import pytest
import simcore
from simcore.cluster import PUBLISHED, Cluster, JobClass, StepTimes, build_trace, read_cluster, read_step_times
from simcore.models.cluster.policies.easyscale.proposals import proposals
from simcore.traces import read_trace

ONE_OF_EACH = Cluster("two", ("v100", "t4"), (1, 1))


def elastic(scale):
    """Twelve threads on a GPU with 0.1 s and one with 0.3 s: nine and three of them end together."""
    job = JobClass("m", 1, 12, True, "t4")
    times = StepTimes("mine", {("m", 1, "v100"): 0.1 * scale, ("m", 1, "t4"): 0.3 * scale})
    trace = build_trace("one", ["a"], [0.0], [1200.0], [job])
    return simcore.trace(
        trace, cluster=ONE_OF_EACH, rates=times, policies=["easyscale-heter"], interval="event", startup_delay=0.0
    )


@pytest.mark.parametrize("scale", [1.0, 10.0, 0.1, 3.0])
def test_whole_multiples_are_no_neighbours(scale):
    """The step takes 9 x 0.1 s: 3 x 0.3 / 0.1 is 9 and not 8.999."""
    assert elastic(scale).table[0]["mean_jct_s"] == pytest.approx(90.0 * scale)


@pytest.mark.parametrize("factor", [10.0, 0.1, 3.0])
def test_three_hundred_jobs_have_no_scale(factor):
    cluster, times = read_cluster("sc23").value, read_step_times("sc23-fitted").value
    jobs = read_trace("synthetic-elastic:jobs=300,load=0.9", cluster=cluster, seed=0).value
    slow = replace(jobs, submit=factor * jobs.submit)
    slow_times = StepTimes("slow", {key: factor * t for key, t in times.seconds.items()})
    a, b = (
        simcore.trace(trace, cluster=cluster, rates=rates, policies=["easyscale-heter"], interval=60.0 * by,
                      startup_delay=20.0 * by, order="submission").runs[0].times.jct
        for trace, rates, by in ((jobs, times, 1.0), (slow, slow_times, factor))
    )  # fmt: skip
    np.testing.assert_allclose(b, factor * a, rtol=1e-9)


@pytest.mark.parametrize("policy", ["fifo", "yarn-cs"])
@pytest.mark.parametrize("scale", [1.0, 10.0, 0.1, 3.0])
def test_a_submission_and_a_completion_at_one_instant_are_seen_together(policy, scale):
    """A ends at 3 x 0.7 s as B is submitted: 2.1 s. Both are there, and B stands in the first row."""
    job = JobClass("m", 1, 1, False, "g")
    trace = build_trace("three", ["B", "A", "C"], [2.1 * scale, 0.0, 1.0 * scale], [3.0] * 3, [job] * 3)
    result = simcore.trace(
        trace, cluster=Cluster("one", ("g",), (1,)), rates=StepTimes("mine", {("m", 1, "g"): 0.7 * scale}),
        policies=[policy], interval="event", startup_delay=0.0,
    )  # fmt: skip
    np.testing.assert_allclose(result.runs[0].times.end, np.array([4.2, 2.1, 6.3]) * scale)
    assert (result.runs[0].times.queueing >= 0).all()


def test_submissions_at_one_instant_are_decided_together():
    job = JobClass("m", 1, 1, False, "g")
    trace = build_trace("two", ["a", "b"], [0.1 + 0.2, 0.3], [1.0, 1.0], [job, job])
    result = simcore.trace(
        trace, cluster=Cluster("one", ("g",), (1,)), rates=StepTimes("mine", {("m", 1, "g"): 1.0}),
        policies=["fifo"], interval="event", startup_delay=0.0,
    )  # fmt: skip
    assert result.runs[0].times.end.tolist() == pytest.approx([1.3, 2.3])
    assert result.runs[0].log.rounds == 3


def test_a_submission_at_a_tick_waits_for_no_other():
    """3 x 0.1 is more than 0.3 by rounding: the tick sees the job all the same."""
    job = JobClass("m", 1, 1, False, "g")
    trace = build_trace("one", ["a"], [0.1 + 0.2], [1.0], [job])
    result = simcore.trace(
        trace, cluster=Cluster("one", ("g",), (1,)), rates=StepTimes("mine", {("m", 1, "g"): 1.0}),
        policies=["fifo"], interval=0.3, startup_delay=0.0,
    )  # fmt: skip
    assert result.runs[0].times.start.tolist() == [0.1 + 0.2]
    assert result.runs[0].times.queueing.tolist() == [0.0]


LARGE = Cluster("large", ("v100", "p100", "t4"), (2048, 1024, 1024))
SPEEDS = {("m", 1, "v100"): 0.1, ("m", 1, "p100"): 0.17, ("m", 1, "t4"): 0.24}


@pytest.mark.parametrize(("assignment", "single"), [("worst", "linear"), ("best", "exact")])
def test_a_job_of_today_fits_in_memory(assignment, single):
    """1,024 threads on three GPU types: a million placements, of less than 100 bytes each, in less than 1 GiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = proposals(1024, (2.4, 24 / 17, 1.0), LARGE.counts, assignment, single)
    arrays = (found.gpus, found.threads, found.speedup, found.waste, found.sizes)
    assert len(found.sizes) == 1_038_337
    assert sum(array.nbytes for array in arrays) < 100 * len(found.sizes)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # [KiB]


def test_a_job_of_today_runs():
    trace = build_trace("big", ["a"], [0.0], [1_024_000.0], [JobClass("m", 1, 1024, True, "v100")])
    result = simcore.trace(trace, cluster=LARGE, rates=StepTimes("mine", SPEEDS), policies=["easyscale-heter"])
    assert result.table[0]["mean_jct_s"] > 0


def test_a_job_that_is_too_large_is_refused_by_its_name():
    trace = build_trace("big", ["small", "huge"], [0.0, 1.0], [1e6, 1e6],
                        [JobClass("m", 1, 4, True, "v100"), JobClass("m", 1, 100_000, True, "v100")])  # fmt: skip
    with pytest.raises(simcore.errors.InputError, match="job 'huge', field 'max_parallelism': found 100,000 threads"):
        simcore.trace(trace, cluster=LARGE, rates=StepTimes("mine", SPEEDS), policies=["easyscale-heter"])


def test_every_refusal_of_a_job_has_its_name():
    good = JobClass("m", 1, 4, True, "v100")
    for bad, work, at in (
        (JobClass("other", 1, 4, True, "v100"), 1.0, 0.0),
        (JobClass("m", 2, 4, True, "v100"), 1.0, 0.0),
        (JobClass("m", 1, 4, True, "h100"), 1.0, 0.0),
        (JobClass("m", 1, 4096, True, "v100"), 1.0, 0.0),
        (good, 1e30, 0.0),
        (good, 1.0, 1e30),
    ):
        trace = build_trace("two", ["a", "the-job"], [0.0, at], [1.0, work], [good, bad])
        with pytest.raises(simcore.errors.InputError, match="job 'the-job'"):
            simcore.trace(trace, cluster=LARGE, rates=StepTimes("mine", SPEEDS), policies=["fifo"])
    missing = StepTimes("mine", {key: t for key, t in SPEEDS.items() if key[2] != "t4"})
    trace = build_trace("one", ["the-job"], [0.0], [1.0], [good])
    with pytest.raises(simcore.errors.InputError, match="job 'the-job'"):
        simcore.trace(trace, cluster=LARGE, rates=missing, policies=["easyscale-heter"])


def test_the_published_figure_does_not_hang_on_the_tolerance():
    row = simcore.trace(policies=["easyscale-heter"], rules=PUBLISHED).table[0]
    assert round(row["mean_jct_s"], 1) == 682.7


def test_changes_at_one_instant_are_one_rescale():
    """The decision at 0 s is repeated: the job starts on one GPU, doubles three times and then runs on eight."""
    trace = build_trace("one", ["a"], [0.0], [80.0], [JobClass("m", 1, 8, False, "v100")])
    result = simcore.trace(
        trace, cluster=Cluster("eight", ("v100",), (8,)), rates=StepTimes("mine", {("m", 1, "v100"): 1.0}),
        policies=["easyscale-homo"], interval="event", startup="every-change",
    )  # fmt: skip
    assert len(result.runs[0].log.time) == 4
    assert result.runs[0].times.rescales.tolist() == [0]
    assert result.runs[0].times.end.tolist() == [30.0]  # one start-up of 20 s, and ten steps
