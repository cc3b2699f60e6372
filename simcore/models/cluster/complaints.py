"""What a simulation says of a policy that decides what cannot be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.room import Change


def too_many(trace: Trace, cluster: Cluster, free: Sequence[float], changes: Sequence[Change], now: float) -> str:
    """Say which GPUs are handed out beyond those there are, and the first changes of the decision."""
    over = {gpu: -left for gpu, left in zip(cluster.types, free, strict=True) if left < 0}
    said = []
    for row, placement in changes[:3]:
        held = zip(cluster.types, placement.gpus, strict=True) if placement is not None else ()
        gpus = " + ".join(f"{number} {gpu}" for gpu, number in held if number)
        said.append(f"'{trace.names[row]}' gets {gpus or 'nothing'}")
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    by = ", ".join(said) + more
    return f"the policy handed out more GPUs than there are at {now} s: {over} too many, by {by}"


def absent(trace: Trace, row: int, now: float, *, done: bool) -> str:
    """Say that a job which is placed is not there."""
    return f"the policy placed '{trace.names[row]}' at {now} s, which {'is done' if done else 'is yet to come'}"


def starved(trace: Trace, end: Sequence[float]) -> str:
    """Say which jobs wait for ever."""
    waiting = [row for row, time in enumerate(end) if math.isnan(time)]
    first = trace.names[waiting[0]]
    return f"{len(waiting)} jobs wait for ever, '{first}' the first: nothing runs, and the policy starts none of them"


def no_end(now: float, rounds: int) -> str:
    """Say that placements change for ever."""
    return (
        f"the policy changed placements in {rounds:,} rounds in a row, up to {now:g} s, and no job arrived or "
        "finished: does it take GPUs away before the start-up delay is over?"
    )
