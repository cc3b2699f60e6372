"""Profiles of devices that nobody measured: scaled by data sheets, blended, and refused where something is missing."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from simcore.calibrate.profile.derived import (
    LARGE,
    Sources,
    blended,
    derive_fit,
    left_out,
    measured_fits,
    sustained,
    weighted_median,
)
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Fit, KernelProfile, Sample
from simcore.readers.profile_json import profile_text
from simcore.readers.profiles import read_profile
from simcore.studies.profile import derive

OLD = Device("old", "cuda", 40, 16e9, 4e11, 4e6, 1.4e9, peaks={"fp32": 8e12, "fp16": 16e12}, power=220)
NEW = Device("new", "cuda", 80, 32e9, 9e11, 6e6, 1.4e9, peaks={"fp32": 16e12, "fp16": 64e12}, power=420)
SHEET = """\
fp32: 12 TFLOP/s
memory: 24 GB
memory_bandwidth: 600 GB/s
multiprocessors: 60
l2: 4 MB
link_bandwidth: 64 GB/s
boost_clock: 1400 MHz
power: 320 W
"""
SIDES = (64, 200, 512, 1000, 2048, 4096)
GEMM = {"t0": 1e-5, "ramp": 8.0, "fresh": 1e12}


def product(m, n, k, batch=1):
    return {"m": m, "n": n, "k": k, "batch": batch}


SHAPES = [product(*sides) for sides in itertools.product(SIDES, repeat=3)] + [product(512, 512, 512, 512)]


def law(device, share=0.9):
    """Return the fit of a device that reaches a share of its peak, and moves bytes as its sheet says."""
    rate = share * device.peaks["fp32"]
    speeds = {"rate": rate, "onchip": rate / 4, "stream": device.bandwidth, "vector": device.bandwidth / 8}
    ranges = {name: (1.0, 1e15) for name in ("m", "n", "k", "batch", "output", "flop")}
    return Fit("gemm", "fp32", "gemm", GEMM | speeds, ranges, origin="published measurement", source="by hand")


def adds(device):
    parameters = {"t0": 1e-6, "bandwidth": device.bandwidth, "knee": device.cache, "ratio": 2.0}
    ranges = {"bytes": (1e3, 1e10)}
    return Fit("add", "fp32", "stream", parameters, ranges, origin="published measurement", source="by hand")


def profile_of(device, fits=None):
    fits = [law(device), adds(device)] if fits is None else fits
    shapes = {"gemm": SHAPES[::3], "add": [{"bytes": 2.0**at} for at in range(10, 30)]}
    samples = [
        Sample(fit.kernel, fit.dtype, shape, seconds_of(fit, shape, device))
        for fit in fits
        for shape in shapes[fit.kernel]
    ]
    return KernelProfile(device.name, device, "published measurement", tuple(fits), tuple(samples), source="by hand")


def sources_of(*devices, made=law):
    fits = [made(each) for each in devices]
    return Sources(fits, devices, [sustained(profile_of(each), "fp32") for each in devices])


def test_a_device_of_twice_the_speeds_takes_half_the_time():
    twice = replace(OLD, name="twice", bandwidth=8e11, peaks={"fp32": 16e12}, power=420)
    without_launch = replace(law(OLD), parameters=law(OLD).parameters | {"t0": 1e-12})
    alone = Sources([without_launch], [OLD], [7e12])
    for shape, seconds in zip(SHAPES, blended(alone, SHAPES, twice), strict=True):
        assert seconds == pytest.approx(seconds_of(without_launch, shape, OLD) / 2, rel=1e-6)


def test_bytes_go_with_bandwidth_and_the_knee_with_the_cache():
    other = replace(OLD, name="other", bandwidth=8e11, cache=8e6)
    (small, large) = blended(sources_of(OLD, made=adds), [{"bytes": 4e6}, {"bytes": 16e6}], other)
    assert small == pytest.approx(1e-6 + 4e6 / 8e11)
    assert large == pytest.approx(1e-6 + (8e6 + 2 * 8e6) / 8e11)


def test_power_bounds_what_is_sustained_and_not_what_is_launched():
    sources = sources_of(OLD, NEW)
    per_joule = max(sources.sustained) / (NEW.power - 20)
    low = replace(NEW, name="low", power=220)
    speed = sources.target(low)
    assert speed.powered == pytest.approx(per_joule * 200)
    assert speed.clocked == pytest.approx(sources.sustained[1], rel=0.02)
    tiny, large = product(64, 64, 64), product(4096, 4096, 4096)
    full, capped = blended(sources, [tiny, large], NEW), blended(sources, [tiny, large], low)
    assert capped[0] == pytest.approx(full[0], rel=0.01)
    assert capped[1] > 1.6 * full[1]
    assert sources.target(replace(NEW, power=25)).powered == pytest.approx(0.4 * speed.clocked)
    assert sources.target(replace(NEW, power=0)).powered == speed.clocked
    unknown = Sources(sources.fits, [replace(each, power=0) for each in sources.devices], sources.sustained)
    assert unknown.target(low).powered == unknown.target(low).clocked


def test_the_order_of_sources_changes_nothing():
    target = replace(OLD, name="x", processors=60, bandwidth=6e11, peaks={"fp32": 12e12}, power=320)
    devices = (OLD, NEW, replace(NEW, name="newer", processors=100, peaks=NEW.peaks | {"bf16": 64e12}))
    expected = blended(sources_of(*devices), SHAPES, target)
    for order in itertools.permutations(devices):
        assert blended(sources_of(*order), SHAPES, target) == pytest.approx(expected, rel=1e-12)


def test_the_median_lies_between_its_values_and_follows_weight():
    import numpy as np

    values = np.array([[1.0], [2.0], [9.0]])
    assert weighted_median(values, np.array([[1.0], [1.0], [8.0]]))[0] > 5
    assert weighted_median(values[::-1], np.ones((3, 1)))[0] == 2.0


def test_what_is_sustained_is_told_from_large_products_that_were_sampled():
    profile = profile_of(OLD)
    assert sustained(profile, "fp32") == pytest.approx(0.9 * 8e12, rel=0.1)
    assert sustained(profile, "fp16") is None
    assert all(shape["m"] * shape["batch"] >= 4096 for shape in LARGE)


def test_a_derived_fit_finds_a_device_of_the_same_law_and_tells_its_error():
    target = replace(NEW, name="x", processors=60, bandwidth=6e11, peaks={"fp32": 12e12}, power=320)
    sources = sources_of(OLD, NEW)
    samples = [[one for one in profile_of(each).samples if one.kernel == "gemm"] for each in (OLD, NEW)]
    fit = derive_fit(sources, samples, target)
    truth = law(target)
    misses = [seconds_of(fit, shape, target) / seconds_of(truth, shape, target) - 1 for shape in SHAPES]
    assert sum(map(abs, misses)) / len(misses) < 0.1
    assert fit.origin == "derived"
    assert fit.basis == "devices left out"
    assert fit.judged.samples == sum(map(len, samples)) == len(left_out(sources, samples))
    prediction = predict(KernelProfile("x", target, "derived", (fit,)), "gemm", "fp32", product(500, 500, 500))
    assert (prediction.basis, prediction.error) == ("on devices left out", fit.judged.mape)


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


def write(folder):
    """Write two profiles and a sheet."""
    for device in (OLD, NEW):
        (folder / f"{device.name}.json").write_text(profile_text(profile_of(device)))
    (folder / "sheet.yaml").write_text(SHEET)


def test_a_sheet_and_two_profiles_become_a_profile(folder):
    made = run("profile", "derive", "mid", "--from", "old.json,new.json", "--sheet", "sheet.yaml", "-o", "mid.json")
    assert made.exit_code == 0, made.output
    profile = read_profile("mid.json").value
    assert (profile.name, profile.origin, profile.device.power) == ("mid", "derived", 320)
    assert profile.fingerprint["from old"] == read_profile("old.json").value.sha256
    assert profile.fit("gemm", "fp32").source == "scaled from old, new"
    assert profile.fit("add", "fp32").errors.mape < 0.05
    assert profile.fit("copy", "fp32").origin == "data sheet"
    assert run("kernel", "matmul", "999x999x999", "--profile", "mid.json").exit_code == 0
    inputs = json.loads(
        json.dumps(derive("mid", sources=["old.json", "new.json"], sheet="sheet.yaml").provenance.inputs)
    )
    again = derive(**inputs)
    assert again.profile.sha256 == profile.sha256
    assert again.provenance.sha256["old"] == profile.fingerprint["from old"]
    assert again.tables()["fits"].column("errors on") == ["devices left out"] * 2 + [None] * 3
    assert len(again.report()) == 3
    said = run("kernel", "matmul", "999x999x999", "--profile", "mid.json", "--dtype", "fp16").exception
    assert "expected one of fp32" in str(said)


REFUSED = {
    "an unknown profile": (["--from", "old.json,v101"], "--from: found 'v101'"),
    "no source": ([], "--from: found none"),
    "one source": (["--from", "old.json"], "--from: found 1 of measured devices, expected profiles of 2"),
    "a data sheet alone beside": (["--from", "old.json,h200"], "found 1 of measured devices"),
    "a source twice": (["--from", "old.json,new.json,old.json"], "--from: found old twice"),
    "itself": (["--from", "old.json,new.json", "name", "old"], "old, a profile of old itself"),
    "a source of another kind": (["--from", "old.json,cpu"], "cpu, a profile of a cpu"),
    "an unknown sheet": (["--from", "old.json,new.json", "--sheet", "none.yaml"], "--sheet: found 'none.yaml'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_profile_can_be_derived_from_is_refused(case, folder):
    options, message = REFUSED[case]
    name = options.pop() if "name" in options else "mid"
    options = [each for each in options if each != "name"]
    sheet = [] if "--sheet" in options else ["--sheet", "sheet.yaml"]
    refused = run("profile", "derive", name, *options, *sheet)
    assert isinstance(refused.exception, InputError), refused.output
    assert refused.exception.exit_code == 2
    assert message in str(refused.exception)


SHEETS = {
    "no clock": (SHEET.replace("boost_clock: 1400 MHz\n", ""), "boost_clock"),
    "no unit": (SHEET.replace("600 GB/s", "600"), "line 3, field 'memory_bandwidth': found 600 without a unit"),
    "no bandwidth at all": (SHEET.replace("600 GB/s", "0 GB/s"), "field 'memory_bandwidth': found 0, expected a"),
    "power without a unit": (SHEET.replace("320 W", "320"), "field 'power': found 320 without a unit"),
    "no processors": (SHEET.replace("ors: 60", "ors: 0"), "multiprocessors"),
}


@pytest.mark.parametrize("case", SHEETS)
def test_a_sheet_that_lacks_a_number_is_refused_with_its_field(case, folder):
    text, message = SHEETS[case]
    (folder / "sheet.yaml").write_text(text)
    refused = run("profile", "derive", "mid", "--from", "old.json,new.json", "--sheet", "sheet.yaml")
    assert isinstance(refused.exception, InputError), refused.output
    assert message in str(refused.exception)
    assert "sheet.yaml" in str(refused.exception)


def test_an_existing_file_is_kept_and_what_is_assumed_is_said(folder):
    (folder / "mid.json").write_text("kept")
    command = ("profile", "derive", "mid", "--from", "old.json,new.json", "--sheet", "sheet.yaml", "-o", "mid.json")
    assert "a file that exists" in str(run(*command).exception)
    assert (folder / "mid.json").read_text() == "kept"
    extra = "fp16: 24 TFLOP/s\n" + SHEET.replace("power: 320 W\n", "")
    (folder / "sheet.yaml").write_text(extra)
    said = run("profile", "derive", "mid", "--from", "old.json,new.json,h200", "--sheet", "sheet.yaml").output
    assert "h200 adds nothing" in said
    assert "the sheet says no power: products on a board" in said
    assert "no fit of gemm fp16: in none of the sources" in said
    named = run("profile", "derive", "l4", "--from", "old.json,new.json", "--sheet", "sheet.yaml").output
    assert "72 W are those of l4 in the zoo" in named


def test_a_kernel_of_one_source_has_no_expected_error(folder):
    (folder / "new.json").write_text(profile_text(profile_of(NEW, [law(NEW)])))
    made = run("profile", "derive", "mid", "--from", "old.json,new.json", "--sheet", "sheet.yaml", "-o", "mid.json")
    assert "no expected error of what old alone has: add fp32" in made.output
    fit = read_profile("mid.json").value.fit("add", "fp32")
    assert fit.errors is None
    assert fit.basis == "derived"


def test_what_a_sheet_says_or_was_derived_is_no_measurement():
    sheet = read_profile("h200").value
    assert measured_fits(sheet) == []
    assert [fit.kernel for fit in measured_fits(profile_of(OLD))] == ["gemm", "add"]
    derived = profile_of(OLD, [replace(law(OLD), origin="derived")])
    assert measured_fits(derived) == []
