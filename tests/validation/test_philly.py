"""``fifo`` and ``sjf`` on nodes, held against a literal scheduler: a week of Philly, and random traces."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import simcore
from simcore.cluster import CORRECTED, Node, cluster_of_nodes
from simcore.models.cluster.policies.registry import find_policy
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import same_everywhere
from simcore.traces import durations

from tests.philly import NODES, SIZE, cluster_text, schedule, trace_text, week

AT_ONCE = replace(CORRECTED, startup_delay=0.0)


@pytest.mark.parametrize("policy", ["fifo", "sjf"])
def test_a_week_of_philly(policy, shared, tmp_path):
    jobs = week(shared)
    assert len(jobs) == 10_650
    (tmp_path / "week.csv").write_text(trace_text(jobs))
    (tmp_path / "philly.yaml").write_text(cluster_text())
    result = simcore.trace(
        tmp_path / "week.csv",
        cluster=tmp_path / "philly.yaml",
        interval="event",
        startup_delay=0,
        policies=[policy],
        placement="packed",
    )
    first = dict(zip(NODES, (sum(list(NODES.values())[:k]) for k in range(len(NODES))), strict=True))
    expected = [
        (start, end, " ".join(f"{first[job[3]] + node}:{gpus}" for node, gpus in held))
        for job, (start, end, held) in zip(jobs, schedule(jobs, NODES, policy), strict=True)
    ]
    table = result.jobs
    assert table.column("name") == [f"j{row}" for row in range(len(jobs))]
    assert list(zip(table.column("start_s"), table.column("end_s"), table.column("nodes"), strict=True)) == expected


def a_trace(seed):
    """Return random jobs on random nodes, with many submissions and durations that are alike."""
    dice = random.Random(seed)
    size = dice.choice([1, 4, 8])
    nodes = {vc: dice.randint(1, 5) for vc in "ab"}
    jobs = []
    for _ in range(40):
        vc = dice.choice("ab")
        gpus = dice.choice([1, 1, 2, 3, size, 2 * size, dice.randint(1, size * nodes[vc])])
        jobs.append((dice.randint(0, 60), dice.randint(1, 30), min(gpus, size * nodes[vc]), vc))
    return jobs, nodes, size


@pytest.mark.parametrize("policy", ["fifo", "sjf"])
def test_random_traces(policy):
    for seed in range(200):
        jobs, nodes, size = a_trace(seed)
        trace = durations.read(trace_text(jobs), "random")
        cluster = cluster_of_nodes("c", [Node("v100", size, vc) for vc, count in nodes.items() for _ in range(count)])
        trace = durations.with_types(trace, cluster)
        times = same_everywhere(trace, cluster)
        log = simulate(trace, cluster, times, find_policy(policy), interval=None, rules=AT_ONCE)
        first = {"a": 0, "b": nodes["a"]}
        expected = schedule(jobs, nodes, policy, size)
        for row, time, held in zip(log.row, log.time, log.nodes, strict=True):
            job = int(trace.names[row][1:])
            found = [(node - first[jobs[job][3]], gpus) for node, gpus, _ in held]
            assert (time, log.end[row], found) == expected[job], (seed, job)
        assert len(log.row) == len(jobs)


def test_the_whole_trace_has_its_jobs(shared):
    from tests.philly import philly_jobs

    assert len(philly_jobs(shared)) == 82_229
    assert SIZE == 8
