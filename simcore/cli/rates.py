"""``simcore rates``: predicted step times for the cluster study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.options import StudyCommand
from simcore.cli.outputs import OutputFile
from simcore.errors import field
from simcore.numerals import parse_whole
from simcore.outputs import is_there
from simcore.studies.rates.request import PUBLISHED, RatesRequest

if TYPE_CHECKING:
    from simcore.studies.rates.result import RatesResult

HELP = """Predict models' seconds per mini-batch on profiled devices.

\b
$ simcore rates --models bert --devices v100,t4 --batch published
"""


def read_list(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of texts such as ``bert,resnet50``; the path of a file may hold commas.

    Examples
    --------
    >>> read_list(["bert, resnet50", "vgg19"])
    ('bert', 'resnet50', 'vgg19')
    """
    each = (
        (text,) if "," not in text or is_there(Path(text)) else (part.strip() for part in text.split(","))
        for text in texts
    )
    return tuple(one for parts in each for one in parts)


def read_batches(texts: Sequence[str]) -> tuple[int | str, ...]:
    """Return the numbers of texts such as ``4,8,16``, or the word for those that were published.

    Raises
    ------
    InputError
        If one is no whole number.

    Examples
    --------
    >>> read_batches(["4,8", "16"]), read_batches(["published"])
    ((4, 8, 16), ('published',))
    """
    parts = [part.strip() for part in ",".join(texts).split(",")]
    if parts == [PUBLISHED]:
        return (PUBLISHED,)
    expected = f"whole numbers of at least 1, such as 4,8,16, or '{PUBLISHED}'"
    return tuple(parse_whole(part, field("batches"), expected) for part in parts)


def write_csv(result: RatesResult, outputs: Mapping[str, Any]) -> None:
    """Write the table."""
    result.write_csv(outputs["output"])


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
    read={
        "batches": read_batches,
        **dict.fromkeys(("models", "devices", "profiles", "names", "fit_on"), read_list),
    },
    file=OutputFile("PATH", "CSV file that trace --rates reads.", "step times", write_csv),
    show=show,
)
