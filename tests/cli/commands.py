"""What tests of commands share: a command that must print, and one that must be refused with one message."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from simcore.cli.main import main, run


def printed(*args):
    result = CliRunner().invoke(main, list(args), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(list(args))
    out, err = capsys.readouterr()
    assert stop.value.code == 2, err
    assert out == ""
    assert err.count("\n") == 1
    return err
