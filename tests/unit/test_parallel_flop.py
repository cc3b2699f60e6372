"""Work and parameters of language models against torch's modules of published sizes; nothing is allocated."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.models.training.architecture import (  # noqa: E402
    ALL_BIASES,
    Batch,
    Embedding,
    Experts,
    Latent,
    Run,
    Share,
    Transformer,
)
from simcore.models.training.functions import Activation, Functions, Norm, Positions  # noqa: E402
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout  # noqa: E402
from simcore.models.training.parallel.sharding import sharded_operators  # noqa: E402
from simcore.models.training.passes import passes  # noqa: E402
from simcore.models.training.traffic import all_calls, flop_of, forward_calls, totals  # noqa: E402
from simcore.models.training.transformer import transformer_operators  # noqa: E402
from simcore.readers.models import read_model  # noqa: E402
from simcore.readers.schedules import parse_steps  # noqa: E402
from simcore.real import attention, language  # noqa: E402
from simcore.real.schedule import apply  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils.checkpoint import set_checkpoint_early_stop  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count  # noqa: E402

BATCH, ELEMENT = 2, 4

GPT = Transformer(
    "gpt-2-medium", hidden=1024, blocks=24, heads=16, biases=ALL_BIASES, vocabulary=50257, dropout=0.1,
    around=Embedding(added=1024 * 1024, final_norm=True),
)  # fmt: skip
LLAMA = Transformer(
    "llama-2-7b", hidden=4096, blocks=32, heads=32, feed_forward=11008, gated=True, vocabulary=32000, outputs=32000,
    around=Embedding(final_norm=True),
)  # fmt: skip
GROUPED = replace(LLAMA, name="llama-3-8b", kv_heads=8, feed_forward=14336, vocabulary=128256, outputs=128256)
T5_ENCODER = Transformer(
    "t5-base", hidden=768, blocks=12, heads=12, head_dim=64, feed_forward=3072, causal=False, dropout=0.1,
    around=Embedding(added=32 * 12, final_norm=True), sequence=512, vocabulary=32128, outputs=0,
    functions=Functions(Norm.RMS, Activation.RELU, Positions.RELATIVE),
)  # fmt: skip
T5 = replace(T5_ENCODER, causal=True, outputs=None, sequence=None, encoder=T5_ENCODER)
BERT = replace(
    read_model("electra").value.architecture, name="bert-large", hidden=1024, heads=16, blocks=24, feed_forward=4096,
    around=Embedding(added=(512 + 2) * 1024, norm=1024),
)  # fmt: skip
MODELS = {one.name: one for one in (GPT, LLAMA, GROUPED, T5, BERT)}

ATTENTION_ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda q, k, v, *given, **options: sdpa_flop_count(q, k, v)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda gradient, q, k, v, *given, **options: sdpa_backward_flop_count(gradient, q, k, v)
    ),
}
"""What the counter lacks: github.com/pytorch/pytorch/issues/195460."""


def module_of(model, steps):
    if not model.name.startswith("bert"):
        module = language.language_model(model)
        apply(module, parse_steps(steps).value)
        return module
    return attention.Bert(pooler=False, hidden=model.hidden, blocks=model.blocks)


def tokens_of(model, sequence):
    shapes = [(BATCH, model.encoder.sequence)] if model.encoder is not None else []
    return [torch.zeros(shape, dtype=torch.int64) for shape in (*shapes, (BATCH, sequence))]


def counted(model, sequence, steps="", *, backward=True):
    """Return the parameters of torch's module, and the work of a step that torch counts [FLOP]."""
    counter = FlopCounterMode(display=False, custom_mapping=ATTENTION_ON_CPU)
    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode())
        stack.enter_context(set_checkpoint_early_stop(False))
        module, given = module_of(model, steps), tokens_of(model, sequence)
        stack.enter_context(counter)
        out = module(*given)
        if backward:
            out.sum().backward()
    return sum(one.numel() for one in module.parameters()), counter.get_total_flops()


def listed(model, sequence, *, fused=False):
    return transformer_operators(model, Batch(sequence, BATCH, ELEMENT), Share(fused=fused))


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_work_are_those_of_the_module(name):
    model, sequence = MODELS[name], 384
    operators = listed(model, sequence)
    work = totals(all_calls(operators), ELEMENT)[0]
    assert (operators.parameters / ELEMENT, work) == counted(model, sequence)


@pytest.mark.parametrize("name", MODELS)
def test_work_forward_is_that_of_the_module(name):
    model, sequence = MODELS[name], 128
    work = totals(forward_calls(listed(model, sequence)), ELEMENT)[0]
    assert work == counted(model, sequence, backward=False)[1]


@pytest.mark.parametrize("name", ["gpt-2-medium", "llama-2-7b", "llama-3-8b"])
def test_work_of_attention_in_one_kernel_is_that_of_torchs(name):
    """Its backward pass computes the scores again: 2.5 times the work."""
    model, sequence = replace(MODELS[name], dropout=0.0), 256
    work = totals(all_calls(listed(model, sequence, fused=True)), ELEMENT)[0]
    assert work == counted(model, sequence, "sdpa")[1]
    eager = totals(all_calls(listed(model, sequence)), ELEMENT)[0]
    scores = 2 * 2 * BATCH * sequence * sequence * model.query_width * model.blocks
    assert work - eager == scores / 2


@pytest.mark.parametrize("steps", ["fuse_qkv,decompose", "sdpa,fuse_qkv"])
def test_steps_of_a_schedule_have_the_work_and_the_parameters_of_torchs(steps):
    model, sequence = replace(GPT, dropout=0.0, blocks=2), 64
    layout = Layout(micro_batch=BATCH, fused_attention=False, number_format=NUMBER_FORMATS["fp32"])
    operators = parse_steps(steps).value.operators(model, sequence, layout)
    work = totals(all_calls(operators), ELEMENT)[0]
    assert (operators.parameters / ELEMENT, work) == counted(model, sequence, steps)


def test_attention_with_learned_biases_is_no_kernel_of_its_own_on_a_cpu():
    """T5 has them where tokens attend to their own sequence; only its attention to the encoder becomes one kernel."""
    model, sequence = replace(T5, dropout=0.0), 128
    eager = totals(all_calls(listed(model, sequence)), ELEMENT)[0]
    scores = 2 * 2 * BATCH * sequence * T5_ENCODER.sequence * model.query_width * model.blocks
    assert counted(model, sequence, "sdpa")[1] == eager + scores / 2


@pytest.mark.parametrize("name", ["gpt-2-medium", "llama-2-7b"])
def test_blocks_that_run_again_add_their_forward_work(name):
    model, sequence = MODELS[name], 128
    operators = listed(model, sequence)
    again = math.fsum(
        section.count * flop_of(call)
        for section in operators.sections
        if section.path
        for one in section.operators
        for call in passes(one).forward
    )
    work = totals(all_calls(operators), ELEMENT)[0]
    assert work + again == counted(model, sequence, "checkpoint")[1]


MIXTRAL = Transformer(
    "mixtral-8x7b", hidden=4096, blocks=32, heads=32, kv_heads=8, feed_forward=14336, gated=True, vocabulary=32000,
    outputs=32000, experts=Experts(count=8, per_token=2, inner=14336), around=Embedding(final_norm=True),
)  # fmt: skip
DEEPSEEK = Transformer(
    "deepseek-v3", hidden=7168, blocks=61, heads=128, head_dim=192, value_dim=128, feed_forward=18432, gated=True,
    latent=Latent(query=1536, key_value=512, positions=64), vocabulary=129280, outputs=129280,
    experts=Experts(count=256, per_token=8, inner=2048, shared=2048), runs=(Run(3, sparse=False), Run(58)),
    around=Embedding(final_norm=True),
)  # fmt: skip

H = 7168
ACTIVE = {
    # Q, K, V and output; router; two experts of three matrices; output layer
    "mixtral-8x7b": 32 * (4096 * (2 * 4096 + 2 * 1024) + 4096 * 8 + 2 * 3 * 4096 * 14336) + 4096 * 32000,
    # to narrow vectors and out of them, and output; three dense blocks; router, eight experts and a shared one
    "deepseek-v3": (
        61 * (H * 1536 + 1536 * 128 * 192 + H * (512 + 64) + 512 * 128 * (128 + 128) + 128 * 128 * H)
        + 3 * 3 * H * 18432 + 58 * (H * 256 + (8 + 1) * 3 * H * 2048) + H * 129280
    ),
}  # fmt: skip
"""Weights that a token is multiplied with, from the published sizes."""

SEEN = {"mixtral-8x7b": 32 * (4096 + 4096), "deepseek-v3": 61 * 128 * (192 + 128)}
"""Multiply-accumulates of a token with each token that it sees."""


@pytest.mark.parametrize("tp", [1, 8])
@pytest.mark.parametrize("ep", [1, 8])
@pytest.mark.parametrize("model", [MIXTRAL, DEEPSEEK], ids=lambda model: model.name)
def test_active_work_of_a_token_is_the_closed_count(model, ep, tp):
    """2 (active weights + 2 s x columns of heads) forward and three times as much in all; whatever GPUs share it."""
    sequence = 4096
    layout = Layout(tp=tp, ep=ep, dp=ep, micro_batch=2, fused_attention=False)
    operators = sharded_operators(model, sequence, layout)
    whole = _whole_products(model) if tp > 1 else 0
    closed = 2 * (ACTIVE[model.name] + SEEN[model.name] * sequence) + 2 * whole * (tp - 1)
    tokens = 2 * sequence
    assert tp * totals(forward_calls(operators), 2)[0] / tokens == pytest.approx(closed, rel=1e-12)
    assert tp * totals(all_calls(operators), 2)[0] / tokens == pytest.approx(3 * closed, rel=1e-12)


def _whole_products(model):
    """Weights that tensor parallelism leaves whole on every GPU: routers, and products to narrow vectors."""
    sparse = sum(run.count for run in model.in_runs() if run.sparse)
    narrow = 0 if model.latent is None else model.latent.query + model.latent.key_value + model.latent.positions
    return model.hidden * (sparse * model.experts.count + model.blocks * narrow)


def test_active_weights_are_about_those_that_the_authors_give():
    """12.9B (arXiv:2401.04088) and 37B (arXiv:2412.19437); a table of tokens, which is not multiplied, is 1 to 3 %."""
    assert ACTIVE["mixtral-8x7b"] == pytest.approx(12.9e9, rel=0.015)
    assert ACTIVE["deepseek-v3"] == pytest.approx(37e9, rel=0.015)
