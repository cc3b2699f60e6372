"""The operator list of a transformer: parameters and saved activations against published formulas."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.models.network.collectives import Collective
from simcore.models.training.architecture import ALL_BIASES, Batch, Transformer
from simcore.models.training.listing import operators_of
from simcore.models.training.operator_maker import ADAM
from simcore.models.training.operators import Operation
from simcore.models.training.passes import passes

BATCH = Batch(sequence=128, sequences=4)
GPT = Transformer("gpt", hidden=256, blocks=3, heads=8, biases=ALL_BIASES, dropout=0.1)


def counted(model, tp=1):
    """Parameters of one NPU, not bytes."""
    return operators_of(model, BATCH, tp).parameters / BATCH.element


def test_a_gpt_2_block_has_12_h_h_and_13_h_parameters():
    """Q, K, V and output 4 h h + 4 h, feed-forward 8 h h + 5 h, two norms 4 h."""
    h = GPT.hidden
    assert counted(GPT) == GPT.blocks * (12 * h * h + 13 * h)
    # cut by two, norms and the biases of the two row-cut products are on both NPUs
    assert 2 * counted(GPT, tp=2) == GPT.blocks * (12 * h * h + 13 * h + 4 * h + 2 * h)


def test_bert_base_has_its_published_parameters():
    """108,891,648 in all; those of positions (512), of types (2) and of the embedding's norm are not modelled."""
    bert = Transformer("bert", 768, 12, heads=12, feed_forward=3072, biases=ALL_BIASES, vocabulary=30522)
    assert counted(bert) == 108_891_648 - (512 + 2) * 768 - 2 * 768


def test_llama_7b_has_its_published_parameters():
    """6,738,415,616 in all; the norm after the last block is not modelled."""
    llama = Transformer("llama", 4096, 32, heads=32, feed_forward=11008, gated=True, vocabulary=32000, outputs=32000)
    assert counted(llama) == 6_738_415_616 - 4096


def test_grouped_queries_have_fewer_parameters():
    """Llama 3 8B: 8,030,261,248, of which 4096 are the norm after the last block."""
    llama = Transformer(
        "llama", 4096, 32, heads=32, kv_heads=8, feed_forward=14336, gated=True, vocabulary=128256, outputs=128256
    )
    assert counted(llama) == 8_030_261_248 - 4096


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
def test_a_block_saves_what_megatron_lm_publishes(tp):
    """s b h (10 + 24 / t + 5 a s / (h t)) bytes: Korthikanti et al., MLSys 2023. At t = 1 that is 34 + 5 a s / h."""
    s, b, h, a = BATCH.sequence, BATCH.sequences, GPT.hidden, GPT.heads
    published = s * b * h * (10 + 24 / tp + 5 * a * s / (h * tp))
    assert operators_of(GPT, BATCH, tp).saved == GPT.blocks * published


def test_without_dropout_neither_masks_nor_dropped_scores_are_saved():
    s, b, h, a = BATCH.sequence, BATCH.sequences, GPT.hidden, GPT.heads
    one = operators_of(replace(GPT, dropout=0.0, blocks=1), BATCH)
    assert one.saved == s * b * h * 32 + 2 * a * s * s * b


def test_wider_elements_are_saved_in_more_bytes_but_for_masks():
    masks = BATCH.tokens * GPT.hidden * 2 + GPT.heads * BATCH.sequence**2 * BATCH.sequences
    half, single = (operators_of(replace(GPT, blocks=1), replace(BATCH, element=e)).saved for e in (2, 4))
    assert single - masks == 2 * (half - masks)


def test_a_gate_saves_its_two_factors():
    """Beside the input of the activation, and that of the last product."""
    plain, gated = (operators_of(replace(GPT, gated=gate, blocks=1), BATCH).saved for gate in (False, True))
    assert gated - plain == 2 * BATCH.element * BATCH.tokens * GPT.inner


def test_fewer_heads_of_keys_and_values_save_less():
    whole, grouped = (operators_of(replace(GPT, kv_heads=heads, blocks=1), BATCH).saved for heads in (8, 2))
    assert whole - grouped == 2 * BATCH.element * BATCH.tokens * GPT.hidden * 3 / 4


def test_paths_count_blocks_from_0_and_shapes_repeat():
    listed = operators_of(GPT, BATCH)
    found = {one.path: one for one in listed}
    assert next(iter(found)) == "block.0.attention.query"
    assert "block.2.feed_forward.norm" in found
    assert "block.3.attention.query" not in found
    assert replace(found["block.2.attention.scores"], path="x") == replace(found["block.0.attention.scores"], path="x")
    (section,) = listed.sections
    assert (section.count, len(section.operators)) == (3, len(found) // 3)


def test_activations_are_summed_after_row_cut_products():
    whole = BATCH.element * BATCH.tokens * GPT.hidden
    sent = {
        one.path: [part and (part.collective, part.size) for part in (one.after_forward, one.after_input_gradient)]
        for one in operators_of(replace(GPT, blocks=1), BATCH, tp=2)
        if one.after_forward or one.after_input_gradient
    }
    summed = (Collective.ALL_REDUCE, whole)
    assert sent == {
        "block.0.attention.query": [None, summed],
        "block.0.attention.output": [summed, (Collective.ALL_GATHER, whole / 2)],
        "block.0.feed_forward.up": [None, summed],
        "block.0.feed_forward.down": [summed, None],
    }


def test_gradients_of_products_by_hand():
    found = {one.path.removeprefix("block.0."): one for one in operators_of(replace(GPT, blocks=1), BATCH, tp=2)}

    def shapes(calls):
        return [tuple(size for _, size in call.shape) for call in calls]

    up = passes(found["feed_forward.up"])  # 512 tokens, 256 to 1024 columns, cut in two
    assert shapes((*up.forward, *up.input_gradient, *up.weight_gradient)) == [
        (512, 512, 256, 1),
        (512, 256, 512, 1),
        (256, 512, 512, 1),
        (512 * 512 * 2 + 512 * 2,),  # the gradient of the bias: the output's is read once, 2 B an element
    ]
    split = passes(found["attention.split"])  # Q, K and V of 512 tokens and 128 columns, read and written
    assert shapes((*split.forward, *split.input_gradient)) == [(3 * 2 * 512 * 128 * 2,)] * 2
    scores = passes(found["attention.scores"])  # 4 of 8 heads of 32 columns, 4 sequences of 128 tokens
    assert shapes(scores.forward) == [(128, 128, 32, 16)]
    assert shapes(scores.input_gradient) == [(128, 32, 128, 16)] * 2
    context = passes(found["attention.context"])
    assert shapes(context.forward) == [(128, 32, 128, 16)]
    assert shapes(context.input_gradient) == [(128, 128, 32, 16), (128, 32, 128, 16)]
    assert scores.weight_gradient == context.weight_gradient == ()


def test_the_update_is_of_all_matrices():
    model = replace(GPT, vocabulary=1000)
    listed = list(operators_of(model, BATCH, tp=2))
    (update,) = [one for one in listed if one.operation is Operation.UPDATE]
    assert update.size("bytes") == ADAM * sum(one.weights for one in listed) / BATCH.element
    assert passes(update).forward == passes(update).input_gradient == ()
