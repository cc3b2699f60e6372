"""``simcore evaluate``."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from simcore.cli.evaluate import command
from simcore.cli.main import run
from simcore.outputs import LISTING


def invoke(*args):
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def refusal(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(["evaluate", *args])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_figure_prints_a_line_per_split_and_its_means():
    text = invoke("network-fig12", "--small")
    assert "2D        17B       PerfOptBW         1.094   1.050   1.034           1.026   1.021*" in text
    assert "DGX-like  17B       DGX-like" in text
    assert "2D PerfOptBW over EqualBW: 1.029, at most 1.094" in text
    assert "Closed form, no simulation" in text


def test_the_full_figure_names_the_references():
    text = invoke("network-fig12")
    assert "4D PerfOptBW over EqualBW: 1.146, at most 1.498 (reference 1.146, at most 1.498;" in text


@pytest.mark.parametrize("target", ["network-fig12", "network-fig13", "network-fig15", "network-table6"])
@pytest.mark.parametrize("columns", [80, 100])
def test_a_terminal_is_not_wider_than_it_is(target, columns, monkeypatch):
    whole = invoke(target)
    monkeypatch.setattr("simcore.cli.console.terminal_width", lambda: columns)
    text = invoke(target)
    assert max(map(len, text.splitlines())) <= columns
    # whatever stands in the whole report stands in this one, and with it the columns that say what a row is
    assert set(text.split()) == set(whole.split())


def test_columns_that_do_not_fit_are_set_below_the_others(monkeypatch):
    monkeypatch.setattr("simcore.cli.console.terminal_width", lambda: 80)
    lines = invoke("network-fig12").splitlines()
    costs = next(i for i, line in enumerate(lines) if line.startswith("Network cost of PerfPerCostOptBW"))
    assert sum(line.startswith("4D       1T        PerfPerCostOptBW") for line in lines[costs:]) == 2
    lines = lines[:costs]
    headers = [line.split() for line in lines if line.startswith("network ")]
    assert [header[:3] for header in headers] == [["network", "workload", "split"]] * 3
    assert [header[3:] for header in headers] == [
        ["100", "200", "300", "325"],
        ["400", "500", "600", "700"],
        ["800", "900", "1000"],
    ]
    assert sum(line.startswith("4D        1T        PerfOptBW") for line in lines) == 3
    assert sum(line.startswith("DGX-like") for line in lines) == 3  # at 325 alone


@pytest.mark.parametrize(
    ("args", "end"),
    [
        ([], "For example: simcore evaluate network-fig12 --small.\n"),
        (["fig12"], "Did you mean 'network-fig12' or 'pit-fig12' or 'easyscale-fig12'?\n"),
        (["fig15"], "Did you mean 'network-fig15' or 'pit-fig15' or 'easyscale-fig15'?\n"),
        (["netwrk-fig14"], "Did you mean 'network-fig14'?\n"),
        (
            ["network-fig12", "17B"],
            "(network-fig12 17B), expected 0 to 1: TARGET. For example: simcore evaluate network-fig12 --small.\n",
        ),
    ],
)
def test_a_wrong_target_is_told_the_right_one(args, end, capsys):
    assert refusal(capsys, *args).endswith(end)


def test_figure_15_prints_a_matrix_per_network():
    lines = invoke("network-fig15").splitlines()
    assert sum(line.startswith("made for Group") for line in lines) == 3
    (header,) = [line for line in lines if line.startswith("4D")]
    assert header.endswith(" mean with 1.0")


def test_table_6_prints_ours_over_the_originals():
    lines = invoke("network-table6").splitlines()
    ours = [line.split() for line in lines if " simcore " in line]
    theirs = [line.split() for line in lines if line.split()[:1] == ["original"]]
    assert [line[:2] for line in ours] == [
        ["175B", "NoOverlap"],
        ["175B", "Overlap"],
        ["1T", "NoOverlap"],
        ["1T", "Overlap"],
    ]
    for a, b in zip(ours, theirs, strict=True):
        assert float(a[3]) == pytest.approx(float(b[1]), abs=0.05)


def test_json_is_in_si_units():
    document = json.loads(invoke("network-fig13", "--small", "--json"))
    assert document["fig13"][0]["budget"] == 100e9
    assert document["points"][0]["b1"] == 50e9
    assert document["settings"]["bytes_per_gigabyte"] == 2**30


def test_a_directory_of_results_is_the_same_twice(tmp_path):
    for name in ("a", "b"):
        invoke("network-fig14", "--small", "-o", str(tmp_path / name))
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == [
        "contents.json",
        "fig14.csv",
        "fig14.pdf",
        "fig14.png",
        "points.csv",
        "result.json",
        LISTING,
        "summary.csv",
    ]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with (tmp_path / "a" / "points.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["b1"]) == 50e9
    assert rows[0]["b3"] == ""


def test_table_6_is_written_without_a_figure(tmp_path):
    invoke("network-table6", "-o", str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "contents.json",
        "result.json",
        LISTING,
        "table6.csv",
    ]


def test_an_existing_directory_of_the_user_stays(tmp_path, capsys):
    output = tmp_path / "out"
    output.mkdir()
    (output / "mine").write_text("keep", encoding="utf-8")
    message = refusal(capsys, "network-fig12", "--small", "-o", str(output))
    assert "add --force" in message
    assert (output / "mine").exists()
    message = refusal(capsys, "network-fig12", "--small", "-o", str(output), "--force")
    assert "a directory that simcore did not write" in message
    assert (output / "mine").read_text(encoding="utf-8") == "keep"


def test_nothing_is_left_behind_where_drawing_fails(tmp_path, monkeypatch):
    def broken(*args):
        raise RuntimeError("no pen")

    monkeypatch.setattr("simcore.studies.evaluate.figures_network.draw", broken)
    with pytest.raises(RuntimeError, match="no pen"):
        invoke("network-fig12", "--small", "-o", str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["network-fig21"], "TARGET: found 'network-fig21', expected one of network-fig12"),
        (["network-table6", "--resolve"], "--resolve"),
    ],
)
def test_wrong_input_exits_2_with_the_remedy(capsys, args, part):
    message = refusal(capsys, *args)
    assert message.startswith("simcore: error: ")
    assert part in message


def test_help_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from simcore.cli.evaluate import command\n"
        "from simcore.cli.zoo import command\n"
        "heavy = {'numpy', 'scipy', 'matplotlib', 'pydantic', 'rich', 'networkx', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
