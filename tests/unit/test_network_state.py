"""The file of finished points: what it keeps, and that one run at a time has it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from simcore.errors import InputError
from simcore.readers.networks import read_network
from simcore.readers.workloads import read_workload
from simcore.studies.evaluate.state import Scratch, State, cache_directory
from simcore.studies.evaluate.task import Task, Timed

TIMED = Timed(1.0, 0.5, 1)
posix = pytest.mark.skipif(sys.platform == "win32", reason="a platform without flock")
cache_of_the_user = cache_directory  # before the fixture replaces it


def point(bandwidth):
    return Task(read_network("2D", "n").value.topology, read_workload("17B", "w").value, (1e9, bandwidth))


@pytest.mark.parametrize("line", ["no json", '{"key": "x"}', "[1]"])
def test_a_file_of_something_else_is_refused(tmp_path, line):
    path = tmp_path / "mine.txt"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 1"):
        State(path)
    assert path.read_text(encoding="utf-8") == line + "\n"


def test_a_state_keeps_full_precision(tmp_path):
    task = point(0.1e9)
    with State(tmp_path / "s") as state:
        state.add(task, Timed(0.1 + 0.2, 1 / 3, 7))
    with State(tmp_path / "s") as state:
        assert state.times == {task.key: Timed(0.1 + 0.2, 1 / 3, 7)}
    assert json.loads((tmp_path / "s").read_text(encoding="utf-8"))["bandwidths"] == [1e9, 0.1e9]


@posix
def test_a_file_that_another_run_uses_is_refused_until_that_has_ended(tmp_path):
    path = tmp_path / "points.jsonl"
    with State(path) as first:
        first.add(point(1e9), TIMED)
        with pytest.raises(InputError) as refused:
            State(path)
        assert refused.value.place == str(path)
        assert refused.value.found == "a file that another run is using"
        assert refused.value.expected == "a file of this run alone"
        assert refused.value.remedy.startswith("Wait until that run has ended")
        first.add(point(2e9), TIMED)  # the lock is still there, and so is the file
    with State(path) as second:
        assert len(second.times) == second.kept == 2


@posix
def test_another_process_is_refused_as_well(tmp_path):
    path = tmp_path / "points.jsonl"
    code = f"from pathlib import Path; from simcore.studies.evaluate.state import State; State(Path({str(path)!r}))"
    with State(path):
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "a file that another run is using" in ran.stderr


@posix
def test_a_line_that_another_run_is_writing_is_not_cut(tmp_path):
    path = tmp_path / "points.jsonl"
    with State(path):
        path.write_text('{"key": "half', encoding="utf-8")
        with pytest.raises(InputError):
            State(path)
        assert path.read_text(encoding="utf-8") == '{"key": "half'


def test_a_cut_line_is_removed_from_the_very_file_that_is_locked(tmp_path):
    path = tmp_path / "points.jsonl"
    with State(path) as state:
        state.add(point(1e9), TIMED)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "half')
    before = path.stat().st_ino
    with State(path) as state:
        assert (path.read_bytes(), path.stat().st_ino) == (whole, before)
        assert list(state.times) == [point(1e9).key]


@posix
def test_a_file_that_was_removed_while_it_was_waited_for_is_made_anew(tmp_path, monkeypatch):
    import fcntl

    path, lock = tmp_path / "points.jsonl", fcntl.flock
    first = State(path)
    first.add(point(1e9), TIMED)
    taken = []

    def ends_first(stream, operation):  # the other run ends between the opening of its file and the lock on it
        if not taken:
            first.remove()
        taken.append(stream)
        lock(stream, operation)

    monkeypatch.setattr(fcntl, "flock", ends_first)
    with State(path) as second:
        second.add(point(2e9), TIMED)
        assert len(taken) == 2
        assert second.kept == 1
        monkeypatch.undo()
        with pytest.raises(InputError, match="another run"):
            State(path)


@posix
def test_where_there_are_no_locks_points_are_kept_without(tmp_path, monkeypatch):
    def none(stream, operation):
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with State(tmp_path / "points.jsonl") as state:
        state.add(point(1e9), TIMED)
        assert state.kept == 1


@posix
def test_a_second_run_with_the_same_cache_goes_on_without_it_and_says_so_once(tmp_path):
    path, said = tmp_path / "points.jsonl", []
    with Scratch(path, said.append) as first:
        first.add(point(1e9), TIMED)
        with Scratch(path, said.append) as second:
            assert said == [
                f"finished points are not kept: {path} is a file that another run is using; --state FILE keeps them "
                "in FILE"
            ]
            assert (second.path, second.kept) == (None, 0)
            for bandwidth in (2e9, 3e9):
                second.add(point(bandwidth), TIMED)
            second.remove()
        assert len(said) == 1
        first.add(point(4e9), TIMED)
        assert first.kept == 2


def test_a_file_of_which_nothing_came_is_not_left_behind(tmp_path):
    mine = tmp_path / "mine"
    mine.touch()
    for path in (tmp_path / "new", mine):
        with State(path) as state:
            assert state.kept == 0
    assert list(tmp_path.iterdir()) == [mine]


def test_points_that_may_only_be_read_are_read(tmp_path, monkeypatch):
    path = tmp_path / "points.jsonl"
    with State(path) as state:
        state.add(point(1e9), TIMED)

    def refused(self, mode="r", *args, real=Path.open, **options):
        if "a" in mode:
            raise PermissionError(13, "Permission denied")
        return real(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", refused)
    with State(path) as state:
        assert list(state.times) == [point(1e9).key]
        with pytest.raises(InputError, match="cannot be written"):
            state.add(point(2e9), TIMED)


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="other places there")
def test_the_cache_is_where_the_platform_has_it(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_of_the_user() == Path("/elsewhere/simcore")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # such a one is to be passed over
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_of_the_user() == Path("/home/me/.cache/simcore")
    monkeypatch.setenv("HOME", "")  # where ~ is the root of the file system
    assert cache_of_the_user() is None
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user without a home
    assert cache_of_the_user() is None
