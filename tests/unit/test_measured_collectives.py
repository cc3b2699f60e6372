"""Collectives as they were measured: lines by hand, curves on them, and a layout that takes their times."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.network.measured import CollectiveProfile, Curve, Timing
from simcore.models.network.nccl import MESSAGE, Line, Span, priced, steps, unaligned, volume
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.evaluation import Evaluator, Machine
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.placement import Placement
from simcore.readers.cluster_networks import network_for
from simcore.readers.collective_profiles import profile_document, read_collective_profile
from simcore.readers.zoo import names
from simcore.studies.validate.collectives import interval_of

from tests.parallel import DENSE, GPU, evaluator

RING = Line("ring", "Simple", launch=20e-6, step=1e-6, far_step=10e-6, efficiency=0.8, far_efficiency=0.5)
NEAR, FAR = 100e9, 10e9


def profile(**more):
    return CollectiveProfile("toy", (NEAR, FAR), {"all-reduce": (RING,)}, **more)


def test_a_line_is_launch_and_steps_and_bytes_over_the_slower_links():
    """4 GPUs of a node take 2 x 3 steps and send 1.5 bytes; 2 x 4 of them 12 steps, 2 between nodes, 1.75 bytes."""
    latency, each = priced(RING, "all-reduce", Span(4), NEAR, FAR)
    assert latency == pytest.approx(20e-6 + 6e-6)
    assert each == pytest.approx(1.5 / 80e9)
    latency, each = priced(RING, "all-reduce", Span(4, 2), NEAR, FAR)
    assert latency == pytest.approx(20e-6 + 12e-6 + 2 * 10e-6)
    assert each == pytest.approx(1.75 / 4 / 5e9)  # four GPUs of a node share the bytes that leave it


@pytest.mark.parametrize("kind", ["all-reduce", "reduce-scatter", "all-gather"])
def test_what_a_ring_sends_is_what_the_closed_form_of_collectives_has(kind):
    from simcore.models.network.collectives import traffic

    assert volume("ring", kind, Span(8))[0] == pytest.approx(traffic(Collective(kind), 1.0, (8,))[0])


def test_switches_that_reduce_send_less_from_four_gpus_on():
    for near in range(4, 9):
        assert volume("nvls", "all-reduce", Span(near))[0] < volume("ring", "all-reduce", Span(near))[0]
    assert steps("nvls", "all-reduce", Span(8)) == (2, 0)
    few, many = (
        replace(profile(), lines={"all-reduce": (RING, Line("nvls", "Simple", 1e-6, least=5))}).timing(
            "all-reduce", span
        )
        for span in (Span(4), Span(8))
    )
    assert (len(few.lines), len(many.lines)) == (1, 2)


def test_a_collective_takes_the_least_of_its_lines():
    quick = Line("tree", "LL", launch=5e-6, efficiency=0.1)
    both = replace(profile(), lines={"all-reduce": (RING, quick)}).timing("all-reduce", Span(2))
    lines = [priced(line, "all-reduce", Span(2), NEAR, FAR) for line in (RING, quick)]
    for size in (1e3, 1e5, 1e6, 1e9):
        assert both.seconds(size) == pytest.approx(min(latency + each * size for latency, each in lines))


def curve(span, factor, **more):
    return Curve("all-reduce", span, "", (1e6, 1e9), (factor, factor), **more)


def test_factors_are_interpolated_between_groups_and_scale_beyond_sizes():
    measured = profile(curves=(curve(Span(2), 1.2), curve(Span(8), 1.8)))
    bare = profile()
    between = math.sqrt(1.2 * 1.8)  # 4 GPUs are half-way between 2 and 8 in logarithms
    for size in (1e3, 1e7, 1e12):
        for near, factor in ((2, 1.2), (8, 1.8), (4, between), (16, 1.8)):
            expected = bare.timing("all-reduce", Span(near)).seconds(size) * factor
            assert measured.timing("all-reduce", Span(near)).seconds(size) == pytest.approx(expected, rel=0.01)
    exact = measured.timing("all-reduce", Span(8))
    assert exact.seconds(1e9) == pytest.approx(1.8 * bare.timing("all-reduce", Span(8)).seconds(1e9))
    assert exact.seconds(1e12) == pytest.approx(1.8 * bare.timing("all-reduce", Span(8)).seconds(1e12))
    assert [measured.timing("all-reduce", Span(n)).basis for n in (8, 4)] == ["measured", "scaled"]
    assert (exact.within(1e7), exact.within(1e12)) == (True, False)


def test_kinds_without_lines_are_derived_from_an_all_reduce():
    bare = profile()
    whole, half = (bare.timing(kind, Span(8)).seconds(1e9) for kind in ("all-reduce", "reduce-scatter"))
    assert half == pytest.approx(RING.launch + (whole - RING.launch) / 2)
    assert bare.timing("all-gather", Span(8)).seconds(1e9 / 8) == pytest.approx(half)
    assert bare.timing(MESSAGE, Span(1, 2)).seconds(1e9) == pytest.approx(20e-6 + 10e-6 + 1e9 / 5e9)
    assert bare.timing("all-to-all", Span(8)).basis == "derived"


def test_a_mesh_gives_few_links_to_small_groups():
    mesh = profile(shares={2: 0.25, 8: 1.0})
    assert mesh.share(2) == 0.25
    assert mesh.share(4) == pytest.approx(0.625)
    assert mesh.timing("all-reduce", Span(2)).lines[0][1] == pytest.approx(1.0 / (0.25 * 80e9))


def test_tensors_that_are_cut_at_odd_places_are_unaligned():
    assert not unaligned("all-gather", 4, 0, 2)
    assert unaligned("all-gather", 4, 1, 2)
    assert not unaligned("all-reduce", 4, 1, 2)
    assert not unaligned("all-to-all", 2, 1, 2)  # the odd element is left out
    assert unaligned("all-to-all", 2, 2, 2)


def placed(layout, collectives):
    spec = network_for("dgx-a100", layout.gpus).value
    return Placement(spec.topology, spec.bandwidths, layout, collectives)


def test_a_layout_takes_measured_times_on_the_nodes_that_its_groups_lie_on():
    a100 = read_collective_profile("a100").value
    placement = placed(Layout(tp=4, dp=8), a100)
    sent = Communication(Collective.ALL_REDUCE, 64e6, Axis.TENSOR)
    assert placement.seconds(sent) == a100.timing("all-reduce", Span(4), (300e9, 25e9)).seconds(64e6)
    assert placement.span(Axis.DATA) == Span(2, 4)
    gradients = Communication(Collective.ALL_REDUCE, 64e6, Axis.DATA)
    assert placement.seconds_on((0, 1), [gradients]) == placement.seconds(gradients)
    assert 0 < placement.seconds_on((0,), [gradients]) < placement.seconds(gradients)
    assert {(kind, axis) for kind, axis, _ in placement.used()} == {
        (Collective.ALL_REDUCE, Axis.TENSOR), (Collective.ALL_REDUCE, Axis.DATA),
    }  # fmt: skip


def test_a_group_of_one_takes_nothing_and_a_message_what_its_links_allow_at_least():
    a100 = read_collective_profile("a100").value
    placement, wire = placed(Layout(pp=4, tp=8), a100), placed(Layout(pp=4, tp=8), None)
    assert placement.seconds(Communication(Collective.ALL_REDUCE, 64e6, Axis.DATA)) == 0
    assert placement.message(64e6).seconds > wire.message(64e6).seconds
    assert placement.message(0.0).seconds == 0


def test_without_a_profile_an_iteration_is_what_it_was():
    layout = Layout(tp=2, dp=2)
    bare = evaluator(DENSE, sizes=(4,), bandwidths=(50e9,), latency=1e-6)
    machine = Machine(GPU, bare.machine.topology, bare.machine.bandwidths, None)
    assert Evaluator(DENSE, 1024, machine).evaluate(layout).parts == bare.evaluate(layout).parts
    slow = replace(RING, launch=1e-3)
    measured = replace(profile(), lines={"all-reduce": (slow,)})
    taken = Evaluator(DENSE, 1024, machine._replace(collectives=measured)).evaluate(layout)
    assert taken.parts["tensor-parallel"] > bare.evaluate(layout).parts["tensor-parallel"]


@pytest.mark.parametrize("name", names("collectives"))
def test_every_profile_of_the_zoo_is_written_as_it_is_read(name):
    one = read_collective_profile(name).value
    document = profile_document(one, "again")
    from simcore.readers.collective_profiles import CollectivesSchema, profile_of

    again = profile_of(CollectivesSchema(**document), name, "here", one.sha256)
    assert again == one
    assert one.source
    assert one.licence
    assert all(curve.error for curve in one.curves)


NETWORK = """
dimensions:
  - {block: Switch, size: 8, bandwidth: 300 GB/s}
collectives:
  near: 300 GB/s
  far: 25 GB/s
  lines: [{kind: all-reduce, algorithm: ring, protocol: Simple, launch: 20 us}]
"""


def test_a_network_may_hold_its_own_collectives(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(NETWORK)
    collectives = network_for(path, 8).value.collectives
    assert collectives.timing("all-reduce", Span(8)).seconds(0.0) == pytest.approx(20e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    {
        "a number without a unit": (("20 us", "20"), "'collectives.lines.0.launch'"),
        "no all-reduce": (("kind: all-reduce", "kind: all-gather"), "no line of an all-reduce"),
        "an unknown algorithm": (("algorithm: ring", "algorithm: rung"), "'collectives.lines.0.algorithm'"),
        "too many dimensions": (("dimensions:", "dimensions:\n" + "  - {block: Switch, size: 2}\n" * 2), "at most two"),
    }.values(),
    ids=str,
)
def test_what_is_wrong_with_collectives_is_named(tmp_path, change, said):
    path = tmp_path / "mine.yaml"
    path.write_text(NETWORK.replace(*change))
    with pytest.raises(InputError) as refused:
        network_for(path, 8 if "too many" not in said else 32)
    assert said in str(refused.value)


def test_an_unknown_profile_of_the_zoo_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(NETWORK.partition("collectives")[0] + "collectives: a10\n")
    with pytest.raises(InputError, match="found 'a10'"):
        network_for(path, 8)


def test_factors_need_as_many_sizes(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(NETWORK + "  curves: [{kind: all-reduce, near: 8, bytes: [1, 2], factors: [1.0]}]\n")
    with pytest.raises(InputError, match="2 sizes and 1 factors"):
        network_for(path, 8)


def test_a_curve_that_no_size_was_held_out_from_has_no_error():
    curve = Curve("all-reduce", Span(8), "", (1e6,), (1.0,))
    timing = Timing(((1e-5, 1e-11),), (1e6,), (2e-5,), (curve,), "measured")
    assert timing.error is None
    low, high = interval_of(timing)
    assert low < 1 < high
    assert replace(timing, curves=(curve, replace(curve, error=0.02))).error == 0.02
