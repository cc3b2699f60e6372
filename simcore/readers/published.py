"""Kernel profiles that nobody measured here: a device's data sheet, and what others published of its kernels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import gemm_seconds
from simcore.models.compute.profile import Fit, KernelProfile, Sample
from simcore.readers.devices import load_device
from simcore.readers.quantities import Entry, Strict, Time

UNBOUNDED = 1e18
"""On-chip bandwidth where nobody publishes it [B/s]: none that a kernel waits for."""

_Size = Annotated[int, Field(ge=1)]


class _Shape(Strict):
    m: _Size
    n: _Size
    k: _Size


class _Measurement(Strict):
    kernel: Literal["gemm"]
    dtype: str
    shape: _Shape
    time: Time
    source: Annotated[str, Field(min_length=1)]


class _Published(Entry):
    device: str
    measurements: list[_Measurement] = Field(default_factory=list)


def read_published(path: Path) -> KernelProfile:
    """Build a profile of a YAML file that names a device of the zoo and published times of its kernels.

    Peak and bandwidth are the data sheet's, which no kernel reaches; launches cost nothing, as no sheet has them. Where
    the time of a GEMM is published, the rate of its number format is solved from it.

    Raises
    ------
    InputError
        Naming file, line and field; also for a second time of one number format.

    Examples
    --------
    >>> from simcore.readers.zoo import find
    >>> profile = read_published(find("profiles", "v100-16gb", "FILE"))
    >>> profile.fit("gemm", "fp32").origin, profile.fit("gemm", "fp16").origin
    ('published', 'data sheet')
    """
    data = read_yaml(path, _Published, "profile")
    device = load_device(data.device, f"{path}, field 'device'")
    samples: dict[str, Sample] = {}
    for one in data.measurements:
        place = f"{path}, field 'measurements'"
        device.peak(one.dtype)
        if one.dtype in samples:
            raise InputError(place, f"a second GEMM of {one.dtype}", "one per number format", "Remove one.")
        shape = one.shape.model_dump()
        floor = gemm_seconds(shape, _gemm(device, device.peaks[one.dtype]), one.dtype, device)
        if one.time < floor:
            expected = f"at least {floor:.4g} s, what peak and bandwidth of {device.name} allow"
            raise InputError(place, f"{one.time:g} s", expected, "Check the device and the number format.")
        samples[one.dtype] = Sample("gemm", one.dtype, shape, one.time, note=one.source)
    fits = [_gemm_fit(device, dtype, samples.get(dtype)) for dtype in device.peaks]
    fits += [_moving(device, kernel, dtype) for dtype in device.peaks if dtype != "tf32"
             for kernel in ("copy", "gather", "scatter")]  # fmt: skip
    return KernelProfile(
        path.stem, device, "published", tuple(fits), tuple(samples.values()),
        description=data.description, source=data.source or device.sources["peaks"],
    )  # fmt: skip


def _gemm(device: Device, rate: float) -> dict[str, float]:
    return {"t0": 0.0, "rate": rate, "ramp": 0.0, "onchip": UNBOUNDED, "stream": device.bandwidth,
            "vector": device.bandwidth, "fresh": UNBOUNDED}  # fmt: skip


def _gemm_fit(device: Device, dtype: str, sample: Sample | None) -> Fit:
    sheet = device.sources["peaks"]
    if sample is None:
        source = f"{sheet}: peak and bandwidth; launch 0 s and on-chip bandwidth unbounded, as neither is published"
        return Fit("gemm", dtype, "gemm", _gemm(device, device.peaks[dtype]), origin="data sheet", source=source)
    # tiled, the formula is X / rate + Y: at an endless rate it gives Y, at a rate of 1 FLOP/s X + Y
    tiled = {"vector": math.ulp(0.0)}
    moved = gemm_seconds(sample.shape, _gemm(device, math.inf) | tiled, dtype, device)
    work = gemm_seconds(sample.shape, _gemm(device, 1.0) | tiled, dtype, device) - moved
    shape = " x ".join(f"{sample.shape[name]:g}" for name in "mnk")
    source = f"rate solved from {shape} in {sample.seconds * 1e3:g} ms: {sample.note}; bandwidth: {sheet}"
    rate = work / (sample.seconds - moved)
    return Fit("gemm", dtype, "gemm", _gemm(device, rate), origin="published", source=source)


def _moving(device: Device, kernel: str, dtype: str) -> Fit:
    """Return a kernel that moves bytes at the memory's bandwidth, whatever the width of its rows."""
    parameters = {"t0": 0.0, "bandwidth": device.bandwidth, "knee": 0.0, "ratio": 1.0}
    rows = {} if kernel == "copy" else {"row": 0.0}
    source = f"{device.sources['bandwidth']}: memory bandwidth"
    formula = "stream" if kernel == "copy" else "rows"
    return Fit(kernel, dtype, formula, parameters | rows, origin="data sheet", source=source)
