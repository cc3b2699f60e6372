"""What an elastic run is held against: DistributedDataParallel with a process for each logical worker."""

from __future__ import annotations

from itertools import count, islice
from pathlib import Path
from typing import Any

from simcore.real.elastic.job import Job
from simcore.real.elastic.logical import begin, on
from simcore.real.elastic.optimizer import Optimizer
from simcore.real.elastic.reduce import gather_and_sum
from simcore.real.elastic.setting import meet, settle
from simcore.real.elastic.trainer import weights_of
from simcore.real.elastic.training import training_of

FILE = "reference.pt"


def refer(job: Job, folder: Path) -> None:
    """Train a job in this process as one of DistributedDataParallel's; rank 0 writes what came out.

    Every process keeps its own buffers: they are not broadcast, as an EST keeps its own.

    Parameters
    ----------
    job : Job
        What is trained; of its plan only the number of stages counts.
    folder : Path
        Where the outcome goes.
    """
    import torch.distributed as dist

    settle(job, alternative=False)
    rank = meet(job)
    try:
        outcome = _trained(job, rank)
        everyone: list[Any] = [None] * job.workers
        dist.all_gather_object(everyone, outcome)
        if rank == 0:
            _write(everyone, folder)
    finally:
        dist.destroy_process_group()


def _trained(job: Job, rank: int) -> dict[str, Any]:
    """Train all stages in one go, and return losses, samples, and weights and buffers at the end of each stage."""
    training = training_of(job.model, job.seed)
    module = training.module.to(job.device).train()
    wrapped = _wrapped(job, module, rank)
    optimizer = Optimizer(job, [each for each in module.parameters() if each.requires_grad])
    augmentation = begin(job, rank)
    losses, samples, ends = [], [], []
    for position, (numbers, inputs, targets) in enumerate(islice(_batches(job, training, rank), job.steps), 1):
        inputs = training.augment(inputs, augmentation) if training.augment is not None else inputs
        loss = training.loss_of(on(job, inputs), on(job, targets), wrapped)
        optimizer.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
        samples.append(numbers)
        if position % job.batches == 0:
            buffers = [buffer.cpu().clone() for buffer in module.buffers()]
            ends.append({"weights": weights_of(module) if rank == 0 else {}, "buffers": buffers})
    return {"losses": losses, "samples": samples, "ends": ends}


def _batches(job: Job, training: Any, rank: int) -> Any:
    """Yield this process's samples as torch's own sampler and loader deal them out, epoch after epoch."""
    import torch
    from torch.utils import data

    sampler: Any = data.DistributedSampler(training.dataset, job.workers, rank, True, job.seed, True)
    for epoch in count():
        sampler.set_epoch(epoch)
        generator = torch.Generator().manual_seed(job.seed)
        loader = data.DataLoader(
            training.dataset, job.batch, sampler=sampler, drop_last=True, num_workers=job.loader_workers,
            generator=generator,
        )  # fmt: skip
        order = list(sampler)
        for start, (inputs, targets) in enumerate(loader):
            yield order[start * job.batch : (start + 1) * job.batch], inputs, targets


def _wrapped(job: Job, module: Any, rank: int) -> Any:
    from torch.nn.parallel import DistributedDataParallel

    devices = [rank] if job.device == "cuda" else None
    wrapped = DistributedDataParallel(module, device_ids=devices, broadcast_buffers=False)
    if job.reduce == "ordered":
        # torch compares annotations as objects, so that the hook has none
        wrapped.register_comm_hook(None, lambda state, bucket: gather_and_sum(bucket))
    return wrapped


def _write(everyone: list[Any], folder: Path) -> None:
    import torch

    ends = [
        {
            "weights": everyone[0]["ends"][stage]["weights"],
            "buffers": [one["ends"][stage]["buffers"] for one in everyone],
        }
        for stage in range(len(everyone[0]["ends"]))
    ]
    losses = [list(each) for each in zip(*(one["losses"] for one in everyone), strict=True)]
    samples = [list(each) for each in zip(*(one["samples"] for one in everyone), strict=True)]
    torch.save({"losses": losses, "samples": samples, "ends": ends}, folder / FILE)
