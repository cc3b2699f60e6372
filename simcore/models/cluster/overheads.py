"""What elastic workers (ESTs) cost: a step on a shared GPU, memory of sharing and of packing, determinism.

Source: EasyScale (SC'23), sections 3 and 5; numbers of Figures 10 to 13 of its artifact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Shared:
    """A row of Figure 10: workers on one GPU.

    Attributes
    ----------
    model : str
        Its name.
    batch : int
        Samples of a mini-batch.
    system : {'sharing', 'packing'}
        Logical workers in one process, or a process each.
    workers : int
        On the GPU.
    memory : float
        Of all of them [B].
    time : float or None
        Of a mini-batch of one worker [s]; None where memory is not enough.
    """

    model: str
    batch: int
    system: str
    workers: int
    memory: float
    time: float | None


@dataclass(frozen=True)
class SharedStep:
    """A model's row of Figures 11 and 13: workers that share one GPU.

    Attributes
    ----------
    model : str
        Its name.
    batch, workers : int
        Samples of a mini-batch, and workers.
    unswitched, switched : float
        Mini-batch without context switches, and with them: the mean over all workers [s].
    last : float
        Mini-batch of the last worker, which copies gradients and sums them over GPUs [s].
    ddp : float
        Step of DistributedDataParallel with a GPU for each worker [s].
    """

    model: str
    batch: int
    workers: int
    unswitched: float
    switched: float
    last: float
    ddp: float

    @property
    def switching(self) -> float:
        """Time with context switches over time without, at least 1: what Figure 11 shows."""
        return max(1.0, self.switched / self.unswitched)

    @property
    def first(self) -> float:
        """Mini-batch of each worker but the last [s]: ``(N mean - t_last) / (N - 1)``."""
        return (self.workers * self.switched - self.last) / (self.workers - 1)


@dataclass(frozen=True)
class Determinism:
    """A row of Figure 12: a mini-batch of a model on a GPU type.

    Attributes
    ----------
    model, gpu : str
        Which.
    batch : int
        Samples of a mini-batch.
    none, d1, d2 : float
        Without determinism, under D1, and under D1 and D2 [s].
    """

    model: str
    batch: int
    gpu: str
    none: float
    d1: float
    d2: float


@dataclass(frozen=True)
class Overheads:
    """What elastic workers cost on some devices.

    Attributes
    ----------
    name : str
        Of the zoo, or a path.
    capacity : float
        What programs may use of the GPU on which workers share and are packed [B].
    shrink : float
        Least memory of a packed worker over its usual memory: an allocator gives caches back under pressure.
    sharing : tuple of Shared
        Sharing and packing.
    steps : mapping of str to SharedStep
        Steps by model.
    determinism : mapping of (str, str) to Determinism
        Determinism by model and GPU type.
    rescale : float or None
        What a change of a job's GPUs takes [s]; None where it is not known.
    """

    name: str
    capacity: float
    shrink: float
    sharing: tuple[Shared, ...]
    steps: Mapping[str, SharedStep]
    determinism: Mapping[tuple[str, str], Determinism]
    rescale: float | None = None

    def heterogeneous(self, model: str, gpu: str) -> float:
        """Return what D2 costs beside D1 [1]; 1 where it is not known."""
        row = self.determinism.get((model, gpu))
        return 1.0 if row is None else row.d2 / row.d1

    def memory(self, model: str, batch: int) -> float | None:
        """Return the memory of workers that share a GPU, whatever their number [B]; None where it is not known."""
        rows = (row for row in self.sharing if row.system == "sharing")
        return next((row.memory for row in rows if (row.model, row.batch) == (model, batch)), None)


def step_seconds(workers: int, first: float, last: float) -> float:
    """Return the step of a GPU that runs its workers one after another [s].

    ``t = (A - 1) t_first + t_last``: the last worker copies gradients and sums them over GPUs.

    Parameters
    ----------
    workers : int
        A, at least 1.
    first, last : float
        Mini-batch of each worker but the last, and of the last [s].

    Examples
    --------
    >>> step_seconds(8, 0.5, 0.75)
    4.25
    """
    return (workers - 1) * first + last


def packed_memory(workers: int, one: float, capacity: float, shrink: float) -> float | None:
    """Return the memory of packed workers [B], or None where they do not fit.

    Each takes as much as one alone. Where that is more than there is, allocators give caches back, down to `shrink` of
    it. Out of memory starts at ``k shrink m_1 > capacity``.

    Parameters
    ----------
    workers : int
        k.
    one : float
        m_1, memory of one worker [B].
    capacity : float
        Of the GPU [B].
    shrink : float
        Least over usual memory.

    Examples
    --------
    >>> [packed_memory(workers, 10.0, 32.0, 0.9) for workers in (1, 3, 4)]
    [10.0, 30.0, None]
    """
    return None if workers * shrink * one > capacity else min(workers * one, capacity)
