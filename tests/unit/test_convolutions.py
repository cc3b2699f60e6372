"""Convolutions and their gradients: the products that they are, and what predicts one that a profile lacks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.models.compute.convolution import CONVOLUTIONS, as_product, conv_elements
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULAS, MASKING, MEMORY_BOUND, seconds_of
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Fit, KernelProfile

TOY = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
SIZES = {"batch": 2, "in_channels": 32, "out_channels": 64, "height": 28, "width": 28}
DENSE = {**SIZES, "kernel_h": 3, "kernel_w": 3, "stride": 1, "padding": 1, "groups": 1}
POINTWISE = {**SIZES, "kernel_h": 1, "kernel_w": 1, "stride": 1, "padding": 0, "groups": 1}


def fit_of(kernel: str, formula: str, **changed: float) -> Fit:
    """Return a fit at the formula's start, with some parameters changed."""
    parameters = {name: one.start for name, one in FORMULAS[formula].parameters.items()}
    return Fit(kernel, "fp32", formula, {**parameters, **changed}, {})


def profile_of(*fits: Fit) -> KernelProfile:
    """Return a profile of these fits alone."""
    return KernelProfile("toy", TOY, "measured", fits, (), {}, "", "")


@pytest.mark.parametrize("gradient", CONVOLUTIONS.values())
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 4, 32])
def test_a_convolution_and_its_gradients_are_the_same_work(gradient, stride, groups):
    shape = {**DENSE, "stride": stride, "groups": groups}
    product, forward = as_product(shape, gradient), as_product(shape)
    work, of_forward = (one["m"] * one["n"] * one["k"] * one["batch"] for one in (product, forward))
    assert work == pytest.approx(of_forward)
    assert conv_elements(shape) == 2 * 32 * 28**2 + 64 * 32 // groups * 9 + 2 * 64 * (28 // stride) ** 2


def test_a_depthwise_convolution_has_a_speed_of_its_own():
    fit = fit_of("conv", "direct_conv", depthwise=1e9)
    shape = {**DENSE, "in_channels": 64, "groups": 64}
    slower = replace(fit, parameters={**fit.parameters, "depthwise": 5e8})
    added = seconds_of(slower, shape, TOY) - seconds_of(fit, shape, TOY)
    assert added == pytest.approx(2 * 2 * 64 * 28 * 28 * 9 / 1e9)
    assert seconds_of(slower, DENSE, TOY) == seconds_of(fit, DENSE, TOY)


@pytest.mark.parametrize("formula", ["conv", "direct_conv"])
def test_a_gradient_that_nobody_measured_takes_what_its_forward_pass_takes(formula):
    forward = fit_of("conv", formula)
    prediction = predict(profile_of(forward), "conv_weight_gradient", "fp32", DENSE, extrapolate=True)
    assert prediction.seconds == seconds_of(forward, DENSE, TOY)
    assert "not in the profile, its forward pass of as much work stands in" in prediction.notes[0]


def test_a_convolution_of_1_x_1_stands_on_products_and_another_does_not():
    profile = profile_of(fit_of("gemm", "gemm"))
    prediction = predict(profile, "conv_input_gradient", "fp32", POINTWISE, extrapolate=True)
    product = predict(profile, "gemm", "fp32", {"m": 2 * 28 * 28, "n": 32, "k": 64}, extrapolate=True)
    assert prediction.seconds == product.seconds
    assert "the product that it is stands in" in prediction.notes[0]
    with pytest.raises(InputError, match="no fit of 'conv'"):
        predict(profile, "conv", "fp32", DENSE)


def test_rows_of_a_bag_stand_on_a_gather_and_their_gradients_on_a_scatter():
    profile = profile_of(fit_of("gather", "rows"), fit_of("scatter", "rows", row=1e-6))
    sizes = {"rows": 64, "width": 512}
    forward, backward = (predict(profile, f"embedding_bag{end}", "fp32", sizes) for end in ("", "_backward"))
    assert backward.seconds > forward.seconds == predict(profile, "gather", "fp32", sizes).seconds
    assert "a scatter of as many rows stands in" in backward.notes[0]


def test_every_memory_bound_kernel_has_its_gradient():
    without = {name for name in MEMORY_BOUND if f"{name}_backward" not in MEMORY_BOUND}
    assert {name for name in without if not name.endswith("_backward")} == {"copy", "add", "mul", "adam", *MASKING}
