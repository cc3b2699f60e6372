"""The study behind ``simcore kernel``: one kernel on a profiled device, and sparse kernels beside dense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.kernel.comparison import break_even
    from simcore.studies.kernel.comparison_result import BreakEvenResult
    from simcore.studies.kernel.request import BreakEvenRequest, MatmulRequest
    from simcore.studies.kernel.result import KernelResult
    from simcore.studies.kernel.run import matmul

__getattr__, __dir__ = attach(
    __name__,
    {
        "BreakEvenRequest": "simcore.studies.kernel.request",
        "BreakEvenResult": "simcore.studies.kernel.comparison_result",
        "KernelResult": "simcore.studies.kernel.result",
        "MatmulRequest": "simcore.studies.kernel.request",
        "break_even": "simcore.studies.kernel.comparison",
        "matmul": "simcore.studies.kernel.run",
    },
)

__all__ = [
    "BreakEvenRequest",
    "BreakEvenResult",
    "KernelResult",
    "MatmulRequest",
    "break_even",
    "matmul",
]
