"""Fitting a kernel's cost formula to its samples: bounded, robust least squares on relative errors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.calibrate.profile.learned import can_learn, learned
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULAS, Formula, Parameter, formula_of, has_formula, seconds_of
from simcore.models.compute.profile import Fit, Sample, State
from simcore.models.compute.unfitted import shortage
from simcore.progress import tracked

STARTS = (1.0, 0.1, 10.0)
"""Factors on every formula's starting point that are tried: the formulas have kinks, and kinks have local minima."""

ROBUST = 0.1
"""Relative error above which a sample counts less than its square."""


def fit_kernel(samples: Sequence[Sample], device: Device) -> Fit:
    """Fit the formula of one kernel, number format and state.

    The logarithms of the parameters are fitted, within their bounds, to the logarithms of the times with scipy's
    ``least_squares`` and its soft L1 loss; samples that are held out only give `Fit.held_out`.

    Parameters
    ----------
    samples : sequence of Sample
        All of one kernel, number format and state; at least one must not be held out.
    device : Device
        Where they were measured.

    Returns
    -------
    Fit
        With the residuals of every sample.
    """
    first = samples[0]
    name = formula_of(first.kernel, (sample.shape for sample in samples))
    formula = FORMULAS[name]
    known = [sample for sample in samples if not sample.held_out]
    parameters = _solve(formula, known, device)
    measures = [formula.measures(sample.shape) for sample in samples]
    fit = Fit(
        first.kernel,
        first.dtype,
        name,
        parameters,
        ranges={key: (min(m[key] for m in measures), max(m[key] for m in measures)) for key in measures[0]},
        spread=statistics.median(sample.spread for sample in samples),
        state=first.state,
    )
    unseen = [sample for sample in samples if sample.held_out]
    return replace(fit, residuals=residuals(fit, known, device), held_out=residuals(fit, unseen, device))


def fit_all(samples: Iterable[Sample], device: Device) -> tuple[Fit, ...]:
    """Fit every kernel, number format and state that has a formula and enough samples, see `shortage`."""
    groups: dict[tuple[str, str, State], list[Sample]] = {}
    for sample in samples:
        if has_formula(sample.kernel, device):
            groups.setdefault((sample.kernel, sample.dtype, sample.state), []).append(sample)
    enough = [group for group in groups.values() if shortage(group, device) is None]
    return tuple(_fitted(group, device) for group in tracked(enough, "fits"))


def _fitted(samples: Sequence[Sample], device: Device) -> Fit:
    """Return the fit of a group, with what its formula misses by where the samples are enough to learn it."""
    fit = fit_kernel(samples, device)
    known = [sample for sample in samples if not sample.held_out]
    if not can_learn(fit, known):
        return fit
    return learned(fit, known, [sample for sample in samples if sample.held_out], device)


def residuals(fit: Fit, samples: Sequence[Sample], device: Device) -> tuple[float, ...]:
    """Return predicted / measured - 1 of samples."""
    return tuple(seconds_of(fit, sample.shape, device) / sample.seconds - 1 for sample in samples)


def _solve(formula: Formula, samples: Sequence[Sample], device: Device) -> dict[str, float]:
    from scipy.optimize import least_squares

    limits = dict(formula.parameters)
    if formula.rate is not None:
        best_rate = max(formula.rate(sample.shape) / sample.seconds for sample in samples)
        limits["rate"] = Parameter(1.1 * best_rate, 0.9 * best_rate, 2 * best_rate)
    names = list(limits)
    low = np.log([limits[name].low for name in names])
    high = np.log([limits[name].high for name in names])
    measured = np.log([sample.seconds for sample in samples])

    def errors(point: NDArray[np.float64]) -> NDArray[np.float64]:
        values = dict(zip(names, map(math.exp, point), strict=True))
        times = [formula.seconds(sample.shape, values, sample.dtype, device) for sample in samples]
        return np.asarray(np.log(times) - measured)

    best, least = low, math.inf
    for factor in STARTS:
        start = np.log([limits[name].start for name in names])
        start = np.clip(start + math.log(factor), low, high)
        # a step of 1e-4 in a logarithm is 0.01 %: above the noise of the finite differences, below the kinks
        solution = least_squares(
            errors,
            start,
            bounds=(low, high),
            loss="soft_l1",
            f_scale=ROBUST,
            diff_step=[1e-4] * len(names),
            x_scale=1.0,
        )
        if solution.cost < least:
            best, least = solution.x, float(solution.cost)
    return dict(zip(names, map(math.exp, best), strict=True))
