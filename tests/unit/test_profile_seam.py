"""One kernel's measured time moves everything built on it: step time, bandwidth split, mean job completion time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import simcore
from simcore.errors import InputError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.models.compute.compute_model import ConstantRate, profiled
from simcore.models.compute.device import DTYPES, Device
from simcore.models.compute.kernels import MEMORY_BOUND
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Errors, Fit, KernelProfile
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.listing import operators_of
from simcore.models.training.lowering import LAYERS, lower, lower_at_rate, lower_on_profile
from simcore.models.training.notes import notes_on
from simcore.models.training.operator_maker import ADAM
from simcore.models.training.passes import passes
from simcore.models.training.workload import Pass
from simcore.readers.models import read_model
from simcore.readers.profiles import read_profile
from simcore.readers.workloads import read_workload
from simcore.studies.optimize import optimize
from simcore.studies.rates import rates
from simcore.studies.rates.run import minibatch_seconds

DEVICE = Device("toy", "cpu", 1, 1e12, 1e12, 1e6)
STREAM = {"t0": 1e-6, "bandwidth": 1e12, "knee": 0.0, "ratio": 1.0}
GEMM = {"t0": 1e-6, "rate": 1e14, "ramp": 0.0, "onchip": 1e30, "stream": 1e30, "vector": 1e9, "fresh": 1e30}


def toy(gemm=1.0, **memory):
    """A profile whose kernels take so many times as long."""

    def slower(parameters, factor):
        return {k: v * factor if k == "t0" else v / factor if k in ("rate", "bandwidth") else v
                for k, v in parameters.items()}  # fmt: skip

    fits = [Fit("gemm", dtype, "gemm", slower(GEMM, gemm)) for dtype in ("fp32", "fp16")]
    for kernel in MEMORY_BOUND:
        parameters = slower(STREAM, memory.get(kernel, 1.0))
        fits += [Fit(kernel, dtype, "stream", parameters) for dtype in ("fp32", "fp16")]
    rows = {"t0": 1e-6, "row": 1e-9, "bandwidth": 1e12, "knee": 0.0, "ratio": 1.0}
    fits += [Fit(kernel, dtype, "rows", rows) for kernel in ("gather", "scatter") for dtype in ("fp32", "fp16")]
    return KernelProfile("toy", DEVICE, "measured", tuple(fits))


BERT = read_model("bert-base").value
MODEL, RUN = BERT.architecture, BERT.run(batch=4)


def on(profile, dtype=None, run=RUN):
    return lower_on_profile(MODEL, run, 1, 1, profile, dtype)


def seconds(workload, kernel=None):
    """Sum the kernels of an iteration, or those of one name."""
    return sum(
        each.count * each.prediction.seconds for each in workload.times.costs if kernel in (None, each.call.kernel)
    )


def test_step_time_moves_by_the_share_of_the_kernel_that_moved():
    workload = on(toy())
    before = minibatch_seconds(workload)
    assert {cost.layer for cost in workload.times.costs} == set(LAYERS)
    assert before == pytest.approx(seconds(workload))
    for kernel in ("gemm", "softmax", "layer_norm_backward", "dropout", "adam"):
        share = seconds(workload, kernel)
        assert share > 0
        after = minibatch_seconds(on(toy(**{kernel: 3.0})))
        assert after == pytest.approx(before + 2 * share, rel=1e-9)


def test_mean_jct_moves_with_the_kernels():
    jobs = build_trace("one", ["a"], [0.0], [4 * 50.0], [JobClass("bert", 4, 1, False, "toy")])
    cluster = Cluster("one", ("toy",), (1,))

    def mean_jct(profile):
        table = rates(profiles=[profile], models=["bert-base"], batches=[4], names=["bert"]).rates
        result = simcore.trace(jobs, cluster=cluster, rates=table, policies=["fifo"], interval="event")
        return table.seconds["bert", 4, "toy"], result.table[0]["mean_jct_s"]

    fast, early = mean_jct(toy())
    slow, late = mean_jct(toy(gemm=2.0))
    assert slow - fast == pytest.approx(seconds(on(toy()), "gemm"), rel=1e-9)
    assert late - early == pytest.approx(50 * (slow - fast), rel=1e-6)


def test_the_optimal_split_moves_with_the_kernels():
    """Slower weight-gradient products hide less behind input gradients, until all of their collectives are exposed."""
    plans = {
        factor: optimize("4D", "325 GB/s", "1T", "Perf", "Overlap", profile=toy(gemm=factor))
        for factor in (1.0, 3.0, 10.0, 30.0)
    }
    outermost = [result.plan.bandwidths[3] for result in plans.values()]
    assert outermost[0] + 4e9 < outermost[1] < outermost[2] - 4e9
    assert outermost[3] == pytest.approx(outermost[2], rel=1e-6)  # nothing is left to be exposed
    last, before = plans[30.0].plan, plans[10.0].plan
    grown = last.step.compute - before.step.compute
    assert last.iteration_time - before.iteration_time == pytest.approx(grown, rel=1e-6)
    assert plans[1.0].provenance.sha256["profile"] == toy().sha256
    assert any("profile toy" in note for note in plans[1.0].warnings)


def test_operators_hold_the_work_of_a_transformer():
    """Forward GEMM work is 2 n h (4 h + 2 x 4 h + 2 s) per block, backward is twice that."""
    done = [0.0, 0.0]
    for one in operators_of(Transformer("toy", hidden=256, blocks=1, heads=4), Batch(sequence=64, sequences=4)):
        each = passes(one)
        for backward, calls in enumerate((each.forward, each.input_gradient + each.weight_gradient)):
            for call in calls:
                if call.kernel == "gemm":
                    assert call.work == 2 * call.size("m") * call.size("n") * call.size("k") * call.size("batch")
                    done[backward] += call.work
    h, n = 256, 256
    forward = 2 * n * h * (4 * h + 8 * h + 2 * 64)
    assert done == [forward, 2 * forward]


def test_constant_rate_is_the_default():
    workload = lower_at_rate(Transformer("toy", hidden=256, blocks=1), Batch(sequence=64, sequences=4), 1, 1)
    assert workload.layers[0].forward.compute == pytest.approx(2 * 256**3 / ConstantRate().rate, abs=1e-9)
    assert workload.times is None
    assert notes_on([workload]) == []


def test_equal_blocks_are_predicted_once():
    asked = []

    class Counted:
        def seconds(self, operator):
            asked.append(operator)
            return ConstantRate().seconds(operator)

    deep = Transformer("deep", hidden=256, blocks=96, heads=4)
    workload, costs = lower(operators_of(deep, Batch(64, 4)), Counted(), 1, 1)
    assert len(workload.layers) == 9 * 96
    assert len(asked) == len(set(asked)) < 20
    assert {cost.count for cost in costs} == {96}
    forward = [cost for cost in costs if cost.layer == "Q" and cost.direction is Pass.FORWARD]
    assert workload.layers[-9].forward.compute == sum(cost.prediction.seconds for cost in forward)


def test_a_prediction_refuses_to_extrapolate_silently():
    fit = replace(toy().fits[0], ranges={"m": (64, 512), "n": (64, 512), "k": (64, 512), "batch": (1, 1)},
                  residuals=(0.1, -0.1), held_out=(0.2, -0.3))  # fmt: skip
    profile = replace(toy(), fits=(fit,))
    assert predict(profile, "gemm", "fp32", {"m": 64, "n": 512, "k": 99}).error == pytest.approx(0.25)
    with pytest.raises(InputError, match=r"m 1024 is outside 64 to 512.*Add extrapolate"):
        predict(profile, "gemm", "fp32", {"m": 1024, "n": 64, "k": 64})
    found = predict(profile, "gemm", "fp32", {"m": 1024, "n": 64, "k": 64}, extrapolate=True)
    assert "extrapolated" in found.notes[0]
    with pytest.raises(InputError, match="above 0"):
        predict(profile, "gemm", "fp32", {"m": 0, "n": 64, "k": 64})
    with pytest.raises(InputError, match=r"'bf16'.*one of fp32"):
        predict(profile, "gemm", "bf16", {"m": 64, "n": 64, "k": 64})


def test_bytes_of_another_format_as_wide_take_as_long():
    """A GPU's memory-bound kernels are measured in fp16 alone; its bf16 products have a fit of their own."""
    profile = toy().with_fit(Fit("gemm", "bf16", "gemm", GEMM))
    half = replace(RUN, element=2)
    found = {dtype: on(profile, dtype, half) for dtype in ("fp16", "bf16")}
    assert minibatch_seconds(found["bf16"]) == minibatch_seconds(found["fp16"])
    told = [[note for note in notes_on([one]) if "stands in" in note] for one in found.values()]
    assert told[0] == []
    assert len(told[1]) == 1
    assert "fp16 stands in, which is as wide" in told[1][0]
    tf32 = profile.with_fit(Fit("gemm", "tf32", "gemm", GEMM))
    assert not predict(tf32, "softmax", "tf32", {"bytes": 8}).notes  # memory holds fp32
    with pytest.raises(InputError, match="'fp64'"):
        predict(profile, "softmax", "fp64", {"bytes": 8})
    with pytest.raises(InputError, match="'tf32'"):
        predict(profile, "gemm", "tf32", {"m": 8, "n": 8, "k": 8})  # products differ in more than their bytes


@pytest.mark.parametrize(("element", "dtype"), [(4, "fp16"), (2, "fp32")])
def test_bytes_follow_the_number_format(element, dtype):
    """A format of another width is that of products, of what memory-bound kernels move, and of what is sent."""
    wide = DTYPES[dtype]
    own, native = replace(RUN, element=element), replace(RUN, element=wide)
    profile = toy()
    recast = on(profile, dtype, own)
    assert minibatch_seconds(recast) == minibatch_seconds(on(profile, None, native))
    (note,) = [note for note in notes_on([recast]) if "per element" in note]
    assert note == f"{wide} B per element ({dtype}) in place of the model's {element} B; Adam's state in fp32"
    assert not any("per element" in note for note in notes_on([on(profile, dtype, native)]))
    with pytest.raises(InputError, match=f"found '{dtype}' for {element} B per element, expected {wide} B"):
        profiled(profile, element, dtype)


def test_what_is_sent_follows_the_number_format_and_adam_stays():
    def sent(dtype):
        found = read_workload("175B", "WORKLOAD", profile=read_profile("h100").value, dtype=dtype).value
        phases = (
            phase for layer in found.layers for phase in (layer.forward, layer.input_gradient, layer.weight_gradient)
        )
        return sum(phase.size for phase in phases)

    assert sent("fp32") == 2 * sent("bf16") == 2 * sent(None)
    matrices = sum(one.weights for one in operators_of(MODEL, RUN)) / RUN.element
    adam = [
        cost.call.size("bytes")
        for dtype in ("fp32", "fp16")
        for cost in on(toy(), dtype).times.costs
        if cost.call.kernel == "adam"
    ]
    assert adam == [ADAM * matrices] * 2


def test_a_kernel_that_nobody_measured_takes_what_measured_bytes_take():
    """A data sheet's copy knows no kernel: the forward pass comes first, then a sum; a measured copy before both."""
    sheet = replace(next(fit for fit in toy().fits if fit.kernel == "copy"), origin="data sheet")
    measured = {name: Fit(name, "fp32", "stream", {**STREAM, "t0": t0}) for name, t0 in (("gelu", 2e-6), ("add", 3e-6))}
    stands = KernelProfile("toy", DEVICE, "measured", (sheet, *measured.values()))
    for kernel, t0, what in (
        ("gelu_backward", 2e-6, "its forward pass of as many bytes"), ("batch_norm", 3e-6, "a sum"), ("copy", 1e-6, ""),
    ):  # fmt: skip
        prediction = predict(stands, kernel, "fp32", {"bytes": 1})
        assert prediction.seconds == pytest.approx(t0, rel=1e-5)
        assert not what or f"{what} stands in" in prediction.notes[0]
    copied = replace(stands, fits=(replace(sheet, origin="fitted"), *measured.values()))
    assert "a copy stands in" in predict(copied, "gelu_backward", "fp32", {"bytes": 1}).notes[0]


def test_noise_marks_the_fit():
    noisy = replace(toy().fits[0], spread=0.4)
    assert noisy.noisy
    assert "spread" in predict(replace(toy(), fits=(noisy,)), "gemm", "fp32", {"m": 9, "n": 9, "k": 9}).notes[0]
    assert Errors.of([]) is None
