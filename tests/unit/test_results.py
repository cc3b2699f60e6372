import csv
import io
import json
import math
import shutil
import sys
from dataclasses import dataclass

import pytest
import simcore
from hypothesis import given
from hypothesis import strategies as st
from simcore import LoadedResult
from simcore.errors import InputError, MissingExtraError
from simcore.outputs import LISTING
from simcore.report import Headline, Sentences
from simcore.results import CONTENTS, Provenance, Result, Table, Timeline, to_json, versions

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


def test_a_table_of_many_rows_is_cut_off_where_it_is_shown_and_nowhere_else():
    table = Table(["i"], [(i,) for i in range(1000)])
    assert len(repr(table).splitlines()) == 40
    assert repr(table).endswith("... 962 more rows")
    assert table._repr_html_().count("<tr>") == 39
    assert "962 more rows" in table._repr_html_()
    assert len(table.to_csv().splitlines()) == 1001
    assert len(repr(Table(["i"], [(i,) for i in range(39)])).splitlines()) == 40


def test_tables_are_equal_by_what_they_hold():
    table = Table(["a"], [(1,)], {"a": "s", "of another table": "B"})
    assert table == Table(["a"], [[1]], {"a": "s"})
    assert table != Table(["a"], [[1]])
    assert table != Table(["a"], [[2]], {"a": "s"})
    assert table != [{"a": 1}]


def test_without_pandas_to_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"needs pandas, which is not installed: pip install pandas"):
        simcore.model("bert-base").to_pandas()


MIXED = {
    "text": ["a", None, "1.5"],
    "empty": ["", None, "b"],
    "whole": [1, -2, None],
    "number": [1, 0.1, 1e300],
    "truth": [True, False, None],
    "both": ["equal", 3, True],
    "odd": ["a\nb", "c,d", 'e"f'],
    "list": [[1, 2], [], None],
    "none": [None, None, None],
}


@dataclass(frozen=True, kw_only=True)
class Mixed(Result):
    stem = "mixed"

    def tables(self):
        rows = list(zip(*MIXED.values(), strict=True))
        return {"mixed": Table(list(MIXED), rows, {"number": "s"}), "nothing": Table(["a", "b"], [])}

    def as_dict(self):
        return {"numbers": [0.1, 1e300], "provenance": self.provenance.as_dict()}

    def report(self):
        return [Headline("mixed"), *(Sentences("Why", [f"line {i}" for i in range(100)]) for _ in range(2))]

    def inputs(self):
        return {"stack.yaml": "a: 1\n"}

    def timeline(self):
        return Timeline("[]\n")


@pytest.fixture
def folder(tmp_path):
    Mixed(provenance=Provenance("mix", {"a": 1}), warnings=("be careful",)).write(tmp_path / "out")
    return tmp_path / "out"


def test_cells_of_every_kind_are_read_back(folder):
    read = simcore.load(folder)
    written = Mixed(provenance=Provenance("mix", {"a": 1}), warnings=("be careful",))
    assert read.tables() == written.tables()
    assert [[type(v) for v in row.values()] for row in read.tables()["mixed"]] == [
        [type(v) for v in row.values()] for row in written.tables()["mixed"]
    ]
    assert read.timeline() == written.timeline()
    assert read.inputs() == written.inputs()
    assert read.as_dict() == written.as_dict()
    assert isinstance(read, LoadedResult)
    assert read.provenance == written.provenance
    assert read.stem == "mixed"


def test_a_result_is_shown_in_forty_lines_with_its_warnings(folder):
    for each in (Mixed(provenance=Provenance("mix", {}), warnings=("be careful",) * 20), simcore.load(folder)):
        assert len(repr(each).splitlines()) <= 40
        assert "be careful" in repr(each)
        assert "be careful" in each._repr_html_()


BROKEN = {
    "no folder": (lambda out: shutil.rmtree(out), "no such folder"),
    "a file": (lambda out: (shutil.rmtree(out), out.write_text("")), "a file"),
    "another's folder": (lambda out: (out / CONTENTS).unlink(), "a folder without contents.json"),
    "an empty file": (lambda out: (out / CONTENTS).write_text(""), "not as simcore wrote it"),
    "another JSON": (lambda out: (out / CONTENTS).write_text("[1]"), "not as simcore wrote it"),
    "a later format": (lambda out: (out / CONTENTS).write_text('{"format": 2}'), "format 2, expected format 1"),
    "a table that is gone": (lambda out: (out / "mixed.csv").unlink(), "no such file"),
    "a document that is gone": (lambda out: (out / "mixed.json").unlink(), "no such file"),
    "a broken document": (lambda out: (out / "mixed.json").write_text("{"), "mixed.json: found a file that is not as"),
    "a row less": (lambda out: edit(out, lambda t: t[: t.rindex("1.5")]), "mixed.csv: found a file that is not as"),
    "another column": (lambda out: edit(out, lambda t: t.replace("whole", "half")), "mixed.csv: found"),
    "no number": (lambda out: edit(out, lambda t: t.replace("-2", "two")), "mixed.csv: found"),
    "no text": (lambda out: (out / "mixed.csv").write_bytes(b"\xff"), "mixed.csv: found"),
}


def edit(out, change):
    path = out / "mixed.csv"
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize("case", BROKEN)
def test_what_simcore_did_not_write_is_refused(folder, case):
    spoil, message = BROKEN[case]
    (folder / LISTING).unlink()  # of what it lists every change is found
    spoil(folder)
    with pytest.raises(InputError) as refused:
        simcore.load(folder)
    assert message in str(refused.value)
    assert "a folder that simcore wrote" in str(refused.value) or "format 1" in str(refused.value)
    assert refused.value.remedy


def test_a_number_that_was_changed_is_refused(folder):
    edit(folder, lambda text: text.replace("-2", "-3"))
    with pytest.raises(InputError, match=r"mixed.csv: found a file that was changed since simcore wrote it"):
        simcore.load(folder)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_never_holds_what_json_cannot(value):
    with pytest.raises(ValueError, match="JSON"):
        to_json({"x": value})


def test_provenance_is_plain():
    provenance = Provenance("trace", {"a": 1}, seed=3, versions=versions("numpy"))
    document = json.loads(to_json(provenance.as_dict()))
    assert list(document) == ["command", "inputs", "sha256", "counts", "seed", "versions"]
    assert set(document["versions"]) == {"simcore", "python", "numpy"}


def test_a_cell_that_looks_like_an_end_of_line_is_read_back(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text("name,submit_s,duration_s,gpus,note\na,0,60,1,x\u2028y\nb,1,60,1,x\x0cy\n", encoding="utf-8")
    result = simcore.trace(path, policies="fifo")
    result.write(tmp_path / "out", figures=("svg",))
    assert simcore.load(tmp_path / "out").tables() == result.tables()
