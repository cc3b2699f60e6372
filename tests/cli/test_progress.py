"""Runs that take long tell how far they are: at a terminal a bar with the time left, elsewhere nothing."""

import io
import os
import pty
import subprocess
import sys

import pytest
from simcore.cli import console
from simcore.cli.main import run
from simcore.progress import counter, tell, tracked, watched

from tests.cli.every import JOBS, NEEDS_TORCH, RUNS, write_inputs

GPT = ("gpt-1.3b", "--gpus", "8", "--device", "v100-32gb", "--precision", "fp16", "--global-batch", "32")
# command, and what it counts
CASES = {
    "trace": (("trace", "--policy", "fifo"), "jobs under fifo"),
    "optimize": (("optimize", "2D", "325", "17B", "Perf", "Overlap"), "linear programs"),
    "collective": (("collective", "all-reduce", "1MB", "--network", "Ring(4)@100GB/s", "--chunks", "4"), "chunks"),
    "train, a workload": (("train", "2D", "400", "17B", "--chunks", "4"), "steps of the iteration"),
    "train, stages": (("train", "2D", "400", "17B", "--stages", "2", "--chunks", "4"), "turns of stages"),
    "train, a model": (("train", *GPT, "--tp", "2", "--pp", "2", "--loop", "simulate"), "turns of ranks"),
    "evaluate": (("evaluate", "network-fig12", "--small"), "networks"),
    "evaluate, simulated": (
        ("evaluate", "network-fig12", "--small", "--engine", "simulate", "--jobs", "1"), "simulated points",
    ),
    "evaluate, a table": (("evaluate", "network-table6"), "plans of Table VI"),
    "search": (("search", *GPT, "--tp", "2"), "layouts"),
    "rates": (("rates", "--profile", "t4", "--model", "bert-base", "--batch", "4,8"), "steps"),
    "validate": (("validate", "--source", "bloom"), "rows of iterations"),
    "validate, memory": (RUNS["validate"], "rows of memory"),
    "profile derive": (RUNS["profile derive"], "kernels"),
    "tune": (RUNS["tune"], "cells"),
    "verify": (RUNS["verify"], "number formats"),
    "sparse": (RUNS["sparse"], "sparse operators"),
    "elastic run": (RUNS["elastic run"], "stages trained"),
    "workload synthesise": (
        ("workload", "synthesise", "--like", "quoted.csv", "--jobs", "20"), "rows of the trace table",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", CASES)
def test_a_run_tells_how_far_it_is(command, capsys, tmp_path, monkeypatch):
    if command in NEEDS_TORCH:
        pytest.importorskip("torch", reason="torch is not installed")
    write_inputs(tmp_path)
    (tmp_path / "quoted.csv").write_text(JOBS.replace("ann", '"ann"'))  # which is read row by row
    monkeypatch.chdir(tmp_path)
    words, counted = CASES[command]
    seen = []
    with watched(lambda *each: seen.append(each)), pytest.raises(SystemExit) as stop:
        run(list(words))
    assert " left " not in capsys.readouterr().err  # standard error is no terminal
    assert stop.value.code == 0
    told = [(done, total) for what, done, total in seen if what == counted]
    assert told
    if counted != "linear programs":  # nobody knows how many it takes
        assert told[-1][0] == told[-1][1]


def test_nobody_watches():
    items = [1, 2]
    assert tracked(items, "items") is items
    assert counter("items") is None
    tell("items", 1, 2)


PROGRAM = """
from simcore.cli import console
from simcore.cli import console
from simcore.cli.main import run
console.AFTER = console.EVERY = 0.0
run({words!r})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a platform without pseudo-terminals")
@pytest.mark.parametrize(("encoding", "drawn"), [("utf-8", "━"), ("ascii", "")])
def test_a_bar_with_the_time_left_on_a_terminal_only(encoding, drawn):
    code = PROGRAM.format(words=[*CASES["search"][0], "--json"])
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "PYTHONIOENCODING": encoding}
    done = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=follower, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 2**16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    out, _ = done.communicate()
    os.close(leader)
    text = shown.decode("utf-8")
    assert done.returncode == 0
    assert "layouts" in text
    assert "left" in text
    assert drawn in text
    assert drawn or text.isascii()
    assert out.startswith(b"{")


def test_a_bar_begins_where_nothing_has_been_counted_yet(monkeypatch):
    """A run that reads, or starts processes, for more than a second shows that it runs, and for how long."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(console, "AFTER", 0.0)
    monkeypatch.setattr(console, "EVERY", 0.0)
    shown = console._Shown()
    shown._timer.join()
    assert "working" in screen.getvalue()
    shown.tell("steps", 1, 4)
    shown._bar.refresh()
    shown.end()
    assert "steps" in screen.getvalue()
    assert "1/4" in screen.getvalue()


def test_a_run_that_ends_at_once_shows_nothing(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    with console.progress():
        tell("steps", 4, 4)
    assert screen.getvalue() == ""
