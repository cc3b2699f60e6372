"""What logical workers cost on the machine at hand, measured into a profile and taken by a trace."""

import json
from dataclasses import replace

import pytest
import simcore
from simcore.cluster import Cluster
from simcore.errors import InputError
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.overheads import Determinism, ElasticCosts, Shared, SharedStep
from simcore.models.cluster.placement import class_last, class_seconds
from simcore.models.cluster.step_times import StepTimes
from simcore.readers.overheads import read_overheads
from simcore.readers.profile_json import profile_text
from simcore.readers.profiles import read_profile

from tests.cli.commands import printed

COSTS = ElasticCosts(
    (Shared("mlp", 4, "sharing", 1, 2e8, 1e-3), Shared("mlp", 4, "packing", 2, 4e8, 6e-4)),
    (SharedStep("mlp", 4, 4, 9e-4, 1e-3, 3e-3, copy=1e-5),),
    0.4,
    (Determinism("mlp", 4, "cpu", 1e-3, 1.1e-3, 2.2e-3, "mlp"),),
)
TRACE = "name,submit_s,model,batch_size,max_parallelism,samples,heterogeneous,gpu_type\na,0,mlp,4,4,40000,no,cpu\n"
RATES = "model,batch_size,gpu_type,seconds_per_minibatch,kind\nmlp,4,cpu,0.001,measured\n"


def test_costs_are_the_same_after_json():
    for costs in (COSTS, replace(COSTS, determinism=())):
        assert ElasticCosts.from_document(json.loads(json.dumps(costs.as_document()))) == costs


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Measured with the smallest model alone."""
    pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("costs") / "mine.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simcore.real.elastic.costs.MODELS", ("mlp",))
        text = printed("calibrate", "--suite", "easyscale", "-o", str(path))
    assert "a change of processes" in text
    return path


def test_a_profile_holds_what_was_measured(profile):
    costs = read_profile(profile).value.elastic
    assert [row.model for row in costs.steps] == ["mlp"]
    (step,) = costs.steps
    assert 0 < step.copy < step.first <= step.last
    assert costs.rescale > 0
    assert {(row.system, row.workers) for row in costs.sharing} == {
        ("sharing", 1), ("sharing", 4), ("packing", 1), ("packing", 2),
    }  # fmt: skip
    (levels,) = costs.determinism
    assert (levels.model, levels.gpu, levels.family) == ("mlp", "cpu", "mlp")
    assert min(levels.none, levels.d1, levels.d2) > 0
    memory = {(row.system, row.workers): row.memory for row in costs.sharing}
    assert memory["packing", 2] > 1.5 * memory["sharing", 4]  # a process more, against workers in one


def test_a_trace_takes_them_for_its_own_device_alone(profile, tmp_path):
    (tmp_path / "jobs.csv").write_text(TRACE)
    (tmp_path / "rates.csv").write_text(RATES)
    given = {"trace": tmp_path / "jobs.csv", "rates": tmp_path / "rates.csv", "policies": "easyscale-homo"}
    one = Cluster("one", ("cpu",), (1,))
    exact = given | {"cluster": one, "interval": "event", "startup_delay": 0}
    without, beside = (simcore.trace(**exact, overheads=each).table[0] for each in ("none", str(profile)))
    step = read_profile(profile).value.elastic.steps[0]
    # 4 workers on a CPU: 3 first ones and a last one
    ratio = (3 + step.last / step.first) / 4
    assert beside["mean_jct_s"] == pytest.approx(ratio * without["mean_jct_s"])
    costs = read_profile(profile).value.elastic
    late = simcore.trace(**(exact | {"startup_delay": None}), overheads=str(profile)).table[0]
    assert late["mean_jct_s"] == pytest.approx(beside["mean_jct_s"] + costs.rescale)
    with pytest.raises(InputError, match="One device's costs never stand for another's"):
        simcore.trace(policies="fifo", overheads=str(profile))
    with pytest.raises(InputError, match="calibrate --suite easyscale"):
        read_overheads(_without(profile, tmp_path))


def test_a_cpus_numbers_feed_no_gpu():
    """The zoo's CPU beside a V100: its costs reach jobs on the type cpu alone; a cluster without one refuses them."""
    costs = read_overheads("cpu").value
    assert costs.gpus == ("cpu",)
    assert {row.family for row in costs.determinism.values()} == {"convolution", "transformer", "mlp"}
    seconds = {(model, 4, gpu): 0.5 for model in costs.steps for gpu in ("cpu", "v100")}
    times, cluster = StepTimes("mine", seconds, overheads=costs), Cluster("c", ("cpu", "v100"), (1, 1))
    for model in costs.steps:
        job = JobClass(model, 4, 4, True, "v100")
        on_cpu, on_gpu = class_seconds(job, cluster, times)
        assert on_cpu == 0.5 * costs.heterogeneous(model, "cpu") != 0.5 == on_gpu
        assert class_last(job, cluster, times) == (costs.last(model, "cpu"), 1.0)
        assert costs.last(model, "cpu") > 1.0
        packed = replace(times, workers="packing")
        assert packed.most_workers(model, 4, "v100") is None
        assert packed.most_workers(model, 4, "cpu") > 0
    with pytest.raises(InputError, match="One device's costs never stand for another's"):
        simcore.trace(policies="fifo", overheads="cpu")


def _without(profile, folder):
    (folder / "plain.json").write_text(profile_text(replace(read_profile(profile).value, elastic=None)))
    return folder / "plain.json"
