"""One kernel's measured time moves everything built on it: step time, bandwidth split, mean job completion time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import simcore
from simcore.errors import InputError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.models.compute.device import DTYPES, Device
from simcore.models.compute.kernels import MEMORY_BOUND
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Errors, Fit, KernelProfile
from simcore.models.training.architecture import Transformer
from simcore.models.training.operators import ADAM, PARTS, ProfiledTimes, operators
from simcore.models.training.transformer import generate
from simcore.readers.models import read_model
from simcore.readers.profiles import read_profile
from simcore.readers.workloads import read_workload
from simcore.studies.optimize import optimize
from simcore.studies.rates.run import minibatch_seconds, rates

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


MODEL = read_model("bert-base", batch=4).value


def test_step_time_moves_by_the_share_of_the_kernel_that_moved():
    before = minibatch_seconds(MODEL, ProfiledTimes(toy()))
    costs = ProfiledTimes(toy()).block(MODEL)
    assert {cost.part for cost in costs} == set(PARTS)
    costs = MODEL.blocks * costs + ProfiledTimes(toy()).ends(MODEL)
    assert before == pytest.approx(sum(cost.prediction.seconds for cost in costs))
    for kernel in ("gemm", "softmax", "layer_norm_backward", "dropout", "adam"):
        share = sum(cost.prediction.seconds for cost in costs if cost.operator.kernel == kernel)
        assert share > 0
        after = minibatch_seconds(MODEL, ProfiledTimes(toy(**{kernel: 3.0})))
        assert after == pytest.approx(before + 2 * share, rel=1e-9)


def test_mean_jct_moves_with_the_kernels():
    jobs = build_trace("one", ["a"], [0.0], [4 * 50.0], [JobClass("bert", 4, 1, False, "toy")])
    cluster = Cluster("one", ("toy",), (1,))

    def mean_jct(profile):
        table = rates([profile], ["bert-base"], [4], names=["bert"]).rates
        result = simcore.trace(jobs, cluster=cluster, rates=table, policies=["fifo"], interval="event")
        return table.seconds["bert", 4, "toy"], result.table[0]["mean_jct_s"]

    fast, early = mean_jct(toy())
    slow, late = mean_jct(toy(gemm=2.0))
    times = ProfiledTimes(toy())
    costs = MODEL.blocks * times.block(MODEL) + times.ends(MODEL)
    gemm = sum(cost.prediction.seconds for cost in costs if cost.operator.kernel == "gemm")
    assert slow - fast == pytest.approx(gemm, rel=1e-9)
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
    assert any("profile toy" in note for note in plans[1.0].provenance.notes)


def test_operators_hold_the_work_of_a_transformer():
    """Forward GEMM work is 2 n h (4 h + 2 x 4 h + 2 s) per block, backward is twice that."""
    model = Transformer("toy", hidden=256, blocks=1, sequence=64, tokens=256, heads=4)
    widths = {"W1b1": model.inner, "W2b2": model.inner}
    done = [0.0, 0.0]
    for part in PARTS:
        for direction, ops in enumerate(operators(model, part, widths.get(part, model.hidden), 1)):
            for one in ops:
                if one.kernel == "gemm":
                    s = dict(one.shape)
                    done[min(direction, 1)] += 2 * s["m"] * s["n"] * s["k"] * s["batch"]
    h, n = 256, 256
    forward = 2 * n * h * (4 * h + 8 * h + 2 * 64)
    assert done == [forward, 2 * forward]


def test_constant_rate_is_the_default():
    model = Transformer("toy", hidden=256, blocks=1, sequence=64, tokens=256)
    assert generate(model, 1, 1).layers[0].forward.compute == pytest.approx(2 * 256**3 / model.rate, abs=1e-9)


def test_a_prediction_refuses_to_extrapolate_silently():
    fit = replace(toy().fits[0], ranges={"m": (64, 512), "n": (64, 512), "k": (64, 512), "batch": (1, 1)},
                  residuals=(0.1, -0.1), held_out=(0.2, -0.3))  # fmt: skip
    profile = replace(toy(), fits=(fit,))
    assert predict(profile, "gemm", "fp32", {"m": 64, "n": 512, "k": 99}).error == pytest.approx(0.25)
    with pytest.raises(InputError, match=r"m 1024 is outside 64 to 512.*--extrapolate"):
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
    model = replace(MODEL, element=2)
    times = {dtype: ProfiledTimes(profile, dtype) for dtype in ("fp16", "bf16")}
    assert minibatch_seconds(model, times["bf16"]) == minibatch_seconds(model, times["fp16"])
    notes = [[note for note in one.notes() if "stands in" in note] for one in times.values()]
    assert notes[0] == []
    assert len(notes[1]) == 1
    assert "fp16 stands in, which is as wide" in notes[1][0]
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
    model, native = replace(MODEL, element=element), replace(MODEL, element=wide)
    profile = toy()
    times = ProfiledTimes(profile, dtype)
    assert minibatch_seconds(model, times) == minibatch_seconds(native, ProfiledTimes(profile))
    (note,) = [note for note in times.notes() if "per element" in note]
    assert note == f"{wide} B per element ({dtype}) in place of the model's {element} B; Adam's state in fp32"
    assert not any("per element" in note for note in ProfiledTimes(profile, dtype).notes())
    with pytest.raises(InputError, match=f"found '{dtype}' for {element} B per element, expected {wide} B.*in_format"):
        generate(model, 2, 2, times=ProfiledTimes(profile, dtype))


def test_what_is_sent_follows_the_number_format_and_adam_stays():
    def sent(dtype):
        found = read_workload("175B", "WORKLOAD", times=ProfiledTimes(read_profile("h100").value, dtype)).value
        phases = (
            phase for layer in found.layers for phase in (layer.forward, layer.input_gradient, layer.weight_gradient)
        )
        return sum(phase.size for phase in phases)

    assert sent("fp32") == 2 * sent("bf16") == 2 * sent(None)
    adam = []
    for dtype in ("fp32", "fp16"):
        times = ProfiledTimes(toy(), dtype)
        kernels = [cost.operator for cost in times.ends(times.in_format(MODEL)) if cost.operator.kernel == "adam"]
        adam += [dict(kernel.shape)["bytes"] for kernel in kernels]
    assert adam == [ADAM * MODEL.weights] * 2


def test_noise_marks_the_fit():
    noisy = replace(toy().fits[0], spread=0.4)
    assert noisy.noisy
    assert "spread" in predict(replace(toy(), fits=(noisy,)), "gemm", "fp32", {"m": 9, "n": 9, "k": 9}).notes[0]
    assert Errors.of([]) is None
