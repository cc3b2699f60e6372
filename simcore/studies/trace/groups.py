"""A run's numbers by virtual cluster, user and GPU type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.metrics import delayed
from simcore.models.cluster.quality import bounded_slowdown, deadlines_met, preemptions
from simcore.results import Table
from simcore.studies.trace.one_run import Run
from simcore.studies.trace.window import submitted_in

HOUR = 3600.0
COLUMNS = (
    "policy", "group", "name", "jobs", "mean_jct_s", "p99_jct_s", "mean_queueing_s", "mean_bounded_slowdown",
    "gpu_hours", "delay_gpu_hours", "useful_share", "utilisation", "preemptions", "deadlines_met",
)  # fmt: skip


def group_table(runs: Sequence[Run], trace: Trace, cluster: Cluster, window: tuple[float, float] | None) -> Table:
    """Return a row per policy and virtual cluster, user and GPU type.

    ``utilisation`` is the group's GPU-hours over those that its GPUs have between the first submission and the last
    release: GPUs of the virtual cluster or of the type, for a user all. It is None with a window, which counts by
    submission.

    Parameters
    ----------
    runs : sequence of Run
        A run per policy.
    trace, cluster : Trace, Cluster
        What ran on what.
    window : (float, float) or None
        Only jobs that are submitted in it count [s].
    """
    counted = submitted_in(window, trace)
    classes = [trace.classes[index] for index in trace.class_index.tolist()]
    kinds: dict[str, Sequence[str]] = {
        "vc": [job.vc for job in classes],
        "user": trace.more.get("user", ()),
        "gpu_type": [job.gpu_type for job in classes],
    }
    rows: list[Sequence[Any]] = []
    for run in runs:
        numbers = _Numbers(run, trace, None if window is not None else max(run.log.release) - trace.origin)
        for kind, names in kinds.items():
            there = np.array(names, dtype=object)[counted] if len(names) else np.array([])
            capacity = _capacity(kind, cluster)
            for name in sorted({each for each in there.tolist() if each}):
                mine = counted[there == name]
                rows.append((run.policy, kind, name, *numbers.of(mine, capacity.get(name, cluster.gpus))))
    return Table(list(COLUMNS), rows)


def _capacity(kind: str, cluster: Cluster) -> Mapping[str, int]:
    """Return the GPUs that belong to each group of a kind; none where its jobs may use all."""
    if kind == "gpu_type":
        return dict(zip(cluster.types, cluster.counts, strict=True))
    if kind == "user" or not cluster.divided:
        return {}
    there: dict[str, int] = {}
    for node in cluster.nodes:
        there[node.vc] = there.get(node.vc, 0) + node.gpus
    return there


class _Numbers:
    """What a run gives for any of its jobs."""

    def __init__(self, run: Run, trace: Trace, span: float | None) -> None:
        self._times, self._trace, self._span = run.times, trace, span
        self._slowdown = bounded_slowdown(run.times)
        self._held = run.times.gpu_seconds.sum(axis=1)
        self._delayed = delayed(run.log, run.segments)
        self._preempted = preemptions(run.segments, len(trace))

    def of(self, mine: NDArray[np.int64], gpus: int) -> tuple[Any, ...]:
        """Return the columns behind the name, for these jobs on so many GPUs."""
        jct, held, delays = self._times.jct[mine], float(self._held[mine].sum()), float(self._delayed[mine].sum())
        there = gpus * self._span if self._span else None
        return (
            len(mine), float(jct.mean()), float(np.percentile(jct, 99)), float(self._times.queueing[mine].mean()),
            float(self._slowdown[mine].mean()), held / HOUR, delays / HOUR,
            (held - delays) / held if held else None, held / there if there else None,
            int(self._preempted[mine].sum()), deadlines_met(self._trace, self._times, mine),
        )  # fmt: skip
