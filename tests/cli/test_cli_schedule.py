"""``simcore schedule``, and schedules in other commands: what they print and write, and what they refuse."""

from __future__ import annotations

import json

import pytest
import simcore

from tests.cli.commands import printed, refused

GPT = ("schedule", "gpt-1.3b", "--gpus", "8", "--device", "v100-32gb", "--sequence", "1024")
STEPS = ("--steps", "sdpa,fuse_bias_gelu,checkpoint=0.25")


@pytest.mark.parametrize("parallel", ["tp=8", "zero3", "pp=2,tp=4", "dp"])
def test_a_row_for_each_step(parallel):
    found = json.loads(printed(*GPT, *STEPS, "--parallel", parallel, "--json"))
    rows = found["steps"]
    assert [row["step"] for row in rows] == ["unscheduled", "sdpa", "fuse_bias_gelu", "checkpoint=0.25"]
    for row in rows:
        assert sum(row["parts"].values()) == pytest.approx(row["seconds"], rel=1e-12)
        assert sum(row["memory"].values()) == pytest.approx(row["allocated"], rel=1e-12)
    assert rows[1]["seconds"] < rows[0]["seconds"]
    assert rows[3]["parts"]["recompute"] > 0
    assert rows[3]["allocated"] < rows[2]["allocated"]


def test_the_largest_batch_fits_and_one_more_does_not():
    found = json.loads(printed(*GPT, *STEPS, "--parallel", "tp=8", "--batch", "max", "--json"))
    for count, row in enumerate(found["steps"]):
        batch = row["layout"]["global_batch"]
        steps = ",".join(["sdpa", "fuse_bias_gelu", "checkpoint=0.25"][:count])
        fits = [
            json.loads(printed(*GPT, "--steps", steps, "--parallel", "tp=8", "--batch", str(each), "--json"))
            ["steps"][-1]["fits"] for each in (batch, batch + 1)
        ]  # fmt: skip
        assert fits == [True, False]


def test_what_is_written_is_taken_by_other_commands(tmp_path):
    printed(*GPT, *STEPS, "--parallel", "tp=8", "--batch", "8", "-o", str(tmp_path / "made"))
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert names >= {"schedule.yaml", "schedule.json", "steps.csv", "schedule.png", "schedule.pdf"}
    schedule = str(tmp_path / "made" / "schedule.yaml")
    last = json.loads((tmp_path / "made" / "schedule.json").read_text())["steps"][-1]
    model = ("gpt-1.3b", "--gpus", "8", "--device", "v100-32gb", "--sequence", "1024", "--precision", "fp16")
    layout = ("--tp", "8", "--pp", "1", "--global-batch", "8", "--micro-batch", "8", "--stack", "none", "--zero", "0",
              "--no-sequence-parallel")  # fmt: skip
    trained = json.loads(printed("train", *model, *layout, "--schedule", schedule, "--json"))
    assert trained["iteration_time"] == pytest.approx(last["seconds"], rel=1e-12)
    kept = json.loads(printed("memory", *model, *layout, "--schedule", schedule, "--json"))
    assert kept["worst"]["allocated"] == pytest.approx(last["allocated"], rel=1e-12)


def test_optimize_plans_for_a_schedule(tmp_path):
    path = tmp_path / "schedule.yaml"
    path.write_text("steps: [block.*.attention: sdpa, checkpoint: 1]\n")
    given = ("optimize", "2D", "300", "gpt-1.3b", "--device", "v100-32gb", "--tp", "2", "--pp", "1", "--micro-batch",
             "1", "--json")  # fmt: skip
    times = [json.loads(printed(*given, *more))["iteration_time"]
             for more in ((), ("--schedule", str(path)))]  # fmt: skip
    assert times[1] > times[0]


def test_a_collective_has_its_own_schedules():
    assert "themis" in printed("train", "2D", "300", "17B", "--schedule", "themis")


@pytest.mark.parametrize(("more", "said"), [
    (("--steps", "sdpaa"), "sdpa"), (("--steps", "block.*.atention:sdpa"), "Did you mean block.*.attention?"),
    (("--steps", "checkpoint=1.5"), "from 0 to 1"), (("--parallel", "tp=3"), "--parallel"),
    (("--parallel", "tp=2,tp=4"), "--parallel"), (("--parallel", "pp=two"), "--parallel"),
    (("--batch", "many"), "--batch"), (("--batch", "0"), "--batch"), (("--batch", "9"), "8 or 16"),
    (("--steps", "sdpa", "--schedule", "slapo-bert"), "one of the two"), (("--schedule", "slapo-brt"), "slapo-bert"),
    (("--parallel", "pp=2", "--steps", "cut=3+21+3"), "2 stages of 24"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(capsys, more, said):
    assert said in refused(capsys, *GPT, *more)


WIDE = ("schedule", "wideresnet-2.4b", "--gpus", "8", "--device", "v100-32gb")


def test_a_list_of_layers_has_schedules_too():
    given = (*WIDE, "--parallel", "tp=8", "--schedule", "slapo-wideresnet", "--batch", "16", "--json")
    whole, cut = json.loads(printed(*given))["steps"]
    assert cut["samples_per_second"] > whole["samples_per_second"]
    assert cut["parts"]["tensor-parallel"] > 0 == whole["parts"]["tensor-parallel"]
    layered = ("wideresnet-2.4b", "--gpus", "8", "--device", "v100-32gb", "--precision", "fp16", "--zero", "0")
    kept = json.loads(printed("memory", *layered, "--tp", "8", "--global-batch", "16", "--micro-batch", "16", "--json"))
    assert kept["worst"]["allocated"] == pytest.approx(cut["allocated"], rel=1e-12)


def test_blocks_of_a_list_of_layers_are_recomputed_and_their_kernels_fused():
    given = (*WIDE, "--parallel", "zero3", "--batch", "256", "--steps", "checkpoint=0.5,fuse", "--json")
    none, half, fused = json.loads(printed(*given))["steps"]
    assert half["allocated"] < none["allocated"]
    assert 0 < half["parts"]["recompute"] < half["parts"]["forward"]
    assert fused["parts"]["forward"] < half["parts"]["forward"]


@pytest.mark.parametrize(("more", "said"), [
    (("--parallel", "pp=2"), "whose layers have no stages that send one size"),
    (("--sequence", "8"), "models of tokens alone"), (("--encoder-sequence", "8"), "has no encoder"),
    (("--steps", "sdpa"), "there are no scores"), (("--steps", "fuse_bias_gelu"), "has no feed-forward network"),
    (("--parallel", "tp=3"), "degrees whose product divides"),
    (("--parallel", "tp=8", "--steps", "*.*.conv1:shard,sync"), "Add layer1.*.bn1: shard"),
])  # fmt: skip
def test_what_a_list_of_layers_does_not_have_is_refused(capsys, more, said):
    assert said in refused(capsys, *WIDE, *more)


def test_gelu_is_not_fused_in_opt_whose_activation_is_relu(capsys):
    given = ("schedule", "opt-2.7b", "--gpus", "8", "--device", "v100-32gb", "--parallel", "tp=8", "--steps")
    assert "the activation of opt-2.7b is relu: fuse_bias_activation" in refused(capsys, *given, "fuse_bias_gelu")


@pytest.mark.parametrize("schedule", ["half.yaml", "slapo-gpt"])
def test_steps_of_training_are_no_order_of_dimensions(capsys, schedule):
    given = refused(capsys, "train", "2D", "300", "gpt-1.3b", "--tp", "8", "--schedule", schedule)
    assert "steps of training" in given
    assert f"simcore train NETWORK BUDGET gpt-1.3b --device NAME --schedule {schedule}" in given


@pytest.mark.parametrize(
    "given",
    [("train", "4D", "325", "175B"), ("optimize", "4D", "325", "175B"), ("search", "175B", "--gpus", "8"),
     ("memory", "175B", "--gpus", "8")],
    ids=lambda given: given[0],
)  # fmt: skip
def test_a_schedule_that_no_layout_can_have_says_which_step(capsys, given):
    """The model 175B is its blocks alone, without the embedding that the schedule of BERT shards."""
    said = refused(capsys, *given, "--device", "h100", "--schedule", "slapo-bert")
    assert "schedule 'slapo-bert': found 'embedding' of shard, expected the path of a module. There are block.*" in said


def test_train_takes_a_schedule_on_a_network_with_a_budget():
    given = ("--device", "v100-32gb", "--tp", "8", "--schedule", "slapo-gpt", "--json")
    split = json.loads(printed("train", "2D", "300", "gpt-1.3b", *given))
    text = "Ring(8)@150GB/s,1ns x Switch(128)@150GB/s,1ns"
    assert split == json.loads(printed("train", "gpt-1.3b", "--gpus", "1024", "--network", text, *given))


def test_a_decoder_reads_other_tokens_than_its_encoder():
    given = ("schedule", "t5-3b", "--gpus", "8", "--device", "v100-32gb", "--parallel", "tp=8", "--json")
    lengths = ("--sequence", "512"), ("--sequence", "512", "--encoder-sequence", "1024"), ("--sequence", "1024")
    held = [json.loads(printed(*given, *more))["steps"][-1]["memory"]["activations"] for more in lengths]
    assert held[0] < held[1] < held[2]


def test_a_result_is_made_again_from_its_provenance():
    result = simcore.schedule("gpt-1.3b", gpus=8, device="v100-32gb", steps="sdpa", parallel="tp=8", batch="max")
    assert simcore.schedule(**result.provenance.inputs).to_json() == result.to_json()


def test_schedules_of_the_zoo_fit_their_models():
    for name in ("bert", "t5", "llama"):
        model = {"bert": "bert-xlarge", "t5": "t5-3b", "llama": "llama-7b"}[name]
        made = simcore.schedule(
            model, gpus=8, device="v100-32gb", schedule=f"slapo-{name}", parallel="tp=8", sequence=512
        )
        assert made.speedup > 2  # a whole model on every GPU, against one that is cut
