"""Hostile input costs nothing: it is read and round-trips, or it is refused with one message, and soon.

What round-trips means for each reader stands in `tests.fuzz`. ``make fuzz`` tries many more mutations.
"""

from __future__ import annotations

import json
import re

import pytest
from simcore.cli.main import run
from simcore.models.compute.profile import content_hash
from simcore.readers.zoo import ROOT

from tests import fuzz, fuzz_commands

CASES = {case.name: case for case in fuzz.CASES}
NUMBER = re.compile(r"(?<![\w.])[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?(?!\w)")
DIRECTED = (
    "²",
    "٣",
    "１２",
    "9" * 19,
    "9" * 5000,
    "1e400",
    "1e-320",
    "1e-400",
    "1e300",
    "nan",
    "-inf",
    "1_0",
    "true",
    '"8"',
)
DEEP = 5000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
DOCUMENTS = (
    "", " ", "\n", "{", "[]", "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "- " * DEEP + "a",
    "a: " + "[" * DEEP + "]" * DEEP, BOMB, "a: &a [*a]", "? {a: 1}\n: 2", "%YAML " + "9" * DEEP + "\n--- a", "\x00",
    '{"a": 1, "a": 2}', "a: 1\na: 2", "!!python/object/apply:os.system [x]", '"\\UFFFFFFFF"', '{"\\ud800": 1}',
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_two_thousand_mutations_are_read_or_refused(seed):
    assert list(fuzz.faults(seed, 500)) == []


def test_a_mutation_is_often_enough_accepted_to_tell_something():
    import random

    chance = random.Random(0)
    said = [
        fuzz.outcome(case, fuzz.altered(chance.choice(case.texts), chance)) for case in fuzz.CASES for _ in range(8)
    ]
    assert said.count("read") > len(said) / 10
    assert said.count("refused") > len(said) / 10


@pytest.mark.parametrize("name", CASES)
def test_every_valid_text_round_trips(name):
    case = CASES[name]
    assert [fuzz.outcome(case, text) for text in case.texts] == ["read"] * len(case.texts)


@pytest.mark.parametrize("name", CASES)
def test_no_number_of_the_list_is_misread_anywhere(name):
    case = CASES[name]
    for text in case.texts:
        for match in list(NUMBER.finditer(text))[:10]:
            for number in DIRECTED:
                said = fuzz.outcome(case, text[: match.start()] + number + text[match.end() :])
                assert said in ("read", "refused"), (match, number)


@pytest.mark.parametrize("name", CASES)
def test_no_document_of_the_list_costs_anything(name):
    assert [fuzz.outcome(CASES[name], text) for text in DOCUMENTS if text] == ["refused"] * (len(DOCUMENTS) - 1)


LEAVES = ["8", "x", "", None, True, [], {}, 10**18, 10**30, float("inf")]


@pytest.mark.parametrize("leaf", LEAVES, ids=repr)
def test_a_profile_with_another_kind_of_value_and_a_hash_that_fits_is_refused(leaf):
    text = CASES["profile"].texts[0]
    document = json.loads(text)
    for path in (("schema",), ("device", "processors"), ("device", "memory_B"), ("fits", 0, "parameters", "t0"),
                 ("fits", 0, "residuals", 0), ("samples", 0, "seconds"), ("samples", 0, "repeats"),
                 ("samples", 0, "shape")):  # fmt: skip
        wrong = json.loads(text)
        inner = wrong
        for key in path[:-1]:
            inner = inner[key]
        assert path[-1] in inner or isinstance(inner, list), path
        inner[path[-1]] = leaf
        wrong["sha256"] = "0" * 64 if leaf == float("inf") else content_hash(wrong)
        assert fuzz.outcome(CASES["profile"], json.dumps(wrong)) == "refused", path
    assert fuzz.outcome(CASES["profile"], json.dumps(document)) == "read"


def test_commands_run_with_valid_input(monkeypatch):
    monkeypatch.setattr(fuzz_commands, "altered", lambda text, _: text)
    done = []
    monkeypatch.setattr(fuzz_commands, "outcome", lambda arguments: done.append(_status(arguments)) or "")
    assert list(fuzz_commands.faults(0, len(fuzz_commands.COMMANDS))) == []
    assert done == [0] * len(fuzz_commands.COMMANDS)


def _status(arguments):
    with pytest.raises(SystemExit) as stop:
        run(arguments)
    return stop.value.code


def test_commands_end_with_a_result_or_a_message():
    assert list(fuzz_commands.faults(2, 4 * len(fuzz_commands.COMMANDS))) == []


NETWORK = "Ring(4)@200GB/s x Switch(4)@50GB/s"
LAYER = "Q -1 10 NONE 0 10 ALLREDUCE 1000 10 ALLREDUCE 1000 10\n"


@pytest.mark.parametrize(
    ("name", "text", "command", "message"),
    [
        ("l.txt", f"²\n{LAYER}", "train l.txt --tp 4 --network NET", "line 1"),
        ("l.txt", "9" * DEEP + f"\n{LAYER}", "train l.txt --tp 4 --network NET", "at most 18 digits"),
        ("l.txt", LAYER.replace("1000", "1e400"), "train l.txt --tp 4 --network NET", "a finite number of bytes"),
        ("l.txt", LAYER.replace(" 10 ", " 1e400 "), "train l.txt --tp 4 --network NET", "a finite number of nanosec"),
        ("l.txt", f"HYBRID_TRANSFORMER model_parallel_NPU_group: ²\n{LAYER}", "train l.txt --network NET", "'²'"),
        (
            "l.txt",
            f"HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 4 checkpoints: 1 {'9' * DEEP}\n{LAYER}",
            "train l.txt --network NET",
            "checkpoints",
        ),
        ("m.json", '{"hidden_size":' + "[" * DEEP + "]" * DEEP + "}", "optimize 4D 325 m.json Perf Overlap", "deep"),
        ("m.yaml", "hidden: " + "[" * DEEP + "]" * DEEP, "optimize 4D 325 m.yaml Perf Overlap", "too deep"),
        ("m.yaml", BOMB, "optimize 4D 325 m.yaml Perf Overlap", "aliases written out"),
        (
            "m.json",
            f'{{"model_type": "llama", "hidden_size": {"9" * DEEP}, "num_hidden_layers": 1}}',
            "optimize 4D 325 m.json Perf Overlap --tp 8",
            "field 'hidden_size'",
        ),
        ("m.yaml", f"hidden: 8{'0' * 400}\nlayers: 1\n", "optimize 4D 325 m.yaml Perf Overlap", "at most 18 digits"),
        ("m.yaml", "hidden: 8\nlayers: 1\ngated: yes\n", "optimize 4D 325 m.yaml Perf Overlap --tp 8", "Write true."),
        ("m.yaml", "hidden: 012\nlayers: 1\n", "optimize 4D 325 m.yaml Perf Overlap --tp 8", "found '012'"),
        ("m.yaml", "hidden: 8\nlayers: 1\nlayers: 2\n", "optimize 4D 325 m.yaml Perf Overlap", "a second time"),
        ("m.yaml", "hidden: 8\nlayers: 1e18\n", "optimize 4D 325 m.yaml Perf Overlap --tp 8", "at most 18 digits"),
        ("m.yaml", "hidden: 8\nlayers: 1e9\n", "optimize 4D 325 m.yaml Perf Overlap --tp 8", "at most 10,000"),
        ("p.json", f'{{"schema": 1, "x": {"9" * DEEP}}}', "kernel matmul 8x8x8 --profile p.json", "finite numbers"),
        (
            "c.yaml",
            "Package: {Link: 1e300}\nPod: {Link: 1e300, Switch: 1e300}\n",
            "optimize 2D 325 17B PerfPerCost NoOverlap --cost c.yaml",
            "from 1e-30 to 1e+30",
        ),
        (
            "c.yaml",
            "prices: {Package: {link: $1e300 per GB/s}}",
            "optimize 2D 325 17B PerfPerCost NoOverlap --cost c.yaml",
            "a price of 0 or from 1e-30 to 1e+30",
        ),
        ("none", "", f"collective all-reduce 1MiB --network Ring({'9' * DEEP})@1GB/s", "at most 18 digits"),
        ("none", "", "collective all-reduce 1MiB --network Ring(٣)@1GB/s", "'٣'"),
        ("none", "", "collective all-reduce 1e300B --network Ring(4)@1GB/s", "from 1e-30 to 1e+30 B"),
        ("none", "", "collective all-reduce 1MiB --chunks 1_0 --network Ring(4)@1GB/s", "--chunks: found '1_0'"),
        ("none", "", f"collective all-reduce 1MiB --chunks {'9' * DEEP} --network Ring(4)@1GB/s", "at most 18 digits"),
        ("none", "", f"collective all-reduce 1MiB --group 0-{'9' * DEEP} --network Ring(4)@1GB/s", "rank"),
        ("none", "", "optimize 4D 1_0 17B Perf NoOverlap", "BUDGET: found '1_0'"),
        ("none", "", "optimize 4D 325 17B Perf NoOverlap --constraint b1>=0x10", "found '0x10'"),
        ("none", "", f"optimize 4D 325 17B Perf NoOverlap --constraint b1<={'9' * 400}", "beyond all bounds"),
        ("none", "", "kernel matmul ٣x٣x٣ --profile cpu", "3 whole numbers"),
        ("none", "", "trace --policy easyscale-heter:max_waste=1e400", "option 'max_waste'"),
        ("none", "", "trace synthetic:jobs=1_0 --policy fifo", "'1_0'"),
        ("g.yaml", "gpus: {\"a\\e[2Jb\": 8}\n", "trace --cluster g.yaml", "text without control characters"),
        ("t.csv", "name,submit_s,model,max_parallelism,batch_size,samples,heterogeneous,gpu_type\n"
                  "a\x1b[2J,0,bert,4,8,320,no,v100\n", "trace t.csv --policy fifo", r"'a\x1b[2J'"),
    ],
)  # fmt: skip
def test_each_kind_is_refused_with_one_message(capsys, tmp_path, monkeypatch, name, text, command, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    assert _status([word.replace("NET", NETWORK) for word in command.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.startswith("simcore: error: ")
    assert fuzz.message_fault(said.err.rstrip("\n")) == ""


def test_a_path_reaches_neither_terminal_nor_table_raw(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a\x1b[2J\u202eb.txt"
    path.write_text(LAYER)
    assert _status(["train", path.name, "--network", NETWORK, "--tp", "4", "--chunks", "2", "-o", "out"]) == 0
    assert _status(["train", path.name, "--network", NETWORK, "--tp", "4", "--chunks", "2", "--json"]) == 0
    said = capsys.readouterr()
    assert r"a\x1b[2J\u202eb" in said.out
    written = [file.read_text() for file in (tmp_path / "out").iterdir() if file.suffix in {".csv", ".json"}]
    for each in (said.out, said.err, *written):
        assert not fuzz.CONTROL.search(each.replace("\n", ""))


def test_the_zoo_is_read_as_both_versions_of_yaml_would():
    """What the zoo's files hold does not depend on the version that a reader of them takes."""
    import yaml
    from simcore.documents import parse

    for path in ROOT.rglob("*.yaml"):
        text = path.read_text()
        assert parse(text).data == yaml.safe_load(text), path
