"""The studies behind ``simcore profile``: what profiles hold, how they differ and predict, and deriving more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.profile.derivation import derive
    from simcore.studies.profile.request import CompareRequest, DeriveRequest, ShowRequest, ValidateRequest
    from simcore.studies.profile.result import CompareResult, DeriveResult, ShowResult, ValidateResult
    from simcore.studies.profile.run import compare, show, validate
    from simcore.studies.profile.validation import Validation

__getattr__, __dir__ = attach(
    __name__,
    {
        "CompareRequest": "simcore.studies.profile.request",
        "CompareResult": "simcore.studies.profile.result",
        "DeriveRequest": "simcore.studies.profile.request",
        "DeriveResult": "simcore.studies.profile.result",
        "ShowRequest": "simcore.studies.profile.request",
        "ShowResult": "simcore.studies.profile.result",
        "ValidateRequest": "simcore.studies.profile.request",
        "ValidateResult": "simcore.studies.profile.result",
        "Validation": "simcore.studies.profile.validation",
        "compare": "simcore.studies.profile.run",
        "derive": "simcore.studies.profile.derivation",
        "show": "simcore.studies.profile.run",
        "validate": "simcore.studies.profile.run",
    },
)

__all__ = [
    "CompareRequest",
    "CompareResult",
    "DeriveRequest",
    "DeriveResult",
    "ShowRequest",
    "ShowResult",
    "ValidateRequest",
    "ValidateResult",
    "Validation",
    "compare",
    "derive",
    "show",
    "validate",
]
