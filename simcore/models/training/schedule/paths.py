"""Which modules a step is for: patterns of module paths, such as ``block.*.attention`` or ``block.0-11``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

_RANGE = re.compile(r"(\d+)-(\d+)\Z")


@dataclass(frozen=True)
class Pattern:
    """A pattern of module paths.

    Its words are separated by dots. ``*`` stands for any one word, and ``0-11`` for the numbers 0 to 11. A pattern
    names a module, and with it all that is inside it.

    Attributes
    ----------
    text : str
        For example ``block.*.attention``.

    Examples
    --------
    >>> Pattern("block.0-1.attention").covers("block.1.attention.scores")
    True
    >>> Pattern("block.0-1.attention").covers("block.2.attention.scores")
    False
    """

    text: str

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words."""
        return tuple(self.text.split("."))

    def covers(self, path: str) -> bool:
        """Say whether a module path is that of a module that the pattern names, or lies inside one."""
        words = path.split(".")
        return len(words) >= len(self.words) and all(map(_matches, self.words, words))

    def names(self, path: str) -> bool:
        """Say whether a module path is that of a module that the pattern names."""
        return len(self.words) == path.count(".") + 1 and self.covers(path)

    def meets(self, path: str, number: int) -> bool:
        """Say whether it may name something in one repetition of a section, such as block 3."""
        return all(map(_matches, self.words, (*path.split("."), str(number))))


def _matches(word: str, other: str) -> bool:
    if word in {"*", other}:
        return True
    span = _RANGE.match(word)
    return bool(span) and other.isdigit() and int(span[1]) <= int(other) <= int(span[2])  # type: ignore[index]


def modules(paths: Iterable[str]) -> list[str]:
    """Return all modules that paths lie in and the paths, with ``*`` for the numbers of blocks, in order.

    Examples
    --------
    >>> modules(["block.0.attention.scores", "block.1.attention.scores"])
    ['block.*', 'block.*.attention', 'block.*.attention.scores']
    """
    found: dict[str, None] = {}
    for path in paths:
        words = ["*" if word.isdigit() else word for word in path.split(".")]
        for end in range(1, len(words) + 1):
            if words[:end][-1] == "*" or (end < len(words) and words[end] != "*") or end == len(words):
                found.setdefault(".".join(words[:end]))
    return list(found)


def closest(text: str, known: Iterable[str]) -> str | None:
    """Return the module whose path is closest to a pattern; None where none is close.

    Examples
    --------
    >>> closest("block.*.atention", ["block.*.attention", "embedding"])
    'block.*.attention'
    """
    plain = ".".join("*" if word.isdigit() or _RANGE.match(word) else word for word in text.split("."))
    near = get_close_matches(plain, list(known), n=1, cutoff=0.5)
    return near[0] if near else None
