"""What commands write, where, and what becomes of a disk that is full, in every command that writes."""

import errno
import os
import subprocess
import sys

import click
import pytest
from simcore import plots
from simcore.cli.main import COMMANDS, main, run
from simcore.cli.options import StudyCommand
from simcore.outputs import LISTING, check_own

from tests.cli.every import NEEDS_TORCH, RUNS, studies, write_inputs, writing

INPUTS = "../inputs"
MODEL = ("gpt-125m", "--gpus", "8", "--device", "a100-80gb")
NETWORK = ("--network", "Ring(4)@100GB/s")
DIRECTORIES = {
    "trace": ("trace", "--policy", "fifo"),
    "optimize": ("optimize", "2D", "325", "17B", "Perf", "Overlap"),
    "train": ("train", "2D", "400", "17B", "--loop", "NoOverlap"),
    "collective": ("collective", "all-reduce", "1MB", *NETWORK),
    "evaluate": ("evaluate", "network-table6"),
}
MORE_DIRECTORIES = {
    "messages": ("messages", "all-reduce", "1MB", *NETWORK),
    "memory": ("memory", *MODEL),
    "schedule": ("schedule", *MODEL, "--steps", "sdpa"),
    "kernel break-even": (
        "kernel",
        "break-even",
        "1024x1024x1024",
        "--granularity",
        "32x1",
        "--profile",
        "cpu",
        "--sparsity",
        "0.5,0.9",
    ),
    "share": ("share", f"{INPUTS}/two.yaml", "--network", "2D", "--budget", "325"),
    "workload": ("workload", f"{INPUTS}/jobs.csv"),
}
"""Those whose full disks are left out: what writes them is the same. A sweep has a folder of its own kind."""
FILES_ALONE = {("calibrate",), ("rates",), ("profile", "derive"), ("model",), ("workload", "synthesise")}
"""Commands whose -o is a file without figures."""

FILES = {
    "rates": ("rates", "--profile", "t4", "--model", "bert-base", "--batch", "4"),
    "profile derive": (
        "profile",
        "derive",
        "mid",
        "--from",
        f"{INPUTS}/old.json,{INPUTS}/new.json",
        "--sheet",
        f"{INPUTS}/sheet.yaml",
    ),
    "profile show": ("profile", "show", "cpu"),
}


def status(*args):
    with pytest.raises(SystemExit) as stop:
        run([str(arg) for arg in args])
    return stop.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder; the profiles that are derived from lie beside it."""
    for name in ("inputs", "work"):
        (tmp_path / name).mkdir()
    write_inputs(tmp_path / "inputs")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def names(folder):
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("command", [*DIRECTORIES, *MORE_DIRECTORIES])
def test_a_directory_is_said_and_figures_come_in_the_formats_asked_for(folder, capsys, command):
    words = (DIRECTORIES | MORE_DIRECTORIES)[command]
    assert status(*words, "-o", "out", "--figures", "SVG,png,svg") == 0
    found = names(folder / "out")
    assert f"simcore: wrote out: {', '.join(each for each in found if each != LISTING)}" in capsys.readouterr().err
    kinds = {each.rpartition(".")[2] for each in found}
    assert {"json", "csv"} <= kinds <= {"json", "csv", "yaml", "sha256", "svg", "png"}
    if command != "evaluate":  # a table alone
        assert {"svg", "png"} <= kinds


def test_the_same_svg_twice(folder):
    for name in ("a", "b"):
        assert status(*DIRECTORIES["trace"], "-o", name, "--figures", "svg") == 0
    drawn = [each for each in names(folder / "a") if each.endswith(".svg")]
    assert drawn
    assert all((folder / "a" / each).read_bytes() == (folder / "b" / each).read_bytes() for each in drawn)


@pytest.mark.parametrize("command", FILES)
def test_a_file_is_said(folder, capsys, command):
    assert status(*FILES[command], "-o", "file") == 0
    files = names(folder)
    assert f"simcore: wrote {', '.join(reversed(files))}" in capsys.readouterr().err
    assert files == (["file.pdf", "file.png"] if command == "profile show" else ["file"])


def test_a_plot_has_the_format_that_its_name_says(folder, capsys):
    assert status(*FILES["profile show"], "-o", "fit.svg") == 0
    assert names(folder) == ["fit.svg"]
    assert status(*FILES["profile show"], "-o", "fit", "--figures", "svg") == 2
    assert "-o fit.svg: found a file that exists" in capsys.readouterr().err
    assert status(*FILES["profile show"], "-o", "fit.svg", "--figures", "png", "--force") == 2
    assert "--figures: found png, expected svg, as -o fit.svg says" in capsys.readouterr().err


def test_a_timeline_is_said(folder, capsys):
    assert status(*DIRECTORIES["collective"], "--timeline", "line.json") == 0
    assert "simcore: wrote line.csv, line.json" in capsys.readouterr().err


def commands(group=main, words=()):
    """Every command, those below others too."""
    context = click.Context(main)
    for name in group.list_commands(context):
        each = group.get_command(context, name)
        yield from commands(each, (*words, name)) if isinstance(each, click.Group) else [((*words, name), each)]


def test_every_command_that_draws_takes_the_formats():
    assert len(list(commands())) > len(COMMANDS)
    for words, command in commands():
        studies = [command] if isinstance(command, StudyCommand) else [getattr(command, "model", None)]
        for study in filter(None, studies):
            options = {word for each in command.params for word in each.opts}
            draws = "-o" in options and words not in FILES_ALONE
            assert ("--figures" in options) == draws, (words, study)


def test_formats_that_are_refused(folder, capsys):
    for words, message in (
        (("--figures", "jpg", "-o", "out"), "--figures: found 'jpg', expected one of png, pdf, svg."),
        (("--figures", "svg"), "--figures: found it without -o"),
    ):
        assert status(*DIRECTORIES["trace"], *words) == 2
        assert message in capsys.readouterr().err
    assert names(folder) == []


@pytest.mark.parametrize("command", [*DIRECTORIES, *MORE_DIRECTORIES, *FILES])
def test_force_loses_no_file_of_the_user(folder, capsys, command):
    """Notes beside results stay, and a folder that simcore did not write is not touched."""
    words = (DIRECTORIES | MORE_DIRECTORIES | FILES)[command]
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    assert status(*words, "-o", "mine", "--force") == (2 if command != "profile show" else 0)
    assert names(folder / "mine") == ["notes.txt"]
    if command not in FILES:
        assert "a directory that simcore did not write" in capsys.readouterr().err
        assert status(*words, "-o", "out") == 0
        (folder / "out" / "notes.txt").write_text("mine")
        assert status(*words, "-o", "out", "--force", "--figures", "svg") == 0
        assert (folder / "out" / "notes.txt").read_text() == "mine"
        assert not [each for each in names(folder / "out") if each.endswith((".png", ".pdf"))]


def test_force_replaces_timelines_alone(folder, capsys):
    """The CSV beside a trace is not named on the command line, so that one of the user's is easily overlooked."""
    words = ("collective", "all-reduce", "1MB", "--network", "Ring(4)@100GB/s", "--timeline", "line.json")
    for name in ("line.csv", "line.json"):
        (folder / name).write_text("mine")
        assert status(*words, "--force") == 2
        assert f"--timeline {name}: found a file that simcore did not write" in capsys.readouterr().err
        assert (folder / name).read_text() == "mine"
        assert names(folder) == [name]
        (folder / name).unlink()
    for _ in range(2):
        assert status(*words, "--force") == 0
    assert names(folder) == ["line.csv", "line.json"]


RUNS_THAT_WRITE = {
    ("model", "-o"): ("model", "sparse_module.py:dense", "--example", "64x32"),
    ("tune", "--log"): (*RUNS["tune"], "--measure", "measure.py:rate"),
    ("evaluate", "--state"): ("evaluate", "network-fig12", "--small", "--engine", "simulate"),
}
"""Runs in which something is written, where a command's own in `RUNS` writes nothing there."""


def writes(name, option, folder, monkeypatch):
    """Return the run of a command that writes something, in a folder with what it reads."""
    words = RUNS_THAT_WRITE.get((name, option), RUNS[name])
    if name in NEEDS_TORCH or name == "model":
        pytest.importorskip("torch", reason="torch is not installed")
    write_inputs(folder)
    (folder / "measure.py").write_text("def rate(batch, ratio, parallel, kernels):\n    return 1.0\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # as Python would, of measure.py, where it may
    return words


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("name", "option"), writing())
def test_no_command_replaces_a_file_of_another(name, option, force, tmp_path, monkeypatch, capsys):
    words = writes(name, option, tmp_path, monkeypatch)
    forced = [each for each in studies()[name].params if "--force" in each.opts]
    mine = "mine.png" if name.startswith("profile") and name != "profile derive" else "mine"
    (tmp_path / mine).write_text("- simcore: buy milk")
    before = names(tmp_path)
    assert status(*words, option, mine, *(("--force",) if force and forced else ())) == 2
    err = capsys.readouterr().err
    assert mine in err
    assert ", expected " in err
    assert (tmp_path / mine).read_text() == "- simcore: buy milk"
    assert names(tmp_path) == before


SINGLE = [name for name, each in studies().items() if each.file is not None]


@pytest.mark.parametrize("name", [*SINGLE, "calibrate"])
def test_a_file_of_its_own_is_replaced_by_force_alone(name, tmp_path, monkeypatch, capsys):
    words = (*writes(name, "-o", tmp_path, monkeypatch), "-o", "own.svg" if "profile" in name else "own")
    assert status(*words) == 0, capsys.readouterr().err
    written = next(path for path in tmp_path.iterdir() if path.stem == "own")
    first = written.read_bytes()
    if name == "calibrate":  # one that is there may hold what would be written
        words = (*words[:-2], "--source", "another", *words[-2:])
    assert status(*words) == 2
    assert "found a file that exists, expected a new file. Choose another, or add --force to" in capsys.readouterr().err
    assert written.read_bytes() == first
    own = studies()[name].file
    check_own(written, "profile" if own is None else own.own)  # as --force does
    if name in ("rates", "workload synthesise"):
        assert status(*words, "--force") == 0, capsys.readouterr().err
        assert "simcore: wrote own" in capsys.readouterr().err


@pytest.mark.parametrize("kind", plots.FORMATS)
def test_figures_bear_their_mark(kind, folder):
    assert status(*FILES["profile show"], "-o", f"fit.{kind}") == 0
    check_own(folder / f"fit.{kind}", "figure")


@pytest.mark.parametrize("command", [*DIRECTORIES, *FILES])
def test_folders_above_an_output_are_not_made(folder, capsys, command):
    words = DIRECTORIES.get(command, FILES.get(command))
    assert status(*words, "-o", "no/such/out") == 2
    assert "no folder 'no/such', expected" in capsys.readouterr().err
    assert names(folder) == []


@pytest.mark.parametrize("where", ["pathlib.Path.write_text", "pathlib.Path.write_bytes", "os.fdopen"])
@pytest.mark.parametrize("command", [*DIRECTORIES, *FILES, "timeline"])
def test_a_disk_that_fills(folder, capsys, monkeypatch, command, where):
    """Whichever write it is that fails, the message has the user's path and nothing is left."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/.hidden")

    option = "--timeline" if command == "timeline" else "-o"
    words = DIRECTORIES["collective"] if command == "timeline" else DIRECTORIES.get(command, FILES.get(command))
    monkeypatch.setattr(where, full)
    code = status(*words, option, "out")
    err = capsys.readouterr().err
    writes = where == "os.fdopen" if command in FILES or command == "timeline" else where == "pathlib.Path.write_text"
    draws = where == "pathlib.Path.write_bytes" and command in DIRECTORIES and command != "evaluate"
    assert code == (1 if writes or draws else 0)
    if code:
        assert "error: out" in err
        assert "the system cannot write there (No space left on device). Make room" in err
        assert "internal error" not in err
        assert names(folder) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["rates", "profile derive"])
def test_a_full_device(folder, capsys, command):
    assert status(*FILES[command], "-o", "/dev/full") == 1
    assert "error: /dev/full: the system cannot write there" in capsys.readouterr().err
    assert not os.path.isfile("/dev/full")


ALL = ["trace --policy fifo", "zoo", "--help", "trace --help", "collective all-reduce 1MB --network Ring(4)@1GB/s"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", ALL)
def test_standard_output_that_is_full_or_closed(words):
    command = f"{sys.executable} -m simcore {words.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}"

    def done(tail):
        line = f"set -o pipefail; {command} {tail}"
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)

    full, head, closed = done("> /dev/full"), done("| head -1"), done(">&-")
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1].startswith("simcore: error: standard output: the system cannot write there")
    assert head.returncode == closed.returncode == 0
    for each in (full, head, closed, done("2>&-"), done(">&- 2>&-")):
        assert "Traceback" not in each.stderr
        assert "internal" not in each.stderr
