"""``simcore train``: simulate a training iteration on a network, and say where its time goes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from simcore.errors import InputError, field, written
from simcore.models.network.chunk_counts import AUTO, is_settled, settled_count
from simcore.models.network.conventions import convention
from simcore.models.network.mapping import map_stages
from simcore.models.network.schedulers.base import Scheduler
from simcore.models.network.schedulers.registry import scheduler, scheduler_file
from simcore.models.network.topology import Topology
from simcore.models.training.notes import notes_on
from simcore.models.training.pipeline import Pipeline
from simcore.models.training.program import Loop, PipelineOrder
from simcore.models.training.simulated import IterationRun, Settings
from simcore.models.training.terms import terms_of_workload
from simcore.models.training.workload import Workload
from simcore.numerals import parse_whole
from simcore.readers.network_string import NetworkSpec
from simcore.readers.networks import read_network
from simcore.readers.read import Read
from simcore.readers.workloads import read_workload, workload_file
from simcore.readers.zoo import names
from simcore.results import Provenance, versions
from simcore.studies.deployment.inputs import (
    Parallelism,
    compute_profile,
    compute_source,
    parallelism,
    sizes_of,
    variant_of,
)
from simcore.studies.deployment.intervals import interval_without_stack
from simcore.studies.inputs import (
    LITTLE_LATENCY,
    check_chunks,
    parse_budget,
    part_hash,
    refuse_convention,
    resolve_network,
)
from simcore.studies.request import study
from simcore.studies.train.deployment import Deployment, deploy, partial_groups
from simcore.studies.train.iteration import Iteration
from simcore.studies.train.outcome import PipelineReport
from simcore.studies.train.request import TrainRequest
from simcore.studies.train.result import TrainResult
from simcore.studies.train.slow import Slow, parse_slow
from simcore.studies.train.warnings import warnings


@study(TrainRequest)
def train(request: TrainRequest) -> TrainResult:
    """Simulate one training iteration.

    Raises
    ------
    InputError
        If an input is wrong.
    RunError
        If the iteration comes to a deadlock.

    Examples
    --------
    >>> result = train("4D", "325", "1T", compute_scale=0.26, variant="evaluation")
    >>> round(result.time * 1e3, 1), round(result.run.compute * 1e3, 1)
    (180.6, 58.9)
    """
    asked = _iteration(request)  # what is wrong with the request alone is said first
    named, network_hash = _network(request)
    refuse_convention(named.topology, asked.settings.convention, field("convention"))
    degrees = parallelism(request, named.topology)
    _, part = map_stages(named.topology, request.stages)
    device = compute_profile(request)
    file = workload_file(request.workload, field("workload"))
    load = functools.partial(
        read_workload, file, field("workload"),
        variant=variant_of(request), sequence=request.sequence, batch=request.batch, sizes=sizes_of(request),
        causal=request.causal,
    )  # fmt: skip
    timed = functools.partial(load, profile=device, dtype=request.dtype)
    workload = _workload(timed, degrees, part, request)
    pipeline = None if asked.pipeline is None else _in_micro_batches(asked.pipeline, request, workload)
    simulated = replace(asked, recompute=_recompute(request, workload), pipeline=pipeline)
    deployment = deploy(request, simulated.recompute, workload, named, degrees)
    simulated = _cut(request, simulated, deployment)
    slow = _slow(request, simulated, deployment)
    if slow is not None:
        simulated, deployment = slow.on(simulated, deployment)
    started = time.process_time()
    runs, in_flight = simulated.runs(deployment)
    seconds = time.process_time() - started
    run = max(runs, key=lambda one: one.time)
    stage = simulated.stage_extras(deployment, run)
    iteration_time = run.time + (0.0 if stage is None else stage.total)
    report = None
    if simulated.pipeline is not None:
        without, whole_dp = simulated.time(deployment, transfers=False), _whole_dp(load, degrees, named.topology)
        report = PipelineReport(simulated.pipeline, runs, in_flight, without, whole_dp)
    partial = partial_groups(deployment)
    least, closed, closed_partial = simulated.references(deployment, partial)
    waited = run.exposed + (0.0 if stage is None else stage.transfers)
    terms, kernels = terms_of_workload(workload, iteration_time, waited, simulated.compute_scale)
    hashes = {**network_hash, "workload": file.sha256, **degrees.sha256}
    return TrainResult(
        request=request,
        deployment=deployment,
        simulated=simulated,
        compute=compute_source(device, [workload]),
        profile="" if device is None else device.name,
        run=run,
        time=iteration_time,
        stage=stage,
        bound=least,
        closed=closed,
        closed_partial=closed_partial,
        gains=simulated.gains(deployment, iteration_time),
        terms=terms,
        between=interval_without_stack(terms, kernels, None),
        partial=tuple(partial),
        pipeline=report,
        slow=slow,
        fewer=simulated.fewer_chunks(deployment) if request.chunks != AUTO and _is_latency(run) else None,
        sooner=simulated.sooner(deployment, iteration_time) if _is_latency(run) else None,
        warnings=(
            *notes_on([workload]),
            *named.notes,
            *(named.of_bandwidth if request.budget is None else ()),
            *warnings(request, simulated.settings, deployment, partial, report, iteration_time),
        ),
        provenance=Provenance(
            command=request.study,
            inputs=_resolved(request, simulated).inputs(),
            sha256={
                **hashes,
                **({} if device is None else {"profile": device.sha256}),
                **part_hash("schedule", scheduler_file(request.schedule)),
            },
            counts={"events": run.events},
            versions=versions("simpy"),
        ),
        cpu_seconds=seconds,
    )


def _cut(request: TrainRequest, simulated: Iteration, deployment: Deployment) -> Iteration:
    """Return the iteration in as many chunks as were asked for, or in as many as are fastest."""
    settings = simulated.settings
    settled = is_settled(request.chunks, settings.schedule, settings.convention)
    return simulated if settled else simulated.cut(deployment)


def _slow(request: TrainRequest, simulated: Iteration, deployment: Deployment) -> Slow | None:
    """Return the rank that is slower than the others; with stages its place among them would count."""
    if request.slow is None:
        return None
    if simulated.pipeline is not None or deployment.workload.pipeline is not None:
        found = f"'{request.slow}' with pipeline stages"
        raise InputError(field("slow"), found, "a workload of one stage", "Leave one of them out.")
    slow = parse_slow(request.slow, deployment)
    return replace(slow, time_without=simulated.time(deployment))


def _is_latency(run: IterationRun) -> bool:
    """Return whether latency is worth a word in the dimension that is waited for most."""
    exposed = run.exposed_by_dimension()
    most = max(exposed)
    return most > 0 and run.latency_shares[exposed.index(most)] >= LITTLE_LATENCY


def _resolved(request: TrainRequest, simulated: Iteration) -> TrainRequest:
    """Return the request with defaults filled in; degrees stay as asked, they say what stages take the place of."""
    pipeline, budget = simulated.pipeline, request.budget
    return request.resolved(
        budget=None if budget is None else parse_budget(budget, field("budget")),
        recompute="full" if simulated.recompute else "none",
        micro_batches=None if pipeline is None else pipeline.micro_batches,
    )


def _recompute(request: TrainRequest, workload: Workload) -> bool:
    """Say whether activations are recomputed: as asked, or else with the loop that does it unless the text does not."""
    if request.recompute is not None:
        return request.recompute == "full"
    return Loop(request.loop) is Loop.SIMULATE and workload.recomputes


def _iteration(request: TrainRequest) -> Iteration:
    """Return what is simulated, whatever network and workload; inputs that do not go together are refused."""
    scale, zero = request.compute_scale, request.zero
    if zero not in (0, 3):
        expected = "0 or 3: stages 1 and 2 send what plain data parallelism sends"
        raise InputError(field("zero"), written(zero), expected)
    check_chunks(field("chunks"), request.chunks)
    loop = Loop(request.loop)
    return Iteration(
        settings=Settings(
            settled_count(request.chunks),
            _scheduler(request),
            convention(request.convention),
            False,
            request.in_flight,
            request.policy == "lifo",
        ),
        loop=loop,
        recompute=request.recompute == "full",
        compute_scale=scale,
        zero=zero,
        pipeline=_pipeline(request),
        passes=_passes(request),
    )


def _scheduler(request: TrainRequest) -> type[Scheduler]:
    """Return the order of dimensions; a schedule of training steps is for a model on GPUs, and refused."""
    given = request.schedule
    if isinstance(given, str) and (given.endswith((".yaml", ".yml")) or given in names("schedules")):
        form = f"simcore train NETWORK BUDGET {request.workload} --device NAME --schedule {given}"
        remedy = f"Add a device: {form} is a model on GPUs."
        raise InputError(field("schedule"), f"'{given}', steps of training", "an order of dimensions per chunk", remedy)
    return scheduler(given, field("schedule"))


def _passes(request: TrainRequest) -> int:
    """Return the number of iterations; several are of one stage whose weights every NPU holds."""
    for name, value in (("stages", request.stages if request.stages > 1 else 0), ("zero", request.zero)):
        if request.passes > 1 and value:
            found = f"{request.passes} with {field(name)} {value}"
            raise InputError(field("passes"), found, "1 beside it", "Leave one of them out.")
    return request.passes


def _pipeline(request: TrainRequest) -> Pipeline | None:
    """Return the pipeline, None for one stage; inputs that go with a pipeline alone, or not with one, are refused."""
    stages, micro_batches, order = request.stages, request.micro_batches, PipelineOrder(request.order)
    if stages > 1 and request.zero:
        found = f"{request.zero} with {stages} pipeline stages"
        raise InputError(field("zero"), found, "one of the two", "Leave one of them out.")
    if stages > 1 and request.communicator is not None:
        found = f"{stages} pipeline stages beside it"
        raise InputError(field("communicator"), found, "one or the other", "Leave one out.")
    alone = {
        "micro_batches": micro_batches,
        "order": None if order is PipelineOrder.ONE_F_ONE_B else order.value,
        "vp": request.vp,
        "stage_layers": request.stage_layers,
    }
    for name, value in alone.items():
        if stages == 1 and value is not None:
            found = f"{value} with one stage"
            raise InputError(field(name), found, "it only with a pipeline", f"Add {field('stages')}.")
    if stages == 1:
        return None
    chunks = request.vp or 1
    if chunks > 1 and order is not PipelineOrder.ONE_F_ONE_B:
        found = f"{chunks} in the order {order.value}"
        raise InputError(
            field("vp"), found, f"the order {PipelineOrder.ONE_F_ONE_B.value}", f"Leave {field('vp')} out."
        )
    uneven = _uneven(request.stage_layers)
    return Pipeline(stages, 4 * stages if micro_batches is None else micro_batches, order, chunks, uneven)


def _uneven(given: Sequence[int] | str | None) -> tuple[int, ...]:
    """Return the blocks of each stage or model chunk, empty where they are even."""
    if given is None:
        return ()
    words = given.split(",") if isinstance(given, str) else given
    return tuple(parse_whole(str(word).strip(), field("stage_layers"), "whole numbers such as 10,14") for word in words)


def _in_micro_batches(pipeline: Pipeline, request: TrainRequest, workload: Workload) -> Pipeline:
    """Return a pipeline whose micro-batches divide the batch; by default the most that do, up to four per stage.

    Raises
    ------
    InputError
        If as many as were asked for do not divide it: no sequence is cut.
    """
    batch, count = workload.batch, pipeline.micro_batches
    if batch is None or batch % count == 0:
        return pipeline
    divisors = [each for each in range(1, batch + 1) if batch % each == 0]
    if request.micro_batches is None:
        return replace(pipeline, micro_batches=max(each for each in divisors if each <= count))
    near = [*[each for each in divisors if each < count][-1:], *[each for each in divisors if each > count][:1]]
    words = " or ".join(map(str, near))
    raise InputError(
        field("micro_batches"), str(count), f"a divisor of the batch, {batch} per replica",
        f"The nearest {'are' if len(near) > 1 else 'is'} {words}; or give another {field('batch')}.",
    )  # fmt: skip


def _network(request: TrainRequest) -> tuple[NetworkSpec, dict[str, str]]:
    """Return a network, and the hash of its file; without a budget it must bring its bandwidths."""
    if request.budget is None:
        return resolve_network(request.network, field("network"))
    read = read_network(request.network, field("network"))
    return read.value, {"network": read.sha256}


def _workload(
    load: Callable[..., Read[Workload]], degrees: Parallelism, part: Topology, request: TrainRequest
) -> Workload:
    """Load a workload, cut for the NPUs of one stage."""
    workload = load(**degrees.degrees, topology=part, stages=request.stages).value
    if request.stages > 1 and degrees.tp is None and degrees.dp is None:  # the preset's DP is for the whole network
        workload = load(tp=workload.tp, topology=part).value
    if workload.pipeline is not None and request.zero:
        found = f"{request.zero} for a text of one of {workload.pipeline.stages} pipeline stages"
        raise InputError(field("zero"), found, "0", f"Leave {field('zero')} out.")
    return workload


def _whole_dp(load: Callable[..., Read[Workload]], degrees: Parallelism, topology: Topology) -> int | None:
    """Return the data parallelism that the same options give without stages; None where that does not fit."""
    try:
        whole = load(**degrees.degrees, topology=topology).value
    except InputError:
        return None
    return whole.dp if whole.tp * whole.dp == topology.npus else None
