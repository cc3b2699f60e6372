"""Training of logical workers that share processes: one process of a stage."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, Any

from simcore.real.elastic import checkpoint
from simcore.real.elastic.faults import Faults
from simcore.real.elastic.job import Job, Place
from simcore.real.elastic.logical import Worker
from simcore.real.elastic.optimizer import Optimizer
from simcore.real.elastic.reduce import Mapping, first_mapping, rebuilt_mapping, reduced
from simcore.real.elastic.setting import meet, settle
from simcore.real.elastic.training import training_of

if TYPE_CHECKING:
    import torch

NO_ROOM = errno.ENOSPC
"""Exit status of a process that found the disk full."""

UNREACHED = "no gradient reaches"
"""What a process says, with their names behind it, of parameters that are trained and get no gradient."""


def train(job: Job, number: int, place: Place) -> None:
    """Train one stage of a job in this process, from the checkpoint on.

    Parameters
    ----------
    job : Job
        What is trained.
    number : int
        Of the stage.
    place : Place
        Where the checkpoint lies.
    """
    import os

    import torch.distributed as dist

    rank = int(os.environ["RANK"])
    settle(job, alternative=job.plan[number].processes[rank].alternative)
    faults = Faults(job.faults, rank, place.folder)
    faults.reach("rendezvous", (number + 1) * job.batches - 1)  # at whatever mini-batch of the stage it is due
    meet(job)
    try:
        Trainer(job, number, rank, place, faults).run()
    except OSError as error:
        if error.errno != NO_ROOM:
            raise
        sys.exit(NO_ROOM)
    finally:
        dist.destroy_process_group()


class Trainer:
    """One process of a stage, and the logical workers that share it."""

    def __init__(self, job: Job, number: int, rank: int, place: Place, faults: Faults) -> None:
        self.job, self.number, self.rank, self.place, self.faults = job, number, rank, place, faults
        self.training = training_of(job.model, job.seed)
        self.module = self.training.module.to(job.device).train()
        self.parameters = [each for each in self.module.parameters() if each.requires_grad]
        self.sizes = [each.numel() for each in self.parameters]
        self.optimizer = Optimizer(job, self.parameters)
        stage = job.plan[number]
        self.counts = [len(process.workers) for process in stage.processes]
        self.mine = [Worker(job, self.training, worker) for worker in stage.processes[rank].workers]
        self.position = 0
        self.losses: list[list[float]] = []
        self.samples: list[list[list[int]]] = []
        self.ends: list[dict[str, Any]] = []
        self.mapping: Mapping | None = None
        self._resume()

    def _resume(self) -> None:
        """Take up the newest checkpoint of the run."""
        state = checkpoint.latest(self.place.checkpoint, self.job)
        if state is None:
            return
        self.position, self.ends = state["position"], state["ends"]
        self.losses, self.samples = state["losses"], state["samples"]
        self.module.load_state_dict(state["weights"], strict=False)
        self.optimizer.restore(state["optimizer"])
        if self.job.determinism != "D0":
            self.mapping = state["mapping"]
        for worker in self.mine:
            worker.restore(state["workers"][worker.number], self.position)

    def run(self) -> None:
        """Train to the end of the stage, with checkpoints on the way."""
        end = (self.number + 1) * self.job.batches
        while self.position < end:
            self.step()
            self.position += 1
            if self.position == end or self.position % self.job.every == 0:
                self.keep(ends=self.position == end)

    def step(self) -> None:
        """Train one mini-batch of every logical worker."""
        import torch

        self.faults.reach("forward", self.position)
        arrivals: list[int] = []
        hooks = self._listening(arrivals) if self.mapping is None else []
        rows, said = self._computed(arrivals)
        for hook in hooks:
            hook.remove()
        if hooks and len(arrivals) < len(self.parameters):
            raise RuntimeError(f"{UNREACHED} {self._unreached(arrivals)}")
        self.faults.reach("backward", self.position)
        everyone = self._gathered(rows)
        self.faults.reach("gather", self.position)
        mapping = self.mapping or first_mapping(self.parameters)
        mean = reduced(everyone, self.sizes, mapping, self.job.reduce)
        for parameter, part in zip(self.parameters, torch.split(mean, self.sizes), strict=True):
            parameter.grad = part.view_as(parameter)
        self.optimizer.step()
        self.faults.reach("step", self.position)
        self._note(said, arrivals)

    def _computed(self, arrivals: list[int]) -> tuple[torch.Tensor, list[tuple[float, list[int]]]]:
        """Run the logical workers of this process in turn; returns their gradients, and their losses and samples."""
        import torch

        rows = torch.empty(len(self.mine), sum(self.sizes), device=self.job.device)
        said = []
        for row, worker in zip(rows, self.mine, strict=True):
            arrivals.clear()
            with worker.running():
                numbers, inputs, targets = worker.next_batch()
                loss = self.training.loss_of(inputs, targets, self.module)
                self.optimizer.backward(loss)
            said.append((float(loss.detach()), numbers))
            copy_gradients(self.parameters, row)
        return rows, said

    def _listening(self, arrivals: list[int]) -> list[Any]:
        """Note in which order gradients are ready, as DistributedDataParallel does in its first mini-batch."""
        return [
            parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]  # torch's own
                lambda _, number=number: arrivals.append(number)
            )
            for number, parameter in enumerate(self.parameters)
        ]

    def _unreached(self, arrivals: list[int]) -> str:
        names = [name for name, each in self.module.named_parameters() if each.requires_grad]
        return ", ".join(name for number, name in enumerate(names) if number not in arrivals)

    def _gathered(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the gradients of all logical workers, which every process sends to the others."""
        import torch
        import torch.distributed as dist

        parts = [rows if rank == self.rank else rows.new_empty(n, rows.shape[1]) for rank, n in enumerate(self.counts)]
        for rank, part in enumerate(parts):
            dist.broadcast(part, rank)
        return torch.cat(parts)

    def _note(self, said: list[tuple[float, list[int]]], arrivals: list[int]) -> None:
        """Keep losses and samples of all logical workers, and the buckets that follow from the first mini-batch."""
        import torch.distributed as dist

        everything: list[Any] = [None] * len(self.counts)
        dist.all_gather_object(everything, (said, arrivals))
        pairs = [pair for of_process, _ in everything for pair in of_process]
        self.losses.append([loss for loss, _ in pairs])
        self.samples.append([numbers for _, numbers in pairs])
        if self.mapping is None:
            self.mapping = rebuilt_mapping(self.parameters, everything[0][1])

    def keep(self, *, ends: bool) -> None:
        """Write a checkpoint; at the end of a stage it keeps weights and buffers for the comparison too."""
        import torch.distributed as dist

        everything: list[Any] = [None] * len(self.counts)
        dist.all_gather_object(everything, [worker.state() for worker in self.mine])
        if self.rank == 0:
            workers = [state for of_process in everything for state in of_process]
            checkpoint.save(self.place.checkpoint, self._state(workers, ends=ends), self.faults, self.position - 1)
        dist.barrier()  # no process is past a checkpoint that is not written

    def _state(self, workers: list[Any], *, ends: bool) -> dict[str, Any]:
        weights = weights_of(self.module)
        if ends:
            self.ends.append({"weights": weights, "buffers": [worker["buffers"] for worker in workers]})
        return {
            "identity": self.job.identity, "position": self.position, "weights": weights,
            "optimizer": self.optimizer.state(), "mapping": self.mapping, "workers": workers,
            "losses": self.losses, "samples": self.samples, "ends": self.ends,
        }  # fmt: skip


def copy_gradients(parameters: list[torch.nn.Parameter], row: torch.Tensor) -> None:
    """Copy the gradients of one logical worker out of the way of the next one's.

    Parameters
    ----------
    parameters : list of Parameter
        Those that are trained.
    row : tensor of shape (elements,)
        Where the gradients go, parameter behind parameter.
    """
    import torch

    grads = [each.grad if each.grad is not None else torch.zeros_like(each) for each in parameters]
    torch.cat([grad.reshape(-1) for grad in grads], out=row)
    for each in parameters:
        each.grad = None


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of a module without its buffers, which belong to logical workers."""
    return {name: each.detach().cpu().clone() for name, each in module.named_parameters()}
