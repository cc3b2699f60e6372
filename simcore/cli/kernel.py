"""``simcore kernel``: predict one kernel and explain it."""

from __future__ import annotations

import click

from simcore.cli.options import StudyCommand
from simcore.studies.kernel.request import MatmulRequest

HELP = """Predict a matrix product of MxK and KxN, dense or with zero blocks in the first matrix.

\b
$ simcore kernel matmul 4096x4096x4096 --profile v100-16gb
dense 4096 x 4096 x 4096 fp32 on v100-16gb: 10.22 ms, 13.45 TFLOP/s
expected error: none measured (published)
"""


@click.group("kernel")
def command() -> None:
    """Predict one kernel on a profiled device, and explain it."""


command.add_command(
    StudyCommand(
        "kernel matmul",
        MatmulRequest,
        "simcore.studies.kernel:matmul",
        help=HELP,
        example="4096x4096x4096 --profile v100-16gb",
        directory=False,
        width=None,
    )
)
