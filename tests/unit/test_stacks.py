"""Stacks: what their constants do to an iteration, and what their files refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.predict import predict
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.operators import Operation
from simcore.models.training.parallel.costs import KernelClock
from simcore.models.training.parallel.evaluation import KERNELS, Evaluator, Machine
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout, Recompute
from simcore.models.training.parallel.sharding import sharded_operators
from simcore.models.training.parallel.stack import MOVED, Stack, joined, slowest
from simcore.models.training.parallel.terms import terms_of
from simcore.models.training.terms import TERMS
from simcore.readers.profiles import read_gpu
from simcore.readers.stacks import USUAL, read_stack, read_stacks, stack_for, stack_text

from tests.parallel import BARE, DENSE, GPU, PRODUCTS

LAYOUTS = (
    Layout(micro_batches=3),
    Layout(tp=4, sequence_parallel=True, recompute=Recompute.FULL),
    Layout(tp=2, pp=2, dp=2, micro_batches=4, zero=1),
    Layout(dp=8, zero=3, recompute=Recompute.SELECTIVE, fused_attention=False),
    Layout(cp=2, pp=2, vp=2, micro_batches=4, order="interleaved"),
)
HALF = Stack("half", products=0.5, launch=4e-6, network=0.5)
PERFECT = Stack("perfect")


def evaluator(stack, model=DENSE, profile=GPU, gpus=8, spread=0.0, latency=1e-6):
    network = Topology("toy", (Dimension(Block.SWITCH, gpus, latency=latency),))
    return Evaluator(model, 1024, Machine(profile, network, (50e9,), stack=stack, spread=spread))


def evaluated(stack, layout, **more):
    return evaluator(stack, gpus=layout.gpus, **more).evaluate(layout)


@pytest.mark.parametrize("share", [0.25, 0.5, 2.0])
def test_products_twice_as_fast_take_half_the_time(share):
    layout = Layout(micro_batches=2)
    slow, fast = (
        evaluated(Stack("", products=each), layout, model=BARE, profile=PRODUCTS).parts for each in (share, 2 * share)
    )
    for name in ("forward", "input gradient", "weight gradient"):
        assert slow[name] == pytest.approx(2 * fast[name], rel=1e-9)


def test_the_share_is_exact_for_each_product():
    call = KernelCall("gemm", (("m", 512), ("n", 512), ("k", 512), ("batch", 1)))
    bare, half, full = (
        evaluator(stack).clock(LAYOUTS[0]).seconds(call, weights=True)[0] for stack in (None, HALF, PERFECT)
    )
    assert (half, full) == (2 * bare, bare)


def test_what_moves_bytes_reaches_its_share_of_a_data_sheet_whatever_products_do():
    call = KernelCall("copy", (("bytes", 1e9),))
    bare, half = (evaluator(stack).clock(LAYOUTS[0]).seconds(call, weights=False)[0] for stack in (None, HALF))
    assert half == bare / MOVED


@pytest.mark.parametrize(
    ("layout", "part"),
    [(Layout(tp=4), "tensor-parallel"), (Layout(pp=2, micro_batches=4), "pipeline messages"),
     (Layout(dp=4, overlap=False), "data-parallel")],
)  # fmt: skip
def test_a_network_at_half_its_speed_takes_twice_the_time(layout, part):
    full, half = (evaluated(replace(PERFECT, network=share), layout, latency=0.0).parts for share in (1.0, 0.5))
    assert full[part] > 0
    assert half[part] == pytest.approx(2 * full[part], rel=1e-9)
    assert half["forward"] == full["forward"]


TIMES = st.floats(0, 1e3, allow_subnormal=False)


@given(TIMES, TIMES)
def test_joined_is_between_the_longer_and_a_fifth_more(kernels, launches):
    most = max(kernels, launches)
    assert most * (1 - 1e-12) <= joined(kernels, launches) <= most * 2**0.25 * (1 + 1e-12)
    assert joined(kernels, launches) == joined(launches, kernels)
    assert joined(kernels, 0.0) == kernels


@given(st.integers(1, 10**6), st.floats(1e-4, 0.5))
def test_more_ranks_wait_longer(ranks, spread):
    assert 0 <= slowest(spread, ranks) < slowest(spread, ranks + 1) + 1e-15
    assert slowest(2 * spread, ranks) == 2 * slowest(spread, ranks)
    assert slowest(0.0, ranks) == 0.0


def test_stragglers_add_to_what_ranks_compute():
    layout = LAYOUTS[2]
    calm, late = (evaluated(HALF, layout, spread=spread) for spread in (0.0, 0.02))
    assert "stragglers" not in calm.parts
    kernels = math.fsum(calm.parts[name] for name in KERNELS)
    assert late.parts["stragglers"] == pytest.approx(slowest(0.02, 8) * kernels, rel=1e-12)
    assert late.time == pytest.approx(calm.time + late.parts["stragglers"], rel=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("stack", [None, HALF, PERFECT])
def test_terms_add_up_to_the_iteration(layout, stack):
    made = evaluator(stack, gpus=layout.gpus)
    found = made.evaluate(layout)
    terms, _ = terms_of(made, found)
    assert terms.keys() <= set(TERMS)
    assert math.fsum(terms.values()) == pytest.approx(found.time, rel=1e-12)
    assert ("fitted constants" in terms) == (stack is not None)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_slower_stack_never_speeds_an_iteration_up(layout):
    assert evaluated(HALF, layout).time > evaluated(PERFECT, layout).time


def test_an_interval_scales_with_the_time():
    stack = replace(HALF, low=0.5, high=1.5)
    assert stack.interval(2.0) == (1.0, 3.0)
    assert stack.interval(0.0) == (0.0, 0.0)


def test_constants_are_identified_where_halves_agree():
    assert replace(HALF, split=(0.01, 0.2, 0.05)).identified == {"products": True, "launch": False, "network": True}
    assert set(HALF.identified.values()) == {False}


@pytest.mark.parametrize("layout", [Layout(recompute=Recompute.FULL), Layout(tp=2, recompute=Recompute.FULL)])
def test_stopping_early_repeats_less_than_the_forward_pass(layout):
    whole = evaluated(HALF, layout).parts
    early = evaluated(HALF, replace(layout, stops_early=True)).parts
    assert 0 < early["recompute"] < whole["recompute"] <= whole["forward"] * (1 + 1e-12)
    assert early["forward"] == whole["forward"]
    assert early["tensor-parallel"] <= whole["tensor-parallel"]


def test_stopping_early_changes_nothing_where_nothing_runs_again():
    layout = Layout(tp=2)
    assert evaluated(HALF, replace(layout, stops_early=True)).parts == evaluated(HALF, layout).parts


@pytest.mark.parametrize("layout", LAYOUTS)
def test_collectives_beside_their_products_slow_nothing_down(layout):
    apart, beside = (evaluated(HALF, replace(layout, overlap_tensor=both)) for both in (False, True))
    if layout.tp == 1:
        assert beside.parts == apart.parts
    else:
        assert beside.time <= apart.time
        assert beside.parts["tensor-parallel"] < apart.parts["tensor-parallel"]


def test_casts_to_fp8_add_to_the_passes_that_read_activations():
    layout = Layout(number_format=NUMBER_FORMATS["fp8"])
    clock = evaluator(None, profile=read_gpu("h100").value).clock(layout)
    call = KernelCall("gemm", (("m", 1024), ("n", 512), ("k", 256), ("batch", 1)))
    cast = clock.seconds(KernelCall("copy", (("bytes", 1024 * 256 * (2 + 2 * 1)),)), weights=False)[0]
    assert clock.cast(call) == cast > 0
    assert clock.cast(KernelCall("copy", (("bytes", 1e6),))) == 0.0
    bf16 = evaluator(None, profile=read_gpu("h100").value).clock(Layout())
    assert bf16.cast(call) == 0.0


def test_and_to_no_other_pass(monkeypatch):
    layout, h100 = Layout(number_format=NUMBER_FORMATS["fp8"]), read_gpu("h100").value
    one = next(each for each in sharded_operators(DENSE, 1024, layout) if each.operation is Operation.LINEAR)
    found = evaluator(None, profile=h100).clock(layout).timed(one)
    monkeypatch.setattr(KernelClock, "cast", lambda self, call: 0.0)
    bare = evaluator(None, profile=h100).clock(layout).timed(one)
    assert found.forward.seconds > bare.forward.seconds
    assert found.input_gradient.seconds > bare.input_gradient.seconds
    assert found.weight_gradient == bare.weight_gradient


@pytest.mark.parametrize(("kernel", "products"), [("attention", 2), ("attention_backward", 5)])
def test_fused_attention_of_a_data_sheet_is_its_products_at_peak(kernel, products):
    """Each product of queries, keys and heads is 2 b h L K w FLOP; no score is read."""
    shape = {"batch": 2, "heads": 8, "queries": 2048, "keys": 4096, "width": 128}
    found = predict(PRODUCTS, kernel, "bf16", shape).seconds
    assert found == pytest.approx(2 * products * 2 * 8 * 2048 * 4096 * 128 / 100e12, rel=1e-6)
    slower = predict(GPU, kernel, "bf16", shape).seconds
    tensors = 2 * 8 * 128 * 2 * (2048 + 4096) * 2  # Q and the result, K and V, of two bytes
    assert slower - found == pytest.approx(tensors / 2e12, rel=1e-6)


def test_stacks_are_read_as_they_are_written(tmp_path):
    stack = Stack("mine", 0.6, 3e-6, 0.7, 0.4, overlap_tensor=True, low=0.8, high=1.2, rows=4, held=9, source="me",
                  fitted=frozenset({"a", "b"}), split=(0.01, 0.02, 0.03))  # fmt: skip
    path = tmp_path / "mine.yaml"
    path.write_text(stack_text(stack), encoding="utf-8")
    assert read_stack(path).value == stack
    path.write_text(stack_text(Stack("mine")), encoding="utf-8")
    assert read_stack(path).value == replace(Stack("mine"), source="not given")


def test_stacks_of_the_zoo():
    found = read_stacks()
    assert USUAL in found
    assert all(0 < one.low < one.high and one.source for one in found.values())
    assert stack_for("no such device", "bf16").value.name == USUAL


GOOD = {
    "description": "text", "source": "text", "products": "0.5", "launch": "1 us", "network": "0.5", "low": "0.9",
    "high": "1.1", "rows": "1", "held": "1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("products", "0"), ("products", "-1"), ("products", "fast"), ("products", ".nan"), ("products", ".inf"),
        ("launch", "-1 us"), ("launch", "1e-6"), ("network", "0"), ("network", "[]"), ("attention", "0"),
        ("attention", ".inf"),
        ("low", "0"), ("low", "1.2"), ("high", "null"), ("rows", "-1"), ("rows", "1.5"), ("held", "many"),
        ("speed", "1"), ("split", "x"), ("fitted", "3"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(tmp_path, field, value):
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(f"{name}: {text}" for name, text in {**GOOD, field: value}.items()), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_stack(path)
    assert field in str(refused.value)
    assert "mine.yaml" in str(refused.value)


@pytest.mark.parametrize("field", list(GOOD))
def test_a_missing_field_is_named(tmp_path, field):
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(f"{name}: {text}" for name, text in GOOD.items() if name != field), encoding="utf-8")
    with pytest.raises(InputError, match=field):
        read_stack(path)


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "3", "\x00"])
def test_a_file_that_is_no_stack_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_stack(path)
