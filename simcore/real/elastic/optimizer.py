"""What belongs to the whole job beside weights: optimizer, schedule of the learning rate, and scale of gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from simcore.real.elastic.job import Job

if TYPE_CHECKING:
    import torch

RATE, MOMENTUM, DECAY = 0.05, 0.9, 1e-4
HALVED = 15
"""Mini-batches after which the learning rate is halved, so that the schedule's state matters in every stage."""


class Optimizer:
    """Stochastic gradient descent with momentum, a schedule and a gradient scaler.

    Parameters
    ----------
    job : Job
        Whose device decides about the scaler.
    parameters : iterable of Parameter
        What is trained.
    """

    def __init__(self, job: Job, parameters: Iterable[torch.nn.Parameter]) -> None:
        import torch

        optim = torch.optim
        self.descent = optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
        self.schedule = optim.lr_scheduler.StepLR(self.descent, HALVED, 0.5)
        self.scaler = torch.amp.GradScaler(job.device, init_scale=2.0**10, growth_interval=12)

    def backward(self, loss: torch.Tensor) -> None:
        """Compute gradients of the scaled loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's own

    def step(self) -> None:
        """Change the weights, and forget the gradients."""
        self.scaler.step(self.descent)
        self.scaler.update()
        self.schedule.step()
        self.descent.zero_grad()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {each: getattr(self, each).state_dict() for each in ("descent", "schedule", "scaler")}

    def restore(self, state: dict[str, Any]) -> None:
        """Become what a checkpoint keeps."""
        for each in ("descent", "schedule", "scaler"):
            getattr(self, each).load_state_dict(state[each])
