"""The GEMM formula where a product is not bound by its work, and what a prediction says of its error."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from simcore.calibrate.profile.fit import fit_kernel
from simcore.models.compute.device import FRESH, Device
from simcore.models.compute.expected import distance, expected_error
from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Errors, Fit, KernelProfile, Sample
from simcore.models.compute.seconds import gemm_seconds
from simcore.readers.profiles import read_profile

CPU = Device("toy", "cpu", 1, 1e12, 0.0, 1e6)
GEMM = {"t0": 1e-5, "rate": 1e11, "ramp": 1.0, "onchip": 1e14, "stream": 1e10, "vector": 1.6e10, "fresh": 2.5e9}


def time_of(m, n, k, **changed):
    return gemm_seconds({"m": m, "n": n, "k": k}, GEMM | changed, "fp32", CPU) - GEMM["t0"]


def test_a_product_with_a_vector_takes_what_reading_the_matrix_takes():
    assert time_of(1, 1024, 512) == pytest.approx(4 * 1024 * 512 / GEMM["vector"])
    assert time_of(1024, 1, 512) == time_of(1, 1024, 512)
    assert time_of(2, 1024, 512) == pytest.approx(2 * time_of(1, 1024, 512))
    assert time_of(16, 1024, 512) < 16 * time_of(1, 1024, 512)  # tiles read it once for many rows
    assert time_of(16, 1024, 512) == time_of(16, 1024, 512, vector=1e9)


def test_an_output_that_is_fresh_memory_each_time_costs_its_pages():
    rows = int(FRESH["cpu"]) // 4 // 4096
    below, above = time_of(rows - 8, 4096, 64), time_of(rows, 4096, 64)
    assert above - below == pytest.approx(4 * rows * 4096 / GEMM["fresh"], rel=0.05)
    assert time_of(rows - 8, 4096, 64, fresh=1.0) == below
    assert math.isinf(FRESH["cuda"])


@pytest.mark.parametrize("state", ["cold", "warm"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_shipped_fit_does_on_what_it_was_fitted_to_about_what_it_does_on_held_out_shapes(dtype, state):
    profile = read_profile("cpu").value
    fit = profile.fit("gemm", dtype, state)
    wanted = "gemm", dtype, state, False
    for sample in (one for one in profile.samples if (one.kernel, one.dtype, one.state, one.held_out) == wanted):
        alone = sample.shape["batch"] == 1  # batches of small products are noisy
        if alone and (1 in (sample.shape["m"], sample.shape["n"]) or sample.shape["k"] == 64):
            assert abs(seconds_of(fit, sample.shape, profile.device) / sample.seconds - 1) < 0.25, sample.key
    fitted, held_out = Errors.of(fit.residuals).mape, Errors.of(fit.held_out).mape
    assert fitted < 0.12
    assert held_out < 0.12
    assert 0.5 < fitted / held_out < 2


def profile_with(residuals, held_out=()):
    """A profile whose fit misses its samples, squares from 64 to 2048, by what is given."""
    sizes = [64 * 2**power for power in range(len(residuals) + len(held_out))]
    samples = [
        Sample("gemm", "fp32", {"m": m, "n": m, "k": m, "batch": 1}, 1.0, held_out=place >= len(residuals))
        for place, m in enumerate(sizes)
    ]
    fit = Fit("gemm", "fp32", "gemm", GEMM, {}, residuals, held_out)
    return KernelProfile("toy", CPU, "measured", (fit,), tuple(samples))


def square(m):
    return {"m": m, "n": m, "k": m, "batch": 1}


def test_the_expected_error_is_the_worse_of_held_out_and_fitted():
    found = predict(profile_with([0.0, 0.0, 0.0, 0.4], [-0.05]), "gemm", "fp32", square(64))
    assert found.error == pytest.approx(0.1)
    assert found.basis == "on fitted shapes"
    found = predict(profile_with([0.01] * 4, [-0.05]), "gemm", "fp32", square(64))
    assert (found.error, found.basis) == (pytest.approx(0.05), "on held-out shapes")
    assert predict(profile_with([]), "gemm", "fp32", square(64)).error is None


def test_where_the_nearest_samples_miss_by_more_that_is_the_expected_error():
    profile = profile_with([0.02, 0.02, 0.02, 0.02, 0.6])
    at = {m: predict(profile, "gemm", "fp32", square(m)) for m in (64, 700, 1024)}
    assert at[64].error == pytest.approx(0.136)  # the mean of all five
    assert at[64].error < at[700].error < at[1024].error < 0.6
    assert at[1024].basis == "on the nearest measured shapes"
    fit = profile.fits[0]
    other = replace(profile, samples=profile.samples[:-1])  # not the samples that it was fitted to
    assert expected_error(other, fit, square(1024)).relative == pytest.approx(0.136)


def test_distance_is_in_doublings_of_each_size():
    assert distance(square(64), square(128)) == pytest.approx(math.sqrt(3))
    assert distance({"m": 1, "n": 2}, {"m": 1, "n": 2, "batch": 4}) == 2


def test_a_fit_tells_vectors_and_fresh_outputs_from_other_products():
    shapes = [(m, n, k) for m in (64, 200, 1024) for n in (96, 512) for k in (64, 500, 2000)]
    shapes += [(1, 1024, 512), (900, 1, 600), (1, 2048, 2048), (4096, 4096, 64), (3000, 3000, 100)]
    samples = [Sample("gemm", "fp32", {"m": m, "n": n, "k": k}, time_of(m, n, k) + GEMM["t0"]) for m, n, k in shapes]
    fit = fit_kernel(samples, CPU)
    assert max(map(abs, fit.residuals)) < 0.02
    assert fit.parameters["vector"] == pytest.approx(GEMM["vector"], rel=0.05)
    assert fit.parameters["fresh"] == pytest.approx(GEMM["fresh"], rel=0.05)
