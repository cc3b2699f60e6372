"""Studies that measure keep the contract of all studies, on a machine whose every measurement is the same."""

from __future__ import annotations

import json
from functools import partial

import pytest
from click.testing import CliRunner
from simcore.calibrate import calibration
from simcore.calibrate.measure.failures import Unsupported
from simcore.calibrate.plan import PASSES, TIME_LIMIT, Timekeeper
from simcore.cli.console import measuring_progress
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.compute.profile import Sample
from simcore.readers.profile_json import profile_text
from simcore.readers.profiles import read_profile
from simcore.studies.calibrate import CalibrateRequest, calibrate
from simcore.studies.profile import validate

from tests.unit import test_contract as contract
from tests.unit import test_held_out as held_out


@pytest.fixture(params=["validate", "calibrate", "calibrate-anew"])
def measured(request, monkeypatch, tmp_path):
    """A study that measures, and its result."""
    if request.param == "validate":
        held_out.Machine(monkeypatch, lambda now: 1.1)
        monkeypatch.setattr("simcore.studies.profile.run.versions", lambda *packages: dict.fromkeys(packages, "1"))
        path = tmp_path / "toy.json"
        path.write_text(profile_text(held_out.PROFILE))
        return validate, validate(str(path))
    pytest.importorskip("torch")
    steady(monkeypatch)
    fields = {"suites": ["launch"], "output": str(tmp_path / "p.json"), "force": request.param == "calibrate-anew"}
    return calibrate, calibrate(**fields)


def steady(monkeypatch):
    """Let every case take a microsecond per kernel in it, and the machine be equally busy at all times."""

    def time_case(case, device, repeats, budget):
        return Sample(
            case.kernel, case.dtype, case.shape, 1e-6 * case.shape["nodes"], 0.01, 3, case.held_out, state=case.state
        )

    monkeypatch.setattr(calibration, "time_case", time_case)
    monkeypatch.setattr("os.getloadavg", lambda: (0.5, 0.5, 0.5))


def test_the_result_is_made_again_from_its_own_provenance(measured):
    contract.test_a_result_is_made_again_from_its_own_provenance(measured)


def test_the_result_has_every_face(measured, tmp_path):
    contract.test_a_result_has_every_face(measured, tmp_path)
    contract.test_a_result_writes_what_it_is(measured, tmp_path)


def test_the_result_is_read_back(measured, tmp_path):
    contract.test_a_result_is_read_back_as_it_was_written(measured, tmp_path)


def test_each_field_is_an_option():
    contract.test_each_field_is_an_option_or_argument_of_the_command(CalibrateRequest)


def test_calibrate_prints_and_counts_the_same(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    steady(monkeypatch)
    command = ["calibrate", "--suite", "launch", "-o", str(tmp_path / "p.json")]
    text = CliRunner().invoke(main, command, catch_exceptions=False).stdout
    profile = read_profile(tmp_path / "p.json").value
    first, line = text.replace("\n  launch", "|launch", 1).split("|")  # lines of 80 columns, of any length here
    assert first.split() == f"{tmp_path / 'p.json'}: 6 samples, 1 fits, sha256 {profile.sha256}".split()
    assert line.startswith("launch               fp32  warm MAPE   0.0%  P90   0.0%  bias")
    assert line.split()[-2:] == ["(held", "out)"]
    found = json.loads(CliRunner().invoke(main, [*command, "--json"], catch_exceptions=False).stdout)
    assert (found["samples"], found["fits"], found["passes"], found["missing"]) == (6, 1, PASSES, 0)
    assert found["sha256"] == found["provenance"]["sha256"]["profile"] == profile.sha256
    assert found["provenance"]["inputs"]["suites"] == ["launch"]
    assert not {path.name for path in tmp_path.iterdir()} - {"p.json"}


def test_progress_is_told(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    steady(monkeypatch)
    told = []
    request = CalibrateRequest(suites=["launch"], output=tmp_path / "p.json")
    calibrate.of(request, progress=lambda *each: told.append(each))
    assert len(told) == 6 * PASSES + 1
    assert told[0][1] == TIME_LIMIT[False]
    assert all(0 <= passed <= total <= TIME_LIMIT[False] for passed, total, _ in told)
    assert told[-1][2] == "done"
    assert told[-1][0] == told[-1][1]


def test_progress_counts_the_time_of_what_will_run(monkeypatch, tmp_path):
    """Half of the cases do not run: they are no part of what is left, neither in this pass nor in later ones."""
    pytest.importorskip("torch")
    now = [0.0]
    monkeypatch.setattr(calibration, "Timekeeper", partial(Timekeeper, clock=lambda: now[0]))

    def time_case(case, device, repeats, budget):
        if case.shape["nodes"] > 16:
            raise Unsupported("launch", "no such instruction")
        now[0] += 1.0
        return Sample(case.kernel, case.dtype, case.shape, 1e-6, 0.01, 3, case.held_out, state=case.state)

    monkeypatch.setattr(calibration, "time_case", time_case)
    told = []
    found = calibration.calibrate("cpu", ["launch"], tmp_path / "p.json", progress=lambda *each: told.append(each))
    runs = len(found.profile.samples)
    assert 0 < runs < 6
    passed, total, _ = told[-2]
    assert (passed, told[-1]) == (PASSES * runs - 1, (PASSES * runs, PASSES * runs, "done"))
    assert total == pytest.approx(PASSES * runs, abs=2)
    again = []
    calibration.calibrate("cpu", ["launch"], tmp_path / "p.json", progress=lambda *each: again.append(each))
    assert len(again) == 6 - runs + 1  # those that do not run are tried once


def test_progress_shows_the_time_left(capsys):
    show = measuring_progress()
    for second in range(100):
        show(float(second), 100.0, "gemm")
    show(100.0, 100.0, "done")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[0 s, 100 s left] gemm"
    assert lines[-1] == "[100 s] done"
    assert len(lines) == 11


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"suites": ()}, "suites: found none"),
        ({"suites": "gem"}, "suites: found 'gem'.*Did you mean 'gemm'"),
        ({"limit": 0.0}, "limit: found 0.0, expected a number above 0"),
        ({"device": "tpu"}, "device: found 'tpu'"),
    ],
)
def test_inputs_are_refused_by_the_names_of_their_fields(inputs, message, tmp_path):
    if "device" in inputs:
        pytest.importorskip("torch")
    with pytest.raises(InputError, match=message):
        calibrate(output=tmp_path / "p.json", **inputs)


def test_what_show_prints_as_json_is_a_profile(tmp_path):
    text = CliRunner().invoke(main, ["profile", "show", "cpu", "--json"], catch_exceptions=False).stdout
    (tmp_path / "copy.json").write_text(text)
    assert "provenance" in json.loads(text)
    assert read_profile(tmp_path / "copy.json").value.sha256 == read_profile("cpu").value.sha256
