"""``simcore evaluate pit-...``."""

from __future__ import annotations

import json

import pytest
from simcore.cli.main import run


def call(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(["evaluate", *args])
    streams = capsys.readouterr()
    return stop.value.code, streams.out, streams.err


def test_measured_tables(capsys, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**16)
    monkeypatch.setattr("simcore.studies.evaluate.pit.SMALL", 64)
    status, out, err = call(capsys, "pit-fig15", "--small")
    assert (status, err) == (0, "")
    assert "granularity" in out
    assert "speedup_total" in out
    status, out, _ = call(capsys, "pit-sequence", "--small")
    header, row = (line.split() for line in out.splitlines()[2:4])
    assert [name for name in header if name != "noisy"] == [
        "valid", "way", "time", "spread", "repeats", "index", "index", "spread", "total",
    ]  # fmt: skip
    assert float(row[2]) == float(row[-1])  # padded needs no index; both in ms
    assert (row[3][-1], int(row[4]) >= 3) == ("%", True)
    assert "above 25%" in out
    status, out, _ = call(capsys, "pit-sequence", "--small", "--json")
    assert status == 0
    assert json.loads(out)["provenance"]["inputs"]["device"] == "cpu"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["pit-fig18"], "Did you mean 'pit-fig8'?"),
        (["pit-fig15", "--predict", "t4"], "--predict: found pit-fig15"),
        (["pit-fig9", "--small", "--predict", "a100-80gb"], "Add --extrapolate to scale it"),
        (["pit-fig8", "--predict", "none"], "--predict: found 'none'"),
        (["pit-moe", "--resolve"], "--resolve: found pit-moe"),
        (["network-fig12", "--device", "cpu"], "--device: found network-fig12"),
    ],
)
def test_bad_input(capsys, args, message):
    status, out, err = call(capsys, *args)
    assert (status, out) == (2, "")
    assert message in err


def test_cuda_that_is_not_there(capsys):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    status, _, err = call(capsys, "pit-fig15", "--device", "cuda")
    assert status == 2
    assert "torch sees no CUDA device" in err
    assert "--device cpu" in err
