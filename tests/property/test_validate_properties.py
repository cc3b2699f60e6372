"""Statistics of ``simcore validate`` on random rows, beside numpy's and what must hold of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.studies.validate.errors import errors_of, relative
from simcore.studies.validate.figures import quantile
from simcore.studies.validate.noise import repeats, spread
from simcore.studies.validate.outcome import Measured
from simcore.studies.validate.rows import Held

times = st.floats(1e-6, 1e3)
words = st.sampled_from(["a", "b"])


@st.composite
def rows(draw):
    """Any row: with and without measurement, prediction and interval."""
    predicted = draw(st.none() | times)
    width = None if predicted is None else draw(st.none() | st.floats(0, 1))
    low, high = (
        (None, None) if width is None or predicted is None else (predicted * (1 - width), predicted * (1 + width))
    )
    return Held(
        "", draw(words), draw(words), draw(words), draw(words), draw(st.none() | times), predicted, low, high,
        fitted=draw(st.booleans()) and predicted is not None, why_not="" if predicted is not None else "none",
    )  # fmt: skip


@given(st.lists(st.floats(-1, 10), min_size=1))
def test_statistics_are_those_of_numpy(off):
    mape, median, p90, bias = relative(off)
    size = np.abs(off)
    assert mape == pytest.approx(size.mean())
    assert median == pytest.approx(np.median(size))
    assert bias == pytest.approx(np.mean(off))
    assert p90 == np.quantile(size, 0.9, method="inverted_cdf")
    assert median <= p90 <= size.max()
    assert abs(bias) <= mape * (1 + 1e-12)


@given(st.lists(rows()))
def test_errors_of_groups_add_up(each):
    table = Measured("iterations", tuple(each))
    for name in ("rows", "expressed", "fitted"):
        of_groups = sum(getattr(one, name) for one in table.groups.values())
        of_sources = sum(getattr(one, name) for one in table.sources.values())
        assert of_groups == of_sources == getattr(table.total, name)
    assert table.total.rows - table.total.expressed == sum(table.reasons().values())


@given(st.lists(rows()), times)
def test_another_unit_changes_no_error(each, unit):
    def scaled(row):
        names = ("measured", "predicted", "low", "high")
        values = {name: None if getattr(row, name) is None else unit * getattr(row, name) for name in names}
        return Held(row.row_id, row.source, row.device, row.precision, row.kind, fitted=row.fitted, **values)

    one, other = errors_of(each), errors_of([scaled(row) for row in each])
    for name in ("mape", "median", "p90", "bias"):
        expected = getattr(other, name)
        assert getattr(one, name) == (None if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-9))


@given(st.lists(rows()))
def test_what_was_fitted_does_not_count_beside_what_was_not(each):
    found = errors_of(each)
    unseen = errors_of([row for row in each if not row.fitted])
    if unseen.expressed:
        assert (found.mape, found.p90, found.bias, found.covered_90) == (
            unseen.mape, unseen.p90, unseen.bias, unseen.covered_90,
        )  # fmt: skip
    assert found.covered_90 is None or 0 <= found.covered_90 <= 1
    assert found.covered_90 == unseen.covered_90


@given(st.lists(times, min_size=2), st.randoms())
def test_noise_knows_no_order(each, random):
    shuffled = random.sample(each, len(each))
    assert spread(each) == pytest.approx(spread(shuffled))
    assert spread([2 * time for time in each]) == pytest.approx(spread(each))
    found = repeats([Held("", "a", "b", "c", "d", time) for time in each], [("same",)] * len(each))
    assert len(found) == (len(set(each)) > 1)


@given(st.lists(st.floats(-1, 1), min_size=1), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(each, share):
    assert quantile(sorted(each), share) == pytest.approx(np.quantile(each, share), abs=1e-12)
