"""What a command prints fits 80 columns: reports where no terminal says otherwise, help, and listings of the zoo."""

import click
import pytest
from click.testing import CliRunner
from simcore.cli.console import render
from simcore.cli.main import main
from simcore.readers.zoo import kinds, names
from simcore.report import Column, Grid

from tests.cli.commands import printed


@pytest.fixture(autouse=True)
def usual_width():
    """Leave the width as it is."""


def too_wide(text):
    """Return the lines that are wider; a hash or a path of one word cannot be broken."""
    return [line for line in text.splitlines() if len(line) > 80 and len(line.split()) > 1]


def commands(command, words=()):
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*words, name))


@pytest.mark.parametrize("words", list(commands(main)), ids=" ".join)
def test_help_fits(words):
    text = CliRunner(env={"COLUMNS": "80"}).invoke(main, [*words, "--help"], catch_exceptions=False).stdout
    assert "Usage: " in text
    assert too_wide(text) == []


@pytest.mark.parametrize("kind", kinds())
def test_the_zoo_fits(kind):
    assert too_wide(printed("zoo", kind)) == []
    for name in names(kind):
        assert too_wide(printed("zoo", kind, name)) == []


@pytest.mark.parametrize(
    "words",
    [
        ("optimize", "4D", "325", "1T", "Perf", "Overlap"),
        ("trace",),
        ("profile", "show", "cpu"),
        ("profile", "compare", "cpu", "t4", "h100", "v100-32gb"),
        ("kernel", "matmul", "1024x1024x1024", "--profile", "cpu", "--sparsity", "0.9", "--granularity", "32x1"),
        ("zoo",),
    ],
    ids=" ".join,
)
def test_a_report_fits_where_no_terminal_says_how_wide_it_is(words):
    assert too_wide(printed(*words)) == []


def test_a_table_that_is_too_wide_loses_nothing():
    """The widest column gives way first; where none can any more, columns stand in several tables."""
    long, numbers = "a sentence of many words that goes on", [f"{i}23456.789 ms" for i in range(7)]
    columns = [Column("what", left=True), *(Column(f"number {i}", whole=True) for i in range(7))]
    for width in (40, 80, 150):
        text = render([Grid(columns, [[long, *numbers]])], width)
        assert max(map(len, text.splitlines())) <= width
        assert all(number in text for number in numbers)
        assert all(word in text for word in long.split())


def test_a_row_that_has_a_name_alone_is_printed_once():
    columns = [Column("what", left=True), *(Column(f"number {i}", whole=True) for i in range(3))]
    for width in (30, 80):
        text = render([Grid(columns, [["first", "1", "2", "3"], ["(4 more)", "", "", ""]], keys=1)], width)
        assert text.count("(4 more)") == 1
