"""What holds for every command: it prints ASCII in 80 columns where asked to, and tells how far it is."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass, field

import pytest
import simcore
from simcore.cli.main import COMMANDS, GROUPS, run
from simcore.cli.options import StudyCommand
from simcore.models.cluster.rules import RULES
from simcore.progress import watched
from simcore.results import Result
from simcore.studies.request import defaults

from tests.cli.every import NEEDS_TORCH, RUNS, commands, studies, write_inputs
from tests.cli.test_widths import too_wide

PRINTS_A_FILE = ("rates", "workload synthesise")
"""Commands that print a file for other commands, whose lines are as long as they are."""
AT_ONCE = (
    "kernel break-even", "kernel matmul", "memory", "model", "profile compare", "profile show", "profile validate",
    "schedule", "workload", "workload synthesise", "zoo",
)  # fmt: skip
"""Runs that are over in a second whatever they are given, or in two per million rows."""


@dataclass
class Ran:
    """A command that ran where standard output is ASCII and no terminal."""

    status: int
    out: bytes
    err: bytes
    files: list[str]
    told: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    result: Result | None = None


@pytest.fixture(autouse=True)
def usual_width():
    """Leave the width as it is."""


def ran(name, folder):
    """Run a command in a folder where the files are that it reads."""
    write_inputs(folder)
    told, results, study = {}, [], StudyCommand.result
    before = {each.name for each in folder.iterdir()}
    shown = folder.parent / "shown"
    shown.mkdir()
    streams = {each: (shown / each).open("w", encoding="ascii") for each in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch, watched(lambda what, *each: told.update({what: each})):
        patch.chdir(folder)
        patch.setenv("COLUMNS", "80")
        for each, stream in streams.items():
            patch.setattr(sys, each, stream)
        patch.setattr(StudyCommand, "result", lambda *given: results.append(study(*given)) or results[-1])
        with pytest.raises(SystemExit) as stop:
            run(list(RUNS[name]))
    for stream in streams.values():
        stream.close()
    out, err = ((shown / each).read_bytes() for each in streams)
    files = sorted({each.name for each in folder.iterdir()} - before)
    return Ran(stop.value.code, out, err, files, told, next(iter(results), None))


def test_every_command_has_a_run():
    names = [" ".join(words) for words, _ in commands()]
    assert {name.partition(",")[0] for name in RUNS} == set(names)
    assert set(studies()) <= set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_a_command(name, tmp_path):
    """One run, of which everything is checked that holds for all commands."""
    if name in NEEDS_TORCH:
        pytest.importorskip("torch", reason="torch is not installed")
    (tmp_path / "in").mkdir()
    done = ran(name, tmp_path / "in")
    assert done.status == 0, done.err.decode()
    prints_ascii_in_80_columns(name, done)
    tells_how_far_it_is(name, done)
    if name in studies():
        runs_with_the_defaults_of_its_help(name, done)
        shows_in_a_notebook(done.result)
        is_read_back(done.result, tmp_path / "kept")


def prints_ascii_in_80_columns(name, done):
    assert (done.out + done.err).isascii()
    assert name in PRINTS_A_FILE or too_wide(done.out.decode()) == []


def tells_how_far_it_is(name, done):
    """With a number of all, from which the time left follows; a search knows none."""
    assert bool(done.told) == (name not in AT_ONCE)
    for what, (last, total) in done.told.items():
        assert total == (None if what == "linear programs" else last)


SAID = re.compile(r"  \[default: ([^;\]]*)")
IN_WORDS = {
    "those of --parallel, or 1": 1, "quick": False, "250, full: 560": None, "180": None,
    "NAME in the zoo": "sheet.yaml", "cpu": None, "20": None,
    "sc23-fitted": None, "published": None,
}  # fmt: skip
"""What a default in words is in a run: a delay and a limit in seconds stand in none."""


def runs_with_the_defaults_of_its_help(name, done):
    command = studies()[name]
    inputs, own = done.result.provenance.inputs, defaults(command.request)
    named = {word.partition("=")[0] for word in RUNS[name]}
    given = named | {f"--{word}" for word in named}  # --vary takes an option's name
    for option in command.params:
        stated = SAID.search(getattr(option, "help", None) or "")
        if stated is None or option.name not in own or given & {*option.opts, *option.secondary_opts}:
            continue
        said, value = stated[1], inputs[option.name]
        several = isinstance(value, list | tuple)
        words = {", ".join(map(str, value)), "x".join(map(str, value))} if several else {str(value)}
        if isinstance(value, bool):
            words = {option.opts[0].removeprefix("--")} if value else set()
        words |= {rules for rules, of in RULES.items() if asdict(of) == value}
        same = said in words or (said == "all but slapo and easyscale" and value == list(own[option.name]))
        assert same or IN_WORDS[said] == value, (option.name, said, value)


def shows_in_a_notebook(result):
    assert 1 <= len(repr(result).splitlines()) <= 40
    assert "<h3>" in result._repr_html_() or "<table>" in result._repr_html_()
    for name, table in result.tables().items():
        assert len(set(table.columns)) == len(table.columns)
        assert list(result.to_pandas(name).columns) == list(table.columns)


def is_read_back(result, folder):
    """Figures are files beside it: `tests/unit/test_contract.py` draws them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(result), "figures", lambda _: {})
        result.write(folder)
    again = simcore.load(folder)
    assert again.tables() == result.tables()
    assert again.to_json() == result.to_json()
    assert (again.sentences(), again.warnings, again.inputs()) == (result.sentences(), result.warnings, result.inputs())


def test_the_help_lists_commands_by_what_they_are_for(capsys):
    with pytest.raises(SystemExit):
        run(["--help"])
    text = capsys.readouterr().out
    listed = re.findall(r"^  ([a-z]+) {2,}[A-Z]", text, re.MULTILINE)
    assert listed == list(COMMANDS)
    assert [f"\n{job}:\n" in text for job in GROUPS] == [True] * len(GROUPS)
