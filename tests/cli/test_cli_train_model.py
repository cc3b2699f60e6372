"""``simcore train MODEL``: a training iteration on GPUs."""

from __future__ import annotations

import json
import math

import pytest
import simcore
from click.testing import CliRunner
from simcore.cli.main import run
from simcore.cli.train import command

SMALL = ("gpt-1.3b", "--gpus", "8", "--device", "a100-80gb")


def invoke(*args):
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def document(*args):
    return json.loads(invoke(*args, "--json"))


def refusal(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(["train", *args])
    assert stop.value.code == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return text


def test_the_parts_add_up_and_the_rates_follow():
    found = document(*SMALL, "--tp", "2", "--pp", "2", "--micro-batch", "1", "--global-batch", "32", "--tokens", "300B")
    assert math.isclose(sum(found["parts"].values()), found["iteration_time"], rel_tol=1e-12)
    tokens = 32 * found["sequence"] / found["iteration_time"]
    assert math.isclose(found["tokens_per_second"], tokens, rel_tol=1e-12)
    assert math.isclose(found["training"]["seconds"], 300e9 / tokens, rel_tol=1e-12)
    assert math.isclose(found["mfu"], found["model_flops_per_gpu"] / 312e12, rel_tol=1e-12)
    assert found["layout"]["dp"] == 2
    assert [row["rank"] for row in found["memory"]] == [0, 1]


def test_memory_by_kind_adds_up_to_what_is_allocated():
    found = document(*SMALL, "--tp", "1", "--pp", "4", "--recompute")
    assert found["layout"]["recompute"] == "full"
    for row in found["memory"]:
        kinds = [v for name, v in row.items() if name not in {"rank", "parameters", "allocated", "reserved"}]
        assert math.isclose(sum(kinds), row["allocated"], rel_tol=1e-12)
        own = [each["activations"] for each in found["activations"] if each["rank"] == row["rank"]]
        assert math.isclose(sum(own), row["activations"], rel_tol=1e-12)


def test_what_is_not_given_is_chosen_and_said():
    text = invoke(*SMALL)
    assert "what was not given is chosen: the fastest that fits of" in text
    assert document(*SMALL)["fits"]


def test_out_of_memory_is_a_result():
    text = invoke("llama-2-70b", "--gpus", "8", "--device", "v100-32gb")
    assert "OUT OF MEMORY: rank 0 needs" in text


def test_it_runs_again_from_its_own_inputs():
    result = simcore.iteration("gpt-1.3b", gpus=8, device="a100-80gb", global_batch=32, tokens="300B")
    again = simcore.iteration(**result.provenance.inputs)
    assert again.evaluation.layout == result.evaluation.layout
    assert again.time == result.time


def test_files_and_figures(tmp_path):
    directory = tmp_path / "out"
    invoke(*SMALL, "--tp", "2", "--pp", "4", "--order", "zero-bubble", "--global-batch", "16", "-o", str(directory))
    assert {path.name for path in directory.iterdir()} >= {
        "train.json", "train.png", "stages.png", "parts.csv", "memory.csv", "activations.csv", "timeline.json",
    }  # fmt: skip
    events = json.loads((directory / "timeline.json").read_text())["traceEvents"]
    assert {event["name"] for event in events if event["ph"] == "X"} >= {"forward", "input gradient", "weight gradient"}


@pytest.mark.parametrize("order", ["GPipe", "1F1B", "looped", "interleaved", "zero-bubble", "ZBV", "DualPipeV"])
def test_every_order_runs(order):
    chunks = {"looped": "3", "interleaved": "3", "ZBV": "2", "DualPipeV": "2"}.get(order, "1")
    found = document(*SMALL, "--tp", "2", "--pp", "4", "--vp", chunks, "--order", order, "--global-batch", "16",
                     "--micro-batch", "1")  # fmt: skip
    assert found["parts"]["pipeline bubble"] >= 0


def test_bare_recompute_stands_before_a_model_too():
    assert document("--recompute", *SMALL)["layout"]["recompute"] == "full"
    assert document("--recompute", "none", *SMALL)["layout"]["recompute"] == "none"


def test_experts_in_fp8_with_uneven_load():
    args = ("mixtral-8x7b", "--gpus", "64", "--device", "h100", "--tp", "2", "--pp", "4", "--ep", "8", "--zero", "1")
    even = document(*args, "--precision", "fp8")
    uneven = document(*args, "--precision", "fp8", "--expert-load", "3,1,1,1,1,1,1,1")
    assert uneven["iteration_time"] > even["iteration_time"]
    assert even["iteration_time"] < document(*args)["iteration_time"]


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (("llama-2-7b", "--device", "h100"), ("--gpus", "nothing", "Add --gpus 64")),
        (("llama-2-7b", "--gpus", "8"), ("--device", "nothing", "Add --device h100")),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--tp", "3"), ("--tp", "3", "divisor of 8", "2 or 4")),
        (("gpt-1.3b", "--gpus", "48", "--device", "h100", "--tp", "3"), ("--tp", "3", "divisor", "nearest")),
        (("llama-2-7b", "--gpus", "12", "--device", "h100"), ("--gpus", "12", "8 or 16")),
        (("llama-2-7b", "--gpus", "8", "--device", "v100-32gb", "--precision", "bf16"), ("bf16", "fp16")),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--ep", "2"), ("--ep", "without experts")),
        (("resnet50", "--gpus", "8", "--device", "h100"), ("MODEL", "list of layers", "simcore rates")),
        (
            ("llama-2-7b", "--gpus", "8", "--device", "h100", "--tp", "1", "--pp", "1", "--micro-batch", "3"),
            ("--global-batch", "nearest"),
        ),
        (
            ("llama-2-7b", "--gpus", "8", "--device", "h100", "--tp", "1", "--pp", "8", "--vp", "3"),
            ("--vp", "32 blocks", "nearest"),
        ),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--schedule", "themis"), ("--schedule", "a model on GPUs")),
        (("4D", "325", "1T", "--tokens", "2T"), ("--tokens", "a workload on a network")),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--tokens", "many"), ("--tokens", "300B")),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--fsdp", "--zero", "1"), ("--fsdp", "one of the two")),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--stage-layers", "1,x"), ("--stage-layers", "1,x")),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--recompute", "some"), ("MODEL",)),
    ],
)
def test_refusals(capsys, args, parts):
    text = refusal(capsys, *args)
    for part in parts:
        assert part in text, text
