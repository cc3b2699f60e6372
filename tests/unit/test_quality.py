"""What a run's quality amounts to, on jobs whose numbers a reader can work out."""

import numpy as np
import pytest
import simcore
from simcore.cluster import Cluster
from simcore.errors import InputError
from simcore.models.cluster.quality import jain
from simcore.traces import durations

ONE = Cluster("c", ("v100",), (1,))
TEXT = "name,submit_s,duration_s,gpus,user,deadline_s\na,0,10,1,ann,10\nb,0,30,1,bob,30\nc,5,20,1,ann,\n"


@pytest.fixture(scope="module")
def result():
    trace = durations.with_types(durations.read(TEXT, "t"), ONE)
    return simcore.trace(trace, cluster=ONE, policies=["fifo,srtf"], interval="event", startup_delay=0)


def test_slowdown_fairness_and_deadlines(result):
    fifo, srtf = result.table
    # ends 10, 40, 60: slowdowns 1, 4/3, 55/20
    assert fifo["mean_bounded_slowdown"] == pytest.approx((1 + 4 / 3 + 2.75) / 3)
    assert fifo["jain_slowdown"] == pytest.approx(jain(1 / np.array([1, 4 / 3, 2.75])))
    assert fifo["deadlines_met"] == 0.5
    assert (fifo["preemptions"], srtf["preemptions"]) == (0, 0)
    # c lives from 5 to 60: 3 jobs to 10, 2 to 40, 1 to 60
    mean = (5 * 3 + 30 * 2 + 20) / 55
    assert fifo["worst_finish_time_fairness"] == pytest.approx(
        max(55 / (20 * mean), 40 / (30 * (5 * 2 + 15 + 60) / 40))
    )
    assert fifo["idle_while_waiting_gpus"] == 0.0
    assert fifo["p99_queueing_s"] == pytest.approx(np.percentile([0, 10, 35], 99))


def test_groups_and_winners(result):
    groups = {(row["policy"], row["group"], row["name"]): row for row in result.groups}
    ann = groups["fifo", "user", "ann"]
    assert (ann["jobs"], ann["mean_jct_s"], ann["gpu_hours"]) == (2, 32.5, pytest.approx(30 / 3600))
    assert groups["fifo", "gpu_type", "v100"]["jobs"] == 3
    # ann's jobs hold the GPU for 30 s of 60; a meets its deadline and c has none
    assert (ann["utilisation"], ann["useful_share"], ann["delay_gpu_hours"]) == (0.5, 1.0, 0.0)
    assert (ann["deadlines_met"], ann["preemptions"], groups["fifo", "user", "bob"]["deadlines_met"]) == (1.0, 0, 0.0)
    assert groups["fifo", "gpu_type", "v100"]["utilisation"] == 1.0
    winners = {row["metric"]: row for row in result.winners}
    # srtf: a to 10, c to 30, b to 60
    assert winners["mean_jct_s"]["winner"] == "srtf"
    assert winners["mean_jct_s"]["gap"] == pytest.approx((10 + 40 + 55) / (10 + 60 + 25) - 1)
    assert winners["makespan_s"]["winner"] == "fifo, srtf"
    assert {"groups", "winners"} <= set(result.tables())


def test_a_caption_of_durations_names_no_table_of_step_times(result):
    shown = [text.get_text() for text in result.figures()["queue_length"].texts]
    assert any("decided at every event, durations as the trace gives them" in text for text in shown)


def test_queues_grow_only_where_not_all_fits():
    """24 jobs of 1 h within 23 s ask for 157 times the GPU-seconds of that time; 24 GPUs hold all of them."""
    rows = "".join(f"j{number},{number},3600,1\n" for number in range(24))
    trace = durations.read(f"name,submit_s,duration_s,gpus\n{rows}", "t")
    warned = []
    for gpus in (23, 24):
        cluster = Cluster("c", ("v100",), (gpus,))
        result = simcore.trace(durations.with_types(trace, cluster), cluster=cluster, interval="event")
        warned.append([warning for warning in result.warnings if "queues grow" in warning])
        assert (result.table[0]["mean_queueing_s"] > 0.0) == bool(warned[-1])
    assert [len(each) for each in warned] == [1, 0]


def test_preemptions_are_counted():
    text = "name,submit_s,duration_s,gpus\na,0,10,1\nb,2,3,1\n"
    trace = durations.with_types(durations.read(text, "t"), ONE)
    (row,) = simcore.trace(trace, cluster=ONE, policies=["srtf:restart=1"], interval="event", startup_delay=0).table
    assert [row[name] for name in ("preemptions", "starts", "restarts", "rescales")] == [1, 2, 1, 0]


def test_changes_of_gpus_are_no_restarts():
    """A job of 2 GPUs alone has both; a second one takes one of them at the next round."""
    text = "name,submit_s,duration_s,gpus\na,0,10,2\nb,5,10,1\n"
    two = Cluster("c", ("v100",), (2,))
    trace = durations.with_types(durations.read(text, "t"), two)
    (row,) = simcore.trace(trace, cluster=two, policies=["optimus:round=5"], interval="event", startup_delay=0).table
    assert [row[name] for name in ("preemptions", "starts", "restarts", "rescales")] == [0, 2, 0, 1]


@pytest.mark.parametrize(
    ("cost", "ends"),
    [
        (None, [13.0, 13.0, 15.0]),  # as --startup says, and as the policy's own option
        (4, [17.0, 17.0, 15.0]),  # for all but the one that says it itself
        ("4,srtf=1", [14.0, 17.0, 15.0]),
        ({"priority": 3}, [13.0, 16.0, 15.0]),
    ],
)
def test_a_restart_costs_by_policy(cost, ends):
    """A job of 10 s is stopped once, for 3 s."""
    text = "name,submit_s,duration_s,gpus,priority\na,0,10,1,0\nb,2,3,1,1\n"
    trace = durations.with_types(durations.read(text, "t"), ONE)
    result = simcore.trace(
        trace, cluster=ONE, policies=["srtf", "priority", "srsf:restart=2"], interval="event", startup_delay=0,
        restart_cost=cost,
    )  # fmt: skip
    assert [max(run.log.end) for run in result.runs] == ends


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ("las=5", "found 'las', expected one of srsf, srtf"),
        ("srtf=-1", "found 'srtf=-1', expected a number of seconds from 0"),
        ("srtf=1,srtf=2", "found srtf twice"),
        ("1,srtf=3,2", "found seconds for all policies twice, expected them once"),
        ("=3", "found '=3', expected a number of seconds from 0"),
        ("srsf=1", "found srsf beside the policy srsf:restart=2, expected one of the two"),
        ({"srtf": True}, "found 'srtf=True'"),
        (float("nan"), "found 'nan'"),
    ],
)
def test_restart_costs_that_make_no_sense(cost, message):
    with pytest.raises(InputError, match=message):
        simcore.trace("synthetic:jobs=3", policies=["srtf", "srsf:restart=2"], restart_cost=cost)


def test_gpus_that_are_free_while_jobs_wait():
    text = "name,submit_s,duration_s,gpus\na,0,10,3\nb,0,10,2\n"
    four = Cluster("c", ("v100",), (4,))
    trace = durations.with_types(durations.read(text, "t"), four)
    (row,) = simcore.trace(trace, cluster=four, policies=["fifo"], interval="event", startup_delay=0).table
    assert row["idle_while_waiting_gpus"] == 1.0


def test_delays_hold_gpus_that_do_no_work(tmp_path):
    """A job of 100 s on 2 GPUs waits for one of 10 s at 50 s: 5 s to start each, 7 s to start again."""
    path = tmp_path / "two.csv"
    path.write_text("name,submit_s,duration_s,gpus\nlong,0,100,2\nshort,50,10,2\n")
    how = {"cluster": Cluster("c", ("v100",), (2,)), "interval": "event", "startup_delay": 5}
    (row,) = simcore.trace(path, policies="srtf:restart=7", **how).table
    assert row["preemptions"] == 1
    assert row["delay_gpu_hours"] == pytest.approx((5 + 5 + 7) * 2 / 3600)
    assert row["useful_share"] == pytest.approx(110 / (110 + 17))
    (alone,) = simcore.trace(path, policies="fifo", **how).table
    assert alone["delay_gpu_hours"] == pytest.approx(2 * 5 * 2 / 3600)
