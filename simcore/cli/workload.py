"""``simcore workload``: what a trace holds."""

from __future__ import annotations

from typing import Any

import click

from simcore.cli.options import StudyCommand
from simcore.studies.workload.request import WorkloadRequest

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


@click.command("synthesise", help=SYNTHESISE)
@click.option("--like", metavar="FILE", required=True, help="A trace of durations, simcore's own or a public one.")
@click.option("--jobs", type=click.IntRange(1, 100_000_000), required=True, help="How many jobs.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random numbers.")
@click.option("--format", "file_format", metavar="NAME", help="Format of FILE; by default its beginning decides.")
@click.option("--keep-going", is_flag=True, help="Leave out rows that cannot run, and say how many.")
@click.option("-o", "--output", metavar="OUT", required=True, help="The CSV file that is written.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def synthesise(
    like: str, jobs: int, seed: int, file_format: str | None, keep_going: bool, output: str, force: bool
) -> None:
    """Write a trace that is like another one."""
    from pathlib import Path

    from simcore.outputs import check_file, write_atomic
    from simcore.studies.workload.synthesise import trace_like

    check_file(Path(output), option="-o", force=force)
    text, notes = trace_like(like, jobs, seed, file_format=file_format, keep_going=keep_going)
    for note in notes:
        click.echo(f"simcore: warning: {note}", err=True)
    write_atomic(Path(output), text)
    click.echo(f"simcore: wrote {output}", err=True)


class WorkloadCommand(StudyCommand):
    """``workload FILE``, and ``workload synthesise`` beside it."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> click.Context:
        """Hand over to the command that the first word names."""
        if args and args[0] == "synthesise":
            return synthesise.make_context("workload synthesise", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


command = WorkloadCommand(
    "workload",
    WorkloadRequest,
    "simcore.studies.workload:workload",
    help=HELP,
    example="week.csv --cluster philly.yaml",
)
