"""``simcore rates``: predicted step times for the cluster study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.options import OutputFile, StudyCommand
from simcore.errors import field
from simcore.numerals import parse_whole
from simcore.outputs import check_file
from simcore.studies.rates.request import RatesRequest

if TYPE_CHECKING:
    from simcore.studies.rates.result import RatesResult

HELP = """Predict a transformer's seconds per mini-batch on profiled devices.

\b
$ simcore rates --profile v100-16gb --device v100 --model bert-base --name bert --batch 4,8,16 -o rates.csv
"""


def read_batches(texts: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of texts such as ``4,8,16``.

    Raises
    ------
    InputError
        If one is no whole number.

    Examples
    --------
    >>> read_batches(["4,8", "16"])
    (4, 8, 16)
    """
    expected = "whole numbers of at least 1, such as 4,8,16"
    return tuple(parse_whole(each.strip(), field("batches"), expected) for each in ",".join(texts).split(","))


def check_csv(_: RatesRequest, path: Path, force: bool) -> None:
    """Refuse a path that the table cannot be written to."""
    check_file(path, option="-o", force=force)


def write_csv(result: RatesResult, path: Path) -> None:
    """Write the table."""
    result.write_csv(path)


def show(result: Any, outputs: dict[str, Any]) -> None:
    """Print the table, or where it was written."""
    path = outputs["output"]
    if path is None:
        click.echo(result.to_csv(), nl=False)
    else:
        click.echo(f"{path}: {len(result.rates.seconds)} step times; simcore trace --rates {path} reads them")


command = StudyCommand(
    "rates",
    RatesRequest,
    "simcore.studies.rates:rates",
    help=HELP,
    read={"batches": read_batches},
    file=OutputFile("PATH", "CSV file that trace --rates reads.", "Replace FILE if it exists.", check_csv, write_csv),
    show=show,
)
