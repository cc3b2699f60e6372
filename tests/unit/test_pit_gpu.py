"""``benchmarks/pit_gpu.py`` on a machine that has torch and little else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    options = ("--size", "64", "--device", "cpu", "--seconds", "0", "--repeats", "3")
    command = [sys.executable, "-c", BLOCKED, str(SCRIPT), str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "pit_gpu.json").read_text())
    assert all(len(found[name]) == 1 for name in ("figure16", "figure17", "experts", "sequences"))
    assert found["calibration"]["samples"] == 0
    assert found["calibration"]["missing"] > 100
    assert (found["calibration"]["wrong"], found["refused"]) == ([], {})
    assert len(found["cut_off"]) == 12 + 4
