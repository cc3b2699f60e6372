"""Figure of a search: a map of samples per second by batch and share of recomputed blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore.models.training.tuning.cells import Cell
from simcore.plots import COLOURS, STYLE, caption
from simcore.studies.tune.outcome import TuneOutcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_MAPS = 6
"""Spreads and kernels that are drawn at most, the best first."""


def draw(result: TuneOutcome) -> Figure:
    """Draw a map for each spread and kernels: predictions behind, what was tried with its order, the best framed."""
    import matplotlib
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys([result.best.group, *(cell.group for cell in result.predictions.evaluations)]))
    groups = groups[:MOST_MAPS]
    rates = [rate for cell in result.predictions.evaluations if cell.group in groups if (rate := _rate(result, cell))]
    scale = (min(rates, default=0.0), max(rates, default=1.0))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 2.9 * len(groups)), layout="constrained")
        for axes, group in zip(figure.subplots(len(groups), 1, squeeze=False)[:, 0], groups, strict=True):
            cells = [cell for cell in result.predictions.evaluations if cell.group == group]
            _map(axes, result, cells, scale)
            axes.set_title(", ".join(filter(None, group)), fontsize=8)
        caption(
            figure,
            f"{result.name} on {result.gpus} {result.device}, network {result.network}; white: does not fit; frame: "
            "the best",
        )
    return figure


def _rate(result: TuneOutcome, cell: Cell) -> float | None:
    """Return the predicted samples per second of a cell; None where it does not fit."""
    return cell.batch / result.predictions.evaluations[cell].time if result.predictions.fits[cell] else None


def _map(axes: Axes, result: TuneOutcome, cells: list[Cell], scale: tuple[float, float]) -> None:
    """Draw the cells of one spread and kernels; all maps have the same scale of colours [samples/s]."""
    batches, ratios = sorted({cell.batch for cell in cells}), sorted({cell.ratio for cell in cells})
    values = [[float("nan")] * len(ratios) for _ in batches]
    place = {cell: (batches.index(cell.batch), ratios.index(cell.ratio)) for cell in cells}
    for cell, (i, j) in place.items():
        values[i][j] = _rate(result, cell) or float("nan")
    image = axes.imshow(values, aspect="auto", origin="lower", cmap="viridis", alpha=0.7, vmin=scale[0], vmax=scale[1])
    for number, (cell, rate) in enumerate(result.rates.items(), 1):
        if cell in place and len(result.rates) <= 200:
            i, j = place[cell]
            axes.text(
                j, i, f"{number}: {'OOM' if rate is None else f'{rate:.4g}'}", ha="center", va="center", fontsize=5
            )
    _frame(axes, result.best, place)
    axes.set_xticks(range(len(ratios)), [f"{ratio:g}" for ratio in ratios])
    axes.set_yticks(range(len(batches)), [f"{batch:,}" for batch in batches])
    axes.set_xlabel("share of recomputed blocks")
    axes.set_ylabel("batch")
    axes.figure.colorbar(image, ax=axes, label="samples/s, predicted")


def _frame(axes: Axes, best: Cell, place: dict[Cell, tuple[int, int]]) -> None:
    from matplotlib.patches import Rectangle

    if best in place:
        i, j = place[best]
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=COLOURS[6], linewidth=1.6))
