"""Schedules and conventions as parts: what they have in common, and what is checked of a user's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError, RunError
from simcore.models.network.conventions import ASTRA_SIM_2
from simcore.models.network.conventions.astra2 import AstraSim2
from simcore.network import (
    CONVENTIONS,
    SCHEDULERS,
    Block,
    ChunkPlan,
    Clock,
    Collective,
    Dimension,
    Network,
    Scheduler,
    Topology,
    convention,
    scheduler,
    simulate_collective,
)

POD = Topology("pod", (Dimension(Block.RING, 4, "", 5e-7), Dimension(Block.SWITCH, 8, "", 1e-6)))
BY_PHASE = [name for name, each in CONVENTIONS.items() if not each.by_message]


def view(size=1e6, chunks=8, collective=Collective.ALL_REDUCE, counted="physical"):
    network = Network(Clock(), POD, [2e11, 5e10], convention=convention(counted))
    return network.view(collective, size, (4, 8), chunks)


@given(
    st.sampled_from(list(SCHEDULERS)),
    st.sampled_from(BY_PHASE),
    st.sampled_from(Collective),
    st.integers(1, 10**8),
    st.integers(1, 70),
)
def test_chunks_are_the_collective_whatever_the_schedule(name, counted, collective, size, chunks):
    seen = view(size, chunks, collective, counted)
    plans = scheduler(name)().plan(seen)
    chunk = plans[0].size if seen.convention is ASTRA_SIM_2 else 0  # its last chunk is a whole one
    assert size * (1 - 1e-5) <= sum(plan.size for plan in plans) <= size * (1 + 1e-5) + chunk
    for plan in plans:
        assert sorted(plan.order) == [0, 1]
        assert plan.size > 0
        assert isinstance(plan.size, int) or not seen.convention.whole_bytes
        assert plan.lag == plans[0].lag


@given(st.sampled_from(list(CONVENTIONS)), st.floats(1, 1e9), st.integers(1, 70), st.floats(0, 1), st.floats(0, 1))
def test_what_conventions_have_in_common(name, size, chunks, start, duration):
    each = convention(name)
    counted = each.bytes(size)
    assert size - 1 < counted <= size
    cut = each.cut(size, chunks)
    whole = isinstance(each, AstraSim2)  # its last chunk is a whole one
    assert counted * (1 - 1e-6) <= sum(cut) <= counted * (1 + 1e-6) + whole * (cut[0] - 1)
    assert each.share(counted, 8) <= counted / 8
    assert each.after(start, duration) == pytest.approx(start + duration, abs=1.01e-9)
    assert each.shares_links is not each.whole_bytes
    assert str(each) == each.name == name


def test_names_of_conventions():
    assert convention("ASTRA-sim").name == "astra-sim"
    with pytest.raises(InputError, match="convention: found 'astra', expected one of physical, astra-sim, astra-sim-2"):
        convention("astra")


def test_a_phase_waits_for_links_by_physics_only():
    cost = view().costs(0, Collective.ALL_REDUCE, 4, 1e6)
    physical, astra = (convention(name).serve(1.0, 2.0, cost) for name in ("physical", "astra-sim"))
    assert physical == (2.0, 2.0 + cost.work + cost.latency, 2.0 + cost.work)
    assert astra == (1.0, pytest.approx(1.0 + cost.work, abs=1e-9), 2.0)


def test_what_a_view_tells():
    seen = view(64.0, chunks=4)
    assert list(seen.equal_chunks()) == [16.0] * 4
    assert seen.default_order == (0, 1)
    assert view(collective=Collective.ALL_GATHER).default_order == (1, 0)
    plan = ChunkPlan(1e6, (0, 1))
    assert [d for d, _, _ in seen.phases(plan)] == [0, 1, 0]
    one = simulate_collective(Collective.ALL_REDUCE, 1e6, POD, seen.bandwidths, chunks=1)
    assert sum(seen.seconds(plan)) == pytest.approx(one.time)


def test_a_schedule_is_returned_as_it_is():
    themis = scheduler("themis")
    assert scheduler(themis) is themis
    with pytest.raises(InputError, match=r"schedule: found .* which is no schedule, expected a class derived from"):
        scheduler(Scheduler)


def test_a_schedule_is_called_as_its_class_if_it_says_nothing():
    class Mine(Scheduler):
        def plan(self, view):
            return []

    class Other(Mine):
        name = "other"

    assert (Mine.name, Other.name) == ("Mine", "other")


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        ([], "gives chunks of 0 B in all for a collective of 1e+06 B"),
        ([ChunkPlan(4e5, (0, 1))], "gives chunks of 400000 B in all for a collective of 1e+06 B"),
        ([ChunkPlan(1e6, (0,))], "gives chunk 1 the order (0,), where the group uses the dimensions (0, 1)"),
        ([ChunkPlan(1e6, (0, 1)), ChunkPlan(0.0, (1, 0))], "gives chunk 2 the size 0.0, not a number above 0"),
        (
            [ChunkPlan(5e5, (0, 1)), ChunkPlan(5e5, (0, 1), lag=1.0)],
            "gives chunk 2 the lag 1.0, and chunk 1 the lag No",
        ),
        ([ChunkPlan(1e6, [0, 1])], "gives chunk 1 the order [0, 1], where the group uses the dimensions (0, 1)"),
        ([ChunkPlan(1e6, (0, 1), lag=0.0)], "gives the lag 0.0, not a number above 0"),
        ([ChunkPlan(float("nan"), (0, 1))], "gives chunk 1 the size nan, not a number above 0"),
        ([(0, 1)], "gives (0, 1) for chunk 1, not a simcore.network.ChunkPlan"),
    ],
)
def test_chunks_that_are_not_the_collectives_are_refused(plans, message):
    class Mine(Scheduler):
        name = "mine"

        def plan(self, view):
            return plans

    with pytest.raises(RunError) as refused:
        simulate_collective(Collective.ALL_REDUCE, 1e6, POD, [2e11, 5e10], schedule=Mine)
    assert message in str(refused.value)
