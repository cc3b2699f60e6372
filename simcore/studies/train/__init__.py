"""The study behind ``simcore train``: a training iteration on a network, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.train.request import TrainRequest
    from simcore.studies.train.result import TrainResult
    from simcore.studies.train.run import train

__getattr__, __dir__ = attach(
    __name__,
    {
        "TrainRequest": "simcore.studies.train.request",
        "TrainResult": "simcore.studies.train.result",
        "train": "simcore.studies.train.run",
    },
)

__all__ = ["TrainRequest", "TrainResult", "train"]
