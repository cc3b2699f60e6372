"""Numbers of the command line: written as in every file, see `simcore.numerals`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from simcore.cli.completion import items
from simcore.errors import InputError, shortened
from simcore.numerals import REAL, WHOLE, as_whole, asked_for, of_float
from simcore.plots import FORMATS, formats

if TYPE_CHECKING:
    from simcore.studies.request import Description


class Whole(click.types.IntParamType):
    """A whole number; between which it may be, the request checks, so that every caller reads the same.

    Parameters
    ----------
    least : float or None
        The smallest, for the message where a word is no number at all.
    words : sequence of str
        What it may be beside a number, in any case.
    """

    def __init__(self, least: float | None = None, words: Sequence[str] = ()) -> None:
        self.least, self.words = least, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number of a word, or one of the words."""
        if isinstance(value, str) and value.strip().lower() in self.words:
            return value.strip().lower()
        number = as_whole(value.strip()) if isinstance(value, str) else value
        if number is None:
            raise _no_number(value, WHOLE, self.least, param, self.words)
        return number


class Number(click.types.FloatParamType):
    """A number; what it may be, the request checks, that it is finite too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number of a word."""
        number = of_float(value.strip()) if isinstance(value, str) else value
        if number is None:
            raise _no_number(value, REAL, None, param)
        return number


class Formats(click.ParamType[Any]):
    """Formats of figures, such as ``png,svg``."""

    name = "formats"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the formats of a text."""
        return formats(value.split(","), "--figures") if isinstance(value, str) else value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the last of the formats."""
        return items(FORMATS, incomplete)


def _no_number(
    word: str, noun: str, least: float | None, param: click.Parameter | None, words: Sequence[str] = ()
) -> InputError:
    expected = asked_for(word.strip(), noun if least is None else f"{noun} of at least {least:g}")
    place = "arguments" if param is None else param.opts[0]
    return InputError(place, f"'{shortened(word, 60)}'", " or ".join([*words, expected]))


def kind_of(types: Sequence[str], description: Description) -> str:
    """Return the first of the types that a word of the command line may be; a count is a word or a whole number."""
    if description.choices and {*types} == {"int", "str"}:
        return "count"
    return "str" if "str" in types else next((each for each in ("int", "float", "bool") if each in types), "str")


def type_of(kind: str, description: Description) -> click.ParamType[Any] | None:
    """Return what reads the words of an option; None for text."""
    if kind == "int":
        return Whole(description.least)
    if kind == "count":
        return Whole(description.least, description.choices)
    return Number() if kind == "float" else click.BOOL if kind == "bool" else None
