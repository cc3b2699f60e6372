"""The cluster study: one trace of jobs under several scheduling policies."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from traceback import extract_tb
from typing import Any, get_args, get_type_hints

from simcore.errors import InputError, RunError, SimcoreError, unknown_name
from simcore.files import sha256
from simcore.models.cluster import metrics
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace, Work
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.policies.registry import POLICIES, find_policy, policy_file
from simcore.models.cluster.policy import Policy
from simcore.models.cluster.rules import RULES, Rules
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import StepTimes
from simcore.readers.clusters import read_cluster
from simcore.readers.read import Read
from simcore.readers.step_times import read_step_times
from simcore.results import Provenance, versions
from simcore.studies.trace.checks import check, overload_warnings
from simcore.studies.trace.result import Run, TraceResult, summarise
from simcore.traces.sources import read_trace

LONGEST_INTERVAL = 1e9  # [s]
STEP_TIMES = {Work.SAMPLES: "sc23-fitted", Work.GANG_SECONDS: "unit"}  # unless others are given

Progress = Callable[[str, float, int, int], None]


def trace(
    source: str | Path | Trace = "sc23",
    *,
    policies: str | Policy | Sequence[str | Policy] | None = None,
    cluster: str | Path | Cluster = "sc23",
    rates: str | Path | StepTimes | None = None,
    interval: float | str = 60.0,
    rules: str | Rules = "published",
    seed: int = 0,
    file_format: str | None = None,
    progress: Progress | None = None,
) -> TraceResult:
    """Run a trace of training jobs through scheduling policies.

    Parameters
    ----------
    source : str, Path or Trace
        ``sc23``, ``synthetic:jobs=N,load=X``, ``synthetic-elastic:...``, a path, or a `Trace`.
    policies : str, Policy, or a sequence of them, optional
        By default yarn-cs, fifo, easyscale-homo and easyscale-heter. The first is what the others are compared with.
        A text is a name, or ``name:option=value,option=value``; an object of a class of your own goes as well.
    cluster : str, Path or Cluster
        A cluster of the zoo, a YAML file, or a `Cluster`.
    rates : str, Path or StepTimes, optional
        Step times: by default ``sc23-fitted``, and ``unit`` for a trace whose work is counted in gang-seconds.
    interval : float or 'event'
        Scheduling interval [s], or a decision at every arrival and completion.
    rules : {'published', 'corrected'} or Rules
        The rule set.
    seed : int
        Seed of a generated trace.
    file_format : {'simcore', 'easyscale'}, optional
        Format of a trace file; by default its header decides.
    progress : callable, optional
        Called with policy, simulated time [s], finished jobs and all jobs.

    Returns
    -------
    TraceResult
        Table, jobs, allocation and figures.

    Raises
    ------
    InputError
        If anything given is unknown, malformed or cannot run.

    Examples
    --------
    >>> result = trace(policies=["yarn-cs", "easyscale-homo"])
    >>> [round(jct, 4) for jct in result.table.column("mean_jct_s")]
    [8898.9656, 1068.2315]
    """
    step = _interval(interval)
    rule_set = _rules(rules)
    chosen = _policies(policies)
    gpus = Read(cluster, cluster.name, "") if isinstance(cluster, Cluster) else read_cluster(cluster, "--cluster")
    cluster = gpus.value
    given = (
        Read(source, source.name, "")
        if isinstance(source, Trace)
        else read_trace(
            source,
            "TRACE",
            cluster=cluster,
            seed=seed,
            file_format=file_format,
            format_place="--format",
            cluster_place="--cluster",
        )
    )
    jobs = given.value
    if rates is None:
        rates = STEP_TIMES[jobs.counted_in]
    times = Read(rates, rates.name, "") if isinstance(rates, StepTimes) else read_step_times(rates, "--rates")
    step_times = times.value
    check(jobs, cluster, step_times, chosen)
    notes = [*jobs.notes, *overload_warnings(jobs, cluster, step_times, rule_set.startup_delay)]
    notes += [
        f"{name} knows how much work remains, which no real scheduler does" for name in chosen if chosen[name].oracle
    ]
    if rule_set.order == "submission":
        jobs = jobs.take(sorted(range(len(jobs)), key=lambda row: (jobs.submit[row], jobs.names[row])))

    started = time.process_time()
    runs = []
    for name, policy in chosen.items():
        report = None if progress is None else _reporter(progress, name, len(jobs))
        log = _simulate(jobs, cluster, step_times, name, policy, interval=step, rules=rule_set, progress=report)
        segments = metrics.cut_segments(log, len(cluster.types))
        runs.append(Run(name, log, segments, metrics.job_times(jobs, segments)))
    hashes = {"trace": given.sha256, "cluster": gpus.sha256, "rates": times.sha256}
    hashes |= {f"policy {name}": sha256(path.read_bytes()) for name in chosen if (path := policy_file(name))}
    provenance = Provenance(
        command="trace",
        inputs={
            "trace": jobs.name,
            "jobs": len(jobs),
            "cluster": {"name": cluster.name, "gpus": dict(zip(cluster.types, cluster.counts, strict=True))},
            "rates": {"name": step_times.name, "kinds": list(step_times.kinds), "note": step_times.note},
            "interval_s": "event" if step is None else step,
            "policies": list(chosen),
            "rules": asdict(rule_set),
        },
        sha256={role: digest for role, digest in hashes.items() if digest},
        notes=notes,
        counts={f"{kind}_{run.policy}": getattr(run.log, kind) for run in runs for kind in ("events", "rounds")},
        seed=None if given.sha256 or isinstance(source, Trace) else seed,
        versions=versions("numpy", "simpy"),
    )
    summary = summarise(runs, jobs, cluster, step_times, rule_set, step)
    return TraceResult(summary, provenance, cluster, jobs, tuple(runs), step, rule_set, time.process_time() - started)


def _simulate(
    jobs: Trace, cluster: Cluster, step_times: StepTimes, name: str, policy: Policy, **how: Any
) -> PlacementLog:
    """Simulate; what goes wrong inside a policy of the user's own is no bug of simcore."""
    try:
        return simulate(jobs, cluster, step_times, policy, **how)
    except SimcoreError:
        raise
    except Exception as error:
        if type(policy).__module__.startswith("simcore."):
            raise
        last = extract_tb((error.__cause__ or error).__traceback__)[-1]  # the clock raises a copy
        where = f"{Path(last.filename).name}, line {last.lineno}"
        raise RunError(f"the policy {name} failed in {where}: {type(error).__name__}: {error}") from error


def _policies(given: str | Policy | Sequence[str | Policy] | None) -> dict[str, Policy]:
    """Return the policies to run by their names, each once."""
    if isinstance(given, str | Policy):
        given = [given]
    chosen: dict[str, Policy] = {}
    for one in given or POLICIES:
        if isinstance(one, Policy):
            chosen.setdefault(one.label(), one)
        elif one not in chosen:
            chosen[one] = find_policy(one, "--policy")
    return chosen


def _interval(interval: float | str) -> float | None:
    expected = f"a number of seconds of more than 0 and at most {LONGEST_INTERVAL:,.0f}, or 'event'"
    if interval == "event":
        return None
    try:
        seconds = float(interval)
    except (TypeError, ValueError):
        raise InputError("--interval", f"'{interval}'", expected) from None
    if isinstance(interval, bool) or not 0 < seconds <= LONGEST_INTERVAL:
        raise InputError("--interval", f"{interval}", expected, "The published experiment uses 60.")
    return seconds


def _rules(rules: str | Rules) -> Rules:
    if isinstance(rules, str):
        if rules not in RULES:
            raise unknown_name("--rules", rules, RULES)
        return RULES[rules]
    if not isinstance(rules, Rules):
        raise InputError("rules", f"{rules!r}", f"one of {', '.join(RULES)}, or a Rules")
    for name, hint in get_type_hints(Rules).items():
        words, value = get_args(hint), getattr(rules, name)
        if words and value not in words:
            raise unknown_name(f"rules, field '{name}'", str(value), words)
    if not 0 <= rules.startup_delay <= LONGEST_INTERVAL:
        found = f"{rules.startup_delay}"
        raise InputError("--startup-delay", found, f"a number of seconds from 0 to {LONGEST_INTERVAL:,.0f}")
    return rules


def _reporter(progress: Progress, policy: str, jobs: int) -> Callable[[float, int], None]:
    return lambda now, finished: progress(policy, now, finished, jobs)
