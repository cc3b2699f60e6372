"""The study behind ``simcore model``: what was read of a model, its parameters and its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.model.request import ModelRequest
    from simcore.studies.model.result import ModelResult
    from simcore.studies.model.run import model

__getattr__, __dir__ = attach(
    __name__,
    {
        "ModelRequest": "simcore.studies.model.request",
        "ModelResult": "simcore.studies.model.result",
        "model": "simcore.studies.model.run",
    },
)

__all__ = [
    "ModelRequest",
    "ModelResult",
    "model",
]
