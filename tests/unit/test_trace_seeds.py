"""Confidence intervals over seeds: what a seed varies, traces drawn anew, and differences within noise."""

import numpy as np
import pytest
from simcore.errors import InputError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.intervals import difference, mean_interval, within_noise
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.models.cluster.policies.registry import find_policy
from simcore.studies.trace import TraceRequest, trace
from simcore.studies.trace.seeds import varied
from simcore.traces.resampled import DAY, resampled

JOB = JobClass("bert", 8, 4, True, "v100")


def _trace(submit):
    names = [f"job-{row}" for row in range(len(submit))]
    return build_trace("mine", names, submit, [64.0 + row for row in range(len(submit))], [JOB] * len(submit))


def test_students_interval_is_that_of_the_tables():
    # t of 4 degrees of freedom at 97.5 % is 2.776; the deviation of 1 to 5 is 1.5811
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert interval.half == pytest.approx(2.776 * 1.5811 / np.sqrt(5), rel=1e-3)
    assert (interval.mean, interval.runs) == (3.0, 5)


def test_students_interval_holds_the_mean_in_95_of_100_samples():
    random = np.random.default_rng(np.random.SeedSequence(7))
    intervals = [mean_interval(random.normal(3.0, 2.0, 6).tolist()) for _ in range(2000)]
    share = np.mean([each.low <= 3.0 <= each.high for each in intervals])
    assert share == pytest.approx(0.95, abs=0.015)


def test_pairs_see_a_difference_that_means_alone_do_not():
    before = [10.0, 50.0, 90.0]
    after = [11.0, 51.1, 90.9]
    assert within_noise(difference(before, after)) is False
    assert mean_interval(before).half > 60.0


def test_what_a_seed_varies():
    nodes = Cluster("n", ("v100",), (8,))
    assert varied(TraceRequest("sc23"), nodes, {}) == []
    assert varied(TraceRequest("sc23", resample="jobs"), nodes, {}) == ["the jobs drawn from the trace"]
    noisy = {"sjf": find_policy("sjf:estimate=noisy"), "fifo": find_policy("fifo")}
    assert varied(TraceRequest("sc23"), nodes, noisy) == ["the noise of estimates (sjf)"]
    assert varied(TraceRequest("sc23"), nodes, {"sjf": find_policy("sjf:estimate=noisy,noise=0")}) == []
    assert varied(TraceRequest("sc23", placement="random"), nodes, {}) == []  # no nodes to choose among


def test_jobs_drawn_anew_keep_their_submissions():
    one = _trace([0.0, 10.0, 20.0, 30.0, 40.0])
    drawn = resampled(one, "jobs", 3)
    assert drawn.submit.tolist() == one.submit.tolist()
    assert set(drawn.work.tolist()) <= set(one.work.tolist())
    assert len(set(drawn.names)) == len(one)
    assert resampled(one, "jobs", 3).work.tolist() == drawn.work.tolist()
    assert resampled(one, "jobs", 4).work.tolist() != drawn.work.tolist()


def test_days_drawn_anew_keep_the_time_of_the_day():
    one = _trace([hour * 3600.0 for hour in range(0, 24 * 5, 5)])
    drawn = resampled(one, "days", 1)
    assert bool((np.diff(drawn.submit) >= 0).all())
    clock = {row: time % DAY for row, time in zip(one.work.tolist(), one.submit.tolist(), strict=True)}
    assert [clock[work] for work in drawn.work.tolist()] == [time % DAY for time in drawn.submit.tolist()]


def test_days_of_a_trace_of_hours_are_refused():
    with pytest.raises(InputError, match="a trace of two days or more"):
        trace("sc23", policies="fifo", resample="days", seeds=2)


def test_a_deadline_moves_with_its_job():
    from simcore.traces import durations

    text = "name,submit_s,duration_s,gpus,deadline_s\n" + "".join(
        f"j{i},{i * 50},10,1,{i * 50 + 30}\n" for i in range(9)
    )
    drawn = resampled(durations.read(text, "mine"), "jobs", 2)
    assert (drawn.numbers["deadline_s"] - drawn.submit).tolist() == [30.0] * 9


def test_seeds_give_each_metric_with_its_interval():
    how = {"trace": "synthetic:jobs=60,load=1.5", "policies": "fifo,srtf", "interval": "event"}
    result = trace(**how, seeds=4, seed=5)
    alone = [trace(**how, seed=seed) for seed in (5, 6, 7, 8)]
    wanted = mean_interval([each.table[1]["mean_jct_s"] for each in alone])
    row = next(r for r in result.intervals if (r["policy"], r["metric"]) == ("srtf", "mean_jct_s"))
    assert (row["mean"], row["low"], row["high"], row["seeds"]) == (wanted.mean, wanted.low, wanted.high, 4)
    assert result.table == alone[0].table
    best = next(r for r in result.winners if r["metric"] == "mean_jct_s")
    assert best["winner"] == "srtf"
    assert best["within_noise"] == (best["difference_low"] <= 0.0)
    assert "seeds 5 to 8" in repr(result)


def test_noise_follows_the_seed_of_the_study():
    runs = [trace("synthetic:jobs=60", policies="sjf:estimate=noisy,noise=2", interval="event", resample=None, seed=s)
            for s in (0, 0, 1)]  # fmt: skip
    assert runs[0].table == runs[1].table
    assert runs[0].table != runs[2].table


def test_where_no_seed_changes_anything_one_run_is_made_and_said():
    result = trace("sc23", policies="fifo", seeds=50)
    assert result.samples == ()
    assert any("no seed changes anything" in warning and "--resample" in warning for warning in result.warnings)
