"""Collectives as fluids, and phases that interrupt others: what small cases come to by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.engine import Clock
from simcore.models.network.collectives import Collective
from simcore.models.network.simulation.network import Network
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.models.network.transfers import TransferLeg
from simcore.models.training.parallel.fluid import Fluid, Leg, Window
from simcore.models.training.parallel.simulate import simulate
from simcore.models.training.simulated import Settings

from tests.deployments import drawn

PAIR = Topology("pair", (Dimension(Block.SWITCH, 2),))
REDUCE = [Leg(0, 2.0), Leg(1, 3.0), Leg(0, 2.0)]
"""An all-reduce: inwards, outside, and back."""


def test_dimensions_work_at_the_same_time():
    fluid = Fluid(2)
    fluid.issue([Leg(0, 1.0), Leg(1, 2.0)])
    fluid.issue([Leg(0, 1.0), Leg(1, 2.0)])
    assert fluid.finish() == pytest.approx(4.0)


def test_a_gather_cannot_use_an_inner_dimension_before_the_outer_one_has_passed_it_on():
    fluid = Fluid(2)
    gather = fluid.issue([Leg(1, 4.0), Leg(0, 1.0)])
    fluid.run(Window(2.0, (1.0, 1.0)))  # half of it has come, and has passed
    fluid.run(Window(10.0, (0.0, 1.0)))
    assert fluid.waiting() == pytest.approx([0.5, 0.0])
    assert fluid.finish([gather]) == pytest.approx(0.5)


def test_an_outer_dimension_starves_while_sums_come_back_through_a_busy_inner_one():
    """With half of the inner dimension, an all-reduce takes 8 s there, and 3 s of the 4 s that follow leave none."""
    fluid = Fluid(2)
    first, second = fluid.issue(REDUCE), fluid.issue(REDUCE)
    fluid.run(Window(8.0, (0.5, 1.0)))
    assert first.done
    assert second.left == [1.0, 1.0, 1.0]
    fluid.run(Window(4.0, (0.5, 1.0)))
    assert second.left == pytest.approx([0.0, 0.0, 1.0])


def test_a_later_collective_uses_what_an_earlier_one_leaves():
    fluid = Fluid(2)
    fluid.issue([Leg(1, 4.0), Leg(0, 1.0)])  # it takes a quarter of the inner dimension
    later = fluid.issue([Leg(0, 3.0)])
    fluid.run(Window(4.0, (1.0, 1.0)))
    assert later.done


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0.01, 10), st.floats(0.01, 10)), min_size=1, max_size=6),
    st.floats(0, 5),
    st.floats(0, 1),
)
def test_it_takes_no_less_than_each_dimension_and_no_more_than_both(sent, seconds, free):
    fluid = Fluid(2)
    for outwards, inner, outer in sent:
        legs = [Leg(0, inner), Leg(1, outer)]
        fluid.issue(legs if outwards else legs[::-1])
    fluid.run(Window(seconds, (free, 1.0)))
    left = fluid.waiting()
    late = fluid.finish()
    assert max(left) * (1 - 1e-9) <= late <= sum(left) * (1 + 1e-9) + 1e-9
    assert not any(fluid.waiting())


def ends_of(*, interrupts):
    """Return when a collective of 4 s ends, and one of 2 s that goes first and comes after 1 s; and the network."""
    clock, ends = Clock(), {}
    network = Network(clock, PAIR, [1e9], interrupts=interrupts)

    def issue(name, size, priority):
        event = network.issue(Collective.ALL_GATHER, size, chunks=1, priority=priority)
        event.callbacks.append(lambda _: ends.setdefault(name, clock.now))

    issue("first", 4e9, 0.0)
    clock.at(1.0).callbacks.append(lambda _: issue("urgent", 2e9, 1.0))
    return clock, network, ends


@pytest.mark.parametrize(("interrupts", "urgent", "first"), [(False, 6.0, 4.0), (True, 3.0, 6.0)])
def test_what_goes_first_interrupts_what_is_being_served(interrupts, urgent, first):
    clock, network, ends = ends_of(interrupts=interrupts)
    clock.run()
    assert ends == pytest.approx({"urgent": urgent, "first": first})
    assert network.busy == pytest.approx([6.0])
    assert network.sent == pytest.approx([6e9])
    assert network.phases == 2


def test_equal_priorities_do_not_interrupt_each_other():
    clock = Clock()
    network = Network(clock, PAIR, [1e9], interrupts=True)
    ends = [network.issue(Collective.ALL_GATHER, size, chunks=1) for size in (2e9, 1e9)]
    clock.run()
    assert [event.value for event in ends] == pytest.approx([2.0, 3.0])


def test_a_message_keeps_its_share_of_an_interrupted_dimension():
    """A message of 1 s that comes after 0.5 s leaves behind the phase; what interrupts that later waits for it."""
    clock, network, ends = ends_of(interrupts=True)
    leg = TransferLeg(0, 1e9, 1.0, 1.0, 0.0, 1e9)
    clock.at(0.5).callbacks.append(lambda _: network.send(leg, "next"))
    clock.run()
    assert ends == pytest.approx({"urgent": 4.0, "first": 7.0})


@pytest.mark.parametrize(("kind", "seed", "chunks"), [
    ("looped", 20011, 128), ("looped", 40002, 32), ("shared dimensions", 9026, 96), ("shared dimensions", 30036, 96),
    ("several chunks a rank", 30038, 96),
])  # fmt: skip
def test_few_chunks_come_to_what_the_closed_form_says(kind, seed, chunks):
    """What compute waits for does not depend on the chunks of others. On 1,024 chunks these missed by 0.9 to 3.6 %."""
    case = drawn(kind, seed)
    run = simulate(case.evaluator(), case.layout, Settings(chunks=chunks)).time
    assert case.closed() == pytest.approx(run, rel=0.01)
