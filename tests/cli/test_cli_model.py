"""``simcore model``, and what ``--causal`` and a window do to studies of a config.json."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from simcore.cli.main import main, run

MISTRAL = {
    "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "sliding_window": 4096, "vocab_size": 32000,
    "max_position_embeddings": 32768, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}
PAIR = "Switch(2)@100GB/s"
RATE = 60 * 2**40


@pytest.fixture
def config(tmp_path):
    def write(fields):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(fields), encoding="utf-8")
        return str(path)

    return write


def printed(*args):
    result = CliRunner().invoke(main, list(args), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*args):
    return json.loads(printed(*args, "--json"))


def test_a_report_says_what_was_read(config):
    text = printed("model", config(MISTRAL))
    assert "family mistral: 7.242 billion parameters; sequence 32,768" in text
    assert "32 heads, 8 of K and V; context 32,768, window 4,096" in text
    assert "counted in full, as PaLM and Megatron-LM count it" in text
    assert "Fields ignored: none." in text


def test_the_numbers_of_a_model(config):
    known = told("model", config(MISTRAL))
    assert (known["parameters"], known["active_parameters"]) == (7_241_732_096, 7_241_732_096)
    assert known["block_parameters"] == 7_241_732_096 - 2 * 32000 * 4096 - 4096
    assert (known["kv_heads"], known["window"], known["context"], known["family"]) == (8, 4096, 32768, "mistral")
    assert known["weight_bytes"] == 2 * 7_241_732_096
    assert sum(known["parts"].values()) == known["parameters"]
    # 2 per weight of a product, and 2 x 2 x 4,096 keys x 4,096 columns of scores and context in each block
    products = known["parameters"] - 32000 * 4096 - 65 * 4096
    assert known["flop_per_token_forward"] == 2 * products + 32 * 4 * 4096 * 4096
    assert known["flop_per_token_training"] == 3 * known["flop_per_token_forward"]


def test_work_is_12_l_h_s_and_6_per_parameter(config):
    """PaLM's count (arXiv:2204.02311, appendix B) of GPT-2 in training, with the output layer's share of the table."""
    known = told("model", config(GPT2))
    products = known["block_parameters"] - 12 * (9 + 4) * 768 + 50257 * 768
    assert known["flop_per_token_training"] == 6 * products + 12 * 12 * 768 * 1024
    half = told("model", config(GPT2), "--causal", "half")
    assert half["flop_per_token_training"] == 6 * products + 6 * 12 * 768 * 1024


def test_experts_are_active_as_far_as_a_token_is_routed(config):
    mixtral = {**MISTRAL, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2,
               "sliding_window": None}  # fmt: skip
    known = told("model", config(mixtral))
    assert known["parameters"] == 46_702_792_704
    assert known["active_parameters"] == 46_702_792_704 - 32 * 6 * 3 * 4096 * 14336
    assert "12.88 billion active per token" in printed("model", config(mixtral))


def test_a_window_bounds_what_an_iteration_computes(config):
    """32 blocks at 32,768 tokens and 60 TiFLOP/s: 24.0 s with the window of 4,096, 46.4 s without."""
    arguments = ("optimize", PAIR.replace("@100GB/s", ""), "100", "Perf", "NoOverlap", "--tp", "1", "--model")
    network = {"dimensions": [{"block": "Switch", "size": 2, "level": "Pod"}]}
    seen = {}
    for window in (4096, None):
        path = config({**MISTRAL, "sliding_window": window})
        net = path.replace("config.json", "net.json")
        with open(net, "w", encoding="utf-8") as file:
            json.dump(network, file)
        seen[window] = told(arguments[0], net, *arguments[2:], path)["step"]["compute"]
    assert seen[4096] == pytest.approx(24.0, rel=1e-3)
    assert seen[None] == pytest.approx(46.4, rel=1e-2)


def test_heads_of_reports_say_which_sequence_was_taken(config):
    path = config(GPT2)
    given = ["train", path, "--network", PAIR, "--tp", "1", "--chunks", "2"]
    assert "1 sequence of 1,024 tokens per replica, 2 in all" in " ".join(printed(*given).split())
    assert "1 sequence of 512 tokens per replica" in " ".join(printed(*given, "--sequence", "512").split())
    full, half = (told(*given, "--causal", causal)["compute_time"] for causal in ("full", "half"))
    # half of 8 products of 1,024 tokens x 768 columns x 1,024 keys, 2 FLOP each: two in each of four passes of a block
    assert full - half == pytest.approx(8 * 12 * 1024 * 768 * 1024 / RATE, rel=1e-3)


def test_operators_add_up_to_the_work_and_the_bytes():
    known = told("model", "resnet50", "--batch", "32", "--operators")
    assert (known["parameters"], known["batch"], known["bytes_per_element"]) == (25_557_032, 32, 4)
    assert sum(known["parts"].values()) == known["parameters"]
    operators = known["operators"]
    for key, total in (
        ("flop", 32 * known["flop_per_sample_forward"]), ("bytes", known["bytes_forward"]),
        ("parameters", known["parameters"]),
    ):  # fmt: skip
        assert sum(one["count"] * one[key] for one in operators) == total
    # the residual blocks of a stage that are equal stand there once
    first = next(one for one in operators if one["path"] == "stage3.0-4.residual.unit.conv")
    assert (first["count"], first["kernel"], first["shape"]["in_channels"]) == (5, "conv", 1024)
    assert first["flop"] == 2 * 32 * 14 * 14 * 1024 * 256
    text = printed("model", "resnet50", "--batch", "32", "--operators")
    assert "in_channels 1024" in text
    assert "stage3.0-4.residual.unit.conv" in text


def test_what_transformers_alone_have_is_null_of_others():
    known = told("model", "neumf")
    missing = ("hidden", "layers", "heads", "kv_heads", "window", "context", "sequence", "flop_per_token_forward",
               "flop_per_token_training", "family")  # fmt: skip
    assert {known[key] for key in missing} == {None}
    assert "operators" not in known
    assert known["batch"] == 256  # the file's


def test_a_transformer_has_samples_and_operators_too():
    known = told("model", "bert", "--batch", "4", "--operators", "--sequence", "128")
    assert known["parameters"] == 109_482_240
    assert known["flop_per_sample_forward"] == 128 * known["flop_per_token_forward"]
    assert sum(one["count"] * one["flop"] for one in known["operators"]) == 4 * known["flop_per_sample_forward"]
    assert {one["count"] for one in known["operators"] if one["path"].startswith("block.0-11.")} == {12}
    more = told("model", "bert", "--batch", "8", "--sequence", "128")
    assert more["flop_per_sample_forward"] == known["flop_per_sample_forward"]
    assert known["bytes_forward"] < more["bytes_forward"] < 2 * known["bytes_forward"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sequence", "128"), "--sequence: found 128"),
        (("--causal", "half"), "--causal: found half"),
        (("--batch", "0"), "--batch: found 0, expected a whole number of at least 1"),
    ],
)
def test_what_layers_do_not_take_is_refused(capsys, options, message):
    assert message in refusal(capsys, "model", "vgg19", *options)


def test_rates_and_iterations_of_layers(capsys):
    assert "found no fit of 'conv'" in refusal(
        capsys, "rates", "--profile", "v100-16gb", "--model", "resnet50", "--batch", "4"
    )
    assert "found 2, expected 1" in refusal(capsys, "train", "vgg19", "--network", PAIR, "--tp", "2")
    assert "--stages: found 2 for 'yolov3', expected 1, as what coarse, stage4, middle, stage3" in refusal(
        capsys, "train", "yolov3", "--network", PAIR, "--stages", "2"
    )
    trained = told("train", "vgg19", "--network", PAIR, "--batch", "1", "--chunks", "2")
    # at a constant rate: forward, recomputed, and both gradients, but that of the image
    assert trained["compute_time"] == pytest.approx((117.618966528e9 + 39.264124928e9) / RATE, rel=1e-3)


def refusal(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(list(args))
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_what_cannot_be_read_is_refused(capsys, config):
    assert "'mamba', a state-space model" in refusal(capsys, "model", config({**GPT2, "model_type": "mamba"}))
    assert "field 'n_experts'" in refusal(capsys, "model", config({**GPT2, "n_experts": 4}))
    assert "which is no file" in refusal(capsys, "model", "llama-9000")


def test_a_file_that_names_no_sequence_says_what_was_taken(config, capsys):
    nothing = {key: value for key, value in GPT2.items() if key != "n_positions"}
    mistral = {key: value for key, value in MISTRAL.items() if key != "max_position_embeddings"}
    assert "context" not in refusal(capsys, "model", config({**nothing, "n_positions": "x"}))
    result = CliRunner().invoke(main, ["model", config(mistral)], catch_exceptions=False)
    assert "names no sequence: 2,048 tokens are taken; --sequence gives others" in result.stderr
    assert "sequence 2,048" in result.stdout


def test_a_file_of_python_needs_the_name_of_a_module(capsys):
    with pytest.raises(SystemExit) as stop:
        run(["model", "mine.py"])
    assert stop.value.code == 2
    assert "Name a function or a class in it: mine.py:build." in capsys.readouterr().err
