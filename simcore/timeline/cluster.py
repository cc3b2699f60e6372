"""Timelines in the Chrome trace format, which ui.perfetto.dev and chrome://tracing open.

Simulated seconds are written as microseconds, rounded to whole ones on both ends of a slice, so that slices that touch
never overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.metrics import Segments, queue_length
from simcore.models.cluster.pools import DIGITS
from simcore.models.cluster.stays import Stay, on_gpus

MICROSECONDS = 1e6


def cluster_timeline(
    trace: Trace, cluster: Cluster, runs: Sequence[tuple[str, Segments]], on_nodes: Sequence[Sequence[Stay]] = ()
) -> dict[str, Any]:
    """Return a timeline: a process per policy, a track per GPU, counters for the queue and the allocated GPUs.

    Parameters
    ----------
    trace, cluster : Trace, Cluster
        What was simulated.
    runs : sequence of (str, Segments)
        Policy names and their segments.
    on_nodes : sequence of sequence of Stay
        Per policy, who is on which node; empty where the cluster has none.

    Returns
    -------
    dict
        A document to write as JSON.
    """
    events: list[dict[str, Any]] = []
    for pid, (policy, segments) in enumerate(runs, 1):
        events.append({"ph": "M", "pid": pid, "name": "process_name", "args": {"name": policy}})
        names = _gpus_of_nodes(cluster) if on_nodes else _gpu_names(cluster)
        for tid, name in enumerate(names, 1):
            events.append({"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}})
            events.append({"ph": "M", "pid": pid, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}})
        found = _on_nodes(trace, cluster, on_nodes[pid - 1]) if on_nodes else _slices(trace, cluster, segments)
        events += ({"pid": pid, **slice_} for slice_ in found)
        events += ({"pid": pid, **sample} for sample in _counters(trace, cluster, segments))
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _gpu_names(cluster: Cluster) -> list[str]:
    return [f"{t} {i}" for t, n in zip(cluster.types, cluster.counts, strict=True) for i in range(n)]


def _gpus_of_nodes(cluster: Cluster) -> list[str]:
    return [f"node {number} {node.type} {gpu}" for number, node in enumerate(cluster.nodes) for gpu in range(node.gpus)]


def _on_nodes(trace: Trace, cluster: Cluster, found: Sequence[Stay]) -> Iterator[dict[str, Any]]:
    """Give every stay GPUs of its node: the lowest ones that are free."""
    first = [0, *accumulate(node.gpus for node in cluster.nodes)]
    for stay, parts in on_gpus(found, cluster.nodes):
        start, end = (round(time * MICROSECONDS) for time in (stay.start, stay.end))
        for gpu in sorted({gpu for low, high in parts for gpu in range(math.floor(low), math.ceil(high))}):
            yield {
                "ph": "X",
                "tid": first[stay.node] + gpu + 1,
                "name": trace.names[stay.row],
                "cat": trace.classes[trace.class_index[stay.row]].model,
                "ts": start,
                "dur": end - start,
                "args": {"gpus": stay.gpus, "node": stay.node},
            }


def _slices(trace: Trace, cluster: Cluster, segments: Segments) -> Iterator[dict[str, Any]]:
    """Give every job concrete GPUs: it keeps the ones it has, and takes the lowest free ones when it grows."""
    first = np.concatenate(([0], np.cumsum(cluster.counts)))
    free = [sorted(range(int(a), int(b)), reverse=True) for a, b in pairwise(first)]
    held: dict[int, list[list[int]]] = {}
    last = np.append(segments.row[1:] != segments.row[:-1], True)
    # at one time releases come before starts; a change of placement is a release of what it drops, then a start
    # a placement that another replaces at the same instant, as event-driven rounds do, was never held
    lasting = segments.release > segments.start
    changes = [(float(t), 1, i) for i, t in enumerate(segments.start) if lasting[i]]
    changes += [(float(t), 0, i) for i, t in enumerate(segments.release) if last[i]]
    for group in _by_time(changes):
        for phase, index in group:
            row = int(segments.row[index])
            mine = held.setdefault(row, [[] for _ in cluster.types])
            wanted = segments.gpus[index] if phase else np.zeros(len(cluster.types), dtype=np.int64)
            for g, gpus in enumerate(mine):
                while len(gpus) > wanted[g]:
                    free[g].append(gpus.pop())
                free[g].sort(reverse=True)
        for phase, index in group:
            if not phase:
                continue
            row = int(segments.row[index])
            start, end = (round(float(t) * MICROSECONDS) for t in (segments.start[index], segments.end[index]))
            for g, gpus in enumerate(held[row]):
                while len(gpus) < segments.gpus[index, g]:
                    gpus.append(free[g].pop())
                for gpu in gpus:
                    yield {
                        "ph": "X",
                        "tid": gpu + 1,
                        "name": trace.names[row],
                        "cat": trace.classes[trace.class_index[row]].model,
                        "ts": start,
                        "dur": end - start,
                        "args": {"gpus": int(segments.gpus[index].sum())},
                    }


def _by_time(changes: list[tuple[float, int, int]]) -> Iterator[list[tuple[int, int]]]:
    changes.sort()
    group: list[tuple[int, int]] = []
    for i, (time, phase, index) in enumerate(changes):
        group.append((phase, index))
        if i + 1 == len(changes) or changes[i + 1][0] != time:
            yield group
            group = []


def _counters(trace: Trace, cluster: Cluster, segments: Segments) -> Iterator[dict[str, Any]]:
    """Counters: jobs that are submitted and hold no GPU, and allocated GPUs by type."""
    for time, waiting in zip(*(column.tolist() for column in queue_length(trace, segments)), strict=True):
        yield {"ph": "C", "name": "queued jobs", "ts": round(time * MICROSECONDS), "args": {"jobs": waiting}}
    for g, name in enumerate(cluster.types):
        held = segments.gpus[:, g].tolist()
        steps = list(zip(segments.start.tolist(), held, strict=True))
        steps += [(time, -number) for time, number in zip(segments.release.tolist(), held, strict=True)]
        total: float = 0
        for time, change in _sums(steps):
            total = round(total + change, DIGITS)
            yield {"ph": "C", "name": f"allocated {name}", "ts": round(time * MICROSECONDS), "args": {"GPUs": total}}


def _sums(steps: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Sum the steps of each time, in order of time."""
    steps.sort()
    pending: float = 0
    for i, (time, change) in enumerate(steps):
        pending += change
        if i + 1 == len(steps) or steps[i + 1][0] != time:
            yield time, pending
            pending = 0
