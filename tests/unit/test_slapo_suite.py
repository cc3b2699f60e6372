"""The suite of small transformer layers: the groups of microbenchmarks, and where it runs."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.calibrate.measure import compiler  # noqa: E402 - what follows needs torch
from simcore.calibrate.measure.timing import time_case  # noqa: E402
from simcore.calibrate.suites import SUITES, cases, known_suites  # noqa: E402
from simcore.calibrate.suites.slapo import GROUPS  # noqa: E402
from simcore.models.compute.kernels import FUSED  # noqa: E402


@pytest.fixture(scope="module")
def listed():
    return list(cases("cpu", ["slapo"]))


def test_every_group_has_cases_that_are_fitted_and_held_out(listed):
    assert list(GROUPS) == [f"G{number}" for number in range(1, 11)]
    for kernel in GROUPS.values():
        assert {case.held_out for case in listed if case.kernel == kernel} == {True, False}


def test_fused_kernels_are_there_where_inductor_has_its_compiler(listed, monkeypatch):
    there = compiler.fuser("cpu") == compiler.INDUCTOR
    for kernel in FUSED:
        assert {case.held_out for case in listed if case.kernel == kernel} == ({True, False} if there else set())
    monkeypatch.setattr(compiler, "fuser", lambda device: compiler.WITHOUT)
    assert not any(case.kernel in FUSED for case in cases("cpu", ["slapo"]))


@pytest.mark.parametrize("kernel", FUSED)
def test_what_a_fused_kernel_computes_is_checked(kernel, monkeypatch):
    monkeypatch.setattr(compiler, "fuser", lambda device: compiler.INDUCTOR)
    case = next(case for case in cases("cpu", ["slapo"]) if case.kernel == kernel)
    case.run.made = case.run.function  # not compiled, which takes seconds
    assert time_case(case, "cpu", 1, 0.01).error < 1e-6


def test_no_case_stands_there_twice(listed):
    keys = [case.key for case in listed]
    assert len(set(keys)) == len(keys)


def test_it_runs_where_it_is_named_alone():
    assert "slapo" not in SUITES
    assert known_suites(["Slapo"]) == ("slapo",)


@pytest.mark.parametrize("kernel", ["checkpoint", "adam", "cross_entropy", "attention_backward"])
def test_a_case_runs_and_its_output_is_right(listed, kernel):
    smallest = min((case for case in listed if case.kernel == kernel), key=lambda case: max(case.shape.values()))
    assert time_case(smallest, "cpu", 1, 0.01).seconds > 0
