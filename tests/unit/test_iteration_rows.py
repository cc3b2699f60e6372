"""Rows of measured iterations: which layout each source's becomes, and why others cannot be expressed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.models.training.parallel.layout import FSDP, Recompute, Splitter
from simcore.models.training.parallel.stack import Stack
from simcore.readers.iteration_rows import described
from simcore.readers.iteration_software import CUDNN, FLASH_1, FSDP_FP8
from simcore.readers.memory_iterations import DEEPSPEED_BF16, DEEPSPEED_FP16
from simcore.readers.memory_rows import Unexpressed
from simcore.readers.stacks import USUAL
from simcore.studies.validate.columns import ITERATIONS
from simcore.studies.validate.iterations import held
from simcore.studies.validate.runs import runs_of

EMPTY = dict.fromkeys(("row_id", *ITERATIONS), "")
PLAIN = EMPTY | {
    "source": "mine", "model": "llama-toy", "layers": "24", "hidden": "2048", "heads": "16", "kv_heads": "8",
    "ffn": "5504", "vocab": "32000", "seq_len": "1024", "device": "h100_80gb", "gpus": "16", "precision": "bf16",
    "tp": "1", "pp": "1", "cp": "1", "global_batch": "64", "micro_batch": "2", "iteration_s": "1.5",
    "framework": "torchtitan", "kind": "pretrain",
}  # fmt: skip
GPT = PLAIN | {"model": "gpt-toy", "kv_heads": "", "ffn": "", "device": "a100_80gb", "precision": "fp16"}
TITAN = PLAIN | {"source": "pytorch/torchtitan@0", "device": "h100_96gb_hbm2e_500w", "zero_or_fsdp": "FSDP2"}
NEMO = PLAIN | {"source": "NVIDIA/dgxc-benchmarking@0", "zero_or_fsdp": "dist-optimizer", "framework": "NeMo"}


def told(base, **more):
    return described(base | more)


def fields(layout, *names):
    return tuple(getattr(layout, name) for name in names)


def test_llm_foundry_shards_all_and_stops_early():
    found = told(
        GPT, source="mosaicml/llm-foundry@0", precision="amp_bf16", zero_or_fsdp="FULL_SHARD", recompute="full"
    )
    names = ("dp", "zero", "micro_batches", "recompute", "stops_early", "fused_attention", "number_format")
    assert fields(found.layout, *names) == (16, 3, 2, Recompute.FULL, True, True, FSDP)
    assert (found.stack, found.profile, found.network) == ("llm-foundry-a100-80gb", "a100-80gb", "dgx-a100")
    assert found.attention == FLASH_1["a100"]
    shared = told(GPT, source="mosaicml", precision="amp_bf16", zero_or_fsdp="SHARD_GRAD_OP")
    assert fields(shared.layout, "zero", "recompute") == (2, Recompute.NONE)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_stages_of_zero(stage):
    assert told(GPT, source="bigscience-workshop", zero_or_fsdp=f"ZeRO-{stage}").layout.zero == stage


def test_nemo_interleaves_with_context_parallelism():
    found = told(NEMO, tp="2", pp="2", vp="3", cp="2", dp="2", sequence_parallel="yes")
    names = ("tp", "pp", "vp", "cp", "dp", "order", "zero", "sequence_parallel", "overlap_tensor", "causal_half")
    assert fields(found.layout, *names) == (2, 2, 3, 2, 2, "interleaved", 1, True, True, True)
    assert found.layout.micro_batches == 16
    assert (found.stack, found.attention) == ("nemo-h100", CUDNN["h100"])
    assert told(NEMO, precision="fp8").stack == "nemo-h100-fp8"


def test_attention_in_pieces_recomputes_its_core_and_fused_attention_does_not():
    selene = told(GPT, source="Korthikanti et al.", recompute="selective", tp="8", sequence_parallel="yes")
    assert fields(selene.layout, "recompute", "fused_attention", "sequence_parallel") == (
        Recompute.SELECTIVE, False, True,
    )  # fmt: skip
    assert selene.stack == "megatron-lm-selene-a100-80gb"
    assert selene.attention is None
    assert told(NEMO, recompute="selective").layout.recompute is Recompute.NONE


@pytest.mark.parametrize("text", ["selective", "per-op SAC"])
def test_torchtitan_repeats_every_other_product(text):
    layout = told(TITAN, recompute=text).layout
    assert fields(layout, "recompute", "recompute_layers", "splitter", "stops_early") == (
        Recompute.FULL, 12, Splitter.DTENSOR, True,
    )  # fmt: skip
    assert told(TITAN, recompute="full").layout.recompute_layers is None


def test_asynchronous_tensor_parallelism_of_torchtitan():
    plain = told(TITAN, tp="2", note="async.md: vanilla")
    beside = told(TITAN, tp="2", note="some.md: Async TP")
    assert (plain.layout.overlap_tensor, beside.layout.overlap_tensor) == (False, True)
    assert plain.layout.sequence_parallel


def test_the_local_batch_of_torchtitan_is_cut_by_its_stages():
    layout = told(TITAN, pp="4", micro_batch="8").layout
    assert fields(layout, "micro_batch", "dp", "micro_batches") == (2, 4, 8)


def test_its_ring_is_not_balanced():
    assert not told(TITAN, cp="2").layout.causal_half
    assert told(TITAN).layout.causal_half


@pytest.mark.parametrize(
    ("text", "ending"), [("float8 tensorwise", "-fp8"), ("float8 rowwise", "-fp8-rowwise"), ("bf16", "")]
)
def test_recipes_of_fp8_are_stacks_of_their_own(text, ending):
    found = told(TITAN, precision=text)
    assert found.stack == f"torchtitan-h100-96gb{ending}"
    assert found.layout.number_format == (FSDP_FP8 if ending else FSDP)


def test_mlperf_has_one_block_in_each_chunk():
    row = NEMO | {"source": "mlcommons/training_results", "precision": "fp8", "vp": "see config_*.sh", "pp": "4"}
    assert fields(told(row).layout, "pp", "vp", "order") == (4, 6, "interleaved")
    assert told(row).stack == "nemo-mlperf-h100-fp8"


def test_uneven_stages_are_longer_at_the_end():
    assert told(NEMO, layers="25", pp="4", vp="1").layout.stage_layers == (6, 6, 6, 7)
    assert told(NEMO, pp="4", vp="1").layout.stage_layers == ()
    with pytest.raises(Unexpressed, match="chunks"):
        told(NEMO, pp="4")


def test_sailor_counts_embedding_and_output_as_layers():
    row = GPT | {"source": "eth-easl/sailor", "device": "GH-96", "pp": "2", "precision": "fp16/fp32"}
    found = told(row, note="stages [11, 15]")
    assert found.layout.stage_layers == (10, 14)
    assert (found.stack, found.network) == ("sailor-gh200-96gb", "gh200-slingshot")
    with pytest.raises(Unexpressed, match="stages do not add up"):
        told(row, note="stages [12, 12]")
    with pytest.raises(Unexpressed, match="several kinds"):
        told(row, note="heterogeneous, stages [11, 15]")


@pytest.mark.parametrize(
    ("day", "form"), [("02-20", DEEPSPEED_FP16), ("02-21", DEEPSPEED_FP16), ("02-28", DEEPSPEED_BF16)]
)
@pytest.mark.parametrize(("hidden", "ending"), [("4096", ""), ("3104", "-first")])
def test_days_and_widths_of_bloom(day, form, hidden, ending):
    """Half of 3,104 is no multiple of 64, so that its products do not fill the tiles of an A100, whatever the day."""
    found = told(GPT, source="bigscience-workshop/bigscience@0", precision="fp16/bf16", note=f"{day}; a run",
                 hidden=hidden, tp="2", interconnect="4x Omni-Path 100 Gb/s per node")  # fmt: skip
    assert found.stack == f"megatron-deepspeed-bigscience{ending}-a100-80gb"
    assert found.layout.number_format == form
    assert found.network == "jean-zay-a100"
    assert not found.layout.overlap


def test_what_is_timed():
    alone = GPT | {"device": "NVIDIA_L4", "precision": "fp32", "source": "NeuSight", "gpus": "1"}
    assert told(alone, kind="inference").passes == "forward"
    assert told(alone, kind="training, no optimizer").passes == "passes"
    assert told(alone).passes == "iteration"
    assert (told(alone).network, told(alone).stack) == ("", "eager-l4")


def test_unknown_software_is_called_as_its_framework():
    assert told(PLAIN, framework="My Own 2.1").stack == "my-own-2-1-h100"
    assert told(PLAIN, framework="").stack == "unknown-h100"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"tp": "3"}, "TP 3 x PP 1 x CP 1 do not divide the 16 GPUs"),
        ({"tp": "2", "dp": "16"}, "x DP 16 are not the 16 GPUs"),
        ({"micro_batch": "3"}, "do not divide the batch of 64"),
        ({"device": "abacus"}, "'abacus' is not in the zoo"),
        ({"device": ""}, "not in the zoo"),
        ({"kind": "LoRA"}, "adapters"),
        ({"kind": "OOM"}, "ran out of memory"),
        ({"iteration_s": ""}, "no iteration time"),
        ({"iteration_s": "-1"}, "not a time above 0"),
        ({"iteration_s": "0"}, "not a time above 0"),
        ({"iteration_s": "nan"}, "not a time above 0"),
        ({"iteration_s": "fast"}, "not a time above 0"),
        ({"iteration_s": "1e400"}, "not a time above 0"),
        ({"tp": "0"}, "tp is 0"),
        ({"pp": "0"}, "pp is 0"),
        ({"cp": "0"}, "cp is 0"),
        ({"gpus": "0"}, "gpus is 0"),
        ({"micro_batch": "0"}, "micro_batch is 0"),
        ({"global_batch": "0"}, "global_batch is 0"),
        ({"hidden": "0"}, "hidden is 0"),
        ({"layers": "0"}, "layers is 0"),
        ({"hidden": ""}, "hidden is not in the row"),
        ({"layers": ""}, "layers is not in the row"),
        ({"seq_len": ""}, "seq_len is not in the row"),
        ({"global_batch": ""}, "global_batch is not in the row"),
        ({"gpus": ""}, "gpus is not in the row"),
        ({"gpus": "1e300"}, "gpus is no whole number"),
        ({"hidden": "9" * 30}, "hidden is above"),
        ({"layers": "9" * 5000}, "layers is above"),
        ({"pp": "1" + "0" * 12}, "pp is above"),
        ({"params_b": "1e300"}, "params_b is 1e"),
        ({"params_b": "-1"}, "params_b is -1"),
        ({"precision": "int3"}, "number format 'int3'"),
        ({"precision": ""}, "number format"),
        ({"pp": "2", "vp": "stages not in the table"}, "chunks of the interleaved pipeline"),
    ],
)
@pytest.mark.parametrize("base", [PLAIN, GPT | {"framework": "megatron"}], ids=["llama", "gpt"])
def test_why_a_row_cannot_be_expressed(base, more, reason):
    runs, reasons = runs_of([base | more, base])
    assert reasons.keys() == {0}
    assert reason in reasons[0]
    assert [run.measured for run in runs] == [1.5]


def test_a_row_of_nothing_has_a_reason():
    assert runs_of([EMPTY])[1].keys() == {0}


NUMBERS = st.one_of(
    st.sampled_from(["", "0", "1", "2", "8", "16", "-1", "1e300", "nan", "1_0", "٣", "²", "9" * 40, "0.5", "yes"]),
    st.integers(0, 10**24).map(str), st.text(max_size=8),
)  # fmt: skip
WORDS = st.one_of(
    st.sampled_from([
        "", "vTrain", "sailor", "torchtitan", "mosaicml", "mlcommons", "bigscience-workshop", "NeuSight", "gpt",
        "llama", "mixtral", "h100", "GH-96", "v100_32gb", "gb200", "NVIDIA_L4", "fp8", "bf16", "fp16", "stages [1, 2]",
        "stages " + "9" * 5000, "ZeRO-1", "FSDP 8", "selective", "full", "see config", "interleaved", "LoRA", "02-20",
    ]),
    st.text(max_size=12),
)  # fmt: skip
TEXTS = {"source", "model", "device", "precision", "zero_or_fsdp", "recompute", "framework", "kind", "note", "vp"}


@settings(max_examples=300)
@given(
    st.sampled_from([PLAIN, GPT, TITAN, NEMO]),
    st.fixed_dictionaries({}, optional={name: WORDS if name in TEXTS else NUMBERS for name in ITERATIONS}),
)
def test_no_text_in_a_column_is_an_error(base, columns):
    runs, reasons = runs_of([base | columns])
    assert len(runs) + len(reasons) == 1
    assert all(reasons.values())


DEGREE = st.sampled_from([1, 1, 2, 3, 4, 8])


@given(st.sampled_from([PLAIN, GPT, TITAN, NEMO]), DEGREE, DEGREE, DEGREE, DEGREE, DEGREE, st.integers(1, 10**6))
def test_any_degrees_have_a_time_or_a_reason(base, tp, pp, vp, cp, dp, micro_batches):
    row = base | {
        "tp": str(tp), "pp": str(pp), "vp": str(vp), "cp": str(cp), "gpus": str(tp * pp * cp * dp), "micro_batch": "1",
        "global_batch": str(dp * micro_batches),
    }  # fmt: skip
    (found,) = held([row], {USUAL: Stack(USUAL)})
    assert (found.predicted is None) == bool(found.why_not)
    assert found.predicted is None or 0 < found.low < found.predicted < found.high < 1e9


@pytest.mark.parametrize("column", ["recompute", "zero_or_fsdp", "sequence_parallel"])
def test_words_that_are_not_understood_are_no_settings(column):
    with pytest.raises(Unexpressed, match=f"{column} (is )?'banana'"):
        told(NEMO, **{column: "banana"})


def test_a_batch_that_its_columns_do_not_make_is_refused():
    assert told(PLAIN, grad_accum="2").layout.micro_batches == 2
    with pytest.raises(Unexpressed, match=r"grad_accum 3 x micro_batch 2 x DP 16 is 96, not the global_batch of 64"):
        told(PLAIN, grad_accum="3")


def test_parameters_that_the_sizes_do_not_make_are_refused():
    assert told(PLAIN, params_b="1.3").model.blocks == 24
    with pytest.raises(Unexpressed, match=r"params_b is 70, and the sizes in the row make 1\.2"):
        told(PLAIN, params_b="70")
