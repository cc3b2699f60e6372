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
import re
from collections.abc import Callable, Iterable
from numbers import Real

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""What a terminal, an editor or a spreadsheet acts on in place of showing it: control characters, what turns the
direction of writing, other ends of lines, and halves of characters."""
LONGEST = 300
"""Characters of a file that a message quotes."""
_COMPARED = 60
"""Characters of a name that are compared with the known ones, which takes the square of their number."""
_FIELD = re.compile(r"\x1f(\w+)\x1f")


class SimcoreError(Exception):
    """Base of all errors that simcore raises on purpose."""

    exit_code = 1


def field(name: str) -> str:
    """Return a mark for a field of a study's request, to be put into the texts of an `InputError`.

    A Python caller reads the field's name. The command line puts its own option or argument there.

    Examples
    --------
    >>> error = InputError(field("in_flight"), "0", "a whole number of at least 1", f"Leave {field('in_flight')} out.")
    >>> print(error)
    in_flight: found 0, expected a whole number of at least 1. Leave in_flight out.
    >>> error.text({"in_flight": "--in-flight"}.__getitem__)
    '--in-flight: found 0, expected a whole number of at least 1. Leave --in-flight out.'
    """
    return f"\x1f{name}\x1f"


def with_fields(text: str, called: Callable[[str], str] = str) -> str:
    """Return a text with what `called` gives in place of each field's name.

    Examples
    --------
    >>> with_fields(f"{field('in_flight')} of 4"), with_fields(f"{field('caps')} 1=4", {"caps": "--cap"}.__getitem__)
    ('in_flight of 4', '--cap 1=4')
    """
    return _FIELD.sub(lambda mark: called(mark[1]), text)


class InputError(SimcoreError):
    """The user's input is wrong.

    Parameters
    ----------
    place : str
        Where: a file with line and field, or a field of a request, see `field`.
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
        return self.text(str)

    def text(self, called: Callable[[str], str]) -> str:
        """Return the message, with what `called` gives in place of each field's name."""
        place, found, expected, remedy = (
            shortened(with_fields(text, called), most)
            for text, most in (
                (self.place, LONGEST), (self.found, LONGEST), (self.expected, 4 * LONGEST), (self.remedy, 4 * LONGEST),
            )
        )  # fmt: skip
        text = f"{place}: found {found}, expected {expected}."
        text = one_line(f"{text} {remedy}" if remedy else text)
        if self.pointer is None:
            return text
        line, offset = _around(*self.pointer)
        return f"{text}\n  {one_line(line)}\n  {' ' * len(one_line(line[:offset]))}^"

    def renamed(self, called: Callable[[str], str]) -> InputError:
        """Return the same error, with what `called` gives in place of each field's name."""
        place, found, expected, remedy = (
            with_fields(text, called) for text in (self.place, self.found, self.expected, self.remedy)
        )
        return InputError(place, found, expected, remedy, self.pointer)


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
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def shortened(text: str, most: int = LONGEST) -> str:
    """Return a text, or the beginning and the end of one of more than `most` characters.

    Examples
    --------
    >>> shortened("325 GB/s"), shortened("9" * 5000, 16)
    ('325 GB/s', '999999999999...9999 (5,000 characters)')
    """
    if len(text) <= most:
        return text
    return f"{text[: 3 * most // 4]}...{text[-(most // 4) :]} ({len(text):,} characters)"


def _around(line: str, offset: int, most: int = 100) -> tuple[str, int]:
    """Return the part of a long line around an offset, and the offset in it."""
    if len(line) <= 2 * most:
        return line, offset
    start, stop = max(offset - most, 0), offset + most
    before, after = "..." if start else "", "..." if stop < len(line) else ""
    return f"{before}{line[start:stop]}{after}", offset - start + len(before)


def printable(text: str) -> str:
    r"""Escape what a terminal would act on, but for the ends of lines.

    Examples
    --------
    >>> printable("two\nlines") == "two\nlines", printable("\x1b[2J")
    (True, '\\x1b[2J')
    """
    return "\n".join(one_line(line) for line in text.split("\n"))


def written(value: object) -> str:
    """Return a value for a message: text in quotes, a number without.

    Examples
    --------
    >>> written(64.0), written("64"), written(None)
    ('64.0', "'64'", 'None')
    """
    return str(value) if isinstance(value, Real) else repr(value)


def did_you_mean(word: str, options: Iterable[str], alike: float = 0.5) -> str:
    """Return ``Did you mean 'x'?`` for the closest option, or an empty string.

    A word and an option that are less `alike` than that, of 1, are two things.

    Examples
    --------
    >>> did_you_mean("v1000", ["v100", "p100", "t4"])
    "Did you mean 'v100'?"
    >>> did_you_mean("banana", ["v100", "p100", "t4"])
    ''
    """
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word[:_COMPARED].lower(), list(by_lower), n=1, cutoff=alike)
    return f"Did you mean '{by_lower[close[0]]}'?" if close else ""


def by_name(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a word is, in whatever case it is written; None where there is none or there are several.

    A name that is spelt exactly so comes first.

    Examples
    --------
    >>> by_name("FIFO", ["yarn-cs", "fifo"]), by_name("Mine", ["mine", "MINE"]), by_name("MINE", ["mine", "MINE"])
    ('fifo', None, 'MINE')
    """
    names = list(names)
    alike = [name for name in names if name.lower() == word.lower()]
    return word if word in names else alike[0] if len(alike) == 1 else None


def closest_option(word: str, options: Iterable[str]) -> str:
    """Return ``Did you mean '--x'?`` for an option that is but a slip away, or an empty string.

    Two dashes make any two options look alike: only what follows them is compared.

    Examples
    --------
    >>> closest_option("--chunk", ["--chunks", "--force"]), closest_option("--foo", ["--chunks", "--force"])
    ("Did you mean '--chunks'?", '')
    """
    names = {option.lstrip("-"): option for option in options if len(option.lstrip("-")) > 1}
    close = difflib.get_close_matches(word[:_COMPARED].lstrip("-").lower(), list(names), n=1, cutoff=0.65)
    return f"Did you mean '{names[close[0]]}'?" if close else ""


def unknown_name(place: str, word: str, options: Iterable[str], remedy: str = "", alike: float = 0.5) -> InputError:
    """Build the `InputError` for a name that is not among the known ones.

    Examples
    --------
    >>> print(unknown_name("--policy", "fito", ["yarn-cs", "fifo"]))
    --policy: found 'fito', expected one of yarn-cs, fifo. Did you mean 'fifo'?
    """
    options = list(options)
    if not word:
        return InputError(place, "an empty name", f"one of {', '.join(options)}", remedy)
    hints = " ".join(part for part in (did_you_mean(word, options, alike), remedy) if part)
    return InputError(place, f"'{word}'", f"one of {', '.join(options)}", hints)
