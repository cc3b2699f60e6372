"""What a policy sees, what its decisions do, and what it is refused. A step takes 1 s on every gang; start-up 20 s."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan
from typing import Any, ClassVar

import pytest
import simcore
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.cluster import Cluster, Decision, JobClass, Policy, Rules, StepTimes, View, WorkUnit, build_trace
from simcore.errors import InputError, RunError
from simcore.models.cluster import simulator
from simcore.models.cluster.simulator import simulate

from tests.strategies import clusters, random_traces, rate_tables, rule_sets

CLUSTER = Cluster("c", ("v100", "t4"), (2, 4))
TIMES = StepTimes("mine", {("m", 1, "v100"): 1.0, ("m", 1, "t4"): 1.0})


def jobs(*rows, counted_in=WorkUnit.SAMPLES):
    """Jobs are (submit, gang, steps)."""
    return build_trace(
        "scenario",
        [f"j{i}" for i in range(len(rows))],
        [row[0] for row in rows],
        [float(row[1] * row[2]) for row in rows],
        [JobClass("m", 1, row[1], True, "v100") for row in rows],
        counted_in=counted_in,
    )


def run(trace, policy, interval: float | None = 60.0, **rules):
    return simulate(trace, CLUSTER, TIMES, policy, interval=interval, rules=Rules(**rules))


@dataclass
class Scripted(Policy):
    """Runs a function at each decision, and keeps what it returned."""

    script: Any
    seen: list = field(default_factory=list)

    def decide(self, view):
        decision = self.script(view)
        self.seen.append(view.now)
        return decision


def start_all(view):
    return [(row, view.gang(row)) for row in view.arrived]


def test_columns_of_a_run_that_a_person_can_follow():
    shown = []

    def script(view: View):
        shown.append(
            {
                "now": view.now,
                "free": list(view.free),
                "waiting": view.waiting,
                "running": view.running,
                "attained": view.attained.of(view.active),
                "waiting_since": view.waiting_since.of(view.waiting),
                "submitted": view.submitted.of(view.active),
                "remaining": view.remaining.of(view.active),
            }
        )
        if view.now == 120.0:
            return Decision([(0, None)])
        return Decision([(0, view.gang(0))], 120.0 if view.now == 60.0 else None) if view.now < 200 else Decision()

    class Oracle(Scripted):
        oracle = True

    with pytest.raises(RunError, match="wait for ever, 'j1'"):
        run(jobs((30, 2, 100), (130, 1, 5)), Oracle(script))
    first, second, third, fourth = shown
    assert first == {
        "now": 60.0,
        "free": [2, 4],
        "waiting": [0],
        "running": [],
        "attained": [0.0],
        "waiting_since": [30.0],
        "submitted": [30.0],
        "remaining": [100.0],
    }
    # 20 s of start-up and 40 s of work on two GPUs
    assert (second["now"], second["free"], second["running"]) == (120.0, [0, 4], [0])
    assert (second["attained"], second["remaining"]) == ([120.0], [60.0])
    # the GPUs were taken away: the work is kept, and the job waits since then
    assert (third["now"], third["free"], third["waiting"]) == (180.0, [2, 4], [0, 1])
    assert (third["attained"], third["remaining"]) == ([120.0, 0.0], [60.0, 5.0])
    assert third["waiting_since"] == [120.0, 130.0]
    # done at 240: it is active no more
    assert (fourth["now"], fourth["waiting"], fourth["running"]) == (240.0, [1], [])


def test_arrived_and_finished_are_told_once():
    told = []

    def script(view):
        told.append((view.now, list(view.arrived), list(view.finished)))
        return Decision(start_all(view), view.now)

    run(jobs((0, 1, 10), (50, 1, 50), (70, 1, 10)), Scripted(script))
    assert told == [(60, [0, 1], []), (120, [2], [0]), (180, [], [1, 2])]


class TestAgainAt:
    def test_none_leaves_a_job_waiting_when_nothing_else_happens(self):
        with pytest.raises(RunError, match="1 jobs wait for ever"):
            run(jobs((7, 1, 10)), Scripted(lambda view: Decision(start_all(view) if view.now > 60 else ())))

    @pytest.mark.parametrize(
        ("interval", "again_at", "start"),
        [(60.0, 100.0, 120.0), (60.0, 120.0, 120.0), (60.0, 60.0, 120.0), (None, 100.0, 100.0)],
    )
    def test_starts_a_job_when_nothing_else_happens(self, interval, again_at, start):
        first: list[float] = []

        def script(view):
            first.append(view.now)
            if len(first) == 1:
                return Decision((), again_at)
            return Decision([(0, view.gang(0))] if view.waiting else ())

        log = run(jobs((7, 1, 10)), Scripted(script), interval)
        assert list(log.time) == [start]
        assert log.end == [start + 30]

    def test_rounds_that_change_nothing_cost_no_event(self):
        def patient(view):
            return Decision([(0, view.gang(0))] if view.now >= 60_000 and view.waiting else (), view.now)

        policy = Scripted(patient)
        log = run(jobs((7, 1, 10)), policy)
        assert list(log.time) == [60_000]
        assert len(policy.seen) > 1000
        assert log.events < 10
        assert log.rounds == 3  # the arrival, the start, the completion

    def test_an_arrival_before_it_takes_its_place(self):
        def script(view):
            return Decision(start_all(view), 200.0 if view.now < 200 else None)

        policy = Scripted(script)
        run(jobs((0, 1, 100), (100, 1, 100)), policy, None, startup_delay=0.0)
        # 0: arrival; 100: completion and arrival, which ask for 200 again; 200 is the second completion
        assert policy.seen == [0.0, 100.0, 200.0]

    def test_asking_at_once_and_changing_nothing_is_no_loop(self):
        policy = Scripted(lambda view: Decision(start_all(view), view.now))
        run(jobs((0, 1, 100)), policy, None)
        assert policy.seen == [0.0, 0.0, 120.0]

    def test_a_policy_that_never_ends(self, monkeypatch):
        monkeypatch.setattr(simulator, "MOST_REPEATED", 50)
        with pytest.raises(RunError, match="asked 50 times in a row to decide again, and changed nothing"):
            run(jobs((0, 1, 100)), Scripted(lambda view: Decision((), view.now)))
        flip = Scripted(lambda view: Decision([(0, None if view.placement[0] else view.gang(0))], view.now))
        with pytest.raises(RunError, match=r"changed placements 50 times at 0\.0 s"):
            run(jobs((0, 1, 100)), flip, None)

    def test_a_policy_that_lets_nobody_start_up(self, monkeypatch):
        monkeypatch.setattr(simulator, "MOST_REPEATED", 50)

        def rob(view):
            turn = int(view.now // 7) % 2
            return Decision([(1 - turn, None), (turn, view.gang(turn))], view.now + 7.0)

        with pytest.raises(RunError, match=r"in 50 rounds in a row, up to .* s, and no job arrived or finished"):
            run(jobs((0, 2, 100), (0, 2, 100)), Scripted(rob), None, startup="every-change")


class TestRefusals:
    def test_more_gpus_than_there_are(self):
        with pytest.raises(RunError, match=r"handed out more GPUs .*\{'v100': 1\} too many"):
            run(jobs((0, 2, 10), (0, 1, 10)), Scripted(lambda view: Decision(start_all(view))))

    def test_jobs_that_are_not_there(self):
        with pytest.raises(RunError, match=r"placed 'j1' at 60\.0 s, which is yet to come"):
            run(jobs((0, 1, 10), (100, 1, 10)), Scripted(lambda view: Decision([(1, view.gang(1))])))
        late = Scripted(lambda view: Decision([(0, view.gang(0))]))
        with pytest.raises(RunError, match=r"placed 'j0' at 120\.0 s, which is done"):
            run(jobs((0, 1, 10)), late)

    def test_the_work_that_remains_is_for_oracles(self):
        with pytest.raises(RunError, match="oracle = True"):
            run(jobs((0, 1, 10)), Scripted(lambda view: view.remaining[0]))

    def test_types_without_step_times(self):
        times = StepTimes("half", {("m", 1, "v100"): 1.0})
        policy = Scripted(lambda view: Decision([(0, view.place(0, (1, 1)))]))
        with pytest.raises(RunError, match=r"half has no step time of m, batch size 1, on t4.*all_types = True"):
            simulate(jobs((0, 2, 10)), CLUSTER, times, policy, interval=60.0, rules=Rules())

    def test_a_policy_that_decides_nothing(self):
        with pytest.raises(NotImplementedError):
            run(jobs((0, 1, 10)), Policy())


def test_results_say_that_a_policy_is_an_oracle():
    class ShortestFirst(Policy):
        oracle: ClassVar[bool] = True

        def decide(self, view):
            free, changes = list(view.free), []
            for row in sorted(view.waiting, key=view.remaining):
                gang = view.gang(row)
                if all(n <= m for n, m in zip(gang.gpus, free, strict=True)):
                    free = [m - n for n, m in zip(gang.gpus, free, strict=True)]
                    changes.append((row, gang))
            return Decision(changes)

    result = simcore.trace(policies=["fifo", ShortestFirst()])
    assert "ShortestFirst knows how much work remains, which no real scheduler does" in result.warnings
    jct = result.table.column("mean_jct_s")
    assert jct[1] < jct[0]


def test_gang_and_all_types_decide_what_is_checked():
    class Elastic(Policy):
        gang = False

        def decide(self, view):
            free = list(view.free)
            changes = []
            for row in view.waiting:
                if free[0]:
                    free[0] -= 1
                    changes.append((row, view.place(row, (1, 0))))
            return Decision(changes)

    class Everywhere(Elastic):
        all_types = True

    big = jobs((0, 3, 10))
    half = StepTimes("half", {("m", 1, "v100"): 1.0})
    assert simcore.trace(big, cluster=CLUSTER, rates=half, policies=Elastic()).runs[0].times.end.tolist() == [60 + 50]
    with pytest.raises(InputError, match="no entry for model m, batch size 1, GPU type t4"):
        simcore.trace(big, cluster=CLUSTER, rates=half, policies=[Everywhere()])
    with pytest.raises(InputError, match="a job that needs 3 v100 at once under Rigid"):
        simcore.trace(big, cluster=CLUSTER, rates=half, policies=[type("Rigid", (Elastic,), {"gang": True})()])


@pytest.mark.parametrize(("step", "seconds"), [(1.0, 300.0), (2.0, 300.0)])
def test_gang_seconds_are_seconds_on_the_gang_whatever_the_step_times_say(step, seconds):
    trace = jobs((0, 1, 300), counted_in=WorkUnit.GANG_SECONDS)
    times = StepTimes("mine", {("m", 1, "v100"): step, ("m", 1, "t4"): 3 * step})
    result = simcore.trace(trace, cluster=CLUSTER, rates=times, policies=["fifo"], interval="event")
    assert result.runs[0].times.running.tolist() == [20 + seconds]


def test_default_step_times_follow_from_what_the_work_counts():
    one = JobClass("bert", 8, 4, False, "v100")
    result = simcore.trace(build_trace("synthetic:mine", ["a"], [0.0], [3200.0], [one]), policies=["fifo"])
    assert result.provenance.inputs["rates"] == "sc23-fitted"
    unit = JobClass("synthetic", 1, 4, False, "v100")
    trace = build_trace("mine", ["a"], [0.0], [100.0], [unit], counted_in=WorkUnit.GANG_SECONDS)
    result = simcore.trace(trace, policies=["fifo"])
    assert result.provenance.inputs["rates"] == "unit"
    assert result.runs[0].times.running.tolist() == [120.0]


@dataclass
class LeastService(Policy):
    """Preempts, and checks at every decision what it sees against a replay of the changes it made."""

    quantum: float
    oracle: ClassVar[bool] = True

    def prepare(self, view):
        self.changes: dict[int, list] = {}
        self.total: dict[int, float] = {}

    def decide(self, view):
        for row in view.active:
            self.check(view, row)
        left, chosen = list(view.cluster.counts), []
        for row in sorted(view.active, key=view.attained):
            gang = view.gang(row)
            if all(n <= m for n, m in zip(gang.gpus, left, strict=True)):
                left = [m - n for n, m in zip(gang.gpus, left, strict=True)]
                chosen.append(row)
        stop = [(row, None) for row in view.running if row not in chosen]
        start = [(row, view.gang(row)) for row in chosen if view.placement[row] is None]
        for row, placement in stop + start:
            self.changes.setdefault(row, []).append((view.now, placement))
        return Decision(stop + start, view.now + self.quantum)

    def check(self, view, row):
        service, worked, delay = 0.0, 0.0, view.rules.startup_delay
        history = self.changes.get(row, [])
        for i, (at, placement) in enumerate(history):
            if placement is None:
                continue
            until = history[i + 1][0] if i + 1 < len(history) else view.now
            service += sum(placement.gpus) * (until - at)
            pause = min(delay, until - at)
            worked, delay = worked + until - at - pause, delay - pause
            if view.rules.startup == "every-change" and i + 1 < len(history):
                delay = view.rules.startup_delay
        assert view.attained[row] == pytest.approx(service)
        total = self.total.setdefault(row, view.remaining[row])
        assert view.remaining[row] == pytest.approx(max(0.0, total - worked), abs=1e-6)
        since = history[-1][0] if history else view.submitted[row]
        assert view.placement[row] is not None or view.waiting_since[row] == since


@settings(max_examples=60)
@given(
    trace=random_traces(),
    cluster=clusters(),
    times=rate_tables(),
    rules=rule_sets(),
    interval=st.sampled_from((None, 16.0, 60.0)),
    quantum=st.sampled_from((60.0, 600.0)),  # longer than the start-up delay, else nothing ever gets on
)
def test_columns_equal_a_replay_of_the_changes(trace, cluster, times, rules, interval, quantum):
    log = simulate(trace, cluster, times, LeastService(quantum), interval=interval, rules=rules)
    assert not any(map(isnan, log.end))
