"""Simulated points of the network evaluation: kept as they end, resumed, on several processes."""

from __future__ import annotations

import pytest
from simcore.errors import InputError
from simcore.models.training.program import Loop
from simcore.progress import watched
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload
from simcore.studies.evaluate import EvaluateRequest, evaluate
from simcore.studies.evaluate import simulate as network_simulate
from simcore.studies.evaluate import task as network_task
from simcore.studies.evaluate.state import State
from simcore.studies.evaluate.task import Task, Timed, switched


def simulated(target, small=False, **runtime):
    return evaluate.of(EvaluateRequest(target, small=small, engine="simulate"), **runtime)


def small(**options):
    return simulated("network-fig12", small=True, jobs=1, **options)


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
    for ours, theirs in zip(result.tables()["points"], closed.tables()["points"], strict=True):
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
    with watched(lambda what, done, total: progress.append((done, total)) if what == "simulated points" else None):
        result = small(state=state)
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
    simulated("network-fig14", small=True, jobs=1, state=state)
    assert simulations.ran == 32


def test_all_figures_are_552_iterations(monkeypatch, tmp_path):
    # the artifact runs 765 jobs: these, and 213 that only read the price of a network, which is a formula here
    monkeypatch.setattr(network_simulate, "run", lambda task: Timed(1.0, 0.5, 1))
    state = tmp_path / "points.jsonl"
    for figure, points in (("network-fig12", 282), ("network-fig15", 360)):
        counts = simulated(figure, jobs=1, state=state).provenance.counts
        assert counts["simulations"] == counts["points"] == points
    with State(state) as kept:
        assert len(kept.times) == kept.kept == 552


def test_several_processes_give_what_one_gives(tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    result = small(state=one)
    assert simulated("network-fig12", small=True, jobs=2, state=two).to_json() == result.to_json()
    assert sorted(one.read_text(encoding="utf-8").splitlines()) == sorted(two.read_text(encoding="utf-8").splitlines())


def test_a_key_changes_with_what_the_result_depends_on():
    topology, workload = (
        switched(read_network("4D", "n").value.topology),
        read_workload("1T", "w", variant="evaluation").value,
    )
    task = Task(topology, workload, (1e9,) * 4)
    assert task.key == Task(topology, workload, (1e9,) * 4).key
    others = [
        Task(topology, workload, (1e9, 1e9, 1e9, 2e9)),
        Task(read_network("4D", "n").value.topology, workload, (1e9,) * 4),
        Task(topology, read_workload("1T", "w").value, (1e9,) * 4),
    ]
    assert len({task.key, *(other.key for other in others)}) == 4


def test_a_key_changes_with_how_points_are_simulated(monkeypatch):
    task = Task(
        switched(read_network("4D", "n").value.topology),
        read_workload("1T", "w", variant="evaluation").value,
        (1e9,) * 4,
    )
    before = task.key
    for name, other in (("COMPUTE_SCALE", 0.25), ("LOOP", Loop.NO_OVERLAP), ("fingerprint", lambda package: "edited")):
        with monkeypatch.context() as patch:
            patch.setattr(network_task, name, other)
            assert task.key != before
    assert task.key == before


def test_the_fingerprint_is_that_of_the_sources_that_simulate(tmp_path):
    (tmp_path / "models" / "network" / "__pycache__").mkdir(parents=True)
    (tmp_path / "studies" / "evaluate").mkdir(parents=True)
    sources = [tmp_path / name for name in ("engine.py", "studies/evaluate/task.py", "models/network/run.py")]
    for path in sources:
        path.write_text("1", encoding="utf-8")

    def now():
        network_task.fingerprint.cache_clear()
        return network_task.fingerprint(tmp_path)

    seen = [now()]
    for path in sources:
        path.write_text("2", encoding="utf-8")
        seen.append(now())
    sources[-1].rename(sources[-1].with_name("servers.py"))
    seen.append(now())
    assert len(set(seen)) == 5
    (tmp_path / "models" / "network" / "__pycache__" / "run.pyc").write_text("3", encoding="utf-8")
    (tmp_path / "studies" / "train.py").write_text("3", encoding="utf-8")
    assert now() == seen[-1]


def test_sources_are_read_once_for_all_keys(monkeypatch):
    network_task.fingerprint.cache_clear()
    topology, workload = (
        switched(read_network("2D", "n").value.topology),
        read_workload("17B", "w", variant="evaluation").value,
    )
    for bandwidth in (1e9, 2e9):
        assert Task(topology, workload, (bandwidth,) * 2).key
    found = network_task.fingerprint.cache_info()
    assert (found.misses, found.hits) == (1, 1)


def test_points_from_before_an_edit_are_simulated_again(simulations, monkeypatch, tmp_path):
    state = tmp_path / "points.jsonl"
    simulations.stop_after = 10
    with pytest.raises(KeyboardInterrupt):
        small(state=state)
    simulations.stop_after = None
    monkeypatch.setattr(network_task, "fingerprint", lambda package: "edited")
    small(state=state)
    assert simulations.ran == 10 + 32


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"target": "network-fig12", "engine": "magic"}, "closed-form, simulate"),
        ({"target": "network-table6", "engine": "simulate"}, "Table VI holds splits"),
        ({"target": "network-fig12", "jobs": 2}, "Add engine simulate."),
        ({"target": "network-fig12", "engine": "simulate", "jobs": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, part):
    inputs = {name: value for name, value in options.items() if name != "jobs"}
    with pytest.raises(InputError, match=part):
        evaluate.of(EvaluateRequest(**inputs), jobs=options.get("jobs"))
