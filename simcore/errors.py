"""Every error that simcore raises on purpose.

::

    SimcoreError              exit status 1
    +-- InputError            exit status 2: what the user gave is wrong, and the message says how to mend it
    +-- RunError              exit status 1: the input is fine, the model or the solver failed
    +-- MissingExtraError     exit status 1: an optional dependency is not installed

Any other exception that leaves simcore is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Real


class SimcoreError(Exception):
    """Base of all errors that simcore raises on purpose."""

    exit_code = 1


class InputError(SimcoreError):
    """The user's input is wrong.

    Parameters
    ----------
    place : str
        Where: a file with line and field, an option, or an argument.
    found : str
        What stands there.
    expected : str
        What may stand there.
    remedy : str, optional
        How to mend it, as a whole sentence.
    pointer : (str, int), optional
        A line of the input and an offset in it, shown below the message with a caret under the place.

    Examples
    --------
    >>> print(InputError("cluster.yaml, line 4, field 'gpus.t4'", "-2", "a whole number of at least 0", "Write 2."))
    cluster.yaml, line 4, field 'gpus.t4': found -2, expected a whole number of at least 0. Write 2.
    """

    exit_code = 2

    def __init__(
        self, place: str, found: str, expected: str, remedy: str = "", pointer: tuple[str, int] | None = None
    ) -> None:
        self.place, self.found, self.expected, self.remedy, self.pointer = place, found, expected, remedy, pointer
        super().__init__(place, found, expected, remedy, pointer)

    def __str__(self) -> str:
        text = f"{self.place}: found {self.found}, expected {self.expected}."
        text = one_line(f"{text} {self.remedy}" if self.remedy else text)
        if self.pointer is None:
            return text
        line, offset = self.pointer
        return f"{text}\n  {one_line(line)}\n  {' ' * len(one_line(line[:offset]))}^"


class RunError(SimcoreError):
    """The input is fine, but a model, a solver or a simulation failed."""


class MissingExtraError(SimcoreError):
    """An optional dependency is missing; the message names the extra that installs it."""


def one_line(text: str) -> str:
    r"""Escape what a terminal would act on, so that a message stays one line whatever a file holds.

    Examples
    --------
    >>> print(one_line("found 'a\nb'"))
    found 'a\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def written(value: object) -> str:
    """Return a value for a message: text in quotes, a number without.

    Examples
    --------
    >>> written(64.0), written("64"), written(None)
    ('64.0', "'64'", 'None')
    """
    return str(value) if isinstance(value, Real) else repr(value)


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?`` for the closest option, or an empty string.

    Examples
    --------
    >>> did_you_mean("v1000", ["v100", "p100", "t4"])
    "Did you mean 'v100'?"
    >>> did_you_mean("banana", ["v100", "p100", "t4"])
    ''
    """
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.5)
    return f"Did you mean '{by_lower[close[0]]}'?" if close else ""


def closest_option(word: str, options: Iterable[str]) -> str:
    """Return ``Did you mean '--x'?`` for an option that is but a slip away, or an empty string.

    Two dashes make any two options look alike: only what follows them is compared.

    Examples
    --------
    >>> closest_option("--chunk", ["--chunks", "--force"]), closest_option("--foo", ["--chunks", "--force"])
    ("Did you mean '--chunks'?", '')
    """
    names = {option.lstrip("-"): option for option in options if len(option.lstrip("-")) > 1}
    close = difflib.get_close_matches(word.lstrip("-").lower(), list(names), n=1, cutoff=0.65)
    return f"Did you mean '{names[close[0]]}'?" if close else ""


def unknown_name(place: str, word: str, options: Iterable[str], remedy: str = "") -> InputError:
    """Build the `InputError` for a name that is not among the known ones.

    Examples
    --------
    >>> print(unknown_name("--policy", "fito", ["yarn-cs", "fifo"]))
    --policy: found 'fito', expected one of yarn-cs, fifo. Did you mean 'fifo'?
    """
    options = list(options)
    if not word:
        return InputError(place, "an empty name", f"one of {', '.join(options)}", remedy)
    hints = " ".join(part for part in (did_you_mean(word, options), remedy) if part)
    return InputError(place, f"'{word}'", f"one of {', '.join(options)}", hints)
