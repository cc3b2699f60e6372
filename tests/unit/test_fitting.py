"""Fitting a stack: constants that made the rows come back, and the rest of the rows judge them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from simcore.models.training.parallel.stack import Stack
from simcore.studies.validate.columns import ITERATIONS
from simcore.studies.validate.fitting import LEAST, Fitted, chosen, expressed, fit_stack, of_all, with_intervals
from simcore.studies.validate.runs import Predictor, runs_of

TRUE = Stack("true", products=0.62, launch=1.5e-5, network=0.55)

ROW = dict.fromkeys(("row_id", *ITERATIONS), "") | {
    "source": "mine", "model": "llama-toy", "layers": "4", "heads": "32", "vocab": "32000", "seq_len": "2048",
    "device": "h100_80gb", "precision": "bf16", "iteration_s": "1", "framework": "own", "kind": "pretrain",
}  # fmt: skip


def row(at, hidden, tp, gpus, batch, micro="1"):
    return ROW | {
        "row_id": f"r{at}", "hidden": str(hidden), "ffn": str(4 * hidden), "gpus": str(gpus), "tp": str(tp),
        "global_batch": str(batch), "micro_batch": micro,
    }  # fmt: skip


SHAPES = ((8192, 1, 1, 8), (8192, 8, 8, 8), (512, 1, 1, 64), (4096, 4, 32, 64), (1024, 1, 64, 64), (2048, 16, 16, 16))
"""Products alone, their collectives, launches, and what is between."""


def made(shapes=SHAPES, noise=()):
    """Return runs whose times the model itself made."""
    runs, reasons = runs_of([row(at, *shape) for at, shape in enumerate(shapes)])
    assert not reasons
    predictor, off = Predictor(), [*noise] or [1.0] * len(runs)
    return [replace(run, measured=predictor.seconds(run, TRUE) * by) for run, by in zip(runs, off, strict=True)]


@pytest.fixture(scope="module")
def stack():
    return fit_stack("mine", made(), "by hand")


def test_constants_that_made_the_rows_come_back(stack):
    assert stack.products == pytest.approx(TRUE.products, rel=0.03)
    assert stack.launch == pytest.approx(TRUE.launch, rel=0.05)
    assert stack.network == pytest.approx(TRUE.network, rel=0.05)


def test_a_stack_says_what_it_was_fitted_to(stack):
    assert (stack.name, stack.rows, stack.source) == ("mine", 6, "by hand")
    assert stack.fitted == {f"r{at}" for at in range(6)}


def test_its_predictions_are_the_rows(stack):
    predictor = Predictor()
    assert all(predictor.seconds(run, stack) == pytest.approx(run.measured, rel=0.02) for run in made())


def test_one_row_that_is_wrong_does_not_move_the_others(stack):
    found = fit_stack("", made(noise=(1, 1, 1, 3, 1, 1)))
    assert found.products == pytest.approx(TRUE.products, rel=0.1)


def many(count):
    return made([(512 + 32 * at, 1, 1, 8) for at in range(count)])


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (2, 2), (3, 3), (4, 3), (20, 3), (30, 3), (31, 4), (100, 10)])
def test_a_tenth_is_chosen_and_three_at_least(count, kept):
    runs = many(2) * count
    runs = [replace(run, row=run.row | {"row_id": f"{at:03}"}) for at, run in enumerate(runs[:count])]
    found = chosen(runs)
    assert len(found) == len({run.row["row_id"] for run in found}) == kept >= min(LEAST, count)


def test_what_is_chosen_is_even_over_the_size_of_clusters():
    runs = [replace(run, row=run.row | {"gpus": str(at)}) for at, run in enumerate(many(1) * 100)]
    found = chosen(runs[::-1])
    assert [int(run.row["gpus"]) for run in found] == [5 + 10 * at for at in range(10)]
    assert chosen(runs, lambda run: run.row["gpus"] == "7") == [runs[7]]


def test_a_layout_that_does_not_fit_its_model_is_not_fitted_to():
    runs, _ = runs_of([row(0, 512, 1, 1, 8), row(1, 512, 64, 64, 8)])  # 64 do not divide 32 heads
    assert [run.row["row_id"] for run in expressed(runs)] == ["r0"]


def test_intervals_hold_nine_of_ten_rows():
    ratios = np.exp(np.random.default_rng(1).normal(0.05, 0.08, 400)).tolist()
    few = Fitted(Stack("few"), tuple(ratios[:3]))
    own, pooled, none = with_intervals([Fitted(Stack("own"), tuple(ratios)), few, Fitted(Stack("none"), ())])
    inside = [own.stack.low <= ratio <= own.stack.high for ratio in ratios]
    assert 0.89 <= sum(inside) / len(inside) <= 0.91
    everything = sorted(ratios + ratios[:3])
    assert none.stack.low == pytest.approx(np.quantile(everything, 0.05), rel=0.01)
    assert math.isclose(pooled.stack.low, none.stack.low, rel_tol=0.1)
    assert all(one.stack.low < one.stack.high for one in (own, pooled, none))


def test_intervals_without_any_row_are_wide():
    (found,) = with_intervals([Fitted(Stack("none"), ())])
    assert found.stack.low < 0.9 < 1.1 < found.stack.high


def test_all_rows_of_a_user_and_each_is_left_out_in_turn():
    stack, told = of_all("mine", made([(4096, 1, 1, batch) for batch in range(2, 8)]))  # of one model, which is fast
    assert (stack.name, stack.rows, stack.held) == ("mine", 6, 6)
    assert stack.products == pytest.approx(TRUE.products, rel=0.05)
    assert stack.low < 1 < stack.high
    assert told[0].startswith("Three constants were fitted to 6 rows: products 0.6")
    assert "left out in turn are off by 0." in told[1]


def test_one_row_of_a_user_has_the_interval_of_all_stacks():
    stack, told = of_all("mine", made(SHAPES[:1]))
    assert (stack.rows, stack.held) == (1, 0)
    assert stack.low < 1 < stack.high
    assert "One row says nothing of its own error" in told[1]
