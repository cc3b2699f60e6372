"""The figure of a search: time against memory of the layouts that fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simcore.models.training.parallel.evaluation import Evaluation
from simcore.plots import COLOURS, STYLE
from simcore.studies.deployment.texts import GIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(found: Sequence[Evaluation], capacity: float) -> Figure:
    """Draw the time and the memory of layouts, by what they recompute, with the best one marked.

    Parameters
    ----------
    found : sequence of Evaluation
        Layouts that fit, the fastest first.
    capacity : float
        Memory of a GPU that programs may use [B].
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        kinds = list(dict.fromkeys(one.layout.recompute.value for one in found))
        for number, kind in enumerate(sorted(kinds)):
            own = [one for one in found if one.layout.recompute.value == kind]
            axes.plot(
                [one.worst.reserved / GIB for one in own], [one.time for one in own], "osD"[number % 3], markersize=3,
                color=COLOURS[(number + 1) % len(COLOURS)], linestyle="none", label=f"recompute {kind}", alpha=0.6,
            )  # fmt: skip
        best = found[0]
        axes.plot([best.worst.reserved / GIB], [best.time], "k*", markersize=11, linestyle="none", label="best")
        axes.axvline(capacity / GIB, color="black", linestyle="--", linewidth=1.0, label="memory of a GPU")
        axes.set_yscale("log")
        axes.set_xlabel("memory of the worst rank [GiB]")
        axes.set_ylabel("iteration [s]")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure
