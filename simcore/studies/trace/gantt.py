"""The figure of who runs on which node and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simcore import plots as style
from simcore.models.cluster.cluster import Node
from simcore.models.cluster.stays import Stay, on_gpus
from simcore.plots import COLOURS, MORE_COLOURS, new_figure, show_times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NODES, MOST_STAYS = 40, 4000
"""Nodes and stays that are drawn one by one; beyond that shades show what share of each node is allocated."""
BINS = 400
"""Spans of time of the shades."""
MOST_POLICIES = 6


def gantt(runs: Mapping[str, Sequence[Stay]], nodes: Sequence[Node], text: str, origin: float) -> Figure:
    """Draw a panel per policy with a row per node: bars of jobs, as thick as the GPUs that they hold.

    Parameters
    ----------
    runs : mapping of str to sequence of Stay
        Who is where, by policy; the first `MOST_POLICIES` are drawn.
    nodes : sequence of Node
        Of the cluster.
    text : str
        What was simulated, printed under the panels.
    origin : float
        Where the time axis begins [s].
    """
    from matplotlib.ticker import MaxNLocator

    drawn = dict(list(runs.items())[:MOST_POLICIES])
    each = len(nodes) <= MOST_NODES and max((len(found) for found in drawn.values()), default=0) <= MOST_STAYS
    tall = 0.9 + (0.16 * len(nodes) if each else 1.6)
    figure = new_figure(8.4, 0.6 + len(drawn) * max(tall, 1.5))
    panels: Sequence[Axes] = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0].tolist()
    longest = max((stay.end for found in drawn.values() for stay in found), default=origin + 1.0) - origin
    for axes, (policy, found) in zip(panels, drawn.items(), strict=True):
        (_bars if each else _shades)(axes, found, nodes, origin, longest)
        axes.set_title(policy, fontsize=9, loc="left")
        axes.set_ylabel("node")
        axes.set_xlim(0, longest)
        axes.set_ylim(len(nodes) - 0.5, -0.5)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    show_times(panels[-1], "x", longest, "time")
    if len(runs) > len(drawn):
        text = f"{text}; the first {len(drawn)} of {len(runs)} policies"
    what = "a colour per job, bars as thick as its GPUs" if each else "shades: share of a node's GPUs that is allocated"
    return style.caption(figure, f"{text}; {what}")


def _bars(axes: Any, found: Sequence[Stay], nodes: Sequence[Node], origin: float, longest: float) -> None:
    """Draw each stay as a bar; colours come again after as many jobs as there are colours."""
    from matplotlib.collections import PolyCollection

    palette = (*COLOURS, *MORE_COLOURS)
    corners, colours = [], []
    for stay, parts in on_gpus(found, nodes):
        left, right = stay.start - origin, stay.end - origin
        for low, high in parts:
            top, bottom = (stay.node - 0.45 + 0.9 * at / nodes[stay.node].gpus for at in (low, high))
            corners.append([(left, top), (right, top), (right, bottom), (left, bottom)])
            colours.append(palette[stay.row % len(palette)])
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=0.2))


def _shades(axes: Any, found: Sequence[Stay], nodes: Sequence[Node], origin: float, longest: float) -> None:
    """Draw how much of each node is allocated in each of equal spans of time."""
    image = axes.imshow(
        allocated(found, nodes, origin, longest), aspect="auto", cmap="Blues", vmin=0, vmax=1,
        extent=(0, longest, len(nodes) - 0.5, -0.5), interpolation="nearest",
    )  # fmt: skip
    axes.figure.colorbar(image, ax=axes, pad=0.01, label="allocated")


def allocated(found: Sequence[Stay], nodes: Sequence[Node], origin: float, longest: float) -> NDArray[np.float64]:
    """Return the share of each node's GPUs that is allocated in each of `BINS` equal spans of time.

    Examples
    --------
    >>> shares = allocated([Stay(0, 0, 1, 0.0, 5.0)], [Node("v100", 2)], 0.0, 10.0)
    >>> shares.shape, float(shares[0, 0]), float(shares[0, -1]), round(float(shares.mean()), 3)
    ((1, 400), 0.5, 0.0, 0.25)
    """
    edges = np.linspace(0.0, longest, BINS + 1)
    shares = np.zeros((len(nodes), BINS))
    width = longest / BINS
    for stay in found:
        low, high = stay.start - origin, stay.end - origin
        first, last = min(int(low / width), BINS - 1), min(int(high / width), BINS - 1)
        spans = slice(first, last + 1)
        overlap = np.minimum(edges[first + 1 : last + 2], high) - np.maximum(edges[spans], low)
        shares[stay.node, spans] += np.clip(overlap, 0.0, None) / width * stay.gpus / nodes[stay.node].gpus
    return shares
