"""Orders of pipelines: against torch's tables, and against closed forms of what they idle."""

from __future__ import annotations

import pytest
from simcore.errors import InputError
from simcore.models.training.parallel.orders import (
    FOLDED,
    MANY_CHUNKS,
    ORDERS,
    Kind,
    Pipelined,
    Turn,
    stage_of,
    turns_of,
)
from simcore.models.training.parallel.stages import StageTimes, play

SIZES = [(p, m) for p in (1, 2, 3, 4, 8) for m in (1, 2, 3, 7, 8, 12, 16)]


def sized(order, ranks, micro_batches):
    chunks = 2 if order in FOLDED else 3 if order in MANY_CHUNKS else 1
    return Pipelined(ranks, micro_batches, chunks)


def tables(order):
    """Yield the sizes that an order takes, with its turns."""
    for ranks, micro_batches in SIZES:
        size = sized(order, ranks, micro_batches)
        try:
            yield size, turns_of(order, size)
        except InputError:
            continue


@pytest.mark.parametrize("order", ORDERS)
def test_every_micro_batch_passes_every_chunk_once_each_way(order):
    for size, table in tables(order):
        for turns in table:
            count = {kind: sorted((one.chunk, one.micro_batch) for one in turns if one.kind is kind) for kind in Kind}
            every = [(chunk, i) for chunk in range(size.chunks) for i in range(size.micro_batches)]
            assert count[Kind.FORWARD] == every
            assert sorted(count[Kind.BACKWARD] + count[Kind.INPUT_GRADIENT]) == every
            assert sorted(count[Kind.BACKWARD] + count[Kind.WEIGHT_GRADIENT]) == every


@pytest.mark.parametrize("order", ORDERS)
def test_a_weight_gradient_comes_after_its_input_gradient(order):
    for _, table in tables(order):
        for turns in table:
            seen = set()
            for one in turns:
                if one.kind is Kind.INPUT_GRADIENT:
                    seen.add((one.chunk, one.micro_batch))
                assert one.kind is not Kind.WEIGHT_GRADIENT or (one.chunk, one.micro_batch) in seen


IDLE = {
    "GPipe": lambda p: 3 * (p - 1), "1F1B": lambda p: 3 * (p - 1), "looped": lambda p: 3 * (p - 1),
    "interleaved": lambda p: 3 * (p - 1), "zero-bubble": lambda p: p - 1, "ZBV": lambda p: p - 1,
    "DualPipeV": lambda p: 2 * (p - 1),
}  # fmt: skip
"""Turns that equal ranks idle, when each of three passes of a chunk takes one."""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("ranks", "micro_batches"), [(1, 4), (2, 4), (4, 8), (4, 16), (8, 16), (8, 32)])
def test_equal_ranks_idle_as_long_as_the_closed_form_says(order, ranks, micro_batches):
    """(p - 1) (F + B) of a chunk in the first four, (p - 1) (F + I - W) with zero bubble: Qi et al., table 2."""
    size = sized(order, ranks, micro_batches)
    stages = ranks * size.chunks * [StageTimes(1.0, 1.0, 1.0)]
    played = play(order, size, turns_of(order, size), stages)
    assert played.busy == ranks * [3.0 * micro_batches * size.chunks]
    assert played.bubble == IDLE[order](ranks)


def test_1f1b_holds_as_many_micro_batches_as_ranks_follow_and_gpipe_all():
    size = Pipelined(4, 16)
    held = {order: play(order, size, turns_of(order, size), 4 * [StageTimes(1, 1, 1)]).held for order in ORDERS_OF_ONE}
    assert held == {"GPipe": [16, 16, 16, 16], "1F1B": [4, 3, 2, 1]}


ORDERS_OF_ONE = ("GPipe", "1F1B")


def test_transfers_delay_what_waits_for_them_and_none_are_made_within_a_rank():
    size = Pipelined(2, 1, 2)
    stages = [StageTimes(1.0, 1.0, 1.0)] * 4
    played = play("ZBV", size, turns_of("ZBV", size), stages, transfer=0.25)
    # forward 0, 1, then 2 on the rank of 1: one transfer to it, one back to the rank of 0, and the same again backward
    assert played.starts[0][0] == 0.0
    assert played.starts[1][:2] == [1.25, 2.25]
    assert played.seconds >= 4 + 4 + 4 * 0.25


@pytest.mark.parametrize(
    ("order", "size", "message"),
    [
        ("1F1B", Pipelined(4, 8, 2), "expected 1, which the order 1F1B has per rank"),
        ("ZBV", Pipelined(4, 8, 1), "expected 2, which the order ZBV has per rank"),
        ("interleaved", Pipelined(4, 9, 2), "a multiple of its 2 rounds of 4 ranks"),
        ("DualPipeV", Pipelined(4, 7, 2), "at least 8, twice as many as ranks"),
    ],
)
def test_sizes_that_an_order_does_not_take_are_refused(order, size, message):
    with pytest.raises(InputError, match=message):
        turns_of(order, size)


def test_a_turn_says_what_it_is():
    assert str(Turn(Kind.FORWARD, 0, 3, overlapped=True)) == "F0.3+"


TORCH = {
    "GPipe": "ScheduleGPipe", "1F1B": "Schedule1F1B", "looped": "ScheduleLoopedBFS",
    "interleaved": "ScheduleInterleaved1F1B", "zero-bubble": "ScheduleInterleavedZeroBubble",
    "ZBV": "ScheduleZBVZeroBubble", "DualPipeV": "ScheduleDualPipeV",
}  # fmt: skip


def torch_table(order, size):
    """Return torch's table: (stage, kind, micro-batch, overlapped) of each turn, by rank."""
    schedules = pytest.importorskip("torch.distributed.pipelining.schedules", reason="torch is not installed")
    made = object.__new__(getattr(schedules, TORCH[order]))  # its tables need sizes alone, and no process group
    made.pp_group_size, made._n_microbatches, made._stages = size.ranks, size.micro_batches, size.chunks * [None]
    made._num_stages = made.num_stages = size.ranks * size.chunks
    made.n_local_stages, made.number_of_rounds = size.chunks, size.rounds
    made.microbatches_per_round = size.micro_batches // size.rounds
    if size.chunks == 1 and order not in MANY_CHUNKS:
        whole = made._get_pipeline_order()
        actions = [whole[rank] for rank in range(size.ranks)]
    else:
        actions = [made._calculate_single_rank_operations(rank) for rank in range(size.ranks)]
    return [[turn for action in of for turn in _flat(action)] for of in actions]


def _flat(action):
    if action is None:
        return
    parts = action.sub_actions or (action,)
    for number, one in enumerate(parts):
        if one.computation_type.value in set(Kind):
            yield one.stage_index, one.computation_type.value, one.microbatch_index, number < len(parts) - 1


@pytest.mark.parametrize("order", ORDERS)
def test_turns_are_those_of_torch(order):
    """But for the last rank of torch's table of 1F1B, which counts its forward passes from 1."""
    compared = 0
    for size, table in tables(order):
        if order == "1F1B" and size.micro_batches < size.ranks:
            continue  # torch's table has passes of micro-batches that there are not
        ours = [
            [(stage_of(order, size, rank, one.chunk), one.kind.value, one.micro_batch, one.overlapped) for one in turns]
            for rank, turns in enumerate(table)
        ]
        theirs = torch_table(order, size)
        kept = slice(0, size.ranks - 1) if order == "1F1B" else slice(None)
        assert ours[kept] == theirs[kept]
        compared += 1
    assert compared >= 14
