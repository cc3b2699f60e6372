"""Iterations of layouts, chunk by chunk: they take what the closed form says, and do what the layout says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.models.network.mapping import Axis
from simcore.models.network.topology import Block
from simcore.models.training.parallel.layout import ContextExchange, Layout, Recompute
from simcore.models.training.parallel.simulate import UPDATE, simulate
from simcore.models.training.simulated import Settings
from simcore.models.training.workload import Pass
from simcore.studies.iteration import iteration

from tests.parallel import DENSE, MIXED, evaluator

SHALLOW = replace(DENSE, blocks=2)
ALL_TO_ALL = ContextExchange.ALL_TO_ALL


def both(layout, sizes, bandwidths, model=SHALLOW, chunks=1024, **network):
    on = evaluator(model, sizes=sizes, bandwidths=bandwidths, **network)
    return on.evaluate(layout).time, simulate(on, layout, Settings(chunks=chunks))


def agrees(layout, sizes, bandwidths, within=0.01, **more):
    closed, run = both(layout, sizes, bandwidths, **more)
    assert run.time == pytest.approx(closed, rel=within)
    return run


@pytest.mark.parametrize("recompute", Recompute)
@pytest.mark.parametrize("sequence_parallel", [False, True])
@pytest.mark.parametrize(("sizes", "bandwidths"), [((4,), (200e9,)), ((4,), (5e9,)), ((2, 2), (100e9, 50e9))])
def test_tensor_parallelism(recompute, sequence_parallel, sizes, bandwidths):
    layout = Layout(tp=4, recompute=recompute, sequence_parallel=sequence_parallel, fused_attention=False)
    agrees(layout, sizes, bandwidths)


@pytest.mark.parametrize("block", [Block.RING, Block.FULLY_CONNECTED])
def test_other_networks(block):
    agrees(Layout(tp=4, sequence_parallel=True), (4,), (50e9,), block=block)
    agrees(Layout(dp=4, zero=1), (4,), (50e9,), block=block)
    agrees(Layout(pp=4, micro_batches=4), (4,), (50e9,), model=DENSE, block=block)


@pytest.mark.parametrize("recompute", Recompute)
@pytest.mark.parametrize("exchange", ContextExchange)
@pytest.mark.parametrize("bandwidth", [200e9, 5e9])
def test_context_parallelism(recompute, exchange, bandwidth):
    """Replicas share the links of what they exchange."""
    layout = Layout(cp=4, micro_batches=2, recompute=recompute, exchange=exchange, fused_attention=False)
    agrees(layout, (4,), (bandwidth,))


@pytest.mark.parametrize("zero", [0, 1, 3])
@pytest.mark.parametrize("bandwidth", [100e9, 10e9])
def test_expert_parallelism(zero, bandwidth):
    layout = Layout(ep=2, dp=4, zero=zero)
    agrees(layout, (4,), (bandwidth,), model=replace(MIXED, blocks=2))
    agrees(replace(layout, ep=4), (4,), (bandwidth,), model=replace(MIXED, blocks=2))


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("bandwidth", [400e9, 40e9, 4e9])
def test_replicas(zero, overlap, bandwidth):
    layout = Layout(dp=4, zero=zero, overlap=overlap, micro_batches=2, bucket=20e6)
    agrees(layout, (4,), (bandwidth,), model=DENSE)
    agrees(replace(layout, bucket=120e6, recompute=Recompute.FULL), (4,), (bandwidth,), model=DENSE)


@pytest.mark.parametrize("zero", [0, 1, 3])
@pytest.mark.parametrize("bandwidths", [(200e9, 50e9), (20e9, 20e9)])
def test_replicas_and_tensor_parallelism_in_dimensions_of_their_own_and_in_one(zero, bandwidths):
    layout = Layout(tp=2, dp=4, zero=zero, sequence_parallel=True)
    agrees(layout, (2, 4), bandwidths)
    agrees(layout, (8,), bandwidths[1:])


ORDERS = [
    ("GPipe", 1), ("1F1B", 1), ("looped", 2), ("interleaved", 2), ("zero-bubble", 1), ("zero-bubble", 2), ("ZBV", 2),
    ("DualPipeV", 2),
]  # fmt: skip


@pytest.mark.parametrize(("order", "vp"), ORDERS)
@pytest.mark.parametrize("bandwidth", [100e9, 10e9, 1e9])
def test_pipelines(order, vp, bandwidth):
    """With 1 GB/s messages take longer than passes, and queue."""
    agrees(Layout(pp=2, vp=vp, order=order, micro_batches=4), (2,), (bandwidth,), model=DENSE)
    layout = Layout(pp=4, vp=vp, order=order, micro_batches=8, recompute=Recompute.FULL)
    agrees(layout, (4,), (bandwidth,), model=replace(DENSE, blocks=8))


@pytest.mark.parametrize(("order", "vp"), [one for one in ORDERS if one[1] == 1])
@pytest.mark.parametrize("zero", [0, 1])
@pytest.mark.parametrize("bandwidths", [(100e9, 25e9), (10e9, 50e9)])
def test_pipelines_of_replicas(order, vp, zero, bandwidths):
    layout = Layout(pp=2, dp=4, vp=vp, order=order, micro_batches=4, zero=zero)
    agrees(layout, (4, 2), bandwidths, model=DENSE)


@pytest.mark.parametrize("order", ["1F1B", "GPipe"])
def test_sharded_weights_in_a_pipeline(order):
    layout = Layout(pp=2, dp=4, order=order, micro_batches=4, zero=3)
    agrees(layout, (4, 2), (50e9, 25e9), model=DENSE)


@pytest.mark.parametrize(("order", "vp"), [one for one in ORDERS if one[1] > 1])
@pytest.mark.parametrize("zero", [0, 1, 3])
@pytest.mark.parametrize("bandwidths", [(2e9, 50e9), (20e9, 50e9)])
def test_chunks_that_take_turns_and_sums_that_outlast_the_drain(order, vp, zero, bandwidths):
    """Gradients of one chunk are summed while the rank takes turns of another."""
    layout = Layout(pp=2, dp=4, vp=vp, order=order, micro_batches=4, zero=zero)
    agrees(layout, (4, 2), bandwidths, model=DENSE)


def test_an_iteration_does_all_that_the_layout_says():
    layout = Layout(tp=2, dp=2, micro_batches=3, sequence_parallel=True, recompute=Recompute.FULL)
    on = evaluator(SHALLOW, sizes=(2, 2), bandwidths=(50e9, 5e9))
    run, parts = simulate(on, layout, Settings(chunks=64)), on.evaluate(layout).parts
    (log,) = run.logs
    compute = {part: sum(span.seconds for span in log.spans if span.axis is None and span.part is part
                         and span.layer != UPDATE) for part in Pass}  # fmt: skip
    assert compute[Pass.FORWARD] == pytest.approx(parts["forward"], rel=1e-9)
    assert compute[Pass.RECOMPUTE] == pytest.approx(parts["recompute"], rel=1e-9)
    assert compute[Pass.INPUT_GRADIENT] == pytest.approx(parts["input gradient"], rel=1e-9)
    assert compute[Pass.WEIGHT_GRADIENT] == pytest.approx(parts["weight gradient"], rel=1e-9)
    update = [span for span in log.spans if span.layer == UPDATE]
    assert sum(span.seconds for span in update) == pytest.approx(parts["optimizer"], rel=1e-9)
    assert update[-1].end == run.time
    assert log.total(axis=None) + sum(log.total(axis=axis) for axis in Axis) == pytest.approx(run.time, rel=1e-12)
    assert log.total(axis=Axis.DATA) > 0


def test_latency_makes_it_slower():
    layout = Layout(tp=4, sequence_parallel=True)
    assert both(layout, (4,), (50e9,), latency=1e-5)[1].time > both(layout, (4,), (50e9,))[1].time


def test_the_study_tells_both_times_and_their_difference():
    given = {"gpus": 8, "device": "a100-80gb", "tp": 8, "micro_batch": 1, "global_batch": 2}
    result = iteration("gpt-1.3b", **given, loop="simulate", chunks=16)
    assert result.simulated is not None
    assert result.difference == pytest.approx(result.simulated.time / result.time - 1)
    assert "simulated in 16 chunks" in result.report()[0].under
    assert result.as_dict()["simulated"]["time"] == result.simulated.time
    ends = [float(line.split(",")[3]) for line in result.timeline().table.splitlines()[1:]]
    assert max(ends) == pytest.approx(result.simulated.time, rel=1e-5)
    assert iteration("gpt-1.3b", **given).as_dict()["simulated"] is None
