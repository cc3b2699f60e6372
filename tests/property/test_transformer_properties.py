"""Properties of the transformer generator."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from simcore.models.training.architecture import Transformer
from simcore.models.training.transformer import generate

powers = st.integers(0, 4).map(lambda exponent: 2**exponent)
models = st.builds(
    Transformer,
    name=st.just("x"),
    hidden=st.integers(1, 64).map(lambda n: 16 * n),
    blocks=st.integers(1, 3),
    sequence=st.integers(1, 512),
    tokens=st.integers(1, 4096),
    element=st.sampled_from([1, 2, 4]),
    rate=st.floats(1e9, 1e15),
)


@given(models, powers)
def test_both_variants_move_and_compute_the_same(model, tp):
    plain, fused = generate(model, tp, 4), generate(model, tp, 4, "evaluation")
    for kind in ("forward", "input_gradient", "weight_gradient"):
        for field in ("compute", "size"):
            totals = [sum(getattr(getattr(layer, kind), field) for layer in w.layers) for w in (plain, fused)]
            assert totals[0] == totals[1]


@given(models, powers)
def test_weights_are_split_and_activations_are_not(model, tp):
    whole, cut = generate(model, 1, 4), generate(model, tp, 4)
    for a, b in zip(whole.layers, cut.layers, strict=True):
        assert b.weight_gradient.size * tp == a.weight_gradient.size
        assert b.forward.size == a.forward.size


@given(models, powers)
def test_every_time_is_a_whole_number_of_nanoseconds(model, tp):
    for layer in generate(model, tp, 1).layers:
        n = round(layer.forward.compute * 1e9)
        assert n / 1e9 == layer.forward.compute


@given(models, st.integers(1, 3))
def test_blocks_repeat(model, blocks):
    layers = generate(model, 1, 1).layers
    for a, b in zip(layers, layers[9:], strict=False):
        assert (a.forward, a.input_gradient, a.weight_gradient) == (b.forward, b.input_gradient, b.weight_gradient)
