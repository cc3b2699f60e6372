"""``simcore workload``: what a trace holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import click

from simcore.cli.options import StudyCommand
from simcore.cli.outputs import OutputFile
from simcore.studies.workload.request import SynthesiseRequest, WorkloadRequest

HELP = """Say what a trace holds: jobs, users, VCs, gangs, durations, arrivals, load, and what is odd.

FILE is a trace of durations: simcore's own, or a public one such as Philly's or Helios'.

\b
Examples:
  simcore workload philly.csv --keep-going
  simcore workload week.csv --cluster philly.yaml -o philly-week
  simcore workload synthesise --like week.csv --jobs 100000 -o synthetic.csv
"""

SYNTHESISE = """Write a trace that is like another one.

Each job has the gang, duration, virtual cluster and user of a random job of FILE. Jobs arrive as often as there,
and in the same hours of the day.
"""


def write_trace(result: Any, outputs: Mapping[str, Any]) -> None:
    """Write the trace."""
    result.write_trace(outputs["output"])


def show_trace(result: Any, outputs: dict[str, Any]) -> None:
    """Print the trace where it goes to no file."""
    if outputs["output"] is None:
        click.echo(result.to_csv(), nl=False)


synthesise = StudyCommand(
    "workload synthesise",
    SynthesiseRequest,
    "simcore.studies.workload:synthesise",
    help=SYNTHESISE,
    example="--like week.csv --jobs 1000 -o longer.csv",
    file=OutputFile("OUT", "CSV file; without it the trace is printed.", "trace", write_trace),
    show=show_trace,
)


class WorkloadCommand(StudyCommand):
    """``workload FILE``, and ``workload synthesise`` beside it.

    Attributes
    ----------
    beside : dict of str to click.Command
        Commands of their own, by their first word.
    """

    beside: ClassVar[Mapping[str, click.Command]] = {"synthesise": synthesise}

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> click.Context:
        """Hand over to the command that the first word names."""
        if args and args[0] in self.beside:
            return self.beside[args[0]].make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


command = WorkloadCommand(
    "workload",
    WorkloadRequest,
    "simcore.studies.workload:workload",
    help=HELP,
    example="week.csv --cluster philly.yaml",
)
