import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.results import Provenance, Table, to_json, versions

CELLS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none()


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_csv_and_json_hold_every_digit(rows):
    table = Table(["a", "b"], rows)
    read = list(csv.DictReader(io.StringIO(table.to_csv())))
    for row, text in zip(table, read, strict=True):
        for name, value in row.items():
            assert (text[name] == "") if value is None else (type(value)(text[name]) == value)
    assert json.loads(to_json({"rows": list(table)}))["rows"] == [dict(row) for row in table]


def test_a_table_is_a_sequence_of_rows():
    table = Table(["a", "b"], [(1, 2.5), (3, None)])
    assert len(table) == 2
    assert table[-1] == {"a": 3, "b": None}
    assert table[:1] == [{"a": 1, "b": 2.5}]
    assert table.column("a") == [1, 3]
    with pytest.raises(ValueError, match="'c'"):
        table.column("c")


def test_a_table_shows_as_text_and_html():
    table = Table(["name", "<b>"], [("a&b", 1234567.8), ("c", None)])
    assert repr(table).splitlines() == ["name          <b>", " a&b  1.23457e+06", "   c             "]
    html = table._repr_html_()
    assert "&lt;b&gt;" in html
    assert "a&amp;b" in html


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_never_holds_what_json_cannot(value):
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": value})


def test_provenance_is_plain():
    provenance = Provenance("trace", {"a": 1}, seed=3, versions=versions("numpy"))
    document = json.loads(to_json(provenance.as_dict()))
    assert list(document) == ["command", "inputs", "sha256", "counts", "seed", "versions"]
    assert set(document["versions"]) == {"simcore", "python", "numpy"}
