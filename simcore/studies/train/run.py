"""``simcore train``: simulate a training iteration on a network, and say where its time goes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from simcore.errors import InputError, written
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.conventions import Convention
from simcore.models.network.mapping import map_stages
from simcore.models.network.schedulers.schedules import Schedule
from simcore.models.training.operators import ProfiledTimes
from simcore.models.training.pipeline import Pipeline, PipelineOrder
from simcore.models.training.program import Loop
from simcore.models.training.simulated import Settings
from simcore.models.training.transformer import Variant
from simcore.models.training.workload import Workload
from simcore.outputs import check_output
from simcore.readers.network_string import NetworkSpec
from simcore.studies.inputs import Parallelism, check_count, choice, parallelism, resolve_network
from simcore.studies.optimize.inputs import compute_source, compute_times
from simcore.studies.train.inputs import closed_loop, load_scene, partial_groups
from simcore.studies.train.iteration import Iteration
from simcore.studies.train.provenance import provenance
from simcore.studies.train.result import PipelineReport, TrainResult
from simcore.studies.train.warnings import warnings


def train(
    network: str | Path,
    budget: float | str | None,
    workload: str | Path,
    *,
    split: str | Sequence[float] = "equal",
    loop: str | Loop = Loop.SIMULATE,
    chunks: int = 64,
    schedule: str | Schedule = Schedule.ASCENDING,
    convention: str | Convention = Convention.PHYSICAL,
    compute_scale: float = 1.0,
    variant: Variant = "optimizer",
    recompute: bool | None = None,
    tp: int | None = None,
    dp: int | None = None,
    communicator: str | Path | None = None,
    sequence: int | None = None,
    batch: int | None = None,
    zero: int = 0,
    stages: int = 1,
    micro_batches: int | None = None,
    order: str | PipelineOrder = PipelineOrder.ONE_F_ONE_B,
    profile: str | Path | KernelProfile | None = None,
    dtype: str | None = None,
    record: bool = False,
    output: Path | None = None,
    force: bool = False,
) -> TrainResult:
    """Simulate one training iteration.

    Parameters
    ----------
    network, workload : str or Path
        Names in the zoo or paths of files.
    budget : float or str or None
        Bandwidth of one NPU in all: a number in B/s, or text such as ``"325 GB/s"``; bare text is GB/s. None where the
        network brings its bandwidths, as ``"Ring(4)@200GB/s,500ns x Switch(4)@50GB/s,1us"`` does.
    split : str or sequence of float
        ``equal``; ``optimal``, the closed form's best; or bandwidths: numbers in B/s, or text in GB/s with commas.
    loop : {'NoOverlap', 'Overlap', 'simulate'}
        What waits for what, see `simcore.models.training.program.Loop`.
    chunks : int
        Into how many each collective is cut.
    schedule, convention : str
        Order of dimensions per chunk, and what a chunk phase costs.
    compute_scale : float
        Factor on all compute.
    variant : {'optimizer', 'evaluation'}
        Whether each layer sums its own weight gradients, or the first layer those of all.
    recompute : bool, optional
        Whether activations are recomputed; by default with the loop ``simulate`` only.
    tp, dp : int, optional
        In place of the workload's degrees of tensor and data parallelism; one alone gives the other.
    communicator : str or Path, optional
        A file of explicit groups, in place of TP and DP.
    sequence, batch : int, optional
        Tokens per sequence and sequences per replica, in place of a transformer's own.
    zero : {0, 3}
        Stage of ZeRO: 3 shards parameters, gradients and optimiser state.
    stages, micro_batches, order
        Pipeline parallelism: stages, micro-batches (by default four per stage), ``GPipe`` or ``1F1B``.
    profile, dtype
        A kernel profile, whose predicted times take the place of a transformer's constant rate, and the number format
        of its kernels; see `simcore.studies.optimize.run.optimize`.
    record : bool
        Whether to keep all chunk phases, for the timeline; implied by `output`.
    output : Path, optional
        Directory for `TrainResult.write`, refused here, before the work, if it exists and `force` is false.
    force : bool
        Whether to replace `output`.

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
    from simcore.readers.workloads import read_workload, workload_file

    if output is not None:
        check_output(output, force=force)
    loop, schedule = choice("--loop", loop, Loop), choice("--schedule", schedule, Schedule)
    convention, order = _convention(convention), choice("--order", order, PipelineOrder)
    _check(compute_scale, zero)
    for option, count in (("--tp", tp), ("--dp", dp), ("--sequence", sequence), ("--batch", batch)):
        check_count(option, 1 if count is None else count, None)
    check_count("--chunks", chunks)
    cut = _cut(stages, zero, communicator, micro_batches, order)
    recompute = loop is Loop.SIMULATE if recompute is None else recompute
    settings = Settings(chunks, schedule, convention, record or output is not None)
    named, network_hash = _network(network, budget)
    topology = named.topology
    degrees = parallelism(communicator, topology, tp, dp)
    map_stages(topology, stages)  # refused before the workload is cut for one of them
    device, times = compute_times(profile, dtype)
    file = workload_file(workload, "WORKLOAD")
    read = functools.partial(read_workload, file, "WORKLOAD", variant=variant, sequence=sequence, batch=batch)

    def load(**options: Any) -> Workload:
        return read(**options).value

    found = _workload(functools.partial(load, times=times), degrees, topology.npus // stages, stages)
    scene = load_scene(
        network, budget, found, named, split, stages, closed_loop(loop), recompute, compute_scale, degrees
    )
    simulated = Iteration(settings, loop, recompute, compute_scale, zero, cut)
    started = time.process_time()
    runs, in_flight = simulated.runs(scene)
    seconds = time.process_time() - started
    run = max(runs, key=lambda one: one.time)
    pipeline = None
    if cut is not None:
        whole_dp = _whole_dp(load, degrees, topology.npus)
        pipeline = PipelineReport(cut, runs, in_flight, simulated.time(scene, transfers=False), whole_dp)
    partial = partial_groups(scene)
    least, closed, closed_partial = simulated.references(scene, partial)
    hashes = {**network_hash, "workload": file.sha256, **degrees.sha256}
    if device is not None:
        hashes["profile"] = device.sha256
    source = provenance(
        scene, simulated, run, hashes, compute_source(times),
        network=network, budget=budget, split=split, workload=workload, communicator=communicator, sequence=sequence,
        batch=batch, variant=variant,
    )  # fmt: skip
    notes = times.notes() if isinstance(times, ProfiledTimes) else []
    told = (*notes, *warnings(scene, source.inputs, partial, pipeline, run.time))
    gains = simulated.gains(scene, run.time)
    return TrainResult(
        scene, run, run.time, least, closed, closed_partial, gains, tuple(partial), pipeline, told, source, seconds
    )


def _convention(value: str) -> Convention:
    """Return a convention that knows several collectives and dimensions at once."""
    aware = Convention.ASTRA_SIM_2_AWARE
    if str(value).lower() == aware:
        expected = "a convention that knows several collectives and dimensions at once"
        raise InputError("--convention", f"'{value}'", expected, "Use physical, astra-sim or astra-sim-2.")
    return choice("--convention", value, [member for member in Convention if member is not aware])


def _check(compute_scale: float, zero: int) -> None:
    if not isinstance(compute_scale, Real) or not 0 < compute_scale < float("inf"):
        remedy = "1 is compute as it is, 0.5 half of it, and 1e-9 leaves next to none."
        raise InputError("--compute-scale", written(compute_scale), "a number above 0", remedy)
    if zero not in (0, 3):
        raise InputError("--zero", written(zero), "0 or 3: stages 1 and 2 send what plain data parallelism sends")


def _cut(
    stages: int, zero: int, communicator: str | Path | None, micro_batches: int | None, order: PipelineOrder
) -> Pipeline | None:
    """Return the pipeline, None for one stage; options that go with a pipeline alone, or not with one, are refused."""
    check_count("--stages", stages, None)
    if micro_batches is not None:
        check_count("--micro-batches", micro_batches, None)
    if stages > 1 and zero:
        raise InputError("--zero", f"{zero} with {stages} pipeline stages", "one of the two", "Leave one of them out.")
    if stages > 1 and communicator is not None:
        raise InputError("--communicator", f"{stages} pipeline stages beside it", "one or the other", "Leave one out.")
    alone = {"--micro-batches": micro_batches, "--order": None if order is PipelineOrder.ONE_F_ONE_B else order.value}
    for option, value in alone.items():
        if stages == 1 and value is not None:
            raise InputError(option, f"{value} with one stage", "it only with a pipeline", "Add --stages.")
    if stages == 1:
        return None
    return Pipeline(stages, 4 * stages if micro_batches is None else micro_batches, order)


def _network(network: str | Path, budget: float | str | None) -> tuple[NetworkSpec, dict[str, str]]:
    """Return a network, and the hash of its file; without a budget it must bring its bandwidths."""
    if budget is None:
        topology, bandwidths, hashes = resolve_network(network)
        return NetworkSpec(topology, bandwidths), hashes
    from simcore.readers.networks import read_network

    read = read_network(network, "NETWORK")
    return read.value, {"network": read.sha256}


def _workload(load: Callable[..., Workload], degrees: Parallelism, npus: int, stages: int) -> Workload:
    """Load a workload, cut for the NPUs of one stage."""
    wanted = degrees.degrees
    found = load(tp=wanted["tp"], dp=wanted["dp"], npus=npus)
    if stages > 1 and degrees.tp is None and degrees.dp is None:  # the preset's DP is for the whole network
        found = load(tp=found.tp, npus=npus)
    return found


def _whole_dp(load: Callable[..., Workload], degrees: Parallelism, npus: int) -> int | None:
    """Return the data parallelism that the same options give without stages; None where that does not fit."""
    try:
        found = load(**degrees.degrees, npus=npus)
    except InputError:
        return None
    return found.dp if found.tp * found.dp == npus else None
