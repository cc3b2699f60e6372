"""Progress of jobs of applications: epoch by epoch, at a pace that the nodes decide."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from simcore.models.cluster.applications import Application, Pace, full_nodes
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.pools import Held
from simcore.models.cluster.step_times import StepTimes


@dataclass
class _Run:
    """A stretch in which a job holds the same nodes.

    Attributes
    ----------
    pace : Pace
        How fast it goes.
    start : float
        When it begins to work [s].
    exact, whole : float
        When the epoch in which it begins ends, and the same in whole seconds from the start [s].
    """

    pace: Pace
    start: float
    exact: float
    whole: float


class Courses:
    """Where each job of a trace of applications stands.

    An epoch ends in the first round after its exact end. It counts as ended at the nearest whole second, and the next
    one begins there, as in Pollux's artifact.

    Parameters
    ----------
    trace : Trace
        Jobs with a column ``global_batch``; their models are applications.
    step_times : StepTimes
        With the applications by model.
    cluster : Cluster
        Its largest node says how a gang is spread that has the cluster for itself.
    """

    def __init__(self, trace: Trace, step_times: StepTimes, cluster: Cluster) -> None:
        models = [trace.classes[index].model for index in trace.class_index.tolist()]
        self._applications: list[Application] = [step_times.applications[model] for model in models]
        self._batches = [int(batch) for batch in trace.numbers["global_batch"].tolist()]
        self._gpus = [trace.classes[index].max_parallelism for index in trace.class_index.tolist()]
        self._size = max(node.gpus for node in cluster.nodes)
        self._epoch = [0] * len(trace)
        self._progress = [0.0] * len(trace)
        self._runs: list[_Run | None] = [None] * len(trace)
        self._ends: dict[str, list[float]] = {
            each.name: [0.0, *each.progress().tolist()] for each in step_times.applications.values()
        }
        self._predicted: dict[tuple[str, int, int], float] = {}
        self._left: dict[tuple[str, int], list[float]] = {}

    def start(self, row: int, held: Held, when: float) -> tuple[float, float]:
        """Begin to work on some nodes, and return the exact end of the last epoch and the counted one [s]."""
        application = self._applications[row]
        pace = application.pace(self._batches[row], tuple(int(count) for _, count, _ in held))
        epoch = self._epoch[row]
        exact = (self._ends[application.name][epoch + 1] - self._progress[row]) / pace.rate[epoch]
        run = self._runs[row] = _Run(pace, when, exact, round(exact))
        last = len(pace.whole) - 1
        if epoch == last:
            return when + exact, when + run.whole
        finish = when + run.whole + pace.before[last + 1] - pace.before[epoch + 1]
        return finish - pace.whole[last] + pace.exact[last], finish

    def stop(self, row: int, now: float) -> None:
        """Give nodes up, and keep what was done."""
        self._epoch[row], self._progress[row] = self._state(row, now)
        self._runs[row] = None

    def _state(self, row: int, now: float) -> tuple[int, float]:
        """Return the epoch in which a job is, and its progress."""
        run, epoch, progress = self._runs[row], self._epoch[row], self._progress[row]
        if run is None or now <= run.start:
            return epoch, progress
        worked, pace = now - run.start, run.pace
        if run.exact > worked:
            return epoch, progress + pace.rate[epoch] * worked
        # ends of later epochs, from the beginning of the second one of the run
        since = worked - run.whole + pace.before[epoch + 1]
        reached = min(max(bisect_right(pace.before, since) - 1, epoch + 1), len(pace.whole) - 1)
        if reached > epoch + 1 and pace.before[reached - 1] + pace.exact[reached - 1] > since:
            reached -= 1  # it ends after this round, by less than half a second
        done = self._ends[self._applications[row].name][reached]
        return reached, done + pace.rate[reached] * max(0.0, since - pace.before[reached])

    def remaining(self, row: int, now: float) -> float:
        """Return the seconds that a job still has to run on a gang that has the cluster for itself."""
        epoch, progress = self._state(row, now)
        application = self._applications[row]
        pace = application.pace(self._batches[row], full_nodes(self._gpus[row], self._size))
        rest = (self._ends[application.name][epoch + 1] - progress) / pace.rate[epoch]
        return max(0.0, rest) + pace.before[-1] - pace.before[epoch + 1]

    def predicted(self, row: int, gpus: int, now: float) -> float:
        """Return the seconds that a scheduler predicts for a job on so many GPUs of full nodes.

        It takes the time of a step times the steps that the epochs after the present one take.
        """
        application, batch = self._applications[row], self._batches[row]
        key = (application.name, batch, gpus)
        step = self._predicted.get(key)
        if step is None:
            step = self._predicted[key] = application.predicted(batch, full_nodes(gpus, self._size))
        return step * self._steps(application, batch)[self._state(row, now)[0]]

    def _steps(self, application: Application, batch: int) -> Sequence[float]:
        key = (application.name, batch)
        if key not in self._left:
            self._left[key] = [application.iterations_left(batch, epoch) for epoch in range(application.epochs)]
        return self._left[key]

    def most(self, row: int) -> int:
        """Return the GPUs beyond which a job's batch is too small to be divided further."""
        return max(1, self._batches[row] // self._applications[row].smallest_local)
