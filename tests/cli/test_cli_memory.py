"""``simcore memory``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from simcore.models.compute.profile import content_hash
from simcore.outputs import LISTING

from tests.cli.commands import printed, refused

GPT = ("memory", "gpt-1.3b", "--gpus", "8", "--device", "v100-32gb", "--precision", "fp16")
LARGE = (*GPT, "--tp", "1", "--pp", "1", "--micro-batch", "8", "--global-batch", "128", "--recompute", "none")
LLAMA = ("memory", "llama-2-70b", "--gpus", "64", "--device", "h100")


def test_a_fit_is_said_with_its_kinds_and_what_was_chosen():
    text = printed(*GPT)
    assert text.startswith("fits, ")
    assert "gpt-1.3b on 8 GPUs v100-32gb, sequences of 2,048 tokens" in text
    assert "Chosen, not given: TP, CP, PP, VP, EP, DP, micro-batch, recompute, ZeRO." in text
    for kind in ("weights", "gradients", "optimizer", "activations", "logits", "workspace", "allocated", "reserved"):
        assert f"\n{kind} " in text
    assert "block.feed_forward.down" in text
    assert "These three are assumed, not measured." in text
    assert "Cheapest" not in text


def test_out_of_memory_is_a_result_that_names_rank_and_gib_and_what_helps():
    text = " ".join(printed(*LARGE).split())
    assert text.startswith("out of memory, rank 0 of pipeline stage 0 needs ")
    assert " of 31.68 GiB: gpt-1.3b on 8 GPUs" in text
    assert "Cheapest change that fits: micro-batches of 4. The worst rank then needs " in text
    assert "and an iteration takes" in text


def test_the_worst_stage_is_named_by_its_first_gpu():
    known = json.loads(printed(*LARGE[:-6], "--pp", "4", "--tp", "2", "--global-batch", "64", "--stage-layers",
                               "2,2,10,10", "--json"))  # fmt: skip
    assert known["worst"]["gpu"] == 2 * known["worst"]["rank"]
    assert known["worst"]["reserved"] == max(row["reserved"] for row in known["ranks"])


def test_json_has_the_numbers():
    known = json.loads(printed(*LARGE, "--json"))
    assert known["fits"] is False
    assert known["worst"]["reserved"] > known["capacity"] >= known["change"]["reserved"]
    assert known["change"]["layout"]["micro_batch"] == 4
    assert known["layout"]["precision"] == "fp16"
    (row,) = known["ranks"]
    kinds = [value for name, value in row.items() if name not in {"rank", "allocated", "reserved", "capacity"}]
    assert sum(kinds) == pytest.approx(row["allocated"], rel=1e-12)
    assert sum(known["operators"].values()) == pytest.approx(row["activations"], rel=1e-12)


def test_a_folder_has_tables_and_a_figure(tmp_path):
    printed(*GPT, "-o", str(tmp_path / "out"))
    names = {"memory.json", "contents.json", "ranks.csv", "operators.csv", "memory.png", "memory.pdf", LISTING}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    header = (tmp_path / "out" / "ranks.csv").read_text().splitlines()[0]
    assert header.startswith("rank,weights_B,gradients_B,optimizer_B,activations_B,logits_B,")


def test_a_network_is_not_needed():
    text = printed("memory", "bert-base", "--gpus", "4", "--device", "t4", "--precision", "fp16")
    assert "no usual one of t4 is known: no time is said." in " ".join(text.split())


def test_how_many_operators_are_listed():
    text = printed(*GPT, "--top", "2")
    assert "others" in text
    assert len([line for line in text.splitlines() if line.startswith("block.")]) == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--tp", "16", "--pp", "1"), "--tp: found 16, expected a divisor of the 8 heads of K and V. The nearest"),
        (("--tp", "3"), "--tp: found 3, expected a divisor of 64 GPUs. The nearest that do are 2 or 4."),
        (("--tp", "8", "--pp", "3"), "--tp, --pp: found 8 x 3 = 24, expected a divisor of 64 GPUs. The nearest"),
        (("--tp", "1", "--pp", "32", "--vp", "2"), "--vp: found PP 32 x VP 2, expected model chunks of as many"),
        (("--vp", "3"), "--vp: found 3, expected with some PP"),
        (("--ep", "2"), "--ep: found 2 for llama-2-70b, a model without experts, expected 1. Leave --ep out."),
        (("--tp", "8", "--pp", "2", "--dp", "8"), "--dp: found 8 with TP x CP x PP = 16 on 64 GPUs, expected 4."),
        (("--dp", "5"), "--dp: found 5, expected a divisor of 64 GPUs. The nearest that do are 4 or 8."),
        (("--tp", "8", "--pp", "2", "--micro-batch", "3", "--global-batch", "512"), "The nearest are 504 or 516;"),
        (("--micro-batch", "3", "--global-batch", "512"), "--global-batch: found 512 with micro-batches of 3"),
        (("--zero", "4"), "--zero: found 4, expected a whole number from 0 to 3."),
        (("--precision", "fp8", "--device", "a100-80gb"), "--precision: found 'fp8', expected one that a100-80gb has"),
        (("--tp", "0"), "--tp: found 0, expected a whole number of at least 1."),
    ],
)
def test_what_does_not_divide_is_refused_with_the_nearest_that_does(capsys, args, message):
    assert message in refused(capsys, *LLAMA, *args)


def test_degrees_of_experts_divide_them(capsys):
    err = refused(capsys, "memory", "mixtral-8x7b", "--gpus", "64", "--device", "h100", "--ep", "3")
    assert "--ep: found 3, expected a divisor of the 8 experts. The nearest that divide all it must are 2 or 4." in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("memory",), "arguments: found none, expected 1: MODEL."),
        (("memory", "gpt-1.3b", "--device", "h100"), "--gpus: found nothing"),
        (("memory", "gpt-1.3b", "--gpus", "8"), "--device: found nothing"),
        (
            ("memory", "llama-2-7b", "--gpus", "64", "--device", "h100", "--pp", "64"),
            "--pp: found 64, expected at most one",
        ),
        (("memory", "resnet50", "--gpus", "8", "--device", "h100", "--cp", "2"), "whose layers have no sequence"),
        (("memory", "resnet50", "--gpus", "8", "--device", "h100", "--tp", "2"), "whose file cuts no layer"),
        (("memory", "gpt-1.3b", "--gpus", "8", "--device", "h1000"), "Did you mean 'h100'?"),
        (
            (*GPT[:-2], "--precision", "bf16"),
            "--precision: found 'bf16', expected one that v100-32gb has: fp32, fp16. Add --precision fp16.",
        ),
    ],
)
def test_what_is_missing_is_asked_for(capsys, args, message):
    assert message in refused(capsys, *args)


def test_a_device_without_the_size_of_its_memory_is_refused(capsys, tmp_path):
    profile = json.loads((resources.files("simcore") / "zoo" / "profiles" / "v100-32gb.json").read_text())
    del profile["device"]["memory_B"]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**profile, "sha256": content_hash(profile)}))
    err = refused(capsys, "memory", "gpt-1.3b", "--gpus", "8", "--device", str(path), "--precision", "fp16")
    assert "device.memory_B" in err
    assert "found nothing" in err
