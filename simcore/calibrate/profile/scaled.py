"""Fits of another card with the same chip, scaled by what the two data sheets say of clocks and memory."""

from __future__ import annotations

from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.compute.device import Device
from simcore.models.compute.profile import Fit, KernelProfile

ORIGIN = "derived"
"""Of a fit that was measured on another card."""

CLOCKED = frozenset({"rate", "onchip"})
"""Parameters that grow with the clock: what processors compute, and what they read on the chip."""

STREAMED = frozenset({"stream", "vector", "bandwidth"})
"""Parameters that grow with the memory's bandwidth."""


def scaled_fits(base: KernelProfile, device: Device, start: float | None = None) -> tuple[Fit, ...]:
    """Return the measured fits of a profile for another card with the same chip.

    Rates are multiplied by the ratio of the boost clocks and bandwidths by that of the memories. Nothing was measured
    on the card itself, so the fits hold no errors.

    Parameters
    ----------
    base : KernelProfile
        Of a card that was measured.
    device : Device
        The other card.
    start : float, optional
        What starts a kernel on it [s], where that was measured; by default what it takes in the other profile, whose
        times may hold what a host takes for each call.

    Raises
    ------
    InputError
        If the two are not the same chip, or a data sheet has no clock.
    """
    theirs = base.device
    for name in ("kind", "processors", "cache"):
        mine, other = getattr(device, name), getattr(theirs, name)
        if mine != other:
            expected = f"a profile of the same chip: {name} {mine}, as {device.name} has"
            raise InputError(f"{field('rest')}, profile {base.name}", f"{name} {other}", expected)
    if not device.clock or not theirs.clock or not theirs.bandwidth:
        lacking = theirs.name if not theirs.clock or not theirs.bandwidth else device.name
        raise InputError(field("rest"), f"no clock or no bandwidth of {lacking}", "both, which fits are scaled by")
    clock, memory = device.clock / theirs.clock, device.bandwidth / theirs.bandwidth
    scaled = (_scaled(fit, base, clock, memory) for fit in base.fits if fit.origin != "data sheet")
    return tuple(scaled) if start is None else tuple(_started(fit, start) for fit in scaled)


def _started(fit: Fit, start: float) -> Fit:
    """Return a fit whose kernel takes no longer to start than others on the card."""
    usual = fit.parameters.get("t0", 0.0)
    if usual <= start:
        return fit
    source = f"{fit.source}; t0 {usual:.3g} s with its host replaced by {start:.3g} s"
    return replace(fit, parameters={**fit.parameters, "t0": start}, source=source)


def _scaled(fit: Fit, base: KernelProfile, clock: float, memory: float) -> Fit:
    factors = dict.fromkeys(CLOCKED, clock) | dict.fromkeys(STREAMED, memory)
    parameters = {name: value * factors.get(name, 1.0) for name, value in fit.parameters.items()}
    source = f"{base.name} ({fit.source or base.source}), rates x {clock:.4g} (boost clocks), bandwidths x {memory:.4g}"
    bare = replace(fit, residuals=(), held_out=(), judged=None)
    return replace(bare, parameters=parameters, origin=ORIGIN, source=source)
