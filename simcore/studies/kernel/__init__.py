"""The study behind ``simcore kernel``: one kernel on a profiled device, predicted and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.kernel.request import MatmulRequest
    from simcore.studies.kernel.result import KernelResult
    from simcore.studies.kernel.run import matmul

__getattr__, __dir__ = attach(
    __name__,
    {
        "KernelResult": "simcore.studies.kernel.result",
        "MatmulRequest": "simcore.studies.kernel.request",
        "matmul": "simcore.studies.kernel.run",
    },
)

__all__ = [
    "KernelResult",
    "MatmulRequest",
    "matmul",
]
