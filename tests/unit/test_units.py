import math
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.units import LEAST_BANDWIDTH, format_si, parse

KINDS = ["time", "bytes", "bandwidth", "rate", "work"]
DECIMAL = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}
BASE = {"bytes": "B", "bandwidth": "B/s", "rate": "FLOP/s", "work": "FLOP"}


def is_whole_link(kind, value):
    """Return whether a bandwidth is one that a link may have; other quantities always are."""
    return kind != "bandwidth" or value == 0 or value >= 2 * LEAST_BANDWIDTH


@given(st.sampled_from(sorted(BASE)), st.sampled_from(sorted(DECIMAL)), st.integers(0, 10**9))
def test_decimal_prefixes(kind, prefix, number):
    value = float(number * 10 ** DECIMAL[prefix])
    assume(is_whole_link(kind, value))
    assert parse(f"{number} {prefix}{BASE[kind]}", kind, "x") == value


@given(st.sampled_from(sorted(BASE)), st.sampled_from(sorted(BINARY)), st.integers(0, 10**9))
def test_binary_prefixes(kind, prefix, number):
    value = float(number * 2 ** BINARY[prefix])
    assume(is_whole_link(kind, value))
    assert parse(f"{number}{prefix}{BASE[kind]}", kind, "x") == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5 us", 5e-6),
        ("5µs", 5e-6),
        ("1.5 min", 90.0),
        ("2h", 7200.0),
        ("-3 ms", -3e-3),
        ("1e3 ns", 1e-6),
        (".5 s", 0.5),
    ],
)
def test_times(text, seconds):
    assert parse(text, "time", "x") == seconds


@given(st.decimals(min_value=0, max_value=10**6, places=6))
def test_a_parsed_number_is_the_float_nearest_to_the_text(number):
    assert parse(f"{number} us", "time", "x") == float(number * Decimal("1e-6"))


@given(st.floats(min_value=1e-8, max_value=1e16))
def test_what_is_formatted_parses_back(value):
    for kind, unit in (("bandwidth", "B/s"), ("bytes", "B")):
        if value >= 1 and is_whole_link(kind, value):
            assert parse(format_si(value, unit, digits=12), kind, "x") == pytest.approx(value, rel=1e-9)
    assert parse(format_si(value, "s", digits=12), "time", "x") == pytest.approx(value, rel=1e-9)


@given(st.text(max_size=30), st.sampled_from(KINDS))
def test_any_text_gives_a_finite_number_or_an_input_error(text, kind):
    try:
        value = parse(text, kind, "field")
    except InputError as error:
        message = str(error)
    else:
        assert math.isfinite(value)
        message = "field: found "
    assert message.startswith("field: found ")


@pytest.mark.parametrize("text", ["1e999 s", "1e99999999999999999999 s", "-1e400 h"])
def test_a_number_beyond_floats_is_an_error(text):
    with pytest.raises(InputError, match="found"):
        parse(text, "time", "x")


@pytest.mark.parametrize("text", ["5", "5 GB", "GB/s", "five s", "5 s s", "", "nan s", "inf s", "0x5 s"])
def test_what_is_no_time_with_a_unit(text):
    with pytest.raises(InputError):
        parse(text, "time", "x")


def test_a_bare_number_is_told_which_unit_to_add():
    with pytest.raises(InputError, match=r"'325' without a unit.*Add the unit: '325 GB/s' or '325 B/s'\."):
        parse("325", "bandwidth", "budget")


@pytest.mark.parametrize(
    ("text", "bytes_"), [("325 Gb/s", "40.625 GB/s"), ("200Gbps", "25 GB/s"), ("8 bit/s", "1 B/s")]
)
def test_bits_are_said_to_be_bits(text, bytes_):
    with pytest.raises(InputError, match=f"divided by 8 it is {bytes_}"):
        parse(text, "bandwidth", "--budget")
