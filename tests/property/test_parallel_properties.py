"""Properties of evaluated layouts."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.models.network.topology import Block
from simcore.models.training.parallel.layout import ContextExchange, Layout, Recompute, check_layout
from simcore.models.training.parallel.orders import FOLDED, MANY_CHUNKS, ORDERS, Kind, Pipelined, stage_of, turns_of
from simcore.models.training.parallel.pipelining import (
    is_played,
    messages,
    played_seconds,
    stage_times,
)
from simcore.models.training.parallel.search import fits
from simcore.models.training.parallel.stage import ChunkTimes, Seconds, chunks_of_ranks
from simcore.models.training.parallel.stages import Sent, StageTimes, play, seconds_of
from simcore.models.training.parallel.step_model import step_model

from tests.parallel import DENSE, MIXED, evaluator, gpu

DEEP = {True: replace(MIXED, blocks=8), False: replace(DENSE, blocks=8)}
degree = st.sampled_from([1, 2, 4])
bandwidth = st.floats(9, 12).map(lambda power: 10**power)


@st.composite
def cases(draw, orders=("1F1B", "GPipe", "interleaved", "looped", "zero-bubble", "ZBV", "DualPipeV")):
    """A layout, its model, and a network of a dimension for each group."""
    experts = draw(st.booleans())
    tp, cp, dp, pp = draw(degree), draw(st.sampled_from([1, 1, 2])), draw(degree), draw(degree)
    order = draw(st.sampled_from(orders)) if pp > 1 else "1F1B"
    vp = 1 if order in {"1F1B", "GPipe"} or pp == 1 else 2
    layout = Layout(
        tp=tp, cp=cp, pp=pp, vp=vp, dp=dp, ep=draw(st.sampled_from([1, 2])) if experts and cp * dp > 1 else 1,
        order=order, micro_batches=2 * pp * draw(st.sampled_from([1, 2])),
        zero=draw(st.integers(0, 3)) if cp * dp > 1 else 0, overlap=draw(st.booleans()),
        sequence_parallel=tp > 1 and draw(st.booleans()), recompute=draw(st.sampled_from(Recompute)),
        exchange=draw(st.sampled_from(ContextExchange)), fused_attention=draw(st.booleans()),
        bucket=draw(st.sampled_from([1e6, 2e7, 1e9])),
    )  # fmt: skip
    sizes = tuple(size for size in (tp * cp, dp, pp) if size > 1) or (1,)
    try:
        check_layout(layout, DEEP[experts], 1024)
    except InputError:
        assume(False)
    return layout, DEEP[experts], sizes, tuple(draw(bandwidth) for _ in sizes)


@given(cases(), st.sampled_from([Block.SWITCH, Block.RING, Block.FULLY_CONNECTED]), st.sampled_from([0.0, 1e-6, 1e-4]))
@settings(max_examples=150, deadline=None)
def test_parts_add_up_and_doubling_every_bandwidth_never_slows_an_iteration(case, block, latency):
    layout, model, sizes, bandwidths = case
    found = evaluator(model, sizes=sizes, bandwidths=bandwidths, block=block, latency=latency).evaluate(layout)
    assert min(found.parts.values()) >= 0
    assert math.isclose(math.fsum(found.parts.values()), found.time, rel_tol=1e-12)
    wide = tuple(2 * each for each in bandwidths)
    wider = evaluator(model, sizes=sizes, bandwidths=wide, block=block, latency=latency).evaluate(layout)
    assert wider.time <= found.time * (1 + 1e-12)
    assert wider.memory == found.memory
    memory = evaluator(model, sizes=sizes, bandwidths=bandwidths, profile=gpu(bandwidth=4e12)).evaluate(layout)
    assert memory.time <= found.time * (1 + 1e-12)


@given(cases(), st.floats(1e8, 1e11), st.floats(1, 4))
@settings(max_examples=80, deadline=None)
def test_more_memory_never_turns_a_fit_into_a_misfit(case, memory, more):
    layout, model, sizes, bandwidths = case
    small, large = (
        (on.evaluate(layout), on.machine.profile.device)
        for on in (
            evaluator(model, sizes=sizes, bandwidths=bandwidths, profile=gpu(memory=each))
            for each in (memory, more * memory)
        )
    )
    assert fits(*small) <= fits(*large)
    assert small[0].time == large[0].time


@given(cases(orders=("1F1B", "interleaved")))
@settings(max_examples=150, deadline=None)
def test_the_step_model_is_never_below_the_evaluation(case):
    layout, model, sizes, bandwidths = case
    on = evaluator(model, sizes=sizes, bandwidths=bandwidths)
    found = on.evaluate(layout)
    totals = [
        sum(found.chunks[chunk].forward.total + found.chunks[chunk].backward.total for chunk in own)
        for own in chunks_of_ranks(layout)
    ]
    assume(layout.pp == 1 or not is_played(layout, found.chunks, totals, found.message))
    time = float(step_model(on, layout).time(bandwidths))
    assert time >= found.time * (1 - 1e-9)
    if layout.replicas == layout.pp == 1:
        assert math.isclose(time, found.time, rel_tol=1e-9)


times = st.floats(0.1, 2.0)


def pass_times(forward, given, weight):
    return ChunkTimes(Seconds(forward=forward), Seconds(input_gradient=given, weight_gradient=weight), 1)


@given(
    st.sampled_from([("1F1B", 1), ("GPipe", 1), ("interleaved", 2), ("zero-bubble", 1), ("zero-bubble", 2),
                     ("ZBV", 2)]),
    st.integers(2, 4), st.integers(1, 12), times, times, times, st.floats(0, 0.5),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_an_iteration_played_in_part_is_the_whole_one(order, ranks, rounds, forward, given_, weight, message):
    (name, vp), m = order, rounds * ranks
    layout = Layout(pp=ranks, vp=vp, order=name, micro_batches=m)
    chunks = layout.chunks * [pass_times(forward, given_, weight)]
    size = Pipelined(ranks, m, vp)
    sent = Sent(message, message, message)
    whole = play(name, size, turns_of(name, size), [stage_times(chunk) for chunk in chunks], sent).seconds
    assert math.isclose(played_seconds(layout, chunks, sent), whole, rel_tol=1e-2)


@given(st.sampled_from(["1F1B", "GPipe"]), st.integers(2, 5), st.integers(1, 6), times, times, st.floats(0, 1))
@settings(max_examples=120, deadline=None)
def test_what_messages_add_to_even_stages_is_what_playing_them_adds(order, ranks, rounds, forward, backward, share):
    layout = Layout(pp=ranks, micro_batches=rounds * ranks, order=order)
    size, message = layout.pipelined, share * min(forward, backward)
    table, stages = turns_of(order, size), ranks * [StageTimes(forward, backward, 0.0)]
    added = [play(order, size, table, stages, one).seconds for one in (message, 0.0)]
    assert math.isclose(messages(layout, message), added[0] - added[1], rel_tol=1e-9, abs_tol=1e-9)


@given(st.integers(2, 5), st.integers(1, 6), times, st.floats(0, 1), st.floats(0, 0.5))
@settings(max_examples=120, deadline=None)
def test_a_longer_last_stage_hides_messages(ranks, rounds, each, longer, share):
    layout = Layout(pp=ranks, micro_batches=rounds * ranks)
    size, message = layout.pipelined, share * each
    stages = (ranks - 1) * [StageTimes(each, 2 * each, 0.0)] + [StageTimes(each + longer, 2 * each + 2 * longer, 0.0)]
    totals = [stage.forward + stage.input_gradient for stage in stages]
    table = turns_of("1F1B", size)
    added = [play("1F1B", size, table, stages, one).seconds for one in (message, 0.0)]
    assert math.isclose(messages(layout, message, totals) + added[1], added[0], rel_tol=0.02)


def walked(order, size, stages, sent):
    """Return when each turn starts, rank by rank and turn by turn as far as each rank gets: slow, and plain."""
    table, last = turns_of(order, size), len(stages) - 1
    rank_of = {stage_of(order, size, rank, chunk): rank for rank in range(size.ranks) for chunk in range(size.chunks)}
    left, starts = [list(turns) for turns in table], [[] for _ in table]
    free, links, channels, there = [0.0] * size.ranks, [0.0] * size.ranks, {}, {}

    def needed(rank, turn):
        stage, forward = stage_of(order, size, rank, turn.chunk), turn.kind is Kind.FORWARD
        before = stage - 1 if forward else stage + 1
        if turn.kind is Kind.WEIGHT_GRADIENT or not 0 <= before <= last:
            return 0.0
        return there.get((before, forward, turn.micro_batch))

    def made(rank, turn, now):
        stage, forward = stage_of(order, size, rank, turn.chunk), turn.kind is Kind.FORWARD
        to = rank_of.get(stage + 1 if forward else stage - 1, rank)
        if turn.kind is not Kind.WEIGHT_GRADIENT and to != rank:
            leaves = max(now, links[rank], channels.get((rank, to), 0.0))
            links[rank] = max(now, links[rank]) + sent.links
            channels[rank, to] = leaves + sent.channel
            now = leaves + sent.seconds
        if turn.kind is not Kind.WEIGHT_GRADIENT:
            there[stage, forward, turn.micro_batch] = now

    while any(left):
        for rank, turns in enumerate(left):
            together = turns[: 1 + next((i for i, one in enumerate(turns) if not one.overlapped), 0)]
            arrivals = [needed(rank, turn) for turn in together]
            if not together or None in arrivals:
                continue
            del turns[: len(together)]
            start = max(free[rank], *arrivals)
            starts[rank] += [start] * len(together)
            free[rank] = start
            for turn in together:
                free[rank] += stages[stage_of(order, size, rank, turn.chunk)].of(turn.kind)
            for turn in together:
                made(rank, turn, free[rank])
    return starts, max(free)


@given(
    st.sampled_from(sorted(ORDERS)), st.integers(2, 5), st.integers(2, 4), st.floats(0, 3), st.floats(0, 3),
    st.floats(0, 3), st.data(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_turns_in_one_order_start_when_they_do_rank_by_rank(order, ranks, rounds, seconds, links, channel, data):
    """Of uneven stages, with messages that queue."""
    size = Pipelined(ranks, rounds * ranks, 2 if order in FOLDED else 3 if order in MANY_CHUNKS else 1)
    stages = [StageTimes(*(data.draw(times) for _ in range(3))) for _ in range(ranks * size.chunks)]
    sent = Sent(seconds, links, channel)
    played = play(order, size, turns_of(order, size), stages, sent)
    assert (played.starts, played.seconds) == walked(order, size, stages, sent)
    assert seconds_of(order, size, tuple(stages), sent) == played.seconds
