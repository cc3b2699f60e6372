"""Pipeline-parallel iterations: orders, bubbles, memory, deadlocks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.engine import Clock
from simcore.errors import InputError, RunError
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Groups
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.network.transfers import transfer_legs
from simcore.models.training.pipeline import (
    Pipeline,
    PipelineOrder,
    bubble,
    chunk_turns,
    run_pipeline,
    turns,
)
from simcore.models.training.program import Axis
from simcore.models.training.simulated import ChunkFabric, Settings, make_network
from simcore.models.training.stage_cut import boundary_sizes, stage_layers
from simcore.models.training.workload import Layer, Pass, Phase, Workload

GPIPE, ONE = PipelineOrder.GPIPE, PipelineOrder.ONE_F_ONE_B


@pytest.fixture(autouse=True, scope="module")
def _small_numbers():
    """Let links be slow, so that a byte takes a second and answers can be worked out by hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simcore.models.network.bandwidths.LEAST_BANDWIDTH", 0.0)
        yield


def balanced(stages, forward=1.0, backward=2.0, activations=0.0):
    layers = [
        Layer(f"{i}", Phase(forward), Phase(backward / 2), Phase(backward / 2), activations=activations)
        for i in range(stages)
    ]
    return Workload("toy", tuple(layers), 1, 1, checkpoints=tuple(range(stages)))


def simulated(workload, pipeline, bandwidth=1e30, block=Block.SWITCH, networks=None, **options):
    clock = Clock()
    topology = Topology("net", (Dimension(block, pipeline.stages),))
    networks = [] if networks is None else networks
    networks += [make_network(clock, topology, [bandwidth], Settings(record=True)) for _ in range(pipeline.stages)]
    fabrics = [ChunkFabric(network, Groups((1,), (1,)), 1) for network in networks]

    def way(source, target, size):
        return transfer_legs(topology, [bandwidth], (pipeline.stages,), source, target, size)

    return run_pipeline(clock, workload, pipeline, fabrics, way, recompute=False, **options)


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
    slow = simulated(balanced(2, 4.0, 8.0, activations=4.0), Pipeline(2, 4, GPIPE), bandwidth=4.0)
    assert slow.time == pytest.approx(plain.time + 2 * 0.25)


def test_slow_transfers_queue_on_their_link():
    run = simulated(balanced(2, 4.0, 8.0, activations=4.0), Pipeline(2, 4, GPIPE), bandwidth=0.1)
    # first forward, four transfers, last forward and first backward, four transfers, last backward
    assert run.time == pytest.approx(1 + 40 + 1 + 2 + 40 + 2)


def test_weight_gradients_are_summed_once():
    layers = [
        Layer(str(i), Phase(1.0), Phase(1.0), Phase(1.0, Collective.ALL_REDUCE, 1e9), activations=0.0) for i in range(2)
    ]
    toy = Workload("toy", tuple(layers), 1, 2, checkpoints=(0, 1))
    clock = Clock()
    topology = Topology("net", (Dimension(Block.SWITCH, 2), Dimension(Block.SWITCH, 2)))
    networks = [make_network(clock, topology, [1e9, 1e9], Settings()) for _ in range(2)]
    fabrics = [ChunkFabric(network, Groups((1, 1), (2, 1)), 1) for network in networks]
    run_pipeline(clock, toy, Pipeline(2, 4), fabrics, lambda *_: (), recompute=False)
    assert [network.sent[0] for network in networks] == [1e9, 1e9]


def test_a_deadlock_names_the_stages_and_what_they_wait_for():
    def backwards(pipeline, stage):
        order = list(chunk_turns(pipeline, stage))
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
    with pytest.raises(InputError, match=r"^stages: found 3"):
        stage_layers(balanced(4), 3)


def test_a_message_is_what_the_last_layer_of_a_stage_hands_on():
    layers = [replace(layer, activations=float(size)) for size, layer in enumerate(balanced(4).layers)]
    one = replace(balanced(4), layers=tuple(layers))
    assert boundary_sizes(one, stage_layers(one, 2)) == [1]
    assert boundary_sizes(one, stage_layers(one, 4)) == [0, 1, 2]
    assert boundary_sizes(one, stage_layers(one, 1)) == []


def test_messages_of_unknown_size_are_refused():
    """A layer file that says neither activations nor forward collectives is no pipeline whose messages take 0 s."""
    one = balanced(2)
    one = replace(one, layers=tuple(replace(layer, activations=None) for layer in one.layers))
    with pytest.raises(InputError, match=r"layer '0' at the end of a stage.*activations=BYTES") as error:
        simulated(one, Pipeline(2, 4))
    assert error.value.place == "workload 'toy'"
    assert simulated(one, Pipeline(1, 4)).time == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("collective", "left"),
    [(Collective.ALL_REDUCE, 8.0), (Collective.ALL_GATHER, 32.0), (Collective.REDUCE_SCATTER, 2.0)],
)
def test_a_message_is_what_the_last_collective_leaves_on_an_npu(collective, left):
    idle = Layer("b", Phase(1.0), Phase(1.0), Phase(1.0))
    layers = (Layer("a", Phase(1.0, collective, 8.0), Phase(1.0), Phase(1.0)), idle)
    assert boundary_sizes(Workload("toy", layers, 4, 1), [range(1), range(1, 2)]) == [left]


@pytest.mark.parametrize(
    ("block", "stages", "expected"),
    [
        (Block.SWITCH, 8, 2e-6 + 0.08),
        (Block.FULLY_CONNECTED, 8, 1e-6 + 0.56),
        (Block.RING, 8, 1e-6 + 0.16),
        (Block.RING, 4, 2e-6 + 0.32),  # stages lie two hops apart
        (Block.RING, 2, 4e-6 + 0.32),  # four hops, both ways round
    ],
)
def test_a_transfer_takes_the_shorter_way_through_its_dimension(block, stages, expected):
    topology = Topology("net", (Dimension(Block.RING, 2), Dimension(block, 8, latency=1e-6)))
    (leg,) = transfer_legs(topology, [1e9, 100e9], (1, stages), 0, 1, 8e9)
    assert leg.dimension == 1
    assert leg.duration + leg.latency == pytest.approx(expected)
    assert leg.work <= leg.duration
    assert transfer_legs(topology, [1e9, 100e9], (1, 1), 0, 0, 8e9) == ()


def test_two_npus_of_a_ring_have_both_links_for_a_message():
    """As on the graph, where they are one link of the whole bandwidth."""
    pair = Topology("pair", (Dimension(Block.RING, 2),))
    (leg,) = transfer_legs(pair, [2.0], (2,), 0, 1, 8.0)
    assert (leg.duration, leg.work) == (4.0, 4.0)


def test_stages_in_two_dimensions_cross_both_where_they_must():
    topology = Topology("net", (Dimension(Block.SWITCH, 2), Dimension(Block.SWITCH, 2)))
    ways = [[leg.dimension for leg in transfer_legs(topology, [1e9, 1e9], (2, 2), i, i + 1, 1.0)] for i in range(3)]
    assert ways == [[0], [0, 1], [0]]


def waits(log):
    return sum(span.seconds for span in log.spans if span.axis is Axis.PIPELINE)


def test_transfers_are_told_apart_from_the_bubble():
    """The second stage waits 1 s for the first micro-batch to be ready, then 0.25 s for it to arrive."""
    run = simulated(balanced(2, 4.0, 8.0, activations=4.0), Pipeline(2, 4, GPIPE), bandwidth=4.0)
    first, second = run.logs
    assert waits(second) == pytest.approx(0.25)
    assert waits(first) == pytest.approx(0.25)
    bubble_time = bubble(2, 4) * 12.0
    for log in run.logs:
        idle = run.time - log.total(axis=None) - waits(log)
        assert idle == pytest.approx(bubble_time + 0.25)  # the other stage's transfer
    (span,) = [span for span in second.spans if span.axis is Axis.PIPELINE]
    assert (span.layer, span.part, span.dimension) == (1, Pass.FORWARD, 0)


@pytest.mark.parametrize(("block", "sent", "busy"), [(Block.SWITCH, 1.0, 1.0), (Block.RING, 1.0, 1.0)])
def test_transfers_are_in_the_utilisation_and_in_the_log(block, sent, busy):
    networks = []
    simulated(balanced(2, 4.0, 8.0, activations=4.0), Pipeline(2, 4), bandwidth=4.0, block=block, networks=networks)
    for network, way in zip(networks, ("activations", "gradient"), strict=True):
        assert network.sent == [pytest.approx(4 * sent)]  # four micro-batches of one byte
        assert network.busy == [pytest.approx(4 * busy / 4.0)]
        assert [leg.label.split()[0] for leg in network.transfers] == [way] * 4
        assert all(leg.queued <= leg.start < leg.end for leg in network.transfers)


def test_a_transfer_takes_its_share_of_the_links_from_a_collective():
    clock = Clock()
    topology = Topology("net", (Dimension(Block.SWITCH, 4),))
    network = make_network(clock, topology, [1.0], Settings(record=True))
    done = network.issue(Collective.REDUCE_SCATTER, 4.0, (4,), chunks=3)
    (leg,) = transfer_legs(topology, [1.0], (4,), 0, 1, 5.0)
    arrived = network.send(leg, "onwards")
    clock.run()
    assert network.transfers[0].start == pytest.approx(1.0)  # after the phase under way
    assert arrived.processed
    assert done.value == pytest.approx(3.0 + 5.0)


def test_transfers_that_wait_for_each_other_leave_idle_links_to_a_collective():
    """Four messages over one of seven links, 7 s each: they take a seventh of the links for 28 s, not all of them."""
    clock = Clock()
    mesh = Topology("mesh", (Dimension(Block.FULLY_CONNECTED, 8),))
    network = make_network(clock, mesh, [7.0], Settings(record=True))
    (leg,) = transfer_legs(mesh, [7.0], (2,), 0, 1, 7.0)
    for _ in range(4):
        network.send(leg, "onwards")
    done = network.issue(Collective.REDUCE_SCATTER, 8.0, (4,), chunks=1)
    clock.run()
    assert [each.start for each in network.transfers] == [0.0, 7.0, 14.0, 21.0]
    assert done.value == pytest.approx(4 * 1.0 + 2.0)


@pytest.mark.parametrize(("stages", "micro_batches", "chunks"), [(2, 4, 2), (4, 8, 2), (4, 8, 3), (3, 6, 2)])
def test_an_interleaved_pipeline_has_a_bubble_that_chunks_divide(stages, micro_batches, chunks):
    work = balanced(stages * chunks, forward=1.0, backward=2.0)
    run = simulated(work, Pipeline(stages, micro_batches, chunks=chunks))
    share = bubble(stages, micro_batches, chunks)
    assert run.time == pytest.approx((1 + share) * 3.0 * chunks, rel=1e-9)  # a block has 3 s of all micro-batches


def test_chunks_go_round_the_stages():
    network = []
    run = simulated(balanced(4, activations=4.0), Pipeline(2, 4, chunks=2), bandwidth=1.0, networks=network)
    # 3 boundaries of 4 B forwards and backwards: parts 0 -> 1 and 2 -> 3 leave stage 1 forwards, 1 -> 2 stage 2
    sent = [sum(leg.size for leg in each.transfers) for each in network]
    assert sent == [2 * 4.0 + 4.0, 4.0 + 2 * 4.0]
    assert run.time > simulated(balanced(4), Pipeline(2, 4, chunks=2)).time


def test_uneven_stages_wait_for_the_longest():
    # a block has 3 s in all; the long stage works all the time, but for the fill and the drain of a short one before it
    assert simulated(balanced(4), Pipeline(2, 6, blocks=(1, 3))).time == pytest.approx(1 / 6 + 9.0 + 2 / 6)
    assert simulated(balanced(4), Pipeline(2, 6, blocks=(3, 1))).time == pytest.approx(9.0)
    with pytest.raises(InputError, match="stage_layers: found 3, 2, 5 blocks in 2 parts, expected 4 blocks"):
        simulated(balanced(4), Pipeline(2, 6, blocks=(3, 2)))


def test_chunks_go_with_one_order_alone():
    with pytest.raises(InputError, match="2 in the order GPipe"):
        Pipeline(2, 4, GPIPE, chunks=2)
