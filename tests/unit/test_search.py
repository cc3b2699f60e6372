"""Search of layouts: it finds what trying all finds, and nothing that does not fit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import simcore
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.architecture import Transformer
from simcore.models.training.parallel.changes import best_change, best_pair, changes_of
from simcore.models.training.parallel.evaluation import Evaluator, Machine
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout, Recompute
from simcore.models.training.parallel.memory import in_flight
from simcore.models.training.parallel.orders import Pipelined, turns_of
from simcore.models.training.parallel.search import Space, capacity, fits, layouts_of, search_layouts
from simcore.models.training.parallel.stages import most_held
from simcore.readers.profiles import read_profile

GPT = Transformer("gpt", hidden=2048, blocks=8, heads=16, vocabulary=51200)
PROFILE = read_profile("v100-32gb").value
FP16 = NUMBER_FORMATS["fp16"]
BASE = Layout(sequence_parallel=True, number_format=FP16)
NODE = Topology("node", (Dimension(Block.SWITCH, 8, latency=1e-6),))


def with_memory(gigabytes):
    return replace(PROFILE, device=replace(PROFILE.device, memory=gigabytes * 1e9))


def evaluator(profile=PROFILE, topology=NODE):
    return Evaluator(GPT, 1024, Machine(profile, topology, (150e9,) * len(topology.dimensions)))


def everything(gpus, batch):
    """All layouts of so many GPUs, enumerated without the search's own rules."""
    numbers = range(1, gpus + 1)
    for tp, cp, pp, dp in itertools.product(numbers, repeat=4):
        if tp * cp * pp * dp != gpus or batch % dp:
            continue
        for size, vp, recompute, zero in itertools.product((1, 2, 4, 8), range(1, 9), Recompute, (0, 1)):
            each = batch // dp
            if each % size or (zero and cp * dp == 1):
                continue
            yield Layout(
                tp=tp, cp=cp, pp=pp, vp=vp, dp=dp, micro_batch=size, micro_batches=each // size, recompute=recompute,
                zero=zero, sequence_parallel=tp > 1, order="interleaved" if vp > 1 else "1F1B",
                number_format=FP16,
            )  # fmt: skip


@pytest.mark.parametrize(("gigabytes", "batch"), [(32, 8), (8, 8), (4, 16), (2, 8)])
def test_it_finds_what_trying_everything_finds(gigabytes, batch):
    profile = with_memory(gigabytes)
    of = evaluator(profile)
    space = Space(cp=(), zero=(0, 1))
    found = search_layouts(of, layouts_of(GPT, 8, batch, space, BASE, node=8))
    tried = []
    for layout in everything(8, batch):
        try:
            tried.append(of.evaluate(layout))
        except InputError:
            continue
    assert len(tried) > 500
    good = [one.time for one in tried if fits(one, profile.device)]
    assert [one.time for one in found.best[:1]] == ([min(good)] if good else [])
    assert all(one.worst.reserved <= capacity(profile.device) for one in found.best)


@given(st.floats(1, 40), st.floats(1.0, 4.0))
@settings(max_examples=20)
def test_more_memory_never_turns_a_fit_into_a_misfit(gigabytes, more):
    small, large = with_memory(gigabytes), with_memory(gigabytes * more)
    layouts = list(layouts_of(GPT, 8, 8, Space(), BASE, node=8))[::7]
    of = evaluator()
    for one in map(of.evaluate, layouts):
        assert fits(one, large.device) or not fits(one, small.device)


def test_layouts_use_all_gpus_and_make_up_the_batch():
    layouts = list(layouts_of(GPT, 8, 24, Space(cp=(), vp=()), BASE, node=8))
    assert len(layouts) == len(set(layouts))
    assert {(one.gpus, one.global_batch) for one in layouts} == {(8, 24)}


def test_changes_keep_the_gpus_and_the_batch():
    layout = Layout(tp=2, pp=2, dp=2, micro_batch=2, micro_batches=4)
    changed = dict(changes_of(layout))
    assert {(one.gpus, one.global_batch) for one in changed.values()} == {(8, 16)}
    assert {"TP 4", "TP 1", "PP 4", "PP 1", "ZeRO 1", "recompute full", "micro-batches of 1"} <= set(changed)


def test_the_best_change_makes_it_fit():
    profile = with_memory(3)
    of = evaluator(profile)
    layout = Layout(dp=8, micro_batch=1, number_format=FP16)
    assert not fits(of.evaluate(layout), profile.device)
    change = best_change(of, layout) or best_pair(of, layout)
    assert change is not None
    assert fits(change.result, profile.device)


@pytest.mark.parametrize("order", ["GPipe", "1F1B", "looped", "interleaved", "zero-bubble", "ZBV", "DualPipeV"])
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_what_is_in_flight_is_that_of_the_whole_table(order, ranks):
    chunks = {"looped": 2, "interleaved": 3, "ZBV": 2, "DualPipeV": 2}.get(order, 1)
    for micro_batches in (2 * ranks, 5 * ranks, 9 * ranks):
        table = turns_of(order, Pipelined(ranks, micro_batches, chunks))
        layout = Layout(pp=ranks, vp=chunks, micro_batches=micro_batches, order=order)
        assert in_flight(layout) == tuple(map(most_held, table))


def test_what_is_given_is_kept():
    result = simcore.search("gpt-1.3b", gpus=8, device="a100-80gb", global_batch=16, tp=2, recompute="full", zero=1)
    assert {(one.layout.tp, one.layout.recompute.value) for one in result.found.best} == {(2, "full")}
    again = simcore.search(**result.provenance.inputs)
    assert again.to_json() == result.to_json()
