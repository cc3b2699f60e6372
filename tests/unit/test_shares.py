"""Shares of GPUs, cores and memory of nodes, and jobs of any type: what is read, refused, placed and counted."""

import json
import re

import pytest
import simcore
from simcore.cluster import Cluster, Decision, JobClass, Node, Policy, StepTimes, read_trace
from simcore.errors import InputError, RunError
from simcore.models.cluster.fragmentation import Fragmentation
from simcore.models.cluster.shared_pool import Ask, SharedPool
from simcore.models.cluster.stays import on_gpus, stays
from simcore.traces import durations

HEADER = "name,submit_s,duration_s,gpus,gpu_share,gpu_type,cpus,memory_b\n"
AT_ONCE = {"interval": "event", "startup_delay": 0}
ONE = "nodes: [{type: t4, gpus: 2, cpus: 8, memory: 16 GiB}]"
TWO = "nodes: [{type: v100, gpus: 2}, {type: t4, gpus: 2}]"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(rows, cluster=ONE, **how):
        (tmp_path / "t.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
        (tmp_path / "c.yaml").write_text(cluster)
        return simcore.trace("t.csv", cluster="c.yaml", **{**AT_ONCE, **how})

    return run


def test_a_share_goes_to_the_fullest_gpu_that_fits(run):
    rows = ["a,0,10,1,0.5,,,", "b,0,20,1,0.6,,,", "c,0,30,1,0.4,,,", "d,0,5,1,0.5,,,", "e,0,5,1,,,,"]
    result = run(rows)
    jobs = result.jobs
    # c fills b's GPU and not a's; e waits until a whole GPU is free
    assert jobs.column("start_s") == [0.0, 0.0, 0.0, 0.0, 10.0]
    held = [nodes[0] for nodes in result.runs[0].log.nodes]
    assert held == [(0, 0.5, 1), (0, 0.6, 2), (0, 0.4, 2), (0, 0.5, 1), (0, 1, 1)]
    assert jobs.column("nodes") == ["0:0.5", "0:0.6", "0:0.4", "0:0.5", "0:1"]
    assert jobs.column("gang") == [0.5, 0.6, 0.4, 0.5, 1]
    assert jobs.column("gpu_share") == ["0.5", "0.6", "0.4", "0.5", ""]
    assert jobs.column("gpu_seconds_t4") == [5.0, 12.0, 12.0, 2.5, 5.0]
    assert result.table.column("mean_allocated_gpus") == [36.5 / 30]
    assert result.allocation.column("total") == [2.0, 1.5, 2.0, 1.0, 0.4, 0.0]
    assert "jobs: 4 of 5 share a GPU" in str(result)


def test_shares_are_drawn_within_their_gpu(run):
    result = run(["a,0,10,1,0.5,,,", "b,0,20,1,0.6,,,", "c,0,30,1,0.4,,,", "d,1,5,1,0.3,,,", "e,20,5,1,0.6,,,"])
    placed = on_gpus(stays(result.runs[0].log), result.cluster.nodes)
    parts = [found for _, found in placed]
    assert parts == [[(0.0, 0.5)], [(1.0, 1.6)], [(1.6, 2.0)], [(0.5, 0.8)], [(1.0, 1.6)]]
    events = json.loads(result.timeline().trace)["traceEvents"]
    allocated = [event["args"]["GPUs"] for event in events if event["name"] == "allocated t4"]
    assert allocated == [1.5, 1.8, 1.5, 1.0, 1.0, 0.4, 0.0]
    assert "gantt" in result.figures()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0,5,1,0,,,", "line 2, field 'gpu_share': found '0', expected a number above 0 and up to 1, in 1/1000"),
        ("a,0,5,1,1.5,,,", "field 'gpu_share': found '1.5'"),
        ("a,0,5,1,0.3333,,,", "field 'gpu_share': found '0.3333'"),
        ("a,0,5,1,half,,,", "field 'gpu_share': found 'half'"),
        ("a,0,5,2,0.5,,,", "found a share of 0.5 with 2 GPUs, expected 1 GPU"),
        ("a,0,5,1,,,9,", "job 'a', field 'gpus': found a job that needs 1 t4 at once, with 9 cores, expected what "
                         "fits: cluster 'c' has 1 node of 2 GPUs, with 8 cores at most"),
        ("a,0,5,1,0.5,,1,17179869185", "a job that needs 0.5 t4 at once, with 1 cores and 16 GiB of memory"),
        ("a,0,5,1,,,-1,", "job 'a', field 'cpus': found -1, expected a number from 0"),
        ("a,0,5,1,,t4|v10,,", "field 'gpu_type': found 'v10', expected one of t4"),
    ],
)  # fmt: skip
def test_what_a_job_may_not_ask(run, row, message):
    with pytest.raises(InputError, match=re.escape(message)):
        run([row])


def test_cores_and_memory_hold_a_job_back(run):
    result = run(["a,0,10,1,0.5,,6,", "b,0,10,1,0.5,,3,1", "c,0,10,1,,,2,17179869184"])
    assert result.jobs.column("start_s") == [0.0, 10.0, 20.0]  # b waits for cores, c for the byte that b has
    assert "nodes give cores and memory too" in str(result)
    free = run(["a,0,10,1,0.5,,6,", "b,0,10,1,0.5,,3,"], "nodes: [{type: t4, gpus: 2}]")
    assert free.jobs.column("start_s") == [0.0, 0.0]  # nodes that say no cores have any number
    assert "nodes give" not in str(free)


def test_a_gang_needs_cores_of_each_node_in_proportion(run):
    nodes = "nodes: [{type: t4, gpus: 4, cpus: 8, count: 2}]"
    result = run(["a,0,10,6,,,12,", "b,0,10,2,,,5,", "c,0,10,2,,,4,"], nodes, policies=["fifo-skip"])
    assert result.jobs.column("nodes") == ["0:4 1:2", "0:2", "1:2"]  # a leaves 4 cores on node 1
    assert result.jobs.column("start_s") == [0.0, 10.0, 0.0]


def test_a_list_of_types_and_their_rates(run, tmp_path):
    jobs = run(["a,0,10,2,,v100|t4,,", "b,0,10,2,,t4|v100,,", "c,0,10,2,,t4,,"], TWO).jobs
    assert jobs.column("nodes") == ["0:2", "1:2", "1:2"]
    assert jobs.column("start_s") == [0.0, 0.0, 10.0]
    rates = StepTimes("r", {("job", 1, "v100"): 0.5, ("job", 1, "t4"): 2.0})
    slower = run(["a,0,10,2,,,,", "b,0,10,2,,,,"], TWO, rates=rates).jobs
    assert slower.column("end_s") == [10.0, 40.0]  # its duration is that on the first type
    with pytest.raises(InputError, match=re.escape("no entry for model job, batch size 1, GPU type t4")):
        run(["a,0,10,2,,,,"], TWO, rates=StepTimes("r", {("job", 1, "v100"): 0.5}))


def test_elastic_policies_refuse_shares_and_several_types(run):
    with pytest.raises(InputError, match=re.escape("field 'gpu_share': found 0.5 of a GPU under optimus")):
        run(["a,0,5,1,0.5,,,"], policies=["optimus"])
    with pytest.raises(InputError, match=re.escape("field 'gpu_type': found several types under optimus")):
        run(["a,0,5,1,,,,"], TWO, policies=["optimus"])


class ByItself(Policy):
    """Places gangs without asking for room."""

    gpus = None

    def decide(self, view):
        return Decision([(row, self.gpus(view, row)) for row in view.waiting])


def test_what_a_policy_hands_out_by_itself_gets_nodes(run):
    def policy(gpus):
        one = ByItself()
        one.gpus = gpus
        return [one]

    rows = ["a,0,10,1,0.5,,,", "b,0,10,1,0.5,,,"]
    found = run(rows, TWO, policies=policy(lambda view, row: view.gang(row))).jobs
    assert found.column("nodes") == ["0:0.5", "0:0.5"]
    found = run(rows, TWO, policies=policy(lambda view, row: view.place(row, (0, 0.5)))).jobs
    assert found.column("nodes") == ["1:0.5", "1:0.5"]
    with pytest.raises(RunError, match=r"placed a gang of 0\.8 GPUs at 0\.0 s, and no nodes are free"):
        run(["a,0,9,1,0.8,,,", "b,0,9,1,0.8,,,"], "gpus: {t4: 1}", policies=policy(lambda view, row: view.gang(row)))
    with pytest.raises(RunError, match=r"gives a job 1 GPUs of 1 types, and its gang is 0\.5 of one"):
        run(rows, TWO, policies=policy(lambda view, row: view.place(row, (0, 1))))


def test_overload_is_said_of_types_cores_and_memory(run):
    rows = [f"j{i},{i},100,1,0.5,{'t4' if i % 2 else ''},4,1073741824" for i in range(60)]
    nodes = "nodes: [{type: v100, gpus: 8, cpus: 8, memory: 16 GiB}, {type: t4, gpus: 4, cpus: 8, memory: 16 GiB}]"
    said = [warning.split(" have ")[0] for warning in run(rows, nodes).warnings]
    assert said == [
        "t.csv asks for 6.36 times the GPU-seconds that the t4 GPUs",
        "t.csv asks for 4.24 times the GPU-seconds that the v100, t4 GPUs",
        "t.csv asks for 25.42 times the core-seconds that the nodes",
        "t.csv asks for 3.18 times the byte-seconds that the nodes",
    ]


def test_fragmentation_looks_at_what_others_ask_for():
    """The node with one GPU free and 0.3 of another wastes nothing for halves if the small share fills up the rest."""
    pool = SharedPool([Node("t4", 2), Node("t4", 2)], [0, 1])
    third, half = Ask(1, 300, ("t4",)), Ask(1, 500, ("t4",))
    pool.take(((0, 0.5, 1),), half)
    pool.take(((1, 1, 3),), Ask(2, 1000, ("t4",)))
    # F of (1 free, 0.5 shared): gangs of 2 spoil 1.5, halves nothing; after a share of 0.3 0.2 is left for none
    few, many = (Fragmentation(asked) for asked in ([0.5] * 9 + [2], [0.5] + [1] * 9))
    assert few.choose_share(pool.offer(third), 300) == ((0, 1, 0),)  # a fresh GPU keeps 0.5 for the halves
    assert many.choose_share(pool.offer(third), 300) == ((0, 1, 1),)  # whole GPUs are what is asked for
    assert few.choose_share(pool.offer(Ask(1, 700, ("t4",))), 700) == ((0, 1, 0),)


def test_a_trace_of_openb_keeps_shares_and_types(tmp_path):
    header = (
        "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time"
    )
    (tmp_path / "t.csv").write_text(
        f"{header}\np,6000,12288,1,460,T4|P100,LS,Running,0,100,20\nq,1,1,1,1000,,LS,,0,9,0\n"
    )
    trace = read_trace(tmp_path / "t.csv", cluster=Cluster("c", ("P100", "T4"), (1, 1))).value
    assert trace.classes == (
        JobClass("job", 1, 1, False, "P100|T4", share=0.46),
        JobClass("job", 1, 1, False, ""),
    )
    assert trace.more["gpu_share"] == ["0.46", ""]


@pytest.mark.parametrize("placement", ["packed", "buddy", "fragmentation"])
def test_a_share_of_types_that_its_virtual_cluster_lacks_is_left_out(tmp_path, placement):
    (tmp_path / "t.csv").write_text(
        "name,submit_s,duration_s,gpus,gpu_share,vc,gpu_type\na,0,10,1,0.5,x,v100\nb,0,10,1,0.5,x,t4\n"
    )
    (tmp_path / "c.yaml").write_text("nodes: [{type: t4, gpus: 2, vc: x}, {type: v100, gpus: 2, vc: y}]")
    how = {"cluster": tmp_path / "c.yaml", "placement": placement}
    with pytest.raises(InputError, match="VC 'x' has no v100"):
        simcore.trace(tmp_path / "t.csv", **how)
    assert simcore.trace(tmp_path / "t.csv", keep_going=True, **how).jobs.column("name") == ["b"]


def test_a_list_of_one_type_is_that_type_and_lists_have_no_order(run):
    rows = ["a,0,10,2,,t4|t4,,", "b,0,10,2,,t4,,", "c,0,10,2,,v100,,"]
    jobs = run(rows, "gpus: {t4: 2, v100: 2}").jobs
    assert (jobs.column("end_s"), jobs.column("gpu_type")) == ([10.0, 20.0, 10.0], ["t4", "t4", "v100"])
    jobs = run(["a,0,10,2,,t4|v100,,", "b,0,10,2,,v100|t4,,"], "gpus: {t4: 2, v100: 2, p100: 2}").jobs
    assert jobs.column("gpu_type") == ["t4|v100", "t4|v100"]


def test_types_that_a_virtual_cluster_lacks_do_not_count(tmp_path):
    (tmp_path / "t.csv").write_text(
        "name,submit_s,duration_s,gpus,vc,gpu_type\na,0,10,2,x,t4|v100\nb,0,10,2,x,t4\nc,0,10,2,y,v100\n"
    )
    (tmp_path / "c.yaml").write_text("nodes: [{type: t4, gpus: 2, vc: x}, {type: v100, gpus: 2, vc: y}]")
    result = simcore.trace(tmp_path / "t.csv", cluster=tmp_path / "c.yaml", **AT_ONCE)
    assert result.jobs.column("end_s") == [10.0, 20.0, 10.0]


def test_traces_given_as_objects_have_their_only_type():
    trace = durations.read(HEADER + "a,0,10,3,,,,\nb,0,10,3,,t4,,\n", "t")
    result = simcore.trace(trace, cluster=Cluster("c", ("t4",), (4,)), **AT_ONCE)
    assert result.jobs.column("end_s") == [10.0, 20.0]


@pytest.mark.parametrize("policy", ["gavel", "finish-time-fairness"])
@pytest.mark.parametrize("placement", ["packed", "consolidated", "spread"])
def test_rounds_are_not_asked_on_types_whose_nodes_lack_cores(run, policy, placement):
    nodes = "nodes: [{type: v100, gpus: 4, cpus: 4}, {type: t4, gpus: 4, cpus: 16}]"
    jobs = run(["a,0,10,4,,,8,", "b,0,10,4,,,8,"], nodes, policies=[policy], placement=placement).jobs
    assert (jobs.column("nodes"), jobs.column("end_s")) == (["1:4", "1:4"], [10.0, 20.0])


@pytest.mark.parametrize("what", ["cpus: 0", "memory: 0 GiB"])
def test_a_node_without_cores_or_memory_is_refused_as_none_said_means_any(run, what):
    with pytest.raises(InputError, match=f"{what.split(':')[0]}.*found .*0.*, expected .*0"):
        run(["a,0,10,1,,,4,1e9"], f"nodes: [{{type: t4, gpus: 2, {what}}}]")
