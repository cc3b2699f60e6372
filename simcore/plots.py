"""What all figures share: colours, canvas, and files with the same bytes for the same data."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which readers with any colour vision tell apart; every series also has a hatch or a dash
COLOURS = ("#7f7f7f", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), "-.")

STYLE: dict[Any, Any] = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "hatch.linewidth": 0.6}
"""Settings of matplotlib for small figures, for `matplotlib.rc_context`."""
DPI = 150
CAPTION = 17  # characters of a line under a figure, per inch


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that needs no display; size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=DPI)


def caption(figure: Figure, text: str) -> Figure:
    """Write under a figure what it shows, in lines that fit, as it is: a dollar sign in a name begins no formula."""
    width = int(CAPTION * figure.get_figwidth())
    figure.supxlabel(
        "\n".join(textwrap.wrap(one_line(text), width, break_on_hyphens=False)), fontsize=7, parse_math=False
    )
    return figure


def save(figure: Figure, stem: Path) -> None:
    """Write a figure as PNG and PDF, without dates, so that the same data gives the same bytes."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "simcore", "pdf.fonttype": 42}), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing"
        )  # a name in letters that the font lacks: boxes stand there
        figure.savefig(f"{stem}.png", dpi=DPI, metadata={"Software": None})
        figure.savefig(f"{stem}.pdf", metadata={"CreationDate": None, "Creator": "simcore", "Producer": None})
