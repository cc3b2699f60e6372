"""Inputs of ``simcore calibrate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.calibrate.plan import TIME_LIMIT
from simcore.calibrate.suites.registry import SUITES
from simcore.studies.request import Request, option


class CalibrateRequest(Request):
    """A device to be measured, and the profile that the measurements go to."""

    study = "calibrate"

    device: str = option(
        default="cpu", metavar="cpu|cuda|cuda:N|NAME", help="What to measure; beside --from, a device of the zoo."
    )
    measurements: str | Path | None = option(
        default=None, flag="--from", metavar="TABLE", help="Measure nothing: fit to a table of measured kernels."
    )
    rest: str | Path | None = option(
        default=None,
        metavar="NAME|FILE",
        help="Beside --from: a profile of the same chip; scaled by the clocks, it gives what the table lacks.",
    )
    network: str | Path | None = option(
        default=None,
        metavar="NAME|FILE",
        help="Beside --from: fit the collectives of this network to the table, or to what nccl-tests print.",
    )
    source: str = option(default="", metavar="TEXT", help="Where that table is from, and its licence.")
    suites: Sequence[str] = option(
        default=SUITES,
        flag="--suite",
        many=True,
        metavar="NAME,NAME,...",
        help=f"Some of {', '.join(SUITES)}; the last four are sparse kernels. slapo, and easyscale (logical "
        "workers), run where they are named.  [default: all but slapo and easyscale]",
    )
    full: bool = option(
        default=False, flag="--full/--quick", help="More or fewer shapes and repeats.  [default: quick]"
    )
    output: str | Path | None = option(
        default=None,
        flag="-o",
        metavar="PATH",
        written=True,
        help="The profile; one that is there is carried on with. By default it is named after the device.",
    )
    limit: float | None = option(
        default=None,
        flag="--time-limit",
        above=0,
        metavar="SECONDS",
        unit="s",
        help=f"Begin nothing after so long.  [default: {TIME_LIMIT[False]:g}, full: {TIME_LIMIT[True]:g}]",
    )
    force: bool = option(default=False, help="Start anew instead; a file that simcore did not write stays.")
