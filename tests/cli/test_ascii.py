"""ASCII terminals get ASCII: reports, errors, help, JSON."""

import json
import os
import pty
import subprocess
import sys

import pytest

GPT = "gpt-1.3b --gpus 8 --device v100-32gb --precision fp16 --global-batch 32 --tp 2"
COMMANDS = [
    "trace --policy fifo",
    "optimize 4D 325 1T Perf Overlap",
    "collective all-reduce 1MB --network Ring(4)@200GB/s,500ns --chunks 4",
    "train 2D 400 17B --loop NoOverlap",
    f"train {GPT} --pp 2",
    f"search {GPT}",
    "memory llama-2-7b --gpus 8 --device h100 --tp 2",
    "model bert-base",
    "kernel matmul 4096x4096x4096 --profile v100-16gb",
    "profile show t4",
    "profile compare t4 h100",
    "evaluate network-fig12 --small",
    "validate --source bloom",
    "zoo stacks",
    "rates --profile t4 --model bert-base --batch 4",
    "trace nofile×.csv",
    "trace --help",
    "optimize 4D 325 1T --json",
]


def ran(words, **environment):
    command = [sys.executable, "-m", "simcore", *words.split()]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False)


@pytest.mark.parametrize("words", COMMANDS)
def test_everything_is_ascii_where_the_encoding_is(words):
    done = ran(words, PYTHONIOENCODING="ascii")
    assert done.returncode == (2 if "nofile" in words else 0), done.stderr
    assert (done.stdout + done.stderr).isascii()
    if words.endswith("--json"):
        assert json.loads(done.stdout)["provenance"] == json.loads(ran(words).stdout)["provenance"]
    if words.startswith("collective"):
        assert b"--------" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a platform without pseudo-terminals")
@pytest.mark.parametrize(("locale", "ascii_only"), [("C", True), ("C.UTF-8", False)])
def test_a_terminal_of_the_plain_locale(locale, ascii_only):
    leader, follower = pty.openpty()
    words = COMMANDS[2].split()
    environment = {name: text for name, text in os.environ.items() if name not in {"PYTHONIOENCODING", "PYTHONUTF8"}}
    done = subprocess.Popen(
        [sys.executable, "-m", "simcore", *words],
        stdout=follower,
        stderr=follower,
        env=environment | {"LC_ALL": locale},
    )
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
    os.close(leader)
    assert done.wait() == 0
    assert shown.isascii() is ascii_only
