"""Fit of the lines of one kind of collective: launches, steps and efficiencies of algorithms with their protocols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simcore.models.network.collectives import Collective
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.nccl import MESSAGE, Line, Span, volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simcore.calibrate.collectives.samples import Fitting, Sample

_SCALE = 0.08
"""Errors of logarithms from which rows count less and less."""

_STARTS = (0.3, 1.0, 3.0)
"""Factors on the first guess of a step from which a fit starts."""


class _Free(NamedTuple):
    """A parameter of a line that is fitted.

    Attributes
    ----------
    line : int
        Which line.
    name : str
        Of the parameter.
    start, low, high : float
        Where a fit starts, and its limits.
    """

    line: int
    name: str
    start: float
    low: float
    high: float


def fit_lines(kind: str, samples: Sequence[Sample], profile: CollectiveProfile, known: Fitting) -> tuple[Line, ...]:
    """Return the lines of a kind that are closest to measured times.

    Parameters
    ----------
    kind : str
        One of `simcore.models.network.nccl.KINDS`.
    samples : sequence of Sample
        Of this kind, one for each size of each group.
    profile : CollectiveProfile
        With bandwidths and shares, without lines of this kind.
    known : Fitting
        Of the network.
    """
    plain = [one for one in samples if one.state in {"", "no-nvls"}]
    within = [one for one in plain if one.span.nodes == 1]
    lines = _shapes(kind, known)
    if within:
        lines = _closest(kind, lines, _near(lines, within, known.near), within, profile)
    between = [one for one in plain if one.span.nodes > 1]
    if between:
        lines = _closest(kind, lines, _far(lines, between, alone=not within), between, profile)
    return tuple(lines)


def _closest(
    kind: str, lines: Sequence[Line], free: Sequence[_Free], samples: Sequence[Sample], profile: CollectiveProfile
) -> list[Line]:
    """Return lines whose free parameters bring them closest to measured times."""
    from scipy.optimize import least_squares

    groups: dict[tuple[Span, str], list[Sample]] = {}
    for one in samples:
        groups.setdefault((one.span, one.state), []).append(one)
    sizes = {group: np.array([one.size for one in own]) for group, own in groups.items()}
    logs = {group: np.log([one.seconds for one in own]) for group, own in groups.items()}

    def residuals(point: NDArray[np.float64]) -> NDArray[np.float64]:
        made = replace(profile, lines={kind: tuple(_made(lines, free, point))})
        off = []
        for group, size in sizes.items():
            priced = np.array(made.timing(kind, group[0], state=group[1]).lines)
            off.append(np.log((priced[:, :1] + priced[:, 1:] * size).min(axis=0)) - logs[group])
        return np.concatenate(off)

    low, high = (np.log([getattr(one, end) for one in free]) for end in ("low", "high"))
    tries = []
    for factor in _STARTS:
        start = np.log([one.start * (factor if "step" in one.name else 1.0) for one in free])
        start = np.clip(start, low + 1e-6, high - 1e-6)
        tries.append(least_squares(residuals, start, bounds=(low, high), loss="soft_l1", f_scale=_SCALE))
    return _made(lines, free, min(tries, key=lambda one: float(one.cost)).x)


def _shapes(kind: str, known: Fitting) -> list[Line]:
    if kind in {Collective.ALL_TO_ALL, MESSAGE}:
        return [Line("direct", "Simple", 1e-5)]
    lines = [Line("ring", "LL", 1e-5), Line("ring", "Simple", 1e-5)]
    if kind == Collective.ALL_REDUCE:
        lines[0] = Line("tree", "LL", 1e-5)
        if known.nvls:
            lines.append(Line("nvls", "Simple", 1e-5, least=known.nvls))
    return lines


def _near(lines: Sequence[Line], samples: Sequence[Sample], near: float) -> list[_Free]:
    """Return what groups within one node show of each line."""
    floor = min(one.seconds for one in samples)
    several = len({one.span for one in samples if not one.state}) > 1
    free: list[_Free] = []
    for index, line in enumerate(lines):
        slow = line.protocol == "LL"
        free.append(_Free(index, "launch", floor * (0.7 if slow else 1.1), floor / 4, floor * 3))
        if several and line.algorithm != "nvls":
            free.append(_Free(index, "step", 2e-6, 1e-7, 1e-5))
        if line.algorithm == "nvls":
            reached = _reached(line, samples, near)
            free.append(_Free(index, "efficiency", reached, 0.9 * reached, 1.1 * reached))
        else:
            free.append(_Free(index, "efficiency", 0.3 if slow else 0.8, 0.1, 0.75 if slow else 1.6))
    return free


def _reached(line: Line, samples: Sequence[Sample], near: float) -> float:
    """Return the largest efficiency that groups which switches reduce for reach."""
    return max(
        volume(line.algorithm, one.kind, one.span)[0] * one.size / one.seconds / near
        for one in samples if one.span.near >= line.least and not one.state
    )  # fmt: skip


def _far(lines: Sequence[Line], samples: Sequence[Sample], *, alone: bool) -> list[_Free]:
    """Return what groups over several nodes show of each line, beside its launch where nothing else shows it."""
    floor = min(one.seconds for one in samples)
    free: list[_Free] = []
    for index, line in enumerate(lines):
        slow = line.protocol == "LL"
        if alone:
            free.append(_Free(index, "launch", floor / 2, floor / 100, floor * 3))
        free.append(_Free(index, "far_step", 1e-5, 1e-7, floor))
        free.append(_Free(index, "far_efficiency", 0.4 if slow else 0.9, 0.1, 0.75 if slow else 1.0))
    return free


def _made(lines: Sequence[Line], free: Sequence[_Free], point: NDArray[np.float64]) -> list[Line]:
    values: list[dict[str, float]] = [{} for _ in lines]
    for one, value in zip(free, point, strict=True):
        values[one.line][one.name] = math.exp(value)
    return [replace(line, **each) for line, each in zip(lines, values, strict=True)]  # type: ignore[arg-type]
