"""The page on a cluster of one's own, run as it stands: its files, its commands in their order, its output."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "own-cluster.md").read_text(encoding="utf-8")
NAMED = re.compile(r"^```\w+ (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```(?:shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Run every command of the page, in one folder that holds what the page says; return it with what was printed."""
    folder = tmp_path_factory.mktemp("session")
    for name, content in NAMED.findall(PAGE):
        (folder / name).write_text(content, encoding="utf-8")
    programs = {"python": [sys.executable], "simcore": [sys.executable, "-m", "simcore"]}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = {}
    for line in "".join(COMMANDS.findall(PAGE)).splitlines():
        program, *arguments = shlex.split(line.removeprefix("$ "))
        done = subprocess.run(
            [*programs[program], *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        printed[line.removeprefix("$ ")] = done.stdout
    return folder, printed


@pytest.mark.parametrize("command", ["python compare.py", "python users.py"])
def test_what_the_page_shows_is_printed(session, command):
    shown = PAGE.partition(f"$ {command}\n```\n")[2]
    block = "".join(f"{line.removeprefix('    ')}\n" for line in shown.strip("\n").splitlines() if line[:4] == "    ")
    assert block.startswith(session[1][command])
    assert session[1][command]


def test_the_task_is_the_one_of_the_page(session):
    folder, printed = session
    with (folder / "own_jobs.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 200
    runs = [text for command, text in printed.items() if command.startswith("simcore trace")]
    assert ["16 h100 + 24 a100" in runs[0], "32 h100 + 24 a100" in runs[1]] == [True, True]
    for name in ("today", "twice"):
        assert {"jobs.csv", "jct_cdf.png", "queue_length.png"} <= {path.name for path in (folder / name).iterdir()}
