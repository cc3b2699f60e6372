"""Transformers as layers of a workload, from formulas that can be done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.models.compute.compute_model import ConstantRate
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.functions import Activation, Functions
from simcore.models.training.listing import operators_of
from simcore.models.training.lowering import LAYERS, lower, lower_at_rate, whole_nanoseconds
from simcore.models.training.operators import OperatorList
from simcore.models.training.transformer import transformer_operators
from simcore.readers.models import read_model

TOY = Transformer("toy", hidden=8, blocks=1)
BATCH = Batch(sequence=4, sequences=4)


def lowered(model, tp=1, dp=1, **options):
    return lower_at_rate(model, BATCH, tp, dp, 1e9, **options)


def by_name(model: Transformer, tp: int = 1, dp: int = 1, **kwargs):
    return {layer.name: layer for layer in lowered(model, tp, dp, **kwargs).layers}


def test_a_block_has_nine_layers_in_order():
    names = [layer.name for layer in lowered(replace(TOY, blocks=2)).layers]
    block = ["Q1", "K1", "V1", "QK1", "softmax1", "concat1", "X1W1b1", "X1W2b2", "layerNorm1"]
    assert names == block + [name.replace("1", "2", 1) for name in block]


def test_compute_by_hand():
    layers = by_name(TOY, tp=2)
    # 2 n h w / TP FLOP at 1 GFLOP/s: one nanosecond each
    assert layers["Q1"].forward.compute == 2 * 16 * 8 * 8 / 2 * 1e-9
    assert layers["X1W1b1"].forward.compute == pytest.approx(2 * 16 * 8 * 32 / 2 * 1e-9, rel=1e-15)
    assert layers["QK1"].forward.compute == layers["softmax1"].forward.compute == 512e-9
    # the layer norm is not split
    assert layers["layerNorm1"].forward.compute == 256e-9
    for layer in layers.values():
        assert layer.forward.compute == layer.input_gradient.compute == layer.weight_gradient.compute


def test_communication_by_hand():
    layers = by_name(TOY, tp=2)
    activations, shard = 2 * 16 * 8, 2 * 16 * 8 / 2
    for name, layer in layers.items():
        forward, backward = layer.forward, layer.input_gradient
        assert forward.size == (activations if name in {"concat1", "X1W2b2"} else 0)
        expected = {"Q1": activations, "X1W1b1": activations, "concat1": shard}.get(name, 0)
        assert backward.size == expected
    assert layers["concat1"].input_gradient.collective is Collective.ALL_GATHER
    assert layers["Q1"].weight_gradient.size == 2 * 8 * 8 / 2
    assert layers["X1W2b2"].weight_gradient.size == 2 * 8 * 32 / 2
    assert layers["softmax1"].weight_gradient.collective is None


def test_evaluation_variant_sums_all_gradients_in_the_first_layer():
    plain, fused = lowered(TOY), lowered(TOY, variant="evaluation")
    assert fused.layers[0].weight_gradient.size == sum(layer.weight_gradient.size for layer in plain.layers)
    assert all(layer.weight_gradient.collective is None for layer in fused.layers[1:])
    assert [layer.forward for layer in fused.layers] == [layer.forward for layer in plain.layers]
    assert [layer.weight_gradient.compute for layer in fused.layers] == [
        layer.weight_gradient.compute for layer in plain.layers
    ]


def test_grouped_queries_and_a_gate():
    model = replace(TOY, heads=4, kv_heads=2, feed_forward=16, gated=True)
    layers = by_name(model)
    assert layers["K1"].weight_gradient.size == layers["Q1"].weight_gradient.size / 2
    assert layers["X1W1b1"].weight_gradient.size == 2 * layers["X1W2b2"].weight_gradient.size == 2 * 2 * 8 * 16


@pytest.mark.parametrize("n", [1, 7, 1057, 4_498_545, 17_994_181, 2**40 + 1])
def test_whole_nanoseconds_survive_the_way_through_seconds(n):
    assert round(whole_nanoseconds(n / 1e9) * 1e9) == n


@pytest.mark.parametrize(
    ("change", "tp", "dp", "found"),
    [
        ({}, 0, 1, "TP: found 0"),
        ({}, 1, 0, "DP: found 0"),
        ({}, 3, 1, "a divisor of its hidden size, 8"),
        ({"feed_forward": 6}, 4, 1, "a divisor of its feed-forward width, 6"),
        ({"heads": 2}, 4, 1, "a divisor of its number of heads, 2"),
        ({"heads": 4, "kv_heads": 2}, 4, 1, "a divisor of its number of K and V heads, 2"),
    ],
)
def test_a_split_that_does_not_work_is_refused(change, tp, dp, found):
    with pytest.raises(InputError, match=found):
        lowered(replace(TOY, **change), tp, dp)


def test_kernels_are_counted_pass_by_pass():
    """Both gradients of a product of activations are input gradients; the published count gives each a pass."""
    workload, costs = lower(operators_of(TOY, BATCH, tp=2), ConstantRate(1e9), 2, 1)
    kernels, published = {layer.name: layer for layer in workload.layers}, by_name(TOY, tp=2)
    assert kernels["QK1"].input_gradient.compute == 2 * published["QK1"].forward.compute
    assert kernels["QK1"].weight_gradient.compute == 0
    for name in ("Q1", "X1W2b2"):
        assert kernels[name].weight_gradient.compute == pytest.approx(published[name].weight_gradient.compute)
    assert sum(cost.call.work for cost in costs) == sum(
        1e9 * phase.compute
        for layer in workload.layers
        for phase in (layer.forward, layer.input_gradient, layer.weight_gradient)
    )


def test_an_operator_of_no_published_layer_is_a_layer_of_its_own():
    (block,) = operators_of(TOY, BATCH).sections
    (scores,) = (one for one in block.operators if one.path == "attention.scores")
    flash = replace(scores, path="attention.flash")
    kept = [one for one in block.operators if one.path not in {*LAYERS["QK"], *LAYERS["softmax"]}]
    fused = OperatorList((replace(block, operators=(*kept[:3], flash, *kept[3:]), count=2),))
    workload, _ = lower(fused, ConstantRate(1e9), 1, 1)
    names = [layer.name for layer in workload.layers]
    assert names[:5] == ["Q1", "K1", "V1", "attention.flash1", "concat1"]
    assert names[11] == "attention.flash2"
    assert workload.checkpoints == (0, 8)


def test_layers_know_their_parameters_and_what_they_hand_on():
    layers = by_name(TOY, tp=2)
    for layer in layers.values():
        assert layer.parameters == layer.weight_gradient.size
    handed = {name: layer.activations for name, layer in layers.items()}
    assert handed["layerNorm1"] == handed["concat1"] == handed["X1W2b2"] == 2 * 16 * 8
    assert handed["Q1"] == 2 * 16 * 8 / 2
    assert handed["X1W1b1"] == 2 * 16 * 32 / 2


def test_cross_attention_keeps_keys_and_values_of_all_tokens_that_the_encoder_reads():
    short = replace(TOY, heads=2, encoder=replace(TOY, heads=2, sequence=4))
    long = replace(short, encoder=replace(TOY, heads=2, sequence=12))
    kept = []
    for model in (short, long):
        made = {one.path: one.saved for one in transformer_operators(model, BATCH)}
        kept.append([made[f"block.0.{name}"] for name in ("attention.scores", "cross_attention.scores")])
    (own, first), (again, second) = kept
    assert own == again == first == 2 * 2 * 16 * 8  # Q and K, 2 B per element
    assert second == 2 * (16 + 48) * 8


def test_relu_keeps_its_output_alone_which_the_next_product_keeps():
    batch = Batch(512, 4)
    gelu, relu = (
        Transformer("gpt", hidden=1024, blocks=1, heads=16, dropout=0.1, functions=Functions(activation=each))
        for each in (Activation.GELU, Activation.RELU)
    )
    assert transformer_operators(gelu, batch).saved - transformer_operators(relu, batch).saved == 8 * 512 * 4 * 1024


def test_the_output_layer_keeps_what_it_reads():
    """OPT-350M's logits come from vectors of 512 columns, half as many as its blocks have."""
    model = read_model("opt-350m").value.architecture
    kept = {one.path: one.saved for one in transformer_operators(model, Batch(96, 1))}
    assert (kept["output.project"], kept["output.product"]) == (2 * 96 * 1024, 2 * 96 * 512)
