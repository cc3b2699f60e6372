"""``simcore train``: simulate a training iteration on a network, and say where its time goes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from simcore.errors import InputError
from simcore.files import read_bytes, sha256
from simcore.models.compute.operators import ProfiledTimes
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.transformer import Variant
from simcore.models.iteration.chunked import Settings, bound
from simcore.models.iteration.pipeline import Pipeline, PipelineOrder
from simcore.models.iteration.program import Loop
from simcore.models.network.mapping import map_stages
from simcore.models.network.simulation.conventions import Convention
from simcore.models.network.simulation.schedules import Schedule
from simcore.models.network.topology import Topology
from simcore.models.workload import Workload
from simcore.outputs import check_output
from simcore.results import Provenance, versions
from simcore.studies.inputs import Parallelism, check_count, choice, file_hash, parallelism, resolve_network
from simcore.studies.optimize_inputs import compute_source, compute_times
from simcore.studies.train_inputs import closed_form, closed_loop, load_scene, partial_groups
from simcore.studies.train_result import PipelineReport, TrainResult
from simcore.studies.train_run import Iteration


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
        What waits for what, see `simcore.models.iteration.program.Loop`.
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
        of its kernels; see `simcore.studies.optimize.optimize`.
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
    from simcore.zoo.load_workloads import load_workload

    if output is not None:
        check_output(output, force=force)
    loop, schedule = choice("--loop", loop, Loop), choice("--schedule", schedule, Schedule)
    convention, order = _convention(convention), choice("--order", order, PipelineOrder)
    _check(chunks, compute_scale, zero)
    _check_pipeline(stages, zero, communicator, micro_batches, order)
    recompute = loop is Loop.SIMULATE if recompute is None else recompute
    settings = Settings(chunks, schedule, convention, record or output is not None)
    topology, fixed, hashes = _network(network, budget)
    degrees = parallelism(communicator, topology, tp, dp)
    map_stages(topology, stages)  # refused before the workload is cut for one of them
    device, times = compute_times(profile, dtype)
    load = functools.partial(load_workload, variant=variant, sequence=sequence, batch=batch, times=times)
    found = _workload(load, workload, degrees, topology.npus // stages, stages)
    nearest = closed_loop(loop)
    scene = load_scene(
        network, budget, found, topology, fixed, split, stages, nearest, recompute, compute_scale, degrees
    )
    cut = None
    if stages > 1:
        cut = Pipeline(stages, 4 * stages if micro_batches is None else micro_batches, order)
    simulated = Iteration(settings, loop, recompute, compute_scale, zero, cut)
    started = time.process_time()
    runs, in_flight = simulated.runs(scene)
    seconds = time.process_time() - started
    run = max(runs, key=lambda one: one.time)
    pipeline, closed, closed_partial, least = None, None, None, None
    partial = partial_groups(scene)
    if cut is not None:
        pipeline = PipelineReport(cut, runs, in_flight, simulated.time(scene, transfers=False))
    else:
        least = bound(simulated.steps(scene), topology, scene.bandwidths, scene.groups)
        if not zero:
            closed = closed_form(scene, nearest, recompute, compute_scale)
            closed_partial = closed_form(scene, nearest, recompute, compute_scale, partial)
    inputs = {
        "network": str(network), "budget": None if budget is None else sum(scene.bandwidths), "split": split,
        "bandwidths": list(scene.bandwidths), "workload": str(workload), "tp": found.tp, "dp": found.dp,
        "communicator": None if communicator is None else str(communicator), "sequence": sequence, "batch": batch,
        "variant": variant, "loop": loop.value, "recompute": recompute, "chunks": chunks, "schedule": schedule.value,
        "convention": convention.value, "compute_scale": compute_scale, "zero": zero, "stages": stages,
        "micro_batches": cut.micro_batches if cut else None, "order": order.value,
        **compute_source(times),
    }  # fmt: skip
    provenance = Provenance(
        command="train",
        inputs=inputs,
        sha256=hashes | _hashes(workload, communicator) | ({} if device is None else {"profile": device.sha256}),
        notes=[
            f"{found.name}: TP {found.tp} x DP {found.dp}" + (f" x {stages} stages" if stages > 1 else ""),
            *(times.notes() if isinstance(times, ProfiledTimes) else ()),
        ],
        counts={"events": run.events, "phases": len(run.phases)} if settings.record else {"events": run.events},
        versions=versions("simpy"),
    )
    gains = simulated.gains(scene, run.time)
    return TrainResult(
        scene, run, run.time, least, closed, closed_partial, gains, tuple(partial), pipeline, provenance, seconds
    )


def _convention(value: str) -> Convention:
    """Return a convention that knows several collectives and dimensions at once."""
    aware = Convention.ASTRA_SIM_2_AWARE
    if str(value).lower() == aware:
        expected = "a convention that knows several collectives and dimensions at once"
        raise InputError("--convention", f"'{value}'", expected, "Use physical, astra-sim or astra-sim-2.")
    return choice("--convention", value, [member for member in Convention if member is not aware])


def _check(chunks: int, compute_scale: float, zero: int) -> None:
    check_count("--chunks", chunks)
    if not 0 < compute_scale < float("inf"):
        raise InputError("--compute-scale", f"{compute_scale:g}", "a number above 0")
    if zero not in (0, 3):
        raise InputError("--zero", str(zero), "0 or 3: stages 1 and 2 send what plain data parallelism sends")


def _check_pipeline(
    stages: int, zero: int, communicator: str | Path | None, micro_batches: int | None, order: PipelineOrder
) -> None:
    """Refuse options that go with a pipeline alone, or not with one."""
    if stages > 1 and zero:
        raise InputError("--zero", f"{zero} with {stages} pipeline stages", "one of the two", "Leave one of them out.")
    if stages > 1 and communicator is not None:
        raise InputError("--communicator", f"{stages} pipeline stages beside it", "one or the other", "Leave one out.")
    alone = {"--micro-batches": micro_batches, "--order": None if order is PipelineOrder.ONE_F_ONE_B else order.value}
    for option, value in alone.items():
        if stages == 1 and value is not None:
            raise InputError(option, f"{value} with one stage", "it only with a pipeline", "Add --stages.")


def _network(
    network: str | Path, budget: float | str | None
) -> tuple[Topology, tuple[float, ...] | None, dict[str, str]]:
    """Return a network, the bandwidths that it brings where no budget is given, and the hash of its file."""
    if budget is None:
        return resolve_network(network)
    from simcore.zoo.load_networks import load_network

    return load_network(network, "NETWORK"), None, {"network": file_hash("networks", network, "NETWORK")}


def _hashes(workload: str | Path, communicator: str | Path | None) -> dict[str, str]:
    found = {"workload": file_hash("workloads", workload, "WORKLOAD")}
    if communicator is not None:
        found["communicator"] = sha256(read_bytes(Path(communicator), "communicator"))
    return found


def _workload(
    load: Callable[..., Workload], workload: str | Path, degrees: Parallelism, npus: int, stages: int
) -> Workload:
    """Load a workload, cut for the NPUs of one stage."""
    wanted = degrees.degrees
    found = load(workload, "WORKLOAD", tp=wanted["tp"], dp=wanted["dp"], npus=npus)
    if stages > 1 and degrees.tp is None and degrees.dp is None:  # the preset's DP is for the whole network
        found = load(workload, "WORKLOAD", tp=found.tp, npus=npus)
    return found
