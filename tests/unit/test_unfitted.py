"""Too few samples give no fit, and whoever asks for the kernel is told so: no price is ever made up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.calibrate.profile.fit import fit_all
from simcore.errors import InputError
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULA_OF, FORMULAS
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import KernelProfile, Sample
from simcore.models.compute.unfitted import MARGIN, free_parameters, shortage, unfitted, why_unfitted
from simcore.readers.profiles import read_profile
from simcore.studies.kernel import matmul

CPU = Device("toy", "cpu", 1, 1e12, 0.0, 1e6)


def launches(count, held_out=False):
    return [Sample("launch", "fp32", {"nodes": 2**n}, 1e-6 * 2**n, held_out=held_out) for n in range(count)]


def test_a_fit_takes_more_samples_than_it_has_parameters():
    assert MARGIN >= 1
    for count, fitted in ((1, False), (2, False), (2 + MARGIN, True)):
        samples = [*launches(count), *launches(4, held_out=True)]
        assert bool(fit_all(samples, CPU)) == fitted
        assert (shortage(samples, CPU) is None) == fitted
    assert shortage(launches(4, held_out=True), CPU) is not None


def test_parameters_that_the_samples_say_nothing_of_are_not_free():
    def index(elements, partial):
        return [Sample("index", "bool", {"elements": elements, "partial": partial, "micro": 9, "found": 3}, 1e-5)]

    assert free_parameters(FORMULAS["index"], index(0, 0), CPU) == 3
    assert free_parameters(FORMULAS["index"], index(0, 9), CPU) == 4
    gemm = Sample("gemm", "fp32", {"m": 512, "n": 512, "k": 64}, 1e-3)
    fresh = Sample("gemm", "fp32", {"m": 4096, "n": 4096, "k": 64}, 1e-1)
    seen = free_parameters(FORMULAS["gemm"], [gemm], CPU)
    assert free_parameters(FORMULAS["gemm"], [gemm, fresh], CPU) == seen + 1
    assert free_parameters(FORMULAS["gemm"], [replace(fresh, kernel="gemm")], Device("g", "cuda", 80, 1e9, 0, 0)) < 7


def test_every_fit_of_the_shipped_profile_has_enough_samples():
    profile = read_profile("cpu").value
    assert unfitted(profile) == []
    assert {one.kernel for one in profile.samples if one.kernel in FORMULA_OF} == {fit.kernel for fit in profile.fits}


@pytest.fixture(scope="module")
def shipped():
    return read_profile("cpu").value


def without(profile, kernel, keep=0):
    """The profile with the first few samples of a kernel alone, in one state, and without its fit."""
    known = [one for one in profile.samples if one.kernel == kernel and not one.held_out]
    kept = [one for one in known if one.state == known[0].state][:keep]
    samples = [one for one in profile.samples if one.kernel != kernel]
    fits = tuple(one for one in profile.fits if one.kernel != kernel)
    return replace(profile, samples=(*samples, *kept), fits=fits)


def test_no_sparse_kernel_is_chosen_without_a_price_of_its_index(shipped):
    cut = without(without(shipped, "index-k", keep=1), "index")
    found = matmul("1024x1024x1024", profile=cut, sparsity=0.95, granularity="32x1")
    assert all(one.kernel is None or one.kernel.axis != "k" for one in found.selection.candidates)
    assert any(one.kernel is not None for one in found.selection.candidates)
    assert all(one.index_seconds > 0 for one in found.selection.candidates if one.kernel is not None)
    text = "\n".join(found.sentences())
    assert "Not considered: k-axis 32x1, whose index has no price: index-k bool: 1 of the " in text
    assert "run the same simcore calibrate again" in text
    assert any("k-axis 32x1, whose index has no price" in note for note in found.warnings)
    none = without(shipped, "index")
    for axis in ("k", "m", "n", "block"):
        none = without(none, f"index-{axis}")
    found = matmul("1024x1024x1024", profile=none, sparsity=0.95, granularity="32x1")
    assert found.selection.best.kernel is None


def test_one_sample_of_a_sparse_kernel_gives_no_price(shipped):
    cut = without(shipped, "pit-k", keep=1)
    assert "pit-k" not in {fit.kernel for fit in fit_all(cut.samples, cut.device)}
    found = matmul("1024x1024x1024", profile=cut, sparsity=0.95, granularity="32x1")
    assert "k" not in {one.kernel.axis for one in found.selection.candidates if one.kernel}
    assert any(line.startswith("Not considered: k-axis 32x1: pit-k fp32: 1 of the ") for line in found.sentences())


def test_a_kernel_that_was_measured_too_little_says_what_to_do(shipped):
    cut = without(shipped, "gemm", keep=3)
    with pytest.raises(InputError, match=r"gemm fp32: 3 of the 7 samples .*run the same simcore calibrate"):
        predict(cut, "gemm", "fp32", {"m": 64, "n": 64, "k": 64})
    assert why_unfitted(shipped, "gemm", "fp32") is None
    assert unfitted(KernelProfile("toy", CPU, samples=(Sample("moe-loop", "fp32", {"tokens": 8}, 1.0),))) == []
