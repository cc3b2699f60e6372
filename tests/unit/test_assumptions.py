"""What nobody gave is said where a time stands: batch, rate, sequence, precision, and which part of a model it is."""

from __future__ import annotations

import json

import pytest
from simcore import evaluate, iteration, memory, model, optimize, schedule, search, share, train, tune
from simcore.errors import InputError
from simcore.readers.profiles import read_profile
from simcore.readers.workloads import read_workload

LINKS = "FC(8)@450GB/s,2us x Switch(8)@50GB/s,5us"
CONFIG = {"model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8,
          "intermediate_size": 1024, "vocab_size": 1000, "max_position_embeddings": 128}  # fmt: skip


def config(tmp_path, **fields):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(CONFIG | fields), encoding="utf-8")
    return path


def head(result):
    block = result.report()[0]
    return f"{block.text}\n{block.under}"


@pytest.mark.parametrize("name", ["17B", "175B", "1T"])
def test_the_bundled_workloads_are_two_blocks_wherever_their_time_stands(name):
    assert f"two blocks of {name}" in head(train("4D", "325", name, chunks=1))
    assert f"two blocks of {name}" in head(optimize("4D", "325", name))
    assert f"two blocks of {name}" in head(optimize("4D", "325", "Group"))
    assert f"two blocks of {name}" in head(model(name))


def test_evaluations_of_them_say_so():
    for target, small in (("network-fig12", True), ("network-table6", False)):
        assert any("two blocks each" in note for note in evaluate(target, small=small).notes)


def test_heads_of_workloads_say_what_runs():
    words = "14.5 billion parameters; 16 sequences of 1,024 tokens per replica, 128 in all; "
    words += "2 B per element at 65.97 TFLOP/s"
    assert words in head(train("4D", "325", "1T", chunks=1))
    assert words in head(optimize("4D", "325", "1T"))
    profiled = head(train("2D", "300", "bert-base", tp=1, batch=4, profile="v100-16gb", chunks=1))
    assert "per replica, 4,096 in all; fp32" in profiled
    assert "FLOP/s" not in profiled.split("fp32")[1].splitlines()[0]


def test_heads_of_layouts_say_what_runs():
    given = {"gpus": 8, "device": "v100-32gb", "global_batch": 16, "precision": "fp16"}
    for study in (iteration, memory, search):
        text = head(study("gpt-1.3b", **given))
        for part in ("1.316 billion parameters", "global batch 16", "2,048", "fp16"):
            assert part in text


def test_heads_of_searches_models_and_shared_networks_say_what_runs(tmp_path):
    given = {"gpus": 8, "device": "v100-32gb", "precision": "fp16"}
    scheduled = head(schedule("gpt-1.3b", steps="sdpa", batch=16, **given))
    for part in ("1.316 billion parameters", "batch 16", "2,048", "fp16"):
        assert part in scheduled
    tuned = head(tune("opt-350m", sequence=1024, most=1, **given))
    for part in ("331.2 million parameters", "1,024", "fp16"):
        assert part in tuned
    shown = head(model("gpt-1.3b", sequence=1024))
    for part in ("1.316 billion parameters", "sequence 1,024", "batch 1", "2 B each"):
        assert part in shown
    (tmp_path / "two.yaml").write_text("jobs:\n- {workload: 17B, tp: 4}\n- {workload: 17B, tp: 4}\n", encoding="utf-8")
    shared = head(share(tmp_path / "two.yaml", network="2D", budget="325"))
    words = "two blocks of 17B, TP 4 x DP 256; 434.7 million parameters; 32 sequences of 256 tokens per replica"
    for part in (words, "2 B per element at 65.97 TFLOP/s", "325 GB/s per NPU"):
        assert part in " ".join(shared.split())


def test_an_assumed_batch_or_rate_is_a_warning(tmp_path):
    path = config(tmp_path)
    for result in (
        train(LINKS, None, path, tp=8, chunks=1),
        optimize("2D", "300", path, tp=1),
    ):
        assert "a batch of 1 sequence per replica is assumed, as nobody gives one" in result.warnings
        assert any("65.97 TFLOP/s of an NPU are assumed" in each for each in result.warnings)
    given = train(LINKS, None, path, tp=8, chunks=1, batch=4, profile="v100-16gb")
    assert not any("assumed" in each for each in given.warnings)
    assert not any("assumed" in each for each in train("4D", "325", "1T", chunks=1).warnings)  # its file says both


def test_an_assumed_global_batch_is_a_warning_that_repeats():
    given = {"gpus": 8, "device": "v100-32gb"}
    for study in (iteration, memory, search, schedule):
        result = study("gpt-1.3b", **given)
        assert any("a global batch of 8 sequences is assumed" in each for each in result.warnings)
        again = study(**result.provenance.inputs)
        assert again.as_dict() == result.as_dict()
        batch = {"batch" if study is schedule else "global_batch": 8}
        assert not any("is assumed" in each for each in study("gpt-1.3b", **batch, **given).warnings)


def test_what_recomputation_is_stands_beside_both_numbers():
    assert "simcore train recomputes by default" in head(optimize("4D", "325", "1T"))
    assert "no compute (simcore train: both)" in head(optimize("4D", "325", "1T", recompute="full"))
    assert "simcore optimize: collectives alone" in head(train("4D", "325", "1T", chunks=1))
    assert "nothing is recomputed" in head(train("4D", "325", "1T", chunks=1, recompute="none"))


@pytest.mark.parametrize(("key", "word"), [("torch_dtype", "bfloat16"), ("dtype", "torch.bfloat16")])
def test_a_bfloat16_config_runs_in_bf16(tmp_path, key, word):
    profile = read_profile("a100-80gb", "profile").value
    assert {"fp16", "bf16"} <= set(profile.dtypes)
    path = config(tmp_path, **{key: word})
    times = read_workload(path, tp=1, dp=1, profile=profile).value.times
    assert times.dtype == "bf16"
    assert (
        read_workload(config(tmp_path, torch_dtype="float16"), tp=1, dp=1, profile=profile).value.times.dtype == "fp16"
    )
    lacking = read_profile("v100-16gb", "profile").value
    other = read_workload(config(tmp_path, torch_dtype="bfloat16"), tp=1, dp=1, profile=lacking).value.times
    assert other.dtype == "fp16"
    assert any("has no bf16, the model's number format: fp16 takes its place" in each for each in other.cautions)


def test_no_sequence_is_cut_into_micro_batches():
    llama = {"network": LINKS, "budget": None, "workload": "llama-2-70b", "tp": 8, "stages": 2, "chunks": 1}
    one = train(**llama, batch=1)
    assert one.pipeline.pipeline.micro_batches == 1
    assert one.time == pytest.approx(4.67, rel=5e-3)  # not a quarter of it
    assert train(**llama, batch=6).pipeline.pipeline.micro_batches == 6
    assert train(**llama, batch=16).pipeline.pipeline.micro_batches == 8  # four per stage
    with pytest.raises(InputError, match=r"micro_batches: found 4, expected a divisor of the batch, 6 .* are 3 or 6"):
        train(**llama, batch=6, micro_batches=4)
    with pytest.raises(InputError, match=r"micro_batches: found 8, .* The nearest is 1"):
        train(**llama, batch=1, micro_batches=8)


def test_a_data_sheet_is_an_estimate_and_no_bound():
    result = iteration("gpt-1.3b", gpus=8, device="h100", global_batch=64, stack="none")
    said = [*result.warnings, *result.sentences()]
    assert any("estimated from data-sheet peaks" in each for each in said)
    assert not any("lower bound" in each for each in said)


def test_a_time_below_the_bound_is_called_impossible(tmp_path):
    path = tmp_path / "exchange.txt"
    path.write_text("1\nmoe -1 10 ALLTOALL 67108864 10 NONE 0 10 NONE 0 10\n", encoding="utf-8")
    given = {"network": "Switch(8)@100GB/s", "budget": None, "workload": path, "tp": 8, "recompute": "none"}
    counted = train(**given, convention="astra-sim")
    assert counted.bound > counted.time
    assert "below what no schedule beats, which no network allows" in counted.sentences()[0]
    assert not any("no network allows" in each for each in train(**given).sentences())
