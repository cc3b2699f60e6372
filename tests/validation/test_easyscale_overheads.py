"""Figures 9 to 15 of EasyScale: published numbers, what the model makes of them, and what runs give."""

import csv
import json
from pathlib import Path

import pytest
from simcore import trace
from simcore.errors import InputError
from simcore.models.cluster.overheads import packed_memory, step_seconds
from simcore.models.cluster.policies.registry import EXPERIMENT
from simcore.readers.overheads import read_overheads
from simcore.real.elastic.setting import other_kernels
from simcore.studies.evaluate.run import evaluate

from tests.cli.commands import printed

DOCS = Path(__file__).parents[2] / "docs"
PUBLISHED = read_overheads("easyscale").value


@pytest.mark.parametrize(
    ("model", "system"), [("resnet50", "sharing"), ("resnet50", "packing"), ("shufflenetv2", "sharing")]
)
def test_fig10_is_within_five_per_cent_where_it_was_not_fitted(model, system):
    table = evaluate("easyscale-fig10").tables()["fig10"]
    own = [row for row in table if (row["model"], row["system"]) == (model, system) and row["time"] is not None]
    assert {row["workers"] for row in own if row["fitted"]} == {2, 3, 4}
    held = [row for row in own if row["workers"] > 4]
    off = [abs(row["predicted_time"] / row["time"] - 1) for row in held]
    assert sum(off) / len(off) < 0.05
    assert all(row["predicted_memory"] == pytest.approx(row["memory"], rel=0.005) for row in held)


def test_fig10s_border_of_out_of_memory_is_exact():
    table = evaluate("easyscale-fig10").tables()["fig10"]
    assert [row["runs"] for row in table] == [row["predicted_runs"] for row in table]
    ran = {(row["model"], row["system"]): 0 for row in table}
    for row in table:
        ran[row["model"], row["system"]] += row["predicted_runs"]
    assert ran["resnet50", "packing"] == 7  # and eight do not
    assert ran["shufflenetv2", "packing"] == 1
    assert ran["resnet50", "sharing"] == ran["shufflenetv2", "sharing"] == 16


def test_fig10_reports_the_point_of_one_worker():
    notes = " ".join(evaluate("easyscale-fig10").sentences())
    assert "resnet50, sharing: -7.5% of the time of one worker, which counts in no MAPE." in notes


def test_fig11_and_fig12_are_the_published_means():
    assert "The mean ratio is 1.0042." in evaluate("easyscale-fig11").sentences()
    notes = evaluate("easyscale-fig12").sentences()
    assert "v100: +7.2% under D1 and +76.6% under D1 and D2, in the mean over models." in notes
    assert "t4: +9.6% under D1 and +64.4% under D1 and D2, in the mean over models." in notes


def test_fig13s_step_of_eight_workers_takes_eight_means():
    table = evaluate("easyscale-fig13").tables()["fig13"]
    for row in table:
        step = PUBLISHED.steps[row["model"]]
        assert row["step"] == pytest.approx(8 * step.switched, rel=1e-12)
        assert step_seconds(8, step.first, step.last) == pytest.approx(row["published_step"], rel=1e-12)
    assert [round(row["published_last"], 6) for row in table if row["model"] == "electra"] == [1.053574]


def test_packing_shrinks_before_it_fails():
    assert [packed_memory(workers, 10.0, 35.0, 0.8) for workers in (3, 4, 5)] == [30.0, 35.0, None]


def test_the_zoo_holds_the_published_numbers(shared):
    """Every number of the three CSV files, under its own name."""
    folder = shared / "data" / "easyscale"
    rows = list(csv.DictReader((folder / "gpu_sharing_v100.csv").read_text().splitlines()))
    systems = {"worker_packing": "packing", "easyscale": "sharing"}
    assert [
        (row["model"], int(row["batch_size"]), systems[row["system"]], int(row["n_workers"]),
         float(row["memory_mib"]) * 2**20, float(row["time_per_minibatch_s"]) if row["time_per_minibatch_s"] else None)
        for row in rows
    ] == [(e.model, e.batch, e.system, e.workers, e.memory, e.time) for e in PUBLISHED.sharing]  # fmt: skip
    for row in csv.DictReader((folder / "est_overhead_v100.csv").read_text().splitlines()):
        step = PUBLISHED.steps[row["model"]]
        assert round(step.switching, 6) == float(row["cs_ratio_clamped_ge_1"])
        assert round(step.last / step.ddp, 6) == float(row["est_last_over_ddp"])
        assert round(step.switched / step.ddp, 6) == float(row["est_first_over_ddp"])
    for row in csv.DictReader((folder / "determinism_overhead.csv").read_text().splitlines()):
        model = {"neumf": "ncf"}.get(row["model"].lower(), row["model"].lower())
        each = PUBLISHED.determinism[model, row["gpu"]]
        assert (round(each.d1 / each.none, 5), round(each.d2 / each.none, 5)) == (
            float(row["d1_ratio"]), float(row["d1_d2_ratio"]),
        )  # fmt: skip


def test_the_command_draws_and_prints(tmp_path):
    found = json.loads(printed("evaluate", "easyscale-fig10", "--json", "-o", str(tmp_path / "o"), "--figures", "svg"))
    assert found["target"] == "easyscale-fig10"
    assert (tmp_path / "o" / "result.svg").exists()
    for target in ("fig11", "fig12", "fig13"):
        assert list(evaluate(f"easyscale-{target}").figures()) == ["result"]


def test_the_trace_experiment_is_that_of_the_trace_study():
    table = evaluate("easyscale-fig14").tables()["fig14"]
    for overheads, column in (("none", "mean_jct"), ("published", "mean_jct_with_costs")):
        made = trace(overheads=overheads).table
        assert made.column("policy") == table.column("policy")
        assert made.column("mean_jct_s") == pytest.approx(table.column(column), rel=1e-12)
        assert made.column("makespan_s") == table.column(column.replace("mean_jct", "makespan"))
    assert table.column("reference_mean_jct") == [8905.0, None, 1070.5, 676.7]
    shown = [(row["policy"], f"{row['mean_jct']:,.1f}", f"{row['mean_jct_with_costs']:,.1f}",
              f"{row['makespan']:,.0f}", f"{row['makespan_with_costs']:,.0f}") for row in table]  # fmt: skip
    assert shown == documented(4)


def documented(columns):
    """Rows of the reference's tables of Figures 14 and 15, which have so many columns behind the policy."""
    lines = (DOCS / "reference" / "cli-trace.md").read_text(encoding="utf-8").splitlines()
    rows = (tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines)
    return [row for row in rows if row[0] in EXPERIMENT and len(row) == columns + 1]


def test_allocated_gpus_are_those_of_the_trace_study():
    data = evaluate("easyscale-fig15").tables()
    mean = dict(zip(*(trace().table.column(name) for name in ("policy", "mean_allocated_gpus")), strict=True))
    shown = [(row["policy"], f"{row['mean_gpus']:.1f}", f"{row['mean_gpus_with_costs']:.1f}") for row in data["fig15"]]
    assert shown == documented(2)
    assert {row["policy"]: row["mean_gpus"] for row in data["fig15"]} == pytest.approx(
        {policy: mean[policy] for policy in ("easyscale-homo", "easyscale-heter")}
    )
    with pytest.raises(InputError, match="it has one size"):
        evaluate("easyscale-fig14", small=True)


def test_losses_of_figure_9_are_equal_where_they_should_be():
    pytest.importorskip("torch")
    result = evaluate("easyscale-fig9", small=True)
    equal = {(row["level"], row["stage"]): row["losses_equal"] for row in result.tables()["fig9"]}
    first, second, other = "4x1", "2x2", "1x2+2x1@alt"
    if not other_kernels():
        pytest.skip("the CPU has no AVX2, and with it no second kernel set")
    assert [equal["D1", stage] for stage in (first, second, other)] == [True, True, False]
    assert [equal["D2", stage] for stage in (first, second, other)] == [True, True, True]
    assert equal["D0", first]
    assert len(result.tables()["points"]) == 60
