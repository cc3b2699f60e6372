"""What is measured for PIT's figures: every way runs, is checked, and is summed up; no test looks at milliseconds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.errors import InputError, RunError
from simcore.models.compute.profile import Sample
from simcore.progress import watched
from simcore.results import Table
from simcore.studies.evaluate import EvaluateRequest, evaluate
from simcore.studies.evaluate.figures_pit import draw
from simcore.studies.evaluate.targets import PIT

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.calibrate.sweeps import layers, pit, summary  # noqa: E402 - this needs torch

QUICK = pit.Bench("cpu", "fp32", repeats=3, budget=0.0)
CUBE = (64, 64, 64)


def sample(seconds, spread=0.0, repeats=3):
    return Sample("kernel", "fp32", {}, seconds, spread, repeats)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("simcore.studies.evaluate.pit.SMALL", 128)
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**16)


def test_every_way_multiplies_correctly():
    rows = list(pit.products(QUICK, CUBE, (32, 1), 0.5))
    assert {row["way"] for row in rows} == {"dense", "csr", "bsr", "pit k-axis", "pit m-axis"}
    assert all(row["seconds"] > 0 for row in rows if row["way"] not in {"csr", "bsr"}), rows
    best = summary.best_rows(rows)
    assert len(best) == 1
    assert best[0]["total"] == best[0]["pit"] + best[0]["index"]
    assert best[0]["speedup_total"] == best[0]["dense"] / best[0]["total"]


def test_every_measurement_says_how_sure_it_is(monkeypatch):
    """Repeats, spread and a mark of noise, as in a calibration: no row of any target is a bare number."""
    spreads = {}
    measured = pit.Bench.sample
    monkeypatch.setattr(
        pit.Bench, "sample", lambda self, *given: replace(measured(self, *given), spread=spreads.get("now", 0.01))
    )
    rows = list(pit.products(QUICK, CUBE, (32, 1), 0.5, dense=sample(1.0, 0.26, 9)))
    dense, *others = (row for row in rows if row["seconds"])
    assert (dense["spread"], dense["repeats"], dense["noisy"]) == (0.26, 9, True)
    assert {(row["spread"], row["index_spread"], row["noisy"]) for row in others} == {(0.01, 0.01, False)}
    (best,) = summary.best_rows(rows)
    assert (best["spread"], best["repeats"], best["noisy"]) == (0.26, 3, "dense")
    spreads["now"] = 0.4
    for target in PIT.titles:
        points = evaluate(target, small=True).tables()["points"]
        ran = [row for row in points if row["seconds"]]
        assert all(row["spread"] == 0.4 and row["repeats"] >= 3 and row["noisy"] for row in ran), target


def test_what_rows_share_is_timed_once(monkeypatch):
    """Rows that are compared with one dense product hold one time of it, however busy the machine was meanwhile."""
    result = evaluate("pit-fig15", small=True)
    points = [row for row in result.tables()["points"] if row["way"] == "dense" and row["seconds"]]
    assert len(points) == 12 - len(result.notes[-1].partition(";")[0].split(","))
    assert len({(row["seconds"], row["spread"], row["repeats"]) for row in points}) == 1
    padded = [row for row in evaluate("pit-sequence", small=True).tables()["points"] if row["way"] == "padded"]
    assert len(padded) == 4
    assert len({(row["seconds"], row["total_seconds"]) for row in padded}) == 1


def test_fused_ways_through_the_interpreter(monkeypatch):
    pytest.importorskip("triton", reason="triton is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: benchmarks/pit_gpu.py measures them")
    monkeypatch.setattr(pit, "FUSED_TILES", {axis: ((32, 32, 64),) for axis in ("k", "m", "block")})
    bench = pit.Bench("cpu", "fp32", repeats=3, budget=0.0, fused=True)
    rows = list(pit.products(bench, CUBE, (32, 1), 0.5))
    fused = [row for row in rows if row["tile"] == "32x32x64"]
    assert [row["way"] for row in fused] == ["pit k-axis", "pit m-axis", "blocks"]
    assert all(row["seconds"] > 0 for row in fused), fused


def test_the_index_of_packed_sequences_is_shown_and_in_the_total(monkeypatch):
    monkeypatch.setattr(pit.Bench, "sample", lambda self, run, inputs, wanted=None: sample(2.0 + (wanted is None)))
    rows = list(layers.sequences(QUICK, 32, 32, 16))
    times = [(row["way"], row["seconds"], row["index_seconds"], row["total_seconds"]) for row in rows]
    assert times == [("padded", 2.0, 0.0, 2.0), ("packed", 2.0, 3.0, 5.0)] * 4
    figure = draw("sequence", {"points": Table(list(rows[0]), [list(row.values()) for row in rows])})
    assert not figure.axes[0].patches  # a bar on a logarithmic axis begins nowhere
    assert figure.axes[0].get_ylabel() == "time, logarithmic [s]"
    heights = [height for line in figure.axes[0].lines for height in line.get_ydata()]
    assert heights == [2.0] * 4 + [5.0] * 4 + [3.0] * 4
    assert [text.get_text() for text in figure.legends[0].texts] == ["padded", "packed with index", "index alone"]
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= figure.bbox.x1


def test_a_way_that_is_refused_is_noted_unless_the_device_is_lost(monkeypatch):
    def refuse(text):
        def product(*inputs):
            raise RuntimeError(text)

        monkeypatch.setitem(layers.moe.WAYS, "grouped", product)

    refuse("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx`")
    rows = list(layers.experts(QUICK, 64, 16, (4,)))
    assert [row["seconds"] is None for row in rows] == 2 * [False, False, True]
    assert rows[2]["note"].startswith("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED")
    refuse("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        list(layers.experts(QUICK, 64, 16, (4,)))


def test_an_empty_mask_is_left_out_and_said(monkeypatch):
    """At 99 % none of the 32 blocks of 32x64 in 256 x 256 is left: zeros are never timed."""
    timed = []
    measured = pit.Bench.sample
    monkeypatch.setattr(pit.Bench, "sample", lambda self, *given: timed.append(given) or measured(self, *given))
    rows = list(pit.products(QUICK, (256, 256, 256), (32, 64), 0.99))
    assert timed == []
    assert {row["way"] for row in rows} >= {"dense", "csr", "bsr", "pit k-axis"}
    assert all(row["seconds"] is None and row["note"].startswith("no block of the mask is left") for row in rows)
    others = [{**row, "sparsity": 0.9, "seconds": 1.0, "spread": 0.0, "note": ""} for row in rows]
    (best,) = summary.best_rows([*rows, *others])
    assert best["sparsity"] == 0.9
    (said,) = summary.left_out([*rows, *others])
    assert said.startswith("Not timed: 32x64 at 99%; no block of the mask is left")
    sixteen = [row for row in pit.figure16(QUICK, 64, (0.99,)) if row["way"] == "blocks"]
    seventeen = [row for row in pit.figure17(QUICK, 64) if row["note"]]
    assert [row["granularity"] for row in (*sixteen, *seventeen)] == ["32x64", *["16x16"] * 3, *["32x32"] * 9]
    assert all(row["seconds"] is None for row in (*sixteen, *seventeen))
    monkeypatch.setattr("simcore.studies.evaluate.pit.SMALL", 256)
    result = evaluate("pit-fig15", small=True)
    assert result.tables()["summary"].column("sparsity").count(0.99) == 2
    assert any(note.startswith("Not timed: 32x64 at 99%;") for note in result.notes)


def test_without_a_dense_product_there_is_nothing_to_compare_with():
    row = {"granularity": "32x1", "sparsity": 0.5, "way": "dense", "tile": "", "seconds": None, "note": "no memory"}
    with pytest.raises(RunError, match="no dense product ran: no memory"):
        summary.best_rows([row])


def test_a_way_that_is_wrong_or_missing_is_named(monkeypatch):
    monkeypatch.setattr(pit.pit, "k_axis", lambda a, b, index, block: a @ b + 1)
    monkeypatch.setattr(pit.pit, "m_axis", lambda a, b, index, block: a @ b + 1)
    rows = list(pit.products(QUICK, CUBE, (32, 1), 0.5))
    with pytest.raises(RunError, match=r"no kernel of PIT ran: .*the output is off"):
        summary.best_rows(rows)


@pytest.mark.parametrize(
    ("speedups", "edge"),
    [
        ((0.5, 0.8, 1.2, 2), 0.925),
        ((2, 3, 4, 5), 0.5),
        ((0.1, 0.2, 0.3, 0.4), None),
        ((2, 0.8, 1.2, 2), 0.925),
        ((0.5, 2, 3, 0.9), None),
    ],
)
def test_break_even(speedups, edge):
    best = [
        {"granularity": "32x1", "sparsity": s, "speedup_total": x}
        for s, x in zip(pit.SPARSITIES, speedups, strict=True)
    ]
    assert summary.break_even(best) == [{"granularity": "32x1", "break_even": pytest.approx(edge)}]


@pytest.mark.parametrize("target", list(PIT.titles))
def test_targets(target, monkeypatch, tmp_path):
    monkeypatch.setattr("simcore.studies.evaluate.pit.SMALL", 64)
    seen = []
    with watched(lambda *each: seen.append(each)):
        result = evaluate.of(EvaluateRequest(target, small=True))
    points = result.tables()["points"]
    assert len(seen) == len(points) > 0
    assert all(row["seconds"] is None or row["seconds"] > 0 for row in points)
    result.write(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"points.csv", "result.json", f"{target}.png", f"{target}.pdf"}


def test_bad_targets_and_devices():
    with pytest.raises(InputError, match="Did you mean 'pit-fig8'"):
        evaluate("pit-fig18")
    with pytest.raises(InputError, match="device: found 'tpu'"):
        evaluate("pit-moe", device="tpu")
