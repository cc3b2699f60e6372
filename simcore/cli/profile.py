"""``simcore profile``: show, compare and validate kernel profiles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from simcore.calibrate.plan import EXTRA_PASSES, PASS_SECONDS, PASSES, SAME_SPEED, VALIDATION_SECONDS
from simcore.cli.calibrate import show_progress
from simcore.cli.console import print_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@click.group("profile")
def command() -> None:
    """Show, compare and validate kernel profiles: NAMEs of the zoo or FILEs that simcore calibrate wrote."""


@command.command("show")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "output", type=click.Path(path_type=Path), help="Plot measured against predicted: FILE.png, .pdf.")
@click.option("--force", is_flag=True, help="Replace the plot if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole profile as JSON.")
def show_command(files: tuple[str, ...], output: Path | None, force: bool, as_json: bool) -> None:
    """Show the fits of profiles and their errors, on held-out shapes where there are any."""
    from simcore.results import to_json
    from simcore.studies.profile.run import figure, show

    check_plot(output, files, force)
    documents = []
    for file in files:
        profile, table = show(file)
        if output is not None:
            save_plot(figure(profile), output)
        if as_json:
            documents.append(profile.as_document())
            continue
        click.echo(f"{profile.name} ({profile.origin}): {profile.description}")
        click.echo(f"sha256 {profile.sha256}")
        click.echo("\n".join(f"{key}: {value}" for key, value in profile.fingerprint.items() if value))
        print_table(table.columns[:-1], [[_cell(value) for value in list(row.values())[:-1]] for row in table])
        click.echo("parameters, in SI units:")
        for row in table:
            click.echo(f"  {row['kernel']} {row['dtype']}: {row['parameters']}")
    if as_json:
        click.echo(to_json(documents[0] if len(files) == 1 else {"profiles": documents}), nl=False)


def check_plot(output: Path | None, files: tuple[str, ...], force: bool) -> None:
    """Refuse a plot of several profiles, or one that cannot be written, before anything is measured."""
    from simcore.errors import InputError
    from simcore.outputs import check_file

    if output is None:
        return
    if len(files) > 1:
        raise InputError("-o", f"{len(files)} profiles", "one, whose plot it is", "Run the command for each profile.")
    if output.suffix not in {"", ".png", ".pdf"}:
        raise InputError(f"-o {output}", f"'{output.suffix}'", "a name that ends in .png or .pdf", "Both are written.")
    for suffix in (".png", ".pdf"):
        check_file(output.with_suffix(suffix), option="-o", force=force)


def save_plot(figure: Figure, output: Path) -> None:
    """Write a figure as PNG and PDF."""
    from simcore.plots import save

    output.parent.mkdir(parents=True, exist_ok=True)
    save(figure, output.with_suffix(""))


@command.command("compare")
@click.argument("files", nargs=-1, metavar="FILE FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare_command(files: tuple[str, ...], as_json: bool) -> None:
    """Set the parameters of profiles side by side, in SI units."""
    from simcore.results import to_json
    from simcore.studies.profile.run import compare

    table, hashes = compare(files)
    if as_json:
        click.echo(to_json({"parameters": [dict(row) for row in table], "sha256": hashes}), nl=False)
    else:
        print_table(table.columns, [[_cell(value, ".4g") for value in row.values()] for row in table])


TIMES = f"""A profile of all suites takes {VALIDATION_SECONDS[0]} s on a CPU core: {PASSES} passes of some
{PASS_SECONDS} s. One around which reference kernels take more than {SAME_SPEED:.0%} longer or shorter than at
calibration is set aside, and up to {EXTRA_PASSES} more are made: {VALIDATION_SECONDS[1]} s at most."""


@command.command("validate", epilog=TIMES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda|cuda:N", help="Where to measure.")
@click.option("--stored", is_flag=True, help="Take the errors that the profile holds; measure nothing.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="Plot measured against predicted: FILE.png, .pdf.")
@click.option("--force", is_flag=True, help="Replace the plot if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate_command(
    files: tuple[str, ...], device: str, stored: bool, output: Path | None, force: bool, as_json: bool
) -> None:
    """Measure held-out shapes again and print MAPE, P90, bias and the regret of choosing kernels by prediction."""
    from simcore.results import to_json
    from simcore.studies.profile.run import check_validation, validate

    check_plot(output, files, force)
    for file in files:  # before the first is measured for minutes
        check_validation(file, device, stored=stored)
    documents = []
    for file in files:
        found = validate(file, device, stored=stored, progress=show_progress)
        if output is not None:
            save_plot(found.figure(), output)
        if as_json:
            rows = [dict(row) for row in found.table]
            regret = {family: list(each) for family, each in found.regret.items()}
            counts = {"passes": None if found.pace is None else found.pace.as_document()}
            skipped = list(found.skipped)
            documents.append(
                {"profile": file, "errors": rows, "regret": regret, "drift": found.drift, **counts, "skipped": skipped}
            )
            continue
        click.echo("\n".join([f"{file}: {found.measured()[0]}", *found.measured()[1:]]))
        print_table(found.table.columns, [[_cell(value) for value in row.values()] for row in found.table])
        for family, each in found.regret.items():
            mean, most = sum(each) / len(each), max(each)
            click.echo(f"kernel selection, {family}: {len(each)} problems, regret mean {mean:.1%}, largest {most:.1%}")
    if as_json:
        click.echo(to_json(documents[0] if len(files) == 1 else {"profiles": documents}), nl=False)


def _cell(value: object, form: str = ".1%") -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:{form}}"
    return "-" if value is None else str(value)
