"""How the tests themselves run: in the background of a script, and what they say of tests that were skipped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def test_children_can_be_interrupted():
    """A shell that is no terminal's starts ``make test &`` with Ctrl-C ignored."""
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    code = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or sys.platform == "win32", reason="a platform without signals")
@pytest.mark.parametrize("background", [True, False])
def test_skipped_tests_are_one_line(tmp_path, background):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import signal, subprocess, sys, pytest\n"
        "def test_a(): pytest.skip('no GPU')\n"
        "@pytest.mark.skip(reason='no GPU')\n"
        "def test_b(): pass\n"
        "def test_c(): pytest.skip('no data')\n"
        "def test_d():\n"
        "    code = 'import os, signal; os.kill(os.getpid(), signal.SIGINT); print(1)'\n"
        "    assert subprocess.run([sys.executable, '-c', code], stderr=subprocess.PIPE).returncode != 0\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    ignore = (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if background else None
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, preexec_fn=ignore,
        env=os.environ | {"PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "skipped 3: 2 (no GPU); 1 (no data)" in done.stdout.splitlines()
