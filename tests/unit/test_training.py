"""The step-time model against the formula written out, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest
from simcore.models.network.collectives import Collective, collective_time, traffic
from simcore.models.network.mapping import Groups
from simcore.models.training.closed_form import compile_step, mean_step, step_time
from simcore.models.training.program import CLOSED_FORM_LOOPS, Loop
from simcore.models.training.workload import Layer, Phase, Workload

GROUPS = Groups((4, 2, 1), (1, 2, 8))


def textbook(workload, groups, b, loop, recompute=False, scale=1.0, recompute_compute=False):
    """Sum over layers of F + CF + I + CI + W + CW, or of F + CF + I + max(CI, W + CW)."""

    def communication(phase, sizes):
        return collective_time(traffic(phase.collective, phase.size, sizes), b) if phase.collective else 0.0

    total = 0.0
    for layer in workload.layers:
        forward = scale * layer.forward.compute * (1 + (recompute and recompute_compute))
        inputs, weights = scale * layer.input_gradient.compute, scale * layer.weight_gradient.compute
        cf = communication(layer.forward, groups.tp) * (1 + recompute)
        ci, cw = communication(layer.input_gradient, groups.tp), communication(layer.weight_gradient, groups.dp)
        behind = max(ci, weights + cw) if loop is Loop.OVERLAP else ci + weights + cw
        total += forward + cf + inputs + behind
    return total


def random_workload(seed, layers=12):
    rng = np.random.default_rng(seed)
    kinds = [None, *Collective]

    def phase():
        return Phase(float(rng.uniform(0, 1e-2)), kinds[rng.integers(5)], float(rng.uniform(0, 1e9)))

    some = tuple(Layer(f"layer {i}", phase(), phase(), phase()) for i in range(layers))
    return Workload("random", some + some[:3], 8, 16)  # with layers that come twice


@pytest.mark.parametrize("loop", CLOSED_FORM_LOOPS)
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_compiled_model_is_the_textbook_sum(loop, recompute, seed):
    workload, rng = random_workload(seed), np.random.default_rng(100 + seed)
    model = compile_step(workload, GROUPS, loop, recompute)
    many = rng.uniform(1e9, 200e9, size=(20, 3))
    expected = [textbook(workload, GROUPS, b, loop, recompute) for b in many]
    assert model.time(many) == pytest.approx(expected, rel=1e-12)
    for b, time in zip(many, expected, strict=True):
        split = step_time(workload, GROUPS, b, loop, recompute)
        assert split.total == pytest.approx(time, rel=1e-12)
        assert split.compute + split.communication == split.total


@pytest.mark.parametrize("again", [False, True])
def test_compute_scale_and_recomputed_compute(again):
    workload, b = random_workload(7), [100e9, 50e9, 10e9]
    expected = textbook(workload, GROUPS, b, Loop.OVERLAP, True, 0.26, again)
    found = step_time(workload, GROUPS, b, Loop.OVERLAP, True, 0.26, again)
    assert found.total == pytest.approx(expected, rel=1e-12)


def test_mean_of_several_workloads():
    members = [compile_step(random_workload(seed), GROUPS, Loop.OVERLAP) for seed in (1, 2, 3)]
    mean = mean_step(members, ["a", "b", "c"])
    b = np.array([90e9, 40e9, 20e9])
    assert float(mean.time(b)) == pytest.approx(np.mean([float(member.time(b)) for member in members]), rel=1e-12)
    assert mean.split(b).total == pytest.approx(float(mean.time(b)), rel=1e-12)
    assert mean.busy(b) == pytest.approx(np.mean([member.busy(b) for member in members], axis=0))
    assert mean.streams[0].label.startswith("a ")


def test_identical_layers_are_merged():
    reduce = Phase(1e-3, Collective.ALL_REDUCE, 1e6)
    one = Layer("mlp", reduce, reduce, reduce)
    model = compile_step(Workload("deep", (one,) * 96, 8, 16), GROUPS, Loop.OVERLAP)
    assert len(model.input_volume) == 1
    assert model.count.tolist() == [96.0]
    # all-reduce, reduce-scatter and all-gather of one group load the dimensions alike: one stream per group
    assert len(model.streams) == 2


def test_busy_time_is_bytes_over_bandwidth():
    workload = Workload("toy", (Layer("a", Phase(0.0, Collective.ALL_REDUCE, 8e9), Phase(0.0), Phase(0.0)),), 8, 16)
    sent = traffic(Collective.ALL_REDUCE, 8e9, GROUPS.tp)
    model = compile_step(workload, GROUPS, recompute=True)
    assert model.busy([1e9, 2e9, 4e9]) == pytest.approx([2 * v / b for v, b in zip(sent, (1e9, 2e9, 4e9), strict=True)])


def test_nothing_is_sent_without_groups():
    model = compile_step(random_workload(3), Groups((1, 1, 1), (1, 1, 1)), Loop.OVERLAP)
    assert model.streams == ()
    assert float(model.time([1.0, 1.0, 1.0])) == pytest.approx(model.compute)


def test_the_closed_form_takes_the_simulated_loop_for_overlap():
    workload, b = random_workload(5), [1e9, 2e9, 4e9]
    assert step_time(workload, GROUPS, b, Loop.SIMULATE) == step_time(workload, GROUPS, b, Loop.OVERLAP)
    assert [loop.closed_form for loop in Loop] == [Loop.NO_OVERLAP, Loop.OVERLAP, Loop.OVERLAP]
