"""The study behind ``simcore train MODEL``: time and memory of a training iteration on GPUs, before the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.iteration.request import IterationRequest
    from simcore.studies.iteration.result import IterationResult
    from simcore.studies.iteration.run import iteration

__getattr__, __dir__ = attach(
    __name__,
    {
        "IterationRequest": "simcore.studies.iteration.request",
        "IterationResult": "simcore.studies.iteration.result",
        "iteration": "simcore.studies.iteration.run",
    },
)

__all__ = ["IterationRequest", "IterationResult", "iteration"]
