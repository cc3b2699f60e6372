"""What holds for every run of every policy."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import simcore
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simcore.models.cluster import metrics
from simcore.models.cluster.jobs import NEAR, build_trace
from simcore.models.cluster.policies import find_policy
from simcore.models.cluster.rules import CORRECTED
from simcore.models.cluster.step_times import StepTimes

from tests.strategies import clusters, random_traces, rate_tables, rule_sets

RULED = ("fifo", "fifo-skip", "sjf", "yarn-cs", "easyscale-homo", "easyscale-heter")
"""Policies that decide by order and counts. Those of `test_policy_oracle` compare computed times, where rounding breaks
ties, or look anew after so many seconds: their time has a scale."""

INTERVALS = st.sampled_from(("event", 16.0, 60.0))


def study(trace, cluster, rates, policy, interval, rules):
    return simcore.trace(trace, policies=[policy], cluster=cluster, rates=rates, interval=interval, rules=rules)


@pytest.mark.parametrize("policy", RULED)
@settings(max_examples=60)
@given(trace=random_traces(), cluster=clusters(), rates=rate_tables(), rules=rule_sets(), interval=INTERVALS)
def test_invariants(policy, trace, cluster, rates, rules, interval):
    result = study(trace, cluster, rates, policy, interval, rules)
    run, times = result.runs[0], result.runs[0].times

    # no tick with more GPUs than exist
    _, gpus = metrics.allocation(run.log, run.segments, result.interval, replace(rules, makespan="span"))
    assert (gpus >= 0).all()
    assert (gpus <= cluster.counts).all()
    # no job lost or run twice: segments of a job follow each other without overlap, and it ends after it began
    assert np.isfinite(times.end).all()
    assert sorted(set(run.segments.row.tolist())) == list(range(len(trace)))
    same = run.segments.row[1:] == run.segments.row[:-1]
    assert (run.segments.end[:-1][same] == run.segments.start[1:][same]).all()
    # times add up
    np.testing.assert_allclose(times.jct, times.queueing + times.running, rtol=1e-12)
    assert (times.queueing >= 0).all()
    assert (times.start >= trace.submit).all()
    # samples processed equal the job's work
    np.testing.assert_allclose(processed(result), trace.steps(), rtol=1e-8)
    # rigid jobs hold their gang, and nothing else, while they run
    if find_policy(policy).gang:
        size = np.array([c.max_parallelism for c in trace.classes])[trace.class_index]
        np.testing.assert_allclose(times.gpu_seconds.sum(axis=1), size * times.running, rtol=1e-12)
    # Little's law: the time integral of jobs in the system is the sum of their stays
    events = sorted([(t, 1) for t in trace.submit] + [(t, -1) for t in times.end])
    area, inside, last = 0.0, 0, events[0][0]
    for at, change in events:
        area, inside, last = area + inside * (at - last), inside + change, at
    np.testing.assert_allclose(area, times.jct.sum(), rtol=1e-12)
    # event counts: one per round in which something changes, and a handful
    changes = len(set(run.log.time)) + len(set(run.log.release)) + len(set(trace.submit.tolist()))
    assert run.log.events <= changes + 10
    assert run.log.rounds <= run.log.events


def processed(result):
    """Global mini-batches done by every job, from the changes of its placement alone."""
    log, rules = result.runs[0].log, result.rules
    done = np.zeros(len(result.trace))
    changes = [[] for _ in done]
    for at, row, index in zip(log.time, log.row, log.placement, strict=True):
        changes[row].append((at, index))
    for row, mine in enumerate(changes):
        delay = rules.startup_delay
        for (start, index), (end, _) in pairwise([*mine, (log.end[row], -1)]):
            if index >= 0:
                pause = min(delay, end - start)
                delay -= pause
                done[row] += (end - start - pause) / log.placements[index].step_time
                if rules.startup == "every-change":
                    delay = rules.startup_delay
    return done


@pytest.mark.parametrize("policy", RULED)
@settings(max_examples=40)
@given(data=st.data(), trace=random_traces(), cluster=clusters(), rates=rate_tables(), interval=INTERVALS)
def test_permuted_rows_change_nothing_under_corrected_rules(policy, data, trace, cluster, rates, interval):
    permuted = trace.take(data.draw(st.permutations(range(len(trace)))))
    a = study(trace, cluster, rates, policy, interval, CORRECTED)
    b = study(permuted, cluster, rates, policy, interval, CORRECTED)
    assert a.jobs.to_csv() == b.jobs.to_csv()
    assert a.allocation.to_csv() == b.allocation.to_csv()


def scaled(factor, trace, rates, rules, interval):
    """Submissions, step times, delays and interval times a factor."""
    slow = build_trace(
        "slow", trace.names, trace.submit * factor, trace.work, [trace.classes[k] for k in trace.class_index]
    )
    slow_rates = StepTimes("slow", {key: factor * t for key, t in rates.seconds.items()})
    slow_rules = replace(rules, startup_delay=factor * rules.startup_delay)
    return slow, slow_rates, slow_rules, interval if interval == "event" else factor * interval


@pytest.mark.parametrize("factor", [10.0, 0.1, 3.0])
@pytest.mark.parametrize("policy", RULED)
@settings(max_examples=40)
@given(
    unit=st.sampled_from((1.0, 0.1, 0.7)),
    trace=random_traces(),
    cluster=clusters(),
    rates=rate_tables(),
    rules=rule_sets(),
    interval=INTERVALS,
)
def test_time_has_no_scale(policy, factor, unit, trace, cluster, rates, rules, interval):
    """All times scaled give all results scaled, where both traces start near 0; and ties stay ties."""
    assume(factor * unit * trace.submit.min() <= NEAR)
    first = scaled(unit, trace, rates, rules, interval)
    second = scaled(factor, *first)
    (a, b) = (study(one, cluster, its_rates, policy, its_interval, its_rules)
              for one, its_rates, its_rules, its_interval in (first, second))  # fmt: skip
    np.testing.assert_allclose(b.runs[0].times.end, factor * a.runs[0].times.end, rtol=1e-9)
    np.testing.assert_allclose(b.runs[0].times.gpu_seconds, factor * a.runs[0].times.gpu_seconds, rtol=1e-9)
    np.testing.assert_array_equal(b.runs[0].times.rescales, a.runs[0].times.rescales)
    assert b.runs[0].log.rounds == a.runs[0].log.rounds
