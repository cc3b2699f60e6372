"""The schedule ``latency-aware``: a search among mixtures of orders of dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.network.schedulers.latency_aware.schedule import LatencyAware

__getattr__, __dir__ = attach(__name__, {"LatencyAware": "simcore.models.network.schedulers.latency_aware.schedule"})

__all__ = ["LatencyAware"]
