"""The study behind ``simcore validate``: the model against measured rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.validate.request import ValidateRequest
    from simcore.studies.validate.result import ValidateResult
    from simcore.studies.validate.run import validate

__getattr__, __dir__ = attach(
    __name__,
    {
        "ValidateRequest": "simcore.studies.validate.request",
        "ValidateResult": "simcore.studies.validate.result",
        "validate": "simcore.studies.validate.run",
    },
)

__all__ = ["ValidateRequest", "ValidateResult", "validate"]
