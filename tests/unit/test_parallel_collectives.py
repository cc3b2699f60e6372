"""Collectives of layouts against what torch's own modules issue under a fake process group."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace

import pytest
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.architecture import ALL_BIASES, Embedding, Experts, Transformer
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.collectives import collectives_of
from simcore.models.training.parallel.layout import NUMBER_FORMATS, Layout, Recompute, Splitter
from simcore.models.training.parallel.sharding import sharded_operators
from simcore.models.training.workload import Pass
from simcore.readers.schedules import parse_steps

SEQUENCE, BATCH = 32, 2

GPT = Transformer(
    "gpt", hidden=64, blocks=2, heads=8, biases=ALL_BIASES, vocabulary=128,
    around=Embedding(added=SEQUENCE * 64, final_norm=True),
)  # fmt: skip
LLAMA = Transformer(
    "llama", hidden=64, blocks=2, heads=16, kv_heads=8, feed_forward=192, gated=True, vocabulary=128, outputs=128,
    around=Embedding(final_norm=True),
)  # fmt: skip
MODELS = {"gpt": GPT, "llama": LLAMA}

DTENSOR = Layout(splitter=Splitter.DTENSOR, micro_batch=BATCH, number_format=NUMBER_FORMATS["fp32"])


def issued(model, layout, sequence=SEQUENCE):
    """Return counts and bytes of a step of one micro-batch, by kind."""
    counts, sizes = Counter(), Counter()
    for one in collectives_of(model, sequence, layout):
        counts[one.sent.collective.value] += one.count
        sizes[one.sent.collective.value] += one.count * one.sent.size
    return counts, sizes


def module_of(model, *, recompute=False):
    from simcore.real.language import language_model
    from simcore.real.schedule import apply

    module = language_model(model)
    apply(module, parse_steps("sdpa,checkpoint" if recompute else "sdpa").value)
    return module


def observed(model, layout, *, sequence=SEQUENCE, half=False):
    """Return counts and bytes by kind that torch's step of the same model has; nothing is allocated."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("torch.testing._internal.distributed.fake_pg", reason="torch has no fake process group")
    from simcore.real import parallel
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.checkpoint import set_checkpoint_early_stop

    how = parallel.Spread(
        layout.tp, layout.dp, layout.sequence_parallel, sharded=layout.zero == 3, mixed=half and layout.dp > 1
    )
    again = layout.recompute is Recompute.FULL
    with warnings.catch_warnings(), parallel.fake_ranks(layout.gpus), FakeTensorMode():
        warnings.simplefilter("ignore")  # about views and hooks, which change no collective
        module = module_of(model, recompute=again)
        if half and layout.dp == 1:
            module = module.to(torch.bfloat16)
        numbers = torch.zeros(layout.micro_batch, sequence, dtype=torch.int64)
        module = parallel.spread(module, how)
        with set_checkpoint_early_stop(False):
            sent = parallel.sent_by_step(module, numbers, numbers, cut_loss=layout.tp > 1)
    sizes = Counter({kind: sum(each) for kind, each in sent.sizes.items()})
    assert {kind: len(each) for kind, each in sent.sizes.items()} == sent.counts
    return sent.counts, sizes


@pytest.mark.parametrize("sequence_parallel", [False, True], ids=["whole", "sequence"])
@pytest.mark.parametrize("tp", [2, 4, 8])
@pytest.mark.parametrize("name", MODELS)
def test_tensor_parallelism_sends_what_torch_sends(name, tp, sequence_parallel):
    layout = replace(DTENSOR, tp=tp, sequence_parallel=sequence_parallel)
    assert issued(MODELS[name], layout) == observed(MODELS[name], layout)


FEED_FORWARD = "block.*.feed_forward:shard,block.*.feed_forward:sync"


@pytest.mark.parametrize("steps", ["shard,sync", FEED_FORWARD, f"{FEED_FORWARD},sdpa,checkpoint=0.5"])
@pytest.mark.parametrize("name", MODELS)
def test_steps_of_a_schedule_send_what_torch_sends(name, steps):
    layout = replace(DTENSOR, tp=4, fused_attention=False)
    schedule, counts = parse_steps(steps).value, Counter()
    for section in schedule.operators(MODELS[name], SEQUENCE, schedule.layout(layout, MODELS[name])).sections:
        for one in section.operators:
            again = section.count * (2 if section.checkpointed else 1)
            for sent in filter(None, (*one.before_forward, one.after_forward)):
                counts[sent.collective.value] += again
            for sent in filter(None, (*one.before_backward, one.after_input_gradient)):
                counts[sent.collective.value] += section.count
    assert scheduled(MODELS[name], schedule, 4) == counts


def scheduled(model, schedule, tp):
    """Return counts by kind that torch's step of a model after a schedule has."""
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("torch.testing._internal.distributed.fake_pg", reason="torch has no fake process group")
    import torch
    from simcore.real import parallel
    from simcore.real.language import language_model
    from simcore.real.schedule import apply
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed.device_mesh import init_device_mesh
    from torch.utils.checkpoint import set_checkpoint_early_stop

    with warnings.catch_warnings(), parallel.fake_ranks(tp):
        warnings.simplefilter("ignore")
        mesh = init_device_mesh("cpu", (tp,))
        with FakeTensorMode(), set_checkpoint_early_stop(False):
            module, numbers = language_model(model), torch.zeros(BATCH, SEQUENCE, dtype=torch.int64)
            apply(module, schedule, mesh)
            cut_loss = any("output.product" in step.path or not step.path for step in schedule.steps[:1])
            return parallel.sent_by_step(module, numbers, numbers, cut_loss=cut_loss).counts


@pytest.mark.parametrize("dp", [2, 4, 8])
@pytest.mark.parametrize("name", MODELS)
def test_fsdp_sends_what_torch_sends(name, dp):
    layout = replace(DTENSOR, dp=dp, zero=3)
    assert issued(MODELS[name], layout) == observed(MODELS[name], layout)


@pytest.mark.parametrize(("tp", "dp"), [(1, 2), (1, 8), (2, 4)])
@pytest.mark.parametrize("name", MODELS)
def test_replicas_sum_as_many_bytes_as_torch_does(name, tp, dp):
    """Torch sums the gradients of each block at once: those are its buckets."""
    layout = replace(DTENSOR, tp=tp, dp=dp)
    (ours, our_sizes), (theirs, their_sizes) = issued(MODELS[name], layout), observed(MODELS[name], layout)
    assert our_sizes == their_sizes
    assert theirs - ours == Counter({"all-reduce": MODELS[name].blocks})


@pytest.mark.parametrize("sequence_parallel", [False, True], ids=["whole", "sequence"])
@pytest.mark.parametrize(("tp", "dp"), [(2, 4), (4, 2), (4, 4)])
@pytest.mark.parametrize("name", MODELS)
def test_tensor_parallelism_with_fsdp_sends_what_torch_sends(name, tp, dp, sequence_parallel):
    layout = replace(DTENSOR, tp=tp, dp=dp, zero=3, sequence_parallel=sequence_parallel)
    assert issued(MODELS[name], layout) == observed(MODELS[name], layout)


@pytest.mark.parametrize(("tp", "dp"), [(1, 4), (4, 1), (2, 4)])
@pytest.mark.parametrize("name", MODELS)
def test_half_precision_sends_what_torch_sends(name, tp, dp):
    """Gradients are summed over replicas in fp32."""
    zero = 3 if dp > 1 else 0
    bf16 = NUMBER_FORMATS["bf16"]
    layout = replace(DTENSOR, tp=tp, dp=dp, zero=zero, sequence_parallel=tp > 1, number_format=bf16)
    assert issued(MODELS[name], layout) == observed(MODELS[name], layout, half=True)


@pytest.mark.parametrize(("tp", "dp", "sequence_parallel"), [(2, 1, False), (4, 1, True), (1, 4, False), (2, 4, True)])
@pytest.mark.parametrize("name", MODELS)
def test_blocks_that_run_again_send_again(name, tp, dp, sequence_parallel):
    layout = replace(
        DTENSOR, tp=tp, dp=dp, zero=3 if dp > 1 else 0, sequence_parallel=sequence_parallel, recompute=Recompute.FULL
    )
    assert issued(MODELS[name], layout) == observed(MODELS[name], layout)


def test_a_model_of_published_size_sends_what_torch_sends():
    model = replace(LLAMA, hidden=8192, blocks=4, heads=64, kv_heads=8, feed_forward=28672, vocabulary=32000)
    model = replace(model, outputs=model.vocabulary)
    layout = replace(DTENSOR, tp=8, dp=8, zero=3, sequence_parallel=True, micro_batch=1)
    assert issued(model, layout, 4096) == observed(model, layout, sequence=4096)


def data_parallel(layout, model=LLAMA, axis=Axis.DATA):
    return [
        (one.part, one.sent.collective, one.count * one.sent.size, one.count, one.once)
        for one in collectives_of(model, SEQUENCE, layout)
        if one.sent.axis is axis
    ]


def parameters(model, layout):
    """Count what one GPU holds."""
    return sharded_operators(model, SEQUENCE, layout).parameters / layout.number_format.element


def test_without_zero_gradients_are_summed_once_in_buckets():
    layout = Layout(dp=4, bucket=100e3)
    gradients = 4 * parameters(LLAMA, layout)
    # of a block: attention 4096 x 3, network 3 x 64 x 192, norms 128; around them 2 x 64 x 128 and a norm
    assert gradients == 4 * (2 * (3 * 4096 + 3 * 64 * 192 + 128) + 2 * 64 * 128 + 64)
    assert data_parallel(layout) == [(Pass.WEIGHT_GRADIENT, Collective.ALL_REDUCE, gradients, 5, True)]


@pytest.mark.parametrize("zero", [1, 2])
def test_zero_scatters_gradients_and_gathers_weights_once(zero):
    layout = Layout(dp=4, zero=zero)
    numbers = parameters(LLAMA, layout)
    assert data_parallel(layout) == [
        (Pass.WEIGHT_GRADIENT, Collective.REDUCE_SCATTER, 4 * numbers, 1, True),
        (Pass.FORWARD, Collective.ALL_GATHER, 2 * numbers / 4, 1, True),
    ]


def test_experts_are_summed_over_those_that_have_the_same():
    model = replace(LLAMA, experts=Experts(count=4, per_token=2, inner=64))
    layout = Layout(dp=8, ep=4)
    experts = 2 * 3 * 64 * 64  # blocks, matrices, and their sizes: this GPU has one expert
    gradients = 4 * (parameters(model, layout) - experts)
    assert data_parallel(layout, model) == [(Pass.WEIGHT_GRADIENT, Collective.ALL_REDUCE, gradients, 1, True)]
    of_experts = data_parallel(layout, model, Axis.EXPERT_DATA)
    assert of_experts == [(Pass.WEIGHT_GRADIENT, Collective.ALL_REDUCE, 4 * experts, 1, True)]
    assert data_parallel(replace(layout, dp=4), model, Axis.EXPERT_DATA) == []


def test_megatron_gathers_shards_again_and_sums_gradients_of_whole_weights_at_once():
    torchs = replace(DTENSOR, tp=4, sequence_parallel=True)
    megatron = replace(torchs, splitter=Splitter.MEGATRON)
    before, after = (issued(GPT, layout) for layout in (torchs, megatron))
    # attention, feed-forward network, and output layer
    shards = 2 * GPT.blocks + 1
    assert after[0]["all-gather"] - before[0]["all-gather"] == shards
    assert after[1]["all-gather"] - before[1]["all-gather"] == shards * 4 * BATCH * SEQUENCE * 64 / 4
    # scales and biases of norms, and biases of the row-cut products, of 64 each
    whole = [one for one in collectives_of(GPT, SEQUENCE, megatron) if one.part is Pass.WEIGHT_GRADIENT]
    assert [(one.sent.size, one.count, one.once) for one in whole] == [(4 * 64 * (GPT.blocks * 6 + 2), 1, True)]


def test_what_is_gathered_is_kept_by_dtensor_and_cut_by_megatron():
    torchs = replace(DTENSOR, tp=4, sequence_parallel=True)
    megatron = replace(torchs, splitter=Splitter.MEGATRON)
    kept, cut = (sharded_operators(GPT, SEQUENCE, layout).saved for layout in (torchs, megatron))
    assert kept - cut == (2 * GPT.blocks + 1) * 4 * BATCH * SEQUENCE * 64 * 3 / 4


def test_some_blocks_of_each_chunk_run_again():
    model = replace(LLAMA, blocks=8)
    layout = Layout(tp=2, pp=2, vp=2, order="interleaved", recompute=Recompute.FULL, recompute_layers=1)
    again = [one for one in collectives_of(model, SEQUENCE, layout) if one.part is Pass.RECOMPUTE]
    assert [(one.path, one.count) for one in again] == [("block.attention.output", 4), ("block.feed_forward.down", 4)]


@pytest.mark.parametrize("fused", [True, False])
def test_selective_recomputation_sends_keys_and_values_round_again(fused):
    layout = Layout(tp=2, cp=4, recompute=Recompute.SELECTIVE, fused_attention=fused)
    again = [one for one in collectives_of(LLAMA, SEQUENCE, layout) if one.part is Pass.RECOMPUTE]
    # keys and values of a quarter of the tokens, half of their columns, 2 B each
    sent = Communication(Collective.ALL_GATHER, 2 * 2 * SEQUENCE * 32 / 8, Axis.CONTEXT, hidden=True)
    assert [(one.sent, one.count) for one in again] == [(sent, LLAMA.blocks)]


def test_one_gpu_sends_nothing():
    assert collectives_of(GPT, SEQUENCE, Layout()) == ()
