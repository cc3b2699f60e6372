"""simcore verify: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from simcore.cli.main import run

SMALL = ["--blocks", "2", "--sequence", "6", "--batch", "4", "--precision", "fp64"]

WRONG = """
from simcore.training import Primitive


class Halved(Primitive):
    name, summary, paths = "halved", "scores are half of what they are", ("block.*.attention",)

    def module(self, module, value):
        module.core.scale /= 2
        return module
"""


def ended(capsys, *args):
    """Exit status, standard output and standard error."""
    with pytest.raises(SystemExit) as stop:
        run(["verify", *args, *SMALL])
    return stop.value.code, *capsys.readouterr()


def test_it_says_that_all_is_equal(capsys):
    status, out, _ = ended(capsys, "gpt", "--steps", "sdpa,checkpoint=0.5")
    assert status == 0
    assert "All 38 tensors are equal but for rounding" in " ".join(out.split())


def test_it_fails_where_results_differ_and_names_the_tensor_and_the_step(capsys, tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    status, out, err = ended(capsys, "gpt", "--steps", f"checkpoint,{tmp_path}/wrong.py:Halved", "--json")
    assert status == 1
    document = json.loads(out)
    assert (document["equal"], document["breaking"], document["first"]["name"]) == (False, "halved", "output")
    assert "output differs in fp64 by" in err
    assert "after halved. Leave the step out" in err


def test_bad_input_names_the_option(capsys):
    status, out, err = ended(capsys, "bert", "--steps", "shard,sync")
    assert (status, out) == (2, "")
    assert "Add --ranks 4" in err
