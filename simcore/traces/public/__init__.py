"""Readers of public traces, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.traces.public.registry import PUBLIC, recognised

__getattr__, __dir__ = attach(
    __name__, {"PUBLIC": "simcore.traces.public.registry", "recognised": "simcore.traces.public.registry"}
)

__all__ = ["PUBLIC", "recognised"]
