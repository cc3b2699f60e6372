"""Who is on which node and when: from a simulation, on GPUs, in the figure and the timeline."""

import json

import pytest
from simcore import trace
from simcore.models.cluster.cluster import Node
from simcore.models.cluster.stays import Stay, on_gpus, stays
from simcore.studies.trace.gantt import BINS, allocated

CLUSTER = "nodes: [{type: v100, gpus: 2, count: 2}]\n"
JOBS = "name,submit_s,duration_s,gpus\na,0,10,2\nb,0,20,1\nc,0,5,1\nd,0,10,3\n"


@pytest.fixture
def result(tmp_path):
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "jobs.csv").write_text(JOBS)
    return trace(
        tmp_path / "jobs.csv", cluster=tmp_path / "cluster.yaml", policies="fifo", interval="event", startup_delay=0,
        placement="packed",
    )  # fmt: skip


def test_stays_are_what_jobs_hold(result):
    found = [(stay.row, stay.node, stay.gpus, stay.start, stay.end) for stay in stays(result.runs[0].log)]
    # a has node 0 until 10; b and c share node 1; d waits for a whole node and one GPU more: until b ends
    assert found == [(0, 0, 2, 0, 10), (1, 1, 1, 0, 20), (2, 1, 1, 0, 5), (3, 0, 2, 10, 20), (3, 1, 1, 10, 20)]
    held = sum(stay.gpus * (stay.end - stay.start) for stay in stays(result.runs[0].log))
    assert held == pytest.approx(result.runs[0].times.gpu_seconds.sum())


def test_no_gpu_is_given_twice(result):
    nodes = [Node("v100", 2)] * 2
    placed = on_gpus(stays(result.runs[0].log), nodes)
    for one, parts in placed:
        assert sum(high - low for low, high in parts) == one.gpus
        for other, others in placed:
            if one is not other and one.node == other.node and one.start < other.end and other.start < one.end:
                assert all(a[1] <= b[0] or b[1] <= a[0] for a in parts for b in others)


def test_shades_are_shares_of_nodes(result):
    shares = allocated(stays(result.runs[0].log), [Node("v100", 2)] * 2, 0.0, 20.0)
    assert shares.shape == (2, BINS)
    assert shares[0].mean() == pytest.approx(1.0)
    assert shares[1].mean() == pytest.approx((20 + 5 + 10) / 40)


def test_the_timeline_names_nodes_and_the_figure_is_drawn(result):
    events = json.loads(result.timeline().trace)["traceEvents"]
    names = [event["args"]["name"] for event in events if event.get("name") == "thread_name"]
    assert names == ["node 0 v100 0", "node 0 v100 1", "node 1 v100 0", "node 1 v100 1"]
    slices = [(event["name"], event["tid"]) for event in events if event["ph"] == "X"]
    assert sorted(slices) == [("a", 1), ("a", 2), ("b", 3), ("c", 4), ("d", 1), ("d", 2), ("d", 4)]
    assert "gantt" in result.figures()


def test_gpus_that_come_free_are_one_stretch_again():
    found = [Stay(0, 0, 1, 0.0, 1.0), Stay(1, 0, 1, 0.0, 1.0), Stay(2, 0, 2, 1.0, 2.0)]
    assert on_gpus(found, [Node("v100", 2)])[-1][1] == [(0.0, 2.0)]
