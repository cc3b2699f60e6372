from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.models.cluster.policies.easyscale.growth import growth
from simcore.models.cluster.policies.easyscale.proposals import proposals
from simcore.models.cluster.rules import CORRECTED, PUBLISHED

from tests.oracle import brute_force

ASSIGNMENT = st.sampled_from(("worst", "best"))
SINGLE = st.sampled_from(("linear", "exact"))


@given(
    size=st.integers(1, 9),
    power=st.tuples(st.floats(0.3, 4), st.floats(0.3, 4), st.just(1.0)),
    counts=st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).filter(any),
    assignment=ASSIGNMENT,
    single=SINGLE,
)
def test_closed_form_equals_the_recursion(size, power, counts, assignment, single):
    fast = proposals(size, power, counts, assignment, single)
    slow = brute_force(size, power, counts, assignment, single)
    assert [tuple(n) for n in fast.gpus.tolist()] == [p.gpus for p in slow]
    assert [tuple(a) for a in fast.threads.tolist()] == [p.threads for p in slow]
    np.testing.assert_allclose(fast.speedup, [p.speedup for p in slow], rtol=1e-12)
    np.testing.assert_allclose(fast.waste, [p.waste for p in slow], atol=1e-12)


@given(size=st.integers(1, 32), count=st.integers(1, 40))
def test_single_type_sizes_are_the_rounded_up_quotients(size, count):
    found = proposals(size, (1.0,), (count,), "worst", "linear")
    expected = {-(-size // m) for m in range(1, size + 1)}
    assert {int(n) for n in found.gpus[:, 0]} == {n for n in expected if n <= count}


def test_published_single_type_speedup_is_over_optimistic():
    """maxP 32 on 11 GPUs: three rounds, of which the last is not full. Claimed 11, real 10.67."""
    for single, speedup in (("linear", 11.0), ("exact", 32 / 3)):
        found = proposals(32, (1.0,), (32,), "worst", single)
        row = found.gpus[:, 0].tolist().index(11)
        assert found.threads[row, 0] == 3
        assert found.speedup[row] == pytest.approx(speedup, rel=1e-12)


def test_candidate_counts_stay_near_the_published_ones():
    """The artifact has about 1200 to 1300 proposals for maxP 32 on 32 + 16 + 16 GPUs."""
    assert 1000 < len(proposals(32, (1.93, 1.18, 1.0), (32, 16, 16), "worst", "linear").gpus) < 1400


def test_a_homogeneous_job_doubles_at_most_and_takes_the_larger_of_tied_wishes():
    found = proposals(32, (1.0,), (32,), "worst", "linear")
    sizes, now = [], 1
    while wishes := growth(found, (now,), float(now), PUBLISHED):
        assert len(wishes) == 1
        assert wishes[0].gain == pytest.approx(1 + 1 / now)
        now = wishes[0].gpus[0]
        sizes.append(now)
    assert sizes == [2, 4, 8, 16, 32]


def test_held_and_returned_idle_gpus():
    """One fast GPU beside slow ones: a larger share on the fast type makes slow GPUs idle."""
    found = proposals(4, (4.0, 1.0), (4, 4), "best", "exact")
    now, speedup = (0, 2), 2.0
    held = {w.gpu: w for w in growth(found, now, speedup, PUBLISHED)}[0]
    returned = {w.gpu: w for w in growth(found, now, speedup, CORRECTED)}[0]
    assert held.gpus[1] == 2
    assert held.returned == (0, 0)
    assert returned.gpus[1] + returned.returned[1] == 2
    assert returned.returned[1] > 0
