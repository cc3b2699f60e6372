"""Iteration time as a function of the bandwidths, which `closed_form` compiles a workload into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class TrainingLoop(StrEnum):
    """What the collectives of an iteration wait for.

    ``NO_OVERLAP`` runs all compute and communication one after the other. ``OVERLAP`` lets a layer's weight gradient,
    compute and data-parallel collective, run beside its tensor-parallel input-gradient collective.
    """

    NO_OVERLAP = "NoOverlap"
    OVERLAP = "Overlap"


@dataclass(frozen=True)
class StepTime:
    """One training iteration and what it is spent on.

    Attributes
    ----------
    compute : float
        All compute [s].
    forward, input_gradient, weight_gradient : float
        Communication of each pass that no compute hides [s].
    """

    compute: float
    forward: float
    input_gradient: float
    weight_gradient: float

    @property
    def communication(self) -> float:
        """Exposed communication [s]."""
        return self.forward + self.input_gradient + self.weight_gradient

    @property
    def total(self) -> float:
        """The iteration [s]."""
        return self.compute + self.communication


@dataclass(frozen=True)
class Stream:
    """Collectives that load the dimensions in one proportion, so that one dimension bounds them all.

    Attributes
    ----------
    label : str
        What they are, for reports.
    shape : tuple of float
        Bytes into each dimension per unit of volume, innermost first.
    volume : float
        Volume of one iteration [B].
    """

    label: str
    shape: tuple[float, ...]
    volume: float


@dataclass(frozen=True, eq=False)
class StepModel:
    """Iteration time as a function of the bandwidths b [B/s].

    With ``r_s(b) = max_i shape_si / b_i`` [s/B] for each stream s::

        T(b) = fixed + sum_s (blocking_s . r_s) + sum_k count_k max(x_k r_[sx_k], g_k + y_k r_[sy_k])

    which is convex and never increasing in b, and piecewise linear in 1/b.

    Attributes
    ----------
    streams : tuple of Stream
        S streams.
    shapes : ndarray, shape (S, D)
        Their shapes.
    compute : float
        All compute of an iteration [s].
    fixed : float
        Compute outside the overlap terms [s].
    blocking : ndarray, shape (3, S)
        Exposed volume [B] of forward, input gradient and weight gradient.
    x, g, y, count : ndarray, shape (K,)
        Overlap terms: input-gradient volume [B], weight-gradient compute [s] and volume [B], how often.
    sx, sy : ndarray of int, shape (K,)
        Their streams.
    """

    streams: tuple[Stream, ...]
    shapes: Array
    compute: float
    fixed: float
    blocking: Array
    x: Array
    g: Array
    y: Array
    count: Array
    sx: NDArray[np.intp]
    sy: NDArray[np.intp]

    def rates(self, bandwidths: ArrayLike) -> Array:
        """Return ``r_s(b)`` [s/B], shape (..., S), for bandwidths of shape (..., D)."""
        b = np.asarray(bandwidths, dtype=float)
        return np.asarray((self.shapes / b[..., None, :]).max(axis=-1, initial=0.0))

    def time_at(self, rates: Array) -> Array:
        """Return the iteration time [s], shape (...), for stream rates of shape (..., S)."""
        overlapped = np.maximum(self.x * rates[..., self.sx], self.g + self.y * rates[..., self.sy]) @ self.count
        return np.asarray(self.fixed + rates @ self.blocking.sum(axis=0) + overlapped)

    def time(self, bandwidths: ArrayLike) -> Array:
        """Return the iteration time [s], shape (...), for bandwidths [B/s] of shape (..., D)."""
        return self.time_at(self.rates(bandwidths))

    def split(self, bandwidths: ArrayLike) -> StepTime:
        """Return the iteration time at one vector of bandwidths [B/s], with what it is spent on."""
        rates = self.rates(bandwidths)
        forward, input_gradient, weight_gradient = self.blocking @ rates
        input_time, weight_time = self.x * rates[self.sx], self.y * rates[self.sy]
        behind_input = input_time > self.g + weight_time
        input_gradient += self.count @ np.where(behind_input, input_time - self.g, 0.0)
        weight_gradient += self.count @ np.where(behind_input, 0.0, weight_time)
        return StepTime(self.compute, float(forward), float(input_gradient), float(weight_gradient))

    def busy(self, bandwidths: ArrayLike) -> Array:
        """Return how long each dimension sends in one iteration [s], shape (D,)."""
        volumes = np.array([stream.volume for stream in self.streams])
        return np.asarray((volumes @ self.shapes) / np.asarray(bandwidths, dtype=float))
