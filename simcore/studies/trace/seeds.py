"""Runs that differ by their seed: what a seed varies in a study, and what the runs say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.intervals import Interval, difference, mean_interval
from simcore.models.cluster.policies.estimates import Estimates
from simcore.models.cluster.policy import Policy
from simcore.results import Table
from simcore.studies.trace.request import TraceRequest
from simcore.traces.synthetic import GENERATORS

NO_METRICS = ("policy", "rates", "rates_kinds")
"""Columns of a summary that are no numbers."""
INTERVALS = ("mean", "low", "high", "deviation")
"""Columns of an interval, beside the metric and the number of seeds."""


def varied(request: TraceRequest, cluster: Cluster, policies: Mapping[str, Policy]) -> list[str]:
    """Return what a seed changes in a study, in words; nothing where all seeds give one result.

    Examples
    --------
    >>> varied(TraceRequest("synthetic:jobs=9"), Cluster("c", ("v100",), (8,)), {})
    ['the generated trace']
    """
    noisy = [name for name, policy in policies.items() if is_noisy(policy)]
    facts = {
        "the generated trace": str(request.trace).partition(":")[0].lower() in GENERATORS,
        f"the {request.resample} drawn from the trace": request.resample is not None,
        "random placement": request.placement == "random" and bool(cluster.nodes),
        f"the noise of estimates ({', '.join(noisy)})": bool(noisy),
    }
    return [what for what, there in facts.items() if there]


def is_noisy(policy: Policy) -> bool:
    """Tell whether a policy draws random numbers for its estimates."""
    return isinstance(policy, Estimates) and policy.estimate == "noisy" and policy.noise > 0.0


def with_seed(policy: Policy, seed: int) -> Policy:
    """Return a policy whose noise is drawn with its own seed plus that of the study.

    Examples
    --------
    >>> from simcore.models.cluster.policies.registry import find_policy
    >>> with_seed(find_policy("sjf:estimate=noisy,seed=3"), 4).seed
    7
    """
    if not seed or not isinstance(policy, Estimates) or not is_noisy(policy):
        return policy
    other = copy(policy)
    other.seed += seed
    return other


def metrics_of(table: Table) -> list[str]:
    """Return the columns of a summary that are numbers."""
    return [name for name in table.columns if name not in NO_METRICS]


def over_seeds(tables: Sequence[Table]) -> Table:
    """Return a row per policy and metric: its mean over runs, and the confidence interval of that mean.

    A metric that a run does not have, such as deadlines of a trace without any, has no row.

    Parameters
    ----------
    tables : sequence of Table
        The summary of each seed, with the same policies.

    Examples
    --------
    >>> runs = [Table(["policy", "mean_jct_s"], [("fifo", seconds)]) for seconds in (1.0, 3.0)]
    >>> over_seeds(runs)[0]["mean"]
    2.0
    """
    rows: list[Sequence[Any]] = []
    for place, policy in enumerate(tables[0].column("policy")):
        for metric in metrics_of(tables[0]):
            values = [table[place][metric] for table in tables]
            if None not in values:
                rows.append((policy, metric, len(values), *numbers(mean_interval(values))))
    return Table(["policy", "metric", "seeds", *INTERVALS], rows)


def numbers(interval: Interval) -> tuple[float | None, ...]:
    """Return the values of `INTERVALS`."""
    return interval.mean, interval.low, interval.high, interval.deviation


def apart(tables: Sequence[Table], metric: str, first: str, second: str) -> Interval:
    """Return by how much a metric of the second policy is above that of the first, seed by seed."""
    pairs = [{row["policy"]: row[metric] for row in table} for table in tables]
    return difference([pair[first] for pair in pairs], [pair[second] for pair in pairs])
