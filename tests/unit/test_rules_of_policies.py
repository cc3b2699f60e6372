"""Three scenarios per policy, each small enough to work out by hand: when does every job start and end?"""

import math
import random
import re
from itertools import combinations

import numpy as np
import pytest
import simcore
from simcore.cluster import Cluster, Node, cluster_of_nodes
from simcore.errors import InputError
from simcore.models.cluster.policies.finish_time_fairness import least_worst
from simcore.models.cluster.policies.registry import POLICIES, find_policy, policy_class
from simcore.models.cluster.policies.themis import auction
from simcore.traces import durations


def run(policy, gpus, jobs, more="", **how):
    """Return (start, end) of jobs given as (submission, duration, GPUs, further columns...)."""
    head = "name,submit_s,duration_s,gpus" + (f",{more}" if more else "")
    text = "\n".join([head, *(f"j{i}," + ",".join(map(str, job)) for i, job in enumerate(jobs))])
    cluster = gpus if isinstance(gpus, Cluster) else Cluster("c", ("v100",), (gpus,))
    trace = durations.with_types(durations.read(text, "t"), cluster)
    how = {"interval": "event", "startup_delay": 0.0, **how}
    table = simcore.trace(trace, cluster=cluster, policies=[policy], **how).jobs
    return list(zip(table.column("start_s"), table.column("end_s"), strict=True))


BLOCKED = [(0, 10, 3), (1, 10, 2), (2, 5, 1), (3, 20, 1)]  # on 4 GPUs: the second waits for the first
SCENARIOS = [
    # one job at a time, however many GPUs are free
    ("yarn-cs", 4, [(0, 10, 1), (0, 10, 1)], [(0, 10), (10, 20)]),
    ("yarn-cs", 4, [(0, 5, 1), (1, 5, 4), (2, 1, 2)], [(0, 5), (5, 10), (10, 11)]),
    ("yarn-cs", 2, [(3, 1, 1), (0, 2, 2)], [(3, 4), (0, 2)]),
    # a job starts on one GPU and has doubled at once; two share the GPUs; nobody who runs is shrunk
    ("easyscale-homo", 2, [(0, 10, 2)], [(0, 10)]),
    ("easyscale-homo", 2, [(0, 10, 2), (0, 10, 2)], [(0, 20), (0, 20)]),
    ("easyscale-homo", 2, [(0, 10, 2), (5, 10, 1)], [(0, 10), (10, 20)]),
    # on one GPU type alike; the first job has half of its threads' GPUs, and all when the second is done after 4 s
    ("easyscale-heter", 2, [(0, 10, 2)], [(0, 10)]),
    ("easyscale-heter", 2, [(0, 10, 2), (0, 4, 1)], [(0, 12), (0, 4)]),
    ("easyscale-heter", 2, [(0, 10, 2), (5, 10, 1)], [(0, 10), (10, 20)]),
    # the head blocks all behind it
    ("fifo", 4, BLOCKED, [(0, 10), (10, 20), (10, 15), (10, 30)]),
    ("fifo", 1, [(0, 5, 1), (0, 1, 1), (3, 1, 1)], [(0, 5), (5, 6), (6, 7)]),
    # rows may stand in any order
    ("fifo", 2, [(3, 5, 1), (0, 10, 1), (2, 1, 2)], [(11, 16), (0, 10), (10, 11)]),
    # who fits is let past: the third at once, the fourth when the third is done
    ("fifo-skip", 4, BLOCKED, [(0, 10), (10, 20), (2, 7), (7, 27)]),
    ("fifo-skip", 2, [(0, 4, 1), (0, 4, 2), (1, 4, 1), (4, 4, 1)], [(0, 4), (8, 12), (1, 5), (4, 8)]),
    ("fifo-skip", 2, [(0, 5, 2), (1, 5, 2), (2, 1, 1)], [(0, 5), (5, 10), (10, 11)]),
    # the third ends before the head's reservation at 10; the fourth fits beside the head
    ("easy-backfill", 4, BLOCKED, [(0, 10), (10, 20), (2, 7), (7, 27)]),
    # on 3 GPUs the fourth would delay the head, which needs all three at 10
    ("easy-backfill", 3, [(0, 10, 2), (1, 10, 3), (2, 5, 1), (3, 20, 1)], [(0, 10), (10, 20), (2, 7), (20, 40)]),
    # a user who says too much keeps the third from starting
    ("easy-backfill:estimate=user", 3, [(0, 10, 2, ""), (1, 10, 3, ""), (2, 5, 1, 50)],
     [(0, 10), (10, 20), (20, 25)]),
    # the fourth delays nobody before it: the third is planned at 20, when one GPU is left over
    ("conservative-backfill", 3, [(0, 10, 2), (1, 10, 3), (2, 10, 2), (3, 7, 1)],
     [(0, 10), (10, 20), (20, 30), (3, 10)]),
    # EASY lets the last start at 3 and delay the third; conservative does not
    ("easy-backfill", 3, [(0, 10, 2), (1, 10, 2), (2, 5, 3), (3, 20, 1)], [(0, 10), (10, 20), (23, 28), (3, 23)]),
    ("conservative-backfill", 3, [(0, 10, 2), (1, 10, 2), (2, 5, 3), (3, 20, 1)],
     [(0, 10), (10, 20), (20, 25), (25, 45)]),
    ("conservative-backfill:depth=1", 4, BLOCKED, [(0, 10), (10, 20), (10, 15), (10, 30)]),
    # shortest first, and the head blocks
    ("sjf", 1, [(0, 10, 1), (1, 5, 1), (2, 3, 1)], [(0, 10), (13, 18), (10, 13)]),
    ("sjf", 2, [(0, 10, 1), (1, 2, 2), (2, 3, 1)], [(0, 10), (10, 12), (12, 15)]),
    ("sjf:estimate=user", 1, [(0, 10, 1, ""), (1, 5, 1, 1), (2, 3, 1, 9)], [(0, 10), (10, 15), (15, 18)]),
    # least duration times GPUs first
    ("qssf", 2, [(0, 4, 2), (1, 3, 2), (2, 5, 1)], [(0, 4), (9, 12), (4, 9)]),
    ("qssf", 1, [(0, 4, 1), (1, 3, 1), (2, 2, 1)], [(0, 4), (6, 9), (4, 6)]),
    ("qssf:estimate=user", 1, [(0, 4, 1, ""), (1, 3, 1, 1), (2, 2, 1, 2)], [(0, 4), (4, 7), (7, 9)]),
    # a shorter job takes over; what was done is kept
    ("srtf", 1, [(0, 10, 1), (1, 2, 1), (2, 3, 1)], [(0, 15), (1, 3), (3, 6)]),
    # the running job has 2 s left when one of 3 comes
    ("srtf", 1, [(0, 10, 1), (8, 3, 1)], [(0, 10), (10, 13)]),
    # the gang of 2 does not fit beside the shortest; the longest does
    ("srtf", 2, [(0, 10, 1), (0, 2, 1), (0, 4, 2)], [(0, 14), (0, 2), (2, 6)]),
    # each restart costs 1 s
    ("srtf:restart=1", 1, [(0, 10, 1), (1, 2, 1)], [(0, 13), (1, 3)]),
    # 4 s on one GPU are less service than 3 s on two
    ("srsf", 2, [(0, 3, 2), (0, 4, 1)], [(4, 7), (0, 4)]),
    ("srtf", 2, [(0, 3, 2), (0, 4, 1)], [(0, 3), (3, 7)]),
    ("srsf", 1, [(0, 10, 1), (1, 2, 1), (2, 3, 1)], [(0, 15), (1, 3), (3, 6)]),
    # 12 GPU s are left of the first, the second has 5
    ("srsf", 2, [(0, 10, 2), (4, 5, 1)], [(0, 15), (4, 9)]),
    # the newcomer runs until it has as much, then they take turns of 2 s, by row
    ("las:quantum=2", 1, [(0, 6, 1), (2, 2, 1)], [(0, 8), (2, 4)]),
    ("las:quantum=1", 1, [(0, 2, 1), (0, 2, 1)], [(0, 3), (1, 4)]),
    # by service the gang of 2 is done for longer after 2 s than the single job
    ("las:quantum=2", 2, [(0, 4, 2), (0, 4, 1)], [(0, 8), (2, 6)]),
    ("las:quantum=2,two_dimensional=no", 2, [(0, 4, 2), (0, 4, 1)], [(0, 6), (2, 8)]),
    # the first falls to the second queue at 5 GPU s, and ends after the second job
    ("tiresias:thresholds=5", 1, [(0, 10, 1), (1, 4, 1)], [(0, 14), (5, 9)]),
    # within a queue nobody is stopped
    ("tiresias:thresholds=100", 1, [(0, 10, 1), (1, 4, 1)], [(0, 10), (10, 14)]),
    # a gang of 2 gets to 6 GPU s in 3 s
    ("tiresias:thresholds=6", 2, [(0, 5, 2), (1, 2, 1)], [(0, 7), (3, 5)]),
    # of two in the second queue the one that was submitted first goes first, or the one that came there first
    ("tiresias:thresholds=5", 4, [(0, 10, 1), (1, 10, 3), (3, 4, 1)], [(0, 10), (1, 15), (3, 7)]),
    ("tiresias:thresholds=5,within=entry", 4, [(0, 10, 1), (1, 10, 3), (3, 4, 1)], [(0, 12), (1, 13), (3, 7)]),
    # without promotion the first job runs on; with it each goes back when it has waited as long as it ran
    ("tiresias:thresholds=2", 1, [(0, 6, 1), (1, 10, 1)], [(0, 8), (2, 16)]),
    ("tiresias:thresholds=2,promote=1", 1, [(0, 6, 1), (1, 10, 1)], [(0, 10), (2, 16)]),
    # the higher priority takes over at once
    ("priority", 1, [(0, 10, 1, 1), (2, 3, 1, 5)], [(0, 13), (2, 5)]),
    ("priority", 1, [(0, 10, 1, 1), (2, 3, 1, 1)], [(0, 10), (10, 13)]),
    # the gang of 2 does not fit beside the second job, and the third fills the gap until it does
    ("priority", 2, [(0, 10, 2, ""), (2, 3, 1, 5), (3, 4, 1, -1)], [(0, 13), (2, 5), (3, 15)]),
    # half of the jobs take 1, half 10: one that got 1 gives way to a new one
    ("gittins:quantum=1", 1, [(0, 10, 1), (0, 1, 1)], [(0, 11), (1, 2)]),
    ("gittins:quantum=1", 1, [(0, 2, 1), (0, 2, 1)], [(0, 2), (2, 4)]),
    ("gittins:quantum=1", 1, [(0, 1, 1), (5, 10, 1), (7, 1, 1)], [(0, 1), (5, 16), (7, 8)]),
    # bob's first job goes before ann's second
    ("drf", 2, [(0, 5, 1, "ann"), (0, 5, 1, "ann"), (0, 5, 1, "bob")], [(0, 5), (5, 10), (0, 5)]),
    ("drf", 4, [(0, 5, 2, "ann"), (0, 5, 2, "ann"), (0, 5, 1, "bob"), (0, 5, 1, "bob")],
     [(0, 5), (5, 10), (0, 5), (0, 5)]),
    # ann's head does not fit and blocks her alone
    ("drf", 2, [(0, 5, 1, "bob"), (1, 5, 2, "ann"), (1, 5, 1, "ann"), (2, 5, 1, "bob")],
     [(0, 5), (7, 12), (12, 17), (2, 7)]),
    # at 0 both are treated alike; at 4 the other one has waited as long as it runs
    ("themis:lease=4,filter=0.9", 1, [(0, 8, 1), (0, 4, 1)], [(0, 12), (4, 8)]),
    ("themis:lease=2,filter=1", 1, [(0, 6, 1)], [(0, 6)]),
    ("themis:lease=10,filter=0.5", 2, [(0, 6, 1), (0, 6, 1), (0, 6, 1)], [(0, 6), (0, 6), (6, 12)]),
    # all bid: without a lease of 8 s the second would end after 14 in place of 6 s, the first after 16 in place of 8.
    # The second wins and pays half of its lease, since the first would halve its rho. At 4 s the third has more to gain
    ("themis:lease=8,filter=0", 1, [(0, 8, 1), (0, 6, 1), (1, 1, 1)], [(7, 15), (0, 7), (4, 5)]),
    # two singles gain 1.5 times each, more together than the gang's 2 times
    ("themis:lease=5,filter=0", 2, [(0, 5, 2), (0, 10, 1), (0, 10, 1)], [(10, 15), (0, 10), (0, 10)]),
    # two equal jobs on one GPU have half of the time each
    ("finish-time-fairness:round=2", 1, [(0, 4, 1), (0, 4, 1)], [(0, 6), (2, 8)]),
    ("finish-time-fairness:round=2", 2, [(0, 4, 1), (0, 4, 1)], [(0, 4), (0, 4)]),
    # alone on half of the GPUs each would take 4 s; the single needs all of the time for it, the gang half of it
    ("finish-time-fairness:round=2", 2, [(0, 2, 2), (0, 4, 1)], [(2, 4), (0, 6)]),
    # jobs take turns of a round
    ("gavel:round=2", 1, [(0, 4, 1), (0, 4, 1)], [(0, 6), (2, 8)]),
    ("gavel:round=2", 2, [(0, 4, 1), (0, 4, 1)], [(0, 4), (0, 4)]),
    ("gavel:round=2", 1, [(0, 2, 1), (1, 2, 1)], [(0, 2), (2, 4)]),
    # a job of 2 GPUs alone has both; a second one takes one of them at the next round
    ("optimus:round=5", 2, [(0, 10, 2)], [(0, 10)]),
    ("optimus:round=5", 2, [(0, 10, 2), (5, 10, 1)], [(0, 15), (5, 15)]),
    ("optimus:round=5", 2, [(0, 10, 1), (0, 10, 1), (0, 10, 1)], [(0, 10), (0, 10), (10, 20)]),
]  # fmt: skip


def columns(policy, jobs):
    if len(jobs[0]) == 3:
        return ""
    return {"priority": "priority", "drf": "user"}.get(policy, "estimate_s")


@pytest.mark.parametrize(("policy", "gpus", "jobs", "expected"), SCENARIOS)
def test_a_scenario(policy, gpus, jobs, expected):
    assert run(policy, gpus, jobs, columns(policy, jobs)) == expected


def test_every_policy_has_three_scenarios():
    counts = {name: sum(case[0].split(":")[0] == name for case in SCENARIOS) for name in POLICIES}
    assert min(counts.values()) >= 3


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_says_its_rule_and_its_source(policy):
    rule, _, source = " ".join(policy_class(policy).__doc__.split("\n    Attributes\n")[0].split()).partition(
        "Source: "
    )
    assert rule.count(".") >= 1
    assert re.search(r"(19|20)\d\d|SC'23", source)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("sjf:estimate=guess", "option 'estimate': found 'guess', expected one of exact, noisy, user"),
        ("sjf:noise=-1", "option 'noise': found -1, expected a number from 0 to 10"),
        ("tiresias:thresholds=5/3", "option 'thresholds': found '5/3', expected growing numbers"),
        ("tiresias:thresholds=x", "option 'thresholds'"),
        ("tiresias:within=size", "option 'within': found 'size', expected one of submission, entry"),
        ("tiresias:promote=-1", "option 'promote': found -1, expected a number from 0 to 1e"),
        ("las:quantum=0", "option 'quantum': found 0, expected a number of seconds above 0"),
        ("themis:filter=2", "option 'filter': found 2"),
        ("gavel:round=-1", "option 'round'"),
        ("srtf:restart=1e10", "option 'restart'"),
    ],
)
def test_options_that_make_no_sense(policy, message):
    with pytest.raises(InputError, match=message):
        find_policy(policy)


def test_noise_is_repeatable_and_does_something():
    jobs = [(0, 10 + row, 1) for row in range(30)]
    first, again, other = (run(f"sjf:estimate=noisy,seed={seed}", 1, jobs) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_gang_of_first_rank_makes_room_on_fragmented_nodes():
    """Two singles sit on two nodes of 2: a gang of 2 comes first, and one of them moves to the other's node."""
    nodes = cluster_of_nodes("c", [Node("v100", 2), Node("v100", 2)])
    jobs = [(0, 10, 2, 1), (0, 10, 1, 1), (0, 10, 1, 1)]
    assert run("priority", nodes, jobs, "priority") == [(0, 10), (0, 10), (0, 10)]
    jobs = [(0, 3, 1, 1), (0, 10, 2, 0), (1, 10, 1, 1), (4, 10, 2, 5)]
    assert run("priority", nodes, jobs, "priority")[3] == (4, 14)


def test_gavel_runs_jobs_on_the_type_where_they_are_fast():
    """Two jobs on one GPU of each type: the one that gains 4 times there has the fast one."""
    from simcore.cluster import JobClass, StepTimes, build_trace

    cluster = Cluster("c", ("v100", "t4"), (1, 1))
    kinds = [JobClass("steep", 1, 1, True, "v100"), JobClass("flat", 1, 1, True, "v100")]
    times = StepTimes("s", {("steep", 1, "v100"): 1.0, ("steep", 1, "t4"): 4.0, ("flat", 1, "v100"): 1.0,
                            ("flat", 1, "t4"): 1.0})  # fmt: skip
    trace = build_trace("t", ["a", "b"], [0.0, 0.0], [8.0, 8.0], kinds)
    result = simcore.trace(
        trace, cluster=cluster, rates=times, policies=["gavel:round=100"], interval="event", startup_delay=0
    )
    assert result.jobs.column("end_s") == [8.0, 8.0]
    assert result.jobs.column("gpu_seconds_v100") == [8.0, 0.0]


def test_an_auction_is_won_by_the_best_set_and_paid_for():
    """All sets of jobs are tried; a winner keeps what the others have with it over what they would have without."""
    dice = random.Random(3)
    for _ in range(200):
        jobs = range(dice.randint(1, 7))
        gains = [dice.uniform(0.01, 2.0) for _ in jobs]
        sizes = [dice.choice([1, 2, 2, 4, 8]) for _ in jobs]
        offered = dice.randint(1, 16)
        sets = [each for number in range(len(jobs) + 1) for each in combinations(jobs, number)]
        fitting = [each for each in sets if sum(sizes[job] for job in each) <= offered]
        best = max(fitting, key=lambda each: sum(gains[job] for job in each))
        won = auction(gains, sizes, offered)
        assert tuple(won) == best
        for job, kept in won.items():
            without = max(sum(gains[other] for other in each) for each in fitting if job not in each)
            with_it = sum(gains[other] for other in best if other != job)
            assert kept == pytest.approx(math.exp(with_it - without))


def test_a_program_makes_the_largest_finish_time_fairness_least():
    """With one GPU type nobody gets more without the worst getting less; on two types the program agrees with it."""
    dice = np.random.default_rng(4)
    for _ in range(50):
        jobs = int(dice.integers(1, 8))
        sizes, counts = dice.choice([1.0, 2.0, 4.0], jobs), np.array([float(dice.integers(4, 9))])
        since, left, alone = dice.uniform(0.0, 9.0, jobs), dice.uniform(1.0, 9.0, jobs), dice.uniform(10.0, 90.0, jobs)
        one = np.ones((jobs, 1))
        share = least_worst(since, left, alone, one, one > 0, sizes, counts)[:, 0]
        rho = (since + left / share) / alone
        assert share.max() <= 1.0 + 1e-9
        assert sizes @ share <= counts[0] * (1 + 1e-9)
        if sizes.sum() > counts[0]:
            less = share < 1.0 - 1e-9  # of them nobody is better off than another
            assert sizes @ share == pytest.approx(counts[0])
            assert rho[less] == pytest.approx(np.full(less.sum(), rho[less].max()))
        two = np.ones((jobs, 2))
        spread = least_worst(since, left, alone, two, two > 0, sizes, np.array([counts[0] / 2, counts[0] / 2]))
        assert spread.sum(axis=1) == pytest.approx(share, abs=2e-3)


def test_an_auction_of_many_shares_has_a_table_that_is_bounded(monkeypatch):
    gains, sizes = [0.5, 0.4, 0.3, 0.2], [333, 1000, 8000, 501]
    exact = auction(gains, sizes, 9500)
    monkeypatch.setattr("simcore.models.cluster.policies.themis.MOST_SUMS", 500)
    coarse = auction(gains, sizes, 9500)
    assert sum(sizes[job] for job in coarse) <= 9500
    assert set(exact) == set(coarse) == {0, 1, 2}


def test_themis_takes_the_gpus_of_the_jobs_own_virtual_cluster(tmp_path):
    rows = ["r,0,600,2,x,t4", "long,0,1000,2,x,t4", "short,10,700,1,x,t4"]
    (tmp_path / "t.csv").write_text("name,submit_s,duration_s,gpus,vc,gpu_type\n" + "".join(f"{r}\n" for r in rows))
    starts = []
    for other in (1, 64):  # GPUs that these jobs cannot use
        (tmp_path / "c.yaml").write_text(f"nodes: [{{type: t4, gpus: 2, vc: x}}, {{type: t4, gpus: {other}, vc: y}}]")
        how = {"cluster": tmp_path / "c.yaml", "policies": ["themis:filter=1,lease=100"], "interval": "event"}
        starts.append(simcore.trace(tmp_path / "t.csv", **how).jobs.column("end_s"))
    assert starts[0] == starts[1]
