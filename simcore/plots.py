"""What all figures share: colours by name, units of time, captions, and files with the same bytes for the same data."""

from __future__ import annotations

import math
import re
import textwrap
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from simcore.errors import InputError, one_line, unknown_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which readers with any colour vision tell apart; every series also has a hatch or a dash
COLOURS = ("#7f7f7f", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
GREY, SKY, ORANGE, GREEN, PINK, BLUE, RED, YELLOW = COLOURS
INK, LINE, FILL, PALE = "#222222", "#555555", "#BBBBBB", "#EEEEEE"
"""Greys: of outlines and thin lines, of lines behind data, of large areas, of bands."""
MORE_COLOURS = ("#332288", "#882255", "#999933", "#661100", "#DDCC77", "#117733")
"""Six of Paul Tol's muted colours, for names that have no colour of their own."""
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), "-.")

STYLE: dict[Any, Any] = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "hatch.linewidth": 0.6}
"""Settings of matplotlib for small figures, for `matplotlib.rc_context`."""
DPI = 150
FIGURES = ("png", "pdf")
"""Formats that a figure is written in unless others are asked for."""
CAPTION = 17  # characters of a line under a figure, per inch
CAPTION_SHARE = 1 / 6  # of the picture's height that a caption may take
CAPTION_SIZE = 7.0  # [points]
_LINE = 1.25  # height of a caption's line, of its size
_DECADES = 1e3  # ratio of the ends of a logarithmic axis from which tens alone have a tick
_APART = 2.5  # ratio of times on a logarithmic axis whose names stand beside each other
_MARGIN = 6.0  # around a caption [points]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that needs no display; size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=DPI)


@dataclass(frozen=True)
class Mark:
    """How one name is drawn, as a bar or as a line.

    Attributes
    ----------
    colour : str
        Of the name alone: the same in every figure and run.
    hatch : str
        Of bars.
    dash : str or tuple
        Line style. Names of one figure that share a colour differ in hatch or in dash.
    """

    colour: str
    hatch: str
    dash: Any


def marks(
    names: Iterable[str], own: Sequence[str] = (), family: Callable[[str], str] = lambda name: name
) -> dict[str, Mark]:
    """Return how each name is drawn. Its colour follows from the name alone, whatever stands beside it.

    Parameters
    ----------
    names : iterable of str
        The names of a figure; one that comes twice counts once.
    own : sequence of str
        Names that have a colour of their own, in the order of `COLOURS`: always give the same list. Any other name
        takes one of the colours that are left, by its letters.
    family : callable
        Gives what a name's colour follows from, such as the kernel of a variant.

    Examples
    --------
    >>> both = marks(["fifo", "mine"], ["yarn-cs", "fifo"])
    >>> both["fifo"].colour, both["mine"] == marks(["mine"], ["yarn-cs", "fifo"])["mine"]
    ('#56B4E9', True)
    """
    palette = (*COLOURS, *MORE_COLOURS)
    known = {name: index % len(palette) for index, name in enumerate(own)}
    left = range(len(own) if len(own) < len(palette) else 0, len(palette))
    families = {name: family(name) for name in dict.fromkeys(names)}
    chosen = {name: known.get(of, left[zlib.crc32(of.encode()) % len(left)]) for name, of in families.items()}
    earlier: dict[int, int] = {}
    found = {}
    for name in sorted(chosen):  # not in the order of the figure, which says nothing of a name
        index = chosen[name]
        turn = index + earlier.get(index, 0)
        earlier[index] = earlier.get(index, 0) + 1
        found[name] = Mark(palette[index], HATCHES[turn % len(HATCHES)], DASHES[turn % len(DASHES)])
    return {name: found[name] for name in chosen}


def bare_axes(axes: Axes) -> None:
    """Leave out the frame above and to the right, and draw lines of the y axis' grid behind everything."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)


KERNELS = (
    "dense", "csr", "bsr", "pit", "blocks", "gemm", "conv", "stream", "attention", "index", "launch", "rows", "moe",
    "sequence",
)  # fmt: skip
"""Families of kernels that have a colour of their own, the same in every figure."""


def kernel_marks(names: Iterable[str]) -> dict[str, Mark]:
    """Return how kernels are drawn, see `marks`; variants of one have its colour and another hatch.

    Examples
    --------
    >>> kernel_marks(["pit"])["pit"] == kernel_marks(["dense", "csr", "pit"])["pit"]
    True
    >>> both = kernel_marks(["pit-k", "PIT with index"])
    >>> both["pit-k"].colour == both["PIT with index"].colour, both["pit-k"] == both["PIT with index"]
    (True, False)
    """
    return marks(names, KERNELS, kernel_family)


def kernel_family(name: str) -> str:
    """Return the kernel of which a name tells a variant, or the name.

    Examples
    --------
    >>> kernel_family("direct_conv_weight_gradient"), kernel_family("CSR, conversion left out"), kernel_family("mine")
    ('conv', 'csr', 'mine')
    """
    return next((word for word in re.split(r"[\W_]+", name.lower()) if word in KERNELS), name)


@dataclass(frozen=True)
class TimeUnit:
    """A unit that times are shown in: divide by `seconds` and write `name`."""

    name: str
    seconds: float


TIME_UNITS = (
    TimeUnit("days", 86_400.0),
    TimeUnit("h", 3_600.0),
    TimeUnit("min", 60.0),
    TimeUnit("s", 1.0),
    TimeUnit("ms", 1e-3),
    TimeUnit("us", 1e-6),
    TimeUnit("ns", 1e-9),
)


def time_unit(longest: float) -> TimeUnit:
    """Return the unit in which times up to a longest one are easy to read: the largest of which it has two.

    Seconds and smaller units fit from one of them.

    Parameters
    ----------
    longest : float
        The longest time of an axis [s].

    Examples
    --------
    >>> [time_unit(longest).name for longest in (2.5e6, 16_380.0, 90.0, 0.02, 0.0)]
    ['days', 'h', 's', 'ms', 's']
    """
    if not longest > 0.0 or not math.isfinite(longest):
        return TimeUnit("s", 1.0)
    return next((u for u in TIME_UNITS if longest >= u.seconds * (2.0 if u.seconds > 1.0 else 1.0)), TIME_UNITS[-1])


def digits(value: float, least: int = 3) -> str:
    """Write a value with all digits before the point, and at least so many in all.

    Examples
    --------
    >>> digits(0.18964), digits(2.4719), digits(12345.6), digits(0.0)
    ('0.190', '2.47', '12,346', '0')
    """
    if not value or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:,.{max(0, least - 1 - math.floor(math.log10(abs(value)) + 1e-12))}f}"


def show_times(axes: Axes, which: Literal["x", "y"], longest: float, label: str) -> TimeUnit:
    """Label an axis whose data are in seconds in the unit that fits, with round numbers of that unit at its ticks.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Whose.
    which : {'x', 'y'}
        The axis.
    longest : float
        The longest time on it [s].
    label : str
        What the times are; the unit is added.

    Returns
    -------
    TimeUnit
        The unit.
    """
    import numpy as np
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    unit = time_unit(longest)

    class Round(MaxNLocator):
        """Ticks at round numbers of the unit."""

        def tick_values(self, vmin: float, vmax: float) -> Any:
            return np.asarray(super().tick_values(vmin / unit.seconds, vmax / unit.seconds)) * unit.seconds

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(Round(nbins=9, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{round(seconds / unit.seconds, 9):,g}"))
    axis.set_label_text(f"{label} [{unit.name}]")
    return unit


def show_times_by_logarithm(axes: Axes, shortest: float, longest: float, label: str) -> None:
    """Make x a logarithmic axis of seconds with ticks at times that have a name: 1 s, 1 min, 1 h, 1 day."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    low, high = shortest / 1.3, longest * 1.3
    ticks = _named_times(low, high)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    axes.xaxis.set_major_formatter(FixedFormatter([text for _, text in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{label}, logarithmic")


def show_times_by_tens(axes: Axes, which: Literal["x", "y"], longest: float, label: str) -> TimeUnit:
    """Make an axis whose data are in seconds logarithmic, with 1, 2 and 5 of each ten of the unit at its ticks.

    Parameters and result are those of `show_times`; a unit is no longer than a second.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    unit = time_unit(min(longest, 1.0))
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < _DECADES * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{float(f'{seconds / unit.seconds:.6g}'):,g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(f"{label}, logarithmic [{unit.name}]")
    return unit


def mark_beyond(axes: Axes, at: Sequence[float], low: float, high: float, y: Sequence[float], colour: str) -> None:
    """Mark values that lie beyond the edges of x by arrows at the edge: ``<`` and ``>``."""
    below = [row for x, row in zip(at, y, strict=True) if x < low]
    above = [row for x, row in zip(at, y, strict=True) if x > high]
    for edge, marker, rows in ((low, "<", below), (high, ">", above)):
        if rows:  # a line without points that is not clipped lies at the picture's corner for the layout
            axes.plot([edge] * len(rows), rows, marker, color=colour, markersize=4, linestyle="none", clip_on=False)


def _named_times(low: float, high: float) -> list[tuple[float, str]]:
    """Return round times from `low` to `high` with their names, so far apart that their names fit [s]."""
    steps = (1, 3, 10, 30, 100, 300) if high < 3000.0 * low else (1, 10, 100)
    steps = (*steps, 1000, 10_000, 100_000)
    named: list[tuple[float, str]] = []
    for unit, larger in zip(TIME_UNITS, (math.inf, *(each.seconds for each in TIME_UNITS)), strict=False):
        for n in (n for n in reversed(steps) if n * unit.seconds < larger and low <= n * unit.seconds <= high):
            if not named or n * unit.seconds * _APART < named[-1][0]:
                named.append((n * unit.seconds, "1 day" if (n, unit.name) == (1, "days") else f"{n:,} {unit.name}"))
    return named[::-1]


def caption(figure: Figure, text: str) -> Figure:
    """Write under a figure what it shows, in lines that fit, as it is: a dollar sign in a name begins no formula.

    A text that would take more than `CAPTION_SHARE` of the picture ends after the last sentence that fits whole; where
    not even the first does, it is cut off. The files beside the figure say it all.
    """
    width = int(CAPTION * figure.get_figwidth())
    room = 72.0 * figure.get_figheight() * CAPTION_SHARE - _MARGIN
    lines = max(1, int(room / (CAPTION_SIZE * _LINE)))
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", one_line(text))
    shortened = (" ".join(sentences[:count]) for count in range(len(sentences), 0, -1))
    broken = (_wrap(each, width) for each in shortened)
    wrapped = next((each for each in broken if len(each) <= lines), None) or _wrap(sentences[0], width, lines)
    figure.supxlabel("\n".join(wrapped), fontsize=CAPTION_SIZE, parse_math=False)
    return figure


def _wrap(text: str, width: int, lines: int | None = None) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, max_lines=lines, placeholder=" ...")


def without_caption(figure: Figure) -> Figure:
    """Take a figure's caption away, for those who write their own."""
    figure.supxlabel("")
    return figure


def formats(words: Iterable[str], place: str = "figures") -> tuple[str, ...]:
    """Return the formats that words name, each once, in any case.

    Raises
    ------
    InputError
        If one is none of `FORMATS`, or there is none.

    Examples
    --------
    >>> formats(["SVG", "png", "svg"])
    ('svg', 'png')
    """
    lower = [word.strip().lower() for word in words]
    if not lower:
        raise InputError(place, "no format", f"some of {', '.join(FORMATS)}")
    for word in lower:
        if word not in FORMATS:
            raise unknown_name(place, word, FORMATS)
    return tuple(dict.fromkeys(lower))


def save(figure: Figure, stem: Path, kinds: Iterable[str] = FIGURES) -> list[Path]:
    """Write a figure in several formats, without dates, so that the same data gives the same bytes.

    Each is drawn in memory first: a disk that fills leaves an error of the system's, and no half of a file's writer.
    """
    paths = {each: stem.with_name(f"{stem.name}.{each}") for each in formats(kinds)}
    for each, path in paths.items():
        path.write_bytes(drawn(figure, each))
    return list(paths.values())


def drawn(figure: Figure, kind: str) -> bytes:
    """Return a figure as the bytes of a file."""
    import io

    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "simcore", "pdf.fonttype": 42}), warnings.catch_warnings():
        # a name in letters that the font lacks: boxes stand there
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=_METADATA[kind])
    return buffer.getvalue()


_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": "simcore"},
    "pdf": {"CreationDate": None, "Creator": "simcore", "Producer": None},
    "svg": {"Date": None, "Creator": "simcore"},
}
FORMATS = tuple(_METADATA)
"""Formats that a figure can be written in."""
