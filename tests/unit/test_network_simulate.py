"""Simulated points of the network evaluation: kept as they end, resumed, on several processes."""

from __future__ import annotations

import json

import pytest
from simcore.errors import InputError
from simcore.studies import network_simulate
from simcore.studies.evaluate_network import evaluate
from simcore.studies.network_simulate import State, Task, Timed, switched
from simcore.zoo.load_networks import load_network
from simcore.zoo.load_workloads import load_workload


def small(**options):
    return evaluate("network-fig12", small=True, engine="simulate", jobs=1, **options)


@pytest.fixture
def simulations(monkeypatch):
    """Count simulations, and stop with an interruption when `stop_after` of them have run."""

    class Counter:
        ran, stop_after = 0, None

    counter, original = Counter(), network_simulate.run

    def run(task):
        if counter.ran == counter.stop_after:
            raise KeyboardInterrupt
        counter.ran += 1
        return original(task)

    monkeypatch.setattr(network_simulate, "run", run)
    return counter


def test_points_are_simulated_once_and_near_the_closed_form(simulations):
    result = small()
    assert simulations.ran == result.provenance.counts["simulations"] == 32
    assert result.provenance.counts["events"] > 32 * 100
    assert result.provenance.inputs["engine"] == "simulate"
    closed = evaluate("network-fig12", small=True)
    for ours, theirs in zip(result.tables["points"], closed.tables["points"], strict=True):
        assert ours["time"] == pytest.approx(theirs["time"], rel=0.02)
        assert ours["compute"] == pytest.approx(theirs["compute"], rel=1e-3)
        assert ours["cost"] == theirs["cost"]


def test_each_point_is_written_as_it_ends_and_an_interrupted_run_goes_on(simulations, tmp_path):
    state = tmp_path / "points.jsonl"
    simulations.stop_after = 10
    with pytest.raises(KeyboardInterrupt):
        small(state=state)
    assert len(state.read_text(encoding="utf-8").splitlines()) == 10
    simulations.stop_after = None
    progress = []
    result = small(state=state, advance=lambda done, total: progress.append((done, total)))
    assert simulations.ran == 32
    assert progress[0] == (10, 32)
    assert progress[-1] == (32, 32)
    assert result.to_json() == small().to_json()


def test_a_line_cut_short_is_simulated_again(simulations, tmp_path):
    state = tmp_path / "points.jsonl"
    small(state=state)
    whole = state.read_bytes()
    state.write_bytes(whole[:-40])
    small(state=state)
    assert simulations.ran == 33
    assert state.read_bytes() == whole


def test_figures_share_a_state(simulations, tmp_path):
    state = tmp_path / "points.jsonl"
    small(state=state)
    evaluate("network-fig14", small=True, engine="simulate", jobs=1, state=state)
    assert simulations.ran == 32


def test_all_figures_are_552_iterations(monkeypatch, tmp_path):
    # the artifact runs 765 jobs: these, and 213 that only read the price of a network, which is a formula here
    monkeypatch.setattr(network_simulate, "run", lambda task: Timed(1.0, 0.5, 1))
    state = tmp_path / "points.jsonl"
    for figure, points in (("network-fig12", 282), ("network-fig15", 360)):
        counts = evaluate(figure, engine="simulate", jobs=1, state=state).provenance.counts
        assert counts["simulations"] == counts["points"] == points
    assert len(State(state).found) == 552


def test_several_processes_give_what_one_gives(tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    result = small(state=one)
    assert evaluate("network-fig12", small=True, engine="simulate", jobs=2, state=two).to_json() == result.to_json()
    assert sorted(one.read_text(encoding="utf-8").splitlines()) == sorted(two.read_text(encoding="utf-8").splitlines())


def test_a_key_changes_with_what_the_result_depends_on():
    topology, workload = switched(load_network("4D", "n")), load_workload("1T", "w", variant="evaluation")
    task = Task(topology, workload, (1e9,) * 4)
    assert task.key == Task(topology, workload, (1e9,) * 4).key
    others = [
        Task(topology, workload, (1e9, 1e9, 1e9, 2e9)),
        Task(load_network("4D", "n"), workload, (1e9,) * 4),
        Task(topology, load_workload("1T", "w"), (1e9,) * 4),
    ]
    assert len({task.key, *(other.key for other in others)}) == 4


@pytest.mark.parametrize("line", ["no json", '{"key": "x"}', "[1]"])
def test_a_file_of_something_else_is_refused(tmp_path, line):
    path = tmp_path / "mine.txt"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 1"):
        State(path)
    assert path.read_text(encoding="utf-8") == line + "\n"


def test_a_state_keeps_full_precision(tmp_path):
    task = Task(load_network("2D", "n"), load_workload("17B", "w"), (1e9, 0.1e9))
    State(tmp_path / "s").add(task, Timed(0.1 + 0.2, 1 / 3, 7))
    assert State(tmp_path / "s").found == {task.key: Timed(0.1 + 0.2, 1 / 3, 7)}
    assert json.loads((tmp_path / "s").read_text(encoding="utf-8"))["bandwidths"] == [1e9, 0.1e9]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"target": "network-fig12", "engine": "magic"}, "closed-form, simulate"),
        ({"target": "network-table6", "engine": "simulate"}, "Table VI holds splits"),
        ({"target": "network-fig12", "jobs": 2}, "Add --engine simulate."),
        ({"target": "network-fig12", "engine": "simulate", "jobs": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, part):
    with pytest.raises(InputError, match=part):
        evaluate(**options)
