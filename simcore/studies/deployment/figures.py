"""Drawings that studies of a layout share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simcore.models.training.parallel.memory import KINDS, RankMemory
from simcore.plots import COLOURS, HATCHES
from simcore.studies.deployment.texts import GIB

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RANKS = 16
"""Pipeline ranks that figures show at most."""


def draw_memory(axes: Axes, memory: Sequence[RankMemory], capacity: float) -> None:
    """Draw the memory of each pipeline rank by kind, with what a GPU has.

    Parameters
    ----------
    axes : Axes
        Where.
    memory : sequence of RankMemory
        Of one GPU of each rank.
    capacity : float
        Memory of a GPU that programs may use [B].
    """
    ranks = memory[:MOST_RANKS]
    names = [str(rank.rank) for rank in ranks]
    bottoms = [0.0] * len(ranks)
    for number, kind in enumerate(KINDS):
        sizes = [rank.kinds[kind] / GIB for rank in ranks]
        if any(sizes):
            axes.bar(
                names, sizes, 0.7, bottoms, color=COLOURS[number % len(COLOURS)],
                hatch=HATCHES[number % len(HATCHES)], edgecolor="white", label=kind,
            )  # fmt: skip
        bottoms = [below + size for below, size in zip(bottoms, sizes, strict=True)]
    axes.plot(names, [rank.reserved / GIB for rank in ranks], "k_", markersize=14, label="reserved")
    axes.axhline(capacity / GIB, color="black", linestyle="--", linewidth=1.0, label="memory of a GPU")
    axes.set_xlabel("pipeline rank")
    axes.set_ylabel("memory [GiB]")
