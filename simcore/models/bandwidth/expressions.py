"""Linear constraints as text: ``b1 >= b2 >= b3``, ``b3 + b4 = 200``, ``total <= 1000``; numbers are GB/s.

Python's own parser reads the text, and a walk over its tree admits sums, multiples and comparisons of bandwidths and
nothing else. No text is ever evaluated.
"""

from __future__ import annotations

import ast
import re
import warnings

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, did_you_mean
from simcore.models.bandwidth.region import Constraint, Sense
from simcore.numerals import REAL, as_real, asked_for, of_float
from simcore.units import LARGEST, SMALLEST

Array = NDArray[np.float64]

_GIGABYTE = 1e9
_LONGEST = 500
_WORD = re.compile(r"[^\s()]")
_TIMES = re.compile(r"\*")
_LONE_EQUALS = re.compile(r"(?<![<>=!])=(?!=)")
_SIGNS = {ast.Eq: "=", ast.LtE: "<=", ast.GtE: ">="}
_ONE_EACH = "Write each comparison by itself."
_SLIPS = (
    (re.compile(r"(?<=[\d.])\s*[kKMGTP]?i?[bB]/s"), "the unit", "Numbers are GB/s: write them so, without a unit."),
    (re.compile(r"[≥⩾]"), "the sign", "Write >=."),
    (re.compile(r"[≤⩽]"), "the sign", "Write <=."),
    (re.compile(r"=[<>]"), "the sign", "Write <= or >=."),
    (re.compile(r"[×·]"), "the sign", "Write *."),
    (re.compile(r"[,;&]"), "the sign", f"{_ONE_EACH} Numbers have no commas."),
    (re.compile(r"(?<=\d)\s*[bB]\d"), "a product without its sign before", "Write *, as in 2*b1."),
)
"""What people write, what to call it, and how to mend it."""
_EXAMPLE = "a linear comparison such as 'b1 >= b2' or 'b3 + b4 = 200' (GB/s)"


def parse_constraint(text: str, dimensions: int, place: str) -> list[Constraint]:
    """Read a linear constraint over the bandwidths ``b1`` .. ``bD`` and their sum ``total``.

    Parameters
    ----------
    text : str
        Comparisons with ``=``, ``<=`` or ``>=``; a chain gives one constraint per link. Numbers that stand alone are
        GB/s per NPU, numbers that multiply or divide are plain. Names in any case.
    dimensions : int
        Dimensions of the network.
    place : str
        What gave it, for messages.

    Returns
    -------
    list of Constraint
        Each named after the place and its text, a link of a chain after itself and the chain.

    Raises
    ------
    InputError
        If the text is not linear, or names what is no dimension; a caret points to the place, where one is at fault.

    Examples
    --------
    >>> for constraint in parse_constraint("b1 >= 2*b2 = 100", 2, "limits.yaml"):
    ...     print(constraint.coefficients, constraint.sense.value, constraint.bound)
    (-1.0, 2.0) <= 0.0
    (0.0, 2.0) = 100000000000.0
    """
    try:
        return _read(text, dimensions, place)
    except _Refusal as refusal:
        offset = refusal.where(text)
        where = f"{place} '{text}'" if offset is None else f"{place}, column {offset + 1}"
        pointer = None if offset is None else (text, offset)
        raise InputError(where, refusal.found, refusal.expected, refusal.remedy, pointer) from None


def _slip(text: str) -> _Refusal | None:
    """Return what a text holds that people write and Python's parser does not know, with its place."""
    for pattern, found, remedy in _SLIPS:
        match = pattern.search(text)
        if match is not None:
            word = match[0].strip()
            return _Refusal(f"{found} '{word}'", _EXAMPLE, remedy=remedy, offset=match.end() - len(word))
    return None


def _source(text: str) -> str:
    """Return what Python's parser is given: no lone '=', no leading blanks, which would be an indented block."""
    return _LONE_EQUALS.sub("==", text.strip())


def _back(text: str, offset: int) -> int:
    """Return the offset in a text of an offset in what the parser was given: every lone '=' had become '=='."""
    for match in _LONE_EQUALS.finditer(text.strip()):
        offset -= match.start() < offset
    return offset + len(text) - len(text.lstrip())


def _parsed(source: str, text: str) -> ast.Compare:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's opinion of the text's style
            tree = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        if not source:
            raise _Refusal("an empty text", _EXAMPLE) from None
        end = len(text.rstrip())
        offset = _back(text, error.offset - 1) if error.offset else end  # 0 stands for the end
        found = "a text that cannot be read" if offset < end else "the end"
        raise _Refusal(found, _EXAMPLE, offset=offset) from None
    except (ValueError, RecursionError, MemoryError):
        raise _Refusal("a text that cannot be read", _EXAMPLE) from None
    if isinstance(tree, ast.BoolOp):
        found, remedy = ("'and'", _ONE_EACH) if isinstance(tree.op, ast.And) else ("'or'", "")
        raise _Refusal(found, _EXAMPLE, tree.values[0], remedy, after=_WORD)
    if not isinstance(tree, ast.Compare):
        raise _Refusal("no comparison", _EXAMPLE)
    return tree


def _read(text: str, dimensions: int, place: str) -> list[Constraint]:
    if len(text) > _LONGEST:
        raise _Refusal(f"a text of {len(text)} characters", f"at most {_LONGEST}")
    slip = _slip(text)
    if slip is not None:
        raise slip
    strange = next((offset for offset, letter in enumerate(text) if not letter.isascii()), None)
    if strange is not None:  # Python takes letters of other scripts for those they look like
        raise _Refusal(f"'{text[strange]}'", _EXAMPLE, offset=strange)
    source = _source(text)
    tree = _parsed(source, text)
    nodes = [tree.left, *tree.comparators]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            _check_number(node, ast.get_source_segment(source, node) or "")
    with np.errstate(over="ignore", invalid="ignore"):  # refused below, with the column
        sides = [_linear(node, dimensions) for node in nodes]
    constraints = []
    links = list(zip(tree.ops, nodes, nodes[1:], sides, sides[1:], strict=False))
    for operator, node, other, left, right in links:
        if not isinstance(operator, ast.Eq | ast.LtE | ast.GtE):
            sharp = isinstance(operator, ast.Lt | ast.Gt)
            remedy = "Write <= or >=: a bandwidth has no next smaller one." if sharp else ""
            raise _Refusal("a comparison other than =, <= and >=", _EXAMPLE, node, remedy, after=_WORD)
        difference = right - left if isinstance(operator, ast.GtE) else left - right
        if not difference[:dimensions].any():
            raise _Refusal("a comparison without a bandwidth in it", _EXAMPLE, node)
        sense = Sense.EQUAL if isinstance(operator, ast.Eq) else Sense.AT_MOST
        coefficients = tuple(float(value) for value in difference[:dimensions])
        name = f"'{text}'"
        if len(links) > 1:
            sign = next(sign for kind, sign in _SIGNS.items() if isinstance(operator, kind))
            link = f"{ast.get_source_segment(source, node)} {sign} {ast.get_source_segment(source, other)}"
            name = f"'{link}' of {name}"
        constraints.append(Constraint(f"{place} {name}", coefficients, sense, float(0.0 - difference[-1]) * _GIGABYTE))
    return constraints


class _Refusal(Exception):
    """What a text holds and must not: at an offset in it, or where a node is, or where a sign first comes after one."""

    def __init__(
        self,
        found: str,
        expected: str,
        node: ast.expr | None = None,
        remedy: str = "",
        offset: int | None = None,
        after: re.Pattern[str] | None = None,
    ) -> None:
        super().__init__(found)
        self.found, self.expected, self.node, self.remedy = found, expected, node, remedy
        self.offset, self.after = offset, after

    def where(self, text: str) -> int | None:
        """Return the offset in the text; None where no place is at fault."""
        if self.node is None:
            return self.offset
        encoded = _source(text).encode()  # Python's parser counts bytes
        first, last = (len(encoded[:at].decode()) for at in (self.node.col_offset, self.node.end_col_offset or 0))
        match = self.after.search(_source(text), last) if self.after else None
        return _back(text, first if match is None else match.start())


def _check_number(node: ast.Constant, text: str) -> None:
    """Refuse what only Python takes for a number: ``0x10``, ``1_000``."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool) and as_real(text) is None:
        found = f"'{text}'" if of_float(text) is None else "a number beyond all bounds"
        raise _Refusal(found, asked_for(text, REAL), node)


def _linear(node: ast.expr, dimensions: int) -> Array:
    """Return the coefficients of b1 .. bD, and the constant last."""
    value = np.zeros(dimensions + 1)
    match node:
        case ast.Constant(value=number) if isinstance(number, int | float) and not isinstance(number, bool):
            value[-1] = number
        case ast.Name(id=name):
            value[:dimensions] = _bandwidth(name, dimensions, node)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _linear(operand, dimensions) * (-1 if isinstance(sign, ast.USub) else 1)
        case ast.BinOp(op=ast.Add() | ast.Sub() as sign, left=left, right=right):
            value = _linear(left, dimensions) + _linear(right, dimensions) * (1 if isinstance(sign, ast.Add) else -1)
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            a, b = _linear(left, dimensions), _linear(right, dimensions)
            if a[:-1].any() and b[:-1].any():
                raise _Refusal("a product of bandwidths", _EXAMPLE, left, after=_TIMES)
            value = a * b[-1] if a[:-1].any() else b * a[-1]
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            a, b = _linear(left, dimensions), _linear(right, dimensions)
            if b[:-1].any() or b[-1] == 0:
                raise _Refusal("a division by a bandwidth or by 0", _EXAMPLE, right)
            value = a / b[-1]
        case _:
            raise _Refusal(f"'{ast.unparse(node)}'", _EXAMPLE, node)
    size = np.abs(value[value != 0])
    if not ((size >= SMALLEST) & (size <= LARGEST)).all():  # not finite among them
        raise _Refusal("a number beyond all bounds", f"0 or a number from {SMALLEST:g} to {LARGEST:g}", node)
    return value


def _bandwidth(name: str, dimensions: int, node: ast.expr) -> Array:
    if name.lower() == "total":
        return np.ones(dimensions)
    names = [f"b{i + 1}" for i in range(dimensions)]
    if name.lower() not in names:
        known = f"one of {', '.join(names)}, total"
        raise _Refusal(f"'{name}'", known, node, did_you_mean(name, [*names, "total"]))
    unit = np.zeros(dimensions)
    unit[names.index(name.lower())] = 1.0
    return unit
