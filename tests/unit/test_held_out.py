"""Held-out shapes measured again: passes at another speed than the calibration's are set aside, or it is said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from simcore.calibrate.measure.failures import OutOfMemory
from simcore.calibrate.measure.timing import Case
from simcore.calibrate.plan import EXTRA_PASSES, LEAST_PASSES, PASSES, SAME_SPEED
from simcore.calibrate.profile import held_out
from simcore.calibrate.suites.registry import SUITES
from simcore.cli.main import main
from simcore.errors import InputError, RunError
from simcore.models.compute.device import Device
from simcore.models.compute.profile import Fit, KernelProfile, Sample
from simcore.readers.profile_json import profile_text
from simcore.studies.profile import validate


def gemm(dtype, m, seconds, unseen=False):
    return Sample("gemm", dtype, {"m": m, "n": 512, "k": 512, "batch": 1}, seconds, 0.01, 15, unseen)


GEMM = {"t0": 0.0, "rate": 2.6e11, "ramp": 0.0, "onchip": 1e14, "stream": 1e14, "vector": 1e9, "fresh": 1e14}
FITTED = [gemm(dtype, m, 2e-6 * m) for dtype in ("fp32", "bf16") for m in (4, 512, 600, 100_000)]
COPIES = [Sample("copy", "fp32", {"bytes": b}, b * 1e-10, 0.01, 15) for b in (1e3, 8e6, 1e9)]
UNSEEN = [gemm(dtype, m, 2e-6 * m, unseen=True) for dtype in ("fp32", "bf16") for m in (300, 500)]
PROFILE = KernelProfile(
    "toy", Device("toy", "cpu", 1, 1e12, 0.0, 1e6), "measured",
    (Fit("gemm", "fp32", "gemm", GEMM),),
    (*FITTED, *COPIES, *UNSEEN), {"device": "toy"},
)  # fmt: skip
REFERENCES = 5
"""Two products per number format and a copy."""


class Machine:
    """A device whose time is counted in measurements, and which takes `pace(now)` times as long as the profile says."""

    def __init__(self, monkeypatch, pace):
        self.timed, self.pace = [], pace
        self.known = {sample.key: sample for sample in PROFILE.samples}
        monkeypatch.setattr(held_out, "time_case", self.time_case)
        monkeypatch.setattr(held_out, "device_name", lambda device: "toy")
        monkeypatch.setattr(held_out, "cases", self.cases)
        self.opened = []

    def cases(self, device, suites, *, full):
        assert full
        self.opened = list(suites)
        known = [Case(one.kernel, one.dtype, one.shape, tuple, tuple) for one in self.known.values()]
        return iter([*known, *known])  # products of one shape belong to several suites

    def time_case(self, case, device, repeats, budget):
        self.timed.append(case.key)
        sample = self.known[case.key]
        return replace(sample, seconds=sample.seconds * self.pace(len(self.timed) - 1), repeats=repeats)


ROUND = REFERENCES + len(UNSEEN)
"""Measurements of a pass and of the reference kernels before it."""


def test_nothing_changes_where_the_reference_kernels_agree(monkeypatch):
    machine = Machine(monkeypatch, lambda now: 1 + 0.9 * SAME_SPEED * (-1) ** now)
    samples, pace, _ = held_out.measure_held_out(PROFILE, "cpu")
    assert len(machine.timed) == PASSES * ROUND + REFERENCES
    assert [sample.key for sample in samples] == [sample.key for sample in UNSEEN]
    assert all(len(sample.passes) == PASSES for sample in samples)
    assert (pace.references, pace.counted, pace.set_aside, pace.steady) == (REFERENCES, PASSES, 0, True)
    assert pace.drift_aside is None
    assert abs(pace.drift) < SAME_SPEED


def test_the_references_are_mid_sized_and_never_what_they_are_to_judge(monkeypatch):
    machine = Machine(monkeypatch, lambda now: 1.0)
    held_out.measure_held_out(PROFILE, "cpu")
    sized = [sample for sample in FITTED if sample.shape["m"] in {512, 600}]
    assert machine.timed[:REFERENCES] == [sample.key for sample in (*sized, COPIES[1])]
    assert machine.timed[REFERENCES:ROUND] == [sample.key for sample in UNSEEN]


@pytest.mark.parametrize(("factor", "first", "last"), [(0.6, 1.5, 2.5), (1.7, 0.0, 4.0), (0.8, 0.0, 5.5)])
def test_an_episode_is_set_aside_and_made_up_for(monkeypatch, factor, first, last):
    """Between so many rounds the machine is faster or slower; a pass that it touches by a reference does not count."""
    fast = range(int(first * ROUND), int(last * ROUND))
    machine = Machine(monkeypatch, lambda now: factor if now in fast else 1.0)
    samples, pace, _ = held_out.measure_held_out(PROFILE, "cpu")
    assert [sample.seconds for sample in samples] == pytest.approx([sample.seconds for sample in UNSEEN])
    assert pace.steady
    assert pace.set_aside >= last - first
    assert (pace.drift, pace.drift_aside) == (0.0, pytest.approx(factor - 1, abs=abs(factor - 1)))
    assert len(machine.timed) == len(pace.drifts) * ROUND + REFERENCES
    assert all(len(sample.passes) == pace.counted for sample in samples)


def test_two_fast_passes_would_have_been_the_result(monkeypatch):
    """The lower quartile of five passes is the second quickest."""
    fast = range(2 * ROUND, 4 * ROUND)

    def measured():
        Machine(monkeypatch, lambda now: 0.7 if now in fast else 1.0)
        return held_out.measure_held_out(PROFILE, "cpu")

    samples, pace, _ = measured()
    assert samples[0].seconds == UNSEEN[0].seconds
    assert (pace.counted, pace.set_aside) == (PASSES, 3)  # the pass before them ends with fast reference kernels
    monkeypatch.setattr(held_out, "SAME_SPEED", 10.0)
    samples, _, _ = measured()
    assert samples[0].seconds == 0.7 * UNSEEN[0].seconds


@pytest.mark.parametrize(("rounds", "passes", "shapes"), [(2.6, 2, 4), (0.8, 1, 3), (0.0, 1, 1), (99.0, PASSES, 4)])
def test_nothing_is_begun_once_the_time_is_over(monkeypatch, rounds, passes, shapes):
    """However slow the machine is: the time is counted in measurements, of which a pass takes `ROUND`."""
    machine = Machine(monkeypatch, lambda now: 1.0)
    limit = rounds * ROUND
    samples, pace, lines = held_out.measure_held_out(PROFILE, "cpu", limit=limit, clock=lambda: len(machine.timed))
    assert (len(pace.drifts), len(samples)) == (passes, shapes)
    assert len(machine.timed) <= max(limit, REFERENCES) + 1 + REFERENCES
    said = [line for line in lines if line.endswith("s were over before")]
    assert said == ([f"{4 - shapes} of 4 held-out shapes: the {limit:g} s were over before"] if shapes < 4 else [])


def test_a_limit_is_seconds_of_a_measurement(profile_file):
    with pytest.raises(InputError, match=r"limit: found 0\.0, expected a number above 0"):
        validate(profile_file, limit=0.0)
    with pytest.raises(InputError, match="limit: found given, expected nothing beside stored"):
        validate(profile_file, limit=9.0, stored=True)


@pytest.fixture
def profile_file(tmp_path):
    path = tmp_path / "toy.json"
    path.write_text(profile_text(PROFILE))
    return str(path)


def run(*arguments):
    result = CliRunner().invoke(main, ["profile", "validate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_machine_that_is_always_faster_is_reported(monkeypatch, profile_file, tmp_path):
    machine = Machine(monkeypatch, lambda now: 0.75)
    text = " ".join(run(profile_file).split())
    assert len(machine.timed) == (PASSES + EXTRA_PASSES) * ROUND + REFERENCES
    assert "measured now, times -25.0% (median) against the calibration" in text
    assert (
        f"all {PASSES + EXTRA_PASSES} passes count: 0, fewer than {LEAST_PASSES}, were within 10% of the speed then"
        in text
    )
    assert "set aside" not in text
    assert f"{REFERENCES} reference kernels -25.0% (median)" in text
    assert "ran at another speed than at calibration, and the errors contain that" in text
    found = json.loads(run(profile_file, "--json", "-o", str(tmp_path / "fit")))
    assert found["drift"] == pytest.approx(-0.25)
    passes = found["passes"]
    assert (passes["counted"], passes["set_aside"], passes["same_speed"]) == (PASSES + EXTRA_PASSES, 0, False)
    assert passes["reference_drift"] == pytest.approx(-0.25)
    assert passes["reference_drift_set_aside"] is None
    assert len(passes["reference_drifts"]) == PASSES + EXTRA_PASSES


def test_the_output_says_how_many_passes_count(monkeypatch, profile_file):
    fast = range(ROUND + 1, 2 * ROUND)
    Machine(monkeypatch, lambda now: 0.6 if now in fast else 1.0)
    text = " ".join(run(profile_file).split())
    assert f"{PASSES} passes count, 2 set aside {REFERENCES} reference kernels +0.0% (median)" in text
    assert "around the passes that count, -20.0% around the others" in text
    assert "another speed" not in text
    assert json.loads(run(profile_file, "--stored", "--json"))["passes"] is None


def test_the_figure_says_how_its_times_were_measured(monkeypatch, profile_file):
    from simcore.studies.profile import validate

    Machine(monkeypatch, lambda now: 1.3)
    (measured,) = validate(profile_file).figures().values()
    (stored,) = validate(profile_file, stored=True).figures().values()
    assert "another speed than at calibration" in measured.get_suptitle()
    assert "profile holds" in stored.get_suptitle()


def test_a_profile_without_reference_kernels_is_measured_as_it_is(monkeypatch, profile_file):
    machine = Machine(monkeypatch, lambda now: 0.5)
    samples, pace, _ = held_out.measure_held_out(replace(PROFILE, samples=tuple(UNSEEN)), "cpu")
    assert len(machine.timed) == PASSES * len(UNSEEN)
    assert (pace.references, pace.counted, pace.drift) == (0, PASSES, None)
    assert pace.as_document()["same_speed"] is None
    assert samples[0].seconds == 0.5 * UNSEEN[0].seconds


def test_a_shape_that_has_no_memory_now_is_skipped_and_said(monkeypatch, profile_file):
    """From the second pass on one shape fails; the others are measured, and it is left out of every pass."""
    machine, short = Machine(monkeypatch, lambda now: 1.0), UNSEEN[1]

    def time_case(case, *rest):
        if case.key == short.key and len(machine.timed) > ROUND:
            raise OutOfMemory(f"gemm {dict(case.shape)}", "the device has too little memory")
        return machine.time_case(case, *rest)

    monkeypatch.setattr(held_out, "time_case", time_case)
    samples, pace, skipped = held_out.measure_held_out(PROFILE, "cpu")
    assert [sample.key for sample in samples] == [sample.key for sample in UNSEEN if sample is not short]
    assert (pace.counted, all(len(sample.passes) == PASSES for sample in samples)) == (PASSES, True)
    (line,) = skipped
    assert line.startswith("gemm {'m': 500")
    assert line.endswith("the device has too little memory")
    assert f"skipped {line}" in run(profile_file).replace("\n", " ")
    assert json.loads(run(profile_file, "--json"))["skipped"] == [line]
    assert machine.timed.count(short.key) == 1

    def nothing(case, *rest):
        raise OutOfMemory("gemm", "the device has too little memory")

    monkeypatch.setattr(held_out, "time_case", nothing)
    with pytest.raises(RunError, match="none of the held-out shapes runs: gemm: the device has too little memory"):
        held_out.measure_held_out(PROFILE, "cpu")


def test_no_profile_is_measured_before_all_are_checked(monkeypatch, profile_file, tmp_path):
    """A published one, or one of another device, is refused before minutes are spent on the first."""
    machine = Machine(monkeypatch, lambda now: 1.0)
    other = tmp_path / "other.json"
    other.write_text(profile_text(replace(PROFILE, fingerprint={"device": "another"})))
    for second, message in (("h100", "nothing that was held out"), (str(other), "a profile of 'another'")):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(main, ["profile", "validate", profile_file, second], catch_exceptions=False)
    assert machine.timed == []


def test_too_few_passes_are_told_from_enough():
    same, off = (0.0, 0.05), (0.0, -0.2)
    enough = held_out.Pace(5, (*[same] * LEAST_PASSES, *[off] * 7))
    assert (enough.counted, enough.set_aside, enough.steady) == (LEAST_PASSES, 7, True)
    few = held_out.Pace(5, (*[same] * (LEAST_PASSES - 1), *[off] * 8))
    assert (few.counted, few.set_aside, few.steady) == (LEAST_PASSES + 7, 0, False)


def test_only_the_device_of_the_profile_and_the_suites_that_it_has(monkeypatch):
    """Without sparse kernels in the profile, their suite, which needs triton on a GPU, is not opened at all."""
    machine = Machine(monkeypatch, lambda now: 1.0)
    held_out.measure_held_out(PROFILE, "cpu")
    assert machine.opened == [name for name in SUITES if name != "pit"]
    sparse = Sample("pit-k", "fp32", {"m": 8}, 1.0, held_out=True)
    held_out.measure_held_out(replace(PROFILE, samples=(*PROFILE.samples, sparse)), "cpu")
    assert machine.opened == list(SUITES)
    with pytest.raises(InputError, match=r"'another'.*name it with device"):
        held_out.measure_held_out(replace(PROFILE, fingerprint={"device": "another"}), "cpu")
