"""Sizes of a model as expressions over the fields of its ``config.json``.

An expression is made of fields, numbers, comparisons and ``a if b else c``. ``a | b`` is a, or b where a is absent.
``this.heads`` is another size.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from simcore.errors import InputError, shortened
from simcore.numerals import as_whole, asked_for

MOST_CHARACTERS = 500
"""Of an expression: beyond any, and little enough to be parsed at once."""


def check_formula(formula: str) -> None:
    """Refuse an expression that cannot be evaluated.

    Raises
    ------
    ValueError
        Saying what is expected.

    Examples
    --------
    >>> check_formula("4 * n_embd | this.hidden")
    >>> check_formula("n_embd ** 2")
    Traceback (most recent call last):
        ...
    ValueError: an expression of fields, numbers, + - * / //, |, comparisons and 'a if b else c'
    """
    expected = "an expression of fields, numbers, + - * / //, |, comparisons and 'a if b else c'"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)  # of 1or 2
            node = _parsed(formula).body if len(formula) <= MOST_CHARACTERS else None
    except (SyntaxError, SyntaxWarning, ValueError, RecursionError, MemoryError):
        node = None
    if node is None or not all(_known(each) for each in ast.walk(node)):
        raise ValueError(expected)


def _known(node: ast.AST) -> bool:
    """Tell whether a part of an expression is one that `Sizes` evaluates."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) or type(node.op) in _ARITHMETIC
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    if isinstance(node, ast.Compare):
        return len(node.ops) == 1 and type(node.ops[0]) in _COMPARE
    if isinstance(node, ast.Call):
        named = isinstance(node.func, ast.Name) and node.func.id == "len"
        return named and len(node.args) == 1 and not node.keywords
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name | ast.Attribute)
    kinds = ast.Constant | ast.Name | ast.BoolOp | ast.IfExp | ast.operator | ast.unaryop | ast.cmpop | ast.boolop
    return isinstance(node, kinds | ast.expr_context)


def fields_in(formula: str) -> Iterator[str]:
    """Yield the fields that an expression may read, nested ones with dots.

    Examples
    --------
    >>> [*fields_in("num_kv_heads | n_head_kv | this.heads")]
    ['num_kv_heads', 'n_head_kv']
    """
    yield from _names(_parsed(formula).body)


class Sizes:
    """The sizes of a family for one config.

    Parameters
    ----------
    formulas : mapping of str to str
        Expressions by size.
    config : mapping
        The config's fields.
    path : Path
        Its file, for messages.
    around : mapping, optional
        Names that are no fields: ``head``, what its architecture is for, and ``text``, the config of the text part.
    """

    def __init__(
        self, formulas: Mapping[str, str], config: Mapping[str, Any], path: Path, around: Mapping[str, Any]
    ) -> None:
        self.formulas, self.config, self.path, self.around = formulas, config, path, around
        self.used: dict[str, Any] = {}
        self._under_way: list[str] = []
        self._asked: list[str] = []

    def count(self, size: str, least: int = 1) -> int | None:
        """Return a whole number; None where the config leaves it open."""
        formula = self.formulas.get(size)
        return None if formula is None else self.number(formula, least)

    def number(self, formula: str, least: int = 0, most: int | None = None) -> int | None:
        """Return the whole number that an expression gives."""
        value, read = self._evaluated(formula)
        if value is None:
            return None
        whole = None if isinstance(value, str) else as_whole(value)
        if whole is None or whole < least or (most is not None and whole > most):
            bound = "" if most is None else f" and at most {most:,}"
            expected = asked_for(value, f"a whole number of at least {least}")
            raise self._wrong(read, formula, value, f"{expected}{bound}")
        return whole

    def needed(self, size: str, least: int = 1, most: int | None = None) -> int:
        """Return a whole number that the config must give."""
        number = self.number(self.formulas[size], least, most)
        if number is None:
            names = [*fields_in(self.formulas[size])]
            where = f"{self.path}, field '{names[0] if names else size}'"
            raise InputError(where, "nothing", "a whole number of at least 1", f"Add the field '{names[0]}'.")
        return number

    def share(self, size: str) -> float:
        """Return a number from 0 to below 1; 0 where the config leaves it open."""
        value, read = self._evaluated(self.formulas.get(size, "0"))
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise self._wrong(read, size, value, "a number from 0 to below 1")
        return float(value)

    def flag(self, size: str) -> bool:
        """Return whether something is so; no where the config leaves it open."""
        return self.holds(self.formulas.get(size, "false"))

    def holds(self, formula: str) -> bool:
        """Return whether an expression holds."""
        value, read = self._evaluated(formula)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(read, formula, value, "true or false")
        return bool(value)

    def field(self, size: str) -> Any:
        """Return what a size's expression gives, of any kind."""
        return self.evaluated(self.formulas.get(size, "None"))

    def evaluated(self, formula: str) -> Any:
        """Return what an expression gives, of any kind; None where the config leaves it open."""
        return self._evaluated(formula)[0]

    def _evaluated(self, formula: str) -> tuple[Any, list[str]]:
        """Evaluate an expression; also return the fields that it read."""
        before = len(self._under_way)
        try:
            value = self._value(_parsed(formula).body)
            return value, self._under_way[before:]
        except (TypeError, ZeroDivisionError):
            read = self._under_way[before:]
            value = self.used.get(read[-1]) if read else None
            raise self._wrong(read, formula, value, "a whole number of at least 1") from None

    def _wrong(self, read: list[str], formula: str, value: Any, expected: str) -> InputError:
        fields = list(dict.fromkeys(read)) or [formula]
        place = f"{self.path}, field{'s' if len(fields) > 1 else ''} " + ", ".join(f"'{name}'" for name in fields)
        return InputError(place, shown(value), expected)

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named(_dotted(node))
        if isinstance(node, ast.BinOp):
            return self._joined(node)
        if isinstance(node, ast.UnaryOp):
            return not self._value(node.operand)
        if isinstance(node, ast.BoolOp):
            wanted = isinstance(node.op, ast.Or)
            return (
                any(bool(self._value(each)) for each in node.values)
                if wanted
                else all(bool(self._value(each)) for each in node.values)
            )
        if isinstance(node, ast.IfExp):
            return self._value(node.body if self._value(node.test) else node.orelse)
        if isinstance(node, ast.Compare):
            left, right = self._value(node.left), self._value(node.comparators[0])
            return _COMPARE[type(node.ops[0])](left, right)
        assert isinstance(node, ast.Call), ast.dump(node)  # len(...): expressions are ours
        held = self._value(node.args[0])
        if held is not None and not isinstance(held, list | dict):
            raise TypeError
        return None if held is None else len(held)

    def _joined(self, node: ast.BinOp) -> Any:
        left = self._value(node.left)
        if isinstance(node.op, ast.BitOr):
            return self._value(node.right) if left is None else left
        right = self._value(node.right)
        if left is None or right is None:
            return None
        if isinstance(left, bool | str) or isinstance(right, bool | str):
            raise TypeError
        return _ARITHMETIC[type(node.op)](left, right)

    def _named(self, name: str) -> Any:
        if name in _WORDS:
            return _WORDS[name]
        if name.startswith("this."):
            return self._other(name.removeprefix("this."))
        first, _, rest = name.partition(".")
        if first in self.around:
            held = self.around[first]
            return _within(held, rest) if rest else held
        value = _within(self.config, name)
        if value is not None:
            self.used[name] = value
            self._under_way.append(name)
        return value

    def _other(self, size: str) -> Any:
        """Return another size, unless it is one that is being evaluated."""
        if size in self._asked:
            found = " of ".join(f"'{name}'" for name in (*self._asked, size))
            raise InputError(f"family of {self.path}", found, "sizes that do not need each other")
        self._asked.append(size)
        try:
            return self._value(_parsed(self.formulas.get(size, "None")).body)
        finally:
            self._asked.pop()


_WORDS = {"true": True, "false": False}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: right is not None and left in right,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def _parsed(formula: str) -> ast.Expression:
    return ast.parse(formula, mode="eval")


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the fields that an expression may read."""
    if isinstance(node, ast.Name | ast.Attribute):
        name = _dotted(node)
        if name.partition(".")[0] not in {"this", "head", "text", "len", *_WORDS}:
            yield name
        return
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    assert isinstance(node, ast.Name)
    return node.id


def _within(config: Any, name: str) -> Any:
    """Return a field of a config, or of one nested in it; None where it is absent or null."""
    for part in name.split("."):
        if not isinstance(config, Mapping):
            return None
        config = config.get(part)
    return config


def shown(value: Any) -> str:
    """Say in a message what a field holds: numbers bare, text in quotes.

    Examples
    --------
    >>> shown(True), shown("64"), shown([1]), shown(2.5)
    ('true', "'64'", 'a list', '2.5')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{shortened(value, 60)}'" if isinstance(value, str) else f"{value}"
