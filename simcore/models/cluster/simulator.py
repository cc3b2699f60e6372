"""The cluster simulator: one scheduler process on the SimPy clock, jobs as rows, progress in closed form.

Between two decisions nothing changes, so a job's progress is advanced once, when its placement changes or its work is
done. The scheduler sleeps until the next round in which something happens: an arrival, a completion, or a change that
the policy still has to make. Rounds in between would decide the same again and cost nothing.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from simcore.engine import Alarm, Clock, ProcessGenerator
from simcore.errors import RunError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.placement import Placement
from simcore.models.cluster.policies import Changes, Policy
from simcore.models.cluster.rules import Rules

# Less than this share of a job's work left at a tick counts as done there: ten times the rounding of a day-long sum
WORK_TOLERANCE = 1e-9


@dataclass
class Log:
    """What happened, as columns in time order; metrics and timelines are computed from it afterwards.

    Attributes
    ----------
    time, row, placement : array
        Every change of a placement: when [s], whose, and the index in `placements` (-1: taken away).
    placements : list of Placement
        The distinct placements.
    end, release : list of float
        Completion of each job [s], and the decision at which its GPUs were free again [s].
    clock : float
        Time of the last decision [s].
    rounds, events : int
        Decisions at which something happened, and SimPy events.
    """

    time: array[float] = field(default_factory=lambda: array("d"))
    row: array[int] = field(default_factory=lambda: array("q"))
    placement: array[int] = field(default_factory=lambda: array("q"))
    placements: list[Placement] = field(default_factory=list)
    end: list[float] = field(default_factory=list)
    release: list[float] = field(default_factory=list)
    clock: float = 0.0
    rounds: int = 0
    events: int = 0


def simulate(
    trace: Trace,
    cluster: Cluster,
    policy: Policy,
    *,
    interval: float | None,
    rules: Rules,
    progress: Callable[[float, int], None] | None = None,
) -> Log:
    """Run one trace under one policy.

    Parameters
    ----------
    trace : Trace
        Jobs in the row order that the policy is to see.
    cluster : Cluster
        The GPUs.
    policy : Policy
        Fresh: a policy keeps books.
    interval : float or None
        Decide at multiples of this [s], the first one interval after 0; None decides at every arrival and completion,
        and repeats the decision until nothing changes.
    rules : Rules
        Start-up rules; a policy has its own part of them.
    progress : callable, optional
        Called with simulated time [s] and the number of finished jobs.

    Returns
    -------
    Log
        Everything that happened.

    Raises
    ------
    RunError
        If the policy hands out more GPUs than there are, or leaves jobs waiting for ever.
    """
    return _Simulation(trace, cluster, policy, interval, rules, progress).run()


class _Simulation:
    def __init__(
        self,
        trace: Trace,
        cluster: Cluster,
        policy: Policy,
        interval: float | None,
        rules: Rules,
        progress: Callable[[float, int], None] | None,
    ) -> None:
        jobs = len(trace)
        self._trace, self._cluster, self._policy, self._rules = trace, cluster, policy, rules
        self._interval = interval
        self._kind: list[int] = trace.kind.tolist()
        self._left: list[float] = trace.steps().tolist()  # global mini-batches
        self._delay = [rules.startup_delay] * jobs
        self._since = [0.0] * jobs
        self._placement: list[Placement | None] = [None] * jobs
        self._version = [-1] * jobs  # entry of the log that placed the job last
        self._tolerance: list[float] = ([0.0] * jobs) if interval is None else (trace.steps() * WORK_TOLERANCE).tolist()
        seen = trace.submit if interval is None else _ticks(trace.submit, interval) * interval
        order = np.lexsort((np.arange(jobs), seen))
        self._arrivals: list[int] = order.tolist()
        self._seen: list[float] = [*seen[order].tolist(), math.inf]
        self._arrived = 0
        self._finished = 0
        self._free = list(cluster.counts)
        self._due: list[tuple[float, int, int, float]] = []  # heap of (due, row, version, finish)
        self._log = Log(end=[math.nan] * jobs, release=[math.nan] * jobs)
        self._indices: dict[Placement, int] = {}
        self._clock = Clock(None if progress is None else lambda now: progress(now, self._finished))

    def run(self) -> Log:
        self._clock.process(self._schedule())
        self._clock.run()
        self._log.events = self._clock.events
        return self._log

    def _schedule(self) -> ProcessGenerator:
        """Run the one process: wake up, complete, admit, decide, and sleep until something happens."""
        alarm = Alarm(self._clock)
        log, interval, seen, due = self._log, self._interval, self._seen, self._due
        decide, free, settles = self._policy.decide, self._free, self._policy.settles
        jobs = len(self._trace)
        pending: Changes | None = None
        now = seen[0]
        while True:
            alarm.move(now)
            yield alarm.event
            log.rounds += 1
            log.clock = now
            if due and due[0][0] <= now:
                self._complete(now)
            if seen[self._arrived] <= now:
                self._admit(now)
            changes = decide(free) if pending is None else pending
            if changes:
                self._apply(changes, now)
                while interval is None and not settles and changes:
                    changes = decide(free)
                    self._apply(changes, now)
            elif self._finished == jobs:
                return
            wake = self._next_completion() if due else math.inf
            if seen[self._arrived] < wake:
                wake = seen[self._arrived]
            pending = None
            if changes and interval is not None and not settles:
                tick = (round(now / interval) + 1) * interval
                if wake > tick:  # nothing happens before the next round, so it can be decided now
                    pending = decide(free) or None
                    wake = tick if pending else wake
            if wake == math.inf:
                raise RunError(self._starved())
            now = wake

    def _complete(self, now: float) -> None:
        due, version, ends, releases = self._due, self._version, self._log.end, self._log.release
        while due and due[0][0] <= now:
            _, row, entry, finish = heappop(due)
            if version[row] != entry:
                continue
            placement = self._placement[row]
            assert placement is not None
            self._add(placement.gpus, 1)
            self._placement[row] = None
            version[row] = -1
            ends[row] = finish if finish < now else now
            releases[row] = now
            self._policy.finish(row)
            self._finished += 1

    def _admit(self, now: float) -> None:
        arrived, seen = self._arrived, self._seen
        while seen[arrived] <= now:
            row = self._arrivals[arrived]
            self._policy.submit(row, self._kind[row])
            arrived += 1
        self._arrived = arrived

    def _apply(self, changes: Changes, now: float) -> None:
        rules, log = self._rules, self._log
        for row, placement in changes:
            old = self._placement[row]
            if old is not None:
                elapsed = now - self._since[row]
                pause = min(self._delay[row], elapsed)
                self._delay[row] -= pause
                self._left[row] -= (elapsed - pause) / old.step_time
                self._add(old.gpus, 1)
                if rules.startup == "every-change":
                    self._delay[row] = rules.startup_delay
            self._since[row] = now
            self._placement[row] = placement
            self._version[row] = len(log.time)
            log.time.append(now)
            log.row.append(row)
            if placement is None:
                log.placement.append(-1)
                continue
            self._add(placement.gpus, -1)
            log.placement.append(self._index(placement))
            finish = now + self._delay[row] + self._left[row] * placement.step_time
            slack = self._tolerance[row] * placement.step_time
            heappush(self._due, (finish - slack, row, self._version[row], finish))
        if min(self._free) < 0:
            over = {t: -n for t, n in zip(self._cluster.types, self._free, strict=True) if n < 0}
            raise RunError(f"the policy handed out more GPUs than there are at {now} s: {over} too many")

    def _add(self, gpus: Sequence[int], sign: int) -> None:
        for g, number in enumerate(gpus):
            if number:
                self._free[g] += sign * number

    def _index(self, placement: Placement) -> int:
        index = self._indices.get(placement)
        if index is None:
            index = self._indices[placement] = len(self._log.placements)
            self._log.placements.append(placement)
        return index

    def _next_completion(self) -> float:
        """Time of the decision that will see the next completion [s]."""
        due, version = self._due, self._version
        while due and version[due[0][1]] != due[0][2]:
            heappop(due)
        if not due:
            return math.inf
        if self._interval is None:
            return due[0][0]
        tick = math.ceil(due[0][0] / self._interval)
        return self._interval * (tick + 1 if tick * self._interval < due[0][0] else tick)

    def _starved(self) -> str:
        waiting = [row for row in range(len(self._trace)) if math.isnan(self._log.end[row])]
        first = self._trace.names[waiting[0]]
        return (
            f"{len(waiting)} jobs wait for ever, '{first}' the first: nothing runs, and the policy starts none of them"
        )


def _ticks(times: np.ndarray, interval: float) -> np.ndarray:
    """Index of the first tick at or after each time, at least 1: nothing is decided at time 0."""
    ticks = np.maximum(np.ceil(times / interval), 1.0)
    # division rounds: the tick must not lie before the time, and no earlier one may do
    ticks = np.where(ticks * interval < times, ticks + 1, ticks)
    return np.where((ticks > 1) & ((ticks - 1) * interval >= times), ticks - 1, ticks)
