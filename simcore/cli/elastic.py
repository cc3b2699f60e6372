"""``simcore elastic``: elastic training on real processes."""

from __future__ import annotations

from collections.abc import Sequence

import click

from simcore.cli.options import StudyCommand
from simcore.studies.elastic.request import ElasticRequest

HELP = """Train a model with logical workers that share processes, and compare it with DistributedDataParallel.

The processes change between stages, through a checkpoint. Losses, weights and buffers are compared bit for bit.

\b
$ simcore elastic run mlp --workers 4 --stages "4x1, 2x2, 1x2+2x1@alt"
...
"""


@click.group("elastic")
def command() -> None:
    """Train a real model on processes that change, and hold it against training on a fixed number of them."""


def read_stages(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the stages of texts such as ``4x1, 2x2``.

    Examples
    --------
    >>> read_stages(["4x1, 2x2", "1x4"])
    ('4x1', '2x2', '1x4')
    """
    return tuple(part.strip() for text in texts for part in text.split(","))


command.add_command(
    StudyCommand(
        "elastic run",
        ElasticRequest,
        "simcore.studies.elastic:elastic",
        help=HELP,
        example="mlp --workers 4 --stages '4x1, 2x2'",
        read={"stages": read_stages},
    )
)
