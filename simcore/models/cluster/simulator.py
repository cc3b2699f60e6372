"""The cluster simulator: one scheduler process on the SimPy clock, jobs as rows, progress in closed form.

Between two decisions nothing changes, so a job's progress is advanced once, when its placement changes or its work is
done. The scheduler sleeps until the next round in which something happens: an arrival, a completion, or a change that
the policy asked to make later. Rounds in between change nothing and cost no event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

import numpy as np

from simcore.engine import Alarm, Clock, ProcessGenerator
from simcore.errors import RunError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.complaints import absent, no_end, starved, too_many
from simcore.models.cluster.courses import Courses
from simcore.models.cluster.demand_room import on_nodes, open_room
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.node_room import NodeRoom
from simcore.models.cluster.packing import Packed, Placer
from simcore.models.cluster.placement import Placement, class_gangs
from simcore.models.cluster.policy import Decision, Policy
from simcore.models.cluster.pools import DIGITS
from simcore.models.cluster.room import Change, Room, Stock
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes
from simcore.models.cluster.ties import TOLERANCE
from simcore.models.cluster.view import JobStates, View

# Less than this share of a job's work left at a tick counts as done there: ten times the rounding of a day-long sum
WORK_TOLERANCE = 1e-9
# Times within this share of each other are one instant: rounding must not decide what comes first
INSTANT = TOLERANCE
# Until when what is due is done at a decision, over its time: twice an instant, for a tick may lie one before it
REACHED = 1.0 + 2.0 * INSTANT
# Decisions in a row that a policy may ask for while no job arrives or finishes: a million minutes are two years
MOST_REPEATED = 1_000_000


def simulate(
    trace: Trace,
    cluster: Cluster,
    step_times: StepTimes,
    policy: Policy,
    *,
    interval: float | None,
    rules: Rules,
    restart: float | None = None,
    placer: Placer | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> PlacementLog:
    """Run one trace under one policy.

    Parameters
    ----------
    trace : Trace
        Jobs in the row order that the policy is to see.
    cluster : Cluster
        The GPUs.
    step_times : StepTimes
        Seconds per mini-batch.
    policy : Policy
        Decides; `Policy.prepare` is called first.
    interval : float or None
        Decide at multiples of this [s], the first one interval after 0; None decides at every arrival and completion.
        A round in which nothing happened is skipped, unless the policy asks for it.
    rules : Rules
        Start-up rules; a policy has its own part of them.
    restart : float, optional
        Delay of a job that starts again, or whose placement changes [s]; by default as the policy or the rules say.
    placer : Placer, optional
        Chooses nodes, where the cluster has some; by default `Packed`.
    progress : callable, optional
        Called with simulated time [s] and the number of finished jobs.

    Returns
    -------
    PlacementLog
        Everything that happened.

    Raises
    ------
    RunError
        If the policy hands out more GPUs than there are, places a job that is not there, leaves jobs waiting for ever,
        or decides for ever.
    """
    return _Simulation(trace, cluster, step_times, policy, interval, rules, restart, placer, progress).run()


class _Simulation:
    def __init__(
        self,
        trace: Trace,
        cluster: Cluster,
        step_times: StepTimes,
        policy: Policy,
        interval: float | None,
        rules: Rules,
        restart: float | None,
        placer: Placer | None,
        progress: Callable[[float, int], None] | None,
    ) -> None:
        jobs = len(trace)
        cluster = on_nodes(cluster, trace.classes)
        self._trace, self._cluster, self._policy, self._rules = trace, cluster, policy, rules
        self._interval = interval
        self._restart = rules.startup_delay if rules.startup == "every-change" else None
        if restart is None:
            restart = policy.restart_s
        if restart is not None:
            self._restart = restart
        gangs = class_gangs(trace, cluster, step_times)
        steps = trace.steps([gang.step_time for gang in gangs])
        self._tolerance: list[float] = ([0.0] * jobs) if interval is None else (steps * WORK_TOLERANCE).tolist()
        seen = trace.submit if interval is None else _ticks(trace.submit, interval) * interval
        order = np.lexsort((np.arange(jobs), seen))
        self._seen: list[float] = [*seen[order].tolist(), math.inf]
        self._finished = 0
        self._free: list[float] = list(cluster.counts)
        self._due: list[tuple[float, int, int, float]] = []  # heap of (due, row, version, finish)
        self._version = [-1] * jobs  # entry of the log that placed the job last
        self._log = PlacementLog(end=[math.nan] * jobs, release=[math.nan] * jobs)
        self._states = JobStates(
            arrivals=order.tolist(),
            placement=[None] * jobs,
            since=np.minimum(trace.submit, seen).tolist(),
            left=steps.tolist(),
            delay=[rules.startup_delay] * jobs,
            end=self._log.end,
        )
        self._courses = Courses(trace, step_times, cluster) if step_times.applications else None
        self._view = View(
            self._states, self._free, trace, gangs, cluster, step_times, rules, oracle=policy.oracle,
            courses=self._courses,
        )  # fmt: skip
        self._nodes: NodeRoom | None = None
        stock = Stock(cluster, self._free, trace.classes, self._view.class_index, gangs, self._states.placement)
        if cluster.nodes:
            self._nodes = open_room(stock, placer or Packed(), self._view.on_type, elastic=not policy.gang)
        self._view.open_room(self._nodes or Room(stock))
        self._indices: dict[Placement, int] = {}
        self._clock = Clock(None if progress is None else lambda now: progress(now, self._finished))

    def run(self) -> PlacementLog:
        self._policy.prepare(self._view)
        self._clock.process(self._schedule())
        self._clock.run()
        self._log.events = self._clock.events
        self._log.delay = self._states.delay
        return self._log

    def _schedule(self) -> ProcessGenerator:
        """Run the one process: wake up, complete, admit, decide, and sleep until something happens."""
        alarm = Alarm(self._clock)
        log, view, seen, due, version = self._log, self._view, self._seen, self._due, self._version
        states, decide, jump = self._states, self._policy.decide, self._clock.jump
        jobs, forever, event_driven = len(self._trace), math.inf, self._interval is None
        ahead: Decision | None = None  # decided already: nothing happens before it
        rounds = 0
        asked = 0  # rounds in a row that the policy asked for, in which no job arrived or finished
        now = self._instant(seen[0])
        while True:
            if not jump(now):
                yield alarm.move(now)
            rounds += 1
            view.now = now
            if due and due[0][0] <= now * REACHED:
                self._complete(now)
            if seen[states.arrived] <= now:
                self._admit(now)
            if ahead is None:
                decision, asked = decide(view), 0
            else:
                decision, asked = ahead, asked + 1
                if asked > MOST_REPEATED:
                    raise RunError(no_end(now, MOST_REPEATED))
            changes, again_at = decision.changes, decision.again_at
            view.arrived = view.finished = ()
            if changes:
                self._apply(changes, now)
                if again_at is not None and event_driven and again_at <= now:
                    again_at = self._repeat(now)
            elif self._finished == jobs:
                log.rounds, log.clock = rounds, now
                return
            wake = forever
            if due:
                first = due[0]
                current = event_driven and version[first[1]] == first[2]
                wake = first[0] if current else self._next_completion()
            arrival = seen[states.arrived]
            if arrival < wake:
                wake = arrival
            ahead = None
            if event_driven and arrival <= wake * (1.0 + INSTANT):
                wake = self._instant(wake)
            if again_at is not None:
                ahead, wake = self._look_ahead(now, again_at, wake)
            if wake == forever:
                raise RunError(starved(self._trace, log.end))
            now = wake

    def _repeat(self, now: float) -> float | None:
        """Decide again at one instant until nothing changes, and return when to decide after that."""
        for _ in range(MOST_REPEATED):
            decision = self._policy.decide(self._view)
            if not decision.changes:
                return decision.again_at
            self._apply(decision.changes, now)
            if decision.again_at is None or decision.again_at > now:
                return decision.again_at
        raise RunError(f"the policy changed placements {MOST_REPEATED:,} times at {now} s, and did not stop")

    def _look_ahead(self, now: float, again_at: float, wake: float) -> tuple[Decision | None, float]:
        """Decide the rounds that the policy asks for before `wake`, when nothing else happens in them.

        A round that changes nothing costs no event.

        Returns
        -------
        Decision or None, float
            The first decision that changes something, and when to wake up.
        """
        for _ in range(MOST_REPEATED):
            now = self._round_after(now, again_at)
            if not now < wake * (1.0 - INSTANT):
                return None, wake
            self._view.now = now
            decision = self._policy.decide(self._view)
            if decision.changes:
                return decision, now
            if decision.again_at is None:
                return None, wake
            again_at = decision.again_at
        raise RunError(f"the policy asked {MOST_REPEATED:,} times in a row to decide again, and changed nothing")

    def _round_after(self, now: float, again_at: float) -> float:
        """Return the time of the first round after `now` that is not before `again_at` [s]."""
        if self._interval is None:
            # asked for at once, though nothing changed: it would decide the same
            return again_at if again_at > now else math.inf
        following = (round(now / self._interval) + 1) * self._interval
        return following if not following < again_at else self._tick(again_at)

    def _complete(self, now: float) -> None:
        due, version, placements, since = self._due, self._version, self._states.placement, self._states.since
        ends, releases, free = self._log.end, self._log.release, self._free
        finished = []
        reached = now * REACHED
        while due and due[0][0] <= reached:
            _, row, entry, finish = heappop(due)
            if version[row] != entry:
                continue
            placement = placements[row]
            assert placement is not None
            for g, number in enumerate(placement.gpus):
                if number:
                    free[g] = round(free[g] + number, DIGITS)
            placements[row] = None
            since[row] = math.inf
            version[row] = -1
            if self._nodes is not None:
                self._nodes.complete(row)
            ends[row] = finish if finish < now else now
            releases[row] = now
            finished.append(row)
        self._finished += len(finished)
        self._view.finished = finished

    def _admit(self, now: float) -> None:
        states, seen = self._states, self._seen
        first = states.arrived
        last = first + 1
        while seen[last] <= now:
            last += 1
        states.arrived = last
        self._view.arrived = states.arrivals[first:last]

    def _apply(self, changes: Sequence[Change], now: float) -> None:
        log, states, free = self._log, self._states, self._free
        placements, since = states.placement, states.since
        if self._nodes is not None:
            changes, held = self._nodes.settle(changes, now)
            log.nodes += held
        for row, placement in changes:
            old = placements[row]
            if old is not None:
                self._advance(row, old, now)
            elif since[row] > now:
                raise RunError(absent(self._trace, row, now, done=not math.isnan(log.end[row])))
            since[row] = now
            placements[row] = placement
            entry = self._version[row] = len(log.time)
            log.time.append(now)
            log.row.append(row)
            if placement is None:
                log.placement.append(-1)
                continue
            for g, number in enumerate(placement.gpus):
                if number:
                    free[g] = round(free[g] - number, DIGITS)
            index = self._indices.get(placement)
            log.placement.append(self._new_index(placement) if index is None else index)
            if self._courses is not None:
                nodes = log.nodes[entry]
                assert nodes is not None
                exact, finish = self._courses.start(row, nodes, now + states.delay[row])
                heappush(self._due, (exact, row, entry, finish))
                continue
            step_time = placement.step_time
            finish = now + states.delay[row] + states.left[row] * step_time
            heappush(self._due, (finish - self._tolerance[row] * step_time, row, entry, finish))
        if min(free) < 0:
            raise RunError(too_many(self._trace, self._cluster, free, changes, now))

    def _advance(self, row: int, old: Placement, now: float) -> None:
        """Account for the time that a job spent on a placement, and take it away."""
        states = self._states
        elapsed = now - states.since[row]
        pause = min(states.delay[row], elapsed)
        states.delay[row] -= pause
        if pause:
            self._log.paused[row] = self._log.paused.get(row, 0.0) + pause * sum(old.gpus)
        if self._courses is not None:
            self._courses.stop(row, now)
        else:
            states.left[row] -= (elapsed - pause) / old.step_time
        states.service[row] = states.service.get(row, 0.0) + sum(old.gpus) * elapsed
        self._release(old)
        if self._restart is not None:
            states.delay[row] = self._restart

    def _release(self, placement: Placement) -> None:
        free = self._free
        for g, number in enumerate(placement.gpus):
            if number:
                free[g] = round(free[g] + number, DIGITS)

    def _new_index(self, placement: Placement) -> int:
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
        return self._tick(due[0][0])

    def _instant(self, first: float) -> float:
        """Return the time of the decision that sees what happens at `first`, and at the same instant [s].

        Event-driven decisions wait for the last submission of the instant: no job is seen before it is there.
        """
        seen, row = self._seen, self._states.arrived
        last = first * (1.0 + INSTANT)
        while self._interval is None and seen[row] <= last < math.inf:
            first = max(first, seen[row])
            row += 1
        return first

    def _tick(self, time: float) -> float:
        """Return the first multiple of the interval at or after a time [s]."""
        if self._interval is None or not math.isfinite(time):
            return math.inf
        return self._interval * math.ceil(time / self._interval * (1.0 - INSTANT))


def _ticks(times: np.ndarray, interval: float) -> np.ndarray:
    """Index of the first tick at or after each time, at least 1: nothing is decided at time 0."""
    return np.maximum(np.ceil(times / interval * (1.0 - INSTANT)), 1.0)
