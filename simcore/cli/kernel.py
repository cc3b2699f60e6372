"""``simcore kernel``: predict one kernel and explain it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from simcore.cli.options import StudyCommand
from simcore.errors import field
from simcore.numerals import parse_real
from simcore.studies.kernel.request import BreakEvenRequest, MatmulRequest

HELP = """Predict a matrix product of MxK and KxN, dense or with zero blocks in the first matrix.

\b
$ simcore kernel matmul 4096x4096x4096 --profile v100-16gb
dense 4096 x 4096 x 4096 fp32 on v100-16gb: 10.22 ms, 13.45 TFLOP/s
expected error: none measured (published)
"""


BREAK_EVEN = """Say from which sparsity sparse kernels are faster than the dense product of MxK and KxN.

CSR, BSR and PIT's kernels are measured on the CPU, or on --device, each with its conversion apart. With --profile PIT's
are predicted, and CSR and BSR where the profile has fits of them. A difference inside the expected error is called a
tie.

\b
$ simcore kernel break-even 1024x1024x1024 --granularity 32x1 --profile cpu
"""


@click.group("kernel")
def command() -> None:
    """Predict one kernel on a profiled device, and say from which sparsity sparse kernels pay."""


def read_shares(texts: Sequence[str]) -> tuple[float, ...]:
    """Return the numbers of texts such as ``0.5,0.9``.

    Examples
    --------
    >>> read_shares(["0.5, 0.9", "0.99"])
    (0.5, 0.9, 0.99)
    """
    return tuple(parse_real(each.strip(), field("sparsities")) for text in texts for each in text.split(","))


command.add_command(
    StudyCommand(
        "kernel matmul",
        MatmulRequest,
        "simcore.studies.kernel:matmul",
        help=HELP,
        example="4096x4096x4096 --profile v100-16gb",
        directory=False,
    )
)
command.add_command(
    StudyCommand(
        "kernel break-even",
        BreakEvenRequest,
        "simcore.studies.kernel:break_even",
        help=BREAK_EVEN,
        example="1024x1024x1024 --granularity 32x1",
        read={"sparsities": read_shares},
    )
)
