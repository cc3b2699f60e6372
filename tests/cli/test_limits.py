"""What a help text says of an option holds: its default is the one that runs, and its limits are kept on both sides."""

from __future__ import annotations

import math
import re
import sys

import pytest
from simcore.cli.main import run
from simcore.cli.values import Number, Whole
from simcore.studies.request import descriptions, hints

from tests.cli.every import RUNS, studies, write_inputs


def options(number):
    """Every option of every study that `number` says yes to: its run, its field and its click option."""
    return [
        (name, field, next(each for each in command.params if each.name == field))
        for name, command in studies().items()
        for field in descriptions(command.request)
        for option in [next((each for each in command.params if each.name == field), None)]
        if option is not None and number(option)
    ]


NUMBERS = options(lambda option: isinstance(option.type, Whole | Number))
IDS = [f"{name} {field}" for name, field, _ in NUMBERS]


def described(name, field):
    return descriptions(studies()[name].request)[field]


def beyond(name, field):
    """Values just outside the limits of a field, and at or just inside them."""
    each, whole = described(name, field), "float" not in hints(studies()[name].request)[field]
    outside, inside = [], []
    tiny = sys.float_info.min  # below which no number is read
    for end, up, closed in (
        (each.least, False, True), (each.most, True, True), (each.above, False, False), (each.below, True, False),
    ):  # fmt: skip
        if end is None:
            continue
        out = 1 if up else -1
        further, back = (end + to if whole else math.nextafter(end, to * math.inf) for to in (out, -out))
        outside.append(further if closed else end)
        inside.append(end if closed else back or tiny)
    return [[str(int(value)) if whole else repr(float(value)) for value in values] for values in (outside, inside)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with the files that commands read."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.mark.parametrize(("name", "field", "option"), NUMBERS, ids=IDS)
def test_an_option_that_takes_a_number_says_between_which(name, field, option):
    limits = described(name, field).limits
    assert limits
    assert re.search(rf"\[(default: .*; )?{re.escape(limits)}\]$", option.help), option.help


SLOW = ("verify", "elastic run", "train, a sweep", "search", "profile derive", "tune", "optimize", "train", "calibrate")
CHEAP = {}
"""The first run that takes a field and its limits within them; other commands share what reads it."""
for each_name, each_field, _ in sorted(NUMBERS, key=lambda each: each[0] in SLOW):
    if each_name not in SLOW[:2]:
        CHEAP.setdefault((each_field, described(each_name, each_field).limits), (each_name,))


@pytest.mark.parametrize(("name", "field", "option"), NUMBERS, ids=IDS)
def test_its_limits_are_kept(name, field, option, capsys, inputs, monkeypatch):
    monkeypatch.chdir(inputs)
    flag, expected = option.opts[0], described(name, field).limits
    outside, inside = beyond(name, field)
    for value in outside:
        with pytest.raises(SystemExit) as stop:
            run([*RUNS[name], f"{flag}={value}"])
        err = capsys.readouterr().err
        assert stop.value.code == 2
        assert err.startswith(f"simcore: error: {flag}: found ")
        assert expected in err
        assert err.count("\n") == 1
    if name in CHEAP.get((field, expected), ()):
        with pytest.raises(SystemExit):
            run([*RUNS[name], f"{flag}={inside[0]}"])
        assert expected not in capsys.readouterr().err
