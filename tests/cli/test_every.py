"""What holds for every command: it prints ASCII in 80 columns where asked to, and tells how far it is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import pytest
from simcore.cli.main import run
from simcore.progress import watched

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


@pytest.fixture(scope="module", params=RUNS)
def ran(request, tmp_path_factory):
    name = request.param
    if name in NEEDS_TORCH:
        pytest.importorskip("torch", reason="torch is not installed")
    folder, told = tmp_path_factory.mktemp("every"), {}
    write_inputs(folder)
    before = {each.name for each in folder.iterdir()}
    shown = tmp_path_factory.mktemp("shown")
    streams = {each: (shown / each).open("w", encoding="ascii") for each in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch, watched(lambda what, *each: told.update({what: each})):
        patch.chdir(folder)
        patch.setenv("COLUMNS", "80")
        for each, stream in streams.items():
            patch.setattr(sys, each, stream)
        with pytest.raises(SystemExit) as stop:
            run(list(RUNS[name]))
    for stream in streams.values():
        stream.close()
    out, err = ((shown / each).read_bytes() for each in streams)
    return name, Ran(stop.value.code, out, err, sorted({each.name for each in folder.iterdir()} - before), told)


def test_every_command_has_a_run():
    names = [" ".join(words) for words, _ in commands()]
    assert {name.partition(",")[0] for name in RUNS} == set(names)
    assert set(studies()) <= set(RUNS)


def test_it_ends_well(ran):
    _, done = ran
    assert done.status == 0, done.err.decode()


def test_it_prints_ascii_in_80_columns(ran):
    name, done = ran
    assert (done.out + done.err).isascii()
    assert name in PRINTS_A_FILE or too_wide(done.out.decode()) == []


def test_what_may_take_long_tells_how_far_it_is(ran):
    """With a number of all, from which the time left follows; a search knows none."""
    name, done = ran
    assert bool(done.told) == (name not in AT_ONCE)
    for what, (last, total) in done.told.items():
        assert total == (None if what == "linear programs" else last)
