"""Programs of training iterations, and what it takes to run them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.engine import Clock
from simcore.errors import InputError, RunError
from simcore.models.network.collectives import Collective, traffic
from simcore.models.network.mapping import Groups, map_parallelism, map_stages
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.closed_form import step_time
from simcore.models.training.execute import Log, Runner, finish
from simcore.models.training.program import CLOSED_FORM_LOOPS, Axis, Compute, Issue, Loop, Wait, blocks, iteration
from simcore.models.training.simulated import ChunkFabric, Settings, bound, make_network, run_iteration
from simcore.models.training.workload import Layer, Pass, Phase, Workload
from simcore.models.training.zero import zero3
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload

from tests.programs import sent

AR, AG, RS = Collective.ALL_REDUCE, Collective.ALL_GATHER, Collective.REDUCE_SCATTER
NET = Topology("net", (Dimension(Block.SWITCH, 2), Dimension(Block.SWITCH, 4)))
GROUPS = Groups((2, 1), (1, 4))


def layer(name, forward=0.0, given=0.0, weight=0.0, compute=1.0):
    phases = [Phase(compute, AR, size) if size else Phase(compute) for size in (forward, given, weight)]
    return Layer(name, *phases)


def workload(*layers, checkpoints=(0,)):
    return Workload("toy", layers, 2, 4, checkpoints=checkpoints)


def short(steps):
    words = []
    for step in steps:
        if isinstance(step, Compute):
            words.append(f"{step.part.value[0]}{step.layer}")
        elif isinstance(step, Issue):
            words.append(f"{'T' if step.axis is Axis.TENSOR else 'D'}{step.key}")
        else:
            words.append(f"w{step.key}")
    return " ".join(words)


def test_the_three_loops_wait_for_different_things():
    toy = workload(layer("a", given=8, weight=8), layer("b", given=8, weight=8))
    # forward a, b; then for b, a: input gradient, T(ensor) collective, weight gradient, D(ata) collective
    assert short(iteration(toy, Loop.NO_OVERLAP, recompute=False)) == "f0 f1 i1 T0 w0 w1 D1 w1 i0 T2 w2 w0 D3 w3"
    assert short(iteration(toy, Loop.OVERLAP, recompute=False)) == "f0 f1 i1 T0 w1 D1 w0 w1 i0 T2 w0 D3 w2 w3"
    assert short(iteration(toy, Loop.SIMULATE, recompute=False)) == "f0 f1 i1 T0 w1 D1 w0 i0 T2 w0 D3 w2 w1 w3"


def test_blocks_run_forward_again_but_for_their_last_layer():
    toy = workload(*(layer(name) for name in "abcd"), checkpoints=(0, 2))
    steps = iteration(toy, Loop.SIMULATE)
    backward = [(step.part, step.layer) for step in steps[4:]]
    assert [number for part, number in backward if part is Pass.RECOMPUTE] == [2, 0]
    assert [number for part, number in backward if part is Pass.INPUT_GRADIENT] == [3, 2, 1, 0]
    assert backward.index((Pass.RECOMPUTE, 0)) > backward.index((Pass.WEIGHT_GRADIENT, 2))


def test_blocks_are_those_of_the_generator_and_of_the_header():
    assert read_workload("1T", "w").value.checkpoints == (0, 9)
    assert blocks(read_workload("1T", "w").value, range(18)) == [range(9), range(9, 18)]


def test_a_text_workload_names_its_checkpoints(tmp_path):
    text = (
        "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 1 checkpoints: 2 0 1 checkpoint_initiates: 2 1 0\n"
    )
    path = tmp_path / "w.txt"
    path.write_text(text + "2\n" + "a -1 1 NONE 0 1 NONE 0 1 NONE 0 1\n" * 2, encoding="utf-8")
    assert read_workload(path, "w", dp=4).value.checkpoints == (0, 1)
    path.write_text(text.replace(": 2 0 1", ": 2 0 7") + "a -1 1 NONE 0 1 NONE 0 1 NONE 0 1\n" * 2, encoding="utf-8")
    with pytest.raises(InputError, match="checkpoints"):
        read_workload(path, "w", dp=4)


@pytest.mark.parametrize("loop", CLOSED_FORM_LOOPS)
@pytest.mark.parametrize("name", ["17B", "175B", "1T"])
def test_without_latency_many_chunks_reach_the_closed_form(loop, name):
    dimensions = (Dimension(each.block, each.size) for each in read_network("4D", "n").value.topology.dimensions)
    topology, one = Topology("4D", tuple(dimensions)), read_workload(name, "w").value
    groups, bandwidths = map_parallelism(topology, one.tp, one.dp), [140e9, 120e9, 40e9, 25e9]
    steps = iteration(one, loop, recompute=False)
    run = run_iteration(steps, topology, bandwidths, groups, Settings(chunks=512))
    expected = step_time(one, groups, bandwidths, loop)
    assert run.time == pytest.approx(expected.total, rel=2e-3)
    assert run.compute == pytest.approx(expected.compute)


def test_urgent_collectives_go_ahead_of_what_is_queued():
    clock = Clock()
    network = make_network(clock, NET, [1e9, 1e9], Settings(chunks=8))
    fabric = ChunkFabric(network, Groups((2, 4), (2, 4)), 8)
    ends = []
    for key, urgent in enumerate((False, True, True)):
        event = fabric.issue(Issue(key, AR, 8e6, Axis.TENSOR, urgent, 0, Pass.INPUT_GRADIENT))
        event.callbacks.append(lambda _, key=key: ends.append(key))
    clock.run()
    assert ends == [2, 1, 0]


def test_waiting_is_written_down_where_it_happens():
    toy = workload(layer("a", forward=4e9, weight=4e9))
    steps = iteration(toy, Loop.SIMULATE)
    run = run_iteration(steps, NET, [1e9, 1e9], GROUPS, Settings(chunks=1))
    assert run.time == pytest.approx(3 + 4 + 6)
    assert run.exposed_by_axis() == pytest.approx({**dict.fromkeys(Axis, 0.0), Axis.TENSOR: 4.0, Axis.DATA: 6.0})
    assert run.exposed_by_dimension() == pytest.approx((4.0, 6.0))
    assert set(run.exposed_by_layer()) == {(0, Pass.FORWARD, Axis.TENSOR), (0, Pass.WEIGHT_GRADIENT, Axis.DATA)}
    assert run.compute + run.exposed == pytest.approx(run.time)


def test_cost_grows_with_chunks_and_not_with_npus():
    def events(sizes, chunks):
        topology = Topology("net", tuple(Dimension(Block.SWITCH, size) for size in sizes))
        toy = workload(layer("a", forward=4e9, weight=4e9))
        steps = iteration(toy, Loop.SIMULATE)
        return run_iteration(steps, topology, [1e9, 1e9], Groups((sizes[0], 1), (1, sizes[1])), Settings(chunks)).events

    assert events((2, 4), 64) == events((64, 2048), 64)
    assert 1.8 < events((2, 4), 128) / events((2, 4), 64) < 2.0


def test_who_waits_for_ever_is_named():
    clock, log = Clock(), Log("stage 1")
    fabric = ChunkFabric(make_network(clock, NET, [1e9, 1e9], Settings()), GROUPS, 1)
    runner = Runner(clock, fabric, log)

    def program():
        yield from runner.wait(clock.event(), "a message that nobody sends")

    clock.process(program())
    with pytest.raises(RunError, match=r"deadlock.*stage 1 waits for a message that nobody sends"):
        finish(clock, [log])


def test_zero3_gathers_twice_and_scatters():
    toy = workload(*(layer(name, weight=8e6) for name in "abcd"), checkpoints=(0, 2))
    total = 4 * 8e6
    for recompute in (True, False):
        for loop in Loop:
            found = sent(zero3(toy, loop, recompute=recompute), Axis.DATA)
            assert found == {AG: 2 * total / 4, RS: total}
    plain = sum(traffic(AR, total, (4,)))
    ours = sum(traffic(AG, 2 * total / 4, (4,))) + sum(traffic(RS, total, (4,)))
    assert ours == pytest.approx(1.5 * plain)


def test_zero3_gathers_ahead_and_computes_only_with_its_parameters():
    toy = workload(layer("a", weight=8), layer("b", weight=8))
    steps = zero3(toy, Loop.SIMULATE, recompute=False)
    assert short(steps) == "D0 w0 D1 f0 w1 D2 f1 w2 D3 i1 w1 D4 w3 i0 w0 D5 w4 w5"
    # parameters that a recomputed block has gathered are there when it goes back
    assert sum(isinstance(step, Issue) and step.part is Pass.RECOMPUTE for step in zero3(toy, Loop.SIMULATE)) == 1
    assert short(zero3(toy, Loop.NO_OVERLAP, recompute=False)).startswith("D0 w0 f0 D1 w1 f1")


def test_zero3_hides_its_traffic_where_compute_is_long():
    toy = workload(*(layer(name, weight=8e6) for name in "abcd"))
    run = run_iteration(zero3(toy, Loop.SIMULATE), NET, [1e9, 1e9], GROUPS, Settings())
    assert run.exposed < 0.02
    assert bound(zero3(toy, Loop.SIMULATE), NET, [1e9, 1e9], GROUPS) <= run.time * (1 + 1e-9)


def test_zero3_needs_the_parameters_of_each_layer():
    """A transformer says them; of layers in a file they are taken to be as many as the gradient."""
    one = read_workload("1T", "w").value
    fused = read_workload("1T", "w", variant="evaluation").value

    def gathered(workload):
        steps = zero3(workload, Loop.SIMULATE, recompute=False)
        return [step.size for step in steps if isinstance(step, Issue) and step.collective is Collective.ALL_GATHER]

    assert gathered(fused) == gathered(one) == gathered(unsaid(one))
    assert gathered(one)[0] == one.layers[0].weight_gradient.size / one.dp
    with pytest.raises(InputError, match=r"^zero 3: found workload '1T', whose weight gradients are fused"):
        zero3(unsaid(fused), Loop.SIMULATE)


def unsaid(one):
    """A workload as a layer file gives it, which says nothing of parameters and activations."""
    return replace(one, layers=tuple(replace(each, parameters=None, activations=None) for each in one.layers))


def test_stages_take_the_outermost_dimensions():
    topology = read_network("4D", "n").value.topology
    sizes, part = map_stages(topology, 16)
    assert sizes == (1, 1, 2, 8)
    assert [each.size for each in part.dimensions] == [2, 8, 4, 1]
    with pytest.raises(InputError, match="divisor of the 1024 NPUs"):
        map_stages(topology, 3)


def test_a_collective_that_is_over_costs_no_time():
    steps = [Issue(0, AR, 1e3, Axis.TENSOR, True, 0, Pass.FORWARD), Compute(1.0, 0, Pass.FORWARD), Wait(0)]
    run = run_iteration(steps, NET, [1e9, 1e9], GROUPS, Settings())
    assert run.exposed == 0
    assert run.time == 1.0


def test_a_fabric_forgets_collectives_that_are_over():
    steps = [Issue(0, AR, 1e3, Axis.TENSOR, True, 0, Pass.FORWARD), Compute(1.0, 0, Pass.FORWARD), Wait(0)]
    steps += [Issue(1, AR, 1e9, Axis.TENSOR, True, 0, Pass.FORWARD), Wait(1)]
    clock, log = Clock(), Log("the NPU")
    fabric = ChunkFabric(make_network(clock, NET, [1e9, 1e9], Settings()), GROUPS, 1)
    clock.process(Runner(clock, fabric, log).whole(steps))
    finish(clock, [log])
    assert fabric._busy == {}
