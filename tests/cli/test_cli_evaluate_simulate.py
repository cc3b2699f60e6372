"""``simcore evaluate --engine simulate``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from simcore.cli.evaluate import command
from simcore.cli.main import run
from simcore.studies.evaluate import simulate as network_simulate
from simcore.studies.evaluate.network import NetworkEvaluation
from simcore.studies.evaluate.state import State
from simcore.studies.evaluate.task import Timed

SMALL = ["network-fig12", "--small", "--engine", "simulate", "--jobs", "1"]


def invoke(*args):
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def interrupt_after(points, monkeypatch):
    """Stop the next run as Ctrl-C does after some points; return the list of those that ran."""
    original, ran = network_simulate.run, []

    def stopped(task):
        if len(ran) == points:
            raise KeyboardInterrupt
        ran.append(task)
        return original(task)

    monkeypatch.setattr(network_simulate, "run", stopped)
    return ran


def status(*args):
    with pytest.raises(SystemExit) as stop:
        run(["evaluate", *args])
    return stop.value.code


def test_it_says_that_it_simulated():
    text = invoke(*SMALL)
    assert "Simulated chunk by chunk with ASTRA-sim's rules" in text
    assert "References" not in text  # it shows none
    assert "2D        17B       PerfOptBW         1.09" in text


def test_references_of_the_closed_form_are_told_to_be_such(monkeypatch):
    monkeypatch.setattr(network_simulate, "run", lambda task: Timed(1.0, 0.5, 1))
    assert "References are those of the closed form" in invoke("network-fig12", *SMALL[2:])
    resolved = invoke(*SMALL, "--resolve")
    assert "for the closed form of the iteration that is simulated" in resolved


def test_json_has_simulated_times():
    found = json.loads(invoke(*SMALL, "--json"))
    assert found["provenance"]["inputs"]["engine"] == "simulate"
    assert found["provenance"]["counts"]["simulations"] == 32


def test_an_interrupted_run_says_where_its_points_are_and_goes_on(tmp_path, monkeypatch, capsys):
    original = network_simulate.run
    ran = interrupt_after(5, monkeypatch)
    assert status(*SMALL, "-o", str(tmp_path / "out")) == 130
    state = tmp_path / "out.points.jsonl"
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"simcore: error: interrupted; 5 finished points are kept in {state}: run the same command again to go on"
    ]
    assert len(state.read_text(encoding="utf-8").splitlines()) == 5

    monkeypatch.setattr(network_simulate, "run", lambda task: ran.append(task) or original(task))
    invoke(*SMALL, "-o", str(tmp_path / "out"))
    assert len(ran) == 32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert (tmp_path / "out" / "points.csv").is_file()


@pytest.mark.parametrize("step", ["report", "write"])
def test_an_interruption_after_the_last_point_says_that_all_are_kept(step, tmp_path, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(network_simulate, "run", lambda task: Timed(1.0, 0.5, 1))
    monkeypatch.setattr(NetworkEvaluation, step, stopped)
    state = tmp_path / "pts.jsonl"
    assert status(*SMALL, "--state", str(state), "-o", str(tmp_path / "out")) == 130
    assert capsys.readouterr().err == (
        f"simcore: error: interrupted; all points are kept in {state}: run the same command again for what is made "
        "of them\n"
    )
    assert len(state.read_text(encoding="utf-8").splitlines()) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["pts.jsonl"]


def test_a_state_that_the_user_names_is_kept(tmp_path):
    invoke(*SMALL, "--state", str(tmp_path / "s.jsonl"), "-o", str(tmp_path / "out"))
    assert len((tmp_path / "s.jsonl").read_text(encoding="utf-8").splitlines()) == 32


def test_without_any_option_an_interrupted_run_goes_on_too(cache, monkeypatch, capsys):
    whole = invoke(*SMALL)
    assert not list(cache.glob("*"))
    with monkeypatch.context() as patch:
        ran = interrupt_after(5, patch)
        assert status(*SMALL) == 130
    kept = cache / "network-fig12-small.points.jsonl"
    assert capsys.readouterr().err == (
        f"simcore: error: interrupted; 5 finished points are kept in {kept}: run the same command again to go on\n"
    )
    original = network_simulate.run
    monkeypatch.setattr(network_simulate, "run", lambda task: ran.append(task) or original(task))
    assert invoke(*SMALL) == whole
    assert len(ran) == 32
    assert not list(cache.glob("*"))


def test_other_inputs_have_points_of_their_own(cache, monkeypatch):
    for args in (SMALL, ["network-fig15", *SMALL[1:]], [*SMALL, "--resolve"]):
        with monkeypatch.context() as patch:
            interrupt_after(2, patch)
            assert status(*args) == 130
    kept = {path.name.removesuffix(".points.jsonl"): path for path in cache.iterdir()}
    assert sorted(kept) == ["network-fig12-small", "network-fig12-small-resolve", "network-fig15-small"]
    assert all(path.read_text(encoding="utf-8").count("\n") == 2 for path in kept.values())


def test_a_cache_that_cannot_be_written_is_told_once_and_done_without(cache, monkeypatch, capsys):
    cache.write_text("a file", encoding="utf-8")
    assert status(*SMALL) == 0
    printed = capsys.readouterr()
    assert "2D PerfOptBW over EqualBW" in printed.out
    (line,) = printed.err.splitlines()
    assert line.startswith(f"simcore: warning: finished points are not kept: {cache}")
    assert line.endswith("--state FILE keeps them in FILE")
    interrupt_after(2, monkeypatch)
    assert status(*SMALL) == 130
    assert capsys.readouterr().err.splitlines()[1].startswith("simcore: error: interrupted; nothing was kept.")


def test_points_of_a_cache_that_are_broken_are_in_nobodys_way(cache):
    cache.mkdir()
    (cache / "network-fig12-small.points.jsonl").write_text("no json\n", encoding="utf-8")
    assert "2D PerfOptBW over EqualBW" in invoke(*SMALL)
    assert not list(cache.glob("*"))


def test_no_target_leads_out_of_the_cache(cache, tmp_path):
    mine = tmp_path / "mine.points.jsonl"
    mine.write_text("no json\n", encoding="utf-8")
    assert status(str(tmp_path / "mine"), *SMALL[1:]) == 2
    assert mine.exists()


def test_a_user_without_a_home_is_told_once_that_nothing_is_kept(monkeypatch, capsys):
    monkeypatch.setattr("simcore.studies.evaluate.state.cache_directory", lambda: None)
    interrupt_after(2, monkeypatch)
    assert status(*SMALL) == 130
    warning, message = capsys.readouterr().err.splitlines()
    assert warning == (
        "simcore: warning: finished points are not kept: this user has no home directory; --state FILE keeps them in "
        "FILE"
    )
    assert message.startswith("simcore: error: interrupted; nothing was kept.")


@pytest.mark.skipif(sys.platform == "win32", reason="a platform without flock")
def test_a_second_run_leaves_the_cache_of_the_first_alone(cache, monkeypatch, capsys):
    monkeypatch.setattr(network_simulate, "run", lambda task: Timed(1.0, 0.5, 1))
    cache.mkdir()
    with State(cache / "network-fig12-small.points.jsonl") as first:
        assert status(*SMALL) == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"simcore: warning: finished points are not kept: {first.path} is a file that another")
        assert first.path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a platform without flock")
@pytest.mark.parametrize("option", ["--state", "-o"])
def test_a_second_run_with_a_named_file_is_refused(option, tmp_path, capsys):
    path = tmp_path / "out.points.jsonl"
    with State(path):
        assert status(*SMALL, option, str(path if option == "--state" else tmp_path / "out")) == 2
    assert capsys.readouterr().err == (
        f"simcore: error: {path}: found a file that another run is using, expected a file of this run alone. "
        "Wait until that run has ended, or name another file with --state.\n"
    )


def test_no_point_is_said_to_be_kept_where_none_is(tmp_path, monkeypatch, capsys):
    path = tmp_path / "s.jsonl"
    path.touch()
    interrupt_after(0, monkeypatch)
    assert status(*SMALL, "--state", str(path)) == 130
    assert "interrupted; no point was finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["network-fig12", "--jobs", "2"], "Add --engine simulate."),
        (["network-table6", "--engine", "simulate"], "Table VI holds splits"),
        (["network-fig12", "--engine", "simulat"], "simulate"),
    ],
)
def test_wrong_input_exits_2(capsys, args, part):
    with pytest.raises(SystemExit) as stop:
        run(["evaluate", *args])
    assert stop.value.code == 2
    assert part in capsys.readouterr().err


def test_options_of_the_simulation_alone_are_named(capsys):
    for option, value in (("--jobs", "2"), ("--state", "s.jsonl")):
        with pytest.raises(SystemExit):
            run(["evaluate", "network-fig12", option, value])
        assert f"{option}: found {value} without --engine simulate" in capsys.readouterr().err


WHEN_A_POINT_IS_WRITTEN = """
add = network_state.State.add
def first(self, *point):
    add(self, *point)
    os.killpg(0, signal.SIGINT)
network_state.State.add = first
"""
WHILE_PROCESSES_START = """
import joblib
start = joblib.Parallel.__call__
def interrupted(self, calls):
    found = start(self, calls)
    os.killpg(0, signal.SIGINT)
    return found
joblib.Parallel.__call__ = interrupted
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of process groups")
@pytest.mark.parametrize(("when", "points"), [(WHEN_A_POINT_IS_WRITTEN, 1), (WHILE_PROCESSES_START, 0)])
def test_ctrl_c_is_answered_once(when, points, tmp_path):
    """Interrupt the whole process group, as a terminal does."""
    code = (
        "import os, signal\n"
        "from simcore.studies.evaluate import state as network_state\n"
        "from simcore.cli.main import run\n"
        f"{when}"
        "arguments = ['network-fig12', '--small', '--engine', 'simulate', '--jobs', '2']\n"
        f"run(['evaluate', *arguments, '-o', {str(tmp_path / 'o')!r}])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True)
    assert ran.returncode == 130
    (line,) = ran.stderr.splitlines()
    assert line.startswith("simcore: error: interrupted; ")
    written = tmp_path / "o.points.jsonl"
    assert (written.read_text(encoding="utf-8").count("\n") if written.exists() else 0) == points
