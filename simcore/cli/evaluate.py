"""``simcore evaluate``: the figures and the table of the network study."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.console import terminal_width, warn
from simcore.units import counted

if TYPE_CHECKING:
    from simcore.studies.evaluate.network import Evaluation
    from simcore.studies.evaluate.state import State

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
    with ExitStack() as stack:  # nobody else has the file of points until the result is complete
        points = _points(target, small=small, resolve=resolve, engine=engine, state=state, output=output)
        kept = None if points is None or isinstance(points, Path) else stack.enter_context(points)
        options = {"small": small, "resolve": resolve, "engine": engine, "jobs": jobs, "device": device}
        result: Evaluation | None = None
        try:
            result = _shown(target, options | {"state": points})
            text = result.to_json() if as_json else _report(result)
            if output is not None:
                result.write(output, force=force)
        except KeyboardInterrupt:
            if kept is None:
                raise
            raise KeyboardInterrupt(_interrupted(kept, complete=result is not None)) from None
        click.echo(text, nl=not as_json)
        if kept is not None and state is None:  # all points are in the result now
            kept.remove()


def _points(
    target: str, *, small: bool, resolve: bool, engine: str, state: Path | None, output: Path | None
) -> Path | State | None:
    """Return what keeps finished points; of a run that is no simulation the option as it was given.

    That is the file that the user names, else one beside the directory of results, else one in a cache, by inputs.
    """
    from simcore.studies.evaluate import state as network_state
    from simcore.studies.evaluate.network import TARGETS

    if engine != "simulate" or target not in TARGETS:
        return state
    if state is not None:
        return network_state.State(state)
    if output is not None:
        return network_state.State(output.with_name(output.name + ".points.jsonl"))
    folder = network_state.cache_directory()
    name = target + ("-small" if small else "") + ("-resolve" if resolve else "")
    return network_state.Scratch(None if folder is None else folder / f"{name}.points.jsonl", warn)


def _interrupted(points: State, *, complete: bool) -> str:
    """Say how to go on after an interruption, before the last point or in what was made of all of them."""
    if points.path is None:
        return "interrupted; nothing was kept. With -o or --state finished points are, for a later run to go on from"
    count = points.kept
    if not count:
        return "interrupted; no point was finished: run the same command again to start anew"
    if complete:
        return f"interrupted; all points are kept in {points.path}: run the same command again for what is made of them"
    kept = f"{counted(count, 'finished point')} {'is' if count == 1 else 'are'} kept"
    return f"interrupted; {kept} in {points.path}: run the same command again to go on"


def _report(result: Evaluation) -> str:
    from simcore.cli.evaluate_report import measured, report

    width = terminal_width()
    return measured(result, width) if result.target.startswith("pit-") else report(result, width)


def _evaluate(target: str, *, device: str | None, announce: Announce, advance: Advance, **options: Any) -> Evaluation:
    """Call the study that a target belongs to, and refuse options of the other."""
    from simcore.errors import InputError, unknown_name
    from simcore.studies.evaluate import network as evaluate_network
    from simcore.studies.evaluate import pit as evaluate_pit

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
