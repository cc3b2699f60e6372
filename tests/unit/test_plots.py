import pytest
import simcore
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.plots import CAPTION, new_figure, save
from simcore.results import Table
from simcore.studies.trace.figures import jct_makespan, trace_alloc

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
        assert any(text.startswith(f"{value:,.0f}") for text in shown)
    assert [axes.get_ylabel() for axes in figure.axes] == ["seconds", "seconds"]


@pytest.mark.parametrize("name", ["jct_makespan", "trace_alloc"])
def test_figures_say_that_step_times_are_fitted(result, name):
    assert any("sc23-fitted (fitted)" in text for text in texts(result.figures()[name]))


def test_lines_hold_the_allocation(result):
    (axes,) = result.figures()["trace_alloc"].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    allocation = result.allocation
    for policy in result.table.column("policy"):
        total = [row["total"] for row in allocation if row["policy"] == policy]
        assert lines[policy].get_ydata().tolist() == [*total, 0]
    assert len({(line.get_color(), str(line.get_linestyle())) for line in lines.values()}) == len(lines)
    assert axes.get_ylim()[1] >= result.cluster.gpus


@pytest.mark.parametrize("name", ["jct_makespan", "trace_alloc"])
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
    caption = "trace " + "a/long/path" * 40 + "/x$\\frac$.csv (62 jobs)"
    figure = jct_makespan(Table(["policy", "mean_jct_s", "makespan_s"], [("fifo", 1.0, 2.0)]), caption)
    save(figure, tmp_path / "bars")
    assert max(len(line) for text in texts(figure) for line in text.splitlines()) <= CAPTION * figure.get_figwidth()
    assert any("$\\frac$" in text for text in texts(figure))


def test_the_legend_of_measured_kernels_shows_the_bars_it_names():
    """BSR did not run in the first panel; its entry still looks like its bars."""
    from simcore.studies.evaluate import figures_pit as pit

    rows = [("1x1", 0.5, "pit", 1e-3), ("1x1", 0.5, "csr", 2e-3)]
    rows += [("16x16", 0.5, way, seconds) for way, seconds in (("pit", 1e-3), ("csr", 2e-3), ("bsr", 3e-3))]
    figure = pit.draw("fig17", {"points": Table(["granularity", "sparsity", "way", "seconds"], rows)})
    bars = figure.axes[1].patches
    entries = dict(
        zip((text.get_text() for text in figure.legends[0].texts), figure.legends[0].get_patches(), strict=True)
    )
    assert list(entries) == ["pit", "csr", "bsr"]
    for bar, entry in zip(bars, entries.values(), strict=True):
        assert (bar.get_facecolor(), bar.get_hatch()) == (entry.get_facecolor(), entry.get_hatch())


def test_the_legend_of_a_pipelines_iteration_is_not_cut_off():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from simcore.studies.train.figures import draw

    parts = dict.fromkeys(("compute", "tensor-parallel", "data-parallel", "pipeline", "other stages"), 1.0)
    rows = [(1, "Ring", 2, 0.5), (2, "FullyConnected", 8, 0.1)]
    figure = draw(Table(["dimension", "block", "npus", "utilisation"], rows), parts, None)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = figure.legends[0].get_window_extent(canvas.get_renderer())
    assert 0 <= found.x0 < found.x1 <= figure.bbox.width
    assert len(figure.legends[0].texts) == 5
