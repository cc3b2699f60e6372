"""The model of memory beside measured rows, as ``simcore validate --memory`` holds them."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from simcore import validate
from simcore.cli.main import main
from simcore.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
TESTS, ITERATIONS = "data/measured/megatron_memory.csv.gz", "data/measured/training_iterations.csv.gz"


@pytest.fixture(scope="module")
def tests(shared):
    return validate(memory=shared / TESTS)


@pytest.fixture(scope="module")
def iterations(shared):
    return validate(memory=shared / ITERATIONS)


def source(each, word):
    (found,) = [one for one in each if word in one.source]
    return found


def test_peaks_of_megatron_within_a_tenth(tests):
    (found,) = tests.peaks
    assert found.rows == 609
    assert found.expressed > 0.7 * found.rows
    assert found.median < 0.03
    assert found.p90 < 0.1
    assert abs(found.bias) < 0.05


def test_allocated_state_of_megatron_within_a_tenth(tests):
    (found,) = tests.states
    assert found.median < 0.03
    assert found.p90 < 0.1


@pytest.mark.parametrize("framework", ["torchtitan", "sailor"])
def test_gib_of_frameworks_within_8_percent(iterations, framework):
    found = source(iterations.peaks, framework)
    assert found.expressed > 0.8 * found.rows
    assert found.median < 0.08
    assert found.mape < 0.08


def test_runs_of_bloom_that_ran_out_of_memory(iterations):
    found = source(iterations.fitting, "bigscience")
    assert (found.ran_out, found.said_so) == (6, 6)
    assert found.said_they_would == found.ran > 60


def test_every_row_is_expressed_or_has_a_reason(tests, iterations):
    for result in (tests, iterations):
        assert all((row.predicted is None) == bool(row.reason) for row in result.rows)
        reasons = sum(result.unexpressed.values())
        assert reasons == sum(one.rows - one.expressed for one in result.peaks)


def test_half_of_the_rows_by_row_is_predicted_as_well_as_the_other(tests):
    off = [abs(row.predicted / row.measured - 1) for row in tests.rows if row.predicted and row.measured]
    halves = sorted(off[::2]), sorted(off[1::2])
    assert all(half[len(half) // 2] < 0.03 for half in halves)


def test_the_page_has_the_numbers(tests, iterations):
    text = PAGE.read_text(encoding="utf-8")
    for one in (*tests.peaks, *iterations.peaks):
        if one.expressed:
            name = re.split(r"[@/]", one.source)[1]
            told = (one.rows, one.expressed, *(f"{100 * e:.1f} %" for e in (one.mape, one.median, one.p90, one.bias)))
            line = next(line for line in text.splitlines() if line.startswith("|") and f"peak, {name} " in line)
            assert [cell.strip() for cell in line.split("|")[2:-1]] == [str(cell) for cell in told]


def first_rows(shared, count=40):
    with gzip.open(shared / TESTS, "rt", encoding="utf-8") as stream:
        return list(csv.reader(stream))[: count + 1]


def written(tmp_path, rows):
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def test_any_file_with_these_columns_prints_sources(shared, tmp_path):
    rows = first_rows(shared)
    for row in rows[21:]:
        row[0] = "elsewhere"
    told = CliRunner().invoke(main, ["validate", "--memory", str(written(tmp_path, rows)), "--json"])
    assert told.exit_code == 0, told.output
    printed = json.loads(told.stdout)
    assert [(one["source"][:9], one["rows"]) for one in printed["sources"]] == [("NVIDIA/Me", 20), ("elsewhere", 20)]
    assert set(printed["sources"][0]) == {"source", "rows", "expressed", "mape", "median", "p90", "bias"}


def test_a_file_that_lacks_a_column_is_refused(shared, tmp_path):
    rows = first_rows(shared)
    at = rows[0].index("mem_max_allocated_bytes")
    path = written(tmp_path, [row[:at] + row[at + 1 :] for row in rows])
    with pytest.raises(InputError, match="no column 'mem_max_allocated_bytes'"):
        validate(memory=path)


def test_a_row_with_a_broken_number_is_refused(shared, tmp_path):
    rows = first_rows(shared)
    rows[3][rows[0].index("mem_max_allocated_bytes")] = "much"
    with pytest.raises(InputError, match="line 4, column 'mem_max_allocated_bytes'"):
        validate(memory=written(tmp_path, rows))


def test_sizes_that_are_no_numbers_are_a_reason(shared, tmp_path):
    rows = first_rows(shared)
    for row in rows[1:]:
        row[rows[0].index("hidden-size")] = "${HIDDEN}"
    result = validate(memory=written(tmp_path, rows))
    assert result.peaks[0].expressed == 0
    assert result.peaks[0].median is None
    assert {reason for _, reason in result.unexpressed} >= {"hidden-size is no whole number"}
