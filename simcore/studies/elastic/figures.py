"""Figure 9 of EasyScale: by how much losses of an elastic run differ from those of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.plots import COLOURS, STYLE, caption, new_figure
from simcore.studies.elastic.outcome import ElasticOutcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(result: ElasticOutcome) -> Figure:
    """Draw the last logical worker's loss minus the reference's over mini-batches, with the stages' borders."""
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    request = result.request
    with matplotlib.rc_context(STYLE):
        figure = new_figure(5.2, 2.8)
        axes = figure.subplots()
        last = [row[-1] for row in result.differences]
        axes.plot(range(len(last)), last, color=COLOURS[5], lw=1.0)
        axes.margins(y=0.3)  # so that no peak reaches the names of stages
        if not any(last):  # all is zero: no scale is better than one of its own making
            axes.set_yticks([0.0])
        for number, stage in enumerate(result.stages):
            start = number * request.batches
            axes.axvline(start, color=COLOURS[0], lw=0.6, ls=":")
            axes.annotate(
                stage.stage, (start, 1), xycoords=("data", "axes fraction"), xytext=(3, -9),
                textcoords="offset points",
            )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("mini-batch")
        axes.set_ylabel("loss difference")
        caption(
            figure,
            f"{request.model}, {request.determinism}, reduce {request.reduce}: loss of the last of {request.workers} "
            "logical workers minus that of the last process of DistributedDataParallel",
        )
    return figure
