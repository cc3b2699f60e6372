"""JSON, and the line of everything in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from simcore.documents.document import Broken, Path, Repeated, check_values, too_deep
from simcore.numerals import read_number

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class NoJSON(Broken):
    """A text that is no JSON at all."""


def parse_json(text: str) -> Any:
    """Read JSON.

    Raises
    ------
    Broken
        If it is none, is nested deeper than `MOST_DEPTH`, or has a name twice.

    Examples
    --------
    >>> parse_json('{"tp": 8, "rate": 1e400}')
    {'tp': 8, 'rate': inf}
    """
    try:
        data = json.loads(
            text, object_pairs_hook=_once, parse_int=read_number, parse_float=read_number, parse_constant=float
        )
    except json.JSONDecodeError as error:
        raise NoJSON(f"broken JSON ({error.msg})", f"line {error.lineno}, column {error.colno}") from None
    except _Twice:
        for _ in json_lines(text):  # which knows the lines
            pass
        raise
    except RecursionError:
        raise too_deep("JSON") from None
    check_values(data, "JSON")
    return data


class _Twice(Exception):
    """A name that stands twice, somewhere."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise _Twice
    return names


class JsonLines(Mapping[Path, int]):
    r"""Line numbers of a JSON text by path of keys, found when a message asks for the first.

    Parameters
    ----------
    text : str
        Valid JSON.

    Examples
    --------
    >>> dict(JsonLines('{"a":\n {"b": [1,\n 2]}}'))
    {(): 1, ('a',): 1, ('a', 'b'): 2, ('a', 'b', 0): 2, ('a', 'b', 1): 3}
    """

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _lines(self) -> dict[Path, int]:
        return dict(json_lines(self._text))

    def __getitem__(self, path: Path) -> int:
        return self._lines[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def json_lines(text: str) -> Iterator[tuple[Path, int]]:
    """Yield path and line of every key and item of valid JSON.

    Raises
    ------
    Repeated
        For a name that stands twice in one mapping.
    """
    line, at = 1, 0
    yield (), 1 + text[: len(text) - len(text.lstrip())].count("\n")
    path: list[str | int] = []
    open_: list[dict[str, int] | None] = []  # per level: lines of the names of a mapping so far, None for a list
    named = False  # whether what comes next in a mapping is a name
    for token in _TOKEN.finditer(text):
        line, at = line + text.count("\n", at, token.start()), token.start()
        word, names = token[0], open_[-1] if open_ else None
        if open_ and names is None and path[-1] == -1 and word != "]":
            path[-1] = 0
            yield tuple(path), line
        if word in "{[":
            open_.append({} if word == "{" else None)
            path.append("" if word == "{" else -1)
            named = word == "{"
        elif word in "}]":
            open_.pop()
            path.pop()
            named = False
        elif word == "," and names is None:
            path[-1] += 1  # type: ignore[operator]  # in a list it is a number
            named = False
            yield tuple(path), line + text.count("\n", at, _after(text, token.end()))
        elif word == ",":
            named = True
        elif named and names is not None and word[0] == '"':
            name = str(json.loads(word))
            if name in names:
                raise Repeated(name, line, names[name])
            names[name], path[-1], named = line, name, False
            yield tuple(path), line


def _after(text: str, at: int) -> int:
    """Return where the next value starts."""
    blank = re.compile(r"\s*").match(text, at)
    return at if blank is None else blank.end()
