"""``simcore evaluate``: figures and tables of publications."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.console import warn
from simcore.cli.options import StudyCommand, deliver
from simcore.cli.outputs import output_path
from simcore.cli.values import Whole
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.targets import EXAMPLE, NETWORK
from simcore.units import counted

if TYPE_CHECKING:
    from simcore.results import Result
    from simcore.studies.evaluate.state import State

HELP = """Reproduce a figure or table of the network study, of PIT's kernels (measured), or of Megatron-LM's iterations.

TARGET is network-fig12 (speed-up), network-fig13 (cost), network-fig14 (performance per cost), network-fig15
(slowdown on a split made for another workload) or network-table6 (four splits of 325 GB/s);
pit-fig15 (sparse matrix products), pit-fig16 (the cost of gathering), pit-fig17 (building an index), pit-moe
(mixture of experts) or pit-sequence (padded against packed);
pit-fig8 to pit-fig14 (dynamic sparse models: dense, the best library and PIT, measured here and predicted);
megatron-selene (training iterations of GPTs from 22 billion parameters to a trillion, beside measured ones);
easyscale-fig10 (sharing and packing a GPU), -fig11 (context switches), -fig12 (determinism), -fig13 (the last worker).

\b
$ simcore evaluate network-fig12 --small
Speed-up over an equal split of the 2D network
network  workload  split              100     200     300     325     400 ...
...
"""


class EvaluateCommand(StudyCommand):
    """The command, which keeps the finished points of a simulation until its result is there."""

    def carry_out(self, request: EvaluateRequest, options: dict[str, Any]) -> None:  # type: ignore[override]  # its own
        """Evaluate, and write and print what comes of it."""
        with ExitStack() as stack:  # nobody else has the file of points until the result is complete
            points = _points(request, state=options["state"], output=options["output"])
            kept = None if points is None or isinstance(points, Path) else stack.enter_context(points)
            result: Result | None = None
            try:
                result = self.result(request, options | {"state": points})
                deliver(result, options)
            except KeyboardInterrupt:
                if kept is None:
                    raise
                raise KeyboardInterrupt(_interrupted(kept, complete=result is not None)) from None
            if kept is not None and options["state"] is None:  # all points are in the result now
                kept.remove()


def _points(request: EvaluateRequest, *, state: Path | None, output: Path | None) -> Path | State | None:
    """Return what keeps finished points; of a run that is no simulation the option as it was given.

    That is the file that the user names, else one beside the directory of results, else one in a cache, by inputs.
    """
    from simcore.studies.evaluate import state as files

    if request.engine != "simulate" or request.target not in NETWORK.titles:
        return state
    if state is not None:
        return files.State(state)
    if output is not None:
        return files.State(output.with_name(output.name + ".points.jsonl"))
    folder = files.cache_directory()
    name = request.target + ("-small" if request.small else "") + ("-resolve" if request.resolve else "")
    return files.Scratch(None if folder is None else folder / f"{name}.points.jsonl", warn)


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


@contextmanager
def _runtime(_: EvaluateRequest, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give processes and state."""
    yield {"jobs": options["jobs"], "state": options["state"]}


command = EvaluateCommand(
    "evaluate",
    EvaluateRequest,
    "simcore.studies.evaluate:evaluate",
    help=HELP,
    example=EXAMPLE,
    runtime=_runtime,
    extra=[
        click.Option(["--jobs"], type=Whole(1), help="Processes of the simulation; by default one per core."),
        click.Option(
            ["--state"], callback=output_path, metavar="FILE",
            help="Keep finished points of the simulation here, to go on from; by default beside -o, or in a "
                 "cache until all are there.",
        ),
    ],
)  # fmt: skip
