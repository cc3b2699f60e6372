"""Scenarios that a person can work out, three or more for each policy. One GPU step takes 1 s; start-up takes 20 s."""

from __future__ import annotations

import pytest
import simcore
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.models.cluster.rules import CORRECTED, Rules
from simcore.models.cluster.step_times import StepTimes

FAST, SLOW = "v100", "t4"
RATES = StepTimes("r", {("m", 1, FAST): 0.5, ("m", 1, SLOW): 1.0})


def run(policy, jobs, *, counts=(4, 4), interval=60, rules="published"):
    """Jobs are (submit, gang, steps, type, heterogeneous)."""
    trace = build_trace(
        "scenario",
        [f"j{i}" for i in range(len(jobs))],
        [j[0] for j in jobs],
        [float(j[1] * j[2]) for j in jobs],
        [JobClass("m", 1, j[1], j[4] if len(j) > 4 else False, j[3]) for j in jobs],
    )
    return simcore.trace(
        trace,
        policies=[policy],
        cluster=Cluster("c", (FAST, SLOW), counts),
        rates=RATES,
        interval=interval,
        rules=rules,
    )


def times(result):
    return result.runs[0].times


class TestYarnCs:
    def test_one_job_at_a_time_though_both_fit(self):
        t = times(run("yarn-cs", [(0, 1, 100, SLOW), (0, 1, 100, SLOW)]))
        # starts at the first tick, runs 20 + 100 s, ends on the tick at 180: the next one starts there
        assert t.start.tolist() == [60, 180]
        assert t.end.tolist() == [180, 300]

    def test_next_start_is_the_next_tick(self):
        t = times(run("yarn-cs", [(0, 1, 101, SLOW), (0, 1, 10, FAST)]))
        assert t.end.tolist() == [181, 240 + 20 + 5]

    def test_a_job_with_an_earlier_row_takes_over_and_work_is_kept(self):
        t = times(run("yarn-cs", [(100, 1, 10, SLOW), (0, 1, 200, SLOW)]))
        # row 1 runs 60..120 (20 s start-up, 40 s work), row 0 takes over 120..150, row 1 goes on at 180 with 160 s left
        assert t.start.tolist() == [120, 60]
        assert t.end.tolist() == [150, 340]
        assert t.rescales.tolist() == [0, 2]
        assert t.queueing.tolist() == [20, 60 + 60]

    def test_the_gang_is_of_the_preferred_type(self):
        t = times(run("yarn-cs", [(0, 3, 10, FAST)]))
        assert t.gpu_seconds.tolist() == [[3 * 25.0, 0.0]]


class TestFifo:
    def test_packs_gangs_that_fit(self):
        t = times(run("fifo", [(0, 2, 100, SLOW), (0, 2, 100, SLOW)]))
        assert t.start.tolist() == [60, 60]

    def test_the_head_blocks_its_queue_and_no_other(self):
        t = times(run("fifo", [(0, 3, 100, SLOW), (1, 2, 10, SLOW), (2, 1, 10, SLOW), (3, 1, 10, FAST)]))
        # row 2 would fit beside row 0, but row 1 is the head; the fast queue does not wait
        assert t.start.tolist() == [60, 180, 180, 60]

    def test_events_start_jobs_without_waiting_for_a_tick(self):
        t = times(run("fifo", [(7, 4, 100, SLOW), (8, 4, 100, SLOW)], interval="event"))
        assert t.start.tolist() == [7, 127]
        assert t.end.tolist() == [127, 247]

    def test_an_arrival_on_a_tick_is_seen_at_it(self):
        t = times(run("fifo", [(120, 1, 10, SLOW), (121, 1, 10, SLOW)]))
        assert t.start.tolist() == [120, 180]


class TestEasyScaleHomo:
    def test_starts_on_one_gpu_and_doubles_every_tick(self):
        result = run("easyscale-homo", [(0, 4, 1000, SLOW)])
        segments = result.runs[0].segments
        assert segments.start.tolist() == [60, 120, 180]
        assert segments.gpus[:, 1].tolist() == [1, 2, 4]
        # 4 threads on one GPU take 4 s a step: 40 s give 10 steps; on two GPUs 60 s give 30; 960 steps of 1 s remain
        assert times(result).end.tolist() == [180 + 960]

    def test_new_jobs_come_before_growth(self):
        result = run("easyscale-homo", [(0, 4, 1000, SLOW), (61, 4, 1000, SLOW)], counts=(4, 2))
        segments = result.runs[0].segments
        # at 120 one GPU is free: the newcomer gets it, and nobody ever grows
        assert segments.gpus[:, 1].tolist() == [1, 1, 2]
        assert segments.start.tolist()[:2] == [60, 120]

    def test_the_job_with_the_fewest_gpus_grows_first(self):
        result = run("easyscale-homo", [(0, 8, 10_000, SLOW), (100, 8, 10_000, SLOW)], counts=(0, 6))
        segments = result.runs[0].segments
        held = {
            (int(r), float(t)): int(n)
            for r, t, n in zip(segments.row, segments.start, segments.gpus[:, 1], strict=True)
        }
        assert held[0, 60.0] == 1
        assert held[0, 120.0] == 2
        assert held[1, 120.0] == 1
        assert held[1, 180.0] == 2  # gain 2 for one more GPU beats the other's 1.5 for two more
        assert held[0, 180.0] == 4

    def test_startup_is_paid_once_as_published_and_every_time_corrected(self):
        once = times(run("easyscale-homo", [(0, 4, 1000, SLOW)])).end[0]
        every = times(run("easyscale-homo", [(0, 4, 1000, SLOW)], rules=Rules(startup="every-change"))).end[0]
        # 20 s more at 120, when half the rate is lost, and at 180, when all of it is
        assert every - once == pytest.approx(20 * 0.5 + 20)


class TestEasyScaleHeter:
    def test_starts_on_the_slowest_gpu_and_takes_both_types(self):
        result = run("easyscale-heter", [(0, 8, 5000, FAST, True)])
        segments = result.runs[0].segments
        assert segments.gpus[0].tolist() == [0, 1]
        assert segments.gpus[-1].min() > 0

    def test_a_job_that_is_not_heterogeneous_stays_on_its_type(self):
        result = run("easyscale-heter", [(0, 8, 5000, FAST, False)])
        assert result.runs[0].segments.gpus[:, 1].tolist() == [0] * len(result.runs[0].segments.row)

    def test_returned_gpus_serve_others(self):
        jobs = [(0, 4, 4000, FAST, True), (0, 4, 4000, SLOW), (0, 4, 4000, SLOW)]
        held = run("easyscale-heter", jobs)
        returned = run("easyscale-heter", jobs, rules=CORRECTED)
        used = [r.runs[0].segments for r in (held, returned)]
        idle = [int((s.gpus[s.row == 0][-1] > 0).sum()) for s in used]
        assert idle[0] >= idle[1]

    def test_at_most_twice_the_gpus_per_tick(self):
        segments = run("easyscale-heter", [(0, 16, 50_000, FAST, True)], counts=(16, 16)).runs[0].segments
        total = segments.gpus.sum(axis=1)
        assert (total[1:] <= 2 * total[:-1]).all()
