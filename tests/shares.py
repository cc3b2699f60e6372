"""A literal scheduler of nodes whose GPUs are shared and whose cores and memory count, without a line of simcore's.

It steps through the instants: first all releases, then all arrivals, then the queues. It looks at every GPU of every
node every time. A job is (submission, duration, GPUs, thousandths of each, types, cores, GiB), a node is (type, GPUs,
cores, GiB); no types means all.
"""

from __future__ import annotations

import random
from math import ceil

Job = tuple[int, int, int, int, str, int, int]
Node = tuple[str, int, int, int]
Lies = list[tuple[int, tuple[int, ...]]]
TYPES = ("a", "b")


def a_trace(seed: int) -> tuple[list[Job], list[Node]]:
    """Return random jobs, each of which fits some type, and random nodes."""
    dice = random.Random(seed)
    nodes = [(gpu, dice.choice([1, 2, 4]), 8, 16) for gpu in TYPES for _ in range(dice.randint(1, 4))]
    nodes += [(gpu, 4, 16, 32) for gpu in TYPES]
    jobs = []
    for _ in range(30):
        gpus = dice.choice([1, 1, 1, 1, 1, 2, 3, 4, 4])
        parts = dice.choice([1000, 460, 810, 320, 100, 333, 500]) if gpus == 1 else 1000
        types = dice.choice(["", "", "a", "b", "a|b"])
        jobs.append(
            (dice.randint(0, 40), dice.randint(1, 30), gpus, parts, types, dice.randint(0, 8), dice.randint(0, 16))
        )
    # one gang that takes whole nodes
    jobs.append((5, 9, 4 + min(n[1] for n in nodes if n[0] == "a"), 1000, "a", 2, 2))
    whole = [n for n in nodes if n[0] == "a" and n[1] == 4]
    return (jobs if len(whole) > 1 else jobs[:-1]), nodes


def trace_text(jobs: list[Job]) -> str:
    lines = [
        f"j{i},{at},{length},{gpus},{parts / 1000:g},{types},{cores},{memory * 2**30}"
        for i, (at, length, gpus, parts, types, cores, memory) in enumerate(jobs)
    ]
    return "\n".join(["name,submit_s,duration_s,gpus,gpu_share,gpu_type,cpus,memory_b", *lines]) + "\n"


class Nodes:
    """What is free: thousandths of each GPU, cores and GiB."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.gpus = [[1000] * gpus for _, gpus, _, _ in nodes]
        self.cores, self.memory = [n[2] * 1000 for n in nodes], [n[3] * 2**30 for n in nodes]

    def whole(self, n: int) -> list[int]:
        return [gpu for gpu, free in enumerate(self.gpus[n]) if free == 1000]

    def needs(self, job: Job, gpus: int) -> tuple[int, int]:
        return ceil(job[5] * 1000 * gpus / job[2]), ceil(job[6] * 2**30 * gpus / job[2])

    def able(self, job: Job, types: tuple[str, ...]) -> list[int]:
        """Return the nodes of some types with cores and memory for the GPUs that they may give."""
        found = []
        for n, (gpu, *_) in enumerate(self.nodes):
            cores, memory = self.needs(job, 1 if job[3] < 1000 else min(job[2], len(self.whole(n))))
            if gpu in types and cores <= self.cores[n] and memory <= self.memory[n]:
                found.append(n)
        return found

    def fit(self, job: Job) -> Lies | None:
        """Return (node, GPUs) of a job by best fit, None where it does not fit."""
        types = tuple(job[4].split("|")) if job[4] else TYPES
        if job[3] < 1000:
            able = self.able(job, types)
            started = [(free, n, gpu) for n in able for gpu, free in enumerate(self.gpus[n]) if job[3] <= free < 1000]
            if started:
                _, n, gpu = min(started)
                return [(n, (gpu,))]
            return self.best(able, 1)
        if job[2] <= max(gpus for gpu, gpus, *_ in self.nodes if gpu in types):
            return self.best(self.able(job, types), job[2])
        for gpu in types:
            size = max(gpus for own, gpus, *_ in self.nodes if own == gpu)
            able = self.able(job, (gpu,))
            nodes = [n for n in able if len(self.whole(n)) == size][: job[2] // size]
            rest = self.best([n for n in able if n not in nodes], job[2] % size)
            if len(nodes) == job[2] // size and rest is not None:
                return [*((n, tuple(range(size))) for n in nodes), *rest]
        return None

    def best(self, able: list[int], gpus: int) -> Lies | None:
        if not gpus:
            return []
        left = [(len(self.whole(n)), n) for n in able if len(self.whole(n)) >= gpus]
        return [(min(left)[1], tuple(self.whole(min(left)[1])[:gpus]))] if left else None

    def move(self, job: Job, lies: Lies, sign: int) -> None:
        for n, gpus in lies:
            for gpu in gpus:
                self.gpus[n][gpu] += sign * job[3]
                assert 0 <= self.gpus[n][gpu] <= 1000
            cores, memory = self.needs(job, len(gpus))
            self.cores[n] += sign * cores
            self.memory[n] += sign * memory
            assert self.cores[n] >= 0
            assert self.memory[n] >= 0


def schedule(jobs: list[Job], nodes: list[Node]) -> list[tuple[int, int, Lies]]:
    """Return start, end, nodes and GPUs of every job: a strict queue for each text of types."""
    done: list[tuple[int, int, Lies]] = [(-1, -1, [])] * len(jobs)
    free, running = Nodes(nodes), []
    queues: dict[str, list[int]] = {job[4]: [] for job in jobs}
    coming = sorted(range(len(jobs)), key=lambda i: (jobs[i][0], i))
    while coming or running:
        now = min([jobs[i][0] for i in coming[:1]] + [done[i][1] for i in running])
        for i in [i for i in running if done[i][1] == now]:
            free.move(jobs[i], done[i][2], 1)
            running.remove(i)
        while coming and jobs[coming[0]][0] == now:
            queues[jobs[coming[0]][4]].append(coming.pop(0))
        for queue in queues.values():
            while queue and (lies := free.fit(jobs[queue[0]])) is not None:
                i = queue.pop(0)
                free.move(jobs[i], lies, -1)
                done[i] = (now, now + jobs[i][1], lies)
                running.append(i)
    return done
