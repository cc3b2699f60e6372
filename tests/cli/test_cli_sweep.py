"""``simcore sweep trace``: what it prints and writes, and an interruption after which it goes on."""

import json
import subprocess
import sys

import pytest

from tests.cli.commands import printed, refused

SWEEP = ("sweep", "trace", "synthetic:jobs=8", "--interval", "event", "--vary", "policy=fifo,srtf,load=0.5,1")


def test_text_json_and_files_say_the_same(tmp_path):
    text = printed(*SWEEP, "--seeds", "3")
    assert "4 settings, 12 runs" in text
    assert "±" in text
    document = json.loads(printed(*SWEEP, "--seeds", "3", "--json"))
    printed(*SWEEP, "--seeds", "3", "-o", str(tmp_path / "out"), "--figures", "svg")
    lines = (tmp_path / "out" / "sweep.csv").read_text().splitlines()
    assert len(lines) == 1 + len(document["rows"])
    assert json.loads((tmp_path / "out" / "sweep.json").read_text()) == document
    names = {each.name for each in (tmp_path / "out").iterdir()}
    assert {"sweep.svg", "runs.csv", "request.json", "runs", "contents.json", "simcore-files.sha256"} <= names


def test_the_same_command_goes_on_and_another_is_refused(tmp_path, capsys):
    folder = str(tmp_path / "out")
    first = printed(*SWEEP, "-o", folder)
    assert printed(*SWEEP, "-o", folder) == first
    another = [*SWEEP, "--load", "0.9", "-o", folder]
    another[another.index("policy=fifo,srtf,load=0.5,1")] = "policy=fifo,srtf"
    printed(*another)  # the load varies in the sweep before
    error = refused(capsys, *another, "--placement", "spread")
    assert "the directory of another sweep, which differs in placement" in error
    printed(*another, "--placement", "spread", "--force")
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 2


def test_more_seeds_and_values_join_the_runs_that_are_kept(tmp_path):
    """A sweep grows by seeds and values: finished runs stay as they are, and numbers are those of a sweep at once."""
    folder = tmp_path / "out"
    printed(*SWEEP, "-o", str(folder))
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    larger = [*SWEEP[:-1], "policy=fifo,srtf,las,load=0.5,1,1.2", "--seeds", "2"]
    text = printed(*larger, "-o", str(folder))
    assert len(list((folder / "runs").iterdir())) == 18
    assert {name: (folder / "runs" / name).stat().st_mtime_ns for name in kept} == kept
    assert text == printed(*larger)


def test_words_that_are_wrong_are_refused(capsys):
    assert "--vary" in refused(capsys, "sweep", "trace", "--vary", "lod=1")
    assert "--jobs" in refused(capsys, *SWEEP, "--jobs", "many")
    assert "--seeds" in refused(capsys, *SWEEP, "--seeds", "0")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of process groups")
def test_ctrl_c_loses_nothing_that_is_finished(tmp_path):
    """Interrupt the whole process group, as a terminal does, when the first run is kept."""
    code = (
        "import os, signal\n"
        "from simcore.studies.trace.sweep import kept\n"
        "from simcore.cli.main import run\n"
        "add = kept.Kept.add\n"
        "def first(self, *run):\n"
        "    add(self, *run)\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "kept.Kept.add = first\n"
        f"run([*{SWEEP!r}, '--jobs', '2', '-o', {str(tmp_path / 'o')!r}])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True)
    assert ran.returncode == 130
    (line,) = ran.stderr.splitlines()
    assert "1 finished run kept in" in line
    assert len(list((tmp_path / "o" / "runs").iterdir())) == 1
    assert "4 settings" in printed(*SWEEP, "-o", str(tmp_path / "o"))
