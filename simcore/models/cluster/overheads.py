"""What elastic workers (ESTs) cost: a step on a shared GPU, memory of sharing and of packing, determinism.

Source: EasyScale (SC'23), sections 3 and 5; numbers of Figures 10 to 13 of its artifact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    ddp : float or None
        Step of DistributedDataParallel with a GPU for each worker [s]; None where it was not measured.
    copy : float or None
        Copy of the gradients of one worker, part of its mini-batch [s]; None where it was not measured.
    """

    model: str
    batch: int
    workers: int
    unswitched: float
    switched: float
    last: float
    ddp: float | None = None
    copy: float | None = None

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
    family : str
        What the model is built of, a `simcore.models.training.listing.Family`; empty where nobody says.
    """

    model: str
    batch: int
    gpu: str
    none: float
    d1: float
    d2: float
    family: str = ""

    @property
    def factor(self) -> float:
        """D2 over D1 [1]: what pinned kernels cost a job that is deterministic anyway."""
        return self.d2 / self.d1


@dataclass(frozen=True)
class ElasticCosts:
    """What logical workers cost on the one device that a profile is of, as it was measured.

    Attributes
    ----------
    sharing : tuple of Shared
        Memory and time of workers that share a process, and of packed ones.
    steps : tuple of SharedStep
        Steps by model.
    rescale : float
        A change of processes: from the last mini-batch on some to the first on others [s].
    determinism : tuple of Determinism
        Mini-batches by level; empty where the device has no pinned kernel set.
    """

    sharing: tuple[Shared, ...]
    steps: tuple[SharedStep, ...]
    rescale: float
    determinism: tuple[Determinism, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """Return plain containers for JSON; units stand in the names of the fields."""
        levels = {"determinism": [_with_units(row) for row in self.determinism]} if self.determinism else {}
        return {
            "sharing": [_with_units(row) for row in self.sharing],
            "steps": [_with_units(row) for row in self.steps],
            **levels,
            "rescale_s": self.rescale,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ElasticCosts:
        """Build them of a document that was checked before."""
        return cls(
            sharing=tuple(Shared(**_without_units(row)) for row in document["sharing"]),
            steps=tuple(SharedStep(**_without_units(row)) for row in document["steps"]),
            rescale=document["rescale_s"],
            determinism=tuple(Determinism(**_without_units(row)) for row in document.get("determinism", ())),
        )


_UNITS = {"memory": "memory_B"} | {
    name: f"{name}_s" for name in ("time", "unswitched", "switched", "last", "ddp", "copy", "none", "d1", "d2")
}
_PLAIN = {value: key for key, value in _UNITS.items()}


def _with_units(row: Shared | SharedStep | Determinism) -> dict[str, Any]:
    return {_UNITS.get(key, key): value for key, value in asdict(row).items() if value is not None}


def _without_units(row: Mapping[str, Any]) -> dict[str, Any]:
    return {_PLAIN.get(key, key): value for key, value in row.items()}


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
        m_min / m_1: least memory of a packed worker over its usual memory, as `least_share` finds it.
    sharing : tuple of Shared
        Sharing and packing.
    steps : mapping of str to SharedStep
        Steps by model.
    determinism : mapping of (str, str) to Determinism
        Determinism by model and GPU type.
    rescale : float or None
        What a change of a job's GPUs takes [s]; None where it is not known.
    gpus : tuple of str or None
        GPU types that they hold for; None for all.
    memory_gpus : tuple of str or None
        Of these the ones that `capacity` is of; None for all.
    families : mapping of str to str
        Family of models of which `determinism` has no row.
    """

    name: str
    capacity: float
    shrink: float
    sharing: tuple[Shared, ...]
    steps: Mapping[str, SharedStep]
    determinism: Mapping[tuple[str, str], Determinism]
    rescale: float | None = None
    gpus: tuple[str, ...] | None = None
    memory_gpus: tuple[str, ...] | None = None
    families: Mapping[str, str] = field(default_factory=dict)

    def holds(self, gpu: str) -> bool:
        """Say whether these numbers are of a GPU type: those of one device never stand for another."""
        return self.gpus is None or gpu in self.gpus

    def last(self, model: str, gpu: str) -> float:
        """Return ``t_last / t_first`` of a GPU's last worker [1]; 1 where it is not known."""
        step = self.steps.get(model)
        return step.last / step.first if step is not None and self.holds(gpu) else 1.0

    def heterogeneous(self, model: str, gpu: str) -> float:
        """Return what D2 costs beside D1 [1]: of the model, else the mean of its family on that GPU; 1 if unknown."""
        if not self.holds(gpu):
            return 1.0
        row = self.determinism.get((model, gpu))
        if row is not None:
            return row.factor
        kin = [each.factor for each in self.determinism.values()
               if each.gpu == gpu and each.family and each.family == self.families.get(model)]  # fmt: skip
        return sum(kin) / len(kin) if kin else 1.0

    def memory(self, model: str, batch: int, system: str = "sharing") -> float | None:
        """Return m_1 [B]: of workers that share a process, whatever their number, or of one packed worker alone.

        None where it is not known.
        """
        rows = [row for row in self.sharing if (row.model, row.batch, row.system) == (model, batch, system)]
        if not rows:
            return None
        if system == "sharing":
            return max(row.memory for row in rows)
        fewest = min(rows, key=lambda row: row.workers)
        return fewest.memory / fewest.workers

    def most_workers(self, model: str, batch: int, gpu: str, system: str) -> int | None:
        """Return how many workers of a model fit one GPU: none or any number that shares, or so many that are packed.

        None for any number, and where memory is not known.
        """
        one = self.memory(model, batch, system)
        if one is None or not self.holds(gpu) or (self.memory_gpus is not None and gpu not in self.memory_gpus):
            return None
        if system == "sharing":
            return None if one <= self.capacity else 0
        return packed_workers(one, self.capacity, self.shrink)


@overload
def step_seconds(workers: int, first: float, last: float) -> float: ...
@overload
def step_seconds(workers: int, first: float, last: NDArray[np.float64]) -> NDArray[np.float64]: ...
@overload
def step_seconds(
    workers: NDArray[np.int64], first: float, last: float | NDArray[np.float64]
) -> NDArray[np.float64]: ...
def step_seconds(workers: Any, first: Any, last: Any) -> Any:
    """Return the step of a GPU that runs its workers one after another [s].

    ``t = (A - 1) t_first + t_last``: the last worker copies gradients and sums them over GPUs.

    Parameters
    ----------
    workers : int or array of int
        A, at least 1.
    first, last : float or array of float
        Mini-batch of each worker but the last, and of the last [s].

    Examples
    --------
    >>> step_seconds(8, 0.5, 0.75)
    4.25
    """
    return (workers - 1) * first + last


def least_share(rows: Iterable[Shared]) -> float:
    """Return ``m_min / m_1``: the least memory of a packed worker that is known to run, over that of one alone [1].

    Rows in which memory is short show it: there, allocators have given caches back. So m_min is no less than what a
    worker needs, and 1 where no such row is known.

    Parameters
    ----------
    rows : iterable of Shared
        Of which those of packed workers that run count.

    Examples
    --------
    >>> least_share([Shared("a", 1, "packing", 1, 10.0, 1.0), Shared("a", 1, "packing", 3, 27.0, 1.0)])
    0.9
    """
    ran = [row for row in rows if row.system == "packing" and row.time is not None]
    alone = {(row.model, row.batch): row.memory for row in ran if row.workers == 1}
    shares = [row.memory / row.workers / alone[row.model, row.batch] for row in ran if (row.model, row.batch) in alone]
    return min(shares, default=1.0)


def packed_workers(one: float, capacity: float, shrink: float) -> int:
    """Return how many packed workers a GPU holds: the largest k with ``k m_min <= capacity``, ``m_min = shrink m_1``.

    Parameters
    ----------
    one : float
        m_1, memory of one worker [B].
    capacity : float
        Of the GPU [B].
    shrink : float
        Least over usual memory.

    Examples
    --------
    >>> packed_workers(10.0, 32.0, 0.9), packed_workers(40.0, 32.0, 0.9)
    (3, 0)
    """
    return int(capacity // (shrink * one))


def packed_memory(workers: int, one: float, capacity: float, shrink: float) -> float | None:
    """Return the memory of packed workers [B], or None where they do not fit.

    Each takes as much as one alone. Where that is more than there is, allocators give caches back, down to `shrink` of
    it. Out of memory starts at ``k m_min > capacity`` with ``m_min = shrink m_1``.

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
    return None if workers > packed_workers(one, capacity, shrink) else min(workers * one, capacity)
