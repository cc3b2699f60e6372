"""The slow, literal cluster simulator that the fast one is held against.

A SimPy process per job, a scheduler process that wakes at every tick whether or not anything happened, policies that
look at every active job every time, and EasyScale's proposals by recursion with the paper's waste formula. It shares
nothing with simcore but the trace, the tie rule (1e-12 relative) and the rules' names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache, cmp_to_key
from itertools import combinations, product

import simpy
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes

TIE = 1e-12


def more(a: float, b: float) -> bool:
    return a > b * (1 + TIE)


@dataclass
class Proposal:
    gpus: tuple[int, ...]
    threads: tuple[int, ...]
    speedup: float
    waste: float


@dataclass
class Job:
    env: simpy.Environment
    row: int
    name: str
    submit: float
    work: float  # global mini-batches
    kind: object
    times: tuple[float, ...]
    rules: Rules
    tolerance: float
    on_event: object
    left: float = 0.0
    delay: float = 0.0
    placement: Proposal | None = None
    end: float | None = None
    history: list[tuple[float, tuple[int, ...]]] = field(default_factory=list)
    since: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.work
        self.delay = self.rules.startup_delay
        self.changed = self.env.event()
        self.arrived = False

    def step(self) -> float:
        return max(a * t for a, t in zip(self.placement.threads, self.times, strict=True) if a)

    def live(self):
        yield self.env.timeout(self.submit)
        self.arrived = True
        self.on_event()
        while self.end is None:
            if self.placement is None:
                yield self.changed
                continue
            done = self.env.timeout(max(0.0, self.delay + self.left * self.step() - (self.env.now - self.since)))
            yield done | self.changed
            if done.processed and self.end is None and self.placement is not None and not self.changed.processed:
                self.settle(self.env.now)
                if self.end is None:
                    self.finish(self.env.now)
                self.on_event()

    def settle(self, now: float) -> None:
        """Advance to now; less than 1e-9 of the work left at a tick is none."""
        if self.placement is None or self.end is not None:
            return
        elapsed = now - self.since
        pause = min(self.delay, elapsed)
        self.delay -= pause
        self.left -= (elapsed - pause) / self.step()
        self.since = now
        if self.left <= self.tolerance * self.work:
            self.finish(now)

    def finish(self, now: float) -> None:
        self.end = now
        self.placement = None
        self.history.append((now, ()))

    def place(self, proposal: Proposal | None, now: float) -> None:
        if self.placement is not None:
            self.settle(now)
            if self.rules.startup == "every-change":
                self.delay = self.rules.startup_delay
        self.placement = proposal
        self.since = now
        self.history.append((now, proposal.gpus if proposal else ()))
        old, self.changed = self.changed, self.env.event()
        old.succeed()


def run(
    trace: Trace, cluster: Cluster, rates: StepTimes, policy: str, interval: float | None, rules: Rules
) -> list[Job]:
    """Run a trace to its end and return the jobs."""
    env = simpy.Environment()
    wake = {"event": env.event()}

    def on_event() -> None:
        if not wake["event"].triggered:
            wake["event"].succeed()

    jobs = []
    for row in range(len(trace)):
        kind = trace.classes[trace.class_index[row]]
        times = tuple(rates.seconds.get((kind.model, kind.batch_size, t), math.nan) for t in cluster.types)
        work = float(trace.work[row]) / kind.global_batch
        tolerance = 0.0 if interval is None else 1e-9
        jobs.append(
            Job(env, row, trace.names[row], float(trace.submit[row]), work, kind, times, rules, tolerance, on_event)
        )
    for job in jobs:
        env.process(job.live())

    def decide() -> bool:
        active = [job for job in jobs if job.arrived and job.end is None and job.submit <= env.now]
        wanted = POLICIES[policy](active, cluster, rules)
        changed = False
        for job in active:
            if wanted.get(job.row) is not job.placement:
                job.place(wanted.get(job.row), env.now)
                changed = True
        return changed

    def ticks():
        k = 0
        while any(job.end is None for job in jobs):
            k += 1
            yield env.timeout(k * interval - env.now)
            yield env.timeout(0)  # everything else of this instant first
            for job in jobs:
                job.settle(env.now)
            decide()

    def events():
        while any(job.end is None for job in jobs):
            yield wake["event"]
            wake["event"] = env.event()
            yield env.timeout(0)
            yield env.timeout(0)
            while decide():
                pass

    env.run(env.process(ticks() if interval is not None else events()))
    return jobs


def gang(job: Job, cluster: Cluster) -> Proposal:
    size = job.kind.max_parallelism
    mine = [t == job.kind.gpu_type for t in cluster.types]
    return Proposal(tuple(size * m for m in mine), tuple(int(m) for m in mine), 0.0, 0.0)


def yarn_cs(active: list[Job], cluster: Cluster, rules: Rules) -> dict[int, Proposal]:
    for job in active:
        return {job.row: job.placement or gang(job, cluster)}
    return {}


def fifo(active: list[Job], cluster: Cluster, rules: Rules) -> dict[int, Proposal]:
    result = {job.row: job.placement for job in active if job.placement is not None}
    for g, gpu in enumerate(cluster.types):
        left = cluster.counts[g] - sum(p.gpus[g] for p in result.values())
        for job in active:
            if job.kind.gpu_type != gpu or job.row in result:
                continue
            if job.kind.max_parallelism > left:
                break
            left -= job.kind.max_parallelism
            result[job.row] = gang(job, cluster)
    return result


def easyscale(active: list[Job], cluster: Cluster, rules: Rules, *, heter: bool) -> dict[int, Proposal]:
    left = list(cluster.counts)
    result: dict[int, Proposal] = {}
    wishes = []
    for job in active:
        if job.placement is None:
            continue
        result[job.row] = job.placement
        left = [a - b for a, b in zip(left, job.placement.gpus, strict=True)]
    for job in active:
        found = job_proposals(job, cluster, rules, heter)
        if job.placement is not None:
            wishes += growth(job, found, rules)
            continue
        first = found[-1]
        if all(n <= a for n, a in zip(first.gpus, left, strict=True)):
            result[job.row] = Proposal(first.gpus, first.threads, first.speedup, first.waste)
            left = [a - b for a, b in zip(left, first.gpus, strict=True)]

    def order(a, b):
        if more(a[0], b[0]):
            return -1
        if more(b[0], a[0]):
            return 1
        return -1 if (a[1].row, a[2]) < (b[1].row, b[2]) else 1

    grown = set()
    for _, job, g, number, target in sorted(wishes, key=cmp_to_key(order)):
        if job.row in grown or number > left[g]:
            continue
        grown.add(job.row)
        left = [a + b - c for a, b, c in zip(left, job.placement.gpus, target.gpus, strict=True)]
        result[job.row] = target
    return result


def growth(job: Job, found: list[Proposal], rules: Rules):
    now = job.placement
    held = sum(now.gpus)
    wishes = []
    for g in range(len(now.gpus)):
        best = None
        for p in found:
            number = p.gpus[g] - now.gpus[g]
            others = any(p.gpus[h] > now.gpus[h] for h in range(len(now.gpus)) if h != g)
            if number <= 0 or others or more(now.speedup, p.speedup) or p.waste > 0.30 + TIE:
                continue
            if rules.idle_gpus == "returned" and not more(p.speedup, now.speedup):
                continue
            if sum(p.gpus) > 2 * held or held + number > 2 * held:
                continue
            gain = 1 + (p.speedup / now.speedup - 1) / number
            better = best is None or more(gain, best[0])
            if not better and not more(best[0], gain):
                better = number > best[1] if number != best[1] else more(p.speedup, best[2].speedup)
            if better:
                best = (gain, number, p)
        if best is None:
            continue
        gain, number, p = best
        gpus = p.gpus
        if rules.idle_gpus == "held":
            gpus = tuple(p.gpus[h] if h == g else n for h, n in enumerate(now.gpus))
        wishes.append((gain, job, g, number, Proposal(gpus, p.threads, p.speedup, p.waste)))
    return wishes


def job_proposals(job: Job, cluster: Cluster, rules: Rules, heter: bool) -> list[Proposal]:
    free_choice = heter and job.kind.heterogeneous
    counts = tuple(
        n if free_choice or t == job.kind.gpu_type else 0 for t, n in zip(cluster.types, cluster.counts, strict=True)
    )
    known = [t for t in job.times if not math.isnan(t)]
    reference = job.times[-1] if not math.isnan(job.times[-1]) else known[-1]
    power = tuple(1.0 if math.isnan(t) else reference / t for t in job.times)
    return brute_force(job.kind.max_parallelism, power, counts, rules.assignment, rules.single_type_speedup)


@cache
def brute_force(
    size: int, power: tuple[float, ...], counts: tuple[int, ...], assignment: str, single: str
) -> list[Proposal]:
    """Every placement by recursion, valued with the overload factor and the waste of the paper."""
    types = range(len(power))
    present = [g for g in types if counts[g]]
    candidates = set()
    for m in range(1, size + 1):
        for g in present:
            candidates.add(tuple(m if h == g else 0 for h in types))
        for subset in (s for k in range(2, len(present) + 1) for s in combinations(present, k)):
            for rounding in product((_floor, _ceil), repeat=len(subset)):
                a = {g: int(r(m * power[g])) for g, r in zip(subset, rounding, strict=True)}
                if not all(v > size for v in a.values()) and any(a.values()):
                    candidates.add(tuple(a.get(h, 0) for h in types))
    found = []
    for a in candidates:
        order = sorted((g for g in types if a[g]), key=lambda g: -a[g])
        for n in covers(size, a, order, counts):
            used = [g for g in types if n[g]]
            total = sum(n[g] * power[g] for g in types)
            overload = max(a[g] / power[g] for g in used)
            waste = sum(n[g] * (power[g] - a[g] / overload) for g in used)
            waste = (waste + (sum(n[g] * a[g] for g in used) - size) / overload) / total
            speedup = (1 - waste) * total
            threads = a
            if len(used) == 1:
                rounds = math.ceil(size / sum(n))
                threads = tuple(rounds if g in used else 0 for g in types)
                waste = 0.0 if single == "linear" else 1 - size / (rounds * sum(n))
                speedup = (1 - waste) * total
            if assignment == "best":
                threads = tuple(v if g in used else 0 for g, v in enumerate(threads))
            found.append(Proposal(n, threads, speedup, waste))

    def order(a: Proposal, b: Proposal) -> int:
        if more(a.speedup, b.speedup):
            return -1
        if more(b.speedup, a.speedup):
            return 1
        first, second = (sum(a.gpus), a.gpus, a.threads), (sum(b.gpus), b.gpus, b.threads)
        return -1 if first > second else 1 if first < second else 0

    ranked = sorted(found, key=cmp_to_key(order))
    merged: dict[tuple[int, ...], Proposal] = {}
    for p in ranked:
        if p.gpus not in merged or assignment == "worst":
            merged[p.gpus] = p  # a later value replaces an earlier one, which keeps its place in the list
    return list(merged.values())


def _floor(x: float) -> int:
    """What is a whole number but for rounding is its own floor and ceiling."""
    return round(x) if math.isclose(x, round(x), rel_tol=1e-12, abs_tol=0.0) else math.floor(x)


def _ceil(x: float) -> int:
    return -_floor(-x)


def covers(size: int, a: tuple[int, ...], order: list[int], counts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All n with sum n A >= P whose total falls below P without one GPU of the used type with the fewest threads."""
    result = []
    # more than ceil(P / A) GPUs of one type always leave one to spare
    for n in product(*(range(min(counts[g], -(-size // a[g])) + 1) for g in order)):
        total = sum(k * a[g] for k, g in zip(n, order, strict=True))
        used = [a[g] for k, g in zip(n, order, strict=True) if k]
        if used and total >= size and total - min(used) < size:
            number = dict(zip(order, n, strict=True))
            result.append(tuple(number.get(g, 0) for g in range(len(a))))
    return result


POLICIES = {
    "yarn-cs": yarn_cs,
    "fifo": fifo,
    "easyscale-homo": lambda *a: easyscale(*a, heter=False),
    "easyscale-heter": lambda *a: easyscale(*a, heter=True),
}
