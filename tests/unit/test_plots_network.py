"""Figures of the network study: what is drawn, and that the same tables give the same bytes."""

from __future__ import annotations

import sys

import pytest
from simcore.plots import save
from simcore.results import Table
from simcore.studies.evaluate.figures_network import FIGURES, draw


def grid(column, networks=("2D", "3D"), workloads=("17B", "1T")):
    rows = []
    for network in networks:
        for workload in workloads:
            for k, allocation in enumerate(("EqualBW", "PerfOptBW", "PerfPerCostOptBW")):
                rows += [
                    (network, workload, allocation, budget, 1.0 + k + budget / 1e12, budget < 250e9)
                    for budget in (100e9, 200e9, 300e9)
                ]
            rows.append((network, workload, "EqualBW", 325e9, 9.0, False))
    rows += [("DGX-like", workload, "DGX-like", 325e9, 1.5, True) for workload in workloads]
    columns = ["network", "workload", "allocation", "budget", column, "feasible"]
    return Table(
        columns if column == "cost" else [*columns, "cost"], [(*row, 1e6)[: 6 + (column != "cost")] for row in rows]
    )


def pairs():
    tuned = ("17B", "175B", "1T", "Group")
    return [("2D", tuned_for, workload) for tuned_for in tuned for workload in ("17B", "175B", "1T", "mean")]


def bars():
    rows = [(*pair, 1.1, 1.05, 1.2) for pair in pairs()]
    return Table(["network", "tuned_for", "workload", "slowdown", "least", "largest"], rows)


TABLES = {
    "fig12": {"fig12": grid("speedup")},
    "fig13": {"fig13": grid("cost")},
    "fig14": {"fig14": grid("perf_per_cost")},
    "fig15": {"summary": bars()},
}


def test_all_figures_are_tested():
    assert set(TABLES) == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_tables_give_the_same_bytes(tmp_path, name):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save(draw(name, TABLES[name], "times in closed form"), tmp_path / folder / name)
    for suffix in ("png", "pdf"):
        a, b = ((tmp_path / folder / f"{name}.{suffix}").read_bytes() for folder in ("a", "b"))
        assert a == b
        assert a.startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[suffix])


def test_a_grid_has_a_subplot_per_network_and_workload():
    figure = draw("fig12", TABLES["fig12"], "times in closed form")
    assert [axes.get_title() for axes in figure.axes] == ["2D, 17B", "2D, 1T", "3D, 17B", "3D, 1T"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "EqualBW",
        "PerfOptBW",
        "PerfPerCostOptBW",
        "DGX-like",
        "not feasible",
    ]


def test_segments_that_are_not_feasible_are_dashed():
    axes = draw("fig12", TABLES["fig12"], "times in closed form").axes[0]
    segments = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linestyle() != "None"]
    styles = {tuple(line.get_xdata()): line.get_linestyle() for line in segments}
    assert styles == {(100.0, 200.0): "-", (200.0, 300.0): "--"}
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert all(list(line.get_xdata()) == [300.0] for line in hollow)
    assert len(hollow) == 3


def test_the_dgx_like_network_is_a_point_at_325():
    axes = draw("fig13", TABLES["fig13"], "times in closed form").axes[0]
    (point,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert list(point.get_xdata()) == [325.0]


def test_bars_say_their_values():
    axes = draw("fig15", TABLES["fig15"], "times in closed form").axes[0]
    assert [text.get_text() for text in axes.texts] == ["1.100"] * 16


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_says_how_the_numbers_were_made(name):
    assert draw(name, TABLES[name], "times simulated").get_supxlabel().endswith("times simulated")


def test_values_lie_on_no_whisker_and_none_is_cut_off():
    """A split made for another workload may even be a little quicker, once it is simulated."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    slowdowns = [0.9998, 1.0, 1.0002, 1.01, 1.0, 1.02, 1.003, 0.9995, 1.05, 1.2, 1.0, 1.1, 1.3, 1.002, 1.004, 1.6]
    rows = [(*pair, one, one * 0.999, one * 1.01) for pair, one in zip(pairs(), slowdowns, strict=True)]
    columns = ["network", "tuned_for", "workload", "slowdown", "least", "largest"]
    figure = draw("fig15", {"summary": Table(columns, rows)}, "times in closed form")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    values = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    whiskers = [
        Bbox([ends.min(axis=0) - 1, ends.max(axis=0) + 1])
        for lines in axes.collections
        for ends in map(axes.transData.transform, lines.get_segments())
    ]
    assert len(values) == len(whiskers) == 16
    inside = axes.get_window_extent(canvas.get_renderer())
    for value in values:
        assert inside.y0 <= value.y0 < value.y1 <= inside.y1
        assert not [one for one in (*whiskers, *values) if one is not value and value.overlaps(one)]
    assert all(inside.y0 <= whisker.y0 + 2 for whisker in whiskers)


def test_pyplot_and_its_global_state_stay_out():
    draw("fig12", TABLES["fig12"], "times in closed form")
    assert "matplotlib.pyplot" not in sys.modules
