"""Commands made of requests: one option or argument per field, so that none is declared twice."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.ascii import escaped_json, speaks_ascii
from simcore.cli.completion import completer, positions_completer
from simcore.cli.console import progress, render, report_width, say_written, warn
from simcore.cli.flags import names_of, spellings, with_brackets, with_values
from simcore.cli.outputs import OutputFile, check_outputs, output_options
from simcore.cli.standard_input import standard_input
from simcore.cli.values import kind_of, type_of
from simcore.errors import InputError, closest_option
from simcore.plots import FIGURES

if TYPE_CHECKING:
    from simcore.results import Result
    from simcore.studies.request import Description, Instead, Request

_NUMBER = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
_OUTPUTS = ("output", "timeline", "force", "figures", "captions", "as_json")


class StudyCommand(click.Command):
    """A command that runs a study: its parameters are the fields of the study's request.

    Parameters
    ----------
    name : str
        Of the command, with what it stands under: ``profile show``.
    request : type of Request
        The inputs.
    study : str
        ``module:function`` of the study, imported when the command runs.
    help : str
        What the command does.
    example : str
        Arguments that would do, for messages.
    read : mapping, optional
        Field, to what makes its value of the command line's text.
    runtime : callable, optional
        Makes of the request and the options that are no inputs a context in which the study runs. It gives what the
        study takes beside its request: a progress bar, a number of processes.
    extra : sequence of click.Parameter
        Options that are no inputs, for `runtime`.
    timeline : bool
        Whether the result has a timeline that ``--timeline`` writes.
    timeline_table : bool
        Whether the same goes to a CSV file beside it.
    directory : bool
        Whether ``-o`` writes a directory.
    file : OutputFile, optional
        What ``-o`` writes in place of it.
    show : callable, optional
        Prints the result in place of its report; gets the result and the other options.
    bar : bool
        Whether a bar shows how far a run is. Measurements, which run by the clock, have a line of their own.
    """

    def __init__(
        self,
        name: str,
        request: type[Request],
        study: str,
        *,
        help: str,
        example: str = "",
        read: Mapping[str, Callable[[Any], Any]] | None = None,
        runtime: Callable[[Any, dict[str, Any]], AbstractContextManager[dict[str, Any]]] | None = None,
        extra: Sequence[click.Parameter] = (),
        timeline: bool = False,
        timeline_table: bool = True,
        directory: bool = True,
        file: OutputFile | None = None,
        show: Callable[[Result, dict[str, Any]], None] | None = None,
        epilog: str | None = None,
        bar: bool = True,
    ) -> None:
        self.words, self.bar = name, bar
        self.request, self.study, self.example = request, study, example
        self.read, self.runtime, self.show, self.file = read or {}, runtime, show, file
        outputs = output_options(timeline=timeline, timeline_table=timeline_table, directory=directory, file=file)
        self.timeline_table = timeline_table
        super().__init__(
            name.split()[-1],
            # a number below 0 is refused as one, not as an unknown option
            context_settings={"ignore_unknown_options": True},
            params=[*parameters(request), *extra, *outputs],
            callback=self._run,
            help=help,
            epilog=epilog,
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line."""
        return super().parse_args(ctx, self.with_values(args))

    def with_values(self, args: Sequence[str]) -> list[str]:
        """Write out options that stand bare; one that may takes the word after it only if that is a value."""
        from simcore.studies.request import descriptions

        fields = descriptions(self.request).items()
        bare = {flag: each for name, each in fields if each.bare for flag in spellings(name, each)}
        return with_values(args, bare)

    def _run(self, arguments: tuple[str, ...] = (), **values: Any) -> None:
        from simcore.studies.request import descriptions

        fields = descriptions(self.request)
        outputs: dict[str, Any] = {name: values.pop(name) for name in _OUTPUTS if name in values and name not in fields}
        positions, replaced = _positions(fields, values)
        options = {str(each.name): each.opts[0] for each in self.params if isinstance(each, click.Option)}
        called = names_of(fields, replaced, options)
        try:
            given = self._given(fields, values, arguments, positions, replaced)
            with standard_input(self.request, given):
                self._finish(given, {name: values[name] for name in values if name not in fields}, outputs)
        except InputError as error:
            raise error.renamed(called) from None

    def _given(
        self,
        fields: Mapping[str, Description],
        values: Mapping[str, Any],
        arguments: Sequence[str],
        positions: Sequence[str],
        replaced: Mapping[str, Instead],
    ) -> dict[str, Any]:
        """Return the value of each field that the command line gives."""
        options = [word for parameter in self.params for word in parameter.opts]
        given = _by_position(self, fields, arguments, positions, options, replaced, values)
        given |= {name: values[f"{name}_instead"] for name in replaced}
        given |= {name: None for each in replaced.values() for name in each.omits}
        for name, value in values.items():
            if name in fields and value not in (None, ()):
                given[name] = value
        return {name: self.read[name](value) if name in self.read else value for name, value in given.items()}

    def _finish(self, given: dict[str, Any], extra: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Check the outputs, run the study, and write and print what it gives."""
        check_outputs(outputs, timeline_table=self.timeline_table, directory=self.file is None)
        options = {name: value for name, value in extra.items() if not name.endswith("_instead")} | outputs
        request = self.request(**given)
        if self.file is not None and outputs["output"] is not None:
            self.file.refuse(request, outputs)
        self.carry_out(request, options)

    def carry_out(self, request: Request, options: dict[str, Any]) -> None:
        """Run the study on a request, and write and print what it gives; `options` are no inputs."""
        deliver(self.result(request, options), options, self.show, self.file)

    def result(self, request: Request, options: dict[str, Any]) -> Result:
        """Run the study on a request."""
        module, _, function = self.study.partition(":")
        study = getattr(importlib.import_module(module), function)
        runtime = nullcontext({}) if self.runtime is None else self.runtime(request, options)
        with progress() if self.bar else nullcontext(), runtime as more:
            result: Result = study.of(request, **more)
        return result


def deliver(
    result: Result,
    outputs: dict[str, Any],
    show: Callable[[Result, dict[str, Any]], None] | None = None,
    file: OutputFile | None = None,
) -> None:
    """Warn, write what was asked for, and print the result as JSON or as a report."""
    for warning in result.warnings:
        warn(warning)
    if outputs.get("as_json"):
        text = escaped_json(result.to_json()) if speaks_ascii(sys.stdout) else result.to_json()
    else:
        text = "" if show is not None else render(result.report(), report_width()) + "\n"
    _write(result, outputs, file)
    if text:
        click.echo(text, nl=False)
    elif show is not None:
        show(result, outputs)


def _write(result: Result, outputs: Mapping[str, Any], file: OutputFile | None) -> None:
    """Write what was asked for, and say what was written where."""
    output = outputs.get("output")
    if output is not None and file is not None:
        file.write(result, outputs)
        say_written(file.paths(outputs))
    elif output is not None:
        how = {"figures": outputs["figures"] or FIGURES, "captions": outputs["captions"]}
        say_written(result.write(output, force=outputs["force"], **how), output)
    if outputs.get("timeline") is not None:
        timeline = result.timeline()
        assert timeline is not None  # only commands whose results have one have the option
        say_written(timeline.write(outputs["timeline"]))


def parameters(request: type[Request]) -> list[click.Parameter]:
    """Return the parameters of a request: one argument that takes all positions, and an option per further field."""
    from simcore.studies.request import defaults, descriptions, file_fields, hints

    declared: list[click.Parameter] = []
    fields, fallbacks, types = descriptions(request), defaults(request), hints(request)
    reading = file_fields(request)
    # a shell completes files too that are written, and that hold a class or a function
    paths = reading | {name for name, each in fields.items() if each.written or "FILE" in each.metavar + each.beside}
    places = [_metavar(name, each) for name, each in fields.items() if each.positional]
    if places:
        by_position = positions_completer({name: each for name, each in fields.items() if each.positional}, paths)
        declared.append(click.Argument(["arguments"], nargs=-1, metavar=" ".join(places), shell_complete=by_position))
    for name, each in fields.items():
        if each.instead is not None:
            flags = [each.instead.flag, f"{name}_instead"]
            declared.append(
                click.Option(
                    flags,
                    metavar=each.instead.metavar,
                    help=each.instead.help,
                    shell_complete=completer(name, files=name in reading),
                )
            )
        if not each.positional and not each.scripts_only:
            declared.append(_option(name, each, types[name], fallbacks.get(name), files=name in paths))
    return declared


def _option(name: str, description: Description, hint: str, default: Any, *, files: bool) -> click.Option:
    kind = kind_of(hint.split(" | "), description)
    (flag, *others), text = spellings(name, description), description.help
    if kind == "bool":
        both = flag if default is False or "/" in flag else f"{flag}/--no-{flag.removeprefix('--')}"
        if default is True and "[default" not in text:
            text += f"  [default: {both.partition('/')[0].removeprefix('--')}]"
        return click.Option([both, name], is_flag=True, default=None, help=text)
    words = "|".join(description.choices)
    metavar = description.metavar or (words if 0 < len(words) <= 40 else None)
    if metavar is None and kind == "str":
        metavar = "NAME" if description.choices else "TEXT"
    if description.choices and metavar != words:
        or_else = f", or {description.beside}" if description.beside else ""
        text = f"{text.rstrip('.')}: {', '.join(description.choices)}{or_else}."
    text = with_brackets(text, default, description.limits)
    # what click shows as a default would be given as a value; what a field is by default, its request says
    return click.Option(
        [flag, *others, name], type=type_of(kind, description), multiple=description.many, metavar=metavar, help=text,
        default=None, shell_complete=completer(name, description, files=files),
    )  # fmt: skip


def _metavar(name: str, description: Description) -> str:
    return description.metavar or name.upper()


def _positions(fields: Mapping[str, Description], values: Mapping[str, Any]) -> tuple[list[str], dict[str, Instead]]:
    """Return the fields that arguments give, in order, and those that an option gives in their place."""
    replaced = {
        name: each.instead
        for name, each in fields.items()
        if each.instead is not None and values.get(f"{name}_instead") is not None
    }
    gone = {name for first, each in replaced.items() for name in (first, *each.omits)}
    return [name for name, each in fields.items() if each.positional and name not in gone], replaced


def _by_position(
    command: StudyCommand,
    fields: Mapping[str, Description],
    arguments: Sequence[str],
    positions: Sequence[str],
    options: Sequence[str],
    replaced: Mapping[str, Instead],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the fields that arguments give; unknown options arrive among the arguments and are refused by name."""
    from simcore.studies.request import defaults

    for word in arguments:
        if word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
            hint = closest_option(word, options)
            raise InputError("options", f"'{word}'", f"an option that simcore {command.words} --help lists", hint)
    if positions and fields[positions[-1]].many:
        fixed = len(positions) - 1
        enough, given = len(arguments) > fixed, [*arguments[:fixed], tuple(arguments[fixed:])]
        count = f"at least {fixed + 1}"
    else:
        needed = sum(name not in defaults(command.request) for name in positions)
        count = str(needed) if needed == len(positions) else f"{needed} to {len(positions)}"
        enough, given = needed <= len(arguments) <= len(positions), list(arguments)
    if not enough:
        names = [_metavar(name, fields[name]) for name in positions]
        remedy = f"For example: simcore {command.words} {command.example}." if command.example else ""
        remedy += _left_out(command.words, fields, positions, arguments)
        for name, each in replaced.items():
            gone = [_metavar(other, fields[other]) for other in (name, *each.omits)]
            option = f"{each.flag} {values[f'{name}_instead']}" if len(gone) == 1 else each.flag
            remedy = f"With {option}, {' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} left out."
        found = f"{len(arguments)} ({' '.join(arguments)})" if arguments else "none"
        raise InputError("arguments", found, f"{count}: {' '.join(names)}", remedy)
    return dict(zip(positions, given, strict=False))


def _left_out(words: str, fields: Mapping[str, Description], names: Sequence[str], given: Sequence[str]) -> str:
    """Say which option makes up for arguments that are missing; nothing where none does."""
    each = fields[names[0]].instead if names else None
    if each is None or not each.omits or len(given) != len(names) - len(each.omits):
        return ""
    gone = " and ".join(_metavar(name, fields[name]) for name in each.omits)
    return f" Or leave {gone} out: simcore {words} {' '.join(given[1:])} {each.flag} {given[0]}."
