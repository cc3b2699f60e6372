"""``simcore search`` and ``simcore memory``."""

from __future__ import annotations

import json

import pytest
import simcore
from click.testing import CliRunner
from simcore.cli.main import run
from simcore.cli.memory import command as memory
from simcore.cli.search import command as search

SMALL = ("gpt-1.3b", "--gpus", "8", "--device", "v100-32gb", "--global-batch", "32")


def invoke(command, *args):
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_search_names_the_best_the_runners_up_and_why(tmp_path):
    text = invoke(search, *SMALL, "-o", str(tmp_path / "out"))
    assert text.startswith("gpt-1.3b, sequence 2,048, global batch 32, on 8 v100-32gb:")
    assert "best: " in text
    assert "Why" in text
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"search.json", "layouts.csv", "search.png"}
    found = json.loads((tmp_path / "out" / "search.json").read_text())
    assert found["best"]["iteration_time"] == found["listed"][0]["iteration_time"]
    assert found["tried"] == found["fits"] + found["misfits"] + sum(found["refused"].values())
    assert found["best"]["reserved"] <= found["capacity"]


def test_no_layout_that_fits_is_a_result():
    text = invoke(search, "llama-2-70b", "--gpus", "8", "--device", "v100-32gb", "--global-batch", "8")
    assert "OUT OF MEMORY: no layout fits" in text


def test_memory_says_what_makes_it_fit(tmp_path):
    args = ("llama-2-7b", "--gpus", "8", "--device", "v100-32gb", "--tp", "1", "--pp", "1", "--zero", "0")
    text = invoke(memory, *args, "-o", str(tmp_path / "out"))
    assert "OUT OF MEMORY: rank 0 needs" in text
    assert "What makes it fit at least cost in time: ZeRO" in text
    found = json.loads((tmp_path / "out" / "memory.json").read_text())
    assert not found["fits"]
    assert found["remedy"]["reserved"] <= found["capacity"]
    assert (tmp_path / "out" / "memory.png").exists()


def test_memory_of_a_model_that_needs_more_gpus():
    text = invoke(memory, "llama-2-70b", "--gpus", "8", "--device", "v100-32gb")
    assert "GPUs (TP" in text


def test_memory_runs_again_from_its_own_inputs():
    result = simcore.memory("gpt-1.3b", gpus=8, device="v100-32gb", tp=2)
    assert simcore.memory(**result.provenance.inputs).evaluation.memory == result.evaluation.memory


@pytest.mark.parametrize("name", ["memory", "search"])
@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--tp", "5"), ("--tp", "divisor of 8 GPUs", "4 or 8")),
        (("gpt-2.7b", "--gpus", "24", "--device", "h100", "--tp", "24"), ("--tp", "24", "nearest")),
        (("llama-2-7b", "--gpus", "8", "--device", "t4"), ("--network", "t4", "dgx-h100")),
        (("llama-2-7b", "--gpus", "8", "--device", "v100-32gb", "--precision", "fp8"), ("fp8", "fp16")),
        (
            ("mixtral-8x7b", "--gpus", "8", "--device", "h100", "--ep", "3", "--tp", "1", "--pp", "1"),
            ("--ep", "3", "8", "nearest"),
        ),
        (("llama-2-7b", "--gpus", "8", "--device", "h100", "--pp", "3"), ("--pp", "divisor of 8")),
    ],
)
def test_refusals(capsys, name, args, parts):
    with pytest.raises(SystemExit) as stop:
        run([name, *args])
    text = capsys.readouterr().err
    assert stop.value.code == 2, text
    assert text.count("\n") == 1
    for part in parts:
        assert part in text, text
