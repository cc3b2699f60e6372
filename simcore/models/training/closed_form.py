"""The step-time model: compute, collectives and the overlap rule give the time of one training iteration.

Every study calls this one model. A workload on a network is first compiled into a `StepModel`, a function of the
bandwidths alone with identical terms merged; the bandwidth optimiser reads the same object as a convex program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simcore.models.network.collectives import pattern
from simcore.models.network.mapping import Axis, Groups
from simcore.models.network.ports import exchanged
from simcore.models.network.topology import Topology
from simcore.models.training.program import Loop
from simcore.models.training.workload import Pass, Phase, Workload, group_of

Array = NDArray[np.float64]


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

        T(b) = fixed + sum_s (blocking_s . r_s) + sum_k count_k max(x_k r_[i_k](b), g_k + y_k r_[w_k](b))

    Here x is `input_volume`, g `weight_compute`, y `weight_volume`, i `input_stream` and w `weight_stream`. T is convex
    and never increasing in b, and piecewise linear in 1/b.

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
    input_volume, weight_volume : ndarray, shape (K,)
        Volumes [B] of the two collectives of each overlap term: input gradient, and weight gradient beside it.
    weight_compute : ndarray, shape (K,)
        Compute of the weight gradient in it [s].
    input_stream, weight_stream : ndarray of int, shape (K,)
        Streams of the two collectives.
    count : ndarray, shape (K,)
        Layers that have this term.
    """

    streams: tuple[Stream, ...]
    shapes: Array
    compute: float
    fixed: float
    blocking: Array
    input_volume: Array
    weight_compute: Array
    weight_volume: Array
    count: Array
    input_stream: NDArray[np.intp]
    weight_stream: NDArray[np.intp]

    def rates(self, bandwidths: ArrayLike) -> Array:
        """Return ``r_s(b)`` [s/B], shape (..., S), for bandwidths of shape (..., D)."""
        b = np.asarray(bandwidths, dtype=float)
        return np.asarray((self.shapes / b[..., None, :]).max(axis=-1, initial=0.0))

    def time_at(self, rates: Array) -> Array:
        """Return the iteration time [s], shape (...), for stream rates of shape (..., S)."""
        overlapped = (
            np.maximum(
                self.input_volume * rates[..., self.input_stream],
                self.weight_compute + self.weight_volume * rates[..., self.weight_stream],
            )
            @ self.count
        )
        return np.asarray(self.fixed + rates @ self.blocking.sum(axis=0) + overlapped)

    def time(self, bandwidths: ArrayLike) -> Array:
        """Return the iteration time [s], shape (...), for bandwidths [B/s] of shape (..., D)."""
        return self.time_at(self.rates(bandwidths))

    def split(self, bandwidths: ArrayLike) -> StepTime:
        """Return the iteration time at one vector of bandwidths [B/s], with what it is spent on."""
        rates = self.rates(bandwidths)
        forward, input_gradient, weight_gradient = self.blocking @ rates
        input_time, weight_time = (
            self.input_volume * rates[self.input_stream],
            self.weight_volume * rates[self.weight_stream],
        )
        behind_input = input_time > self.weight_compute + weight_time
        input_gradient += self.count @ np.where(behind_input, input_time - self.weight_compute, 0.0)
        weight_gradient += self.count @ np.where(behind_input, 0.0, weight_time)
        return StepTime(self.compute, float(forward), float(input_gradient), float(weight_gradient))

    def busy(self, bandwidths: ArrayLike) -> Array:
        """Return how long each dimension sends in one iteration [s], shape (D,)."""
        volumes = np.array([stream.volume for stream in self.streams])
        return np.asarray((volumes @ self.shapes) / np.asarray(bandwidths, dtype=float))


class Streams:
    """The streams of an iteration while it is compiled, by group and shape.

    Parameters
    ----------
    groups : Groups
        Sizes of the groups along each dimension.
    topology : Topology, optional
        The network, where it may have levels without rails.
    """

    def __init__(self, groups: Groups, topology: Topology | None = None) -> None:
        self.groups, self.topology = groups, topology
        self.index: dict[tuple[Axis, tuple[float, ...]], int] = {}
        self.names: list[dict[str, None]] = []
        self.volumes: list[float] = []

    def add(self, phase: Phase, part: Pass, times: int = 1) -> tuple[int, float]:
        """Return the stream of a phase's collective and its volume [B]; volume 0 where nothing is sent."""
        axis = group_of(phase, part)
        groups = self.groups.sizes(axis)
        if phase.collective is None or phase.size == 0 or all(p == 1 for p in groups):
            return 0, 0.0
        parts = () if self.topology is None else exchanged(self.topology, groups)
        scale, shape = pattern(phase.collective, groups, parts)
        volume = times * scale * phase.size
        return self.of_shape(axis, shape, phase.collective.value, volume), volume

    def of_shape(self, axis: Axis, shape: tuple[float, ...], name: str, volume: float) -> int:
        """Return the stream of a group and shape, with so many bytes more [B]."""
        stream = self.index.setdefault((axis, shape), len(self.index))
        if stream == len(self.names):
            self.names.append({})
            self.volumes.append(0.0)
        self.names[stream][name] = None
        self.volumes[stream] += volume
        return stream

    def finished(self) -> tuple[Stream, ...]:
        """Return all streams."""
        return tuple(
            Stream(f"{axis.value} {' and '.join(names)}", shape, volume)
            for (axis, shape), names, volume in zip(self.index, self.names, self.volumes, strict=True)
        )


@lru_cache(maxsize=128)
def compile_step(
    workload: Workload,
    groups: Groups,
    loop: Loop = Loop.NO_OVERLAP,
    recompute: bool = False,
    compute_scale: float = 1.0,
    recompute_compute: bool = False,
    topology: Topology | None = None,
) -> StepModel:
    """Turn a workload on a network into a function of the bandwidths.

    With F, I, W the compute and CF, CI, CW the communication of a layer's passes::

        NoOverlap   T = sum (F + CF + I + CI + W + CW)
        Overlap     T = sum (F + CF + I + max(CI, W + CW))

    Layers with the same overlap term are merged, and everything that is merely added becomes one linear term.

    Parameters
    ----------
    workload : Workload
        Layers, each collective of which has its group.
    groups : Groups
        Sizes of these groups along each dimension.
    loop : Loop
        Overlap rule; ``simulate`` is taken as ``Overlap``, see `Loop.closed_form`.
    recompute : bool
        Whether forward activations are recomputed, so that the forward collectives run twice.
    compute_scale : float
        Factor on all compute.
    recompute_compute : bool
        Whether the recomputed forward also takes its compute again. The published bandwidth plans do not count it,
        the published evaluation does.
    topology : Topology, optional
        The network, for all-to-alls on levels without rails; by default all are on rails.

    Returns
    -------
    StepModel
        Its `StepModel.time` gives seconds for any bandwidths.

    References
    ----------
    LIBRA (arXiv:2109.11762), section on end-to-end training time.
    """
    streams = Streams(groups, topology)
    sent: list[tuple[int, int, float]] = []  # pass, stream, volume of what blocks
    overlaps: dict[tuple[int, float, float, int, float], int] = {}
    compute = fixed = 0.0
    for layer in workload.layers:
        passes = 1 + (recompute and recompute_compute)
        before = compute_scale * (passes * layer.forward.compute + layer.input_gradient.compute)
        weight = compute_scale * layer.weight_gradient.compute
        compute += before + weight
        fixed += before
        sent.append((0, *streams.add(layer.forward, Pass.FORWARD, 2 if recompute else 1)))
        inputs = streams.add(layer.input_gradient, Pass.INPUT_GRADIENT)
        weights = streams.add(layer.weight_gradient, Pass.WEIGHT_GRADIENT)
        if loop is not Loop.NO_OVERLAP and inputs[1] > 0:
            term = (*inputs, weight, *weights)
            overlaps[term] = overlaps.get(term, 0) + 1
        else:  # nothing for the weight gradient to hide behind
            fixed += weight
            sent += [(1, *inputs), (2, *weights)]
    finished = streams.finished()
    blocking = np.zeros((3, len(finished)))
    for row, stream, volume in sent:
        if volume:
            blocking[row, stream] += volume
    terms = list(overlaps)
    return StepModel(
        streams=finished,
        shapes=np.array([stream.shape for stream in finished]).reshape(len(finished), len(groups.tp)),
        compute=compute,
        fixed=fixed,
        blocking=blocking,
        input_volume=np.array([term[1] for term in terms]),
        weight_compute=np.array([term[2] for term in terms]),
        weight_volume=np.array([term[4] for term in terms]),
        count=np.array([overlaps[term] for term in terms], dtype=float),
        input_stream=np.array([term[0] for term in terms], dtype=np.intp),
        weight_stream=np.array([term[3] for term in terms], dtype=np.intp),
    )


def mean_step(models: Sequence[StepModel], names: Sequence[str]) -> StepModel:
    """Return the model of the mean iteration time of several workloads on one network.

    Parameters
    ----------
    models : sequence of StepModel
        One per workload.
    names : sequence of str
        Names of the workloads, to tell their streams apart.
    """
    share = 1.0 / len(models)
    offsets = np.cumsum([0, *(len(model.streams) for model in models)])[:-1]
    return StepModel(
        streams=tuple(
            Stream(f"{name} {stream.label}", stream.shape, share * stream.volume)
            for name, model in zip(names, models, strict=True)
            for stream in model.streams
        ),
        shapes=np.concatenate([model.shapes for model in models]),
        compute=share * sum(model.compute for model in models),
        fixed=share * sum(model.fixed for model in models),
        blocking=np.concatenate([share * model.blocking for model in models], axis=1),
        input_volume=np.concatenate([model.input_volume for model in models]),
        weight_compute=np.concatenate([model.weight_compute for model in models]),
        weight_volume=np.concatenate([model.weight_volume for model in models]),
        count=np.concatenate([share * model.count for model in models]),
        input_stream=np.concatenate(
            [model.input_stream + offset for model, offset in zip(models, offsets, strict=True)]
        ),
        weight_stream=np.concatenate(
            [model.weight_stream + offset for model, offset in zip(models, offsets, strict=True)]
        ),
    )


def step_time(
    workload: Workload,
    groups: Groups,
    bandwidths: ArrayLike,
    loop: Loop = Loop.NO_OVERLAP,
    recompute: bool = False,
    compute_scale: float = 1.0,
    recompute_compute: bool = False,
) -> StepTime:
    """Return the time of one training iteration and what it is spent on.

    Parameters
    ----------
    workload, groups, loop, recompute, compute_scale, recompute_compute
        See `compile_step`. Compile once and call `StepModel.time` where many bandwidths are tried.
    bandwidths : array_like, shape (D,)
        Bandwidth of one NPU into each dimension [B/s], innermost first.

    Examples
    --------
    >>> from simcore.models.network.collectives import Collective
    >>> from simcore.models.training.workload import Layer
    >>> reduce = Phase(1.0, Collective.ALL_REDUCE, 16e9)
    >>> toy = Workload("toy", (Layer("mlp", Phase(1.0), reduce, reduce),), tp=2, dp=2)
    >>> step_time(toy, Groups((2, 1), (1, 2)), [4e9, 8e9]).total
    9.0
    >>> step_time(toy, Groups((2, 1), (1, 2)), [4e9, 8e9], Loop.OVERLAP).total
    6.0
    """
    return compile_step(workload, groups, loop, recompute, compute_scale, recompute_compute).split(bandwidths)
