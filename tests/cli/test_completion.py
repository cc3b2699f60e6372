"""What shells complete: commands, options, words, names of the zoo, files."""

import os
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete
from simcore.cli.main import COMMANDS, COMPLETE, main
from simcore.readers.zoo import kinds, names


def completed(*words, shell=BashComplete):
    *before, last = words
    return [each.value for each in shell(main, {}, "simcore", COMPLETE).get_completions(list(before), last)]


@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_commands(shell):
    assert completed("", shell=shell) == list(COMMANDS)
    assert completed("tra", shell=shell) == ["trace", "train"]
    assert completed("profile", "", shell=shell) == ["compare", "derive", "show", "validate"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("trace", "--pol"), ["--policy"]),
        (("trace", "--policy", "fif"), ["fifo", "fifo-skip"]),
        (("trace", "--policy", "fifo,sj"), ["fifo,sjf"]),
        (("kernel", "matmul", "1x1x1", "--granularity", "3"), []),
        (("rates", "--models", "bert-base,bert-l"), ["bert-base,bert-large"]),
        (("rates", "--devices", "v100-16gb,t"), ["v100-16gb,t4"]),
        (("sweep", "trace", "sc"), ["sc23"]),
        (("search", "gpt-1.3b", "--recompute", "full,se"), ["full,selective"]),
        (("trace", "--cluster", ""), names("clusters")),
        (("trace", "--rates", "sc23-f"), ["sc23-fitted"]),
        (("trace", "sc"), ["sc23"]),
        (("trace", "-o", "out", "--figures", "png,s"), ["png,svg"]),
        (("optimize", "4"), ["4D"]),
        (("optimize", "4D", "325", "17"), ["17B", "175B"]),
        (("optimize", "4D", "325", "1T", "perfp"), ["PerfPerCost"]),
        (("train", "llama-2-7b"), ["llama-2-7b"]),
        (("train", "4D", "325", "1T"), ["1T"]),
        (("train", "--loop", "sim"), ["simulate"]),
        (("search", "llama-2-7b", "--device", "a100-pcie-8"), ["a100-pcie-80gb"]),
        (("collective", "all-r"), ["all-reduce"]),
        (("collective", "all-reduce", "1MB", "--network", "dgx-h"), ["dgx-h100"]),
        (("model", "bert-l"), ["bert-large"]),
        (("profile", "show", "cpu", "t"), ["t4"]),
        (("profile", "derive", "a10", "--from", "t4,a100-pcie-4"), ["t4,a100-pcie-40gb"]),
        (("kernel", "matmul", "1x1x1", "--profile", "v100-16"), ["v100-16gb"]),
        (("evaluate", "network-t"), ["network-table6"]),
        (("zoo", "clu"), ["clusters"]),
        (("zoo", "costs", "sc"), ["sc245"]),
    ],
)
def test_words_and_names_of_the_zoo(words, expected):
    assert sorted(completed(*words)) == sorted(expected)


def test_files_where_they_may_stand():
    for words in (("trace", "mine.c"), ("trace", "--cluster", "./m"), ("memory", "./m"), ("validate", "--rows", "./m")):
        *before, last = words
        (item,) = BashComplete(main, {}, "simcore", COMPLETE).get_completions(before, last)
        assert (item.value, item.type) == (last, "file")


def test_every_kind_of_the_zoo_is_listed():
    assert sorted(completed("zoo", "")) == sorted([*kinds(), "policies"])


def test_nothing_is_said_of_what_is_wrong():
    environment = os.environ | {COMPLETE: "bash_complete", "COMP_WORDS": "simcore nonsense --x ", "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-m", "simcore"], env=environment, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(shell):
    environment = os.environ | {COMPLETE: f"{shell}_source"}
    done = subprocess.run([sys.executable, "-m", "simcore"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert "simcore" in done.stdout
    environment = os.environ | {COMPLETE: f"{shell}_complete", "COMP_WORDS": "simcore tra", "COMP_CWORD": "1"}
    if shell == "fish":
        environment["COMP_CWORD"] = "tra"
    done = subprocess.run([sys.executable, "-m", "simcore"], env=environment, capture_output=True, text=True)
    assert "trace" in done.stdout
