"""``benchmarks/pit_gpu.py`` on a machine that has torch and little else."""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from simcore.models.compute.profile import KernelProfile
from simcore.models.training.dynamic import FIGURES, dynamic_cases

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "pit_gpu.py"
BLOCKED = """
import runpy, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"simpy", "pydantic", "rich", "networkx", "matplotlib", "joblib"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_runs_without_any_library_but_those_that_it_names(tmp_path):
    """Its time is over at once: a row of each figure and an empty calibration are written."""
    pytest.importorskip("torch")
    options = ("--size", "64", "--device", "cpu", "--seconds", "0", "--repeats", "3", "--models", "small")
    command = [sys.executable, "-c", BLOCKED, str(SCRIPT), str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "pit_gpu.json").read_text())
    assert all(len(found[name]) == 1 for name in ("figure16", "figure17", "experts", "sequences"))
    assert found["calibration"]["samples"] == 0
    assert found["calibration"]["missing"] > 100
    assert (found["calibration"]["wrong"], found["refused"]) == ([], {})
    models = [one for one in found["cut_off"] if one.startswith("figure ")]
    assert len(models) == sum(len(dynamic_cases(figure, small=True)) for figure in FIGURES)
    assert len(found["cut_off"]) == 12 + 4 + len(models)
    assert found["models"] == []
    assert len(found["predicted"]) == len(models)  # nothing was calibrated, and each says so
    assert all("no fit" in row["note"] or "has no" in row["note"] for row in found["predicted"])


def test_models_are_measured_in_every_way_and_the_smallest_comes_first(monkeypatch):
    pytest.importorskip("torch")
    from tests.unit.test_pit_models import CASES, HERE

    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**16)
    script = runpy.run_path(str(SCRIPT))
    chosen = argparse.Namespace(device="cpu", repeats=3, models="small", figures="14,12")
    rows = list(script["model_rows"](CASES[12], chosen))
    assert {(row["figure"], row["way"]) for row in rows} == {(12, "dense"), (12, "csr"), (12, "flex"), (12, "pit")}
    assert all(row["error"] <= 1e-5 for row in rows if row["total_seconds"])
    assert [case.figure for case in script["model_cases"](chosen)] == [12, 12, *[14] * 6]
    assert script["model_cases"](argparse.Namespace(models="none")) == []
    unknown = KernelProfile("none", HERE, "measured", (), ())
    (row,) = script["predictions"]([CASES[12]], unknown)
    assert "none" in row["note"]
