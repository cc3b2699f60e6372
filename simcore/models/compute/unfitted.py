"""Kernels with too few samples for a fit: how many one takes, and what to tell a reader who asks for such a kernel."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULAS, Formula, formula_of, has_formula
from simcore.models.compute.profile import KernelProfile, Sample, State

MARGIN = 1
"""Samples that a fit takes beyond its free parameters: with none more it meets every sample, and no residual tells."""

REMEDY = "measure the rest: run the same simcore calibrate again"


def free_parameters(formula: Formula, samples: Sequence[Sample], device: Device) -> int:
    """Return how many parameters of a formula the samples can tell anything of.

    A parameter is free if the time of any sample depends on it: what a reduction of no elements costs is not.

    Parameters
    ----------
    formula : Formula
        Of their kernel.
    samples : sequence of Sample
        Those that are fitted.
    device : Device
        Where they were measured.
    """
    return sum(_moves(formula, name, samples, device) for name in formula.parameters)


def _moves(formula: Formula, name: str, samples: Sequence[Sample], device: Device) -> bool:
    """Say whether a parameter changes any time, with the others at their start, a tenth and ten times of it."""
    varied = formula.parameters[name]
    for factor in (1.0, 0.1, 10.0):
        others = {key: min(max(one.start * factor, one.low), one.high) for key, one in formula.parameters.items()}
        for sample in samples:
            low, high = (
                formula.seconds(sample.shape, others | {name: value}, sample.dtype, device)
                for value in (varied.low, varied.high)
            )
            if low != high:
                return True
    return False


def shortage(samples: Sequence[Sample], device: Device) -> str | None:
    """Say why the samples of one kernel and number format cannot be fitted; None where they can.

    Parameters
    ----------
    samples : sequence of Sample
        All of them, those that are held out included.
    device : Device
        Where they were measured.
    """
    if not samples:
        return "no samples"
    known = [sample for sample in samples if not sample.held_out]
    free = free_parameters(FORMULAS[formula_of(samples[0].kernel, (one.shape for one in samples))], known, device)
    if known and len(known) >= free + MARGIN:
        return None
    return f"{len(known)} of the {max(free, 1) + MARGIN} samples that a fit takes at least"


def why_unfitted(profile: KernelProfile, kernel: str, dtype: str) -> str | None:
    """Say why a profile has no fit of a kernel; None where it has one, or where the device's kernels get none."""
    if profile.fit(kernel, dtype) is not None or not has_formula(kernel, profile.device):
        return None
    states: tuple[State, ...] = ("cold", "warm")
    known = (profile.samples_by_key.get((kernel, dtype, state)) for state in states)
    samples = max((each or () for each in known), key=len)
    return f"{kernel} {dtype}: {shortage(samples, profile.device) or 'not fitted yet'}; {REMEDY}"


def unfitted(profile: KernelProfile) -> list[str]:
    """Say of every kernel and number format that was measured and has no fit why it has none."""
    measured = dict.fromkeys((one.kernel, one.dtype) for one in profile.samples)
    reasons = (why_unfitted(profile, kernel, dtype) for kernel, dtype in measured)
    return [why for why in reasons if why is not None]
