"""JSON and YAML as simcore reads them: what each word is, where it stands, and what is refused."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from simcore.documents import Broken, parse, parse_json
from simcore.documents.json_format import JsonLines
from simcore.documents.yaml_format import MOST_TEXT, MOST_VALUES, parse_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
WORDS = st.text("aeiny :#-'\"\n[{é", max_size=6)
DATA = st.dictionaries(TEXT, VALUES, max_size=5)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, word) for word in ("yes", "no", "on", "off", "y", "n", "0x10", "0o14", "0b1", "012", "-08", "00.5")),
        *((word, word) for word in ("1_000", "1:30", "2024-01-01", "2024-13-45", "=", "<<", "1e", "+", ".", "e5")),
        ("12", 12), ("-7", -7), ("+5", 5), ("0", 0), ("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-0.5E-1", -0.05),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), (".inf", float("inf")),
        ("-.INF", float("-inf")), ("9" * 18, 10**18 - 1), ("9" * 19, 1e19), ("9" * 400, float("inf")),
        ("'8'", "8"), ('"true"', "true"), ("!!str 8", "8"), ("!!float 8", 8),
    ],
)  # fmt: skip
def test_what_a_word_of_yaml_is(word, value):
    read = parse_yaml(f"a: {word}").data["a"]
    assert (read, isinstance(read, type(value))) == (value, True)


def test_a_key_is_a_name_as_it_is_written():
    assert parse("no: 1\n1080: 2\n1e3: 3\n~: 4\ntrue: 5\n012: 6").data == {
        "no": 1, "1080": 2, "1e3": 3, "~": 4, "true": 5, "012": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found", "where"),
    [
        ("a: 1\nb: 2\na: 3", "'a' a second time (line 1 has it too)", "line 3"),
        ('a: 1\n"a": 3', "'a' a second time (line 1 has it too)", "line 2"),
        ('{"a": 1,\n "b": {"c": 1,\n "c": 2}}', "'c' a second time (line 2 has it too)", "line 3"),
        ("[a]: 1", "a key that is no name", "line 1"),
        ("!!binary aGk=", "'aGk=' with the tag '!!binary'", "line 1"),
        ("!!set {a}", "the tag '!!set'", "line 1"),
        ("!!int '012'", "'012' with the tag '!!int'", "line 1"),
        ("a: &a [*a]", "YAML that is nested too deep, or in itself", ""),
        ("[" * 51 + "]" * 51, "YAML that is nested too deep, or in itself", ""),
        ('{"a":' * 51 + "1" + "}" * 51, "JSON that is nested too deep", ""),
        (f"a: {'x' * MOST_TEXT}", f"YAML of {MOST_TEXT + 3:,} characters", ""),
        ("a: [" + "1," * MOST_VALUES + "]", f"YAML of more than {MOST_VALUES:,} values, aliases written out", ""),
        ('{"a": "\\ud800"}', "'\ud800', with half of a character", ""),
        ('"\\ud800"', "'\ud800', with half of a character", ""),
    ],
)  # fmt: skip
def test_what_is_refused(text, found, where):
    with pytest.raises(Broken) as caught:
        parse(text)
    assert (caught.value.found, caught.value.where) == (found, where)


def test_fifty_levels_and_fifty_thousand_values_are_read():
    assert parse("[" * 49 + "1" + "]" * 49).data
    assert len(parse("[" + "1," * (MOST_VALUES - 1) + "]").data) == MOST_VALUES - 1


@given(DATA)
def test_json_is_read_as_it_was_written(data):
    assert parse(json.dumps(data)).data == data
    assert parse(json.dumps(data, ensure_ascii=False, indent=1)).data == data


@given(st.dictionaries(WORDS, st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8,
)))  # fmt: skip
def test_what_the_older_version_writes_is_read(data):
    assert parse_yaml(yaml.safe_dump(data, allow_unicode=True)).data == data


@given(
    st.dictionaries(
        WORDS,
        st.recursive(
            st.none() | st.integers() | WORDS,
            lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
            max_leaves=9,
        ),
        min_size=1,
    ),
    st.sampled_from([None, 1]),
)
def test_a_line_of_json_is_that_of_yaml(data, indent):
    text = json.dumps(data, indent=indent)
    assert dict(JsonLines(text)) == parse_yaml(text).lines


@given(st.text(st.sampled_from('ab1"{}[]:,\\ \n')))
def test_any_text_is_json_or_broken(text):
    try:
        read = parse_json(text)
    except Broken:
        read = Broken
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = Broken
    assert read == wanted or read is Broken  # a name twice is no error of Python's
