"""The cluster study: one trace of jobs under several scheduling policies."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from traceback import extract_tb
from typing import Any

from simcore.errors import InputError, RunError, SimcoreError, field
from simcore.files import sha256
from simcore.models.cluster import metrics
from simcore.models.cluster.applications import Application
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.demand_room import on_nodes, with_needs
from simcore.models.cluster.jobs import Trace, WorkUnit
from simcore.models.cluster.log import PlacementLog
from simcore.models.cluster.overheads import Overheads
from simcore.models.cluster.placers import find_placer
from simcore.models.cluster.policies.registry import policy_file
from simcore.models.cluster.policy import Policy
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.simulator import simulate
from simcore.models.cluster.step_times import StepTimes, same_everywhere
from simcore.progress import tell, tracked
from simcore.readers import zoo
from simcore.readers.clusters import read_cluster
from simcore.readers.overheads import read_overheads
from simcore.readers.pollux import read_pollux
from simcore.readers.read import Read
from simcore.readers.step_times import read_step_times
from simcore.results import Provenance, versions
from simcore.studies.request import study
from simcore.studies.trace.checks import (
    boundless,
    check_rounds,
    check_types,
    costless,
    gang_seconds,
    row_warnings,
    runnable,
)
from simcore.studies.trace.loads import at_load, overload_warnings, steady_warnings
from simcore.studies.trace.one_run import Run
from simcore.studies.trace.outcome import summarise
from simcore.studies.trace.request import SWITCHES, TraceRequest
from simcore.studies.trace.result import TraceResult
from simcore.studies.trace.seeds import varied, with_seed
from simcore.studies.trace.settings import interval_of, policies_of, restart_costs, rules_of
from simcore.studies.trace.window import find_window
from simcore.traces.bundled import BUNDLED
from simcore.traces.durations import with_types
from simcore.traces.resampled import resampled
from simcore.traces.sources import read_trace

_NUMBER = re.compile(r"\s*[-+]?([0-9.]+([eE][-+]?[0-9]+)?|inf|nan)\s*\Z", re.IGNORECASE)
STEP_TIMES = {WorkUnit.SAMPLES: "sc23-fitted", WorkUnit.GANG_SECONDS: "unit"}  # unless others are given


@study(TraceRequest)
def trace(request: TraceRequest) -> TraceResult:
    """Run a trace of training jobs through scheduling policies.

    A policy is a name, ``name:option=value,option=value``, a class of a file of your own, ``file.py:Class``, or an
    object.

    Raises
    ------
    InputError
        If anything given is unknown, malformed or cannot run.
    RunError
        If a policy of the user's own fails.

    Examples
    --------
    >>> result = trace(policies=["yarn-cs", "easyscale-homo"])
    >>> [round(jct, 4) for jct in result.table.column("mean_jct_s")]
    [8898.9656, 1068.2315]
    """
    started = time.process_time()
    first = _run(request)
    if request.seeds == 1:
        return first
    what = varied(request, first.cluster, policies_of(request.policies, first.trace))
    if not what:
        said = "no seed changes anything here: there is one run. Draw the trace anew (--resample), or generate one"
        return replace(first, warnings=(*first.warnings, said))
    later = range(request.seed + 1, request.seed + request.seeds)
    samples = [first.table, *(_run(request.resolved(seed=seed)).table for seed in tracked(later, "seeds"))]
    return replace(first, samples=tuple(samples), varied=tuple(what), cpu_seconds=time.process_time() - started)


def _run(request: TraceRequest) -> TraceResult:
    """Run the policies with one seed."""
    interval = interval_of(request.interval)
    clusters, traces, times = _inputs(request)
    jobs = with_needs(traces.value, clusters.value)
    cluster = on_nodes(clusters.value, jobs.classes)
    step_times, overheads = _with_overheads(request, times, jobs, cluster)
    rules, policies = rules_of(request, jobs), policies_of(request.policies, jobs)
    policies = {name: with_seed(policy, request.seed) for name, policy in policies.items()}
    rules, costs = _rescaled(request, rules, step_times), restart_costs(request.restart_cost, policies)
    placer = find_placer(request.placement, field("placement"))
    jobs, left_out = runnable(jobs, cluster, step_times, policies, rules, placer, keep_going=request.keep_going)
    running = gang_seconds(jobs, cluster, step_times, rules.startup_delay)
    jobs = jobs.from_start(running)
    if request.load is not None:
        jobs = at_load(jobs, cluster, running, request.load)
    check_rounds(jobs, cluster, running, interval)
    generated = not (traces.sha256 or isinstance(request.trace, Trace))
    oracles = [name for name in policies if policies[name].oracle]
    warnings = [
        *jobs.notes,
        *left_out,
        *(row_warnings(jobs) if rules.order == "dictionary" and str(request.trace) not in BUNDLED else ()),
        *overload_warnings(jobs, cluster, running),
        *costless(jobs, step_times.overheads),
        *boundless(jobs, step_times),
        *(steady_warnings(jobs, running, generated=generated) if generated or request.load is not None else ()),
        *(f"{name} knows how much work remains, which no real scheduler does" for name in oracles),
    ]
    if rules.order == "submission" and not jobs.by_submission:
        jobs = jobs.take(sorted(range(len(jobs)), key=lambda row: (jobs.submit[row], jobs.names[row])))

    window = find_window(request.window, jobs)
    started = time.process_time()
    runs = []
    for name, policy in policies.items():
        report = _reporter(f"jobs under {name}", len(jobs))
        nodes = placer([jobs.classes[index].gpus for index in jobs.class_index.tolist()], request.seed)
        log = _simulate(
            jobs, cluster, step_times, name, policy, interval=interval, rules=rules, restart=costs.get(name),
            placer=nodes, progress=report,
        )  # fmt: skip
        segments = metrics.cut_segments(log, len(cluster.types))
        runs.append(Run(name, log, segments, metrics.job_times(jobs, segments)))
    table = summarise(runs, jobs, cluster, step_times, rules, interval, window)
    hashes = {"trace": traces.sha256, "cluster": clusters.sha256, "rates": times.sha256, "overheads": overheads}
    hashes |= {f"policy {name}": sha256(path.read_bytes()) for name in policies if (path := policy_file(name))}
    provenance = Provenance(
        command=request.study,
        inputs=_resolved(request, interval, rules, policies, step_times),
        sha256={role: digest for role, digest in hashes.items() if digest},
        counts={f"{kind}_{run.policy}": getattr(run.log, kind) for run in runs for kind in ("events", "rounds")},
        seed=request.seed if varied(request, cluster, policies) else None,
        versions=versions("numpy", "simpy"),
    )
    return TraceResult(
        table=table,
        cluster=cluster,
        trace=jobs,
        step_times=step_times,
        runs=tuple(runs),
        interval=interval,
        rules=rules,
        restart_costs=costs,
        window=window,
        warnings=tuple(warnings),
        provenance=provenance,
        cpu_seconds=time.process_time() - started,
    )


def _inputs(request: TraceRequest) -> tuple[Read[Cluster], Read[Trace], Read[StepTimes]]:
    """Read what the request names; objects that were given stand for themselves."""
    source, cluster, rates = request.trace, request.cluster, request.rates
    gpus = Read(cluster, cluster.name, "") if isinstance(cluster, Cluster) else read_cluster(cluster, field("cluster"))
    profiles = _profiles(rates, gpus.value)
    times: Read[StepTimes] | None = None
    if isinstance(rates, StepTimes):
        times = Read(rates, rates.name, "")
    elif rates is not None and profiles is None:
        times = read_step_times(rates, field("rates"))
    if isinstance(source, Trace):
        jobs = Read(with_types(source, gpus.value), source.name, "")
    else:
        jobs = read_trace(
            source,
            field("trace"),
            cluster=gpus.value,
            seed=request.seed,
            file_format=request.file_format,
            format_place=field("file_format"),
            cluster_place=field("cluster"),
            keep_going=request.keep_going,
            applications=None if profiles is None else profiles.value,
            step_times=None if times is None else times.value,
        )
    if request.resample is not None:
        jobs = replace(jobs, value=resampled(jobs.value, request.resample, request.seed, field("resample")))
    unit = same_everywhere(jobs.value, gpus.value)
    if profiles is not None:
        note = "jobs run as fast as the profiles of their applications say, by nodes, batch and epoch"
        paced = replace(unit, name=profiles.name, kinds=("measured",), note=note, applications=profiles.value)
        return gpus, jobs, Read(paced, profiles.name, profiles.sha256)
    if times is None and jobs.value.by_submission:
        times = Read(unit, unit.name, "")
    elif times is None:
        times = read_step_times(STEP_TIMES[jobs.value.counted_in], field("rates"))
    return gpus, jobs, replace(times, value=_as_called(times.value, jobs.value))


def _profiles(rates: str | Path | StepTimes | None, cluster: Cluster) -> Read[dict[str, Application]] | None:
    """Return the profiles of a folder that is given in place of step times."""
    if rates is None or isinstance(rates, StepTimes) or not Path(rates).is_dir():
        return None
    return read_pollux(Path(rates), cluster.types[0] if len(cluster.types) == 1 else "")


def _rescaled(request: TraceRequest, rules: Rules, step_times: StepTimes) -> Rules:
    """Return the rules with what a change of GPUs takes, where overheads say so and nobody gave a start-up delay."""
    delay = None if step_times.overheads is None else step_times.overheads.rescale
    if delay is None or request.startup_delay is not None or isinstance(request.rules, Mapping | Rules):
        return rules
    return replace(rules, startup_delay=delay)


def _with_overheads(
    request: TraceRequest, times: Read[StepTimes], jobs: Trace, cluster: Cluster
) -> tuple[StepTimes, str]:
    """Return step times with what elastic workers cost, and the hash of its file; by default as they are."""
    if str(request.overheads).lower() == "none":
        if request.workers != "sharing":
            remedy = f"Give {field('overheads')} published, or a file."
            raise InputError(field("workers"), f"'{request.workers}'", "costs that say what a worker needs", remedy)
        return times.value, ""
    published = str(request.overheads).lower() == "published"
    read = read_overheads("easyscale" if published else request.overheads, field("overheads"))
    check_types(read.value, cluster)
    note = f"with what elastic workers cost, of the overheads {read.name}{', published' if published else ''}"
    said = f"{times.value.note}; {note}" if times.value.note else note
    costs = replace(read.value, families=_families(jobs, read.value))
    return replace(times.value, overheads=costs, workers=request.workers, note=said), read.sha256


def _families(jobs: Trace, overheads: Overheads) -> dict[str, str]:
    """Return the families of models of heterogeneous jobs of which the overheads know no determinism, by the zoo."""
    from simcore.models.training.listing import family_of
    from simcore.readers.models import read_model

    known = {model for model, _ in overheads.determinism}
    asked = {job.model for job in jobs.classes if job.heterogeneous} - known
    entries = {model: zoo.entry_of("models", model) for model in sorted(asked)}
    there = set(zoo.names("models"))
    return {model: family_of(read_model(name).value.architecture) for model, name in entries.items() if name in there}


def _as_called(times: StepTimes, jobs: Trace) -> StepTimes:
    """Return step times with the models of a trace under its names, which the zoo may know under others."""
    own = set(times.models)
    missing = {job.model for job in jobs.classes} - own
    same = {name: [one for one in own if zoo.entry_of("models", one) == zoo.entry_of("models", name)]
            for name in missing}  # fmt: skip
    renamed = {
        (name, batch, gpu): seconds
        for name, others in sorted(same.items())
        for (model, batch, gpu), seconds in times.seconds.items()
        if model in others[:1]
    }
    return replace(times, seconds={**times.seconds, **renamed}) if renamed else times


def _resolved(
    request: TraceRequest,
    interval: float | None,
    rules: Rules,
    policies: Mapping[str, Policy],
    step_times: StepTimes,
) -> dict[str, Any]:
    """Return the inputs that give the same result: the rule set with all its switches, the policies by name."""
    given = {one.label(): one for one in request.policies if isinstance(one, Policy)}
    return request.resolved(
        interval="event" if interval is None else interval,
        policies=tuple(given.get(name, name) for name in policies),
        rates=step_times.name if request.rates is None and not step_times.given else request.rates,
        rules=asdict(rules),
        **dict.fromkeys(SWITCHES),
    ).inputs()


def _simulate(
    jobs: Trace, cluster: Cluster, step_times: StepTimes, name: str, policy: Policy, **how: Any
) -> PlacementLog:
    """Simulate; what goes wrong inside a policy of the user's own is no bug of simcore."""
    try:
        return simulate(jobs, cluster, step_times, policy, **how)
    except SimcoreError as error:
        code = getattr(type(policy).decide, "__code__", None)
        if type(policy).__module__.startswith("simcore.") or code is None:
            raise
        where = f"{Path(code.co_filename).name}, line {code.co_firstlineno}"
        raise RunError(f"the policy {name} (decide in {where}): {error}") from error
    except Exception as error:
        if type(policy).__module__.startswith("simcore."):
            raise
        last = extract_tb((error.__cause__ or error).__traceback__)[-1]  # the clock raises a copy
        where = f"{Path(last.filename).name}, line {last.lineno}"
        raise RunError(f"the policy {name} failed in {where}: {type(error).__name__}: {error}") from error


def _reporter(what: str, jobs: int) -> Callable[[float, int], None]:
    return lambda _, finished: tell(what, finished, jobs)
