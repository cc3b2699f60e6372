"""Sparse kernels that were measured with too much noise are marked wherever their numbers are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.calibrate.calibration import Calibration
from simcore.cli.main import run
from simcore.models.compute.device import Device
from simcore.models.compute.profile import NOISY, Fit, KernelProfile, Sample
from simcore.models.compute.sparse.noise import measured_tiles
from simcore.readers.profile_json import profile_text
from simcore.readers.profiles import read_profile
from simcore.studies.kernel import matmul
from simcore.studies.profile import show, validate

CUDA = Device("toy", "cuda", 80, 1e11, 0.0, 4e7)
GEMM = {"t0": 2e-5, "rate": 1e11, "ramp": 1.0, "onchip": 1e14, "stream": 2e10, "vector": 1e10, "fresh": 2e9}
INDEX = {"t0": 5e-5, "byte": 1e10, "rest": 2e-10, "pad": 1e-10, "result": 1e-9, "entry": 2e-9, "group": 1e-7}
BOUND = "with a spread above the bound of 25%"


def tile(kernel, sparsity, seconds, spread=0.01, held_out=False):
    axis, (high, wide) = ("k", (32, 1)) if kernel == "pit-k" else ("m", (1, 64))
    shape = {
        "m": 512, "n": 512, "k": 512, "height": high, "width": wide, "sparsity": sparsity,
        "tile_m": 32, "tile_k": 64, "tile_n": 64,
    }  # fmt: skip
    assert kernel == f"pit-{axis}"
    return Sample(kernel, "fp32", shape, seconds, spread, 9, held_out)


POINTS = (
    tile("pit-k", 0.5, 1.1e-3), tile("pit-k", 0.9, 3e-4, 0.9), tile("pit-k", 0.95, 2e-4),
    tile("pit-k", 0.7, 7e-4, held_out=True), tile("pit-m", 0.5, 2e-3), tile("pit-m", 0.9, 5e-4),
)  # fmt: skip
TABLES = KernelProfile(
    "toy", CUDA, "measured",
    (Fit("gemm", "fp32", "gemm", GEMM), Fit("index-k", "bool", "index-k", INDEX, spread=0.5)), POINTS,
    {"device": "toy", "torch": "2"},
)  # fmt: skip


def test_a_sparse_kernel_with_a_noisy_fit_or_index_is_noted():
    profile = read_profile("cpu").value
    quiet = matmul("1024x1024x1024", profile=profile, sparsity=0.95, granularity="32x1")
    assert BOUND not in " ".join(quiet.warnings)
    for kernel, dtype in (("pit-k", "fp32"), ("index-k", "bool"), ("index-block", "bool")):
        noisy = profile.with_fit(replace(profile.fit(kernel, dtype), spread=2 * NOISY))
        found = matmul("1024x1024x1024", profile=noisy, sparsity=0.95, granularity="32x1")
        assert f"{kernel} {dtype}: measured {BOUND}" in found.warnings
        assert f"{kernel} {dtype}: measured {BOUND}" in found.as_dict()["warnings"]
        dense = matmul("1024x1024x1024", profile=noisy)
        assert BOUND not in " ".join(dense.warnings)
    of_b = profile.with_fit(replace(profile.fit("pit-n", "fp32"), spread=2 * NOISY))  # which a sparse A does not use
    assert BOUND not in " ".join(matmul("1024x1024x1024", profile=of_b, sparsity=0.95, granularity="32x1").warnings)


def test_a_noisy_point_of_a_tile_table_is_noted():
    found = matmul("512x512x512", profile=TABLES, sparsity=0.93, granularity="32x1", extrapolate=True)
    assert f"pit-k fp32: 1 of 4 samples measured {BOUND}" in found.warnings
    assert f"index-k bool: measured {BOUND}" in found.warnings
    assert "pit-m fp32" not in " ".join(found.warnings)


def test_tables_have_a_row_with_their_errors_and_noise(tmp_path):
    tables = {one.kernel: one for one in measured_tiles(TABLES)}
    assert (tables["pit-k"].noisy, tables["pit-m"].noisy) == (True, False)
    assert tables["pit-k"].errors.samples == 1
    assert tables["pit-m"].errors is None
    path = tmp_path / "toy.json"
    path.write_text(profile_text(TABLES))
    rows = {row["kernel"]: row for row in show(path).fits}
    assert (rows["pit-k"]["noisy"], rows["pit-k"]["errors on"], rows["pit-k"]["spread"]) == (True, "held out", 0.01)
    assert rows["pit-k"]["parameters"] == "no formula, 4 samples in tables of tiles, 1 of them with a spread above 25%"
    assert (rows["pit-m"]["noisy"], rows["pit-m"]["samples"], rows["pit-m"]["mape"]) == (False, 0, None)
    assert measured_tiles(replace(TABLES, device=replace(CUDA, kind="cpu"))) == []
    assert {row["kernel"] for row in show("cpu").fits}.isdisjoint({"moe-loop", "sequence-packed"})


def test_validate_marks_noisy_kernels(tmp_path):
    path = tmp_path / "toy.json"
    path.write_text(profile_text(TABLES))
    (row,) = validate(path, stored=True).validations[0].table
    assert (row["kernel"], row["noisy"]) == ("pit-k", True)
    noisy = {row["kernel"] for row in validate("cpu", stored=True).validations[0].table if row["noisy"]}
    assert noisy == {fit.kernel for fit in read_profile("cpu").value.fits if fit.spread > NOISY and fit.held_out}


def test_calibrate_prints_a_line_for_tables(monkeypatch, capsys, tmp_path):
    pytest.importorskip("torch")
    found = Calibration(TABLES, 5, 0, ())
    monkeypatch.setattr("simcore.studies.calibrate.run.measure", lambda *_, **__: found)
    with pytest.raises(SystemExit):
        run(["calibrate", "-o", str(tmp_path / "toy.json")])
    text = " ".join(capsys.readouterr().out.split())  # lines are as long as the terminal is wide
    lines = {name: text.split(f" {name} ")[1] for name in ("pit-k", "pit-m", "index-k")}
    assert "MAPE" in lines["pit-k"]
    assert "1 of them with a spread above 25%) NOISY pit-m" in lines["pit-k"]
    assert lines["pit-m"].split(" index-k ")[0].endswith("(no formula, 2 samples in tables of tiles)")
    assert "NOISY" in lines["index-k"]
