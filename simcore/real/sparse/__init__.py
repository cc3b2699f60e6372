"""Dynamically sparse models as torch modules, and PIT's kernels in any module; a name of these needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.real.sparse.functions import routed, tokenwise
    from simcore.real.sparse.pitified import pitify

__getattr__, __dir__ = attach(
    __name__,
    {
        "pitify": "simcore.real.sparse.pitified",
        "routed": "simcore.real.sparse.functions",
        "tokenwise": "simcore.real.sparse.functions",
    },
)

__all__ = ["pitify", "routed", "tokenwise"]
