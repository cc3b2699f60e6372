"""Convolutions: the product that each is, what it reads and writes, and how long a direct one takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from simcore.models.compute.device import DTYPES, Device

Shape = Mapping[str, float]
Parameters = Mapping[str, float]
Tilings = Mapping[str, Sequence[tuple[int, int]]]

CONVOLUTIONS: Mapping[str, str] = {"conv": "", "conv_input_gradient": "input", "conv_weight_gradient": "weight"}
"""Kernels that have the sizes of a convolution's forward pass, and of what each is the gradient."""


def as_product(shape: Shape, gradient: str = "") -> dict[str, float]:
    """Return the product that a convolution is: a row per pixel of the output, a column per output channel.

    Parameters
    ----------
    shape : mapping of str to float
        Sizes of the forward pass.
    gradient : {'', 'input', 'weight'}
        Of what the product is the gradient; none for the forward pass. All three are the same work, but for the
        padding: the gradient of the input has a row per pixel of the input, which 1 / stride^2 of the taps reach; that
        of the weights has a row per output channel and sums over the pixels of the output.

    Examples
    --------
    >>> shape = {"batch": 2, "in_channels": 8, "out_channels": 16, "height": 32, "width": 32}
    >>> shape = {**shape, "kernel_h": 3, "kernel_w": 3, "stride": 2, "padding": 1, "groups": 4}
    >>> as_product(shape)
    {'m': 512, 'n': 4.0, 'k': 18.0, 'batch': 4}
    >>> as_product(shape, "input")
    {'m': 2048, 'n': 2.0, 'k': 9.0, 'batch': 4}
    >>> as_product(shape, "weight")
    {'m': 4.0, 'n': 18.0, 'k': 512, 'batch': 4}
    """
    groups, stride = shape["groups"], shape["stride"]
    kernel = shape["kernel_h"], shape["kernel_w"]
    taps, inputs, outputs = kernel[0] * kernel[1], shape["in_channels"] / groups, shape["out_channels"] / groups
    sides = zip(("height", "width"), kernel, strict=True)
    plane = math.prod((shape[side] + 2 * shape["padding"] - size) // stride + 1 for side, size in sides)
    if gradient == "input":
        rows = shape["batch"] * shape["height"] * shape["width"]
        return {"m": rows, "n": inputs, "k": outputs * max(1.0, taps / stride**2), "batch": groups}
    pixels, reads = shape["batch"] * plane, inputs * taps
    if gradient == "weight":
        return {"m": outputs, "n": reads, "k": pixels, "batch": groups}
    return {"m": pixels, "n": outputs, "k": reads, "batch": groups}


def conv_elements(shape: Shape) -> float:
    """Return the elements of a convolution's input, weights and output.

    Examples
    --------
    >>> shape = {"batch": 2, "in_channels": 3, "out_channels": 4, "height": 8, "width": 8, "kernel_h": 1, "kernel_w": 1}
    >>> conv_elements({**shape, "stride": 1, "padding": 0, "groups": 1})
    908.0
    """
    product = as_product(shape)
    read = shape["batch"] * shape["in_channels"] * shape["height"] * shape["width"]
    return read + product["batch"] * (product["n"] * product["k"] + product["m"] * product["n"])


def is_depthwise(shape: Shape) -> bool:
    """Say whether every input channel of a convolution is a group of its own."""
    return shape["groups"] == shape["in_channels"] > 1


def is_pointwise(shape: Shape) -> bool:
    """Say whether a convolution is a product of the channels of each pixel with weights: 1 x 1 in one group."""
    return shape["kernel_h"] == shape["kernel_w"] == shape["stride"] == shape["groups"] == 1 and not shape["padding"]


def direct_conv_seconds(
    gradient: str, tilings: Tilings, shape: Shape, p: Parameters, dtype: str, device: Device
) -> float:
    """Return the time of a convolution that reads its map once, or of a gradient of it [s].

    By its shape it is one of

    ::

        1 x 1      c + 2 T K samples / Q + b / stream, as a product for each sample
        depthwise  t0 + 2 K M N groups / V + b / stream
        dense      t0 + 2 T (K + ramp) / P + b / stream, with R in place of P where the stride is not 1

    with M x N x K the product of `as_product`, T its output rounded up to whole tiles and waves of them as in a GEMM,
    and b the bytes of input, weights and output; a product for each sample reads the weights as often. Libraries have
    an algorithm for each: P `rate`, R `strided`, Q `pointwise` and V `depthwise` [FLOP/s], and c `call` [s] is t0
    where nothing is laid out anew.

    Examples
    --------
    >>> toy = Device("toy", "cpu", 1, 1e9, 1e9, 1e6)
    >>> p = {"t0": 1e-6, "rate": 1e9, "pointwise": 2e9, "depthwise": 1e8, "ramp": 1e-9, "stream": 1e9, "call": 0.0}
    >>> sizes = {"batch": 1, "in_channels": 16, "out_channels": 16, "height": 8, "width": 8, "stride": 1}
    >>> dense = {**sizes, "kernel_h": 3, "kernel_w": 3, "padding": 1, "groups": 1}
    >>> tilings = {"cpu": ((8, 16),)}
    >>> round(direct_conv_seconds("", tilings, dense, p, "fp32", toy) * 1e6, 3)  # 294.912 of work, 17.408 of bytes
    313.32
    >>> round(direct_conv_seconds("", tilings, {**dense, "groups": 16}, p, "fp32", toy) * 1e6, 3)
    194.088
    """
    each = shape["batch"] if is_pointwise(shape) else 1.0
    product = as_product({**shape, "batch": shape["batch"] / each}, gradient)
    weights = product["batch"] * shape["out_channels"] * shape["in_channels"] / shape["groups"] ** 2
    bytes_ = DTYPES[dtype] * (conv_elements(shape) + (each - 1) * weights)
    moved = bytes_ / p["stream"]
    if is_depthwise(shape):
        return p["t0"] + 2 * math.prod(product.values()) / p["depthwise"] + moved
    slots, output = device.processors, math.inf
    for high, wide in tilings[device.kind]:
        tiles = product["batch"] * math.ceil(product["m"] / high) * math.ceil(product["n"] / wide)
        output = min(output, math.ceil(tiles / slots) * slots * high * wide)
    if is_pointwise(shape):
        return p["call"] + 2 * output * product["k"] * each / p["pointwise"] + moved
    rate = p["rate" if shape["stride"] == 1 else "strided"]
    return p["t0"] + 2 * output * (product["k"] + p["ramp"]) / rate + moved
