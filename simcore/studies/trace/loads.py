"""What a trace asks of a cluster while jobs arrive: a load that is asked for, and warnings of one that is too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, field
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.pools import DIGITS

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


@dataclass(frozen=True)
class _Demand:
    """What jobs want of something that a cluster has.

    Attributes
    ----------
    what : str
        What it is: ``GPU``, ``core`` or ``byte``.
    whose : str
        Who has it, in words.
    wanted : array of float, shape (J,)
        How much each job holds while it runs, 0 for a job that needs none of it.
    there : float
        How much there is.
    """

    what: str
    whose: str
    wanted: NDArray[np.float64]
    there: float


def overload_warnings(trace: Trace, cluster: Cluster, running: NDArray[np.float64]) -> list[str]:
    """Warn of what is asked for more than there is of it while jobs arrive, so that queues grow.

    That is GPUs of a type or of a virtual cluster, and cores and memory of nodes. It is too little where the jobs' work
    exceeds what there is x the submission span, and not all of them fit that started at their submissions.

    Returns
    -------
    list of str
        One line each. What fewer than `HANDFUL` jobs ask for has none: their span says nothing of a load.
    """
    span = float(np.ptp(trace.submit))
    loads = [
        (demand, float(demand.wanted @ running) / (demand.there * span))
        for demand in (_demands(trace, cluster) if span else ())
        if demand.there and np.count_nonzero(demand.wanted) >= HANDFUL
    ]
    return [
        f"{trace.name} asks for {load:.2f} times the {demand.what}-seconds that {demand.whose} have between the first "
        "and the last submission: queues grow until jobs stop arriving, and queueing delay depends on the length of "
        "the trace"
        for demand, load in loads
        if load > 1.0 and most_at_once(trace.submit, running, demand.wanted) > demand.there
    ]


def most_at_once(submit: NDArray[np.float64], running: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Return the most that jobs hold together if each starts when it is submitted.

    Parameters
    ----------
    submit, running : array of float, shape (J,)
        Submission, and how long each job runs [s]. What ends makes room for what is submitted at that time.
    wanted : array of float, shape (J,)
        What each holds.

    Examples
    --------
    >>> most_at_once(np.array([0.0, 1.0, 3.0]), np.array([3.0, 1.0, 2.0]), np.array([4.0, 2.0, 4.0]))
    6.0
    """
    change = np.concatenate((-wanted, wanted))
    order = np.lexsort((change, np.concatenate((submit + running, submit))))
    return round(float(np.cumsum(change[order]).max(initial=0.0)), DIGITS)


def _demands(trace: Trace, cluster: Cluster) -> Iterator[_Demand]:
    """Give what jobs want: GPUs by the types they ask for, GPUs of virtual clusters, cores and memory of nodes.

    Of jobs that may run on several types all count that can run on no other type, as on those types.
    """
    index, jobs = trace.class_index, trace.classes
    asked = [cluster.types_of(job.gpu_type) for job in jobs]
    for types in dict.fromkeys([*((gpu,) for gpu in cluster.types), *asked]):
        mine = np.array([set(each) <= set(types) for each in asked])[index]
        yield _Demand(
            "GPU", f"the {', '.join(types)} GPUs", np.where(mine, trace.gpus, 0.0), cluster.gpus_of("|".join(types))
        )
    vcs = np.array([job.vc for job in jobs])[index]
    for vc in cluster.vcs if cluster.divided else ():
        there = sum(node.gpus for node in cluster.nodes if node.vc == vc)
        yield _Demand("GPU", f"the virtual cluster {vc}'s GPUs", np.where(vcs == vc, trace.gpus, 0.0), there)
    for what, wanted, counts in (
        ("core", [job.cpus for job in jobs], [node.cpus for node in cluster.nodes]),
        ("byte", [job.memory for job in jobs], [node.memory for node in cluster.nodes]),
    ):
        if all(counts):
            yield _Demand(what, "the nodes", np.array(wanted)[index], sum(counts))


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
