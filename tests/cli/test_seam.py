"""The seam on files of a user's own: one measured time moves a step, the best split and a mean JCT as formulas say.

A profile holds one product, ``m = n = k = 1024``, measured in x seconds; its device moves 1 TB/s. A product of work f
then takes ``f x / 2^31`` and something that does not depend on x. All sizes here are multiples of all tiles.
"""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.readers.step_times import read_step_times

REFERENCE = 2.0 * 1024**3
HIDDEN, BLOCKS, TOKENS, BATCH = 1024, 2, 256, 4
ROWS = TOKENS * BATCH
ELEMENT, TP, BANDWIDTH = 4, 2, 1e12
FAST, SLOW = 0.3e-3, 0.4e-3


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chip.yaml").write_text(
        "source: toy\nfp32: 1000 TFLOP/s\nmemory: 1 TB\nmemory_bandwidth: 1 TB/s\nmultiprocessors: 1\nl2: 1 MB\n"
        "link_bandwidth: 1 GB/s\nboost_clock: 1 GHz\n"
    )
    (tmp_path / "small.yaml").write_text(
        f"source: toy\nhidden: {HIDDEN}\nlayers: {BLOCKS}\nsequence: {TOKENS}\nbatch: {BATCH}\nheads: 4\n"
        f"bytes_per_element: {ELEMENT} B\ntp: {TP}\ndp: 2\n"
    )
    (tmp_path / "pairs.yaml").write_text(
        "dimensions:\n  - {block: Ring, size: 2, level: Package}\n  - {block: Ring, size: 2, level: Pod}\n"
    )
    (tmp_path / "gpus.yaml").write_text("gpus: {toy: 2}\n")
    (tmp_path / "jobs.csv").write_text(
        "name,submit_s,model,batch_size,max_parallelism,heterogeneous,gpu_type,samples\n"
        f"a,0,small,{BATCH},1,no,toy,{40 * BATCH}\nb,0,small,{BATCH},1,no,toy,{60 * BATCH}\n"
    )


def run(*words):
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in words else result.stdout


def profile(seconds):
    Path("profile.yaml").write_text(
        "source: toy\ndevice: chip.yaml\nmeasurements:\n  - kernel: gemm\n    dtype: fp32\n"
        f"    shape: {{m: 1024, n: 1024, k: 1024}}\n    time: {seconds * 1e3!r} ms\n    source: toy\n"
    )
    return "profile.yaml"


def work(tp):
    """Work of the products of a block by pass, and of the weight gradient of Q [FLOP]."""
    matrices, scores = 24 * ROWS * HIDDEN**2 / tp, 4 * ROWS * HIDDEN * TOKENS / tp
    return matrices + scores, matrices + 2 * scores, matrices, 2 * ROWS * HIDDEN**2 / tp


def test_a_step_and_a_mean_jct_move_by_all_products():
    def both(seconds):
        words = ("--profile", profile(seconds), "--devices", "toy", "--batch", str(BATCH), "-o", "rates.csv", "--force")
        run("rates", "--models", "small.yaml", *words)
        (step,) = read_step_times("rates.csv").value.seconds.values()
        trace = ("trace", "jobs.csv", "--cluster", "gpus.yaml", "--rates", "rates.csv", "--policy", "fifo")
        return step, run(*trace, "--interval", "event", "--json")["rows"][0]["mean_jct_s"]

    (step, jct), (slower, later) = both(FAST), both(SLOW)
    more = BLOCKS * sum(work(1)[:3]) / REFERENCE * (SLOW - FAST)
    assert slower - step == pytest.approx(more, rel=1e-9)
    assert later - jct == pytest.approx(50 * more, rel=1e-6)  # 40 and 60 steps


VOLUME = ELEMENT * ROWS * HIDDEN
"""What the all-reduce of a block's output sends, in a group of 2 [B]."""

TERMS = ((1.0, 1.0, 0.5), (0.5, 1.0, 0.5), (1.0, 4.0, 2.0))
"""Q, output projection and first product of the feed-forward network: volumes of the gradient of their input
[`VOLUME`], of their weights [`VOLUME`], and the work of the latter in that of Q, from which it is in the middle."""


def by_hand(seconds, budget):
    """Return the best split, and what of an iteration depends on it or on the products' time, by calculus.

    ``T = compute + L (2 V / b1 + 3 V / b2 + sum_k max(x_k / b1, w_k + y_k / b2))`` with ``b1 + b2 = B`` is convex. It
    is least at the stationary point of one of its pieces, or where the two sides of a maximum are equal.
    """
    forward, inputs, weights, of_q = work(TP)
    apart = weights - of_q * sum(times for _, times, _ in TERMS)
    compute = BLOCKS * (forward + inputs + apart) / REFERENCE * seconds

    def moved(columns):  # bytes of a weight gradient of HIDDEN x columns: it, the input and the gradient of the output
        return ELEMENT * (HIDDEN * columns + ROWS * (HIDDEN + columns)) / BANDWIDTH

    def weight(times):
        # the measured time holds the bytes of its own product
        per_work = (seconds - 3 * ELEMENT * 1024**2 / BANDWIDTH) / REFERENCE
        return times * of_q * per_work + moved(times * HIDDEN // TP)

    terms = [(x * VOLUME, weight(times), y * VOLUME) for x, times, y in TERMS]

    def total(b1):
        b2 = budget - b1
        exposed = sum(max(x / b1, w + y / b2) for x, w, y in terms)
        return compute + BLOCKS * (2 * VOLUME / b1 + 3 * VOLUME / b2 + exposed)

    points = []
    for sides in product((True, False), repeat=3):  # whether the gradient of the input takes longer
        inner = 2 * VOLUME + sum(x for (x, _, _), longer in zip(terms, sides, strict=True) if longer)
        outer = 3 * VOLUME + sum(y for (_, _, y), longer in zip(terms, sides, strict=True) if not longer)
        points.append(budget * math.sqrt(inner) / (math.sqrt(inner) + math.sqrt(outer)))
    for x, w, y in terms:  # x (B - b) = w b (B - b) + y b
        half = (w * budget + x + y) / 2
        points.append((half - math.sqrt(half**2 - w * x * budget)) / w)
    best = min((point for point in points if 0 < point < budget), key=total)
    return best, total(best)


def best(budget, seconds):
    words = ("optimize", "pairs.yaml", str(budget), "small.yaml", "Perf", "Overlap")
    made = run(*words, "--profile", profile(seconds), "--json")
    return made["bandwidths"], made["iteration_time"]


@pytest.mark.parametrize("budget", [0.5, 5, 7, 20, 40, 50, 1_000])
def test_the_best_split_is_that_of_the_formula(budget):
    for seconds in (FAST, SLOW):
        split, time = best(budget, seconds)
        b1, least = by_hand(seconds, budget * 1e9)
        # the time is certain to 1e-9 of itself, around which it is flat: the split is to the root of that
        assert split == pytest.approx([b1, budget * 1e9 - b1], rel=2e-4)
        made = by_hand(FAST, budget * 1e9)[1] - least, best(budget, FAST)[1] - time
        assert made[1] == pytest.approx(made[0], abs=2e-8 * time)


def test_a_compute_bound_job_takes_all_of_the_slower_products_and_keeps_its_split():
    """Every gradient of weights outlasts the collective beside it, which is hidden: 2 and 6 volumes are not."""
    (split, time), (later_split, later) = (best(1_000, seconds) for seconds in (FAST, SLOW))
    assert later - time == pytest.approx(BLOCKS * sum(work(TP)[:3]) / REFERENCE * (SLOW - FAST), rel=1e-6)
    assert split[0] / split[1] == pytest.approx(math.sqrt(2 / 6), rel=1e-3)
    assert later_split == pytest.approx(split, rel=1e-3)


def test_a_network_bound_job_takes_what_no_collective_hides_and_keeps_its_split():
    """Collectives hide the gradients of two weights, those of Q and of the output projection."""
    (split, time), (later_split, later) = (best(0.5, seconds) for seconds in (FAST, SLOW))
    hidden = 2 * work(TP)[3]
    more = BLOCKS * (sum(work(TP)[:3]) - hidden) / REFERENCE * (SLOW - FAST)
    assert later - time == pytest.approx(more, rel=1e-4)
    assert split[0] / split[1] == pytest.approx(math.sqrt((2 + 1 + 0.5) / (3 + 2)), rel=1e-3)
    assert later_split == pytest.approx(split, rel=1e-3)


@pytest.mark.parametrize("budget", [5, 40])
def test_between_them_slower_products_hide_more_and_bandwidth_moves_outwards(budget):
    """A gradient of weights begins to hide the collective beside it: bandwidth goes where the exposed ones run."""
    (split, time), (later_split, later) = (best(budget, seconds) for seconds in (FAST, SLOW))
    outer = [1 - by_hand(seconds, budget * 1e9)[0] / (budget * 1e9) for seconds in (FAST, SLOW)]
    assert outer[1] > outer[0] + 0.01
    assert [split[1] / sum(split), later_split[1] / sum(later_split)] == pytest.approx(outer, abs=1e-4)
    assert later > time
