"""What a trace asks of a cluster while jobs arrive: a load that is asked for, and warnings of one that is too much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, field
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.metrics import oversubscription

ENOUGH = 5
"""Times as long as the mean GPU-second's job runs, for a generated load that becomes steady."""
HANDFUL = 20
"""Jobs of a GPU type from which their demand is a load."""


def at_load(trace: Trace, cluster: Cluster, running: NDArray[np.float64], load: float) -> Trace:
    """Return the same jobs submitted faster or slower, so that they ask for `load` times the GPU-seconds there are.

    Raises
    ------
    InputError
        If all jobs are submitted at once.
    """
    span, first = float(np.ptp(trace.submit)), float(trace.submit.min())
    if not span:
        raise InputError(field("load"), "jobs that are submitted all at once", "jobs submitted over a time")
    stretch = float(trace.gpus @ running) / (cluster.gpus * span * load)
    note = f"{trace.name}: submissions are {stretch:.6g} times as far apart, for a load of {load:g}"
    submit = first + (trace.submit - first) * stretch
    return replace(trace, submit=submit, notes=(*trace.notes, note))


def overload_warnings(trace: Trace, cluster: Cluster, running: NDArray[np.float64]) -> list[str]:
    """Warn of each GPU type and virtual cluster that is asked for more GPU-seconds than it has while jobs arrive.

    Returns
    -------
    list of str
        One line per type and virtual cluster whose gang GPU-seconds, start-up included, exceed GPUs x submission span.
        One that fewer than `HANDFUL` jobs ask for has none.
    """
    loads = oversubscription(trace, cluster, running, least=HANDFUL)
    span = float(np.ptp(trace.submit))
    work = trace.gpus * running
    vcs = np.array([job.vc for job in trace.classes])[trace.class_index]
    for vc in cluster.vcs if cluster.divided and span else ():
        there = sum(node.gpus for node in cluster.nodes if node.vc == vc)
        if there and int((vcs == vc).sum()) >= HANDFUL:
            loads[f"virtual cluster {vc}'s"] = float(work[vcs == vc].sum() / (there * span))
    said = {("GPU", f"the {gpu.replace('|', ', ')} GPUs"): load for gpu, load in loads.items()}
    said |= _of_nodes(trace, cluster, running, span)
    return [
        f"{trace.name} asks for {load:.2f} times the {what}-seconds that {whose} have between the first and the last "
        "submission: queues grow until jobs stop arriving, and queueing delay depends on the length of the trace"
        for (what, whose), load in said.items()
        if load > 1.0
    ]


def _of_nodes(
    trace: Trace, cluster: Cluster, running: NDArray[np.float64], span: float
) -> dict[tuple[str, str], float]:
    """Return the load on cores and memory of nodes, where jobs ask for them and all nodes say how much they have."""
    loads = {}
    for what, asked, there in (
        ("core", [job.cpus for job in trace.classes], [node.cpus for node in cluster.nodes]),
        ("byte", [job.memory for job in trace.classes], [node.memory for node in cluster.nodes]),
    ):
        wanted = np.array(asked)[trace.class_index]
        if span and all(there) and np.count_nonzero(wanted) >= HANDFUL:
            loads[what, "the nodes"] = float(wanted @ running) / (sum(there) * span)
    return loads


def steady_warnings(trace: Trace, running: NDArray[np.float64], *, generated: bool) -> list[str]:
    """Warn of a load whose jobs arrive for less time than its GPU-seconds are held in one piece.

    The time is the mean running time, weighted by GPU-seconds: about as long takes the warm-up.

    Parameters
    ----------
    trace : Trace
        Its jobs, at a load that was asked for.
    running : array of float, shape (J,)
        Running time of each job on its gang, start-up included [s].
    generated : bool
        Whether the jobs are drawn; of a file that was stretched there are no more.
    """
    work = trace.gpus * running
    held, span = float(work @ running / work.sum()), float(np.ptp(trace.submit))
    if span >= held:
        return []
    if len(trace) < HANDFUL or not span:
        return [f"{trace.name}: jobs are too few for a steady load"]
    enough = float(f"{ENOUGH * held / span * len(trace):.2g}")
    remedy = (
        f"Give more jobs, about jobs={enough:.0f}, and --window steady"
        if generated
        else f"Take a longer trace, of about {enough:,.0f} jobs: simcore workload synthesise draws one like it"
    )
    return [
        f"{trace.name}: jobs arrive for {span:,.0f} s, and the mean GPU-second belongs to a job of {held:,.0f} s, so "
        f"the load is never steady. {remedy}"
    ]
