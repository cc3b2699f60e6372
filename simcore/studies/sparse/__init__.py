"""The study behind ``simcore sparse``: where a module is dynamically sparse, and what PIT's kernels save there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.sparse.request import SparseRequest
    from simcore.studies.sparse.result import SparseResult
    from simcore.studies.sparse.run import sparse

__getattr__, __dir__ = attach(
    __name__,
    {
        "SparseRequest": "simcore.studies.sparse.request",
        "SparseResult": "simcore.studies.sparse.result",
        "sparse": "simcore.studies.sparse.run",
    },
)

__all__ = ["SparseRequest", "SparseResult", "sparse"]
