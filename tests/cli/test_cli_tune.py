"""``simcore tune``: what it prints and writes, where measurements come from, and what it refuses."""

from __future__ import annotations

import json

import pytest
from simcore import tune
from simcore.cli.main import run
from simcore.errors import RunError

from tests.cli.commands import printed, refused

GPT = ("tune", "gpt-1.3b", "--gpus", "8", "--device", "v100-32gb", "--sequence", "1024")
SPACE = "batch: [32, 96, 128]\nratio: [0, 0.5, 1]\nparallel: [zero3]\nkernels: [sdpa]\n"


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return str(path)


def test_all_cells_are_tried_and_the_best_is_what_schedule_predicts(space, tmp_path):
    text = printed(*GPT, "--space", space, "-o", str(tmp_path / "made"))
    assert "9 of 9 cells were measured" in text
    assert "*76.24" in text
    assert "OOM" in text
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert names >= {"tune.json", "tried.csv", "space.csv", "measured.csv", "schedule.yaml", "tune.png", "tune.pdf"}
    best = json.loads((tmp_path / "made" / "tune.json").read_text())["best"]
    assert (best["batch"], best["ratio"]) == (96, 0)
    scheduled = json.loads(printed(
        "schedule", *GPT[1:], "--parallel", "zero3", "--batch", "96", "--schedule",
        str(tmp_path / "made" / "schedule.yaml"), "--json",
    ))["steps"][-1]  # fmt: skip
    assert scheduled["samples_per_second"] == pytest.approx(best["samples_per_second"], rel=1e-12)
    assert scheduled["fits"]


def test_a_table_is_seen_where_it_is_asked(space, tmp_path):
    whole = tmp_path / "whole"
    printed(*GPT, "--space", space, "-o", str(whole))
    found = json.loads(printed(*GPT, "--measured", str(whole / "measured.csv"), "--json"))
    assert (found["source"], found["strategy"]) == ("table", "predict-then-measure")
    assert (found["best"]["batch"], found["best"]["ratio"]) == (96, 0)
    assert found["measured_cells"] < found["cells"] == 9
    assert found["prediction_error"] == pytest.approx(0, abs=1e-12)
    # what is not asked for may be anything at all
    asked = {(row["batch"], row["ratio"]) for row in found["tried"]}
    lines = (whole / "measured.csv").read_text().splitlines()
    kept = [line for line in lines[1:] if (int(line.split(",")[2]), float(line.split(",")[3])) in asked]
    others = [f"{line.rpartition(',')[0]},1e9" for line in lines[1:] if line not in kept]
    (tmp_path / "other.csv").write_text("\n".join([lines[0], *kept, *others]))
    order = [(row["batch"], row["ratio"]) for row in found["tried"]]
    again = json.loads(printed(*GPT, "--space", space, "--measured", str(tmp_path / "other.csv"), "--json"))
    assert [(row["batch"], row["ratio"]) for row in again["tried"]][:1] == order[:1]
    assert {(row["batch"], row["ratio"]) for row in again["tried"]} == asked


def test_a_search_goes_on_from_its_log(space, tmp_path):
    calls = []

    def measure(batch, ratio, parallel, kernels):
        calls.append((batch, ratio))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return None if batch * (1.2 - ratio) > 100 else batch / (0.2 + 0.012 * batch * (1 + 0.3 * ratio))

    given = {"gpus": 8, "device": "v100-32gb", "sequence": 1024, "space": space, "measure": measure}
    log = tmp_path / "log.csv"
    with pytest.raises(KeyboardInterrupt):
        tune("gpt-1.3b", **given, log=str(log))
    assert len(log.read_text().splitlines()) == 1 + 2
    result = tune("gpt-1.3b", **given, log=str(log))
    assert [(cell.batch, cell.ratio) for cell in result.rates] == list(dict.fromkeys(calls))
    assert len(calls) == len(result.rates) + 1  # the one that was interrupted
    before = len(calls)
    assert tune("gpt-1.3b", **given, log=str(log)).rates == result.rates
    assert len(calls) == before


@pytest.mark.parametrize(("body", "said"), [("1 / 0", "ZeroDivisionError"), ("-1.0", "-1.0"), ("'fast'", "'fast'")])
def test_a_function_that_fails_says_where(space, tmp_path, body, said):
    path = tmp_path / "mine.py"
    path.write_text(f"def measure(batch, ratio, parallel, kernels):\n    return {body}\n")
    with pytest.raises(RunError, match="batch") as failed:
        tune("gpt-1.3b", gpus=8, device="v100-32gb", sequence=1024, space=space, measure=f"{path}:measure")
    assert said in str(failed.value)


def test_the_certified_plan_is_what_the_model_predicts_and_enumeration_cannot_beat(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("[32, 96, 128]", "[8, 96, 128]"))
    plan = json.loads(printed(*GPT, "--space", str(path), "--strategy", "certified", "--json"))["certificate"]
    assert plan["rate"] == pytest.approx(plan["bound"], rel=1e-6)
    assert plan["offloaded"]
    assert plan["host"] == 16e9
    # a slow link leaves recomputation alone, which schedule predicts too
    given = (*GPT, "--space", str(path), "--strategy", "certified", "--host-link", "0.001", "--json")
    path.write_text(SPACE.replace("[32, 96, 128]", "[128]"))
    slow = json.loads(printed(*given))["certificate"]
    assert (slow["offloaded"], slow["cell"]["batch"]) == ([], 128)
    counts = [len(slow["recomputed"]) + more for more in (-1, 0)]
    rows = [
        json.loads(printed("schedule", *GPT[1:], "--parallel", "zero3", "--batch", "128", "--steps",
                           f"sdpa,checkpoint={count / 24!r}", "--json"))["steps"][-1]
        for count in counts
    ]  # fmt: skip
    assert [row["fits"] for row in rows] == [False, True]
    assert rows[1]["samples_per_second"] == pytest.approx(slow["rate"], rel=1e-9)
    assert rows[1]["reserved"] == pytest.approx(slow["memory"], rel=1e-9)


@pytest.mark.parametrize(("text", "said"), [
    ("bacth: [8]", "Did you mean 'batch'?"), ("ratio: [1.5]", "at most 1"), ("ratio: [-0.5]", "at least 0"),
    ("parallel: [tp=3]", "divides the GPUs"), ("parallel: [zero9]", "zero1 to zero3"), ("batch: []", "at least one"),
    ("kernels: [sdpaa]", "Did you mean 'sdpa'?"), ("kernels: [checkpoint]", "The ratio says"),
    ("batch: [3]\nparallel: [zero3]", "multiples of 8"), ("batch: {from: 8, to: 4, step: 1}", "Exchange"),
    ("batch: {from: 8}", "from, to and step"), ("batch: [0]", "at least 1"), ("rounding: tail", "head"),
    ("", "an empty file"),
    ("batch: [4096]\nratio: [1]\nparallel: [zero3]\nkernels: [none]", "This fits: zero3, batch 8, ratio 1."),
])  # fmt: skip
def test_a_space_that_makes_no_sense_is_refused(capsys, tmp_path, text, said):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    assert said in refused(capsys, *GPT, "--space", str(path))


@pytest.mark.parametrize(("more", "said"), [
    (("--strategy", "exhaustiv"), "Did you mean 'exhaustive'?"), (("--measure", "nothing.py:measure"), "no file"),
    (("--measured", "a.csv", "--measure", "b.py:f"), "one of the two"), (("--log", "a.csv"), "Leave it out"),
    (("--host-link", "16"), "certified"), (("--strategy", "certified", "--measured", "a.csv"), "measures nothing"),
    (("--measured", "absent.csv"), "absent.csv"), (("--most", "0"), "--most"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(capsys, more, said):
    assert said in refused(capsys, *GPT, *more)


@pytest.mark.parametrize(("text", "said"), [
    ("batch,ratio\n8,1\n", "samples_per_s"), ("batch,ratio,samples_per_s\n8,2,1\n", "from 0 to 1"),
    ("batch,ratio,samples_per_s\n8,1,1\n8,1,2\n", "again"), ("batch,ratio,samples_per_s\n8,1,-1\n", "above 0"),
    ("batch,ratio,samples_per_s\n", "no rows"), ("batch,ratio,samples_per_s\n8.5,1,1\n", "whole number"),
    ("batch,ratio,samples_per_s\n8,1\n", "2 fields"), ("batch,ratio,samples_per_s\n8,1,\n", "none of the 1"),
])  # fmt: skip
def test_a_table_that_makes_no_sense_is_refused(capsys, tmp_path, text, said):
    path = tmp_path / "cells.csv"
    path.write_text(text)
    assert said in refused(capsys, *GPT, "--measured", str(path))


def test_a_cell_without_a_row_and_a_pipeline_that_is_certified(capsys, space, tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("batch,ratio,samples_per_s\n8,1,50\n")
    assert "no row for" in refused(capsys, *GPT, "--space", space, "--measured", str(path))
    (tmp_path / "staged.yaml").write_text("batch: [8]\nparallel: ['pp=2']\n")
    staged = (*GPT, "--space", str(tmp_path / "staged.yaml"), "--strategy", "certified")
    assert "one stage" in refused(capsys, *staged)
    with pytest.raises(SystemExit):
        run(["tune", "gpt-1.3x", "--gpus", "8", "--device", "v100-32gb"])
    assert "gpt-1.3b" in capsys.readouterr().err


def test_all_maps_of_a_figure_have_one_scale_of_colours(tmp_path):
    (tmp_path / "space.yaml").write_text("batch: [16, 32]\nratio: [0, 1]\nparallel: [zero3, tp=8]\nkernels: [sdpa]\n")
    result = tune("gpt-1.3b", gpus=8, device="v100-32gb", sequence=1024, space=tmp_path / "space.yaml")
    images = [image for axes in result.figures()["tune"].axes for image in axes.get_images()]
    assert len(images) == 2
    assert len({image.get_clim() for image in images}) == 1
