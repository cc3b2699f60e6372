"""The options that say where a result goes, and what is refused of them before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.standard_input import check_written
from simcore.cli.values import Formats
from simcore.errors import InputError
from simcore.plots import FIGURES, FORMATS

if TYPE_CHECKING:
    from simcore.studies.request import Request


@dataclass(frozen=True)
class OutputFile:
    """What ``-o`` writes in place of a directory with everything.

    Attributes
    ----------
    metavar, help : str
        For the command's help, of ``-o``.
    own : str
        What is written, of `simcore.outputs.MARKS`: ``--force`` leaves alone what does not bear its mark.
    write : callable
        Writes a result as the options of outputs say.
    paths : callable, optional
        Gives the files that these options ask for; by default the one that ``-o`` names.
    check : callable, optional
        Refuses a request and these options, before any work is done for them.
    draws : bool
        Whether it is a figure.
    """

    metavar: str
    help: str
    own: str
    write: Callable[[Any, Mapping[str, Any]], None]
    paths: Callable[[Mapping[str, Any]], list[Path]] = lambda outputs: [outputs["output"]]
    check: Callable[[Any, Mapping[str, Any]], None] | None = None
    draws: bool = False

    def refuse(self, request: Request, outputs: Mapping[str, Any]) -> None:
        """Refuse what cannot be written, before any work is done for it."""
        from simcore.outputs import check_file

        if self.check is not None:
            self.check(request, outputs)
        for path in self.paths(outputs):
            check_file(path, option="-o", force=outputs["force"], own=self.own)


def check_outputs(outputs: Mapping[str, Any], *, timeline_table: bool = True, directory: bool = True) -> None:
    """Refuse places that cannot be written, before any work is done for them."""
    from simcore.outputs import check_output, check_timeline, is_there

    force = outputs.get("force", False)
    timeline, output = outputs.get("timeline"), outputs.get("output")
    if outputs.get("figures") is not None and output is None:
        raise InputError("--figures", "it without -o", "an output that the figures are part of", "Add -o.")
    # a folder that -o makes is not there yet
    new = output is not None and timeline is not None and not is_there(output) and timeline.parent == output
    if timeline is not None and not new:
        check_timeline(timeline, force=force, place="--timeline", table=timeline_table)
    if directory and output is not None:
        check_output(output, force=force, option="-o")
    if timeline is not None and output is not None:
        above = output.absolute()
        if timeline.absolute() in (above, *above.parents):
            raise InputError(f"--timeline {timeline}", "the directory of -o, or one above", "a file of its own")


def output_path(_: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """Return the path of an output; an empty text would be the working directory."""
    check_written(value, parameter.opts[0])
    if value is not None and not value.strip():
        expected = "the path of a directory" if "-o" in parameter.opts else "the path of a file"
        raise InputError(parameter.opts[0], "an empty name", expected)
    return None if value is None else Path(value)


def output_options(
    *,
    timeline: bool = False,
    timeline_table: bool = True,
    directory: bool = True,
    file: OutputFile | None = None,
) -> list[click.Option]:
    """Return the options that say where a result goes, the same for every command."""
    options = []
    if timeline:
        text = f"Trace for ui.perfetto.dev{', and the same as CSV beside it' if timeline_table else ''}."
        options.append(click.Option(["--timeline"], callback=output_path, metavar="FILE", help=text))
    if file is not None:
        options.append(click.Option(["-o", "output"], callback=output_path, metavar=file.metavar, help=file.help))
    elif directory:
        text = "New directory for JSON, CSV and figures."
        options.append(click.Option(["-o", "--output"], callback=output_path, metavar="DIR", help=text))
    if (directory and file is None) or (file is not None and file.draws):
        text = f"Formats of the figures, of {', '.join(FORMATS)}.  [default: {','.join(FIGURES)}]"
        options.append(click.Option(["--figures"], type=Formats(), metavar="FORMAT,...", help=text))
        text = "Figures of -o without the lines under them."
        options.append(
            click.Option(["--no-captions", "captions"], is_flag=True, flag_value=False, default=True, help=text)
        )
    options.append(click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, in SI units."))
    if timeline or directory or file is not None:
        what = "what simcore wrote there before; other files stay" if file is None else _replaced(file)
        text = f"Replace {what}."
        options.append(click.Option(["--force"], is_flag=True, help=text))
    return options


def _replaced(file: OutputFile) -> str:
    return f"{'the plot' if file.draws else file.metavar} if simcore wrote it; another's file stays"
