"""Pipeline-parallel iterations: orders, bubbles, memory, deadlocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.engine import Clock
from simcore.errors import InputError, RunError
from simcore.models.iteration.chunked import ChunkFabric, Settings, make_network
from simcore.models.iteration.pipeline import (
    Pipeline,
    PipelineOrder,
    boundary_size,
    bubble,
    run_pipeline,
    stage_layers,
    transfer_time,
    turns,
)
from simcore.models.network.mapping import Groups
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.workload import Collective, Layer, Phase, Workload

GPIPE, ONE = PipelineOrder.GPIPE, PipelineOrder.ONE_F_ONE_B


def balanced(stages, forward=1.0, backward=2.0, activations=0.0):
    collective = Collective.ALL_REDUCE if activations else None
    layers = [
        Layer(f"{i}", Phase(forward, collective, activations), Phase(backward / 2), Phase(backward / 2))
        for i in range(stages)
    ]
    return Workload("toy", tuple(layers), 1, 1, checkpoints=tuple(range(stages)))


def simulated(workload, pipeline, transfer=lambda size: 0.0, **options):
    clock = Clock()
    topology = Topology("net", (Dimension(Block.SWITCH, pipeline.stages),))
    networks = [make_network(clock, topology, [1e9], Settings()) for _ in range(pipeline.stages)]
    fabrics = [ChunkFabric(network, Groups((1,), (1,)), 1) for network in networks]
    return run_pipeline(clock, workload, pipeline, fabrics, transfer, recompute=False, **options)


@given(st.integers(1, 8), st.integers(1, 16), st.sampled_from(PipelineOrder), st.floats(0.1, 3), st.floats(0.1, 3))
def test_the_bubble_of_equal_stages_is_p_minus_1_over_m(stages, micro_batches, order, forward, backward):
    run = simulated(balanced(stages, forward, backward), Pipeline(stages, micro_batches, order))
    work = forward + backward  # of one stage, all micro-batches
    assert run.time == pytest.approx(work * (1 + bubble(stages, micro_batches)))
    for log in run.logs:
        assert log.total(axis=None) == pytest.approx(work)


def test_one_f_one_b_holds_fewer_activations():
    assert simulated(balanced(4), Pipeline(4, 8, GPIPE)).in_flight == (8, 8, 8, 8)
    assert simulated(balanced(4), Pipeline(4, 8, ONE)).in_flight == (4, 3, 2, 1)
    assert simulated(balanced(4), Pipeline(4, 2, ONE)).in_flight == (2, 2, 2, 1)


@given(st.integers(1, 6), st.integers(1, 12), st.sampled_from(PipelineOrder))
def test_each_stage_takes_each_micro_batch_once_each_way(stages, micro_batches, order):
    for stage in range(stages):
        found = list(turns(Pipeline(stages, micro_batches, order), stage))
        for forward in (True, False):
            assert [i for way, i in found if way is forward] == list(range(micro_batches))
        for i in range(micro_batches):
            assert found.index((True, i)) < found.index((False, i))


def test_transfers_delay_the_fill_and_the_drain():
    plain = simulated(balanced(2, 4.0, 8.0, activations=4.0), Pipeline(2, 4, GPIPE))
    slow = simulated(balanced(2, 4.0, 8.0, activations=4.0), Pipeline(2, 4, GPIPE), transfer=lambda size: 0.25 * size)
    assert slow.time == pytest.approx(plain.time + 2 * 0.25)


def test_slow_transfers_queue_on_their_link():
    run = simulated(balanced(2, 4.0, 8.0, activations=4.0), Pipeline(2, 4, GPIPE), transfer=lambda size: 10.0 * size)
    # first forward, four transfers, last forward and first backward, four transfers, last backward
    assert run.time == pytest.approx(1 + 40 + 1 + 2 + 40 + 2)


def test_weight_gradients_are_summed_once():
    layers = [Layer(str(i), Phase(1.0), Phase(1.0), Phase(1.0, Collective.ALL_REDUCE, 1e9)) for i in range(2)]
    toy = Workload("toy", tuple(layers), 1, 2, checkpoints=(0, 1))
    clock = Clock()
    topology = Topology("net", (Dimension(Block.SWITCH, 2), Dimension(Block.SWITCH, 2)))
    networks = [make_network(clock, topology, [1e9, 1e9], Settings()) for _ in range(2)]
    fabrics = [ChunkFabric(network, Groups((1, 1), (2, 1)), 1) for network in networks]
    run_pipeline(clock, toy, Pipeline(2, 4), fabrics, lambda size: 0.0, recompute=False)
    assert [network.sent[0] for network in networks] == [1e9, 1e9]


def test_a_deadlock_names_the_stages_and_what_they_wait_for():
    def backwards(pipeline, stage):
        order = list(turns(pipeline, stage))
        return iter(order[::-1] if stage == 0 else order)

    with pytest.raises(RunError) as stop:
        simulated(balanced(2), Pipeline(2, 2), order=backwards)
    assert "stage 1 waits for the gradient of micro-batch 2 from stage 2" in str(stop.value)
    assert "stage 2 waits for the activations of micro-batch 1 from stage 1" in str(stop.value)


def test_stages_are_whole_blocks():
    assert stage_layers(balanced(4), 2) == [range(2), range(2, 4)]
    with pytest.raises(InputError, match="divides the 4 blocks"):
        stage_layers(balanced(4), 3)
    with pytest.raises(InputError, match="at least 1"):
        Pipeline(0, 1)
    assert boundary_size(balanced(2)) == 0
    assert boundary_size(balanced(2, activations=5.0)) == 5


@pytest.mark.parametrize(
    ("block", "stages", "expected"),
    [
        (Block.SWITCH, 8, 2e-6 + 0.08),
        (Block.FULLY_CONNECTED, 8, 1e-6 + 0.56),
        (Block.RING, 8, 1e-6 + 0.16),
        (Block.RING, 4, 2e-6 + 0.32),  # stages lie two hops apart
    ],
)
def test_a_transfer_takes_one_way_through_its_dimension(block, stages, expected):
    topology = Topology("net", (Dimension(Block.RING, 2), Dimension(block, 8, latency=1e-6)))
    assert transfer_time(topology, [1e9, 100e9], (1, stages), 8e9) == pytest.approx(expected)
    assert transfer_time(topology, [1e9, 100e9], (1, 1), 8e9) == 0
