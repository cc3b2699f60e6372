"""What a step on a CPU costs beside its kernels: Python and autograd around each call, and memory that is new."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.models.compute.compute_model import KernelCall, Profiled
from simcore.models.compute.device import FRESH, PAGE, Device
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Fit, KernelProfile, Sample
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.listing import operators_of
from simcore.models.training.lowering import lower_on_profile
from simcore.models.training.operators import Operation
from simcore.models.training.passes import passes
from simcore.models.training.reuse import placed, reused
from simcore.models.training.workload import Pass

CPU = Device("toy", "cpu", 1, 1e12, 0.0, 1e6)
COPY = {"t0": 1e-6, "bandwidth": 1e9, "knee": 1e6, "ratio": 1.0}
GEMM = {"t0": 1e-6, "rate": 1e11, "ramp": 1.0, "onchip": 1e14, "stream": 2e10, "vector": 1e10, "fresh": 2e9}
NODES = {"launch": (0.0, 1e-6), "eager": (1e-4, 5e-6), "first_touch": (0.0, 2e-6)}


def profile(device=CPU, nodes=NODES):
    fits = [Fit("copy", "fp32", "stream", COPY), Fit("gemm", "fp32", "gemm", GEMM)]
    fits += [Fit("adam", "fp32", "stream", COPY), Fit("gather", "fp32", "rows", COPY | {"row": 1e-9})]
    fits += [Fit("scatter", "fp32", "rows", COPY | {"row": 1e-9})]
    fits += [Fit(name, "fp32", "launch", {"t0": t0, "node": node}, state="warm") for name, (t0, node) in nodes.items()]
    return KernelProfile("toy", device, fits=tuple(fits))


def seconds(kernel, operands=((1000.0, 0.0),), kept=0.0, of=None):
    call = KernelCall(kernel, (("bytes", 1000),), operands=operands, kept=kept)
    return Profiled(of or profile(), "fp32").seconds(call).seconds


def test_a_call_of_a_step_costs_python_and_the_pages_that_it_keeps():
    kernel = 1e-6 + 1000 / 1e9
    assert seconds("copy", operands=()) == pytest.approx(kernel)  # by itself
    assert seconds("copy") == pytest.approx(kernel + 4e-6)
    new = FRESH["cpu"]
    assert seconds("copy", kept=new - PAGE) == pytest.approx(kernel + 4e-6)  # the C library keeps as much
    assert seconds("copy", kept=new) == pytest.approx(kernel + 4e-6 + new / PAGE * 2e-6)
    assert seconds("adam") == pytest.approx(kernel + 1e-4)


def test_a_profile_without_these_kernels_and_a_gpu_leave_them_out():
    kernel = 1e-6 + 1000 / 1e9
    assert seconds("copy", kept=FRESH["cpu"], of=profile(nodes={})) == pytest.approx(kernel)
    cuda = replace(CPU, kind="cuda", bandwidth=1e11)
    assert seconds("copy", kept=FRESH["cpu"], of=profile(cuda)) == pytest.approx(kernel)


def test_what_a_step_keeps_is_its_saved_activations_and_its_gradients():
    model = Transformer("toy", hidden=64, blocks=3, heads=4, vocabulary=100, dropout=0.1)
    listed = placed(operators_of(model, Batch(16, 2, element=4)), 4)
    kept = math.fsum(
        section.count * reused(one, direction, call).kept
        for section in listed.sections
        for one in section.operators
        for direction, calls in (
            (Pass.FORWARD, passes(one).forward),
            (Pass.INPUT_GRADIENT, passes(one).input_gradient),
            (Pass.WEIGHT_GRADIENT, passes(one).weight_gradient),
        )
        for call in calls
    )
    held_by_calls = math.fsum(
        section.count * one.parameters
        for section in listed.sections
        for one in section.operators
        if passes(one).weight_gradient
    )
    assert kept == pytest.approx(listed.saved + held_by_calls)
    assert held_by_calls > 0.9 * listed.parameters  # norms have no weight gradient of their own


def longer(rows, batch):
    """What pages add to the kernels of a step, and what they would if its table's gradient were new [s]."""
    model = Transformer("toy", hidden=64, blocks=3, heads=4, vocabulary=rows)
    bare, whole = (
        sum(cost.count * cost.prediction.seconds for cost in lower_on_profile(model, batch, 1, 1, of).times.costs)
        for of in (profile(nodes={}), profile(nodes={"first_touch": (0.0, 2e-6)}))
    )
    return whole - bare, rows * 64 * 4 / PAGE * 2e-6


def test_a_step_is_longer_by_what_it_keeps_if_the_c_library_does_not_hold_as_much():
    """It holds blocks of less than 32 MiB, however many there are."""
    batch = Batch(16, 2, element=4)
    added, pages = longer(100_000, batch)
    assert pages * PAGE / 2e-6 < FRESH["cpu"]
    assert added == 0.0
    added, pages = longer(200_000, batch)
    assert pages * PAGE / 2e-6 > FRESH["cpu"]
    assert added == pytest.approx(pages, rel=0.05)


def test_the_suite_measures_a_cpu_alone():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from simcore.calibrate.suites import step

    assert not list(step.cases("cuda", full=True))
    made = list(step.cases("cpu", full=False))
    assert {one.kernel for one in made} == {"eager", "first_touch"}
    eager = made[1]
    assert eager.shape == {"nodes": 16}
    out = eager.run(*eager.make_inputs(0))
    assert out.shape == (1, 1)
    assert all(weight.grad is not None for weight in eager.run.module.parameters())
    touched = step._touch(3)
    assert touched.numel() * touched.element_size() == 3 * PAGE
    assert torch.equal(touched[:, 0], torch.ones(3))


UPDATE = COPY | {"tensor": 3e-6}
DROPOUT = COPY | {"guess": 2.0}


def test_an_update_costs_each_tensor_where_that_was_measured():
    shape = {"bytes": 1000, "tensors": 5}
    stands = profile(nodes={})
    assert predict(stands, "adam", "fp32", shape).seconds == pytest.approx(2e-6)  # as one tensor
    stands = stands.with_fit(Fit("adam", "fp32", "update", UPDATE, {"bytes": (1, 1e9), "tensors": (1, 8)}))
    assert predict(stands, "adam", "fp32", shape).seconds == pytest.approx(2e-6 + 5 * 3e-6)
    with pytest.raises(InputError, match="tensors 9 is outside 1 to 8"):
        predict(stands, "adam", "fp32", shape | {"tensors": 9})


def test_dropout_costs_its_rate_where_that_was_measured():
    stands = profile(nodes={}).with_fit(Fit("dropout", "fp32", "dropout", DROPOUT, {"percent": (10, 50)}))
    tenth, half = (
        predict(stands, "dropout", "fp32", {"bytes": 1000, **more}).seconds for more in ({}, {"percent": 50})
    )
    assert (tenth, half) == (pytest.approx(1e-6 + 1.4e-6), pytest.approx(1e-6 + 3e-6))


def test_an_operator_list_counts_the_tensors_of_its_update():
    """Each weight, bias, scale and shift is one; repeated blocks have theirs as often."""
    listed = operators_of(Transformer("toy", hidden=64, blocks=2, heads=4, vocabulary=100, dropout=0.3), Batch(16, 2))
    update, *rest = [one for section in listed.sections for one in section.operators]
    counted = sum(section.count * one.tensors for section in listed.sections for one in section.operators)
    assert update.size("tensors") == counted > 16
    norms = [one for one in rest if one.operation is Operation.NORM]
    assert {one.tensors for one in norms} <= {1, 2}
    assert {one.size("percent") for one in rest if one.kernel == "dropout"} == {30}


def test_several_rates_and_tensors_are_measured_and_their_outputs_checked():
    pytest.importorskip("torch", reason="torch is not installed")
    from simcore.calibrate.suites import memory

    made = list(memory.cases("cpu", full=False))
    several = next(one for one in made if one.shape.get("tensors") == 16)
    half = next(one for one in made if one.shape.get("percent") == 50)
    for case in (several, half):
        inputs = case.make_inputs(0)
        assert case.check(case.run(*inputs), inputs) < 1e-6
    assert several.shape["bytes"] == 28 * 16 * 1024
    assert not any("percent" in one.shape for one in memory.cases("cuda", full=False))


def test_the_expected_error_knows_how_far_passes_are_apart():
    assert Sample("gemm", "fp32", {}, 1.0, passes=(1.0, 1.0, 3.0)).of_pairs == (1.0, 1.5, 1.5)
    assert Sample("gemm", "fp32", {}, 2.0).of_pairs == (2.0,)
