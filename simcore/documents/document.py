"""What a document is, what it may cost, and how a text that is none is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simcore.errors import InputError

MOST_DEPTH = 50
"""Levels of a document."""
MOST_VALUES = 500_000
"""Values of a JSON document, its names among them: a measured profile has some ten thousand."""

Path = tuple[str | int, ...]
_ONCE = "Remove one of the two."


class Broken(Exception):
    """A text that is no document.

    Parameters
    ----------
    found : str
        What is wrong with it.
    where : str
        Line and column, as ``line 2, column 5``; empty where they are not known.
    remedy : str
        How to mend it, as a whole sentence.
    """

    def __init__(self, found: str, where: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found, self.where, self.remedy = found, where, remedy

    def error(self, place: str, expected: str, remedy: str = "") -> InputError:
        """Return the error that a reader raises: `place` is the file, `remedy` stands where there is no better one."""
        where = f"{place}, {self.where}" if self.where else place
        return InputError(where, self.found, expected, self.remedy or remedy)


class Repeated(Broken):
    """A name that stands twice in one mapping."""

    def __init__(self, name: str, line: int, first: int) -> None:
        super().__init__(f"'{name}' a second time (line {first} has it too)", f"line {line}", _ONCE)

    def error(self, place: str, expected: str, remedy: str = "") -> InputError:
        """Return the error that a reader raises."""
        return super().error(place, "each name once", remedy)


@dataclass(frozen=True)
class Document:
    """What a text holds.

    Attributes
    ----------
    data : object
        Mappings, lists, texts, numbers, booleans and None.
    lines : mapping
        Line numbers by path of keys.
    """

    data: Any
    lines: Mapping[Path, int] = field(default_factory=dict)


def too_deep(language: str) -> Broken:
    """Return what is wrong with a text whose values are nested too deep."""
    inside = "too deep, or in itself" if language == "YAML" else "too deep"
    return Broken(f"{language} that is nested {inside}", "", f"At most {MOST_DEPTH} levels are read.")


def check_values(data: Any, language: str) -> None:
    """Refuse values that are too many or nested too deep, and texts that no file can hold.

    Raises
    ------
    Broken
        Naming the text.
    """
    left, number = [(data, 1)], 1
    while left:
        value, depth = left.pop()
        if number > MOST_VALUES:
            raise Broken(f"more than {MOST_VALUES:,} values", "", "Leave out what is not needed.")
        if depth > MOST_DEPTH:
            raise too_deep(language)
        if isinstance(value, dict):
            left += [(each, depth + 1) for pair in value.items() for each in pair]
            number += 2 * len(value)
        elif isinstance(value, list):
            left += [(each, depth + 1) for each in value]
            number += len(value)
        elif isinstance(value, str) and not value.isascii() and re.search("[\ud800-\udfff]", value):
            raise Broken(f"'{value}', with half of a character", "", "Write the character itself.")
