"""Training jobs as rows: a trace is columns, because a million jobs are no million objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


NEAR = 3600.0
"""First submission that counts as near 0 in any trace [s]."""
PART = 0.1
"""The same as a share of the time from the first submission to the end of the last job."""


class WorkUnit(Enum):
    """What the work of a trace's jobs is counted in.

    Attributes
    ----------
    SAMPLES
        Training samples. A job's speed on its GPUs follows from the step times of its model.
    GANG_SECONDS
        Seconds that a job runs on its gang, start-up excluded. Step times then say only how much slower a job is on
        other GPUs than those of its gang.
    """

    SAMPLES = "samples"
    GANG_SECONDS = "gang-seconds"


@dataclass(frozen=True)
class JobClass:
    """What a policy needs to know of a job; many jobs of a trace share one.

    Attributes
    ----------
    model : str
        The DNN, a key of the step times.
    batch_size : int
        Samples per mini-batch of one EasyScale thread (EST).
    max_parallelism : int
        maxP: the fixed number of ESTs, and the gang of a rigid scheduler [GPUs].
    heterogeneous : bool
        Whether the job may run on several GPU types at once.
    gpu_type : str
        Preferred type; the only one for a job that is not heterogeneous. ``a|b`` is a list of types of which any will
        do, and nothing stands for all, see `Cluster.types_of`.
    vc : str
        Virtual cluster that the job belongs to; empty where there are none.
    share : float
        Part of its one GPU that the job takes, in 1/1000; 1 for a job of whole GPUs.
    cpus : float
        Processor cores that it needs of its nodes; 0 where they are not counted.
    memory : float
        Main memory that it needs of its nodes [B]; 0 where it is not counted.
    """

    model: str
    batch_size: int
    max_parallelism: int
    heterogeneous: bool
    gpu_type: str
    vc: str = ""
    share: float = 1.0
    cpus: float = 0.0
    memory: float = 0.0

    @property
    def gpus(self) -> float:
        """GPUs of the gang: a whole number, or the share of one.

        Examples
        --------
        >>> JobClass("bert", 8, 4, True, "v100").gpus, JobClass("bert", 8, 1, False, "v100", share=0.25).gpus
        (4, 0.25)
        """
        return self.max_parallelism if self.share == 1.0 else self.share

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
    work : array of float, shape (J,)
        Total work of each job, in what `counted_in` says [samples or s].
    class_index : array of int, shape (J,)
        Index into `classes`.
    classes : tuple of JobClass
        The distinct classes.
    counted_in : WorkUnit
        What `work` counts.
    lines : sequence of int, length J, optional
        Line of each job in its file, for messages.
    notes : tuple of str
        What the reader had to mend or assume.
    more : mapping of str to sequence of str
        Further columns of the file, which results pass on as they are.
    numbers : mapping of str to array of float, shape (J,)
        Further columns that policies read as numbers: ``priority``, ``deadline_s``, ``estimate_s``; NaN for no value.
    by_submission : bool
        Whether rows stand in the order of submission, ties in that of the file. Their times are kept as they are.
    """

    name: str
    names: Sequence[str]
    submit: Floats
    work: Floats
    class_index: Ints
    classes: tuple[JobClass, ...]
    counted_in: WorkUnit = WorkUnit.SAMPLES
    lines: Sequence[int] = ()
    notes: tuple[str, ...] = ()
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    by_submission: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def place(self, row: int) -> str:
        """Return where a job stands, for messages."""
        line = f", line {self.lines[row]}" if self.lines else ""
        return f"{self.name}{line}, job '{self.names[row]}'"

    @property
    def gang_column(self) -> str:
        """Return the column that says how many GPUs a job takes at once, for messages.

        Examples
        --------
        >>> job = JobClass("bert", 8, 4, True, "v100")
        >>> build_trace("one", ["a"], [0.0], [64.0], [job]).gang_column
        'max_parallelism'
        >>> build_trace("one", ["a"], [0.0], [64.0], [job], counted_in=WorkUnit.GANG_SECONDS).gang_column
        'gpus'
        """
        return "gpus" if self.counted_in is WorkUnit.GANG_SECONDS else "max_parallelism"

    @property
    def gpus(self) -> Floats:
        """GPUs of each job's gang, shape (J,)."""
        sizes: Floats = np.array([job.gpus for job in self.classes], dtype=np.float64)[self.class_index]
        return sizes

    @property
    def origin(self) -> float:
        """From when times of results are averaged and drawn: 0, or the first submission of a trace of durations [s]."""
        return float(self.submit.min()) if self.by_submission else 0.0

    def steps(self, gang_step: Sequence[float] = ()) -> Floats:
        """Return each job's work in global mini-batches.

        Parameters
        ----------
        gang_step : sequence of float
            Step time of each class on its gang [s], for work in gang-seconds, see `class_gangs`. Work in samples needs
            none: it is ``samples / (batch x maxP)``.

        Examples
        --------
        >>> job = JobClass("bert", 8, 4, True, "v100")
        >>> build_trace("one", ["a"], [0.0], [64.0], [job]).steps()
        array([2.])
        >>> build_trace("one", ["a"], [0.0], [64.0], [job], counted_in=WorkUnit.GANG_SECONDS).steps([0.5])
        array([128.])
        """
        per_step = gang_step if self.counted_in is WorkUnit.GANG_SECONDS else [c.global_batch for c in self.classes]
        steps: Floats = self.work / np.array(per_step, dtype=np.float64)[self.class_index]
        return steps

    def from_start(self, running: Floats) -> Trace:
        """Return the same jobs with times that start near 0; a note says by how much they were shifted.

        Times start near 0 where the first submission is within `NEAR` s, or within `PART` of what comes after it, up to
        the end of the last job. Others are dates, or part of a longer trace: they are shifted to the first submission.
        A trace of durations keeps its times.

        Parameters
        ----------
        running : array of float, shape (J,)
            How long each job runs if it waits for nothing [s].

        Examples
        --------
        >>> job = JobClass("bert", 8, 4, True, "v100")
        >>> dates = build_trace("dates", ["a", "b"], [1.5e9, 1.5e9 + 60], [64.0, 32.0], [job, job])
        >>> shifted = dates.from_start(np.array([100.0, 100.0]))
        >>> shifted.submit, shifted.notes[0][:44]
        (array([ 0., 60.]), 'dates: the first submission is at 1500000000')
        """
        first = float(self.submit.min())
        if self.by_submission or first <= max(NEAR, PART * (float((self.submit + running).max()) - first)):
            return self
        note = (
            f"{self.name}: the first submission is at {first:.15g} s, and times of results count from there: all "
            "submissions are shifted by it"
        )
        return replace(self, submit=self.submit - first, notes=(*self.notes, note))

    def take(self, order: Sequence[int] | Ints) -> Trace:
        """Return the same jobs with rows in another order."""
        rows = np.asarray(order)
        return replace(
            self,
            names=[self.names[i] for i in rows],
            submit=self.submit[rows],
            work=self.work[rows],
            class_index=self.class_index[rows],
            lines=[self.lines[i] for i in rows] if self.lines else (),
            more={name: [values[i] for i in rows] for name, values in self.more.items()},
            numbers={name: values[rows] for name, values in self.numbers.items()},
        )


def build_trace(
    name: str,
    names: Sequence[str],
    submit: Sequence[float] | Floats,
    work: Sequence[float] | Floats,
    classes: Sequence[JobClass],
    *,
    counted_in: WorkUnit = WorkUnit.SAMPLES,
    lines: Sequence[int] = (),
    notes: Sequence[str] = (),
    more: Mapping[str, Sequence[str]] | None = None,
) -> Trace:
    """Build a trace from one entry per job.

    Examples
    --------
    >>> job = JobClass("bert", 8, 4, True, "v100")
    >>> trace = build_trace("two", ["a", "b"], [0.0, 5.0], [64.0, 32.0], [job, job])
    >>> len(trace), len(trace.classes), trace.counted_in.value
    (2, 1, 'samples')
    """
    distinct = {job: index for index, job in enumerate(dict.fromkeys(classes))}
    return Trace(
        name,
        list(names),
        np.asarray(submit, dtype=np.float64),
        np.asarray(work, dtype=np.float64),
        np.array([distinct[job] for job in classes], dtype=np.int64),
        tuple(distinct),
        counted_in,
        list(lines),
        tuple(notes),
        dict(more or {}),
    )
