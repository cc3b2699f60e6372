"""YAML as its version 1.2 reads it: ``no`` is a word, ``012`` is no number, a date is text, a key is a name.

Of the core schema ``0x10`` and ``0o10`` are left out, because readers of the older version take them otherwise. Both
are text, which no field for a number takes. Tags other than those of the core schema are refused, as is a document that
grows when its aliases are written out.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from simcore.documents.document import MOST_DEPTH, Broken, Document, Path, Repeated, check_values, too_deep
from simcore.numerals import Spelt, read_number

MOST_TEXT = 2 * 2**20
"""Characters of a YAML text: a larger one takes longer to read than any run."""
MOST_VALUES = 50_000
"""Names and values of a document, aliases written out."""

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")


class _Core(BaseResolver):
    """What a plain word is."""


_Core.add_implicit_resolver(f"{_TAG}bool", _BOOL, list("tTfF"))
_Core.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_Core.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))
_Core.add_implicit_resolver(f"{_TAG}null", _NULL, ["~", "n", "N", ""])


class _Loader(Reader, Scanner, Parser, Composer, _Core):
    """From text to nodes, no deeper and no more of them than a document has."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Core.__init__(self)
        self._depth = self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth, self._nodes = self._depth + 1, self._nodes + 1
        if self._depth > MOST_DEPTH:
            raise too_deep("YAML")
        if self._nodes > MOST_VALUES:
            raise too_many()
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def too_many() -> Broken:
    """Return what is wrong with a text of too many values."""
    return Broken(f"YAML of more than {MOST_VALUES:,} values, aliases written out", "", "Write it as JSON.")


def parse_yaml(text: str) -> Document:
    """Read one YAML document.

    Raises
    ------
    Broken
        If it is none, has a name twice, a tag or a key that no reader takes, or more of anything than a document has.

    Examples
    --------
    >>> parse_yaml("a: [no, 1e3, 012, 2024-01-01, true]").data
    {'a': ['no', 1000.0, '012', '2024-01-01', True]}
    """
    if len(text) > MOST_TEXT:
        raise Broken(f"YAML of {len(text):,} characters", "", f"At most {MOST_TEXT:,} are read; write it as JSON.")
    try:
        node = _Loader(text).get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Broken(f"broken YAML ({problem})", where) from None
    except (ValueError, OverflowError) as error:  # an escape or a version beyond all bounds
        raise Broken(f"a value that YAML cannot read ({error})", "", "Quote it.") from None
    except RecursionError:
        raise too_deep("YAML") from None
    if node is None:
        return Document(None)
    lines: dict[Path, int] = {}
    data = _Values(lines).value(node, (), 1)
    check_values(data, "YAML")
    return Document(data, lines)


class _Values:
    """From nodes to values, aliases written out, with the line of every key and item."""

    def __init__(self, lines: dict[Path, int]) -> None:
        self.lines, self.values = lines, 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise too_many()
        if depth > MOST_DEPTH:
            raise too_deep("YAML")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            _check_tag(node, "seq")
            return [self.value(each, (*path, index), depth + 1) for index, each in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # there is no other kind
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        """Return a mapping; its keys are names and stay as they are written, as those of JSON."""
        _check_tag(node, "map")
        values: dict[str, Any] = {}
        names: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise Broken("a key that is no name", f"line {line}", "Quote it.")
            if key.value in names:
                raise Repeated(key.value, line, names[key.value])
            names[key.value] = self.lines[*path, key.value] = line
            values[key.value] = self.value(value, (*path, key.value), depth + 1)
        return values


def _scalar(node: yaml.ScalarNode) -> Any:
    text, tag = node.value, node.tag.removeprefix(_TAG)
    if tag == "str":
        return text
    if tag == "null" and _NULL.match(text):
        return None
    if tag == "bool" and _BOOL.match(text):
        return text.lower() == "true"
    if (tag == "int" and _INT.match(text)) or (tag == "float" and (_INT.match(text) or _FLOAT.match(text))):
        number = read_number(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return Spelt(text) if isinstance(number, float) and "e" in text.lower() and number == float(text) else number
    raise Broken(f"'{text}' with the tag '{_short(node)}'", f"line {node.start_mark.line + 1}", "Remove the tag.")


def _check_tag(node: yaml.Node, kind: str) -> None:
    if node.tag != f"{_TAG}{kind}":
        raise Broken(f"the tag '{_short(node)}'", f"line {node.start_mark.line + 1}", "Remove the tag.")


def _short(node: yaml.Node) -> str:
    return str(node.tag).replace(_TAG, "!!")
