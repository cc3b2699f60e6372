"""``simcore train MODEL``: a training iteration on GPUs."""

from __future__ import annotations

import json
import math

import pytest
import simcore
from click.testing import CliRunner
from simcore.cli.main import run
from simcore.cli.train import command
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.training.parallel.evaluation import Evaluator, Machine
from simcore.models.training.parallel.stack import Stack
from simcore.readers.models import read_model
from simcore.readers.profiles import read_gpu
from simcore.readers.stacks import stack_text

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
    assert "OUT OF MEMORY: pipeline rank 0 needs" in text


def test_it_runs_again_from_its_own_inputs():
    result = simcore.iteration("gpt-1.3b", gpus=8, device="a100-80gb", global_batch=32, tokens="300B")
    again = simcore.iteration(**result.provenance.inputs)
    assert again.evaluation.layout == result.evaluation.layout
    assert again.time == result.time


def test_it_runs_again_with_the_note_on_a_sequence_that_was_taken():
    result = simcore.iteration("mixtral-8x7b", gpus=8, device="h100", tp=1, pp=1, ep=8, micro_batch=1)
    assert any("32,768" in warning for warning in result.warnings)
    assert simcore.iteration(**result.provenance.inputs).to_json() == result.to_json()


def test_an_order_of_a_pipeline_has_one():
    result = simcore.iteration("gpt-1.3b", gpus=8, device="h100", order="zero-bubble", global_batch=32)
    assert result.evaluation.layout.pp > 1
    assert simcore.iteration(**result.provenance.inputs).to_json() == result.to_json()


def test_a_stack_of_another_device_is_named():
    result = simcore.iteration("gpt-1.3b", gpus=8, device="a100-80gb", stack="nemo-h100", tp=1, pp=1, micro_batch=1)
    assert any("measured on another device" in warning for warning in result.warnings)


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
        (("resnet50", "--gpus", "8", "--device", "h100", "--tp", "2"), ("--tp", "cuts no layer", "Leave --tp out")),
        (("resnet50", "--gpus", "8", "--device", "h100", "--sequence", "2"), ("--sequence", "models of tokens")),
        (
            ("llama-2-7b", "--gpus", "8", "--device", "h100", "--tp", "1", "--pp", "1", "--micro-batch", "3"),
            ("--global-batch", "nearest"),
        ),
        (
            ("llama-2-7b", "--gpus", "8", "--device", "h100", "--tp", "1", "--pp", "8", "--vp", "3"),
            ("--vp", "32 blocks", "nearest"),
        ),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--split", "optimal"), ("--split", "a model on GPUs")),
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


PLACED = (*SMALL, "--tp", "2", "--pp", "1", "--global-batch", "16")


def test_an_unknown_stack_is_refused_with_those_there_are(capsys):
    text = refusal(capsys, *PLACED, "--stack", "no-such-stack")
    assert "--stack" in text
    assert "usual" in text


@pytest.mark.parametrize("share", ["-1", "1", "nan", "inf", "some"])
def test_stragglers_are_a_share(capsys, share):
    assert "--stragglers" in refusal(capsys, *PLACED, "--stragglers", share)


def test_stragglers_add_to_the_iteration_and_none_add_nothing():
    calm, none, late = (document(*PLACED, *more) for more in ((), ("--stragglers", "0"), ("--stragglers", "0.02")))
    assert none["parts"] == calm["parts"]
    assert late["iteration_time"] > calm["iteration_time"]
    assert late["parts"].keys() - calm["parts"].keys() == {"stragglers"}


def test_terms_add_up_and_the_interval_is_the_stacks():
    found = document(*PLACED, "--stack", "usual")
    assert math.isclose(sum(found["terms"].values()), found["iteration_time"], rel_tol=1e-12)
    low, high = found["interval_90"]
    assert low / found["iteration_time"] == pytest.approx(found["stack"]["low"], rel=1e-12)
    assert high / found["iteration_time"] == pytest.approx(found["stack"]["high"], rel=1e-12)


def test_no_stack_is_the_machine_without_one():
    degrees = {"gpus": 8, "tp": 2, "pp": 1, "global_batch": 16, "sequence": 2048}
    network = "Switch(8)@25GB/s,2us"
    found = simcore.iteration("gpt-1.3b", device="a100-80gb", network=network, stack="none", **degrees)
    profile = read_gpu("a100-80gb").value
    topology = Topology("Switch(8)", (Dimension(Block.SWITCH, 8, latency=2e-6),))
    model = read_model("gpt-1.3b").value.architecture
    bare = Evaluator(model, 2048, Machine(profile, topology, (25e9,)))
    assert bare.evaluate(found.evaluation.layout).parts == found.evaluation.parts


def test_it_runs_again_with_a_file_of_a_stack(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(stack_text(Stack("mine", products=0.5, launch=1e-5, network=0.5)), encoding="utf-8")
    result = simcore.iteration("gpt-1.3b", gpus=8, device="a100-80gb", tp=2, pp=1, global_batch=16, stack=path)
    inputs = json.loads(result.to_json())["provenance"]["inputs"]
    assert "stack" in json.loads(result.to_json())["provenance"]["sha256"]
    assert simcore.iteration(**inputs).to_json() == result.to_json()


def test_collectives_beside_products_and_masks_are_options():
    apart, beside = (document(*PLACED, option) for option in ("--no-overlap-tensor", "--overlap-tensor"))
    assert beside["iteration_time"] < apart["iteration_time"]
    full, half = (document(*PLACED, "--causal", each) for each in ("full", "half"))
    assert half["iteration_time"] < full["iteration_time"]
