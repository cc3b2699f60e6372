"""The study behind ``simcore validate``: statistics, noise of repeated rows, tables, figures, what it refuses."""

from __future__ import annotations

import json
import os
import threading

import pytest
from simcore import validate
from simcore.errors import InputError
from simcore.models.training.parallel.stack import Stack
from simcore.studies.validate.errors import errors_of
from simcore.studies.validate.memory import MemoryValidation
from simcore.studies.validate.noise import published, repeats, setting, spread
from simcore.studies.validate.rows import Held

from tests.measured import COLLECTIVES, ITERATIONS, LLAMA, RING, of_collectives, of_iterations, table

ENGINE = "simcore.studies.validate.iterations.held_against_iterations"
OF_COLLECTIVES = "simcore.studies.validate.collectives.held_against_collectives"


def held(measured=2.0, predicted=2.0, **more):
    return Held("1", "mine", "h100", "bf16", "pretrain", measured, predicted, **more)


@pytest.fixture
def predicting(monkeypatch):
    """Let the model say what a function of a row says."""
    return lambda predict: monkeypatch.setattr(ENGINE, of_iterations(predict))


@pytest.fixture
def file(tmp_path):
    return lambda *rows: table(tmp_path / "mine.csv", rows)


def test_errors_are_of_rows_that_were_not_fitted():
    found = errors_of([held(predicted=2.5), held(predicted=1.8), held(predicted=9.0, fitted=True)])
    assert (found.rows, found.expressed, found.fitted) == (3, 3, 1)
    assert found.mape == pytest.approx((0.25 + 0.1) / 2)
    assert found.bias == pytest.approx((0.25 - 0.1) / 2)
    assert not found.of_fitted


def test_errors_are_of_fitted_rows_where_there_are_no_others():
    found = errors_of([held(predicted=2.5, fitted=True), held(predicted=None, why_not="no")])
    assert (found.rows, found.expressed, found.fitted, found.mape) == (2, 1, 1, 0.25)
    assert found.of_fitted


def test_rows_without_a_measurement_are_not_expressed():
    found = errors_of([held(measured=None), held(measured=0.0), held(measured=-1.0)])
    assert (found.rows, found.expressed, found.mape, found.p90, found.bias) == (3, 0, None, None, None)


def test_coverage_is_of_rows_with_intervals_that_were_not_fitted():
    inside, outside = held(low=1.5, high=2.5), held(low=2.1, high=2.5)
    assert errors_of([inside, inside, inside, outside, held()]).covered_90 == 0.75
    assert errors_of([held(low=1.5, high=2.5, fitted=True)]).covered_90 is None


@pytest.mark.parametrize(
    ("times", "relative"), [([2.0, 2.0], 0.0), ([1.0, 3.0], 0.5), ([1.0, 2.0, 3.0, 2.0], 0.25), ([5.0], 0.0)]
)
def test_spread_is_the_mean_deviation_from_the_median(times, relative):
    assert spread(times) == relative


def test_a_measurement_that_is_written_down_twice_repeats_nothing():
    rows = [held(2.0), held(2.0), held(3.0), held(5.0)]
    assert [each for _, each in repeats(rows, [("a",), ("a",), ("b",), ("b",)])] == [0.25]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"iteration_s": "2", "mfu_pct": "40"}, {"iteration_s": "3", "mfu_pct": "30"}, True),
        ({"tp": "1"}, {"tp": "2"}, False),
        ({"note": "Table 1: FSDP"}, {"note": "Table 1: FSDP+compile"}, False),
        ({"note": "02-21; one iteration"}, {"note": "02-25; one iteration"}, True),
        ({"note": "Ring; busbw 90.1 GB/s"}, {"note": "Ring; busbw 91 GB/s"}, True),
        ({"note": "Ring; busbw 90.1 GB/s"}, {"note": "NVLS; busbw 90.1 GB/s"}, False),
        ({"note": "intra-node, gpt_2_6B"}, {"note": "intra-node, gpt_13B"}, True),
        ({"note": "stages [16, 18]"}, {"note": "stages [17, 17]"}, False),
    ],
)
def test_rows_repeat_each_other_where_all_but_the_measurement_is_equal(one, other, alike):
    assert (setting({"device": "a100", **one}) == setting({"device": "a100", **other})) is alike


def test_published_noise_is_of_a_source_and_a_device():
    assert [each.least for each in published("bigscience-workshop/bigscience@9e", ["a100_80gb_sxm"])] == [0.06]
    assert [each.least for each in published("bigscience-workshop/bigscience@9e", ["v100_16gb_sxm2"])] == [0.40]
    assert published("Narayanan, as held in bigscience-workshop/bigscience@9e", ["a100_80gb_sxm"]) == []


def test_groups_are_those_of_source_device_precision_and_kind(predicting, file):
    predicting(lambda row: {"predicted": 2.2})
    rows = [LLAMA, {**LLAMA, "precision": "fp8"}, {**LLAMA, "kind": "lora"}, LLAMA, {**LLAMA, "source": "b"}]
    found = validate(rows=file(*rows)).as_dict()
    assert [one["rows"] for one in found["sources"]] == [2, 1, 1, 1]
    assert found["sources"][1] == {**found["sources"][1], "precision": "fp8", "source": "mine: torchtitan"}
    assert [(one["source"], one["rows"]) for one in found["by_source"]] == [("mine: torchtitan", 4), ("b", 1)]
    assert found["total"]["iterations"]["rows"] == 5
    assert all(one["mape"] == pytest.approx(0.1) for one in found["sources"])


def test_noise_is_that_of_rows_that_repeat(predicting, file):
    predicting(lambda row: {"predicted": 2.2})
    rows = [{**LLAMA, "iteration_s": time} for time in ("1.0", "2.0", "3.0")]
    found = validate(rows=file(*rows, {**LLAMA, "tp": "2"}, {**LLAMA, "source": "b"}))
    assert [errors.noise for _, errors in found.groups] == [pytest.approx(1 / 3), None]


def test_noise_is_left_out_where_rows_were_not_all_judged(monkeypatch, file):
    monkeypatch.setattr(ENGINE, lambda path: (held(),))
    found = validate(rows=file(LLAMA, {**LLAMA, "iteration_s": "3"}))
    assert found.warnings == ("2 rows were read and 1 judged: noise of repeated rows is left out.",)
    assert found.groups[0][1].noise is None


def test_every_row_is_written_with_a_prediction_or_a_reason(predicting, file, tmp_path):
    answers = {"one": {"predicted": 2.2, "low": 2.0, "high": 2.4, "fitted": True}, "two": {"why_not": "no device"}}
    predicting(lambda row: answers[row["row_id"]])
    found = validate(rows=file(LLAMA, {**LLAMA, "row_id": "two"}))
    found.write(tmp_path / "out")
    first, *rows = (tmp_path / "out" / "validate.csv").read_text(encoding="utf-8").splitlines()
    assert first == "row_id,source,device,precision,kind,model,gpus,predicted,low,high,measured,fitted,why_not"
    assert rows == [
        "one,mine: torchtitan,h100_80gb,bf16,pretrain,,,2.2,2.0,2.4,2.0,True,",
        "two,mine: torchtitan,h100_80gb,bf16,pretrain,,,,,,2.0,False,no device",
    ]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"validate.json", "sources.csv", "by_source.csv", "total.csv", "unexpressed.csv"}
    assert names >= {"scatter.png", "errors.png", "scatter.pdf", "errors.pdf"}
    assert json.loads((tmp_path / "out" / "validate.json").read_text(encoding="utf-8")) == found.as_dict()


def test_nothing_is_drawn_where_nothing_is_expressed(predicting, file):
    predicting(lambda row: {"why_not": "no device"})
    assert validate(rows=file(LLAMA)).figures() == {}


def test_small_sources_are_drawn_as_others(predicting, file):
    predicting(lambda row: {"predicted": 2.2, "fitted": row["row_id"] == "3"})
    rows = [{**LLAMA, "row_id": str(i), "source": f"source {i}", "iteration_s": f"{1 + i}"} for i in range(9)]
    figures = validate(rows=file(*rows, *rows[:6])).figures()
    legend = [text.get_text() for text in figures["scatter"].axes[0].get_legend().get_texts()]
    assert legend == [*(f"source {i} (2)" for i in range(6)), "others (3)"]
    assert len(figures["errors"].axes[0].get_yticklabels()) == 9


def test_collectives_are_judged_the_same_way(monkeypatch, tmp_path):
    monkeypatch.setattr(OF_COLLECTIVES, of_collectives(0.9))
    path = table(tmp_path / "collectives.csv", [RING, {**RING, "time_us": "120"}], COLLECTIVES)
    found = validate(collectives=path)
    ((key, errors),) = found.groups
    assert key == ("nccl-tests", "a100", "float", "all_reduce")
    assert (errors.rows, errors.mape, errors.noise) == (2, pytest.approx(0.1), pytest.approx(1 / 11))
    assert found.figures()["scatter"].axes[0].get_xlabel() == "measured, logarithmic [us]"


def test_without_a_file_the_rows_that_ship_are_taken(monkeypatch, predicting, file, tmp_path):
    predicting(lambda row: {"predicted": 2.2})
    monkeypatch.setattr(OF_COLLECTIVES, of_collectives(0.9))
    shipped = "simcore.studies.validate.shipped"
    monkeypatch.setattr(f"{shipped}.shipped_iterations", lambda: file(LLAMA))
    collectives = table(tmp_path / "collectives.csv", [RING], COLLECTIVES)
    monkeypatch.setattr(f"{shipped}.shipped_collectives", lambda: collectives)
    found = validate()
    assert [each.what for each in found.measured] == ["iterations", "collectives"]
    assert set(found.provenance.sha256) == {"iterations", "collectives"}
    assert len(found.figures()["scatter"].axes) == 2
    assert [each.what for each in validate(source="NCCL").measured] == ["collectives"]


def test_where_none_ship_a_file_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr("simcore.studies.validate.shipped.ROOT", tmp_path)
    with pytest.raises(InputError, match=r"rows: found nothing.*add rows FILE"):
        validate()


def test_constants_are_fitted_to_rows_of_ones_own(monkeypatch, file):
    hold = of_iterations(lambda row: {"predicted": 2.2, "fitted": True})
    monkeypatch.setattr(
        "simcore.studies.validate.iterations.fit_to",
        lambda path: (hold(path), Stack("mine"), ["Overhead of a layer: 12 us, of 2 rows."]),
    )
    found = validate(add=file(LLAMA, {**LLAMA, "row_id": "two"}))
    assert found.stack.name == "mine"
    assert found.as_dict()["fits"] == ["Overhead of a layer: 12 us, of 2 rows."]
    assert "The constants are the stack 'mine': -o DIR writes stack.yaml, which --stack takes." in found.sentences()
    assert found.groups[0][1].of_fitted


def test_a_result_is_made_again_from_its_own_provenance(predicting, file):
    predicting(lambda row: {"predicted": 2.2})
    found = validate(rows=file(LLAMA), source="TORCH")
    again = validate(**json.loads(json.dumps(found.provenance.inputs)))
    assert again.to_json() == found.to_json()


def test_a_source_is_chosen_in_memory_too(shared):
    path = shared / "data/measured/training_iterations.csv.gz"
    found = validate(memory=path, source="torchtitan")
    assert isinstance(found, MemoryValidation)
    assert {row.source for row in found.rows} == {found.peaks[0].source}
    assert len(found.peaks) == 1


@pytest.mark.parametrize("second", ["collectives", "memory", "add"])
def test_one_file_is_taken(file, second):
    with pytest.raises(InputError, match=rf"{second}: found rows beside it, expected one file. Leave {second} out."):
        validate(rows=file(LLAMA), **{second: file(LLAMA)})


def test_a_fit_takes_all_rows(file):
    with pytest.raises(InputError, match="source: found add beside it"):
        validate(add=file(LLAMA), source="mine")


def test_an_unknown_source_is_refused_with_those_there_are(file):
    with pytest.raises(InputError, match="source: found 'bloom', expected a part of one of mine: torchtitan, b"):
        validate(rows=file(LLAMA, {**LLAMA, "source": "b"}), source="bloom")


@pytest.mark.parametrize("lacking", ["iteration_s", "kind", "heads"])
def test_a_column_that_is_missing_is_named(tmp_path, lacking):
    columns = [name for name in LLAMA if name != lacking]
    path = table(tmp_path / "mine.csv", [{name: LLAMA[name] for name in columns}], columns)
    with pytest.raises(InputError, match=r"header: found no column '\w+', expected the columns source, model"):
        validate(rows=path)


def test_row_ids_are_not_needed(predicting, tmp_path):
    predicting(lambda row: {"predicted": 2.2})
    rows = [{name: value for name, value in LLAMA.items() if name != "row_id"}]
    assert validate(rows=table(tmp_path / "mine.csv", rows, ITERATIONS)).rows[0].row_id == ""


@pytest.mark.parametrize(
    ("text", "message"), [("", "an empty file"), (None, "no such file"), (b"\x1f\x8bno", "a gzip file that is broken")]
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError, match=message):
        validate(rows=path)


def test_a_pipe_is_read_as_a_file_is(predicting, file, tmp_path):
    predicting(lambda row: {"predicted": 2.2})
    path, pipe = file(LLAMA), tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    assert validate(rows=pipe).groups == validate(rows=path).groups
    writer.join()


def test_a_file_without_rows_is_refused(tmp_path):
    with pytest.raises(InputError, match="found no rows"):
        validate(rows=table(tmp_path / "mine.csv", []))
