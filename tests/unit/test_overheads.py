"""What elastic workers cost in the cluster study: steps, determinism, memory, a change of GPUs."""

from dataclasses import replace

import pytest
import simcore
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.models.cluster.overheads import Determinism, Overheads, Shared, SharedStep, least_share, step_seconds
from simcore.models.cluster.placement import class_seconds, place
from simcore.models.cluster.placers import find_placer
from simcore.models.cluster.policies.easyscale.proposals import proposals
from simcore.models.cluster.policies.gavel import Gavel, speeds
from simcore.models.cluster.rules import PUBLISHED
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import StepTimes, global_step_time
from simcore.readers.overheads import read_overheads
from simcore.studies.trace.checks import runnable

# t_first = (2 x 1.25 - 1.5) / 1 = 1.0
STEP = SharedStep("bert", 8, 2, 1.2, 1.25, 1.5, 3.0)
COSTS = Overheads(
    "mine", 32.0, 0.9, (Shared("bert", 8, "sharing", 1, 40.0, 1.0), Shared("bert", 4, "sharing", 1, 30.0, 1.0)),
    {"bert": STEP}, {("bert", "t4"): Determinism("bert", "t4", 8, 1.0, 2.0, 3.0)},
)  # fmt: skip
PUBLISHED_COSTS = read_overheads("easyscale").value
CLUSTER = Cluster("c", ("v100", "t4"), (2, 2))
SECONDS = {("bert", 8, "v100"): 0.5, ("bert", 8, "t4"): 1.0}
TIMES = StepTimes("mine", SECONDS, overheads=COSTS)


def job(*, heterogeneous=False, batch=8):
    return JobClass("bert", batch, 4, heterogeneous, "v100")


def test_the_last_worker_of_a_gpu_takes_longer():
    assert STEP.first == 1.0
    assert TIMES.last("bert", "v100") == 1.5
    assert TIMES.last("vgg19", "v100") == StepTimes("mine", SECONDS).last("bert", "v100") == 1.0
    assert global_step_time([2, 0], [0.5, 1.0], [1.5, 1.5]) == 0.5 + 0.75
    # two threads on each of two GPUs
    assert place(job(), (2, 0), CLUSTER, TIMES).step_time == 1.25
    assert place(job(), (2, 0), CLUSTER, StepTimes("mine", SECONDS)).step_time == 1.0


@given(
    size=st.integers(1, 9),
    seconds=st.tuples(*[st.floats(0.2, 3.0)] * 3),
    last=st.tuples(*[st.floats(1.0, 2.5)] * 3),
    counts=st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9)),
)
def test_easyscale_chooses_by_the_step_that_the_simulator_takes(size, seconds, last, counts):
    """A claimed speed-up is the step of all threads on a reference GPU over that of the placement."""
    whole = [step_seconds(size, 1.0, end) * t for t, end in zip(seconds, last, strict=True)]
    found = proposals(size, tuple(whole[-1] / each for each in whole), counts, "best", "exact", last)
    for threads, speedup in zip(found.threads.tolist(), found.speedup.tolist(), strict=True):
        assert speedup == pytest.approx(whole[-1] / global_step_time(threads, seconds, last), rel=1e-9)
    assert found.waste.min() > -1e-9


@pytest.mark.parametrize("single", ["linear", "exact"])
def test_last_workers_that_cost_nothing_change_no_bit(single):
    power = (2.4, 24 / 17, 1.0)
    plain, same = (proposals(7, power, (4, 4, 4), "worst", single, last) for last in (None, (1.0, 1.0, 1.0)))
    assert all((getattr(plain, each) == getattr(same, each)).all() for each in ("gpus", "threads", "speedup", "waste"))


def test_gavel_and_optimus_see_what_the_last_worker_costs():
    trace = build_trace("t", ["a"], [0.0], [60.0], [job(heterogeneous=True)])
    seen = {}

    class Looking(Gavel):
        def decide(self, view):
            seen["speeds"] = speeds(view, 0, [4, 4]).tolist()
            seen["gang"] = view.gang(0).step_time
            return super().decide(view)

    simulate(trace, Cluster("c", ("v100", "t4"), (4, 4)), TIMES, Looking(), interval=None, rules=PUBLISHED)
    assert seen == {"speeds": [1 / (0.5 * 1.5), 1 / (1.5 * 1.5)], "gang": 0.5 * 1.5}


def test_the_least_memory_of_a_packed_worker_is_that_of_a_row_that_runs():
    rows = [
        Shared("a", 1, "packing", k, memory, time)
        for k, memory, time in ((1, 10.0, 1.0), (3, 27.0, 1.0), (4, 28.0, None))
    ]
    assert least_share(rows) == 0.9
    assert least_share(rows[:1]) == least_share([]) == 1.0


def test_only_heterogeneous_jobs_pay_for_d2():
    assert class_seconds(job(), CLUSTER, TIMES) == (0.5, 1.0)
    assert class_seconds(job(heterogeneous=True), CLUSTER, TIMES) == (0.5, 1.5)


@pytest.mark.parametrize(("gpu", "factor"), [("t4", 1.5), ("v100", 1.0)])
def test_d2_costs_a_model_without_a_row_what_its_family_pays_on_that_gpu(gpu, factor):
    rows = (("bert", 2.0, 3.0, "transformer"), ("electra", 1.0, 1.5, "transformer"), ("vgg19", 1.0, 4.0, "convolution"))
    levels = {(m, "t4"): Determinism(m, 8, "t4", 1.0, d1, d2, family) for m, d1, d2, family in rows}
    costs = replace(
        COSTS, determinism=levels, families={"gpt": "transformer", "resnet50": "convolution", "dlrm": "mlp"}
    )
    assert costs.heterogeneous("gpt", gpu) == factor
    assert costs.heterogeneous("vgg19", "t4") == costs.heterogeneous("resnet50", "t4") == 4.0
    assert costs.heterogeneous("dlrm", "t4") == 1.0
    assert replace(costs, gpus=("cpu",)).heterogeneous("vgg19", "t4") == 1.0  # numbers of a CPU


def test_the_zoo_says_which_family_a_model_is_of(tmp_path):
    """gpt-125m has no row in the published numbers: its heterogeneous jobs are as slow as bert, electra and Swin."""
    header = "model,batch_size,gpu_type,seconds_per_minibatch,kind\n"
    gpus = ("v100", "p100", "t4")
    (tmp_path / "rates.csv").write_text(header + "".join(f"gpt-125m,8,{gpu},0.5,measured\n" for gpu in gpus))
    head = "name,submit_s,model,batch_size,max_parallelism,samples,heterogeneous,gpu_type\n"
    (tmp_path / "jobs.csv").write_text(f"{head}a,0,gpt-125m,8,1,4000,yes,t4\n")
    files = {"trace": tmp_path / "jobs.csv", "rates": tmp_path / "rates.csv", "policies": "fifo", "startup_delay": 0}
    plain, slowed = (simcore.trace(**files, interval="event", overheads=each) for each in ("none", "published"))
    rows = PUBLISHED_COSTS.determinism
    kin = [rows[model, "t4"].d2 / rows[model, "t4"].d1 for model in ("bert", "electra", "swintransformer")]
    assert slowed.table[0]["mean_jct_s"] == pytest.approx(plain.table[0]["mean_jct_s"] * sum(kin) / 3, rel=1e-9)


def test_a_job_that_does_not_fit_a_gpu_is_refused():
    trace = build_trace("t", ["a", "b"], [0.0] * 2, [60.0] * 2, [job(batch=4), job(batch=8)])
    times = replace(TIMES, seconds=SECONDS | {("bert", 4, "v100"): 0.5})
    inputs = {"cluster": Cluster("c", ("v100",), (4,)), "step_times": times, "policies": {"gavel": Gavel()},
              "rules": PUBLISHED, "placer": find_placer("packed", "placement")}  # fmt: skip
    kept, left_out = runnable(trace, **inputs, keep_going=True)
    assert list(kept.names) == ["a"]
    assert "bert, of which one worker needs" in left_out[1]
    with pytest.raises(InputError, match=r"bert, of which one worker needs .* GiB, expected at most the .* of a v100"):
        runnable(trace, **inputs)


def packed(tmp_path, size, policy="easyscale-homo", gpu="v100", **options):
    head = "name,submit_s,model,batch_size,max_parallelism,samples,heterogeneous,gpu_type\n"
    (tmp_path / "jobs.csv").write_text(f"{head}first,0,resnet50,32,{size},64000,no,{gpu}\n")
    given = {"workers": "packing", "overheads": "published"} | options
    return simcore.trace(tmp_path / "jobs.csv", policies=policy, **given)


def test_seven_packed_workers_of_resnet50_run_and_eight_do_not(tmp_path):
    assert packed(tmp_path, 7).table[0]["mean_jct_s"] > 0
    with pytest.raises(InputError, match=r"'first', field 'max_parallelism': found resnet50, whose 8 packed workers"):
        packed(tmp_path, 8)
    # they share a process, have a GPU each, or run where nobody measured memory
    packed(tmp_path, 8, workers="sharing")
    packed(tmp_path, 8, policy="fifo")
    packed(tmp_path, 8, gpu="t4")
    with pytest.raises(InputError, match="found 'packing', expected costs that say what a worker needs"):
        packed(tmp_path, 7, overheads="none")


def test_step_times_know_how_many_workers_a_gpu_holds():
    times = StepTimes("mine", SECONDS, overheads=PUBLISHED_COSTS, workers="packing")
    held = [times.most_workers(*each) for each in (("resnet50", 32, "v100"), ("shufflenetv2", 512, "v100"))]
    assert held == [7, 1]
    assert times.most_workers("resnet50", 32, "t4") is times.most_workers("resnet50", 64, "v100") is None
    assert replace(times, workers="sharing").most_workers("resnet50", 32, "v100") is None
    assert StepTimes("mine", SECONDS).most_workers("resnet50", 32, "v100") is None


def results(**inputs):
    return simcore.trace(policies=["easyscale-homo", "easyscale-heter"], **inputs)


def test_published_overheads_move_figures_14_and_15_and_none_is_the_default():
    plain, costly = results(), results(overheads="published")
    assert results(overheads="none").tables() == plain.tables()
    assert [round(row["mean_jct_s"], 1) for row in plain.table] == [1068.2, 682.7]
    assert [round(row["mean_jct_s"], 1) for row in costly.table] == [1392.4, 773.1]
    assert [round(row["makespan_s"]) for row in costly.table] == [8220, 8280]
    assert costly.provenance.sha256["overheads"]
    assert "overheads easyscale, published" in costly.step_times.note
    assert simcore.trace(**costly.provenance.inputs).tables() == costly.tables()


def test_a_file_of_ones_own_says_what_a_change_of_gpus_takes(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "description: mine\nsource: nowhere\ncapacity: 16 GiB\nshrink: 0.9\nrescale: 90 s\n"
        "sharing: [{model: bert, batch: 8, system: sharing, workers: 2, memory: 4 GiB, time: 1 s}]\n"
        "steps: [{model: x, batch: 1, workers: 2, unswitched: 1 s, switched: 1 s, last: 1 s, ddp: 1 s}]\n"
        "determinism: [{model: x, batch: 1, gpu: v100, none: 1 s, d1: 1 s, d2: 1 s}]\n"
    )
    assert results(overheads=path).rules.startup_delay == 90.0
    given = results(overheads=str(path), startup_delay=5.0)
    assert given.rules.startup_delay == 5.0
    assert simcore.trace(**given.provenance.inputs).rules == given.rules
    with pytest.raises(InputError, match="overheads: found 'publishd'"):
        results(overheads="publishd")
