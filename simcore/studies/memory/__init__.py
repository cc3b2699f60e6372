"""The study behind ``simcore memory``: whether a model's training fits, and what makes it fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.memory.request import MemoryRequest
    from simcore.studies.memory.result import MemoryResult
    from simcore.studies.memory.run import memory

__getattr__, __dir__ = attach(
    __name__,
    {
        "MemoryRequest": "simcore.studies.memory.request",
        "MemoryResult": "simcore.studies.memory.result",
        "memory": "simcore.studies.memory.run",
    },
)

__all__ = ["MemoryRequest", "MemoryResult", "memory"]
