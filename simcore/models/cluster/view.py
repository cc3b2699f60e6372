"""What a policy sees: the clock, the free GPUs, and columns of the jobs that cost nothing until they are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from simcore.errors import RunError
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.courses import Courses
from simcore.models.cluster.jobs import JobClass, Trace
from simcore.models.cluster.placement import Placement, only, place
from simcore.models.cluster.room import Room
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes


@dataclass
class JobStates:
    """The simulator's arrays, a row per job. What lies between two changes of a placement follows in closed form.

    Attributes
    ----------
    arrivals : list of int
        Rows in the order in which they arrive.
    arrived : int
        How many of them have arrived.
    placement : list of Placement or None
        What each job holds.
    since : list of float
        Last change of each job's placement, or its submission [s]; infinite once the job is done.
    left : list of float
        Work left at that time [global mini-batches].
    delay : list of float
        Start-up delay left at that time [s].
    end : list of float
        Completion [s], NaN before it.
    service : dict of int to float
        GPU-seconds held before that time, of jobs whose placement changed while they ran [GPU s].
    """

    arrivals: list[int]
    placement: list[Placement | None]
    since: list[float]
    left: list[float]
    delay: list[float]
    end: list[float]
    arrived: int = 0
    service: dict[int, float] = field(default_factory=dict)


class JobColumn:
    """A number per job, computed when it is read: ``column[row]``.

    Examples
    --------
    >>> doubled = JobColumn(lambda row: 2.0 * row)
    >>> doubled[3], sorted([3, 1], key=doubled)
    (6.0, [1, 3])
    """

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[int], float]) -> None:
        self._read = read

    def __getitem__(self, row: int) -> float:
        return self._read(row)

    def __call__(self, row: int) -> float:
        """Return the same as ``column[row]``: a column is a key to sort rows by."""
        return self._read(row)

    def of(self, rows: Iterable[int]) -> list[float]:
        """Return the values of some rows."""
        return [self._read(row) for row in rows]


class View:
    """What a policy sees when it decides. It is the same object every time: it shows the present, and keeps no past.

    Columns and lists of rows cost nothing until they are read. Of jobs that have not arrived or are done nothing is
    said.

    Attributes
    ----------
    now : float
        The clock [s].
    free : sequence of float
        Free GPUs of each type, in the order of ``cluster.types``; whole numbers where no job shares a GPU.
    arrived, finished : sequence of int
        Rows of the jobs that arrived and that finished since the last decision, for policies that keep books. The GPUs
        of finished jobs are free already.
    classes : tuple of JobClass
        The distinct classes of the jobs.
    gangs : sequence of Placement
        The gang of each class: a GPU of its preferred type for each of its maxP threads.
    class_index : sequence of int
        Class of each job, an index into `classes`.
    placement : sequence of Placement or None
        What each job holds; None while it waits.
    cluster, step_times, rules : Cluster, StepTimes, Rules
        The study's inputs.
    """

    def __init__(
        self,
        states: JobStates,
        free: Sequence[float],
        trace: Trace,
        gangs: Sequence[Placement],
        cluster: Cluster,
        step_times: StepTimes,
        rules: Rules,
        *,
        oracle: bool = False,
        courses: Courses | None = None,
    ) -> None:
        self.now = 0.0
        self.free = free
        self.arrived: Sequence[int] = ()
        self.finished: Sequence[int] = ()
        self.cluster, self.step_times, self.rules = cluster, step_times, rules
        self.classes = trace.classes
        self.gangs = gangs
        self.class_index: Sequence[int] = trace.class_index.tolist()
        self.placement: Sequence[Placement | None] = states.placement
        self._states, self._trace, self._oracle, self._courses = states, trace, oracle, courses
        self._active: list[int] = []
        self._looked_at = 0  # arrivals that _active knows of
        self._placements: dict[tuple[int, tuple[float, ...]], Placement] = {}
        self._fitting: dict[tuple[int, str], bool] = {}

    def open_room(self, room: Room) -> None:
        """Say what gangs are taken from; the simulator does."""
        self._room = room

    def room(self) -> Room:
        """Return the free GPUs for this decision: ask it once per decision, and return its changes.

        What an earlier decision took and did not return is free again.
        """
        self._room.begin()
        return self._room

    @property
    def submitted(self) -> JobColumn:
        """Submission of each job [s]."""
        return JobColumn(lambda row: float(self._trace.submit[row]))

    @property
    def waiting_since(self) -> JobColumn:
        """Of a waiting job: its submission, or when its GPUs were taken away [s]."""
        return JobColumn(self._states.since.__getitem__)

    @property
    def attained(self) -> JobColumn:
        """Attained service: GPUs held times seconds, start-up included [GPU s]."""
        return JobColumn(self._attained)

    @property
    def remaining(self) -> JobColumn:
        """Seconds that each job still has to run on its gang, start-up excluded [s].

        A real scheduler does not know it: only a policy with ``oracle = True`` may read it.
        """
        return JobColumn(self._remaining if self._oracle else _hidden)

    @property
    def duration(self) -> JobColumn:
        """Seconds that each job runs on its gang in all, start-up excluded; only for ``oracle = True`` [s]."""
        return JobColumn(self._duration if self._oracle else _hidden)

    def remaining_on(self, row: int, gpus: int) -> float:
        """Return the seconds that a job still has to run on so many GPUs of its type; only for ``oracle = True``.

        Of an application it is what a scheduler predicts: the time of a step on full nodes, times the steps that are
        left after the present epoch.
        """
        if self._oracle and self._courses is not None:
            return self._courses.predicted(row, gpus, self.now)
        return self.remaining[row] / self.gang(row).step_time * self.on(row, gpus).step_time

    def on(self, row: int, gpus: int) -> Placement:
        """Return a job's placement on so many GPUs of its preferred type."""
        if gpus == self.job(row).max_parallelism:
            return self.gang(row)
        job = self.job(row)
        return self.place(row, only(gpus, self.cluster.types_of(job.gpu_type, job.vc)[0], self.cluster))

    def most(self, row: int) -> int:
        """Return the GPUs over which a job's batch can be divided: its maxP, or what its application allows."""
        return self.job(row).max_parallelism if self._courses is None else self._courses.most(row)

    def numbers(self, name: str) -> Sequence[float]:
        """Return a column of the trace that is read as numbers, such as ``priority``; NaN where it says nothing."""
        values = self._trace.numbers.get(name)
        return [math.nan] * len(self._trace) if values is None else values.tolist()

    def texts(self, name: str) -> Sequence[str]:
        """Return a further column of the trace, such as ``user``; empty texts where there is none."""
        return self._trace.more.get(name, [""] * len(self._trace))

    @property
    def active(self) -> list[int]:
        """Rows of the jobs that have arrived and are not done, ascending; costs a look at each of them."""
        states = self._states
        rows = self._active + states.arrivals[self._looked_at : states.arrived]
        self._looked_at = states.arrived
        end = states.end
        self._active = sorted(row for row in rows if end[row] != end[row])  # NaN: not done
        return list(self._active)

    @property
    def waiting(self) -> list[int]:
        """Rows of the active jobs that hold no GPU, ascending."""
        placement = self.placement
        return [row for row in self.active if placement[row] is None]

    @property
    def running(self) -> list[int]:
        """Rows of the active jobs that hold GPUs, ascending."""
        placement = self.placement
        return [row for row in self.active if placement[row] is not None]

    def job(self, row: int) -> JobClass:
        """Return a job's class: model, batch size, parallelism, preferred GPU type."""
        return self.classes[self.class_index[row]]

    def gang(self, row: int) -> Placement:
        """Return a job's gang; of one that may run on several types that on the first, see `Room.start`."""
        return self.gangs[self.class_index[row]]

    def place(self, row: int, gpus: Sequence[float]) -> Placement:
        """Return a job's placement on any GPUs of each type, its threads spread so that the step is the shortest."""
        return self._placed(self.class_index[row], tuple(gpus))

    def on_type(self, index: int, gpu_type: str) -> Placement:
        """Return the gang of a class on GPUs of one type."""
        return self._placed(index, only(self.classes[index].gpus, gpu_type, self.cluster))

    def fits(self, index: int, gpu_type: str) -> bool:
        """Tell whether the gang of a class fits on one GPU type when nothing else runs: first asked in `prepare`."""
        key = (index, gpu_type)
        if key not in self._fitting:
            self._fitting[key] = self._room.fits_on(index, gpu_type)
        return self._fitting[key]

    def _placed(self, index: int, gpus: tuple[float, ...]) -> Placement:
        key = (index, gpus)
        if key not in self._placements:
            self._placements[key] = place(self.classes[index], gpus, self.cluster, self.step_times)
        return self._placements[key]

    def _attained(self, row: int) -> float:
        states = self._states
        placement, before = states.placement[row], states.service.get(row, 0.0)
        return before if placement is None else before + sum(placement.gpus) * (self.now - states.since[row])

    def _remaining(self, row: int) -> float:
        if self._courses is not None:
            return self._courses.remaining(row, self.now)
        states = self._states
        left, placement = states.left[row], states.placement[row]
        if placement is not None:
            worked = self.now - states.since[row] - states.delay[row]
            if worked > 0.0:
                left = max(0.0, left - worked / placement.step_time)
        return left * self.gangs[self.class_index[row]].step_time

    def _duration(self, row: int) -> float:
        return self._durations[row]

    @cached_property
    def _durations(self) -> list[float]:
        steps = [gang.step_time for gang in self.gangs]
        seconds = self._trace.steps(steps) * np.array(steps)[self._trace.class_index]
        return [float(each) for each in seconds.tolist()]


def _hidden(row: int) -> float:
    raise RunError("a policy reads the work that remains, which no scheduler knows: it must say so by oracle = True")
