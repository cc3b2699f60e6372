"""Policies from outside the package, as a user runs them: a class in a file, an installed package, options."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import simcore
from simcore.cli.main import run
from simcore.cluster import Decision, Policy
from simcore.models.cluster.policies import find_policy

MINE = '''
from __future__ import annotations

from dataclasses import dataclass

from simcore.cluster import Decision, Policy, View


@dataclass
class SmallestFirst(Policy):
    """Small gangs go first."""

    most: int = 1000
    reverse: bool = False

    def decide(self, view: View) -> Decision:
        free, changes = list(view.free), []
        for row in sorted(view.waiting, key=lambda row: view.job(row).max_parallelism, reverse=self.reverse):
            gang = view.gang(row)
            if len(changes) < self.most and all(n <= m for n, m in zip(gang.gpus, free)):
                free = [m - n for n, m in zip(gang.gpus, free)]
                changes.append((row, gang))
        return Decision(changes)


class Broken(Policy):
    def decide(self, view: View) -> Decision:
        return 1 / 0


class Late(Policy):
    def decide(self, view: View) -> Decision:
        return Decision([(61, view.gang(61))])


class Mute(Policy):
    pass


class Stranger:
    def decide(self, view):
        return Decision()
'''


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def cli(*args):
    with pytest.raises(SystemExit) as stop:
        run(["trace", *args])
    return stop.value.code


def refused(capsys, policy, status=2):
    assert cli("--policy", policy) == status
    return capsys.readouterr().err


def test_a_class_in_a_file(capsys, folder):
    assert cli("--policy", "fifo", "--policy", "mine.py:SmallestFirst", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    fifo, mine = document["rows"]
    assert mine["policy"] == "mine.py:SmallestFirst"
    assert mine["mean_jct_s"] < fifo["mean_jct_s"]
    assert document["provenance"]["inputs"]["policies"] == ["fifo", "mine.py:SmallestFirst"]
    digest = hashlib.sha256((folder / "mine.py").read_bytes()).hexdigest()
    assert document["provenance"]["sha256"]["policy mine.py:SmallestFirst"] == digest


def test_its_options(capsys):
    args = ("--policy", "mine.py:SmallestFirst:reverse=yes,most=3", "--policy", "mine.py:SmallestFirst", "--json")
    assert cli(*args) == 0
    first, second = json.loads(capsys.readouterr().out)["rows"]
    assert first["policy"] == "mine.py:SmallestFirst:reverse=yes,most=3"
    assert first["mean_jct_s"] != second["mean_jct_s"]


def test_an_installed_package(capsys, folder, monkeypatch):
    site = folder / "site"
    (site / "mine-1.0.dist-info").mkdir(parents=True)
    (site / "mine_package.py").write_text(MINE)
    (site / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (site / "mine-1.0.dist-info" / "entry_points.txt").write_text(
        "[simcore.policies]\nsmallest-first = mine_package:SmallestFirst\nabsent = mine_package:Absent\n"
    )
    monkeypatch.syspath_prepend(site)
    assert cli("--policy", "smallest-first:most=5", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["policy"] == "smallest-first:most=5"
    assert re.search("expected one of yarn-cs, fifo, .*, smallest-first", refused(capsys, "x"))
    assert "Did you mean 'smallest-first'?" in refused(capsys, "smalest-first")
    assert "found 'absent'" in refused(capsys, "absent")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("mine.py:SmallestFirst:moste=3", "SmallestFirst: found 'moste', expected one of most, reverse. Did you mean"),
        ("mine.py:SmallestFirst:most=x", "SmallestFirst, option 'most': found 'x', expected a whole number."),
        ("mine.py:SmallestFirst:most", "option 'most': found no value, expected a whole number."),
        ("mine.py:SmallestFirst:reverse=maybe", "option 'reverse': found 'maybe', expected yes or no."),
        ("mine.py:SmallestFirst:most=1,most=2", "option 'most': found 'most=2' after another, expected each option"),
        ("mine.py:Mute", "'mine.py:Mute', which is no policy, expected a class derived from simcore.cluster.Policy"),
        ("mine.py:Stranger", "'mine.py:Stranger', which is no policy"),
        ("fifo:fast=1", "--policy fifo: found the option 'fast', expected none"),
        ("easyscale-heter:max_wast=1", "found 'max_wast', expected one of max_waste, max_growth. Did you mean"),
        ("easyscale-heter:max_waste=2", "--policy easyscale-heter, option 'max_waste': found 2, expected a number"),
        ("easyscale-homo:max_growth=nan", "option 'max_growth': found 'nan', expected a finite number."),
        ("fifoo:a=1", "--policy: found 'fifoo', expected one of yarn-cs, fifo, easyscale-homo, easyscale-heter,"),
        ("", "--policy: found an empty name"),
    ],
)
def test_what_is_refused(capsys, policy, message):
    err = refused(capsys, policy)
    assert re.match(r"simcore: error: .+: found .+, expected .+\n\Z", err)
    assert message in err


def test_a_policy_that_fails_is_no_bug_of_simcore(capsys):
    err = refused(capsys, "mine.py:Broken", status=1)
    line = 1 + MINE.splitlines().index("        return 1 / 0")
    assert err.splitlines()[-1] == (
        f"simcore: error: the policy mine.py:Broken failed in mine.py, line {line}: ZeroDivisionError: division by zero"
    )
    assert "which is yet to come" in refused(capsys, "mine.py:Late", status=1)


GREEDY = """
from simcore.cluster import Decision, Policy


class Greedy(Policy):
    def decide(self, view):
        return Decision([(row, view.gang(row)) for row in view.waiting])
"""


def test_a_policy_that_hands_out_too_much_is_named_with_its_decision(capsys, folder):
    (folder / "greedy.py").write_text(GREEDY)
    err = refused(capsys, "greedy.py:Greedy", status=1)
    said = (
        "the policy greedy.py:Greedy (decide in greedy.py, line 6): the policy handed out more GPUs than there are at "
    )
    assert said in err
    assert re.search(r"\{.*\} too many, by '\S+' gets \d+ \w+", err)


def test_the_options_of_easyscale_change_what_it_grants(capsys):
    assert cli("--policy", "easyscale-heter", "--policy", "easyscale-heter:max_growth=1", "--json") == 0
    default, still = json.loads(capsys.readouterr().out)["rows"]
    assert still["mean_jct_s"] > default["mean_jct_s"]
    result = simcore.trace(policies=["easyscale-heter:max_growth=1"])
    assert result.runs[0].times.rescales.sum() == 0  # nobody grows


def test_python_takes_texts_and_objects():
    class Mine(Policy):
        def decide(self, view):
            return Decision([(row, view.gang(row)) for row in view.waiting[:1]] if not view.running else ())

    result = simcore.trace(policies=["mine.py:SmallestFirst", Mine(), find_policy("fifo")])
    assert result.table.column("policy") == ["mine.py:SmallestFirst", "Mine", "Fifo"]
    # an object serves again: every run begins anew
    one = find_policy("easyscale-homo:max_growth=4")
    assert one.label() == "EasyScaleHomo:max_growth=4.0"
    first, second = (simcore.trace(policies=one).jobs.to_csv() for _ in range(2))
    assert first == second


def test_the_example_is_the_one_of_the_how_to():
    root = Path(__file__).resolve().parents[2]
    example = (root / "docs" / "examples" / "own_policy.py").read_text(encoding="utf-8")
    page = (root / "docs" / "how-to" / "trace.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python my_policy.py\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    body = block[block.index("@dataclass") :].strip()
    assert body in example
