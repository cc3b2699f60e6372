"""What logical workers cost on the device at hand: trainings of the three families, timed at the points of a step."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any

from simcore.calibrate.measure.device import require_torch, resolve_device
from simcore.errors import InputError, field
from simcore.models.cluster.overheads import Determinism, ElasticCosts, Shared, SharedStep
from simcore.real.elastic.faults import Faults
from simcore.real.elastic.job import MODELS, Job, Place
from simcore.real.elastic.launch import launch
from simcore.real.elastic.logical import Worker
from simcore.real.elastic.plan import parse_stages
from simcore.real.elastic.setting import meet, settle
from simcore.real.elastic.trainer import Trainer, copy_gradients

SHARED = 4
"""Logical workers that share a process."""

PROCESSES = 2
"""Processes that sum gradients, or are packed; one where there is one GPU."""

WARM = 2
"""Mini-batches of each kind that are not counted: memory and buckets are new."""

CHANGES = "2x1, 1x2, 2x1, 1x2"
"""Stages between which the time of a change of processes is taken."""

FAMILY = {"resnet18": "convolution", "mlp": "mlp", "transformer": "transformer"}
"""Family of each model: what pinned kernels cost it stands for others of the family."""

Told = Callable[[str, int], None]
"""Called with what is measured next, and how many such parts are left."""


class Clock(Faults):
    """Notes when a process reaches the points of its mini-batches; nothing goes wrong in it.

    Beside the time it notes what the process has computed: its CPU time on a CPU, the same time on a GPU. Where no
    process waits for another, that is what a span takes on a machine on which nothing else runs.
    """

    def __init__(self, job: Job, rank: int, folder: Path) -> None:
        super().__init__((), rank, folder)
        self._device = job.device
        self.times: dict[str, list[float]] = {}
        self.spent: dict[str, list[float]] = {}

    def reach(self, point: str, position: int) -> None:
        """Note the time, once the device has done what it was given."""
        if self._device == "cuda":
            require_torch().cuda.synchronize()
        now = time.monotonic()
        self.times.setdefault(point, []).append(now)
        self.spent.setdefault(point, []).append(time.process_time() if self._device == "cpu" else now)


class Unswitched(Worker):
    """A logical worker whose buffers and generators are in place already: a mini-batch without a switch."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Switch nothing."""
        yield


@dataclass(frozen=True)
class Timed:
    """Lower quartiles over mini-batches of one process plan [s], and memory of all its processes [B].

    `whole` is a mini-batch from its forward pass to the optimizer's step, and `free` the same where operators may be
    nondeterministic. One logical worker alone is timed so; None for others.
    """

    computed: float
    summed: float
    computed_unswitched: float
    copied: float
    memory: float
    whole: float
    free: float | None


def measure(device: str, told: Told, *, full: bool = False) -> ElasticCosts:
    """Measure steps of shared and packed workers, memory, determinism, and a change of processes.

    Determinism is measured where there is a pinned kernel set, which is on a CPU.

    Parameters
    ----------
    device : str
        ``cpu`` or ``cuda``.
    told : callable
        See `Told`.
    full : bool
        Whether to time three times as many mini-batches.

    Raises
    ------
    InputError
        If there is no such device, or one GPU of several is named.
    """
    if resolve_device(device).index is not None:
        remedy = f"Give {field('device')} cuda, and choose GPUs by CUDA_VISIBLE_DEVICES."
        raise InputError(field("device"), f"'{device}'", "cpu or cuda: a process takes the GPU of its rank", remedy)
    processes = PROCESSES if device == "cpu" else min(PROCESSES, require_torch().cuda.device_count())
    plans = {f"1x{k}": k for k in (1, SHARED)}
    plans |= {f"{processes}x{k}": processes * k for k in (1, SHARED)}
    pinned = device == "cpu"
    left = len(MODELS) * (len(plans) + pinned) + 1
    sharing: list[Shared] = []
    steps: list[SharedStep] = []
    levels: list[Determinism] = []
    with tempfile.TemporaryDirectory(prefix="simcore-costs-") as folder:
        for model in MODELS:
            found = {}
            for plan, workers in plans.items():
                told(f"{model} on {plan}", left)
                left -= 1
                found[plan] = _timed(_job(model, plan, workers, device, full=full), Path(folder))
            sharing += _rows(model, found, processes)
            steps.append(_step(model, found[f"{processes}x{SHARED}"]))
            if pinned:
                told(f"{model} on pinned kernels", left)
                left -= 1
                job = replace(_job(model, "1x1", 1, device, full=full), determinism="D2")
                levels.append(_levels(model, found["1x1"], _timed(job, Path(folder))))
        told("a change of processes", left)
        rescale = _change(_job("resnet18", CHANGES if processes > 1 else "1x2, 1x2", 2, device), Path(folder))
    return ElasticCosts(tuple(sharing), tuple(steps), rescale, tuple(levels))


def _job(model: str, plan: str, workers: int, device: str, *, full: bool = False) -> Job:
    reduce = "ring" if device == "cpu" else "ordered"
    batches = 4 if "," in plan else 60 if full else 20
    return Job(model, workers, parse_stages([plan], workers), batches, device=device, reduce=reduce, restarts=0)


def _rows(model: str, found: dict[str, Timed], processes: int) -> Iterator[Shared]:
    """Yield rows as Figure 10 has them: memory of all workers, and time of a mini-batch of one."""
    batch = Job.batch
    for workers in (1, SHARED):
        timed = found[f"1x{workers}"]
        yield Shared(model, batch, "sharing", workers, timed.memory, timed.computed / workers)
    for workers in dict.fromkeys((1, processes)):
        timed = found[f"{workers}x1"]
        yield Shared(model, batch, "packing", workers, timed.memory, timed.computed / workers)


def _step(model: str, timed: Timed) -> SharedStep:
    """Return a row as Figures 11 and 13 have it: the last worker also waits for the sum of gradients."""
    mean = (timed.computed + timed.summed) / SHARED
    unswitched = (timed.computed_unswitched + timed.summed) / SHARED
    last = timed.computed / SHARED + timed.summed
    return SharedStep(model, Job.batch, SHARED, unswitched, mean, last, copy=timed.copied)


def _levels(model: str, found: Timed, pinned: Timed) -> Determinism:
    """Return a row as Figure 12 has it, of one logical worker with a process of its own."""
    assert found.free is not None
    return Determinism(model, Job.batch, "cpu", found.free, found.whole, pinned.whole, FAMILY[model])


def _timed(job: Job, folder: Path) -> Timed:
    place = Path(tempfile.mkdtemp(dir=folder))
    launch(job, time_steps, (job, place), len(job.plan[0].processes), place)
    return Timed(**json.loads((place / "timed.json").read_text()))


def _change(job: Job, folder: Path) -> float:
    """Return the time from the last mini-batch on some processes to the first on others [s]."""
    place = Place(Path(tempfile.mkdtemp(dir=folder)), folder / "changed")
    for number, stage in enumerate(job.plan):
        launch(job, time_stage, (job, number, place), len(stage.processes), place.folder)
    marks = [json.loads((place.folder / f"stage-{number}.json").read_text()) for number in range(len(job.plan))]
    return _lower([after["forward"][0] - before["step"][-1] for before, after in pairwise(marks)])


def _lower(spans: Sequence[float]) -> float:
    """Return the lower quartile: other load on the machine only adds."""
    return spans[0] if len(spans) == 1 else float(quantiles(spans, n=4, method="inclusive")[0])


def time_steps(job: Job, folder: Path) -> None:
    """Time mini-batches of this process, with and without switches in turn; rank 0 writes what came out.

    One logical worker alone takes a third turn, in which operators may be nondeterministic.
    """
    import torch
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    settle(job, alternative=False)
    meet(job)
    try:
        clock = Clock(job, rank, folder)
        trainer = Trainer(job, 0, rank, Place(folder, folder / "none"), clock)
        switched = trainer.mine
        unswitched: list[Worker] = [Unswitched(job, trainer.training, worker.number) for worker in switched]
        turns = [(switched, True), (unswitched, True), *([(switched, False)] if job.workers == 1 else [])]
        for _ in range(WARM + job.batches):
            for trainer.mine, deterministic in turns:
                torch.use_deterministic_algorithms(deterministic)
                trainer.step()
                trainer.position += 1
        torch.use_deterministic_algorithms(True)
        mine = _points(clock, len(turns)) | {"copied": _copied(trainer), "memory": _memory(job)}
        everyone: list[Any] = [None] * len(job.plan[0].processes)
        dist.all_gather_object(everyone, mine)
        if rank == 0:
            # the slowest process counts, and the memory of all
            worst: dict[str, Any] = {name: max(each[name] for each in everyone) for name in mine}
            worst.setdefault("free", None)
            worst |= {"summed": mine["summed"], "memory": sum(each["memory"] for each in everyone)}
            (folder / "timed.json").write_text(json.dumps(worst))
    finally:
        dist.destroy_process_group()


def time_stage(job: Job, number: int, place: Place) -> None:
    """Train one stage in this process, from the checkpoint on; rank 0 writes when it reached what."""
    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    settle(job, alternative=False)
    meet(job)
    try:
        clock = Clock(job, rank, place.folder)
        Trainer(job, number, rank, place, clock).run()
        if rank == 0:
            (place.folder / f"stage-{number}.json").write_text(json.dumps(clock.times))
    finally:
        dist.destroy_process_group()


def _points(clock: Clock, turns: int) -> dict[str, float]:
    """Return what lies between the points of a step; steps of so many kinds take turns.

    To sum gradients is to wait for others. One worker alone waits for nobody, to its step's end.
    """

    def between(begin: str, end: str, first: int, times: dict[str, list[float]] = clock.spent) -> float:
        spans = [b - a for a, b in zip(times[begin], times[end], strict=True)]
        return _lower(spans[turns * WARM + first :: turns])

    free = {"free": between("forward", "step", 2)} if turns > 2 else {}
    return free | {
        "whole": between("forward", "step", 0),
        "computed": between("forward", "backward", 0),
        "summed": between("backward", "step", 0, clock.times),
        "computed_unswitched": between("forward", "backward", 1),
    }


def _copied(trainer: Trainer) -> float:
    """Return the time that the gradients of one worker take to be copied away [s]."""
    torch = require_torch()
    row = torch.empty(sum(trainer.sizes), device=trainer.job.device)
    clock = Clock(trainer.job, trainer.rank, trainer.place.folder)
    for number in range(WARM + trainer.job.batches):
        for parameter in trainer.parameters:
            parameter.grad = torch.ones_like(parameter)
        clock.reach("begin", number)
        copy_gradients(trainer.parameters, row)
        clock.reach("end", number)
    return _lower([b - a for a, b in zip(clock.spent["begin"][WARM:], clock.spent["end"][WARM:], strict=True)])


def _memory(job: Job) -> float:
    """Return the most memory that this process held [B]: of the host on a CPU, else of its GPU."""
    if job.device == "cuda":
        return float(require_torch().cuda.max_memory_reserved())
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
