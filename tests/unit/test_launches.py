"""When a device waits for its host: the closed form over equal blocks against a clock that writes out every launch."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.models.compute.compute_model import profiled
from simcore.models.compute.profile import Fit
from simcore.models.training import launches
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.launches import Launched, waits_for_host
from simcore.models.training.lowering import NO_LAUNCH, lower_on_profile
from simcore.models.training.notes import notes_on
from simcore.models.training.workload import Pass
from simcore.studies.rates.run import minibatch_seconds

from tests.unit.test_profile_seam import toy


def written_out(blocks, launch):
    """Keep both clocks, kernel by kernel, through all repetitions: the waits and the end."""
    host = device = 0.0
    waited = [[{} for _ in range(block.count)] for block in blocks]
    forward = [(b, r, at) for b, block in enumerate(blocks) for r in range(block.count) for at in block.forward]
    back = [
        (b, r, at)
        for b, block in reversed(list(enumerate(blocks)))
        for r in reversed(range(block.count))
        for at in block.backward
    ]
    for b, r, at in forward + back:
        host += launch
        if host > device:
            waited[b][r][at] = host - device
        device = max(device, host) + blocks[b].seconds[at]
    return waited, device


SECONDS = st.integers(0, 12).map(lambda eighths: eighths / 8)  # sums of eighths are exact


@st.composite
def some_blocks(draw):
    made = []
    for _ in range(draw(st.integers(1, 3))):
        seconds = tuple(draw(st.lists(SECONDS, min_size=1, max_size=5)))
        split = draw(st.integers(0, len(seconds)))
        back = tuple(reversed(range(split, len(seconds))))
        made.append(Launched(seconds, tuple(range(split)), back, draw(st.integers(1, 9))))
    return made


@given(some_blocks(), SECONDS)
def test_waits_are_those_of_two_clocks(blocks, launch):
    waited, end = written_out(blocks, launch)
    ours = waits_for_host(blocks, launch)
    assert ours == waited
    busy = sum(block.count * seconds for block in blocks for seconds in block.seconds)
    assert busy + sum(wait for block in ours for waits in block for wait in waits.values()) == end
    # never more than a launch per kernel, which is what a host that waits for each kernel costs
    assert all(wait <= launch for block in ours for waits in block for wait in waits.values())


@pytest.mark.parametrize(("seconds", "most"), [((1.0, 1.0, 9.0), 3), ((0.5, 0.5, 0.5), 3)])
def test_equal_blocks_are_looked_at_until_nothing_changes(seconds, most, monkeypatch):
    """Whether the host keeps ahead or falls behind, a hundred thousand blocks cost what a few do."""
    looked, once = [], launches._once

    def counted(*args):
        looked.append(1)
        return once(*args)

    monkeypatch.setattr(launches, "_once", counted)
    waits_for_host([Launched(seconds, (0, 1, 2), (), 100_000)], 2.0)
    assert len(looked) <= most


def gpu(node=None, **slower):
    profile = toy(**slower)
    profile = replace(profile, device=replace(profile.device, kind="cuda"))
    return profile if node is None else profile.with_fit(Fit("launch", "fp32", "launch", {"t0": 0.0, "node": node}))


def on(profile, blocks=6):
    return lower_on_profile(Transformer("t", hidden=256, blocks=blocks, heads=4), Batch(64, 4, 4), 1, 1, profile)


def test_a_step_is_the_longer_of_device_and_host_in_launch_order():
    """A host that is slower than every kernel sets the pace, one that is ahead costs its first launch alone."""
    workload = on(gpu())
    busy = minibatch_seconds(workload)
    kernels = [cost.prediction.seconds for cost in workload.times.costs for _ in range(cost.count)]
    slow = 2 * max(kernels)
    last = next(  # the backward pass ends with the first layer, the first kernel of which is its last to be launched
        cost.prediction.seconds for cost in reversed(workload.times.costs)
        if cost.layer == "Q" and cost.direction is Pass.WEIGHT_GRADIENT
    )  # fmt: skip
    assert minibatch_seconds(on(gpu(slow))) == pytest.approx(slow * len(kernels) + last, rel=1e-12)
    assert minibatch_seconds(on(gpu(1e-9))) == pytest.approx(busy + 1e-9, rel=1e-12)
    middle = math.fsum(kernels) / len(kernels)
    step = minibatch_seconds(on(gpu(middle)))
    assert max(busy, middle * len(kernels)) < step < math.fsum(max(seconds, middle) for seconds in kernels)


def test_waits_belong_to_the_passes_of_the_kernels_that_wait():
    workload, busy = on(gpu(3e-6)), on(gpu())
    waited = math.fsum(cost.waited for cost in workload.times.costs)
    assert minibatch_seconds(workload) == pytest.approx(minibatch_seconds(busy) + waited, rel=1e-12)
    for part in (Pass.FORWARD, Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT):
        of_layers, without = (
            math.fsum(phase.compute for layer in one.layers for each, phase in layer.phases() if each is part)
            for one in (workload, busy)
        )
        own = math.fsum(cost.waited for cost in workload.times.costs if cost.direction is part)
        assert of_layers == pytest.approx(without + own, rel=1e-12)
    share = waited / minibatch_seconds(workload)
    assert f"the device waits for its host in {share:.1%} of the compute of a step" in notes_on([workload])


def test_who_knows_no_launch_rate_says_so():
    assert NO_LAUNCH in notes_on([on(gpu())])
    assert NO_LAUNCH not in notes_on([on(gpu(1e-9))])
    assert NO_LAUNCH not in notes_on([on(toy())])


def test_a_call_on_a_cpu_holds_its_launch():
    profile = toy().with_fit(Fit("launch", "fp32", "launch", {"t0": 0.0, "node": 1e-3}))
    assert profiled(profile, 4).launch == 0
    assert minibatch_seconds(on(profile)) == minibatch_seconds(on(toy()))
