"""Training jobs as rows: a trace is columns, because a million jobs are no million objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class JobClass:
    """What a policy needs to know of a job; many jobs of a trace share one.

    Attributes
    ----------
    model : str
        The DNN, a key of the rate table.
    batch_size : int
        Samples per mini-batch of one EasyScale thread (EST).
    max_parallelism : int
        maxP: the fixed number of ESTs, and the gang of a rigid scheduler [GPUs].
    heterogeneous : bool
        Whether the job may run on several GPU types at once.
    gpu_type : str
        Preferred type; the only one for a job that is not heterogeneous.
    """

    model: str
    batch_size: int
    max_parallelism: int
    heterogeneous: bool
    gpu_type: str

    @property
    def global_batch(self) -> int:
        """Samples per global mini-batch, the step of all ESTs together."""
        return self.batch_size * self.max_parallelism


@dataclass(frozen=True)
class Trace:
    """Jobs in row order, which is the order in which policies see them.

    Attributes
    ----------
    name : str
        Name or path.
    names : sequence of str, length J
        Unique job names.
    submit : array of float, shape (J,)
        Submission times [s].
    samples : array of float, shape (J,)
        Total work [samples].
    kind : array of int, shape (J,)
        Index into `classes`.
    classes : tuple of JobClass
        The distinct classes.
    lines : sequence of int, length J, optional
        Line of each job in its file, for messages.
    notes : tuple of str
        What the reader had to mend or assume.
    """

    name: str
    names: Sequence[str]
    submit: Floats
    samples: Floats
    kind: Ints
    classes: tuple[JobClass, ...]
    lines: Sequence[int] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def place(self, row: int) -> str:
        """Return where a job stands, for messages."""
        return f"{self.name}, line {self.lines[row]}" if self.lines else f"{self.name}, job '{self.names[row]}'"

    def steps(self) -> Floats:
        """Return each job's work in global mini-batches, samples / (batch x maxP)."""
        batches = np.array([c.global_batch for c in self.classes], dtype=np.float64)
        steps: Floats = self.samples / batches[self.kind]
        return steps

    def take(self, order: Sequence[int] | Ints) -> Trace:
        """Return the same jobs with rows in another order."""
        rows = np.asarray(order)
        return Trace(
            self.name,
            [self.names[i] for i in rows],
            self.submit[rows],
            self.samples[rows],
            self.kind[rows],
            self.classes,
            [self.lines[i] for i in rows] if self.lines else (),
            self.notes,
        )


def build_trace(
    name: str,
    names: Sequence[str],
    submit: Sequence[float] | Floats,
    samples: Sequence[float] | Floats,
    classes: Sequence[JobClass],
    *,
    lines: Sequence[int] = (),
    notes: Sequence[str] = (),
) -> Trace:
    """Build a trace from one entry per job.

    Examples
    --------
    >>> job = JobClass("bert", 8, 4, True, "v100")
    >>> trace = build_trace("two", ["a", "b"], [0.0, 5.0], [64.0, 32.0], [job, job])
    >>> trace.steps(), len(trace.classes)
    (array([2., 1.]), 1)
    """
    distinct = {job: index for index, job in enumerate(dict.fromkeys(classes))}
    return Trace(
        name,
        list(names),
        np.asarray(submit, dtype=np.float64),
        np.asarray(samples, dtype=np.float64),
        np.array([distinct[job] for job in classes], dtype=np.int64),
        tuple(distinct),
        list(lines),
        tuple(notes),
    )
