"""``simcore zoo``."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from click.testing import CliRunner
from simcore.cli.main import run
from simcore.cli.zoo import command
from simcore.models.cluster.policies.registry import POLICIES
from simcore.readers import zoo


def invoke(*args):
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def refusal(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(["zoo", *args])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_all_kinds():
    lines = invoke().splitlines()
    assert any(
        line.startswith("networks: 2D, 3D, 4D, DGX-like, LIBRA-3D-4K, LIBRA-4D-4K, a100-800g, dgx-a100")
        for line in lines
    )
    assert lines[-1] == "Show one with: simcore zoo KIND NAME"
    listing = json.loads(invoke("--json"))
    assert {
        *("175B", "17B", "1T", "bert", "bert-base", "electra", "electra-base", "neumf", "resnet50", "shufflenetv2"),
        *("swin-t", "vgg19", "yolov3", "llama-2-7b", "deepseek-v3", "gpt-1.3b", "megatron-1t"),
    } <= set(listing["models"])
    assert listing["groups"] == ["Group"]


@pytest.mark.parametrize("word", ["costs", "cost", "COSTS"])
def test_one_kind_a_line_each(word):
    lines = invoke(word).splitlines()
    assert lines[0].startswith("costs: ")
    assert [line.split()[0] for line in lines[1:]] == zoo.names("costs")
    assert all(len(line.split()) > 3 for line in lines[1:])
    assert list(json.loads(invoke(word, "--json"))["entries"]) == zoo.names("costs")


def test_one_entry():
    text = invoke("networks", "4d")
    assert text.startswith("4D (networks)\n")
    assert "source: " in text
    assert "  4: block Switch, size 8, level Pod, latency 1 ns" in text
    document = json.loads(invoke("networks", "4D", "--json"))
    assert document["fields"]["dimensions"][3] == {"block": "Switch", "size": 8, "level": "Pod", "latency": "1 ns"}
    assert document["source"]


def test_policies_with_options_and_sources():
    lines = invoke("policies").splitlines()[1:]
    heads = [place for place, line in enumerate(lines) if not line.startswith("    ")]
    assert [lines[place].strip() for place in heads] == sorted(POLICIES)
    below = dict(zip(sorted(POLICIES), map(slice, heads, [*heads[1:], None]), strict=True))
    texts = {name: " ".join(" ".join(lines[part]).split()) for name, part in below.items()}
    assert all(re.search(r"rule: .+ source: \w", text) for text in texts.values())
    options = "options: restart=-1.0, thresholds=18000, within=submission, promote=0.0 source: Gu et al., NSDI 2019"
    assert options in texts["tiresias"]
    assert "options:" not in texts["fifo"]
    document = json.loads(invoke("policies", "--json"))
    assert list(document["options"]) == list(document["sources"]) == list(document["entries"]) == sorted(POLICIES)
    assert document["options"]["themis"] == {"lease": "600.0", "filter": "0.8"}
    assert json.loads(invoke("policy", "TIRESIAS", "--json"))["fields"]["options"] == {
        "restart": "-1.0", "thresholds": "18000", "within": "submission", "promote": "0.0",
    }  # fmt: skip


@pytest.mark.parametrize("kind", zoo.kinds())
def test_every_entry_can_be_shown(kind):
    for name in zoo.names(kind):
        assert invoke(kind, name).startswith(f"{name} ({kind})")
        assert json.loads(invoke(kind, name, "--json"))["name"] == name


def test_tables_with_comments(tmp_path, monkeypatch):
    shutil.copytree(zoo.ROOT / "costs", tmp_path / "costs")
    (tmp_path / "rates").mkdir()
    text = "# Rates of a toy\n# fitted, not measured\n# source: measured\n# by hand\nmodel,rate\na,1.5\nb,2\n"
    (tmp_path / "rates" / "toy.csv").write_text(text, encoding="utf-8")
    monkeypatch.setattr(zoo, "ROOT", tmp_path)
    assert invoke("rates").splitlines()[1] == "  toy  Rates of a toy"
    shown = invoke("rates", "toy")
    assert "source: measured by hand" in shown
    assert "fitted, not measured" in shown
    assert "model  rate\n    a   1.5\n    b     2" in shown
    document = json.loads(invoke("rates", "toy", "--json"))
    assert document["rows"] == [{"model": "a", "rate": "1.5"}, {"model": "b", "rate": "2"}]
    assert document["comments"] == ["fitted, not measured"]


def test_unknown_words(capsys):
    assert "Did you mean 'networks'?" in refusal(capsys, "netwrks")
    assert "Did you mean '4D'?" in refusal(capsys, "networks", "5D")
