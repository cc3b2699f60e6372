"""``simcore kernel``: predict one kernel and explain it."""

from __future__ import annotations

import click


@click.group("kernel")
def command() -> None:
    """Predict one kernel on a profiled device, and explain it."""


@command.command("matmul")
@click.argument("shape", metavar="MxNxK")
@click.option("--profile", required=True, metavar="NAME|FILE", help="The device.")
@click.option("--dtype", default="fp32", show_default=True, metavar="TEXT", help="fp32, tf32, fp16, bf16 or fp64.")
@click.option("--sparsity", default=0.0, show_default=True, help="Share of the first matrix's blocks that are zero.")
@click.option("--granularity", default="1x1", show_default=True, metavar="HxW", help="Shape of such a block.")
@click.option("--extrapolate", is_flag=True, help="Predict shapes outside the measured range, and say so.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
def matmul_command(
    shape: str, profile: str, dtype: str, sparsity: float, granularity: str, extrapolate: bool, as_json: bool
) -> None:
    """Predict a matrix product of MxK and KxN, dense or with zero blocks in the first matrix.

    \b
    $ simcore kernel matmul 4096x4096x4096 --profile v100-32gb
    dense 4096 x 4096 x 4096 fp32 on v100-32gb: 10.22 ms, 13.45 TFLOP/s
    expected error: none measured (published)
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.results import to_json
    from simcore.studies.kernel.run import matmul

    result = matmul(shape, profile, dtype=dtype, sparsity=sparsity, granularity=granularity, extrapolate=extrapolate)
    click.echo(to_json(result.as_dict()) if as_json else "\n".join(result.lines), nl=not as_json)
