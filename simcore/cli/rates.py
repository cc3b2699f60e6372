"""``simcore rates``: predicted step times for the cluster study."""

from __future__ import annotations

from pathlib import Path

import click

from simcore.cli.console import warn
from simcore.errors import InputError


@click.command("rates")
@click.option("--profile", "profiles", multiple=True, required=True, metavar="NAME|FILE", help="Repeat for more GPUs.")
@click.option("--model", "models", multiple=True, required=True, metavar="NAME|FILE", help="Repeat for more models.")
@click.option("--batch", required=True, metavar="N,N,...", help="Sequences per mini-batch.")
@click.option("--device", "devices", multiple=True, metavar="TYPE", help="GPU type to write, one per --profile.")
@click.option("--name", "names", multiple=True, metavar="TEXT", help="Model name to write, one per --model.")
@click.option("--sequence", type=click.IntRange(min=1), help="Tokens per sequence, in place of the model's.")
@click.option("--dtype", metavar="TEXT", help="Number format of the kernels, such as fp16.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="CSV file that trace --rates reads.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
def command(
    profiles: tuple[str, ...],
    models: tuple[str, ...],
    batch: str,
    devices: tuple[str, ...],
    names: tuple[str, ...],
    sequence: int | None,
    dtype: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Predict a transformer's seconds per mini-batch on profiled devices.

    \b
    $ simcore rates --profile v100-16gb --device v100 --model bert-base --name bert --batch 4,8,16 -o rates.csv
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.outputs import check_file
    from simcore.results import to_json
    from simcore.studies.rates.run import rates

    if output is not None:
        check_file(output, option="-o", force=force)
    try:
        batches = [int(text) for text in batch.split(",")]
    except ValueError:
        raise InputError("--batch", f"'{batch}'", "whole numbers of at least 1, such as 4,8,16") from None
    result = rates(profiles, models, batches, devices=devices, names=names, sequence=sequence, dtype=dtype)
    for note in result.provenance.notes:
        warn(note)
    if output is not None:
        result.write(output)
    if as_json:
        click.echo(to_json(result.as_dict()), nl=False)
    elif output is None:
        click.echo(result.to_csv(), nl=False)
    else:
        click.echo(f"{output}: {len(result.rates.seconds)} step times; simcore trace --rates {output} reads them")
