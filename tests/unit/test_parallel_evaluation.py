"""Time of a layout's iteration against counts by hand, and what its parts must be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from simcore.models.training.parallel.buckets import Piece, gathered_late, summed_late
from simcore.models.training.parallel.layout import ContextExchange, Layout, Recompute
from simcore.models.training.parallel.orders import Pipelined, turns_of
from simcore.models.training.parallel.pipelining import PARTS, played_seconds
from simcore.models.training.parallel.stages import Sent, StageTimes, play

from tests.parallel import BARE, DENSE, MIXED, PEAKS, PRODUCTS, evaluator

TOKENS, HIDDEN = 1024, BARE.hidden
COMPUTE = ("forward", "input gradient", "weight gradient")


def parts(layout, model=BARE, sizes=(), bandwidths=(), **more):
    return evaluator(model, sizes=sizes, bandwidths=bandwidths, **more).evaluate(layout).parts


def test_where_nothing_but_products_takes_time_compute_is_work_over_the_peak():
    """A block has 24 s h^2 + 4 s^2 h FLOP in a forward pass (Narayanan et al., SC 2021, appendix)."""
    products = 24 * TOKENS * HIDDEN**2
    found = evaluator(BARE, profile=PRODUCTS).evaluate(Layout(micro_batches=3))
    work = 3 * BARE.blocks * (products + 4 * TOKENS**2 * HIDDEN)
    assert found.flop == pytest.approx(3 * work, rel=1e-12)
    assert found.parts["forward"] == pytest.approx(work / PEAKS["bf16"], rel=1e-9)
    assert found.parts["weight gradient"] == pytest.approx(3 * BARE.blocks * products / PEAKS["bf16"], rel=1e-9)
    assert found.parts["input gradient"] >= found.parts["forward"]  # attention's backward pass runs its scores again
    assert sum(seconds for name, seconds in found.parts.items() if name not in COMPUTE) < 1e-12


def test_tensor_parallelism_waits_for_four_all_reduces_a_block():
    """Each sends 2 (p - 1) / p of the activations, b s h elements of two bytes (Shoeybi et al., arXiv:1909.08053)."""
    size, bandwidth, m = 2.0 * TOKENS * HIDDEN, 50e9, 3
    each = 2 * 3 / 4 * size / bandwidth
    layout = Layout(tp=4, micro_batches=m)
    found = parts(layout, sizes=(4,), bandwidths=(bandwidth,))
    assert found["tensor-parallel"] == pytest.approx(m * 4 * BARE.blocks * each, rel=1e-9)
    again = parts(replace(layout, recompute=Recompute.FULL), sizes=(4,), bandwidths=(bandwidth,))
    assert again["tensor-parallel"] == pytest.approx(m * 6 * BARE.blocks * each, rel=1e-9)
    assert again["recompute"] == pytest.approx(found["forward"], rel=1e-9)


def test_a_ring_of_keys_and_values_hides_behind_attention():
    """Keys and values, 2 s h / c elements, go to c - 1 others, and gradients come back."""
    layout = Layout(cp=4, fused_attention=True)
    slow = parts(layout, sizes=(4,), bandwidths=(1e9,))["context-parallel"]
    shard, blocks = 2 * 2.0 * TOKENS / 4 * HIDDEN, BARE.blocks
    sent = 3 * shard / 1e9
    assert blocks * 2 * sent < slow < blocks * 3 * sent
    assert parts(layout, sizes=(4,), bandwidths=(1e15,))["context-parallel"] == 0
    whole = parts(replace(layout, exchange=ContextExchange.ALL_TO_ALL), sizes=(4,), bandwidths=(1e9,))
    # Q, K, V and the result, each way: three quarters of 2 s h / c B leave
    exchanged = 4 * 2 * 2.0 * TOKENS / 4 * HIDDEN * 3 / 4 / 1e9
    assert whole["context-parallel"] == pytest.approx(blocks * exchanged, rel=1e-9)


def test_the_bubble_is_p_less_one_over_m_of_the_work():
    """Narayanan et al., SC 2021, section 2.2; with v model chunks it is a v-th of that."""
    for order, vp in (("GPipe", 1), ("1F1B", 1), ("interleaved", 2)):
        found = parts(Layout(pp=4, vp=vp, micro_batches=8, order=order), sizes=(4,), bandwidths=(1e30,))
        work = sum(found[name] for name in COMPUTE)
        assert found["pipeline bubble"] == pytest.approx(3 / 8 / vp * work, rel=1e-9)
        assert found["pipeline messages"] < 1e-12 * work


def test_messages_of_even_stages():
    """1F1B waits for 2 (p - 1) in each round of p micro-batches, and 2 (p - 2) more; GPipe for 2 (p - 1) in all."""
    one = 2.0 * TOKENS * HIDDEN / 50e9
    for order, count in (("1F1B", 2 * 3 * 8 / 4 + 2 * 2), ("GPipe", 2 * 3)):
        found = parts(Layout(pp=4, micro_batches=8, order=order), sizes=(4,), bandwidths=(50e9,))
        assert found["pipeline messages"] == pytest.approx(count * one, rel=1e-9)


def test_sums_of_gradients_that_nothing_hides():
    """Without overlap all 4 B of each parameter go: 2 (p - 1) / p of them, or half of that and 2 B of weights back."""
    on = evaluator(BARE, sizes=(4,), bandwidths=(10e9,))
    parameters = on.evaluate(Layout(dp=4)).memory[0].parameters
    found = on.evaluate(Layout(dp=4, overlap=False)).parts["data-parallel"]
    assert found == pytest.approx(2 * 3 / 4 * 4 * parameters / 10e9, rel=1e-9)
    found = on.evaluate(Layout(dp=4, overlap=False, zero=1)).parts["data-parallel"]
    assert found == pytest.approx(3 / 4 * (4 + 2) * parameters / 10e9, rel=1e-9)
    found = on.evaluate(Layout(dp=4, overlap=False, zero=3, micro_batches=5)).parts["data-parallel"]
    assert found == pytest.approx(5 * 3 / 4 * (4 + 2 + 2) * parameters / 10e9, rel=1e-9)


def test_fast_links_expose_one_block_and_the_rest_hides():
    on = evaluator(BARE, sizes=(4,), bandwidths=(300e9,))
    one = on.evaluate(Layout(dp=4)).memory[0].parameters / BARE.blocks * 4 * 2 * 3 / 4 / 300e9
    assert on.evaluate(Layout(dp=4, bucket=1.0)).parts["data-parallel"] == pytest.approx(one, rel=1e-9)
    three = on.evaluate(Layout(dp=4, zero=3)).parts["data-parallel"]  # two gathers and a scatter of a block, ahead
    assert three == pytest.approx(one / 2 * (0.5 + 0.5 + 1), rel=1e-9)


def test_buckets_one_by_one():
    assert summed_late([Piece(1, 1.0, 5.0, 2.0), Piece(1, 1.0, 5.0, 2.0)], 10.0) == 4.0
    assert summed_late([Piece(3, 1.0, 10.0, 0.5), Piece(1, 2.0, 1.0, 0.1)], 10.0) == pytest.approx(0.1)
    assert gathered_late([Piece(1, 1.0, 1.0, 0.1), Piece(3, 1.0, 10.0, 2.0)], 10.0) == pytest.approx(
        2.1 + 2 + 2 - 2 - 1
    )
    assert summed_late([], 10.0) == gathered_late([], 10.0) == -math.inf


@pytest.mark.parametrize("times", [1, 2, 3, 7])
@pytest.mark.parametrize("sent", [0.5, 1.0, 3.0])
def test_equal_repetitions_at_once_are_the_same_as_one_by_one(times, sent):
    many, single = [Piece(times, 1.0, 10.0, sent)], times * [Piece(1, 1.0, 10.0, sent)]
    ends = [Piece(1, 0.3, 4.0, 0.2)]
    for late in (summed_late, gathered_late):
        assert late(ends + many + ends, 10.0) == pytest.approx(late(ends + single + ends, 10.0))
        assert late(many + ends, 10.0) == pytest.approx(late(single + ends, 10.0))


LAYOUTS = [
    Layout(), Layout(tp=2, dp=2, sequence_parallel=True, recompute=Recompute.SELECTIVE, fused_attention=False),
    Layout(cp=2, dp=2, zero=2, micro_batches=2), Layout(pp=4, micro_batches=8), Layout(dp=4, zero=3),
    Layout(pp=2, dp=2, micro_batches=4, zero=3), Layout(pp=2, dp=2, vp=2, micro_batches=4, order="ZBV"),
    Layout(pp=2, vp=2, dp=2, micro_batches=4, order="interleaved", zero=1, recompute=Recompute.FULL),
    Layout(pp=4, micro_batches=8, order="zero-bubble"), Layout(pp=3, micro_batches=5, stage_layers=(2, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: f"{one.gpus}-{one.order}-zero{one.zero}")
@pytest.mark.parametrize("bandwidth", [1e9, 30e9, 1e12])
def test_parts_add_up_and_none_is_negative(layout, bandwidth):
    model = replace(DENSE, blocks=4)
    sizes = tuple(size for size in (layout.tp * layout.cp, layout.dp, layout.pp) if size > 1)
    found = evaluator(model, sizes=sizes, bandwidths=(bandwidth,) * len(sizes), latency=1e-6).evaluate(layout)
    assert tuple(found.parts) == PARTS
    assert min(found.parts.values()) >= 0
    assert found.time == pytest.approx(math.fsum(found.parts.values()), rel=1e-12)
    compute = sum(found.parts[name] for name in (*COMPUTE, "recompute", "optimizer"))
    exposed = sum(s for name, s in found.parts.items() if name not in (*COMPUTE, "recompute", "optimizer"))
    assert compute + exposed == pytest.approx(found.time, rel=1e-12)
    assert compute > 0


def test_experts_that_are_elsewhere_are_sent_to():
    """Twice there and back, for two experts a token: three quarters of 2 x 2 s h B each time."""
    found = parts(Layout(ep=4, dp=4), MIXED, sizes=(4,), bandwidths=(20e9,))
    each = 3 / 4 * 2 * 2.0 * TOKENS * MIXED.hidden / 20e9
    assert found["expert-parallel"] == pytest.approx(4 * MIXED.blocks * each, rel=1e-9)
    twice = parts(
        Layout(ep=4, dp=4, expert_load=(3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)), MIXED, sizes=(4,), bandwidths=(20e9,)
    )
    assert twice["expert-parallel"] == pytest.approx(2 * found["expert-parallel"], rel=1e-9)


def test_messages_of_a_rank_queue_on_its_links():
    size = Pipelined(2, 3)
    table = turns_of("GPipe", size)
    stages = 2 * [StageTimes(1.0, 1.0, 1.0)]
    free = play("GPipe", size, table, stages, 5.0).seconds
    assert play("GPipe", size, table, stages, Sent(5.0)).seconds == free
    assert play("GPipe", size, table, stages, Sent(5.0, 5.0, 5.0)).seconds > free


def test_a_long_iteration_is_played_in_part():
    on = evaluator(replace(DENSE, blocks=8), sizes=(4,), bandwidths=(20e9,))
    for order, vp in (("1F1B", 1), ("zero-bubble", 1), ("interleaved", 2), ("ZBV", 2)):
        layout = Layout(pp=4, vp=vp, order=order, micro_batches=48)
        found = on.evaluate(layout)
        size = layout.pipelined
        stages = [StageTimes(c.forward.total, c.backward.total - c.backward.weight_gradient, c.backward.weight_gradient)
                  for c in found.chunks]  # fmt: skip
        whole = play(order, size, turns_of(order, size), stages, found.message).seconds
        assert played_seconds(layout, found.chunks, found.message) == pytest.approx(whole, rel=1e-3)
