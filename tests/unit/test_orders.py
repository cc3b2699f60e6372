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


class Recording:
    """A stage that computes nothing and notes what it is asked for."""

    def __init__(self, stage, count):
        self.stage_index, self.num_stages, self.has_backward = stage, count, True
        self.is_first, self.is_last = stage == 0, stage == count - 1
        self.turns = []

    def forward_one_chunk(self, micro_batch, *given, **options):
        self.turns.append((Kind.FORWARD, micro_batch))

    def backward_one_chunk(self, micro_batch, **options):
        self.turns.append((Kind.BACKWARD, micro_batch))

    def __getattr__(self, name):
        return lambda *given, **options: []  # messages: there are none


@pytest.mark.parametrize("order", ORDERS_OF_ONE)
def test_every_rank_takes_the_turns_that_torch_runs(order):
    """Schedules of one chunk are loops in torch; their tables are for show."""
    schedules = pytest.importorskip("torch.distributed.pipelining.schedules", reason="torch is not installed")
    kind, compared = getattr(schedules, TORCH[order]), 0
    for size, table in tables(order):
        if size.micro_batches < size.ranks:
            continue  # refused by torch's 1F1B
        for rank, turns in enumerate(table):
            made, stage = object.__new__(kind), Recording(rank, size.ranks)
            made._stage, made._num_stages, made._n_microbatches = stage, size.ranks, size.micro_batches
            made._has_backward, made.scale_grads, made._loss_fn, made._internal_losses = True, True, None, []
            made._initialize_stage = lambda *given, **options: None
            nothing = [None] * size.micro_batches
            made._step_microbatches([()] * size.micro_batches, [{}] * size.micro_batches, nothing, None)
            assert stage.turns == [(one.kind, one.micro_batch) for one in turns]
            compared += 1
    assert compared == 7 * 1 + 6 * 2 + 5 * 3 + 4 * 4 + 3 * 8


TIMES = [StageTimes(1.0, 1.0, 1.0), StageTimes(2.0, 2.5, 1.5), StageTimes(0.25, 0.5, 0.125), StageTimes(3.0, 2.0, 2.0)]


@pytest.mark.parametrize("times", TIMES, ids=str)
@pytest.mark.parametrize(("ranks", "micro_batches"), [(2, 4), (4, 8), (4, 32), (8, 16)])
@pytest.mark.parametrize("order", ["GPipe", "1F1B", "looped", "interleaved"])
def test_the_bubble_is_a_share_of_what_ranks_compute(order, ranks, micro_batches, times):
    """(p - 1) / m with one chunk a rank, (p - 1) / (m v) with v: Narayanan et al., SC 2021, section 2.2."""
    size = sized(order, ranks, micro_batches)
    played = play(order, size, turns_of(order, size), ranks * size.chunks * [times])
    share = played.bubble / max(played.busy)
    assert share == pytest.approx((ranks - 1) / (micro_batches * size.chunks), rel=1e-12)


@pytest.mark.parametrize("times", TIMES, ids=str)
@pytest.mark.parametrize("chunks", [1, 2, 3])
@pytest.mark.parametrize(("ranks", "micro_batches"), [(2, 4), (4, 8), (4, 32), (8, 16)])
def test_weight_gradients_fill_the_bubble(ranks, micro_batches, chunks, times):
    """(p - 1) (F + I - W) where W is no longer than I: ZB-H1 of Qi et al., table 2."""
    size = Pipelined(ranks, micro_batches, chunks)
    played = play("zero-bubble", size, turns_of("zero-bubble", size), ranks * chunks * [times])
    left = times.forward + times.input_gradient - times.weight_gradient
    assert played.bubble == pytest.approx((ranks - 1) * left, rel=1e-12)


def test_an_order_without_a_table_of_torch_would_be_noticed():
    schedules = pytest.importorskip("torch.distributed.pipelining.schedules", reason="torch is not installed")
    theirs = {name for name in vars(schedules) if name.startswith("Schedule")}
    assert theirs == set(TORCH.values())
    assert set(TORCH) == set(ORDERS)
