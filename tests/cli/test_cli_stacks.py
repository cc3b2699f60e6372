"""Stacks on the command line: fitted by ``simcore validate --add``, taken by ``simcore train --stack``."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest
from click.testing import CliRunner
from simcore import iteration
from simcore.cli.main import main, run
from simcore.readers.stacks import read_stack
from simcore.studies.validate.columns import ITERATIONS

from tests.measured import table

ROW = {
    "row_id": "one", "source": "mine", "model": "toy", "layers": "8", "hidden": "2048", "heads": "16",
    "seq_len": "2048",
    "device": "h100", "gpus": "8", "precision": "bf16", "tp": "2", "global_batch": "32", "micro_batch": "2",
    "iteration_s": "0.5", "kind": "pretrain", "framework": "my trainer",
}  # fmt: skip

LAYOUT = [
    *("gpt-1.3b", "--gpus", "8", "--device", "h100", "--tp", "2", "--pp", "1", "--micro-batch", "1"),
    *("--recompute", "none", "--zero", "1", "--sequence", "1024"),
]


def asked(*arguments):
    found = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert found.exit_code == 0, found.stderr
    return found.stdout


def trained(*arguments):
    return json.loads(asked("train", *LAYOUT, *arguments, "--json"))


def refusal(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        run(list(map(str, arguments)))
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.fixture
def file(tmp_path):
    return lambda *rows: table(tmp_path / "mine.csv", rows)


def test_rows_beside_their_predictions(file, tmp_path):
    path = file(ROW, ROW | {"row_id": "two", "tp": "3"}, ROW | {"row_id": "three", "device": "abacus"})
    told = json.loads(asked("validate", "--rows", path, "--json", "-o", tmp_path / "out"))
    (one,) = [each for each in told["sources"] if each["device"] == "h100"]
    assert (one["source"], one["rows"], one["expressed"]) == ("mine", 2, 1)
    found = {}
    for each in (tmp_path / "out").glob("*.csv"):
        with each.open(encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream))
        if lines and "why_not" in lines[0] and "row_id" in lines[0]:
            found = {line["row_id"]: line for line in lines}
    assert "do not divide" in found["two"]["why_not"]
    assert "not in the zoo" in found["three"]["why_not"]
    assert float(found["one"]["low"]) < float(found["one"]["predicted"]) < float(found["one"]["high"])


def test_a_stack_of_ones_own_rows_is_taken_by_train(file, tmp_path):
    path = file(ROW, ROW | {"row_id": "two", "tp": "4", "iteration_s": "0.6"})
    asked("validate", "--add", path, "-o", tmp_path / "out")
    written = tmp_path / "out" / "stack.yaml"
    stack = read_stack(str(written)).value
    assert (stack.rows, stack.fitted) == (2, frozenset({"one", "two"}))
    found = trained("--stack", written)
    low, high = found["interval_90"]
    assert low < high
    again = iteration(**found["provenance"]["inputs"])
    assert json.loads(again.to_json()) == found
    assert found["provenance"]["sha256"]["stack"] == hashlib.sha256(written.read_bytes()).hexdigest()


def test_an_unknown_stack_is_refused_with_those_there_are(capsys):
    told = refusal(capsys, "train", *LAYOUT, "--stack", "nemo-h10")
    assert "--stack: found 'nemo-h10'" in told
    assert "usual" in told


def test_a_broken_stack_is_refused_naming_file_and_field(capsys, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("description: d\nsource: s\nproducts: fast\n", encoding="utf-8")
    told = refusal(capsys, "train", *LAYOUT, "--stack", file)
    assert "mine.yaml" in told
    assert "products" in told


@pytest.mark.parametrize("spread", ["-1", "1", "nan", "inf", "many"])
def test_a_spread_that_is_no_share_is_refused(capsys, spread):
    assert "--stragglers" in refusal(capsys, "train", *LAYOUT, "--stragglers", spread)


def test_stragglers_and_stacks_change_the_time():
    bare, late, usual = (trained(*more) for more in (
        ["--stack", "none"], ["--stack", "none", "--stragglers", "0.01"], ["--stack", "usual"],
    ))  # fmt: skip
    assert bare["stack"] is None
    assert bare["interval_90"][0] < bare["interval_90"][1]
    assert bare["interval_rests_on"].keys() == bare["terms"].keys()
    assert set(usual["interval_rests_on"]) == {"iteration"}
    assert "fitted constants" not in bare["terms"]
    assert late["iteration_time"] > bare["iteration_time"]
    assert usual["iteration_time"] > bare["iteration_time"]
    assert sum(usual["terms"].values()) == pytest.approx(usual["iteration_time"], rel=1e-12)


def test_without_a_stack_the_report_has_no_interval():
    assert "90 %" in asked("train", *LAYOUT)
    bare = " ".join(asked("train", *LAYOUT, "--stack", "none").split())
    assert "90 % of measured iterations" in bare
    assert "The interval rests on kernels from data sheets: 1,460 public iterations" in bare


def test_a_file_of_rows_that_says_nothing_is_refused(capsys, file):
    told = refusal(capsys, "validate", "--add", file(ROW | {"tp": "3"}))
    assert "no row that can be expressed" in told


@pytest.mark.parametrize("lacking", ["device", "tp"])
def test_a_column_that_is_missing_is_refused(capsys, tmp_path, lacking):
    columns = [name for name in ITERATIONS if name != lacking]
    path = table(tmp_path / "mine.csv", [{name: ROW.get(name, "") for name in columns}], columns)
    assert f"no column '{lacking}'" in refusal(capsys, "validate", "--rows", path)
