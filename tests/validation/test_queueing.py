"""Policies, decided at every event and without start-up, against queueing theory: c servers, gangs of one GPU."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
import simcore
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, Trace, WorkUnit
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes

JOBS, BATCHES, WARM_UP = 60_000, 30, 5_000
MEAN_SERVICE = 100.0


def waits(servers: int, load: float, service, seed: int) -> np.ndarray:
    """Queueing delays of Poisson arrivals at one FIFO queue, without the warm-up."""
    arrivals, lengths = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    submit = np.cumsum(arrivals.exponential(MEAN_SERVICE / (load * servers), JOBS))
    job = JobClass("unit", 1, 1, False, "v100")
    trace = Trace(
        "queue", [str(i) for i in range(JOBS)], submit, service(lengths), np.zeros(JOBS, dtype=np.int64), (job,)
    )
    result = simcore.trace(
        trace,
        policies=["fifo"],
        cluster=Cluster("c", ("v100",), (servers,)),
        rates=StepTimes("unit", {("unit", 1, "v100"): 1.0}),
        interval="event",
        rules=Rules(startup_delay=0.0),
    )
    return result.runs[0].times.queueing[WARM_UP:]


def agrees(delays: np.ndarray, expected: float) -> bool:
    """Within three standard errors of the batch means."""
    means = np.array([batch.mean() for batch in np.array_split(delays, BATCHES)])
    return abs(means.mean() - expected) <= 3 * means.std(ddof=1) / np.sqrt(BATCHES)


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival waits in M/M/c."""
    offered = servers * load
    last = offered**servers / factorial(servers) / (1 - load)
    return last / (sum(offered**k / factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (4, 0.7), (16, 0.8)])
def test_mmc(servers, load):
    delays = waits(servers, load, lambda rng: rng.exponential(MEAN_SERVICE, JOBS), seed=1)
    assert agrees(delays, erlang_c(servers, load) * MEAN_SERVICE / (servers * (1 - load)))


def test_md1():
    load = 0.7
    delays = waits(1, load, lambda rng: np.full(JOBS, MEAN_SERVICE), seed=2)
    assert agrees(delays, load * MEAN_SERVICE / (2 * (1 - load)))


def test_mg1():
    """Pollaczek-Khinchine, gamma service times with a squared coefficient of variation of 2."""
    load, variation = 0.6, 2.0
    delays = waits(1, load, lambda rng: rng.gamma(1 / variation, MEAN_SERVICE * variation, JOBS), seed=3)
    assert agrees(delays, load * (1 + variation) * MEAN_SERVICE / (2 * (1 - load)))


def completions(policy, load, jobs, *, servers=1, priorities=None, seed=4) -> np.ndarray:
    """Completion times of Poisson arrivals and exponential service, without the warm-up."""
    arrivals, lengths = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    submit = np.cumsum(arrivals.exponential(MEAN_SERVICE / (load * servers), jobs))
    work = lengths.exponential(MEAN_SERVICE, jobs)
    trace = Trace(
        "queue",
        [str(i) for i in range(jobs)],
        submit,
        work,
        np.zeros(jobs, dtype=np.int64),
        (JobClass("unit", 1, 1, False, "v100"),),
        WorkUnit.GANG_SECONDS,
        numbers={} if priorities is None else {"priority": np.asarray(priorities, dtype=np.float64)},
        by_submission=True,
    )
    cluster = Cluster("c", ("v100",), (servers,))
    result = simcore.trace(trace, policies=[policy], cluster=cluster, interval="event", startup_delay=0)
    return result.runs[0].times.jct[jobs // 10 :]


def test_srpt():
    """Schrage and Miller, 1966: waiting until first served, then residence."""
    load, points = 0.7, np.linspace(0.0, 15.0, 30_001)
    density = np.exp(-points)
    steps = np.diff(points, prepend=0.0)
    below = load * np.cumsum(points * density * steps)  # load of jobs up to x
    squares = load * np.cumsum(points**2 * density * steps)
    waits = (squares + load * points**2 * np.exp(-points)) / (2 * (1 - below) ** 2)
    residence = np.cumsum(steps / (1 - below))
    expected = MEAN_SERVICE * float(((waits + residence) * density * steps).sum())
    assert agrees(completions("srtf", load, 20_000), expected)


def test_foreground_background():
    """Schrage, 1967: a job of length x waits for all others up to x."""
    load, points = 0.5, np.linspace(0.0, 15.0, 30_001)
    steps = np.diff(points, prepend=0.0)
    tail = np.exp(-points)
    truncated, squares = load * np.cumsum(tail * steps), load * np.cumsum(2 * points * tail * steps)
    times = squares / (2 * (1 - truncated) ** 2) + points / (1 - truncated)
    expected = MEAN_SERVICE * float((times * tail * steps).sum())
    assert agrees(completions("las:quantum=4", load, 4_000), expected)


def test_priorities():
    """Preemptive M/M/c: the upper class knows no lower one, and all together are M/M/c."""
    servers, load, jobs = 4, 0.8, 20_000
    upper = np.random.default_rng(9).random(jobs) < 0.5
    times = completions("priority", load, jobs, servers=servers, priorities=upper)
    kept = upper[jobs // 10 :]

    def mean(load):
        return MEAN_SERVICE * (1 + erlang_c(servers, load) / (servers * (1 - load)))

    assert agrees(times[kept], mean(load / 2))
    assert agrees(times, mean(load))
