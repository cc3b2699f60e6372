"""``simcore profile derive``: a profile of a device that nobody measured, from those of measured devices."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.compute.device import Device
from simcore.models.compute.profile import Fit, KernelProfile
from simcore.progress import tracked
from simcore.readers import zoo
from simcore.readers.devices import read_device
from simcore.readers.measurements import same_name
from simcore.readers.read import Read
from simcore.results import Provenance, versions
from simcore.studies.inputs import device_profile
from simcore.studies.profile.request import DeriveRequest
from simcore.studies.profile.result import DeriveResult
from simcore.studies.request import study

LEAST = 2
"""Measured devices that a profile is derived from at least: its expected error is that on one from the others."""


@study(DeriveRequest)
def derive(request: DeriveRequest) -> DeriveResult:
    """Derive the profile of a device that nobody measured from profiles of measured devices and its data sheet.

    Times are scaled by peaks, bandwidths, processors, caches and power of the sheets. The expected error of each kernel
    is that of the sources, each predicted from the others.

    Raises
    ------
    InputError
        If there is no such profile or sheet, a profile comes twice or is of the device itself, fewer than two are of
        measured GPUs, or the sheet lacks a number.
    """
    started = time.process_time()
    sheet = _sheet(request)
    sources, ignored = _sources(request, sheet.value)
    device, assumed = _with_power(sheet.value)
    fits, notes = _fits(sources, device)
    profile = KernelProfile(
        request.name, device, "derived", (*fits, *_of_the_sheet(device, fits)), (),
        {"device": device.name, "sheet": sheet.sha256, **{f"from {each.name}": each.sha256 for each in sources}},
        f"{device.name}, scaled from {', '.join(each.name for each in sources)}",
        f"derived from measured profiles by data sheets: {device.sources['peaks']}",
    )  # fmt: skip
    return DeriveResult(
        profile=profile,
        warnings=(*ignored, *assumed, *notes),
        provenance=Provenance(
            request.study,
            request.inputs(),
            {"sheet": sheet.sha256, **{each.name: each.sha256 for each in sources}},
            versions=versions("numpy", "scipy"),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _sheet(request: DeriveRequest) -> Read[Device]:
    """Return what the data sheet says of the device, under its name."""
    if not request.name.strip():
        raise InputError(field("name"), "nothing", "what the device is called", "For example: b200.")
    read = read_device(request.name if request.sheet is None else request.sheet, field("sheet"))
    named = replace(read.value, name=request.name)
    numbers = {"memory_bandwidth": named.bandwidth, "l2": named.cache, "boost_clock": named.clock}
    numbers |= dict(named.peaks)
    for name, number in numbers.items():
        if not number > 0:
            remedy = "Times are scaled by it: write what the data sheet says."
            raise InputError(f"{read.name}, field '{name}'", f"{number:g}", "a number above 0", remedy)
    return Read(named, read.name, read.sha256)


def _with_power(device: Device) -> tuple[Device, tuple[str, ...]]:
    """Return a device with the power of its namesake in the zoo where its sheet says none, and what to say of that."""
    if device.power:
        return device, ()
    namesake = next((name for name in zoo.names("devices") if same_name(name, device.name)), None)
    power = read_device(namesake).value.power if namesake else 0.0
    if power:
        said = f"the sheet says no power: {power:g} W are those of {namesake} in the zoo"
        return replace(device, power=power), (said,)
    missing = "the sheet says no power: products on a board that power slows down are predicted too fast"
    return device, (f"{missing}; add a line such as 'power: 70 W'",)


def _sources(request: DeriveRequest, device: Device) -> tuple[list[KernelProfile], tuple[str, ...]]:
    """Return profiles with measured fits, and a line for each that has none."""
    from simcore.calibrate.profile.derived import measured_fits

    place = field("sources")
    assert isinstance(request.sources, tuple)  # a request makes one of what it is given
    profiles = [device_profile(each, place) for each in request.sources]
    _check_sources(profiles, device)
    measured = [each for each in profiles if measured_fits(each)]
    if len(measured) < LEAST:
        given = f"{len(measured)} of measured devices" if profiles else "none"
        remedy = "Name more; simcore profile show says what one was made of."
        raise InputError(place, given, f"profiles of {LEAST} measured devices or more", remedy)
    others = [each.name for each in profiles if not measured_fits(each)]
    return measured, tuple(f"{name} adds nothing: nothing in it was measured" for name in others)


def _check_sources(profiles: Sequence[KernelProfile], device: Device) -> None:
    """Refuse a source that comes twice, is of the device itself, or is of another kind."""
    place, seen = field("sources"), set[str]()
    for each in profiles:
        if each.device.kind != device.kind:
            raise InputError(place, f"{each.name}, a profile of a {each.device.kind}", f"one of a {device.kind}")
        if same_name(each.device.name, device.name):
            remedy = "Use it as it is, or leave it out."
            raise InputError(place, f"{each.name}, a profile of {device.name} itself", "other devices", remedy)
        if each.device.name in seen:
            raise InputError(place, f"{each.device.name} twice", "each device once", "Leave one out.")
        seen.add(each.device.name)


def _fits(sources: Sequence[KernelProfile], device: Device) -> tuple[list[Fit], tuple[str, ...]]:
    """Return a fit of each kernel, number format and state that a source measured, and what is not known."""
    from simcore.calibrate.profile.derived import Sources, computes, derive_fit, measured_fits, sustained

    devices = {each.name: _with_power(each.device)[0] for each in sources}
    keys = dict.fromkeys(fit.key for each in sources for fit in measured_fits(each))
    fits, notes = [], []
    alone: dict[str, list[str]] = {}
    for key in tracked(keys, "kernels"):
        group = [(each, fit) for each in sources for fit in measured_fits(each) if fit.key == key]
        if computes(group[0][1]) and key[1] not in device.peaks:
            notes.append(f"no fit of {key[0]} {key[1]}: the sheet of {device.name} has no peak of {key[1]}")
            continue
        if len(group) < LEAST:
            alone.setdefault(group[0][0].name, []).append(f"{key[0]} {key[1]}")
        known = Sources(
            [fit for _, fit in group],
            [devices[each.name] for each, _ in group],
            [sustained(each, key[1]) or each.device.peaks.get(key[1], 1.0) for each, _ in group],
        )
        samples = [[one for one in each.samples if (one.kernel, one.dtype, one.state) == key] for each, _ in group]
        fit = derive_fit(known, samples, device)
        fits.append(replace(fit, source=f"scaled from {', '.join(each.name for each, _ in group)}"))
    notes += [f"no expected error of what {name} alone has: {', '.join(of)}" for name, of in alone.items()]
    # what no source multiplies is refused where it is asked for
    multiplied = {dtype for kernel, dtype, _ in keys if kernel == "gemm"}
    lacking = [dtype for dtype in device.peaks if dtype not in multiplied]
    if lacking:
        notes.append(f"no fit of gemm {', '.join(lacking)}: in none of the sources")
    return fits, tuple(notes)


def _of_the_sheet(device: Device, derived: Sequence[Fit]) -> tuple[Fit, ...]:
    """Return what moves bytes and was not derived, as the sheet has it and marked so."""
    from simcore.readers.profiles import sheet_fits

    known = {(fit.kernel, fit.dtype) for fit in derived}
    return tuple(fit for fit in sheet_fits(device) if fit.kernel != "gemm" and (fit.kernel, fit.dtype) not in known)
