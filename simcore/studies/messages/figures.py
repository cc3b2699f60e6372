"""The figure of messages: how full links are, and how many messages are under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simcore.plots import BLUE, ORANGE, new_figure, show_times
from simcore.results import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(links: Table, starts: NDArray[np.float64], ends: NDArray[np.float64], time: float) -> Figure:
    """Draw links by their load, the busiest first, and the messages under way over time.

    Parameters
    ----------
    links : Table
        With ``utilisation``.
    starts, ends : array, shape (S,)
        Of each message [s].
    time : float
        Of the collective [s].
    """
    figure = new_figure(7.2, 3.2)
    left, right = figure.subplots(1, 2)
    used = np.sort(np.array(links.column("utilisation"), dtype=float))[::-1]
    left.fill_between(np.arange(len(used) + 1), np.append(used, used[-1:]) * 100, step="post", color=BLUE, lw=0)
    left.set_xlim(0, max(len(used), 1))
    left.set_ylim(0, 105)
    left.set_xlabel("links, the busiest first")
    left.set_ylabel("utilisation [%]")
    instants = np.unique(np.concatenate([starts, ends, [0.0]]))
    under_way = np.searchsorted(np.sort(starts), instants, "right") - np.searchsorted(np.sort(ends), instants, "right")
    right.step(instants, under_way, where="post", color=ORANGE, lw=1.4)
    right.set_xlim(0, time or 1.0)
    right.set_ylim(0, 1.05 * max(int(under_way.max()), 1))
    show_times(right, "x", time, "time")
    right.set_ylabel("messages under way")
    return figure
