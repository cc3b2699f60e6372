"""`simcore optimize` as a user runs it."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.cli.main import run as command_line
from simcore.errors import InputError, RunError
from simcore.outputs import LISTING

GOOD = ("4D", "325", "1T", "Perf", "Overlap")


def run(*arguments):
    result = CliRunner().invoke(main, ["optimize", *arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_json_has_the_names_that_scripts_rely_on():
    found = json.loads(run("4D", "325", "1T", "Perf", "NoOverlap", "--json"))
    assert [b / 1e9 for b in found["bandwidths"]] == pytest.approx([140.463, 122.905, 15.363, 46.269], abs=2e-3)
    assert found["iteration_time"] == pytest.approx(0.2301607, rel=1e-6)
    assert found["lower_bound"] <= found["iteration_time"]
    assert found["relative_gap"] <= 1e-7
    assert found["equal_split_time"] == pytest.approx(0.264077, rel=1e-5)
    assert found["perf_per_cost"] == pytest.approx(1 / (found["iteration_time"] * found["cost"]))
    assert found["bottlenecks"][3] == ["data-parallel all-reduce"]
    assert found["solver"]["status"] == "optimal"
    assert found["provenance"]["inputs"]["cost"] == "sc245"
    assert set(found["provenance"]["sha256"]) == {"network", "workload", "cost"}


def test_the_same_inputs_give_the_same_bytes():
    arguments = ("2D", "100 GB/s", "175B", "PerfPerCost", "Overlap", "--json")
    assert run(*arguments) == run(*arguments)


def test_text_answers_why():
    text = run("4D", "325", "1T", "Perf", "NoOverlap")
    assert "0, ties with 2, 3" in text
    assert "Why this split" in text
    assert "14.38 : 0.3964 GB give 85.8% : 14.2%" in text
    assert "speed-up 1.1474" in text
    assert "Solver: optimal" in text


def test_output_directory(tmp_path):
    out = tmp_path / "plan"
    run("3D", "325", "175B", "Perf", "Overlap", "-o", str(out))
    assert sorted(path.name for path in out.iterdir()) == [
        "contents.json",
        "plan.csv",
        "plan.json",
        "plan.pdf",
        "plan.png",
        LISTING,
    ]
    assert (out / "plan.csv").read_text().startswith("dimension,block,npus,level,bandwidth,")
    with pytest.raises(InputError, match="--force"):
        run("3D", "325", "175B", "Perf", "Overlap", "-o", str(out))
    run("3D", "325", "175B", "Perf", "NoOverlap", "-o", str(out), "--force")


def test_limits_and_their_prices():
    found = json.loads(
        run(*GOOD[:4], "NoOverlap", "--json", "--cap", "1=100", "--min", "Pod=60 GB/s", "--constraint", "b2 >= 2*b3")
    )
    assert found["bandwidths"][0] == pytest.approx(100e9)
    assert found["bandwidths"][3] >= 60e9 * (1 - 1e-12)
    prices = {price["of"]: price for price in found["shadow_prices"]}
    assert prices["--cap 1=100"]["s_per_B/s"] > 0
    assert prices["--cap 1=100"]["s_per_dollar"] > 0


def test_model_file_takes_the_place_of_the_workload(tmp_path):
    model = tmp_path / "small.yaml"
    model.write_text("hidden: 4096\nlayers: 4\nheads: 32\nsequence: 2048\nbatch: 1\n")
    found = json.loads(run("4D", "325", "Perf", "Overlap", "--model", str(model), "--tp", "16", "--json"))
    assert found["provenance"]["inputs"]["workload"] == str(model)
    with pytest.raises(InputError, match="WORKLOAD is left out"):
        run("4D", "325", "1T", "Perf", "Overlap", "--model", str(model))


@pytest.mark.parametrize("arguments", [("optimize", "4D", "325", "Perf", "Overlap"), ("train", "4D", "325")])
def test_a_missing_model_file_is_blamed_on_its_option(arguments, tmp_path):
    with pytest.raises(InputError, match=r"^--model: found '.*none\.yaml', which is no file"):
        CliRunner().invoke(main, [*arguments, "--model", str(tmp_path / "none.yaml")], catch_exceptions=False)


def test_explicit_groups(tmp_path):
    groups = tmp_path / "groups.yaml"
    groups.write_text("F: [4, 4, -1, -1]\nI: [4, 4, -1, -1]\nW: [-1, 2, 4, 32]\n")
    options = ("--communicator", str(groups), "--workload-variant", "evaluation", "--json")
    found = json.loads(run("LIBRA-4D-4K", "500", "175B", "Perf", "NoOverlap", *options))
    assert found["iteration_time"] == pytest.approx(0.722411771, rel=1e-6)
    assert found["provenance"]["inputs"]["cost"] == "libra-4d"
    with pytest.raises(InputError, match="one or the other"):
        run("4D", "500", "175B", "Perf", "NoOverlap", "--communicator", str(groups), "--tp", "4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("4D", "0", "1T", "Perf", "Overlap"), "a bandwidth above 0"),
        (("4D", "-325", "1T", "Perf", "Overlap"), "found '-325'"),
        (("4D", "nan", "1T", "Perf", "Overlap"), "found 'nan'"),
        (("4D", "inf", "1T", "Perf", "Overlap"), "found 'inf'"),
        (("4D", "lots", "1T", "Perf", "Overlap"), "found 'lots'"),
        (("4D", "325 GFLOP/s", "1T", "Perf", "Overlap"), "unit 'GFLOP/s'"),
        (("5D", "325", "1T", "Perf", "Overlap"), "Did you mean '4D'"),
        (("4D", "325", "2T", "Perf", "Overlap"), "Did you mean '1T'"),
        (("4D", "325", "1T", "Speed", "Overlap"), "one of Perf, PerfPerCost"),
        (("4D", "325", "1T", "Perf", "Overlapp"), "Did you mean 'Overlap'"),
        (("4D", "325"), "expected 3 to 5: NETWORK BUDGET WORKLOAD [TARGET] [LOOP]."),
        ((*GOOD, "--capp", "1=4"), "Did you mean '--cap'"),
        ((*GOOD, "--cap", "100"), "DIM=BW"),
        ((*GOOD, "--cap", "5=100"), "one of b1, b2, b3, b4, Tile"),
        ((*GOOD, "--cap", "1=1", "--cap", "1=2"), "each dimension once"),
        ((*GOOD, "--cap", "Pod=40", "--min", "4=50"), "--cap Pod=40 and --min 4=50, which conflict"),
        ((*GOOD, "--min", "1=300", "--min", "2=300"), "a budget of 325 GB/s and --min 1=300 and --min 2=300"),
        ((*GOOD, "--constraint", "b1*b2 <= 3"), "a product of bandwidths"),
        ((*GOOD, "--tp", "16", "--dp", "32"), "With TP 16, DP must be 64"),
        ((*GOOD, "--cost", "sc254"), "Did you mean 'sc245'"),
    ],
)
def test_bad_input_is_refused_with_its_remedy(arguments, message):
    with pytest.raises(InputError) as caught:
        run(*arguments)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_solver_that_does_not_converge_prints_no_number(monkeypatch):
    from simcore.models.bandwidth import time_search

    monkeypatch.setattr(time_search, "_ROUNDS", 1)
    with pytest.raises(RunError, match="did not converge") as caught:
        run(*GOOD)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cap", "b1=0"), "--cap b1=0 and the floor of 0.000325 GB/s in each dimension (1e-6 of the budget)"),
        (("--constraint", "b4 = 0"), "leave the dimension out of the network"),
        (("--constraint", "b4 = -1"), "and that no bandwidth is below 0, which conflict"),
        (("--cap", "b1=10", "--cap", "1=20"), "'b1' and '1', which both name dimension 1"),
        (("--min", "Pod=10", "--min", "4=20"), "'Pod' and '4', which both name dimension 4"),
        (("--foo",), "found '--foo', expected an option that simcore optimize --help lists."),
        (("--tp", "3", "--dp", "4"), "--tp 3 --dp 4: found TP 3 x DP 4 = 12 NPUs"),
        (("--tp", "63"), "--tp: found 63, expected a divisor of the 1,024 NPUs"),
    ],
)
def test_limits_and_options_are_blamed(arguments, message):
    with pytest.raises(InputError) as caught:
        run(*GOOD, *arguments)
    assert message in str(caught.value)
    assert "--force" not in str(caught.value)


@pytest.mark.parametrize("budget", ["-5", "nan", "inf", "0", "-inf"])
def test_a_budget_is_above_0(budget):
    with pytest.raises(InputError, match=r"BUDGET: found '.*', expected a bandwidth above 0"):
        run("4D", budget, "1T", "Perf", "Overlap")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--tp", "abc", "--tp: found 'abc', expected a whole number of at least 1."),
        ("--tp", "0", "--tp: found 0, expected a whole number of at least 1."),
        ("--workload-variant", "evaluatio", "Did you mean 'evaluation'?"),
    ],
)
def test_values_are_refused_in_plain_words(option, value, message, capsys):
    with pytest.raises(SystemExit) as stop:
        command_line(["optimize", *GOOD, option, value])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_one_degree_gives_the_other():
    found = json.loads(run(*GOOD, "--tp", "64", "--json"))
    assert found["workloads"] == [{"name": "1T", "tp": 64, "dp": 16}]
    assert "1T (TP 128 x DP 8), Perf" in run(*GOOD, "--dp", "8")


def test_links_of_a_chain_have_names_and_equalities_a_direction():
    text = run(*GOOD, "--constraint", "b1 = b2 = b3 = b4")
    for link in ("b1 = b2", "b2 = b3", "b3 = b4"):
        assert f"--constraint '{link}' of 'b1 = b2 = b3 = b4'" in text
    assert "1 linear program," in text
    assert "(whatever the limits)" in text
    found = json.loads(run(*GOOD, "--constraint", "b3 + b4 = 200", "--constraint", "b1 = 70", "--json"))
    shifts = {price["of"]: price["shift"] for price in found["shadow_prices"]}
    assert shifts["--constraint 'b3 + b4 = 200'"] == "the left side smaller"
    assert shifts["--constraint 'b1 = 70'"] == "b1 smaller"
    assert shifts["budget"] == ""
    assert any("holds it back: the left side smaller, it would save" in reason for reason in found["reasons"])


def test_a_shift_helps_in_the_direction_that_is_told():
    def seconds(bound):
        return json.loads(run(*GOOD, "--constraint", f"b3 + b4 = {bound}", "--json"))["iteration_time"]

    assert seconds(199) < seconds(200) < seconds(201)


def test_performance_per_cost_says_what_it_is_worth():
    text = run(*GOOD[:3], "PerfPerCost", "Overlap", "--cap", "1=300")
    assert "6.022 x" in text
    assert "$1,024, $2,048, $2,048, $58,778" in text
    assert "Not active, for the split stays clear of it: --cap 1=300." in text
    assert "The budget is more than this network cost wants" in text
    assert re.search(r"network cost +\$[0-9,]+; equal split \$", text)


def test_a_price_that_cannot_be_told_is_unknown(monkeypatch):
    from simcore.models.bandwidth import shadow

    monkeypatch.setattr(shadow, "_AGREED", -1.0)
    text = run(*GOOD[:3], "PerfPerCost", "Overlap")
    assert text.count("unknown") == 6
    assert "The shadow price of budget is unknown: the saving per unit changes" in " ".join(text.split())
    (budget, cost) = json.loads(run(*GOOD[:3], "PerfPerCost", "Overlap", "--json"))["shadow_prices"]
    assert (budget["s_per_B/s"], cost["s_per_dollar"]) == (None, None)
    assert budget["unknown"].startswith("the saving per unit changes")


def test_a_plan_on_the_floor_is_warned_of(tmp_path):
    free = tmp_path / "free.yaml"
    pod = "{link: $7.8 per GB/s, switch: $18 per GB/s}"
    some = "{link: $4 per GB/s}"
    free.write_text(f"prices:\n  Tile: {{link: $0 per GB/s}}\n  Package: {some}\n  Node: {some}\n  Pod: {pod}\n")
    for arguments, remedy in (
        (("--budget-at-most",), "Give --min or --constraint 'total >= ...'."),
        (("--cost", str(free)), "Give --min."),
    ):
        result = CliRunner().invoke(main, ["optimize", *GOOD[:3], "PerfPerCost", "Overlap", *arguments])
        assert "dimension 4 has the floor of 1e-6 of the budget: that floor, not economics" in result.stderr
        assert remedy in result.stderr
    result = CliRunner().invoke(main, ["optimize", *GOOD])
    assert result.stderr == ""
    found = json.loads(run(*GOOD[:3], "PerfPerCost", "Overlap", "--budget-at-most", "--json"))
    assert ["that floor, not economics" in each for each in found["warnings"]] == [True]
    assert json.loads(run(*GOOD, "--json"))["warnings"] == []


def test_names_in_any_case():
    assert run(*GOOD, "--constraint", "B1 <= 0.3*Total", "--json").count("B1 <= 0.3*Total") == 3


def test_groups_that_leave_npus_idle(tmp_path):
    groups = tmp_path / "groups.yaml"
    groups.write_text("F: [2, 8, -1, -1]\nI: [2, 8, -1, -1]\nW: [-1, -1, -1, 8]\n")
    result = CliRunner().invoke(main, ["optimize", *GOOD, "--communicator", str(groups)])
    assert "take 128 of the 1,024 NPUs of network 4D (TP 16 x DP 8); the other 896 are idle" in result.stderr
    groups.write_text("F: [2, 8, 8, -1]\nI: [2, 8, 8, -1]\nW: [-1, -1, 2, 8]\n")
    with pytest.raises(InputError, match="a tensor-parallel group of 8 and a data-parallel group of 2 on dimension 3"):
        run(*GOOD, "--communicator", str(groups))


def test_a_dimension_of_one_npu_is_idle(tmp_path):
    network = tmp_path / "one.yaml"
    network.write_text(
        "dimensions:\n  - {block: Ring, size: 1, level: Tile}\n  - {block: Switch, size: 16, level: Pod}\n"
    )
    text = run(str(network), "325", "175B", "Perf", "Overlap", "--tp", "4")
    assert "Ring 1 Tile (idle)" in text
    assert "Dimension 1 carries nothing." in text


def test_no_word_of_the_report_is_cut_where_levels_have_long_names(capsys, monkeypatch):
    monkeypatch.setattr("simcore.cli.console.USUAL", 80)
    with pytest.raises(SystemExit):
        command_line(["optimize", "LIBRA-4D-4K", "1000", "175B", "Perf", "NoOverlap", "--dp", "256"])
    out = capsys.readouterr().out
    assert "tensor-parallel" in out.partition("iteration")[0]
    assert "\N{HORIZONTAL ELLIPSIS}" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_model_of_the_zoo_is_a_workload_with_degrees_given():
    found = json.loads(run("4D", "325", "bert-base", "Perf", "Overlap", "--tp", "4", "--json"))
    assert found["relative_gap"] <= 1e-7
    with pytest.raises(InputError, match="no TP and DP"):
        run("4D", "325", "bert-base", "Perf", "Overlap")


LIBRA = "Topology: [ Ring, FullyConnected, Ring, Switch ]\nNpusCount: [ 4, 8, 4, 32 ]\n"
LEVELS = "CostDimension: [ InterChiplet, InterPackage, InterNode, InterPod ]\n"
GROUPS = "Forward: [ 4, 4, -1, -1 ]\nInputGrad: [ 4, 4, -1, -1 ]\nWeightGrad: [ -1, 2, 4, 32 ]\n"
PRICES = """
InterChiplet: {Link: 2.00001}
InterPackage: {Link: 4.00002, Switch: 13.00002}
InterNode: {Link: 4.00003, Switch: 13.00003}
InterPod: {Link: 7.80004, Switch: 18.00004, Nic: 31.60004}
"""


def test_the_run_that_libra_ships_in_files_with_its_names(tmp_path):
    paths = []
    for name, text in (("net.yml", LIBRA + LEVELS), ("groups.yml", GROUPS), ("prices.yml", PRICES)):
        paths.append(tmp_path / name)
        paths[-1].write_text(text, encoding="utf-8")
    network, groups, prices = map(str, paths)
    limits = [word for text in ("b1 = 500", "b1 >= b2 >= b3", "b3 + b4 = 200") for word in ("--constraint", text)]
    files = ["--communicator", groups, "--cost", prices, "--workload-variant", "evaluation"]
    found = json.loads(run(network, "1000", "175B", "Perf", "NoOverlap", *files, *limits, "--json"))
    assert [b / 1e9 for b in found["bandwidths"]] == pytest.approx([500, 300, 151.181, 48.819], abs=5e-4)
    assert found["iteration_time"] * 1e3 == pytest.approx(708.43874, abs=5e-6)
    assert found["warnings"] == []


def test_bandwidths_of_a_file_are_replaced_and_levels_are_asked_for(tmp_path):
    path = tmp_path / "net.yml"
    text = "topology: [Ring, Switch]\nnpus_count: [8, 128]\nbandwidth: [100, 10]\nlatency: [500, 500]\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"no level of dimensions 1, 2.*network-type of ASTRA-sim 2"):
        run(str(path), "110", "1T")
    path.write_text(text + "network-type: [Package, Pod]\n", encoding="utf-8")
    found = json.loads(run(str(path), "120", "1T", "--json"))
    assert found["bandwidths"] == json.loads(run("2D", "120", "1T", "--json"))["bandwidths"]
    (warning,) = found["warnings"]
    assert "comes with bandwidths of its own, 100,10 GB/s, which are not used: the plan splits the 120 GB/s" in warning
