"""Readers of workloads: ASTRA-sim text, transformer YAML, Hugging Face config.json."""

from __future__ import annotations

import json

import pytest
from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.training.workload import Phase
from simcore.readers.workloads import read_workload, read_workloads

HEADER = "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 16 checkpoints: 1 0 checkpoint_initiates: 1 0\n"
LINE = "Q1\t-1\t10\tNONE\t0\t20\tALLREDUCE\t512\t30\tALLGATHER\t64\t5\n"
MODEL = "hidden: 64\nlayers: 2\nsequence: 16\nbatch: 2\n"
LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 2,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-05,
    "torch_dtype": "bfloat16",
}


def write(tmp_path, content, name="mine"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return path


def refusal(path, **kwargs):
    with pytest.raises(InputError) as error:
        read_workload(path, "WORKLOAD", **kwargs)
    return str(error.value)


def test_text_with_a_header(tmp_path):
    workload = read_workload(write(tmp_path, HEADER + "1\n" + LINE), "WORKLOAD", dp=4).value
    (layer,) = workload.layers
    assert (workload.name, workload.tp, workload.dp) == ("mine", 16, 4)
    assert layer.forward == Phase(10e-9)
    assert layer.input_gradient == Phase(20e-9, Collective.ALL_REDUCE, 512.0)
    assert layer.weight_gradient == Phase(30e-9, Collective.ALL_GATHER, 64.0)
    assert (layer.parameters, layer.activations) == (None, None)


def test_text_says_what_a_layer_hands_on(tmp_path):
    text = LINE.rstrip() + "\tactivations=4096\n" + LINE.replace("Q1", "K1")
    layers = read_workload(write(tmp_path, text), "WORKLOAD", tp=2, dp=2).value.layers
    assert [layer.activations for layer in layers] == [4096.0, None]


def test_text_without_a_header_in_any_case(tmp_path):
    text = "# a comment\n\n" + LINE.replace("ALLREDUCE", "AllReduce").replace("ALLGATHER", "all-to-all")
    workload = read_workload(write(tmp_path, text), "WORKLOAD", tp=2, npus=8).value
    assert (workload.tp, workload.dp) == (2, 4)
    assert workload.layers[0].weight_gradient.collective is Collective.ALL_TO_ALL


def test_arguments_override_the_header(tmp_path):
    workload = read_workload(write(tmp_path, HEADER + LINE), "WORKLOAD", tp=2, dp=3).value
    assert (workload.tp, workload.dp) == (2, 3)


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        (LINE + "K1 -1 10 NONE 0 10 NONE 0 10 NONE 0\n", "line 2, column 36, field 'weight update'", "after 11 fields"),
        ("K1 -1 10 0 10 NONE 0 10 NONE 0 10\n", "line 1, column 10, field 'forward collective'", "that is missing"),
        ("K1 -1 NONE 0 10 NONE 0 10 NONE 0 10\n", "line 1, column 7, field 'forward compute'", "that is missing"),
        ("K1 -1 10 NONE 0 10 ALLREDUC 0 10 NONE 0 10\n", "line 1, column 20", "expected one of NONE, ALLREDUCE"),
        ("K1 -1 10 NONE 0 10 NONE 0 10 NONE 0 10 99\n", "line 1, column 40", "the end of the line after 12 fields"),
        (
            "K1 -1 10 NONE 0 10 NONE 0 10 NONE 0 10 activations=x\n",
            "column 40, field 'activations'",
            "bytes",
        ),
        ("K1 -1 10 NONE 0 10 NONE 0 10 NONE 0 activations=8\n", "column 36, field 'weight update'", "after 11 fields"),
        ("K1 -1 -1 NONE 0 10 NONE 0 10 NONE 0 10\n", "line 1, column 7", "at least 0"),
        ("K1 -1 nan NONE 0 10 NONE 0 10 NONE 0 10\n", "line 1, column 7", "a finite number of nanoseconds"),
        (HEADER + "3\n" + LINE, "line 2", "expected 1, the number of layer lines"),
        (HEADER.replace("16", "0") + LINE, "line 1, column 59", "at least 1"),
        (HEADER, "mine", "no layer"),
        ("PIPELINE\n1\n" + LINE, "line 1, column 1", "Remove the header, and give the groups with tp, dp or"),
        (
            "HYBRID_PIPELINE a: 2\n1\n" + LINE,
            "line 1, column 1",
            "header 'HYBRID_PIPELINE', expected one of DATA",
        ),
        ("DISTRIBUTED_INFERENCE\n1\n" + LINE, "line 1, column 1", "simcore simulates no inference"),
    ],
)
def test_a_broken_text_names_line_column_and_field(tmp_path, text, place, part):
    message = refusal(write(tmp_path, text), tp=1, dp=1)
    assert place in message
    assert part in message


def test_degrees_that_nobody_gave(tmp_path):
    assert "no TP and DP" in refusal(write(tmp_path, LINE))
    assert "Give them with tp and dp." in refusal(write(tmp_path, MODEL), tp=2)


def test_what_is_only_for_generated_workloads(tmp_path):
    path = write(tmp_path, LINE)
    assert "Leave variant out." in refusal(path, tp=1, dp=1, variant="evaluation")
    assert "a sequence or a batch" in refusal(path, tp=1, dp=1, batch=3)


@pytest.mark.parametrize("option", ["tp", "dp", "sequence", "batch"])
@pytest.mark.parametrize("value", [0, -1])
def test_counts_below_1_are_refused(option, value):
    message = refusal("1T", **{option: value})
    assert message.startswith(f"{option}: found {value}, expected a whole number of at least 1")


def test_a_model_file(tmp_path):
    path = write(tmp_path, MODEL + "bytes_per_element: 4 B\nrate: 1 GFLOP/s\ntp: 2\ndp: 8\n", "gpt.yaml")
    workload = read_workload(path, "WORKLOAD").value
    assert (workload.name, workload.tp, workload.dp, len(workload.layers)) == ("gpt", 2, 8, 18)
    # 2 n h w / TP with n = 2 x 16 tokens
    assert workload.layers[0].forward.compute == pytest.approx(2 * 32 * 64 * 64 / 2 * 1e-9)
    assert workload.layers[0].input_gradient.size == 4 * 32 * 64
    doubled = read_workload(path, "WORKLOAD", batch=4).value
    assert doubled.layers[0].input_gradient.size == 2 * workload.layers[0].input_gradient.size


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hidden: 64\nlayers: 2\nsequence: 16\n", ["Add the field 'batch'"]),
        (MODEL + "heads: 3\n", ["3 heads", "a divisor of the hidden size, 64"]),
        (MODEL + "heads: 4\nkv_heads: 3\n", ["3 K and V heads", "a divisor of the number of heads, 4"]),
        (MODEL + "kv_heads: 3\n", ["which is missing"]),
        (MODEL + "rate: 60\n", ["line 5, field 'rate'", "60 without a unit", "60 TFLOP/s"]),
        (MODEL + "rate: 0 FLOP/s\n", ["more than 0"]),
        (MODEL + "bytes_per_element: 0.5 B\n", ["a whole number of at least 1 B"]),
        (MODEL + "hiden: 3\n", ["line 5", "'hiden'"]),
        (MODEL.replace("64", "-64"), ["line 1, field 'hidden'", "found -64", "at least 1"]),
        ("", ["an empty file"]),
    ],
)
def test_a_broken_model_file_names_the_remedy(tmp_path, text, parts):
    message = refusal(write(tmp_path, text), tp=1, dp=1)
    for part in parts:
        assert part in message


def test_a_hugging_face_config(tmp_path):
    workload = read_workload(write(tmp_path, LLAMA, "config.json"), "WORKLOAD", tp=8, npus=64).value
    layers = {layer.name: layer for layer in workload.layers}
    assert (workload.name, workload.tp, workload.dp) == ("llama", 8, 8)
    assert layers["Q1"].input_gradient.size == 2 * 8192 * 4096
    assert layers["K1"].weight_gradient.size == 2 * 4096 * 1024 / 8
    assert layers["X1W1b1"].weight_gradient.size == 2 * 4096 * 2 * 14336 / 8


def test_a_config_of_the_gpt2_family(tmp_path):
    config = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "n_inner": None}
    workload = read_workload(write(tmp_path, config), "WORKLOAD", tp=1, dp=4, sequence=512, batch=8).value
    assert len(workload.layers) == 108
    assert workload.layers[0].input_gradient.size == 2 * 8 * 512 * 768
    assert workload.layers[6].weight_gradient.size == 2 * 768 * 4 * 768


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"num_hidden_layers": None}, "num_hidden_layers"),
        ({"num_local_experts": 8}, "'num_local_experts': found a field that is not known"),
        ({"torch_dtype": "int3"}, "'int3'"),
        ({"max_position_embeddings": None}, "max_position_embeddings"),
        ({"num_attention_heads": 33}, "a divisor of the hidden size"),
    ],
)
def test_a_config_that_cannot_be_read(tmp_path, change, part):
    config = {key: value for key, value in {**LLAMA, **change}.items() if value is not None}
    assert part in refusal(write(tmp_path, config), tp=1, dp=1)


def test_a_users_own_group(tmp_path):
    write(tmp_path, MODEL + "tp: 1\ndp: 8\n", "small.yaml")
    group = write(tmp_path, "group: [small.yaml, 1T]\n", "both.yaml")
    assert [workload.name for workload in read_workloads(group, "WORKLOAD").value] == ["small", "1T"]
    broken = write(tmp_path, "group: [smal.yaml, 1T]\n", "broken.yaml")
    with pytest.raises(InputError, match=r"broken\.yaml, field 'group': found 'smal.yaml'"):
        read_workloads(broken, "WORKLOAD")


def test_what_a_config_asks_for_is_described_or_refused(tmp_path):
    falcon = {"model_type": "falcon", "hidden_size": 4096, "num_hidden_layers": 2, "num_attention_heads": 32}
    one = read_workload(write(tmp_path, {**falcon, "multi_query": True}, "config.json"), "W", tp=1, dp=8).value
    eight = read_workload(write(tmp_path, LLAMA, "config.json"), "W", tp=1, dp=8).value
    gradient = {layer.name: layer.weight_gradient.size for layer in one.layers}
    assert gradient["K1"] * 8 == {layer.name: layer.weight_gradient.size for layer in eight.layers}["K1"]
    for extra, words in (
        ({"is_encoder_decoder": True}, "a stack of blocks of one kind"),
        ({"multi_query": True}, "'multi_query': found a field that is not known"),
    ):
        assert words in refusal(write(tmp_path, {**LLAMA, **extra}, "config.json"), tp=1, dp=8)
    wide = read_workload(write(tmp_path, {**LLAMA, "head_dim": 256}, "config.json"), "W", tp=1, dp=8).value
    assert wide.layers[0].weight_gradient.size == 2 * 4096 * 32 * 256
    bloom = {"n_embed": 1024, "n_layer": 2, "n_head": 16, "seq_length": 512, "model_type": "bloom"}
    assert read_workload(write(tmp_path, bloom, "config.json"), "W", tp=1, dp=8).value.name == "bloom"
