"""The figure of a break-even: time over sparsity, a line for the fastest kernel of each family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simcore.models.compute.sparse.break_even import Trial, fastest
from simcore.models.compute.sparse.tiles import Product
from simcore.plots import caption, kernel_marks, new_figure, show_times_by_tens
from simcore.studies.kernel.candidates import Compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(compared: Compared, block: tuple[int, int], product: Product) -> Figure:
    """Draw time over sparsity, with the conversion on the left and without it on the right; bands are expected errors.

    Parameters
    ----------
    compared : Compared
        Every kernel at every sparsity.
    block : tuple of (int, int)
        Rows and columns of a block of zeros [elements].
    product : Product
        Its sizes.
    """
    figure = new_figure(7.0, 3.4)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, converted in zip(panels, (True, False), strict=True):
        trials = fastest(compared.trials, converted=converted)
        _lines(axes, compared, trials, converted=converted)
        axes.set_title(f"conversion {'included' if converted else 'left out'}", fontsize=9)
        axes.set_xlabel("share of blocks that are zero")
    panels[1].set_ylabel("")
    names = dict(zip(*reversed(panels[0].get_legend_handles_labels()), strict=True))
    figure.legend(names.values(), names, loc="outside upper center", ncols=len(names), frameon=False)
    what = f"{product.m} x {product.n} x {product.k} {product.dtype} on {compared.device}"
    return caption(figure, f"{what}; blocks of {block[0]}x{block[1]}; bands: expected error.")


def _lines(axes: Axes, compared: Compared, trials: Sequence[Trial], *, converted: bool) -> None:
    families = list(dict.fromkeys(one.candidate for one in trials))
    looks = kernel_marks(["dense", *families])
    dense = compared.dense
    ends = [dense.seconds * (1 + sign * dense.error) for sign in (-1, 1)]
    axes.axhspan(*ends, color=looks["dense"].colour, alpha=0.2, linewidth=0)
    axes.axhline(dense.seconds, color=looks["dense"].colour, linestyle=looks["dense"].dash, label="dense")
    for family in families:
        line = [(one.sparsity, one.time(converted=converted)) for one in trials if one.candidate == family]
        at, times = [sparsity for sparsity, _ in line], [time for _, time in line]
        look = looks[family]
        axes.plot(at, [t.seconds for t in times], color=look.colour, linestyle=look.dash, marker="o",
                  markersize=3, label=family)  # fmt: skip
        low, high = ([t.seconds * (1 + sign * t.error) for t in times] for sign in (-1, 1))
        axes.fill_between(at, low, high, color=look.colour, alpha=0.2, linewidth=0)
    show_times_by_tens(axes, "y", max(dense.seconds, *(one.time(converted=True).seconds for one in trials)), "time")
