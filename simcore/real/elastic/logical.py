"""A logical worker (an EST): what belongs to it and not to the process that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simcore.real.elastic.data import mini_batches
from simcore.real.elastic.job import Job
from simcore.real.elastic.training import Training

if TYPE_CHECKING:
    import torch


class Worker:
    """One logical worker: its data order, its generators of dropout and augmentation, and its buffers.

    Parameters
    ----------
    job : Job
        What it belongs to.
    training : Training
        The model, whose buffers are copied.
    number : int
        Of the worker.
    """

    def __init__(self, job: Job, training: Training, number: int) -> None:
        import torch

        self.job, self.training, self.number = job, training, number
        self.buffers = [buffer.clone() for buffer in training.module.buffers()]
        self.augmentation = torch.Generator().manual_seed(_seed(job, number) + 1)
        with _kept_generators(job):
            torch.manual_seed(_seed(job, number))
            self.generators = _generators(job)
        self.place(0)

    def place(self, position: int) -> None:
        """Make its data begin with a mini-batch of the job."""
        job = self.job
        self.data = mini_batches(
            self.training.dataset, self.number, job.workers, batch=job.batch, seed=job.seed, first=position,
            loader_workers=job.loader_workers,
        )  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[None]:
        """Switch to this worker: its buffers and generators are the module's and torch's until the block ends."""
        import torch

        with torch.no_grad():
            for held, own in zip(self.training.module.buffers(), self.buffers, strict=True):
                held.copy_(own)
        _restore(self.job, self.generators)
        yield
        with torch.no_grad():
            for held, own in zip(self.training.module.buffers(), self.buffers, strict=True):
                own.copy_(held)
        self.generators = _generators(self.job)

    def next_batch(self) -> tuple[list[int], Any, Any]:
        """Return the numbers of the next samples, the inputs as they were changed at random, and the targets."""
        numbers, (inputs, targets) = next(self.data)
        if self.training.augment is not None:
            inputs = self.training.augment(inputs, self.augmentation)
        return numbers, on(self.job, inputs), on(self.job, targets)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of it."""
        return {
            "buffers": [buffer.cpu().clone() for buffer in self.buffers],
            "generators": self.generators,
            "augmentation": self.augmentation.get_state(),
        }

    def restore(self, state: dict[str, Any], position: int) -> None:
        """Become what a checkpoint keeps of it."""
        for own, kept in zip(self.buffers, state["buffers"], strict=True):
            own.copy_(kept)
        self.generators = state["generators"]
        self.augmentation.set_state(state["augmentation"])
        self.place(position)


def on(job: Job, value: Any) -> Any:
    """Return a batch on the job's device."""
    return value if job.device == "cpu" else value.to(job.device, non_blocking=True)


def begin(job: Job, number: int) -> torch.Generator:
    """Seed torch as a logical worker that has a process for itself, and return its generator of augmentation."""
    import torch

    torch.manual_seed(_seed(job, number))
    return torch.Generator().manual_seed(_seed(job, number) + 1)


def _seed(job: Job, number: int) -> int:
    return 1_000_003 * (job.seed + 1) + 2 * number


def _generators(job: Job) -> list[torch.Tensor]:
    import torch

    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if job.device == "cuda" else [])]


def _restore(job: Job, states: list[torch.Tensor]) -> None:
    import torch

    torch.set_rng_state(states[0])
    if job.device == "cuda":
        torch.cuda.set_rng_state(states[1])


@contextmanager
def _kept_generators(job: Job) -> Iterator[None]:
    kept = _generators(job)
    yield
    _restore(job, kept)
