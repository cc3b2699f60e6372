"""One rule for numbers, everywhere."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path

import pytest
import simcore
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.numerals import as_real, as_whole, parse_real, parse_whole, read_number

NONE = [
    "",
    " 1",
    "1 ",
    "²",
    "٣",
    "１２",
    "1_000",
    "0x10",
    "0b1",
    "1e",
    "e1",
    ".",
    "+",
    "--1",
    "1,5",
    "½",
    "inf",
    "nan",
    "1d0",
]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number(text):
    assert as_whole(text) is None
    assert as_real(text) is None


@pytest.mark.parametrize("value", [True, False, None, [], {}, float("nan"), float("inf"), 10**18, 10**400, "9" * 5000])
def test_what_a_file_holds_and_is_no_whole_number(value):
    assert as_whole(value) is None


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_a_whole_number_is_read_with_all_its_digits(number):
    assert as_whole(str(number)) == as_whole(f"{number}.0") == as_whole(number) == number
    assert as_whole(f"{number}e0") == read_number(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_python_writes_it_unless_it_has_lost_digits(number):
    subnormal = 0 < abs(number) < 2.3e-308
    assert as_real(repr(number)) == as_real(number) == (None if subnormal else number)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.integers(-30, 30))
def test_a_decimal_is_whole_exactly_where_it_is(number, power):
    text = f"{number}e{power}"
    exact = Decimal(text)
    wanted = int(exact) if exact == exact.to_integral_value() and abs(exact) < 10**18 else None
    assert as_whole(text) == wanted


def test_the_message_has_the_bound_and_not_all_digits():
    with pytest.raises(InputError) as caught:
        parse_whole("9" * 5000, "--tp", "a whole number of at least 1")
    assert caught.value.expected == "a whole number of at most 18 digits, of at least 1"
    assert len(str(caught.value)) < 200
    with pytest.raises(InputError, match="expected a finite number of bytes"):
        parse_real("1e400", "x", "a number of bytes")


NUMBERS = {"int", "float", "bool", "PositiveInt", "PositiveFloat", "NonNegativeInt", "NonNegativeFloat"}
SCHEMAS = {"BaseModel", "Strict", "Entry", "RootModel", "_Foreign"}


def _plain_numbers(path: Path) -> list[str]:
    """Return fields of schemas in a file whose numbers pydantic would read by its own rule."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places: list[tuple[int, ast.AST]] = [
        (node.lineno, node) for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Annotated"
    ]  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and {getattr(base, "id", "") for base in node.bases} & SCHEMAS:
            places += [(each.lineno, each.annotation) for each in node.body if isinstance(each, ast.AnnAssign)]
    names = [(line, each.id) for line, place in places for each in ast.walk(place) if isinstance(each, ast.Name)]
    return [f"{path.name}, line {line}: {name}" for line, name in names if name in NUMBERS]


def test_no_schema_reads_a_number_by_another_rule():
    root = Path(simcore.__file__).parent
    files = [*(root / "readers").glob("*.py"), *(root / "traces").glob("*.py")]
    found = {path.name: _plain_numbers(path) for path in files if path.name != "quantities.py"}
    assert {name: lines for name, lines in found.items() if lines} == {}
