"""Shares of GPUs, cores, memory and jobs of any type, against a literal scheduler and the rules of all policies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simcore.cluster import CORRECTED, Node, cluster_of_nodes
from simcore.models.cluster import metrics
from simcore.models.cluster.demand_room import with_needs
from simcore.models.cluster.placers import PLACERS
from simcore.models.cluster.policies.registry import POLICIES, find_policy
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import same_everywhere
from simcore.traces import durations

from tests.shares import Nodes, a_trace, schedule, trace_text

AT_ONCE = replace(CORRECTED, startup_delay=0.0)
RIGID = [name for name in POLICIES if find_policy(name).gang]


def simulated(jobs, nodes, policy, placement="packed"):
    cluster = cluster_of_nodes("c", [Node(t, g, cpus=c, memory=m * 2**30) for t, g, c, m in nodes])
    trace = durations.with_types(durations.read(trace_text(jobs), "random"), cluster)
    trace = with_needs(trace, cluster)
    placer = PLACERS[placement]([trace.classes[index].gpus for index in trace.class_index.tolist()])
    times = same_everywhere(trace, cluster)
    return trace, simulate(trace, cluster, times, find_policy(policy), interval=None, rules=AT_ONCE, placer=placer)


def gpus_of(slots):
    return tuple(gpu for gpu in range(slots.bit_length()) if slots >> gpu & 1)


def test_fifo_is_equal_to_a_literal_scheduler():
    for seed in range(200):
        jobs, nodes = a_trace(seed)
        trace, log = simulated(jobs, nodes, "fifo")
        expected = schedule(jobs, nodes)
        for row, time, held in zip(log.row, log.time, log.nodes, strict=True):
            job = int(trace.names[row][1:])
            found = [(node, gpus_of(slots)) for node, _, slots in held]
            assert (time, log.end[row], found) == expected[job], (seed, job)
        assert len(log.row) == len(jobs)


def check(jobs, nodes, trace, log):
    """Replay the log: no GPU holds more than itself, no node more than its cores and memory, all work is done."""
    free, held = Nodes(nodes), {}
    entries = [(time, 1, number) for number, time in enumerate(log.time)]
    for _, starts, number in sorted([*entries, *((end, 0, row) for row, end in enumerate(log.release))]):
        row = log.row[number] if starts else number
        job = jobs[int(trace.names[row][1:])]
        if row in held:
            free.move(job, held.pop(row), 1)
        if starts and log.nodes[number]:
            held[row] = [(node, gpus_of(slots)) for node, _, slots in log.nodes[number]]
            used = log.placements[log.placement[number]].gpus
            types = {nodes[node][0] for node, _ in held[row]}
            assert len(types) == 1
            assert types <= set(job[4].split("|") if job[4] else "ab")
            assert sum(len(gpus) for _, gpus in held[row]) == job[2]
            assert dict(zip(("a", "b"), used, strict=True))[types.pop()] == job[2] * job[3] / 1000
            assert sum(count for _, count, _ in log.nodes[number]) == sum(used)
            free.move(job, held[row], -1)
    assert not held
    times = metrics.job_times(trace, segments := metrics.cut_segments(log, 2))
    assert not np.isnan(log.end).any()
    assert times.jct == pytest.approx(times.queueing + times.running)
    assert times.running == pytest.approx(trace.work)
    assert times.gpu_seconds.sum(axis=1) == pytest.approx(trace.gpus * trace.work)
    _, allocated = metrics.allocation(log, segments, None, AT_ONCE)
    assert not allocated[-1].any()  # exactly


@pytest.mark.parametrize("policy", RIGID)
def test_rules_of_every_policy(policy):
    for seed in range(1 if policy == "gavel" else 10):
        jobs, nodes = a_trace(seed)
        check(jobs, nodes, *simulated(jobs, nodes, policy))


@pytest.mark.parametrize("placement", PLACERS)
def test_rules_of_every_placement(placement):
    for policy in ("fifo-skip", "srtf"):
        for seed in range(12):
            jobs, nodes = a_trace(seed)
            check(jobs, nodes, *simulated(jobs, nodes, policy, placement))
