"""A torch module after a training schedule against the same module before it: outputs and every gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.real.verify.case import Case, Ways
    from simcore.real.verify.finding import Finding
    from simcore.real.verify.launch import verified

__getattr__, __dir__ = attach(
    __name__,
    {
        "Case": "simcore.real.verify.case",
        "Finding": "simcore.real.verify.finding",
        "Ways": "simcore.real.verify.case",
        "verified": "simcore.real.verify.launch",
    },
)

__all__ = ["Case", "Finding", "Ways", "verified"]
