"""An elastic run from end to end: the stages of a job, the reference, and the comparison of both, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.calibrate.measure.device import require_torch, resolve_device
from simcore.errors import InputError, RunError, field
from simcore.real.elastic import checkpoint
from simcore.real.elastic.data import epoch_length
from simcore.real.elastic.job import Job, Place
from simcore.real.elastic.launch import launch
from simcore.real.elastic.plan import Stage
from simcore.real.elastic.reference import FILE, refer
from simcore.real.elastic.setting import other_kernels
from simcore.real.elastic.trainer import train
from simcore.real.elastic.training import training_of

Told = Callable[[int], None]
"""Called with how many stages are done."""


@dataclass(frozen=True)
class StageComparison:
    """One stage beside the reference.

    Attributes
    ----------
    stage : str
        As the plan has it.
    losses_equal, weights_equal, buffers_equal : bool
        Whether all losses of the stage, the weights at its end, and every logical worker's buffers there are equal,
        bit for bit.
    max_loss_difference : float or None
        The largest absolute difference of two losses; None where one is no finite number.
    """

    stage: str
    losses_equal: bool
    weights_equal: bool
    buffers_equal: bool
    max_loss_difference: float | None


@dataclass(frozen=True)
class Trained:
    """What training came to.

    Attributes
    ----------
    losses : list of list of float
        Of each mini-batch, a loss for each logical worker.
    samples : list of list of list of int
        The numbers of the samples behind each.
    ends : list of dict
        At the end of each stage: ``weights`` by name, and ``buffers`` of each logical worker.
    """

    losses: list[list[float]]
    samples: list[list[list[int]]]
    ends: list[dict[str, Any]]


def check(job: Job) -> None:
    """Refuse a job that cannot run here, before any process is started.

    Raises
    ------
    InputError
        If the model cannot be made, its data fills no mini-batch, or the device is not there or has no other kernels.
    """
    torch = require_torch()
    resolve_device(job.device)
    training = training_of(job.model, job.seed)
    if not any(each.requires_grad for each in training.module.parameters()):
        found, remedy = f"'{job.model}', a module without parameters that are trained", "Set requires_grad of some."
        raise InputError(field("model"), found, "one at least", remedy)
    samples = len(training.dataset)
    if not epoch_length(samples, job.workers, job.batch):
        found = f"{samples} samples, {job.batch} for each of {job.workers} logical workers"
        raise InputError(field("model"), found, "data for one mini-batch at least", "Give more data.")
    if job.device == "cuda":
        _check_gpus(job, torch.cuda.device_count())
    elif any(stage.alternative for stage in job.plan) and not other_kernels():
        found, expected = "'@alt' on a CPU without AVX2", "a CPU with a second kernel set"
        raise InputError(field("stages"), found, expected, "Leave @alt out.")


def _check_gpus(job: Job, gpus: int) -> None:
    if job.reduce == "ring":
        found, expected = "ring on cuda", "'ordered': the order in which NCCL sums is not known"
        raise InputError(field("reduce"), found, expected, f"Give {field('reduce')} ordered.")
    if any(stage.alternative for stage in job.plan):
        raise InputError(field("stages"), "'@alt' on cuda", "it on the CPU", "Leave @alt out.")
    if gpus < job.workers:
        found = f"{gpus} GPUs for {job.workers} logical workers"
        raise InputError(field("workers"), found, "a GPU for each: the reference needs them", "Take fewer.")


def train_job(job: Job, place: Place, told: Told = lambda _: None) -> Trained:
    """Train the stages of a job, each on its own processes, from the checkpoint on where there is one.

    Raises
    ------
    InputError
        If the checkpoint is of another run or cut short, or an operator is not deterministic.
    RunError
        If processes die more often than they may, or the disk is full.
    """
    state = checkpoint.check(place.checkpoint, job)
    done = 0 if state is None else state["position"]
    for number, stage in enumerate(job.plan):
        if done >= (number + 1) * job.batches:
            continue
        told(number)
        state = _staged(job, number, stage, place)
    assert state is not None  # a plan has a stage
    return Trained(state["losses"], state["samples"], state["ends"])


def _staged(job: Job, number: int, stage: Stage, place: Place) -> dict[str, Any]:
    """Train a stage, again from the checkpoint before where that of its end was cut short, and return its state."""
    for _ in range(job.restarts + 1):
        launch(job, train, (job, number, place), len(stage.processes), place.folder)
        state = checkpoint.latest(place.checkpoint, job)
        if state is not None and state["position"] == (number + 1) * job.batches:
            return state
    raise RunError(f"the checkpoint at the end of stage '{stage.text}' was cut short {job.restarts + 1} times")


def train_reference(job: Job, folder: Path) -> Trained:
    """Train a job with DistributedDataParallel, a process for each logical worker.

    Raises
    ------
    InputError
        If an operator is not deterministic.
    RunError
        If a process fails.
    """
    once = Job(**{**vars(job), "restarts": 0})
    launch(once, refer, (once, folder), job.workers, folder)
    state = require_torch().load(folder / FILE, weights_only=True)
    return Trained(state["losses"], state["samples"], state["ends"])


def compare(job: Job, ours: Trained, reference: Trained) -> list[StageComparison]:
    """Return each stage beside the reference."""
    compared = []
    for number, stage in enumerate(job.plan):
        span = slice(number * job.batches, (number + 1) * job.batches)
        pairs = [
            (one, other)
            for mine, theirs in zip(ours.losses[span], reference.losses[span], strict=True)
            for one, other in zip(mine, theirs, strict=True)
        ]
        end, wanted = ours.ends[number], reference.ends[number]
        weights = _equal(list(end["weights"].values()), list(wanted["weights"].values()))
        buffers = all(_equal(*both) for both in zip(end["buffers"], wanted["buffers"], strict=True))
        apart = max(abs(one - other) for one, other in pairs)
        same = all(one == other or (one != one and other != other) for one, other in pairs)
        shown = apart if math.isfinite(apart) else None
        compared.append(StageComparison(stage.text, same, weights, buffers, shown))
    return compared


def _equal(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    equal = require_torch().equal
    return len(ours) == len(theirs) and all(equal(one, other) for one, other in zip(ours, theirs, strict=True))
