"""``simcore validate``: what it prints, and what it refuses."""

from __future__ import annotations

import csv
import json
import re

import pytest
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.readers.memory_files import OF_ITERATIONS

from tests.measured import LLAMA as MEASURED
from tests.measured import of_iterations, table

LLAMA = {
    "source": "mine: torchtitan", "model": "llama", "layers": "32", "hidden": "4096", "heads": "32", "kv_heads": "8",
    "ffn": "14336", "vocab": "128256", "seq_len": "8192", "device": "h100_80gb", "tp": "1", "pp": "1", "cp": "1",
    "dp": "8", "recompute": "selective", "micro_batch": "2", "global_batch": "16", "mem_gb": "80", "kind": "pretrain",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "rows.csv"
        lines = [",".join(OF_ITERATIONS), *(",".join(row.get(name, "") for name in OF_ITERATIONS) for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


def asked(*arguments):
    return CliRunner().invoke(main, ["validate", *arguments])


def test_a_report_has_a_table_of_sources_and_of_reasons(file):
    text = asked("--memory", file(LLAMA, {**LLAMA, "source": "other"})).stdout
    assert "rows.csv: 1 of 2 measured rows expressed" in text
    assert "mine: torchtitan 1 1" in " ".join(text.split())
    assert "the layout is not in the row" in text


def test_numbers_are_fractions(file):
    told = json.loads(asked("--memory", file(LLAMA), "--json").stdout)
    (one,) = told["sources"]
    assert one == {**one, "source": "mine: torchtitan", "rows": 1, "expressed": 1}
    assert one["mape"] == one["median"] == one["p90"] == abs(one["bias"]) < 0.05


def test_a_run_out_of_memory_has_no_peak(file):
    told = json.loads(
        asked("--memory", file({**LLAMA, "mem_gb": "", "kind": "OOM", "micro_batch": "8"}), "--json").stdout
    )
    assert told["sources"] == []
    assert told["out_of_memory"] == [
        {"source": "mine: torchtitan", "ran_out": 1, "said_so": 1, "ran": 0, "said_they_would": 0}
    ]


def test_tables_go_to_a_directory(file, tmp_path):
    assert asked("--memory", file(LLAMA), "-o", str(tmp_path / "out")).exit_code == 0
    assert "mine: torchtitan,llama" in (tmp_path / "out" / "rows.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column 'source'"),
        ("", "an empty file"),
        (",".join(OF_ITERATIONS), "no row with measured memory"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    assert message in str(asked("--memory", str(path)).exception)


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Write rows of iterations, of which the model says 2.2 s, and is silent on those that run out of memory."""
    monkeypatch.setattr(
        "simcore.studies.validate.iterations.held_against_iterations",
        of_iterations(lambda row: {"why_not": "it runs out"} if row["kind"] == "OOM" else {"predicted": 2.2}),
    )
    return lambda *each: str(table(tmp_path / "iterations.csv", each))


def test_a_report_has_errors_noise_and_reasons(rows):
    again = {**MEASURED, "iteration_s": "3.0"}
    text = asked("--rows", rows(MEASURED, again, {**MEASURED, "kind": "OOM"}, {**MEASURED, "source": "b"})).stdout
    assert "iterations.csv: 3 of 4 measured rows expressed" in text
    assert re.search(r"mine: torchtitan +3 +2 +0 +18.3% +18.3% +26.7% +-8.3% +20.0%\n", text)
    assert re.search(r"all +4 +3 ", text)
    assert re.search(r"it runs out +1 +mine: torchtitan", text)
    assert "No constant was fitted to these rows." in text


def test_rows_of_a_report_fit_into_100_columns(rows):
    each = [{**MEASURED, "source": f"{'long ' * 20}{i}", "precision": f"fp{i} {'x' * 40}"} for i in range(3)]
    text = asked("--rows", rows(*each, *({**one, "device": "a100" * 9} for one in each))).stdout
    lines = [line for line in text.splitlines() if "+10.0%" in line]
    assert len(lines) == 3 + 1 + 6  # sources, all of them, groups
    assert max(map(len, lines)) <= 100


def test_errors_of_fitted_rows_and_published_noise_are_marked(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "simcore.studies.validate.iterations.held_against_iterations",
        of_iterations(lambda row: {"predicted": 2.2, "fitted": row["source"] == "b"}),
    )
    titan = {**MEASURED, "source": "pytorch/torchtitan@b5bcd76c"}
    text = asked("--rows", rows(titan, {**MEASURED, "source": "b"})).stdout
    assert re.search(r"torchtitan@b5bcd76c +1 +1 +0 +10.0% +10.0% +10.0% +\+10.0% +~10.0%\n", text)
    assert re.search(r"b +1 +1 +1 +10.0%\* +10.0%\* +10.0%\* +\+10.0%\*\n", text)
    assert "Constants were fitted to 1 of 1 row of b: errors leave them out where there are others." in text
    assert "Errors marked with * are of fitted rows." in text
    assert "torchtitan's benchmark pages: equal rows differ by 10 %" in text


def test_json_has_groups_with_their_words_unchanged(rows):
    found = json.loads(asked("--rows", rows(MEASURED), "--json").stdout)
    assert found["sources"] == [
        {
            "source": "mine: torchtitan", "device": "h100_80gb", "precision": "bf16", "kind": "pretrain", "rows": 1,
            "expressed": 1, "fitted": 0, "mape": pytest.approx(0.1), "median": pytest.approx(0.1),
            "p90": pytest.approx(0.1), "bias": pytest.approx(0.1), "noise": None, "covered_90": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "a.csv", "--memory", "b.csv"], "--memory: found --rows beside it, expected one file."),
        (["--rows", "nowhere.csv"], "nowhere.csv: found no such file"),
        (["--add", "a.csv", "--source", "b"], "--source: found --add beside it"),
    ],
)
def test_wrong_options_are_refused(arguments, message):
    refused = asked(*arguments).exception
    assert str(refused).startswith(message)
    assert refused.exit_code == 2


def test_an_unknown_source_is_refused(rows):
    refused = asked("--rows", rows(MEASURED), "--source", "bloom").exception
    assert str(refused) == "--source: found 'bloom', expected a part of one of mine: torchtitan."


def test_sources_are_listed_in_words_that_choose_them(rows):
    sources = ["VIA-Research/vTrain@f8dda847 (MICRO'24)", "bigscience-workshop/bigscience@9e64edec, and a long name"]
    path = rows(*({**MEASURED, "source": source} for source in sources))
    refused = str(asked("--rows", path, "--source", "nobody").exception)
    assert refused.endswith("one of VIA-Research/vTrain, bloom, bigscience-workshop/bigscience.")
    for word in ("VIA-Research/vTrain", "bloom", "bigscience-workshop/bigscience"):
        assert asked("--rows", path, "--source", word).exit_code == 0


OWN = {
    "row_id": "a", "source": "mine", "model": "llama-toy", "layers": "4", "hidden": "2048", "heads": "16",
    "ffn": "5504", "vocab": "32000", "seq_len": "1024", "device": "h100_80gb", "gpus": "8", "precision": "bf16",
    "tp": "2", "global_batch": "16", "micro_batch": "1", "iteration_s": "0.05", "framework": "own code",
    "kind": "pretrain",
}  # fmt: skip
"""A row that can be expressed."""


def test_every_row_of_the_directory_has_its_model_and_gpus(tmp_path):
    path = table(tmp_path / "rows.csv", [OWN, {**OWN, "row_id": "b", "params_b": "70"}])
    asked("--rows", str(path), "-o", str(tmp_path / "out"))
    with (tmp_path / "out" / "validate.csv").open(encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    assert (first["model"], first["gpus"], first["why_not"]) == ("llama-toy", "8", "")
    assert (second["model"], second["gpus"], second["predicted"]) == ("llama-toy", "8", "")
    assert "params_b is 70" in second["why_not"]


def test_rows_that_the_model_judges_itself(tmp_path):
    path = table(tmp_path / "rows.csv", [OWN, {**OWN, "row_id": "b", "tp": "3"}, {**OWN, "device": "abacus"}])
    done = asked("--rows", str(path), "--json", "-o", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    (one,) = [each for each in told["sources"] if each["device"] == "h100_80gb"]
    assert (one["rows"], one["expressed"], one["fitted"]) == (2, 1, 0)
    reasons = " ".join(each["reason"] for each in told["unexpressed"])
    assert "TP 3" in reasons
    assert "abacus" in reasons
    assert told["stack"] is None
    assert not (tmp_path / "out" / "stack.yaml").exists()


def test_a_users_own_rows_make_a_stack_that_train_takes(tmp_path):
    rows = [{**OWN, "row_id": f"r{at}", "global_batch": str(8 * at), "iteration_s": f"{0.02 * at}"} for at in (1, 2)]
    path, out = table(tmp_path / "mine.csv", rows), tmp_path / "out"
    done = asked("--add", str(path), "--json", "-o", str(out))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["stack"]["name"], told["stack"]["rows"], told["stack"]["held"]) == ("mine", 2, 2)
    assert told["fits"][0].startswith("Three constants were fitted to 2 rows")
    assert [(one["rows"], one["expressed"], one["fitted"]) for one in told["sources"]] == [(2, 2, 2)]
    arguments = ["train", "gpt-1.3b", "--gpus", "8", "--device", "h100", "--tp", "2", "--pp", "1", "--json"]
    own, usual = (CliRunner().invoke(main, [*arguments, *more]) for more in (("--stack", str(out / "stack.yaml")), ()))
    assert own.exit_code == 0, own.output
    assert json.loads(own.stdout)["stack"]["products"] == told["stack"]["products"]
    assert json.loads(own.stdout)["iteration_time"] != json.loads(usual.stdout)["iteration_time"]


def test_rows_of_which_none_can_be_expressed_make_no_stack(tmp_path):
    refused = asked("--add", str(table(tmp_path / "mine.csv", [{**OWN, "device": "abacus"}]))).exception
    assert "no row that can be expressed" in str(refused)
    assert "abacus" in str(refused)
    assert refused.exit_code == 2
