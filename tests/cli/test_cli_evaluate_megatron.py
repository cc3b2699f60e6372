"""``simcore evaluate megatron-selene``."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner
from simcore import evaluate, iteration
from simcore.cli.main import main
from simcore.readers.references import read_references


def asked(*arguments):
    return CliRunner().invoke(main, ["evaluate", "megatron-selene", *arguments])


@pytest.fixture(scope="module")
def table():
    return evaluate("megatron-selene").tables()["megatron_selene"]


def test_the_table_is_written(tmp_path):
    assert asked("-o", str(tmp_path / "out")).exit_code == 0
    with (tmp_path / "out" / "megatron_selene.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["model", "recompute", "predicted_s", "measured_s", "fitted"]
    assert [(row["model"], row["recompute"]) for row in rows] == [
        (model, recompute)
        for model in ("megatron-22B", "gpt3-175B", "turing-530B", "megatron-1T")
        for recompute in ("full", "seqsel")
    ]
    assert [row["measured_s"] for row in rows] == ["1.42", "1.1", "", "", "49.05", "37.83", "", ""]
    assert all(row["fitted"] == str(bool(row["measured_s"])) for row in rows)  # fitted where the zoo has a time
    assert all(float(row["predicted_s"]) > 0 for row in rows)


def test_facts_are_those_of_the_table_beside_the_checkout(shared):
    with (shared / "data/network/megatron_selene.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    ours = read_references("megatron-selene").value.iterations
    for row, one in zip(rows, ours, strict=True):
        told = (row["model"], row["recompute"], *(int(row[name]) for name in (
            "tensor_parallel", "pipeline_parallel", "interleave", "data_parallel", "batch", "microbatch", "gpus"
        )))  # fmt: skip
        gpus = one.tp * one.pp * one.dp
        assert told == (
            one.name, one.recompute, one.tp, one.pp, one.vp, one.dp, one.global_batch, one.micro_batch, gpus,
        )  # fmt: skip
        assert one.time == (None if row["measured_iteration_s"] == "not given" else float(row["measured_iteration_s"]))


@pytest.mark.parametrize(
    ("at", "model", "degrees"),
    [
        (1, "megatron-22b", {"gpus": 8, "tp": 8, "pp": 1, "global_batch": 4, "micro_batch": 4}),
        (7, "megatron-1t", {"gpus": 512, "tp": 8, "pp": 64, "global_batch": 512, "micro_batch": 1}),
    ],
)
def test_predictions_are_those_of_the_same_iteration_by_hand(table, at, model, degrees):
    found = iteration(
        model, device="a100-80gb", network="selene", precision="fp16", attention="eager", recompute="selective",
        sequence_parallel=True, zero=0, stack="megatron-lm-selene-a100-80gb", **degrees,
    )  # fmt: skip
    assert table[at]["predicted"] == found.time


def test_recomputation_of_all_takes_longer_than_of_the_core_of_attention(table):
    seconds = table.column("predicted")
    assert all(full > 1.2 * core for full, core in zip(seconds[::2], seconds[1::2], strict=True))


def test_a_report_has_errors_where_something_was_measured():
    text = asked().stdout
    assert text.count("%  yes") == 4
    assert "No constant is fitted" not in text
    assert "Of 4 rows with a time" in text


def test_json_says_what_it_is_made_of():
    found = json.loads(asked("--json").stdout)
    assert found["settings"]["network"] == "selene"
    assert len(found["megatron_selene"]) == 8
    assert {name.split("/")[0] for name in found["provenance"]["sha256"]} == {
        "references", "models", "devices", "networks", "stacks",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "message"), [("--small", "--small: found megatron-selene"), ("--resolve", "--resolve: found megatron")]
)
def test_what_it_has_no_use_for_is_refused(option, message):
    assert str(asked(option).exception).startswith(message)
