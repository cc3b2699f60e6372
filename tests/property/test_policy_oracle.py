"""Policies held against a scheduler that looks at all jobs every second, and rules that hold under every policy."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from simcore.cluster import CORRECTED, Cluster, Node, cluster_of_nodes
from simcore.models.cluster import metrics
from simcore.models.cluster.policies import easy_backfill
from simcore.models.cluster.policies.registry import POLICIES, find_policy
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import same_everywhere
from simcore.traces import durations

AT_ONCE = replace(CORRECTED, startup_delay=0.0)
GPUS = 6


def a_trace(seed, sizes=(1, 1, 2, 3, 4, 6), jobs=14):
    dice = random.Random(seed)
    return [
        (dice.randint(0, 25), dice.randint(1, 12), dice.choice(sizes), dice.randint(0, 3), dice.choice(["ann", "bob"]))
        for _ in range(jobs)
    ]


def simulated(policy, jobs, cluster, vcs=("",)):
    rows = [f"j{i},{s},{d},{g},{p},{u},{vcs[i % len(vcs)]}" for i, (s, d, g, p, u) in enumerate(jobs)]
    trace = durations.read("\n".join(["name,submit_s,duration_s,gpus,priority,user,vc", *rows]), "t")
    trace = durations.with_types(trace, cluster)
    times = same_everywhere(trace, cluster)
    return trace, simulate(trace, cluster, times, find_policy(policy), interval=None, rules=AT_ONCE)


def every_second(jobs, key, *, preempts=True, skips=True):
    """Return the end of every job: each second all active jobs in the order of a key get their gangs."""
    left, got, ends, running = [d for _, d, *_ in jobs], [0] * len(jobs), [None] * len(jobs), set()
    now = 0
    while None in ends:
        active = sorted(
            (i for i, job in enumerate(jobs) if job[0] <= now and ends[i] is None),
            key=lambda i: (key(jobs[i], left[i], got[i]), jobs[i][0], i),
        )
        held = set() if preempts else set(running)
        free = GPUS - sum(jobs[i][2] for i in held)
        for i in active:
            if i in held:
                continue
            if jobs[i][2] <= free:
                held.add(i)
                free -= jobs[i][2]
            elif not skips:
                break
        running, now = held, now + 1
        for i in list(running):
            left[i] -= 1
            got[i] += jobs[i][2]
            if not left[i]:
                ends[i] = now
                running.remove(i)
    return ends


LITERAL = {
    "fifo": (lambda job, left, got: 0, {"preempts": False, "skips": False}),
    "fifo-skip": (lambda job, left, got: 0, {"preempts": False}),
    "sjf": (lambda job, left, got: job[1], {"preempts": False, "skips": False}),
    "qssf": (lambda job, left, got: job[1] * job[2], {"preempts": False, "skips": False}),
    "srtf": (lambda job, left, got: left, {}),
    "srsf": (lambda job, left, got: left * job[2], {}),
    "las:quantum=1": (lambda job, left, got: got, {}),
    "priority": (lambda job, left, got: -job[3], {}),
    "tiresias:thresholds=12/36": (lambda job, left, got: (got >= 12) + (got >= 36), {}),
}


@pytest.mark.parametrize("policy", LITERAL)
def test_as_if_looked_at_every_second(policy):
    key, how = LITERAL[policy]
    cluster = Cluster("c", ("v100",), (GPUS,))
    for seed in range(200):
        # thresholds are reached at whole seconds
        jobs = a_trace(seed, (1, 2, 3, 4, 6))
        trace, log = simulated(policy, jobs, cluster)
        ends = every_second(jobs, key, **how)
        assert [log.end[row] for row in range(len(jobs))] == [ends[int(name[1:])] for name in trace.names], seed


def planned(jobs, *, conservative):
    """Return the starts under backfilling, by counting free GPUs of every second from scratch."""
    starts = [None] * len(jobs)
    order = sorted(range(len(jobs)), key=lambda i: (jobs[i][0], i))
    now = 0
    while None in starts:
        free = np.full(1000, GPUS)
        for i, at in enumerate(starts):
            if at is not None:
                free[at : at + jobs[i][1]] -= jobs[i][2]
        waiting = [i for i in order if jobs[i][0] <= now and starts[i] is None]
        for place, i in enumerate(waiting):
            _, length, gpus, *_ = jobs[i]
            at = next(t for t in range(now, 1000) if (free[t : t + length] >= gpus).all())
            if at == now:
                starts[i] = now
            if at == now or conservative or not any(starts[j] is None for j in waiting[:place]):
                free[at : at + length] -= gpus
        now += 1
    return starts


@pytest.mark.parametrize("policy", ["easy-backfill", "conservative-backfill"])
def test_backfill_plans_as_if_by_hand(policy):
    cluster = Cluster("c", ("v100",), (GPUS,))
    for seed in range(200):
        jobs = a_trace(seed)
        trace, log = simulated(policy, jobs, cluster)
        starts = planned(jobs, conservative=policy.startswith("c"))
        assert dict(zip(log.row, log.time, strict=True)) == {
            row: starts[int(name[1:])] for row, name in enumerate(trace.names)
        }, seed


def test_easy_keeps_what_it_promised_the_head_on_nodes(monkeypatch):
    promised = {}
    reservation = easy_backfill.reserve

    def watched(room, number, row, ends, now):
        at, sketch = reservation(room, number, row, ends, now)
        promised.setdefault(row, at)
        return at, sketch

    monkeypatch.setattr(easy_backfill, "reserve", watched)
    cluster = cluster_of_nodes("c", [Node("v100", 3), Node("v100", 3)])
    for seed in range(100):
        promised.clear()
        _, log = simulated("easy-backfill", a_trace(seed, jobs=20), cluster)
        starts = dict(zip(log.row, log.time, strict=True))
        assert all(starts[row] <= at for row, at in promised.items()), seed
        assert promised or seed


def test_srtf_is_never_worse_than_fifo_on_one_gpu():
    cluster = Cluster("c", ("v100",), (1,))
    for seed in range(100):
        means = []
        for policy in ("srtf", "fifo"):
            trace, log = simulated(policy, a_trace(seed, (1,)), cluster)
            means.append(float((np.array(log.end) - trace.submit).mean()))
        assert means[0] <= means[1] + 1e-9


KNOW_NO_VCS = {"easyscale-homo", "easyscale-heter", "optimus"}


@pytest.mark.parametrize("policy", POLICIES)
def test_rules_of_every_policy(policy):
    """No node holds more than it has, gangs are whole, all work is done, and nobody is lost."""
    vcs = ("",) if policy in KNOW_NO_VCS else ("a", "b")
    cluster = cluster_of_nodes("c", [Node("v100", 3, vc) for vc in vcs for _ in range(2)])
    for seed in range(5 if policy == "gavel" else 25):  # a linear program takes a millisecond
        jobs = a_trace(seed)
        trace, log = simulated(policy, jobs, cluster, vcs)
        times = metrics.job_times(trace, metrics.cut_segments(log, 1))
        assert not np.isnan(log.end).any()
        assert times.jct == pytest.approx(times.queueing + times.running)
        if find_policy(policy).gang:
            assert times.running == pytest.approx(trace.work)
        # Little's law: jobs in the system over time are completion times over time
        assert times.jct.sum() == pytest.approx(np.sum(times.end - trace.submit))
        check_nodes(trace, log, cluster)


def check_nodes(trace, log, cluster):
    """Replay the log on the nodes."""
    free = [node.gpus for node in cluster.nodes]
    held = {}
    changes = [(time, 1, row, nodes) for time, row, nodes in zip(log.time, log.row, log.nodes, strict=True)]
    ends = [(end, 0, row, None) for row, end in enumerate(log.release)]
    changes = [(time, 1, number, row, nodes) for number, (time, _, row, nodes) in enumerate(changes)]
    merged = sorted([*changes, *((end, 0, 0, row, None) for end, _, row, _ in ends)], key=lambda each: each[:3])
    for _, _, _, row, nodes in merged:
        for node, gpus, _ in held.pop(row, ()):
            free[node] += gpus
        for node, gpus, _ in nodes or ():
            free[node] -= gpus
            assert cluster.nodes[node].vc == trace.classes[trace.class_index[row]].vc
        if nodes:
            held[row] = nodes
    assert free == [node.gpus for node in cluster.nodes]
