"""Nodes, virtual clusters and placement: what is read, what is refused, and who gets which GPUs."""

import re

import pytest
import simcore
from simcore.cluster import Decision, Node, Policy, cluster_of_nodes, read_cluster, read_trace
from simcore.errors import InputError, RunError
from simcore.models.cluster.placers import PLACERS, find_placer
from simcore.models.cluster.pools import CellPool
from simcore.traces import durations

NODES = """
nodes:
  - {type: v100, gpus: 8, count: 2, vc: 6214e9, rack: 0}
  - {type: v100, gpus: 4, vc: 103959}
vcs: {6214e9: 12}
"""
JOBS = "name,submit_s,duration_s,gpus,vc,user\na,0,100,8,6214e9,ann\nb,0,50,4,6214e9,bob\nc,1,10,1,6214e9,ann\n"
AT_ONCE = {"interval": "event", "startup_delay": 0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(NODES)
    (tmp_path / "t.csv").write_text(JOBS)
    return tmp_path


def test_names_of_virtual_clusters_may_look_like_numbers(folder):
    cluster = read_cluster("c.yaml").value
    assert cluster.vcs == ("6214e9", "103959")
    assert (cluster.counts, len(cluster.nodes), cluster.nodes[0].rack) == ((20,), 3, "0")
    assert cluster.quotas == (("6214e9", 12),)


def test_a_quota_holds_back_what_nodes_would_take(folder):
    jobs = simcore.trace("t.csv", cluster="c.yaml", **AT_ONCE).jobs
    assert jobs.column("start_s") == [0.0, 0.0, 50.0]  # 12 of 16 GPUs are the VC's
    assert jobs.column("nodes") == ["0:8", "1:4", "1:1"]
    assert jobs.column("user") == ["ann", "bob", "ann"]
    assert jobs.column("vc") == ["6214e9"] * 3


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            "nodes: [{type: v100, gpus: 8, vc: a}]\nvcs: {a: 9}",
            "field 'vcs': found a quota of 9 GPUs for 'a', expected",
        ),
        ("gpus: {v100: 8}\nvcs: {a: 9}", "found quotas without nodes"),
        ("gpus: {v100: 8}\nnodes: [{type: v100, gpus: 4}]", "found other counts than the nodes have"),
        ("nodes: [{type: v100, gpu: 4}]", "'gpu'"),
        ("nodes: [{type: total, gpus: 4}]", "a GPU type 'total'"),
        ("nodes: [{type: v100, gpus: 0}]", "found no GPUs"),
        ("name: x", "found no GPUs"),
    ],
)
def test_what_a_cluster_may_not_say(tmp_path, cluster, message):
    (tmp_path / "c.yaml").write_text(cluster)
    with pytest.raises(InputError, match=re.escape(message)):
        read_cluster(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "d,0,5,17,6214e9,x",
            "found a job that needs 17 v100 at once, expected what fits: VC '6214e9' has 2 nodes of 8",
        ),
        ("d,0,5,5,103959,x", "VC '103959' has 1 node of 4 GPUs"),
        ("d,0,5,13,6214e9,x", "and a quota of 12"),
        ("d,0,5,1,6214e8,x", "Did you mean '6214e9'"),
        ("d,0,5,1,,x", "field 'vc': found no virtual cluster"),
        ("d,0,0,1,6214e9,x", "line 5, field 'duration_s'"),
        ("d,0,5,1.5,6214e9,x", "line 5, field 'gpus'"),
        ("d,-1,5,1,6214e9,x", "line 5, field 'submit_s'"),
        ("a,0,5,1,6214e9,x", "line 5, field 'name': found 'a', which line 2 has too"),
        ("d,0,5,1,6214e9", "line 5, field 'user'"),
    ],
)
def test_what_a_job_may_not_ask(folder, row, message):
    (folder / "t.csv").write_text(f"{JOBS}{row}\n")
    with pytest.raises(InputError, match=re.escape(message)):
        simcore.trace("t.csv", cluster="c.yaml", **AT_ONCE)


def test_jobs_that_never_fit_may_be_left_out(folder):
    (folder / "t.csv").write_text(f"{JOBS}d,0,5,17,6214e9,x\ne,0,5,17,6214e9,x\n")
    result = simcore.trace("t.csv", cluster="c.yaml", keep_going=True, **AT_ONCE)
    assert len(result.jobs) == 3
    assert result.warnings[0] == "t.csv: 2 of 5 jobs are left out, because they can never run"
    assert result.warnings[1].startswith("2 left out, the first: t.csv, line 5, job 'd', field 'gpus'")
    (folder / "t.csv").write_text("name,submit_s,duration_s,gpus,vc\nd,0,5,17,6214e9\n")
    with pytest.raises(InputError, match="17 v100"):
        simcore.trace("t.csv", cluster="c.yaml", keep_going=True, **AT_ONCE)


def test_jobs_that_are_left_out_for_one_reason_are_told_together(folder):
    """Gangs of 1 to 3 of one unknown VC are three classes and one reason; of 12 sizes that never fit ten are told."""
    unknown = "".join(f"u{gpus},0,5,{gpus},lost,x\n" for gpus in (1, 2, 3))
    large = "".join(f"g{gpus},0,5,{gpus},6214e9,x\n" for gpus in range(17, 28))
    (folder / "t.csv").write_text(f"{JOBS}{unknown}{large}")
    warnings = simcore.trace("t.csv", cluster="c.yaml", keep_going=True, **AT_ONCE).warnings
    assert warnings[0] == "t.csv: 14 of 17 jobs are left out, because they can never run"
    assert warnings[1].startswith("3 left out, the first: t.csv, line 5, job 'u1', field 'vc': found 'lost'")
    told = [each for each in warnings if "left out, the first: " in each]
    assert len(told) == 10
    assert "2 left out for 2 further reasons" in warnings


def test_a_slow_look_reads_the_same(folder):
    cluster = read_cluster("c.yaml").value
    quick = read_trace("t.csv", cluster=cluster).value
    (folder / "t.csv").write_text("# jobs\n" + JOBS.replace("a,0,", "a, 0 ,"))
    careful = read_trace("t.csv", cluster=cluster).value
    assert (quick.names, quick.submit.tolist(), quick.classes) == (
        careful.names,
        careful.submit.tolist(),
        careful.classes,
    )
    assert (list(quick.lines), careful.lines) == ([2, 3, 4], [3, 4, 5])


def test_times_are_kept_and_the_file_s_order_too(folder):
    text = "name,submit_s,duration_s,gpus\nb,1500000060,10,1\na,1500000000,100,1\nc,1500000060,10,1\n"
    (folder / "t.csv").write_text(text)
    (folder / "c.yaml").write_text("nodes: [{type: v100, gpus: 1}]")
    result = simcore.trace("t.csv", cluster="c.yaml", **AT_ONCE)
    assert result.jobs.column("name") == ["b", "a", "c"]
    assert result.jobs.column("submit_s") == [1500000060.0, 1500000000.0, 1500000060.0]
    assert result.jobs.column("start_s") == [1500000100.0, 1500000000.0, 1500000110.0]
    assert result.table.column("makespan_s") == [120.0]


def test_a_type_that_is_not_said_is_the_only_one(folder):
    (folder / "c.yaml").write_text("nodes: [{type: v100, gpus: 1, vc: a}, {type: t4, gpus: 1, vc: b}]")
    (folder / "t.csv").write_text("name,submit_s,duration_s,gpus,vc\na,0,5,1,a\nb,0,5,1,b\n")
    assert simcore.trace("t.csv", cluster="c.yaml", **AT_ONCE).jobs.column("gpu_type") == ["v100", "t4"]
    # where there are several any will do, without nodes and with them
    for cluster in ("gpus: {v100: 1, t4: 1}", "nodes: [{type: v100, gpus: 1}, {type: t4, gpus: 1}]"):
        (folder / "c.yaml").write_text(cluster)
        jobs = simcore.trace("t.csv", cluster="c.yaml", **AT_ONCE).jobs
        assert jobs.column("gpu_type") == ["", ""]
        assert (jobs.column("gpu_seconds_v100"), jobs.column("gpu_seconds_t4")) == ([5.0, 0.0], [0.0, 5.0])
        assert jobs.column("nodes") == ["0:1", "1:1"]


def test_a_load_stretches_submissions(folder):
    (folder / "t.csv").write_text("name,submit_s,duration_s,gpus\na,0,100,1\nb,100,300,1\n")
    (folder / "c.yaml").write_text("gpus: {v100: 1}")
    result = simcore.trace("t.csv", cluster="c.yaml", load=2.0, **AT_ONCE)
    assert result.jobs.column("submit_s") == [0.0, 200.0]  # 400 GPU-seconds over 200 s
    for load in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="load"):
            simcore.trace("t.csv", cluster="c.yaml", load=load, **AT_ONCE)


def test_elastic_jobs_take_gpus_of_any_nodes_but_know_no_virtual_clusters(folder):
    nodes = "nodes: [{type: v100, gpus: 8, count: 4}, {type: p100, gpus: 4, count: 4}, {type: t4, gpus: 4, count: 4}]"
    (folder / "c.yaml").write_text(nodes)
    (folder / "same.yaml").write_text("gpus: {v100: 32, p100: 16, t4: 16}")
    on_nodes, counted = (simcore.trace(cluster=c, policies=["easyscale-heter"]).table for c in ("c.yaml", "same.yaml"))
    assert on_nodes.column("mean_jct_s") == counted.column("mean_jct_s")
    (folder / "c.yaml").write_text(NODES)
    with pytest.raises(InputError, match="virtual clusters, which easyscale-homo does not keep apart"):
        simcore.trace("t.csv", cluster="c.yaml", policies=["easyscale-homo"])


class Careless(Policy):
    """Starts every job without asking for room."""

    def decide(self, view):
        return Decision([(row, view.gang(row)) for row in view.waiting])


class Greedy(Policy):
    """Starts the first job twice."""

    def decide(self, view):
        room = view.room()
        room.start(0)
        room.start(0)
        return Decision(room.changes)


class Trying(Policy):
    """Tries all and returns what it did only at the second decision."""

    def decide(self, view):
        room = view.room()
        for row in view.waiting:
            room.start(row)
        return Decision((), view.now + 5.0) if view.now < 5.0 else Decision(room.changes)


def run_on(policy, nodes):
    text = JOBS.replace("6214e9", "")
    cluster = cluster_of_nodes("c", nodes)
    trace = durations.with_types(durations.read(text, "t"), cluster)
    return simcore.trace(trace, cluster=cluster, policies=[policy], **AT_ONCE)


def test_a_policy_that_asks_nobody_is_found_out():
    with pytest.raises(RunError, match=r"a gang of 4 GPUs at 0\.0 s, and no nodes are free for it"):
        run_on(Careless(), [Node("v100", 8)])
    with pytest.raises(RunError, match="starts a job that holds GPUs already"):
        run_on(Greedy(), [Node("v100", 8), Node("v100", 8)])
    assert run_on(Careless(), [Node("v100", 8), Node("v100", 8)]).jobs.column("start_s") == [0.0, 0.0, 1.0]


def test_what_is_tried_and_not_returned_does_not_hold():
    assert run_on(Trying(), [Node("v100", 8), Node("v100", 8)]).jobs.column("start_s") == [6.0, 6.0, 6.0]


@pytest.mark.parametrize("name", PLACERS)
def test_every_placer_keeps_its_books(name):
    """Gangs come and go at random: nothing is handed out twice, and all is free at the end."""
    import random

    dice = random.Random(1)
    placer = find_placer(name)([1, 2, 4, 8], 3)
    sizes = [8, 8, 6, 4, 8]
    pool = placer.pool_type(sizes)
    held = []
    for _ in range(600):
        gpus = dice.choice([1, 2, 3, 4, 5, 8, 10, 16])
        found = placer.choose(pool, gpus)
        if found is not None and dice.random() < 0.6:
            assert sum(count for _, count, _ in found) == gpus
            pool.take(found)
            held.append(found)
            assert min(pool.free) >= 0
        elif held:
            pool.give(held.pop(dice.randrange(len(held))))
        assert pool.left == sum(pool.free)
    for one in held:
        pool.give(one)
    assert (pool.free, pool.left) == (sizes, sum(sizes))
    if isinstance(pool, CellPool):
        assert pool.slots == [(1 << size) - 1 for size in sizes]


def test_placement_by_name(folder):
    jobs = "name,submit_s,duration_s,gpus\na,0,100,2\nb,0,100,2\nc,0,100,3\n"
    (folder / "t.csv").write_text(jobs)
    (folder / "c.yaml").write_text("nodes: [{type: v100, gpus: 4, count: 2}]")
    found = {
        name: simcore.trace("t.csv", cluster="c.yaml", placement=name, **AT_ONCE).jobs.column("nodes")
        for name in ("packed", "consolidated", "spread", "buddy", "fragmentation", "fragmentation-aware")
    }
    assert found["fragmentation"] == found["fragmentation-aware"]
    assert found["packed"] == found["buddy"] == found["fragmentation"] == ["0:2", "0:2", "1:3"]
    assert found["spread"] == ["0:1 1:1", "0:1 1:1", "0:2 1:1"]
    assert found["consolidated"] == ["0:2", "0:2", "1:3"]
    with pytest.raises(InputError, match="Did you mean 'packed'"):
        simcore.trace("t.csv", cluster="c.yaml", placement="paked")
