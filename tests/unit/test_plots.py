import itertools
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import simcore
import simcore.cluster
from matplotlib.backends.backend_agg import FigureCanvasAgg
from simcore import plots
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.plots import CAPTION, CAPTION_SHARE, COLOURS, caption, marks, new_figure, save, show_times, time_unit
from simcore.results import Table
from simcore.studies.trace.figures import jct_cdf, jct_makespan, policy_marks, queue_length, trace_alloc

FIGURES = ["jct_makespan", "trace_alloc", "jct_cdf", "queue_length"]
ONE = build_trace("one", ["a"], [0.0], [320.0], [JobClass("bert", 8, 4, False, "v100")])


@pytest.fixture(scope="module")
def result():
    return simcore.trace()


def texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_bars_show_every_policys_numbers(result):
    figure = result.figures()["jct_makespan"]
    shown = texts(figure)
    for row, panel in ((row, i) for row in result.table for i in (0, 1)):
        value = row[("mean_jct_s", "makespan_s")[panel]]
        assert any(text.startswith(f"{value / 3600:.3g}") for text in shown)
    assert [axes.get_ylabel() for axes in figure.axes] == ["h", "h"]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_say_that_step_times_are_fitted(result, name):
    assert any("sc23-fitted (fitted)" in text for text in texts(result.figures()[name]))


def test_lines_hold_the_allocation(result):
    (axes,) = result.figures()["trace_alloc"].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    for policy in result.table.column("policy"):
        rows = [row for row in result.allocation if row["policy"] == policy]
        drawn = dict(zip(*(data.tolist() for data in lines[policy].get_data()), strict=True))
        total = [drawn[row["time_s"]] for row in rows if row["time_s"] in drawn]
        held = 0
        for row in rows[:-1]:  # a point is left out where nothing changes
            held = drawn.get(row["time_s"], held)
            assert held == row["total"]
        assert len(total) < len(rows)
        assert lines[policy].get_ydata()[-1] == 0
    assert len({(line.get_color(), str(line.get_linestyle())) for line in lines.values()}) == len(lines)
    assert axes.get_ylim()[1] >= result.cluster.gpus


@pytest.mark.parametrize("name", FIGURES)
def test_one_job_one_policy_can_be_drawn(tmp_path, name):
    for interval in (60, "event"):
        save(simcore.trace(ONE, policies=["fifo"], interval=interval).figures()[name], tmp_path / name)
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_more_policies_than_colours_and_no_time_at_all_can_be_drawn(tmp_path):
    names = [f"policy-{i}" for i in range(12)]
    table = Table(["policy", "mean_jct_s", "makespan_s"], [(name, 0.0, 0.0) for name in names])
    save(jct_makespan(table, "nothing"), tmp_path / "bars")
    allocation = Table(["policy", "time_s", "total"], [(name, 0.0, 0) for name in names])
    save(trace_alloc(allocation, 1, "nothing"), tmp_path / "lines")


def test_a_stem_with_a_dot_keeps_it(tmp_path):
    save(new_figure(1, 1), tmp_path / "v1.5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v1.5.pdf", "v1.5.png"]


def test_a_caption_is_taken_as_it_is_and_fits(tmp_path):
    text = "trace " + "a/long/path" * 40 + "/x$\\frac$.csv (62 jobs)"
    figure = jct_makespan(Table(["policy", "mean_jct_s", "makespan_s"], [("fifo", 1.0, 2.0)]), text)
    save(figure, tmp_path / "bars")
    assert max(len(line) for text in texts(figure) for line in text.splitlines()) <= CAPTION * figure.get_figwidth()
    assert any("$\\frac$" in text for text in texts(figure))


def test_the_legend_of_measured_kernels_shows_the_points_it_names():
    """BSR did not run in the first panel; its entry still looks like its points."""
    from simcore.studies.evaluate import figures_pit as pit

    rows = [("1x1", 0.5, "pit", 1e-3), ("1x1", 0.5, "csr", 2e-3)]
    rows += [("16x16", 0.5, way, seconds) for way, seconds in (("pit", 1e-3), ("csr", 2e-3), ("bsr", 3e-3))]
    figure = pit.draw("fig17", {"points": Table(["granularity", "sparsity", "way", "seconds"], rows)})
    entries = dict(
        zip((text.get_text() for text in figure.legends[0].texts), figure.legends[0].get_lines(), strict=True)
    )
    assert list(entries) == ["pit", "csr", "bsr"]
    for points, entry in zip(figure.axes[1].lines, entries.values(), strict=True):
        assert (points.get_color(), points.get_marker()) == (entry.get_color(), entry.get_marker())
    assert len({entry.get_marker() for entry in entries.values()}) == 3


def test_the_legend_of_a_pipelines_iteration_is_not_cut_off():
    from simcore.studies.train.figures import draw

    parts = dict.fromkeys(("compute", "tensor-parallel", "data-parallel", "pipeline", "other stages"), 1.0)
    rows = [(1, "Ring", 2, 0.5), (2, "FullyConnected", 8, 0.1)]
    figure = draw(Table(["dimension", "block", "npus", "utilisation"], rows), parts, None)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = figure.legends[0].get_window_extent(canvas.get_renderer())
    assert 0 <= found.x0 < found.x1 <= figure.bbox.width
    assert len(figure.legends[0].texts) == 5


def test_a_policy_has_one_colour_whatever_stands_beside_it():
    """In every figure, and in runs with other policies in another order."""
    both = simcore.trace(ONE, policies=["easyscale-homo", "fifo"])
    alone = simcore.trace(ONE, policies=["fifo", "easyscale-heter", "yarn-cs"])
    colours = {}
    for result in (both, alone):
        figures = result.figures()
        for name in ("trace_alloc", "jct_cdf", "queue_length"):
            for line in figures[name].axes[0].get_lines():
                if not str(line.get_label()).startswith("_"):
                    colours.setdefault(line.get_label(), set()).add(line.get_color())
        for axes in figures["jct_makespan"].axes:
            for policy, bar in zip(result.table.column("policy"), axes.patches, strict=True):
                colours[policy].add(policy_marks([policy])[policy].colour)
                assert np.allclose(bar.get_facecolor()[:3], _rgb(colours[policy]))
    assert {policy: len(found) for policy, found in colours.items()} == dict.fromkeys(colours, 1)
    assert colours["fifo"] != colours["easyscale-homo"]


def _rgb(colours):
    from matplotlib.colors import to_rgb

    return to_rgb(*colours)


def test_names_without_a_colour_of_their_own_keep_theirs_and_differ_in_a_figure():
    names = [f"mine.py:Policy:quantum={i}" for i in range(40)]
    together = marks(names, ["fifo"])
    assert {name: mark.colour for name, mark in together.items()} == {
        name: marks([name], ["fifo"])[name].colour for name in reversed(names)
    }
    assert COLOURS[0] not in {mark.colour for mark in together.values()}
    assert marks(reversed(names), ["fifo"]) == together
    some = [marks(names[:6], ["fifo"])[name] for name in names[:6]]
    assert (
        len({(mark.colour, mark.hatch) for mark in some}) == len({(mark.colour, str(mark.dash)) for mark in some}) == 6
    )


@pytest.mark.parametrize(
    ("longest", "unit"),
    [(2.5e6, "days"), (172_800.0, "days"), (172_799.0, "h"), (600.0, "min"), (119.0, "s"), (3e-4, "us")],
)
def test_an_axis_of_time_is_in_a_unit_that_fits(longest, unit):
    figure = new_figure(8, 4)
    axes = figure.subplots()
    axes.plot([0.0, longest], [0.0, 1.0])
    assert show_times(axes, "x", longest, "time") == time_unit(longest)
    axes.set_xlim(0, longest)
    FigureCanvasAgg(figure).draw()
    assert axes.get_xlabel() == f"time [{unit}]"
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert 3 <= len(ticks) <= 12
    assert all(len(tick) <= 5 for tick in ticks)


def test_a_month_of_jobs_is_drawn_in_days(tmp_path):
    job = JobClass("bert", 8, 4, False, "v100")
    month = build_trace("month", ["a", "b", "c"], [0.0, 1.2e6, 2.5e6], [320.0, 1e7, 320.0], [job] * 3)
    figures = simcore.trace(month, policies=["fifo"], interval="event").figures()
    assert figures["trace_alloc"].axes[0].get_xlabel() == figures["queue_length"].axes[0].get_xlabel() == "time [days]"
    ticks = [label.get_text() for label in figures["jct_cdf"].axes[0].get_xticklabels()]
    assert ticks == ["1 min", "10 min", "1 h", "1 day"]
    for name, figure in figures.items():
        save(figure, tmp_path / name)


def test_a_single_policy_is_not_captioned_with_ratios():
    one, two = (
        simcore.trace(ONE, policies=policies).figures()["jct_makespan"] for policies in (["fifo"], ["fifo", "yarn-cs"])
    )
    assert not any("ratio" in text for text in texts(one))
    assert any("ratios: improvement over fifo" in text for text in texts(two))


@pytest.mark.parametrize("height", [1.0, 2.0, 3.9, 12.0])
def test_a_caption_takes_at_most_a_sixth_of_the_picture(height):
    figure = new_figure(7.5, height)
    figure.subplots()
    caption(figure, "a long word " * 1000)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = figure._supxlabel.get_window_extent(canvas.get_renderer())  # the text under a figure has no public name
    assert 0 < drawn.y1 <= CAPTION_SHARE * figure.bbox.height
    assert figure._supxlabel.get_text().endswith(" ...")


def test_a_caption_ends_with_a_whole_sentence_where_one_fits():
    figure = new_figure(12.0, 3.0)
    caption(figure, "Medians of 3.5 ms. One thread. " + "A long word " * 1000)
    assert figure._supxlabel.get_text() == "Medians of 3.5 ms. One thread."


def test_captions_are_optional(tmp_path):
    result = simcore.trace(ONE, policies=["fifo"])
    result.write(tmp_path / "with")
    result.write(tmp_path / "without", captions=False)
    for name in FIGURES:
        with_it, without = ((tmp_path / folder / f"{name}.png").read_bytes() for folder in ("with", "without"))
        assert len(without) < len(with_it)


def test_the_curve_of_completion_times_ends_at_one():
    figure = jct_cdf({"fifo": np.array([300.0, 100.0, 200.0]), "mine": np.array([100.0, 100.0, 400.0])}, "three jobs")
    lines = {line.get_label(): line.get_data() for line in figure.axes[0].get_lines()}
    assert [values.tolist() for values in lines["fifo"]] == [[100, 100, 200, 300], [0, 1 / 3, 2 / 3, 1]]
    assert lines["mine"][1].tolist()[-1] == 1


def test_a_queue_by_hand():
    """Two jobs that need all four GPUs, 10 s each on them: the second waits for the first, then nobody does."""
    job = JobClass("bert", 8, 4, False, "v100")
    two = build_trace("two", ["a", "b"], [0.0, 3.0], [320.0, 320.0], [job, job])
    cluster = simcore.cluster.Cluster("four", ("v100",), (4,))
    times = simcore.cluster.StepTimes("mine", {("bert", 8, "v100"): 1.0})
    result = simcore.trace(two, cluster=cluster, rates=times, policies=["fifo"], interval="event", startup_delay=0.0)
    line = result.figures()["queue_length"].axes[0].get_lines()[0]
    assert [values.tolist() for values in line.get_data()] == [[0, 3, 10], [0, 1, 0]]
    assert queue_length({"fifo": (np.array([0.0]), np.array([0]))}, "nothing")


def test_lines_that_change_too_often_are_means():
    """5,000 changes between 0 and 2 GPUs: on average one."""
    rows = [("fifo", float(i), 2 * (i % 2)) for i in range(6000)]
    axes = trace_alloc(Table(["policy", "time_s", "total"], rows), 4, "busy").axes[0]
    line = axes.get_lines()[0]
    assert line.get_ydata()[:-1] == pytest.approx(np.ones(300), abs=0.06)
    assert line.get_ydata()[-1] == 0
    assert axes.get_ylabel() == "allocated GPUs, mean over 20 s"


def test_few_allocated_gpus_fill_the_axis_and_the_cluster_is_named():
    """8 of 4,096 GPUs would lie on the axis of time; 3,000 of them show how much is free."""
    for most, top, lines in ((8, 8 * 1.12, 1), (3000, 4096 * 1.12, 2)):
        table = Table(["policy", "time_s", "total"], [("fifo", 0.0, most), ("fifo", 5.0, 0)])
        figure = trace_alloc(table, 4096, "little")
        axes = figure.axes[0]
        assert axes.get_ylim()[1] == pytest.approx(top)
        assert len(axes.get_lines()) == lines
        assert any(text.startswith("4,096 GPUs in the cluster") for text in texts(figure))


def test_names_with_options_stand_beside_each_other():
    names = [f"easyscale-heter:max_growth={i},max_waste=0.123" for i in range(6)]
    figure = jct_makespan(Table(["policy", "mean_jct_s", "makespan_s"], [(name, 1.0, 2.0) for name in names]), "six")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in axes.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_colours_stand_in_one_table():
    root = Path(plots.__file__).parent
    found = [path for path in root.rglob("*.py") if re.search(r"[\"']#[0-9a-fA-F]{3,8}[\"']", path.read_text("utf-8"))]
    assert found == [root / "plots.py"]


# Machado, Oliveira and Fernandes 2009, severity 1
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def as_seen(colour, matrix):
    """Return CIE Lab of a colour, as eyes of a kind see it."""
    rgb = np.array(_rgb([colour]))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", BLINDNESS)
def test_colours_of_the_table_are_told_apart_by_all_eyes(eyes):
    seen = [as_seen(colour, BLINDNESS[eyes]) for colour in COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 9  # 2 is just noticeable
