"""Figures of Slapo's evaluation: bars by model and system, the chain of steps, and maps of the tuning grids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from simcore.plots import COLOURS, STYLE
from simcore.results import Table
from simcore.units import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYSTEMS = ("megatron", "deepspeed", "slapo-tp", "slapo-zero3")


def draw(name: str, data: Mapping[str, Table]) -> Figure | None:
    """Draw a figure of Slapo's evaluation; None where it is a table."""
    import matplotlib

    if name not in _DRAWN:
        return None
    with matplotlib.rc_context(STYLE):
        return _DRAWN[name](data[name])


def _runs(table: Table) -> Figure:
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(table.column("model")))
    figure = Figure(figsize=(7.4, 1.9 * len(models)), layout="constrained")
    for axes, model in zip(figure.subplots(len(models), 1), models, strict=True):
        rows = [row for row in table if row["model"] == model]
        gpus = sorted({row["gpus"] for row in rows})
        ran = [system for system in SYSTEMS if any(row["system"] == system for row in rows)]
        for index, system in enumerate(ran):
            own = {row["gpus"]: row["predicted"] for row in rows if row["system"] == system}
            at = [place + 0.2 * (index - (len(ran) - 1) / 2) for place, count in enumerate(gpus) if count in own]
            axes.bar(at, list(own.values()), 0.19, color=COLOURS[SYSTEMS.index(system) + 1], label=system)
        axes.set_xticks(range(len(gpus)), [f"{count} GPUs" for count in gpus])
        axes.set_ylabel("samples per s")
        axes.set_title(model, fontsize=8)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _chain(table: Table) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 2.4), layout="constrained")
    axes = figure.subplots()
    rates = table.column("predicted")
    labels = [f"{row['step']}\n{counted(row['gpus'], 'GPU')}, batch {row['batch']}" for row in table]
    bars = axes.barh(labels, rates, 0.7, color=COLOURS[5])
    axes.bar_label(bars, [f"{rate:.1f} ({rate / rates[0]:.2f}x)" for rate in rates], padding=2)
    axes.set_xlim(0, 1.25 * max(rates))
    axes.invert_yaxis()
    axes.set_xlabel("samples per second, predicted")
    return figure


def _nodes(table: Table) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.0), layout="constrained")
    axes = figure.subplots()
    for index, model in enumerate(dict.fromkeys(table.column("model"))):
        own = [row for row in table if row["model"] == model]
        gpus = [row["gpus"] for row in own]
        axes.plot(gpus, [row["predicted"] for row in own], "o-", color=COLOURS[index + 1], label=f"{model}, predicted")
        if own[0]["published"] is not None:
            axes.plot(gpus, [row["published"] for row in own], "s--", color=COLOURS[6], label="GPT, published early")
    axes.set_xticks(gpus)
    axes.set_xlabel("GPUs")
    axes.set_ylabel("samples per second")
    axes.set_ylim(0)
    axes.legend(frameon=False)
    return figure


def _grids(table: Table) -> Figure:
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(table.column("grid")))
    figure = Figure(figsize=(7.4, 2.7 * len(names)), layout="constrained")
    for row, name in zip(figure.subplots(len(names), 2, squeeze=False), names, strict=True):
        own = [each for each in table if each["grid"] == name]
        for axes, column in zip(row, ("measured", "predicted"), strict=True):
            _map(axes, own, column)
            what = f"{column}; in which order simcore tune asks" if column == "measured" else column
            axes.set_title(f"{own[0]['model']}, {what}", fontsize=8)
    return figure


def _map(axes: Axes, cells: list[Mapping[str, float | None]], column: str) -> None:
    """Draw samples per second by batch and share; cells where memory ran out are empty, the best one is framed."""
    from matplotlib.patches import Rectangle

    batches = sorted({cell["batch"] for cell in cells})  # type: ignore[type-var]  # both are always there
    ratios = sorted({cell["ratio"] for cell in cells})  # type: ignore[type-var]  # the same
    values = [[float("nan")] * len(batches) for _ in ratios]
    for cell in cells:
        if cell["measured"]:
            values[ratios.index(cell["ratio"])][batches.index(cell["batch"])] = cell[column] or float("nan")
    image = axes.imshow(values, aspect="auto", origin="lower", cmap="viridis")
    best = max((value, i, j) for i, row in enumerate(values) for j, value in enumerate(row) if value == value)
    axes.add_patch(Rectangle((best[2] - 0.5, best[1] - 0.5), 1, 1, fill=False, edgecolor=COLOURS[6], linewidth=1.6))
    for cell in cells if column == "measured" else ():
        if cell["tried"] is not None:
            at = batches.index(cell["batch"]), ratios.index(cell["ratio"])
            axes.text(*at, f"{cell['tried']}", ha="center", va="center", fontsize=6)
    axes.set_xticks(range(len(batches)), [f"{batch:g}" for batch in batches], fontsize=6)
    axes.set_yticks(range(len(ratios)), [f"{ratio:g}" for ratio in ratios], fontsize=6)
    axes.set_xlabel("batch")
    axes.set_ylabel("share of recomputed blocks")
    axes.figure.colorbar(image, ax=axes, label="samples per s")


_DRAWN = {"fig7": _runs, "fig8": _nodes, "fig9": _chain, "fig10": _grids}
