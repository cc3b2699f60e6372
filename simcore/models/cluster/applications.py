"""Applications: models whose step time depends on nodes, and whose progress per step on batch and epoch.

Pollux's artifact (Qiao et al., OSDI 2021; petuum/adaptdl, osdi21-artifact) measured them. Its rules are kept here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simcore.errors import RunError

Floats = NDArray[np.float64]
Split = tuple[int, ...]
"""GPUs on each node that a job holds, in the order in which it got them."""

NEAR = 1e-8
"""What rounding may add to a quotient before it is rounded up."""
FLAT = 1e-12
"""Volume below which a simplex is none."""
MOST_NODES = 16
"""Nodes from which more make no difference to what was measured."""


@dataclass(frozen=True)
class Validation:
    """What was recorded in a training run of one batch size.

    Attributes
    ----------
    progress : array of float, shape (E,)
        Steps of the initial batch size that the first epochs are worth.
    iteration : array of float, shape (E,)
        Steps that the first epochs took.
    grad_sqr, grad_var : array of float, shape (E,)
        Squared norm and variance of the gradient in each epoch.
    """

    progress: Floats
    iteration: Floats
    grad_sqr: Floats
    grad_var: Floats


@dataclass(frozen=True)
class Batch:
    """How a global batch is spread.

    Attributes
    ----------
    local : int
        Samples of a GPU at once.
    passes : int
        Forward and backward passes before a step: gradients of all but the last are accumulated.
    size : int
        Samples of a step.
    """

    local: int
    passes: int
    size: int


@dataclass(frozen=True)
class Pace:
    """How fast a job goes on some nodes, by epoch.

    Attributes
    ----------
    rate : sequence of float, length E
        Progress per second in each epoch.
    exact : sequence of float, length E
        Time of each epoch [s].
    whole : sequence of int, length E
        The same in whole seconds, as the artifact counts it.
    before : sequence of int, length E + 1
        Sum of the whole seconds of the epochs before each.
    """

    rate: list[float]
    exact: list[float]
    whole: list[int]
    before: list[int]


class _Surface:
    """Linear interpolation between points in space, on their Delaunay triangulation, as SciPy does it.

    Points on a grid leave simplices without a volume, and beside them a point has two values: SciPy's search decides.
    """

    def __init__(self, points: Floats, values: Floats) -> None:
        from scipy.interpolate import LinearNDInterpolator
        from scipy.spatial import Delaunay

        triangulation = Delaunay(points)
        corners = points[triangulation.simplices]
        edges = (corners[:, :3] - corners[:, 3:]).transpose(0, 2, 1)
        sound = np.abs(np.linalg.det(edges)) > FLAT
        # what SciPy computes when it is first asked, one by one, in seconds of a processor where BLAS has threads
        transform = np.full((len(corners), 4, 3), math.nan)
        transform[sound, :3] = np.linalg.inv(edges[sound])
        transform[sound, 3] = corners[sound, 3]
        triangulation._transform = transform  # type: ignore[attr-defined]
        self._interpolator = LinearNDInterpolator(triangulation, values)

    def at(self, *point: float) -> tuple[float, float] | None:
        """Return both values at a point, None outside of all that was measured."""
        step, sync = self._interpolator([point])[0]
        return None if math.isnan(step) else (float(step), float(sync))


@dataclass(frozen=True)
class Application:
    """A model with what was measured of its training.

    Attributes
    ----------
    name : str
        Its name.
    placements : mapping of Split to array of float, shape (N, 3)
        By GPUs on each node: samples of a GPU, time of a step [s], and of it what is spent on gradients' sums [s].
    scalability : array of float, shape (M, 5)
        Nodes, GPUs, samples of a GPU, and the two times, of placements on many nodes.
    validation : mapping of int to Validation
        By global batch size, ascending.
    most_local : int or None
        Largest number of samples of a GPU at once; by default the largest that was measured.
    """

    name: str
    placements: Mapping[Split, Floats]
    scalability: Floats
    validation: Mapping[int, Validation]
    most_local: int | None = None
    _times: dict[tuple[Split, int], tuple[float, float]] = field(default_factory=dict, repr=False, compare=False)
    _paces: dict[tuple[int, Split], Pace] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def epochs(self) -> int:
        """Epochs of a training."""
        return min(len(each.progress) for each in self.validation.values())

    @cached_property
    def largest_local(self) -> int:
        """Most samples of a GPU at once."""
        return self.most_local or int(max(rows[:, 0].max() for rows in self.placements.values()))

    @cached_property
    def smallest_local(self) -> int:
        """Fewest samples of a GPU at once."""
        return int(min(rows[:, 0].min() for rows in self.placements.values()))

    def progress(self) -> Floats:
        """Return the progress at the end of each epoch: the least of all batch sizes; shape (E,)."""
        epochs = self.epochs
        least: Floats = np.min([each.progress[:epochs] for each in self.validation.values()], axis=0)
        return least

    def spread(self, batch: int, gpus: int, *, alone: bool) -> Batch:
        """Return how a global batch is spread over GPUs.

        Parameters
        ----------
        batch : int
            Samples of a step, which are rounded up to a multiple of GPUs and passes.
        gpus : int
            How many.
        alone : bool
            Whether a single GPU takes two passes at least.
        """
        largest = max(self.validation)
        local = math.ceil(batch / gpus - NEAR)
        passes = math.ceil(local / self.largest_local - NEAR)
        if alone and gpus == 1:
            passes = max(2, passes)
        each = min(math.ceil(local / passes - NEAR), largest // (gpus * passes))
        return Batch(each, passes, gpus * passes * each)

    def step_times(self, split: Split, local: int) -> tuple[float, float]:
        """Return the time of a step with one pass, and of it that of gradients' sums [s].

        Where the nodes were measured the two are interpolated between the samples of a GPU, and else between nodes,
        GPUs and samples. Only the order of nodes in a ring counts, so the smallest rotation of a split is looked up.

        Raises
        ------
        RunError
            If the samples lie outside what was measured.
        """
        split = min(split[k:] + split[:k] for k in range(len(split)))
        key = (split, local)
        if key not in self._times:
            self._times[key] = self._interpolated(split, local)
        return self._times[key]

    def _interpolated(self, split: Split, local: int) -> tuple[float, float]:
        rows = self.placements.get(split)
        if rows is not None and rows[0, 0] <= local <= rows[-1, 0]:
            return (float(np.interp(local, rows[:, 0], rows[:, 1])), float(np.interp(local, rows[:, 0], rows[:, 2])))
        if rows is None and self._surface is not None:
            times = self._surface.at(min(len(split), MOST_NODES), sum(split), local)
            if times is not None:
                return times
        raise RunError(f"{self.name} was not measured with {local} samples of a GPU on nodes with {split} GPUs")

    @cached_property
    def _surface(self) -> _Surface | None:
        """Both times over nodes, GPUs and samples of all that was measured, means of placements that share these.

        None where what was measured does not span a volume: nothing lies between it.
        """
        sums: dict[tuple[float, float, float], list[Floats]] = {}
        for split, rows in self.placements.items():
            for row in rows:
                sums.setdefault((len(split), sum(split), float(row[0])), []).append(row[1:])
        means = [[*key, *np.mean(sums[key], axis=0)] for key in sorted(sums)]
        table = np.concatenate([np.array(means), self.scalability])
        spans = np.linalg.matrix_rank(table[:, :3] - table[0, :3]) == table[:, :3].shape[1]
        return _Surface(table[:, :3], table[:, 3:]) if spans else None

    def predicted(self, batch: int, split: Split) -> float:
        """Return the time of a step of a global batch, as a scheduler predicts it [s].

        A single GPU always takes two passes there, as in the artifact.
        """
        spread = self.spread(batch, sum(split), alone=True)
        step, sync = self.step_times(split, spread.local)
        return step + (spread.passes - 1) * (step - sync)

    def pace(self, batch: int, split: Split) -> Pace:
        """Return how fast a job of a global batch goes on some nodes.

        With m samples of a step, m_0 of the smallest batch, and s and v the squared norm and the variance of the
        gradient, a step is worth ``(v + s) / (v m_0 / m + s)`` steps of m_0 samples (Qiao et al., OSDI 2021,
        equation 7).
        """
        key = (batch, split)
        if key not in self._paces:
            self._paces[key] = self._pace(batch, split)
        return self._paces[key]

    def _pace(self, batch: int, split: Split) -> Pace:
        gpus, smallest = sum(split), min(self.validation)
        spread = self.spread(batch, gpus, alone=batch > smallest)
        step, sync = self.step_times(split, spread.local)
        time = step + (step - sync) * (spread.passes - 1)
        sqr, var = self._between(spread.size, "grad_sqr"), self._between(spread.size, "grad_var")
        rate = ((var + sqr) / (var / (spread.size / smallest) + sqr) / time).tolist()
        exact = (np.diff(self.progress(), prepend=0.0) / rate).tolist()
        whole = [round(each) for each in exact]
        before = [0]
        for each in whole:
            before.append(before[-1] + each)
        return Pace(rate, exact, whole, before)

    def iterations_left(self, batch: int, epoch: int) -> float:
        """Return the steps that a job still takes after an epoch, 1 in the last one."""
        steps, last = self._between(batch, "iteration"), self.epochs - 1
        return 1.0 if epoch >= last else float(steps[last] - steps[epoch])

    def _between(self, batch: int, what: str) -> Floats:
        """Return a column of the validation by epoch, interpolated between the batch sizes around one."""
        sizes, epochs = list(self.validation), self.epochs
        if not sizes[0] <= batch <= sizes[-1]:
            raise RunError(f"{self.name} was trained with batch sizes from {sizes[0]} to {sizes[-1]}, not {batch}")
        low = max(size for size in sizes if size <= batch)
        high = min(size for size in sizes if size >= batch)
        below, above = (getattr(self.validation[size], what)[:epochs] for size in (low, high))
        if low == high:
            return np.asarray(below)
        mixed: Floats = ((batch - low) * above + (high - batch) * below) / (high - low)
        return mixed


def full_nodes(gpus: int, size: int) -> Split:
    """Return so many GPUs on full nodes, and the rest on one more.

    Examples
    --------
    >>> full_nodes(6, 4)
    (4, 2)
    """
    count, rest = divmod(gpus, size)
    return (size,) * count + ((rest,) if rest else ())
