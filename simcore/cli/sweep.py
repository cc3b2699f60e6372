"""``simcore sweep``: a study at many values and seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.options import StudyCommand, deliver
from simcore.cli.outputs import check_outputs
from simcore.studies.trace.sweep.request import TraceSweepRequest
from simcore.units import counted

if TYPE_CHECKING:
    from simcore.studies.trace.sweep.kept import Kept

HELP = """Run a trace at every combination of some options' values, each over the same seeds.

Each metric comes with its 95 % confidence interval over seeds. With -o DIR a run is kept as soon as it is finished:
the same command goes on from there. Seeds vary generated traces, --resample, random placement and noisy estimates.

\b
$ simcore sweep trace synthetic --vary policy=fifo,srtf,load=0.6,0.9 --seeds 3
...
"""


@click.group("sweep")
def command() -> None:
    """Run a study at many values and seeds, on all cores or on a cluster."""


class TraceSweepCommand(StudyCommand):
    """``sweep trace``, whose output directory keeps finished runs and is gone on with."""

    def _finish(self, given: dict[str, Any], extra: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Check the outputs but for the directory, which may hold runs of this very sweep, and run."""
        if outputs["output"] is None:
            check_outputs(outputs)
        self.carry_out(TraceSweepRequest(**given), extra | outputs)

    def carry_out(self, request: TraceSweepRequest, options: dict[str, Any]) -> None:  # type: ignore[override]  # its own
        """Sweep, and write and print what comes of it."""
        from simcore.studies.parallel import checked_jobs
        from simcore.studies.trace.sweep.kept import Kept
        from simcore.studies.trace.sweep.run import requested

        checked_jobs(options["jobs"])
        kept = Kept(options["output"], requested(request), force=options["force"])
        try:
            result = self.result(request, options | {"keep": kept})
            deliver(result, options | {"force": True})
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_interrupted(kept)) from None


def _interrupted(kept: Kept) -> str:
    """Say how to go on after an interruption."""
    if kept.folder is None:
        return "interrupted; nothing was kept. With -o DIR finished runs are, for a later run to go on from"
    runs = counted(kept.finished, "finished run")
    return f"interrupted; {runs} kept in {kept.folder}: run the same command again to go on"


@contextmanager
def _runtime(_: TraceSweepRequest, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give processes, and the folder of finished runs."""
    yield {"jobs": options["jobs"], "keep": options["keep"]}


command.add_command(
    TraceSweepCommand(
        "sweep trace",
        TraceSweepRequest,
        "simcore.studies.trace.sweep:trace_sweep",
        help=HELP,
        example="synthetic:jobs=100 --vary policy=fifo,srtf --seeds 5",
        runtime=_runtime,
        extra=[
            click.Option(
                ["--jobs"],
                metavar="all|K|dask://HOST",
                default="1",
                help="Processes: all cores, so many, or the workers of a dask cluster.  [default: 1]",
            )
        ],
    )
)
