"""``simcore evaluate``: the figures and the table of the network study."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from simcore.studies.evaluate_network import Evaluation


@click.command("evaluate")
@click.argument("target", metavar="TARGET")
@click.option("--small/--full", "small", default=False, help="Only network 2D with workload 17B, or all (the default).")
@click.option("--resolve", is_flag=True, help="Solve every budget for itself, not only 100 GB/s.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="New directory for CSV, JSON, PNG and PDF.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
@click.option("--force", is_flag=True, help="Replace the directory of -o if it exists.")
def command(target: str, small: bool, resolve: bool, output: Path | None, as_json: bool, force: bool) -> None:
    """Reproduce a figure or table of the network study from the closed form.

    TARGET is network-fig12 (speed-up), network-fig13 (cost), network-fig14 (performance per cost), network-fig15
    (slowdown on a split made for another workload) or network-table6 (four splits of 325 GB/s).

    \b
    $ simcore evaluate network-fig12 --small
    Speed-up over an equal split of the 2D network
    network workload allocation         100   200   300   400   500   600   700   800   900   1000
    ...
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.cli.evaluate_report import report
    from simcore.outputs import check_output
    from simcore.studies.evaluate_network import evaluate

    if output is not None:
        check_output(output, force=force)
    evaluate_shown = _with_progress if sys.stderr.isatty() else evaluate
    result = evaluate_shown(target, small=small, resolve=resolve)
    if output is not None:
        result.write(output, force=force)
    click.echo(result.to_json() if as_json else report(result), nl=not as_json)


def _with_progress(target: str, *, small: bool, resolve: bool) -> Evaluation:
    """Evaluate with a line on a terminal that says what is being solved."""
    from rich.console import Console

    from simcore.studies.evaluate_network import evaluate

    with Console(stderr=True).status("evaluating") as status:
        return evaluate(target, small=small, resolve=resolve, announce=lambda text: status.update(f"solving {text}"))
