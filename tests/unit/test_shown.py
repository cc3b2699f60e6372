"""What must stand beside numbers: ties, costs of plans, assumptions, and points off the scale of a figure."""

import pytest
from simcore import collective, optimize, trace
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.prices import TileEntry, TileTable
from simcore.models.compute.sparse.selection import select
from simcore.models.compute.sparse.tiles import Product, SparseKernel
from simcore.plots import COLOURS, kernel_marks, mark_beyond, new_figure


@pytest.mark.parametrize(("error", "ties"), [(0.1, ["dense"]), (0.0, [])])
def test_a_difference_within_the_expected_errors_is_a_tie(error, ties):
    shape = Product(4096, 4096, 4096)
    table = TileTable(shape, 10e-3, (TileEntry(SparseKernel("k", 32, 32, 64), (0.5, 0.9), (7.5e-3, 1.8e-3)),), "mine")
    mask = RandomMask(4096, 4096, 32, 1, 0.5)
    found = select(shape, mask, table, dense_seconds=8e-3, dense_error=error)
    assert [one.name for one in found.ties] == ties
    assert any("A tie with it" in line for line in found.explain()) == bool(ties)


def test_a_plan_for_performance_per_cost_shows_its_cost_in_its_figure():
    result = optimize("2D", "325", "17B", target="PerfPerCost")
    labels = [text.get_text() for text in result.figures()["plan"].axes[1].get_xticklabels()]
    assert f"found\n${result.plan.cost:,.0f}" in labels


def test_heads_say_what_is_assumed():
    assert "start-up delay 20 s once per job" in trace(policies=["fifo"]).report()[0].under
    under = collective("all-reduce", "1MB", network="Ring(4)@100GB/s,5us").report()[0].under
    assert "bandwidths are of one direction; latency of a link: 5 us; algorithms: ring" in under


def test_what_lies_off_the_scale_is_an_arrow():
    axes = new_figure(2, 2).subplots()
    mark_beyond(axes, [-60.0, 0.0, 70.0], -50.0, 50.0, [0, 1, 2], COLOURS[0])
    drawn = [(line.get_marker(), line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.get_lines()]
    assert drawn == [("<", [-50.0], [0]), (">", [50.0], [2])]


def test_variants_of_a_kernel_have_its_colour():
    looks = kernel_marks(["pit k-axis", "pit m-axis", "csr"])
    assert looks["pit k-axis"].colour == looks["pit m-axis"].colour != looks["csr"].colour
