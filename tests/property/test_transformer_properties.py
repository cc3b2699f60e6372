"""Properties of transformers as operators and as layers of a workload."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from simcore.models.training.architecture import ALL_BIASES, NO_BIASES, Batch, Transformer
from simcore.models.training.listing import operators_of
from simcore.models.training.lowering import lower_at_rate
from simcore.models.training.operators import Operation
from simcore.models.training.passes import passes

powers = st.integers(0, 4).map(lambda exponent: 2**exponent)
models = st.builds(
    Transformer,
    name=st.just("x"),
    hidden=st.integers(1, 64).map(lambda n: 16 * n),
    blocks=st.integers(1, 3),
    heads=st.sampled_from([None, 16]),
    gated=st.booleans(),
    biases=st.sampled_from([NO_BIASES, ALL_BIASES]),
    dropout=st.sampled_from([0.0, 0.1]),
    vocabulary=st.none() | st.integers(1, 4096).map(lambda n: 16 * n),
    outputs=st.none() | st.integers(1, 64).map(lambda n: 16 * n),
)
batches = st.builds(Batch, st.integers(1, 512), st.integers(1, 8), st.sampled_from([1, 2, 4]))
rates = st.floats(1e9, 1e15)


@given(models, batches, powers, rates)
def test_both_variants_move_and_compute_the_same(model, batch, tp, rate):
    plain, fused = (lower_at_rate(model, batch, tp, 4, rate, variant) for variant in ("optimizer", "evaluation"))
    for kind in ("forward", "input_gradient", "weight_gradient"):
        for field in ("compute", "size"):
            totals = [sum(getattr(getattr(layer, kind), field) for layer in w.layers) for w in (plain, fused)]
            assert totals[0] == totals[1]


@given(models, batches, powers, rates)
def test_weights_are_split_and_activations_are_not(model, batch, tp, rate):
    whole, cut = (lower_at_rate(model, batch, degree, 4, rate) for degree in (1, tp))
    for a, b in zip(whole.layers, cut.layers, strict=True):
        assert b.weight_gradient.size * tp == a.weight_gradient.size
        assert b.forward.size == a.forward.size


@given(models, batches, powers, rates)
def test_every_time_is_a_whole_number_of_nanoseconds(model, batch, tp, rate):
    for layer in lower_at_rate(model, batch, tp, 1, rate).layers:
        n = round(layer.forward.compute * 1e9)
        assert n / 1e9 == layer.forward.compute


@given(models, batches)
def test_blocks_repeat(model, batch):
    layers = lower_at_rate(model, batch, 1, 1).layers
    for a, b in zip(layers, layers[9:], strict=False):
        assert (a.forward, a.input_gradient, a.weight_gradient) == (b.forward, b.input_gradient, b.weight_gradient)


@given(models, batches, powers)
def test_cutting_keeps_all_parameters_but_copies_and_saves_no_more(model, batch, tp):
    """Matrices are cut; norms and the biases of row-cut products are whole on every NPU."""
    whole, cut = (list(operators_of(model, batch, degree)) for degree in (1, tp))
    assert [one.path for one in whole] == [one.path for one in cut]
    for one, part in zip(whole, cut, strict=True):
        assert part.weights * tp == one.weights
        assert part.vectors in (one.vectors, one.vectors / tp)
        assert part.saved <= one.saved


@given(models, batches, powers)
def test_the_backward_pass_has_twice_the_work_of_the_products(model, batch, tp):
    for one in operators_of(model, batch, tp):
        each = passes(one)
        done = [
            sum(call.size("m") * call.size("n") * call.size("k") for call in calls if call.kernel == "gemm")
            for calls in (each.forward, each.input_gradient + each.weight_gradient)
        ]
        assert done[1] == 2 * done[0]
        assert each.weight_gradient == () or one.weights or one.operation in (Operation.UPDATE, Operation.LINEAR)


@given(models, batches, powers)
def test_sums_are_those_of_all_blocks(model, batch, tp):
    listed = operators_of(model, batch, tp)
    assert listed.saved == sum(one.saved for one in listed)
    assert listed.parameters == sum(one.parameters for one in listed)
    paths = [one.path for one in listed]
    assert len(paths) == len(set(paths))
