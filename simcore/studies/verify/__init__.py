"""The study behind ``simcore verify``: whether a torch module computes the same after a training schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.verify.request import VerifyRequest
    from simcore.studies.verify.result import VerifyResult
    from simcore.studies.verify.run import verify

__getattr__, __dir__ = attach(
    __name__,
    {
        "VerifyRequest": "simcore.studies.verify.request",
        "VerifyResult": "simcore.studies.verify.result",
        "verify": "simcore.studies.verify.run",
    },
)

__all__ = ["VerifyRequest", "VerifyResult", "verify"]
