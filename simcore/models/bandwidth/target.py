"""What a bandwidth plan makes least."""

from __future__ import annotations

from enum import StrEnum


class Target(StrEnum):
    """What a plan makes least: the iteration time, or the iteration time x the network's cost."""

    PERF = "Perf"
    PER_COST = "PerfPerCost"
