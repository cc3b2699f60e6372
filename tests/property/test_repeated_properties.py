"""Pipelines whose turns repeat: what is simulated once equals what is simulated every time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.models.network.mapping import Groups
from simcore.models.network.transfers import transfer_legs
from simcore.models.training.pipeline import Pipeline, run_pipeline
from simcore.models.training.program import Loop, PipelineOrder
from simcore.models.training.repeated import Repeated
from simcore.models.training.simulated import ChunkFabric, Settings, make_network, run_of
from simcore.models.training.workload import Layer, Phase, Workload
from simcore.network import Block, Clock, Collective, Dimension, Topology

BANDWIDTHS = [1e11, 2e10]
phases = st.one_of(
    st.builds(Phase, st.sampled_from([0.0, 1e-4, 2.5e-4])),
    st.builds(Phase, st.sampled_from([1e-5, 3e-4]), st.sampled_from(Collective), st.floats(1e4, 3e7)),
)
layers = st.builds(Layer, st.just("layer"), phases, phases, phases, activations=st.sampled_from([0.0, 1e6, 5e7]))


@st.composite
def pipelines(draw):
    stages, per = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    block = draw(st.lists(layers, min_size=per, max_size=per))
    others = draw(st.one_of(st.just([]), st.lists(layers, min_size=per, max_size=per)))
    listed = tuple(each for k in range(stages) for each in (others if others and k == 1 else block))
    workload = Workload("drawn", listed, 4, 2, checkpoints=tuple(range(0, len(listed), per)))
    order = draw(st.sampled_from(PipelineOrder))
    return workload, Pipeline(stages, draw(st.integers(1, 8)), order), draw(st.sampled_from(Loop)), draw(st.booleans())


def simulated(workload, pipeline, loop, recompute, chunks=2, record=False):
    clock = Clock()
    outer = Dimension(Block.SWITCH, 2 * pipeline.stages, latency=2e-6)
    topology = Topology("net", (Dimension(Block.RING, 4, latency=1e-6), outer))
    options = Settings(chunks, record=record)
    networks = [make_network(clock, topology, BANDWIDTHS, options) for _ in range(pipeline.stages)]
    fabrics = [ChunkFabric(network, Groups((4, 1), (1, 2)), chunks) for network in networks]
    route = lambda here, there, size: transfer_legs(topology, BANDWIDTHS, [1, pipeline.stages], here, there, size)  # noqa: E731
    run = run_pipeline(clock, workload, pipeline, fabrics, route, loop=loop, recompute=recompute)
    runs = [run_of(log, network) for log, network in zip(run.logs, networks, strict=True)]
    return run, runs, [network.phases for network in networks]


@settings(max_examples=60)
@given(pipelines())
def test_what_is_simulated_once_is_what_is_simulated_every_time(drawn):
    fast, every = simulated(*drawn), simulated(*drawn, record=True)  # a log has every phase
    assert fast[0].time == pytest.approx(every[0].time, rel=1e-11)
    assert (fast[0].in_flight, fast[2]) == (every[0].in_flight, every[2])
    for one, other in zip(fast[1], every[1], strict=True):
        for what in ("time", "busy", "sent", "served", "latency", "compute", "exposed", "exposed_by_axis"):
            theirs = getattr(other, what)
            ours = getattr(one, what)
            assert (ours() if callable(ours) else ours) == pytest.approx(
                theirs() if callable(theirs) else theirs, rel=1e-9, abs=1e-11 * every[0].time
            )
        assert one.exposed_by_layer().keys() >= {k for k, v in other.exposed_by_layer().items() if v > 1e-12}
        assert one.algorithms == other.algorithms


def toy(stages):
    phase = Phase(1e-4, Collective.ALL_REDUCE, 1e7)
    layer = Layer("layer", phase, phase, phase, activations=1e6)
    return Workload("toy", (layer,) * stages, 4, 2, checkpoints=tuple(range(stages)))


def test_events_do_not_grow_with_what_repeats():
    counts = [
        simulated(toy(stages), Pipeline(stages, m), Loop.SIMULATE, recompute=True)[1][0].events
        for stages, m in ((4, 8), (4, 800), (16, 800))
    ]
    assert counts[0] == counts[1] == counts[2] > 0


def test_turns_are_simulated_where_messages_meet_their_collectives(monkeypatch):
    tried = []
    monkeypatch.setattr(Repeated, "run", lambda self: tried.append(self))
    workload, ring = toy(2), Topology("ring", (Dimension(Block.RING, 8),))
    clock = Clock()
    networks = [make_network(clock, ring, [1e9], Settings()) for _ in range(2)]
    fabrics = [ChunkFabric(network, Groups((4,), (1,)), 1) for network in networks]
    route = lambda here, there, size: transfer_legs(ring, [1e9], [2], here, there, size)  # noqa: E731
    run_pipeline(clock, workload, Pipeline(2, 4), fabrics, route)
    assert tried == []
    assert clock.events > 0
