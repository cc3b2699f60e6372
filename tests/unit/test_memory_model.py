"""What one GPU holds: the closed counts, the phases of a peak, and one model for the iteration and for memory alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.architecture import ALL_BIASES, Experts, Transformer
from simcore.models.training.parallel.evaluation import Evaluator, Machine
from simcore.models.training.parallel.layout import FSDP, Layout, Recompute
from simcore.models.training.parallel.memory import LOGITS, memory_of
from simcore.readers.profiles import read_profile

GPT = Transformer("gpt", 1024, 24, 16, biases=ALL_BIASES, vocabulary=51200, dropout=0.1)
MOE = replace(GPT, experts=Experts(8, 2, 4096))
TOKENS = 1024
BLOCK = 34 * TOKENS * 1024 + 5 * 16 * TOKENS**2
"""What a block keeps of a sequence (Korthikanti et al.) [B]."""


@pytest.fixture(scope="module")
def evaluator():
    topology = Topology("two", (Dimension(Block.SWITCH, 8), Dimension(Block.SWITCH, 8)))
    machine = Machine(read_profile("a100-80gb", "profile").value, topology, (300e9, 25e9))
    return {model: Evaluator(model, TOKENS, machine) for model in (GPT, MOE)}


@pytest.mark.parametrize(
    ("model", "layout"),
    [
        (GPT, Layout(tp=8, pp=2, dp=4, micro_batches=8, sequence_parallel=True, recompute=Recompute.SELECTIVE)),
        (
            GPT,
            Layout(
                tp=8,
                pp=4,
                vp=3,
                dp=2,
                micro_batches=8,
                order="interleaved",
                fused_attention=False,
                recompute=Recompute.FULL,
            ),
        ),
        (MOE, Layout(tp=2, dp=32, ep=4, zero=1)),
    ],
)
def test_memory_needs_neither_device_nor_network(evaluator, model, layout):
    assert memory_of(model, TOKENS, layout) == evaluator[model].evaluate(layout).memory


def test_a_whole_model_holds_18_bytes_a_parameter_and_the_activations_of_the_formula():
    (rank,) = memory_of(GPT, TOKENS, Layout(fused_attention=False))
    assert rank.state == 18 * rank.parameters
    of_blocks = sum(size for name, size in rank.operators.items() if name.startswith("block"))
    assert of_blocks == 24 * BLOCK
    assert rank.kinds["logits"] == LOGITS * TOKENS * 51200
    assert rank.kinds["recomputed block"] == 0


def test_the_peak_is_the_larger_of_two_phases():
    """The loss comes before the first block goes back; what it held is free by then."""
    (small,) = memory_of(replace(GPT, vocabulary=128), TOKENS, Layout(recompute=Recompute.FULL))
    (large,) = memory_of(GPT, TOKENS, Layout(recompute=Recompute.FULL))
    assert small.kinds["logits"] == 0 < small.kinds["recomputed block"]
    assert large.kinds["recomputed block"] == 0 < large.kinds["logits"]


def test_the_last_rank_holds_a_copy_of_tied_weights():
    tied = memory_of(GPT, TOKENS, Layout(pp=4, micro_batches=4))
    untied = memory_of(replace(GPT, outputs=51200), TOKENS, Layout(pp=4, micro_batches=4))
    assert tied[-1].parameters == untied[-1].parameters
    assert tied[0].parameters == tied[1].parameters + 51200 * 1024


def test_fsdp_shards_16_bytes_a_parameter_and_a_pipeline_keeps_what_it_gathered():
    (rank,) = memory_of(GPT, TOKENS, Layout(dp=8, zero=3, number_format=FSDP))
    assert rank.state == 16 * rank.parameters / 8
    stage = memory_of(GPT, TOKENS, Layout(pp=2, dp=8, micro_batches=4, zero=3, number_format=FSDP))[1]
    assert stage.kinds["communication"] > (2 + 4) * stage.parameters


def test_an_order_without_a_backward_pass_between_holds_the_loss_of_all_micro_batches():
    one, all_of_them = (memory_of(GPT, TOKENS, Layout(pp=2, micro_batches=8, order=each)) for each in ("1F1B", "GPipe"))
    assert all_of_them[-1].kinds["logits"] == one[-1].kinds["logits"] + 7 * 4 * TOKENS * 51200


def test_a_layout_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="tp: found 3"):
        memory_of(GPT, TOKENS, Layout(tp=3))
