"""Slapo's evaluation (ASPLOS 2024): what is predicted beside what is public."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from simcore import evaluate
from simcore.readers.slapo import read_grids, read_runs

SHARED = Path(__file__).parents[3] / "shared" / "data" / "slapo"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published numbers are not beside this checkout")


@needs_shared
def test_the_grids_are_those_that_were_published():
    lines = (SHARED / "ground_truth.csv").read_text(encoding="utf-8").splitlines()
    rows = [row for row in csv.DictReader(lines) if row["figure"].startswith("Fig10")]
    published = sorted(
        (row["parallelism"] == "TP", int(row["batch"]), float(row["ckpt_ratio"]), row["value"]) for row in rows
    )
    ours = sorted(
        (cell.grid == "B", cell.batch, cell.ratio, "OOM" if cell.rate is None else cell.rate)
        for cell in read_grids().value
    )
    assert len(ours) == len(published) == 168
    for (*mine, rate), (*theirs, text) in zip(ours, published, strict=True):
        assert mine == theirs
        assert rate == "OOM" if text == "OOM" else rate == float(text)


@needs_shared
def test_the_runs_are_those_that_were_published():
    rows = list(csv.DictReader((SHARED / "fig7_run_matrix.csv").read_text(encoding="utf-8").splitlines()))
    assert [(run.gpus, run.batch, run.sequence) for run in read_runs().value] == [
        (int(row["n_gpu"]), int(row["global_batch"]), int(row["seq"])) for row in rows
    ]


def test_grid_b_is_predicted_from_kernels_and_all_reduces_alone():
    a, b = evaluate("slapo-fig10").tables()["summary"]
    assert (a["cells"], b["cells"]) == (63, 66)
    assert b["mape"] < 0.15
    assert b["best_loses"] < 0.05
    # grid A misses both goals, see docs/validation.md: DeepSpeed's time between kernels is not known
    assert 0.15 < a["mape"] < 0.40
    assert 0.05 < a["best_loses"] < 0.13


def test_constants_that_are_fitted_to_the_grids_describe_them():
    a, b = evaluate("slapo-fig10").tables()["summary"]
    assert a["fitted_mape"] < 0.02
    assert b["fitted_mape"] < 0.03
    assert (a["frontier"], b["frontier"]) == ("7 of 7", "7 of 7")


def test_the_search_of_the_grids_is_shown_in_the_order_of_its_questions():
    tables = evaluate("slapo-fig10").tables()
    for grid, summary in zip("AB", tables["summary"], strict=True):
        own = [row for row in tables["fig10"] if row["grid"] == grid]
        tried = sorted((row["tried"], row["batch"], row["ratio"]) for row in own if row["tried"] is not None)
        assert [number for number, *_ in tried] == [*range(1, summary["tried"] + 1)]
        assert summary["tried"] <= 12
        assert summary["best_is"] in [f"{batch}, {ratio:g}" for _, batch, ratio in tried]


def test_published_runs_fit_in_memory_but_for_two():
    table = evaluate("slapo-fig7").tables()["fig7"]
    own = [row for row in table if row["model"] not in {"t5-3b", "wideresnet-2.4b"}]
    assert all(row["fits"] for row in table if row not in own)
    over = {(row["model"], row["system"], row["gpus"]): row["allocated"] for row in own if not row["fits"]}
    assert len(own) == 42
    assert set(over) == {("bert-xlarge", "slapo-tp", 2), ("bert-xlarge", "slapo-tp", 4)}
    assert max(over.values()) < 35.7e9


def test_slapo_wins_for_every_model_on_eight_gpus_but_t5():
    table = evaluate("slapo-fig7").tables()["fig7"]
    for model in ("bert-xlarge", "roberta-xlarge", "gpt-neo-2.7b-slapo", "opt-2.7b"):
        rates = {row["system"]: row["predicted"] for row in table if row["model"] == model and row["gpus"] == 8}
        assert max(rates, key=rates.__getitem__).startswith("slapo")


def test_the_chain_of_figure_9_is_in_order():
    rates = evaluate("slapo-fig9").tables()["fig9"].column("predicted")
    assert rates == sorted(rates)
    assert len(rates) == 4


def test_schedules_are_shorter_than_the_published_ones():
    for row in evaluate("slapo-table4").tables()["table4"]:
        assert row["steps"] < row["published_lines"]


def test_more_gpus_are_faster_on_several_nodes():
    table = evaluate("slapo-fig8").tables()["fig8"]
    for model in ("llama-7b", "gpt-10b-slapo"):
        rates = [row["predicted"] for row in table if row["model"] == model]
        assert rates == sorted(rates)
