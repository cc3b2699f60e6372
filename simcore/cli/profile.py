"""``simcore profile``: show, compare and validate kernel profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.calibrate.plan import EXTRA_PASSES, PASS_SECONDS, PASSES, SAME_SPEED, VALIDATION_SECONDS
from simcore.cli.console import measuring_progress
from simcore.cli.options import StudyCommand
from simcore.cli.outputs import OutputFile
from simcore.errors import InputError
from simcore.outputs import write_atomic
from simcore.plots import FIGURES, FORMATS, drawn, without_caption
from simcore.studies.profile.request import CompareRequest, DeriveRequest, ShowRequest, ValidateRequest

if TYPE_CHECKING:
    from simcore.results import Result

MEASURED = """Measure held-out shapes again and print MAPE, P90, bias and the regret of choosing kernels by
prediction."""
TIMES = f"""A profile of all suites takes {VALIDATION_SECONDS[0]} s on a CPU core: {PASSES} passes of some
{PASS_SECONDS} s. One around which reference kernels take more than {SAME_SPEED:.0%} longer or shorter than at
calibration is set aside, and up to {EXTRA_PASSES} more are made. After {VALIDATION_SECONDS[1]} s nothing is begun."""


@click.group("profile")
def command() -> None:
    """Show, compare, validate and derive kernel profiles: NAMEs of the zoo or FILEs that simcore calibrate wrote."""


def plot_files(output: Path, figures: Sequence[str] | None) -> dict[str, Path]:
    """Return the file of each format: that which the name ends in, or those asked for beside a name without an end.

    Examples
    --------
    >>> plot_files(Path("plot.svg"), None), list(plot_files(Path("plot"), None))
    ({'svg': PosixPath('plot.svg')}, ['png', 'pdf'])
    """
    ends = {f".{each}": each for each in FORMATS}
    if output.suffix == "":
        return {each: output.with_name(f"{output.name}.{each}") for each in figures or FIGURES}
    if output.suffix not in ends:
        expected = f"a name that ends in {', '.join(ends)}, or in none of them"
        raise InputError(f"-o {output}", f"'{output.suffix}'", expected)
    kind = ends[output.suffix]
    if figures is not None and tuple(figures) != (kind,):
        remedy = f"Leave '{output.suffix}' or --figures out."
        raise InputError("--figures", ",".join(figures), f"{kind}, as -o {output} says", remedy)
    return {kind: output}


def check_plot(request: ShowRequest | ValidateRequest, _: Mapping[str, Any]) -> None:
    """Refuse a plot of several profiles."""
    assert isinstance(request.files, tuple)
    if len(request.files) > 1:
        found = f"{len(request.files)} profiles"
        raise InputError("-o", found, "one, whose plot it is", "Run the command for each profile.")


def plot_paths(outputs: Mapping[str, Any]) -> list[Path]:
    """Return the files of a plot."""
    return list(plot_files(outputs["output"], outputs["figures"]).values())


def save_plot(result: Result, outputs: Mapping[str, Any]) -> None:
    """Write the figure of one profile."""
    figures = list(result.figures().values())
    if not figures:
        name = next(iter(result.provenance.sha256))
        raise InputError(f"profile {name}", "no samples", "a measured profile", "Calibrate a device.")
    for kind, path in plot_files(outputs["output"], outputs["figures"]).items():
        figure = figures[0] if outputs["captions"] else without_caption(figures[0])
        write_atomic(path, drawn(figure, kind))


@contextmanager
def _told(_: ValidateRequest, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give what shows the progress of measurements."""
    yield {"progress": measuring_progress()}


def read_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of texts such as ``t4,h100``.

    Examples
    --------
    >>> read_names(["t4, h100", "mine.json"])
    ('t4', 'h100', 'mine.json')
    """
    return tuple(name.strip() for text in texts for name in text.split(","))


def write_profile(result: Any, outputs: Mapping[str, Any]) -> None:
    """Write the profile."""
    result.write_profile(outputs["output"])


PLOT = OutputFile(
    "PATH", "Plot measured against predicted: FILE.png, .pdf or .svg; without an end, as --figures says.",
    "figure", save_plot, plot_paths, check_plot, draws=True,
)  # fmt: skip

command.add_command(
    StudyCommand(
        "profile show",
        ShowRequest,
        "simcore.studies.profile:show",
        help="Show the fits of profiles and their errors, on held-out shapes where there are any.",
        example="cpu",
        file=PLOT,
    )
)
command.add_command(
    StudyCommand(
        "profile compare",
        CompareRequest,
        "simcore.studies.profile:compare",
        help="Set the parameters of profiles side by side, in SI units.",
        example="v100-16gb a100-80gb",
        directory=False,
    )
)
command.add_command(
    StudyCommand(
        "profile derive",
        DeriveRequest,
        "simcore.studies.profile:derive",
        help="Derive the profile of a GPU that nobody measured: measured ones, scaled by data sheets.",
        example="a10 --from t4,a100-pcie-40gb",
        read={"sources": read_names},
        file=OutputFile("PATH", "The profile: JSON.", "profile", write_profile),
    )
)
command.add_command(
    StudyCommand(
        "profile validate",
        ValidateRequest,
        "simcore.studies.profile:validate",
        help=MEASURED,
        example="cpu",
        runtime=_told,
        bar=False,
        file=PLOT,
        epilog=TIMES,
    )
)
