"""``simcore calibrate``: measure the kernels of this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simcore.calibrate.plan import PASSES, TIME_LIMIT
from simcore.calibrate.suites.registry import SUITES

if TYPE_CHECKING:
    from simcore.models.compute.profile import Fit
    from simcore.models.compute.sparse.noise import MeasuredTiles

# rich is not used here: a machine that calibrates may have torch and little else


def show_progress(done: int, total: int, what: str) -> None:
    """Show what is measured: one line on a terminal, else every fiftieth as a line of its own."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K[{done}/{total}] {what}", nl=what.startswith("done"), err=True)
    elif done % 50 == 0 or what.startswith("done"):
        click.echo(f"[{done}/{total}] {what}", err=True)


def show_errors(one: Fit | MeasuredTiles, which: str) -> None:
    """Print the line of a kernel in a number format."""
    errors = one.errors
    shown = "-" if errors is None else f"MAPE {errors.mape:6.1%}  P90 {errors.p90:6.1%}  bias {errors.bias:+7.1%}"
    click.echo(f"  {one.kernel:20} {one.dtype:5} {shown}  ({which}){'  NOISY' if one.noisy else ''}")


@click.command("calibrate")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda|cuda:N", help="What to measure.")
@click.option(
    "--suite",
    metavar="NAME,NAME,...",
    help=f"Some of {', '.join(SUITES)}; the last three are sparse kernels.  [all]",
)
@click.option("--quick/--full", "quick", default=True, help="Fewer or more shapes and repeats.  [quick]")
@click.option(
    "-o", "output", type=click.Path(path_type=Path), help="The profile; one that is there is carried on with."
)
@click.option(
    "--time-limit",
    "limit",
    type=float,
    metavar="SECONDS",
    help=f"Begin nothing after so long.  [{TIME_LIMIT[False]:g}, full: {TIME_LIMIT[True]:g}]",
)
@click.option("--force", is_flag=True, help="Start anew instead.")
def command(device: str, suite: str | None, quick: bool, output: Path | None, limit: float | None, force: bool) -> None:
    """Measure the kernels of this machine and fit a profile to them.

    On the CPU one thread is measured, by its own CPU time. The profile is written as it goes: stop at any time and run
    the same command to carry on.

    \b
    $ simcore calibrate --quick -o mine.json
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.errors import RunError
    from simcore.models.compute.sparse.noise import measured_tiles
    from simcore.models.compute.unfitted import unfitted
    from simcore.studies.calibrate.run import calibrate, default_output

    suites = SUITES if suite is None else tuple(name.strip() for name in suite.split(","))
    try:
        found, path = calibrate(
            device, suites, output, full=not quick, force=force, limit=limit, progress=show_progress
        )
    except KeyboardInterrupt:
        path = output or default_output(device)
        kept = f"what was measured is kept in {path}: run the same command without --force to carry on"
        raise KeyboardInterrupt(f"interrupted; {kept if path.exists() else 'nothing was measured yet'}") from None
    profile = found.profile
    for line in found.skipped:
        click.echo(f"simcore: warning: skipped {line}", err=True)
    if found.missing:
        click.echo(f"simcore: warning: time was over before {found.missing} cases were measured", err=True)
    for line in unfitted(profile):
        click.echo(f"simcore: warning: no fit of {line}", err=True)
    click.echo(f"{path}: {len(profile.samples)} samples, {len(profile.fits)} fits, sha256 {profile.sha256}")
    if found.passes < PASSES:
        click.echo(f"{found.passes} of {PASSES} passes: run the same command without --force to add the others")
    for fit in profile.fits:
        show_errors(fit, "held out" if fit.held_out else "fitted")
    for tiles in measured_tiles(profile):
        show_errors(tiles, tiles.described if tiles.errors is None else f"held out; {tiles.described}")
    if found.wrong:
        others = "what else was measured is in the profile"
        raise RunError(f"{others}, but not the kernels whose output is wrong: {'; '.join(found.wrong)}")
