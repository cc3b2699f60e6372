"""Properties of measured collectives, for all profiles of the zoo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.models.network.nccl import KINDS, MESSAGE, Span, volume
from simcore.readers.collective_profiles import read_collective_profile
from simcore.readers.zoo import names

PROFILES = {name: read_collective_profile(name).value for name in names("collectives")}
spans = st.builds(Span, st.integers(1, 8), st.sampled_from([1, 2, 4, 16, 128])).filter(lambda span: span.gpus > 1)
sizes = st.floats(0, 37).map(lambda power: 2.0**power)
cases = st.tuples(st.sampled_from(sorted(PROFILES)), st.sampled_from(KINDS), spans)


@given(cases, sizes, sizes)
def test_more_bytes_are_never_faster(case, one, other):
    name, kind, span = case
    timing = PROFILES[name].timing(kind, span)
    low, high = sorted((one, other))
    assert timing.seconds(low) <= timing.seconds(high) * (1 + 1e-9)
    assert timing.seconds(0.0) <= timing.seconds(low) * (1 + 1e-9)


@given(cases, sizes, st.sampled_from([(1, 1), (2, 1), (1, 2), (4, 4)]))
def test_wider_links_are_never_slower(case, size, wider):
    name, kind, span = case
    profile = PROFILES[name]
    more = [bandwidth * factor for bandwidth, factor in zip(profile.bandwidths, wider, strict=True)]
    assert profile.timing(kind, span, more).seconds(size) <= profile.timing(kind, span).seconds(size) * (1 + 1e-9)


@given(cases, sizes)
def test_nothing_beats_the_links(case, size):
    """Switches that reduce let an all-reduce send ``1 + 1 / g`` bytes; all other algorithms send what a ring does."""
    name, kind, span = case
    profile = PROFILES[name]
    algorithms = ["direct"] if kind in {"all-to-all", MESSAGE} else ["ring", "tree"]
    if kind == "all-reduce" and any(line.algorithm == "nvls" for line in profile.lines[kind]):
        algorithms.append("nvls")
    near, far = profile.bandwidths
    least = min(max(here / near, there / far) for here, there in (volume(each, kind, span) for each in algorithms))
    assert profile.timing(kind, span).seconds(size) >= least * size


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_curve_lies_near_its_lines(name):
    for curve in PROFILES[name].curves:
        assert all(0.2 < factor < 5 for factor in curve.factors), (curve.kind, curve.span, curve.state)
