"""``simcore evaluate``: the figures and the table of the network study."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.console import terminal_width, warn
from simcore.outputs import is_there

if TYPE_CHECKING:
    from simcore.studies.evaluate_network import Evaluation
    from simcore.studies.network_simulate import State

Announce = Callable[[str], None]
Advance = Callable[[int, int], None]


@click.command("evaluate")
@click.argument("target", metavar="TARGET", default="")
@click.option("--small/--full", "small", default=False, help="Only the first subplot (PIT: sizes of 256), or all.")
@click.option("--resolve", is_flag=True, help="Solve every budget for itself, not only 100 GB/s.")
@click.option("--engine", type=click.Choice(["closed-form", "simulate"]), default="closed-form",
              help="Time points in closed form (the default), or simulate each chunk by chunk.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), help="Processes of the simulation; by default one per core.")
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE",
              help="Keep finished points of the simulation here, to go on from; by default beside -o, or in a "
                   "cache until all are there.")  # fmt: skip
@click.option("--device", help="What pit-... measures: cpu (the default), cuda or cuda:N.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="New directory for CSV, JSON, PNG and PDF.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
@click.option("--force", is_flag=True, help="Replace the directory of -o if it exists.")
def command(
    target: str,
    small: bool,
    resolve: bool,
    engine: str,
    jobs: int | None,
    state: Path | None,
    device: str | None,
    output: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Reproduce a figure or table: of the network study, in closed form or simulated, or of PIT's kernels, measured.

    TARGET is network-fig12 (speed-up), network-fig13 (cost), network-fig14 (performance per cost), network-fig15
    (slowdown on a split made for another workload) or network-table6 (four splits of 325 GB/s);
    pit-fig15 (sparse matrix products), pit-fig16 (the cost of gathering), pit-fig17 (building an index), pit-moe
    (mixture of experts) or pit-sequence (padded against packed).

    \b
    $ simcore evaluate network-fig12 --small
    Speed-up over an equal split of the 2D network
    network  workload  split              100     200     300     325     400     500     600   ...
    ...
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.outputs import check_output

    if output is not None:
        check_output(output, force=force, option="-o")
    points, ours = _points(target, small=small, resolve=resolve, engine=engine, state=state, output=output)
    options = {"small": small, "resolve": resolve, "engine": engine, "jobs": jobs, "state": points, "device": device}
    result: Evaluation | None = None
    try:
        result = _shown(target, options)
        text = result.to_json() if as_json else _report(result)
        if output is not None:
            result.write(output, force=force)
    except KeyboardInterrupt:
        if engine != "simulate":
            raise
        raise KeyboardInterrupt(_interrupted(points, complete=result is not None)) from None
    click.echo(text, nl=not as_json)
    if ours is not None:  # all points are in the result now
        with suppress(OSError):
            ours.unlink()


def cache_directory() -> Path | None:
    """Return where programs of this user keep what can be made again; None for a user without a home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # the specification has others passed over
        return Path(given) / "simcore"
    if sys.platform in {"win32", "darwin"}:
        return Path(click.get_app_dir("simcore", roaming=False))
    home = os.path.expanduser("~")
    return Path(home, ".cache", "simcore") if os.path.isabs(home) else None


def _points(
    target: str, *, small: bool, resolve: bool, engine: str, state: Path | None, output: Path | None
) -> tuple[Path | State | None, Path | None]:
    """Return what keeps finished points, and its file where it is to go once the run is complete.

    That is the file that the user names, else one beside the directory of results, else one in a cache, by inputs.
    """
    from simcore.studies.evaluate_network import TARGETS
    from simcore.studies.network_simulate import Scratch

    if state is not None or engine != "simulate" or target not in TARGETS:
        return state, None
    if output is not None:
        beside = output.with_name(output.name + ".points.jsonl")
        return beside, beside
    folder = cache_directory()
    if folder is None:
        return None, None
    name = target + ("-small" if small else "") + ("-resolve" if resolve else "")
    path = folder / f"{name}.points.jsonl"
    return Scratch(path, warn), path


def _interrupted(points: Path | State | None, *, complete: bool) -> str:
    """Say how to go on after an interruption, before the last point or in what was made of all of them."""
    path = points if points is None or isinstance(points, Path) else points.path
    if path is None:
        return "interrupted; nothing was kept. With -o or --state finished points are, for a later run to go on from"
    if complete and is_there(path):
        return f"interrupted; all points are kept in {path}: run the same command again for what is made of them"
    kept = "finished points are kept" if is_there(path) else "no point was finished"
    return f"interrupted; {kept} in {path}: run the same command again to go on"


def _report(result: Evaluation) -> str:
    from simcore.cli.evaluate_report import measured, report

    width = terminal_width()
    return measured(result, width) if result.target.startswith("pit-") else report(result, width)


def _evaluate(target: str, *, device: str | None, announce: Announce, advance: Advance, **options: Any) -> Evaluation:
    """Call the study that a target belongs to, and refuse options of the other."""
    from simcore.errors import InputError, unknown_name
    from simcore.studies import evaluate_network, evaluate_pit

    targets = [*evaluate_network.TARGETS, *evaluate_pit.TARGETS]
    if not target:
        remedy = "For example: simcore evaluate network-fig12 --small."
        raise InputError("TARGET", "nothing", f"one of {', '.join(targets)}", remedy)
    if target not in targets:
        # a figure without its study is a target's end; what letters alone are close to would be another figure
        ends = " or ".join(f"'{each}'" for each in targets if each.endswith(f"-{target}"))
        if ends:
            raise InputError("TARGET", f"'{target}'", f"one of {', '.join(targets)}", f"Did you mean {ends}?")
        raise unknown_name("TARGET", target, targets)
    if target.startswith("pit-"):
        for name in ("resolve", "jobs", "state"):
            if options[name]:
                raise InputError(f"--{name}", target, "a figure of the network study", f"Leave --{name} out.")
        if options["engine"] != "closed-form":
            raise InputError(
                "--engine", target, "a figure of the network study", "Leave --engine out: pit-... measures."
            )
        return evaluate_pit.evaluate(target, device=device or "cpu", small=options["small"], announce=announce)
    if device is not None:
        raise InputError("--device", target, "a target that is measured: pit-...", "Leave --device out.")
    return evaluate_network.evaluate(target, announce=announce, advance=advance, **options)


def _shown(target: str, options: dict[str, Any]) -> Evaluation:
    """Evaluate, on a terminal with a bar that says what is being solved or simulated."""
    if not sys.stderr.isatty():
        return _evaluate(target, announce=lambda text: None, advance=lambda done, total: None, **options)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("evaluating", total=None)

        def announce(text: str) -> None:
            bar.update(task, description=text)

        def advance(done: int, total: int) -> None:
            bar.update(task, description="simulating", completed=done, total=total)

        return _evaluate(target, announce=announce, advance=advance, **options)
