"""What each dimension does at a split: its share, its time, what it is the bottleneck of, and what more of it saves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.models.training.closed_form import StepModel

Array = NDArray[np.float64]

_GIGABYTE = 1e9
#: Dimensions whose times agree to this share tie: the search ends with splits that are this exact.
TIE = 1e-4


@dataclass(frozen=True)
class DimensionReport:
    """What one dimension does in an iteration.

    Attributes
    ----------
    bandwidth : float
        Of one NPU [B/s].
    share : float
        Of all bandwidth.
    busy : float
        Time it sends [s].
    cost : float
        Of the network in this dimension [$].
    bottleneck_of : tuple of str
        Collectives that end no sooner than it.
    ties_with : tuple of int
        Dimensions (from 1) that end with it in all of these; empty where one of them waits for it alone.
    gain : float
        Iteration time that one more GB/s saves with the others held [s]; 0 where another dimension ties.
    """

    bandwidth: float
    share: float
    busy: float
    cost: float
    bottleneck_of: tuple[str, ...]
    ties_with: tuple[int, ...]
    gain: float


def tied(model: StepModel, b: Array) -> NDArray[np.bool_]:
    """Tell which dimensions (D) bound which streams (S), shape (S, D)."""
    loads = model.shapes / b
    return np.asarray((loads >= (1 - TIE) * model.rates(b)[:, None]) & (loads > 0))


def dimension_reports(model: StepModel, b: Array, prices: Array) -> tuple[DimensionReport, ...]:
    """Report what each dimension does at a split b [B/s], with prices [$ per B/s]."""
    bounds, rates, busy = tied(model, b), model.rates(b), model.busy(b)
    time = float(model.time_at(rates))
    reports = []
    for i in range(len(b)):
        alone = bounds[:, i] & (bounds.sum(axis=1) == 1)
        more = b.copy()
        more[i] += _GIGABYTE
        gain = time - float(model.time_at(np.where(alone, model.rates(more), rates)))
        others = [j for j in range(len(b)) if j != i and (bounds[:, j] & bounds[:, i]).any()]
        reports.append(
            DimensionReport(
                bandwidth=float(b[i]),
                share=float(b[i] / b.sum()),
                busy=float(busy[i]),
                cost=float(prices[i] * b[i]),
                bottleneck_of=tuple(model.streams[s].label for s in np.flatnonzero(bounds[:, i])),
                ties_with=() if alone.any() else tuple(j + 1 for j in others),
                gain=max(gain, 0.0),
            )
        )
    return tuple(reports)
