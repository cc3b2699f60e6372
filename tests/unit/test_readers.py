"""What every reader has in common, and that a run opens each input file once."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import simcore
from hypothesis import given
from hypothesis import strategies as st
from simcore import readers, traces
from simcore.cli.main import run
from simcore.errors import InputError
from simcore.readers import Read, zoo
from simcore.readers.networks import read_any_network
from simcore.readers.overheads import read_overheads
from simcore.readers.read import InputFile, read_entry, read_path
from simcore.readers.schedules import read_schedule
from simcore.traces import bundled

KINDS = {
    "applications": readers.read_applications,
    "clusters": readers.read_cluster,
    "collectives": readers.read_collective_profile,
    "costs": readers.read_costs,
    "devices": readers.read_device,
    "families": readers.read_family,
    "groups": readers.read_workloads,
    "models": readers.read_model,
    "networks": read_any_network,  # read_network refuses those that a number of GPUs decides
    "operators": readers.read_timed_models,
    "overheads": read_overheads,
    "profiles": readers.read_profile,
    "rates": readers.read_step_times,
    "references": readers.read_references,
    "schedules": read_schedule,
    "stacks": readers.read_stack,
}
ENTRIES = [(kind, name) for kind in KINDS for name in zoo.names(kind)]

_opened: list[str] | None = None


def _note(event, args):
    if event == "open" and _opened is not None and isinstance(args[0], str | bytes | Path):
        _opened.append(str(args[0]))


sys.addaudithook(_note)  # it sees every file that Python opens, by whatever function; it cannot be taken away again


@contextmanager
def opens(*folders):
    """Count by path how often files below some folders are opened."""
    global _opened
    found, _opened = Counter(), []
    try:
        yield found
    finally:
        seen, _opened = _opened, None
        for path in (Path(name).absolute() for name in seen):
            if any(path.is_relative_to(folder) for folder in folders):
                found[path] += 1


def test_every_kind_of_the_zoo_has_a_reader():
    assert sorted(KINDS) == zoo.kinds()
    for read in KINDS.values():
        assert read.__name__.startswith("read_")
        assert list(inspect.signature(read).parameters)[:2] == ["name_or_path", "place"]


def test_all_exports_are_there():
    assert sorted(readers.__all__) == list(readers.__all__)
    for name in readers.__all__:
        assert getattr(readers, name) is not None
        assert name in dir(readers)


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_an_entry_gives_value_name_and_hash_of_one_read(kind, name):
    path = zoo.find(kind, name, "name")
    with opens(zoo.ROOT) as count:
        read = KINDS[kind](name.upper(), "place")
    assert isinstance(read, Read)
    assert read.value is not None
    assert (read.name, read.sha256) == (name, hashlib.sha256(path.read_bytes()).hexdigest())
    assert count[path] == 1
    assert max(count.values()) == 1  # a group's members, and a published profile's device


@pytest.mark.parametrize("kind", KINDS)
def test_a_users_file_is_named_as_it_was_given(kind, tmp_path, monkeypatch):
    source = zoo.find(kind, zoo.names(kind)[0], "name")
    monkeypatch.chdir(tmp_path)
    copy = Path(f"mine{source.suffix}")
    copy.write_bytes(source.read_bytes())
    assert KINDS[kind](str(copy), "place").name == str(copy)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_read_already_is_not_read_again(kind):
    file = read_entry(kind, zoo.names(kind)[0], "place", "test")
    with opens(zoo.ROOT / kind) as count:
        read = KINDS[kind](file, "place")
        again = KINDS[kind](file, "place")
    assert (read.name, read.sha256) == (file.name, file.sha256) == (again.name, again.sha256)
    assert file.path not in count


@pytest.mark.parametrize("kind", KINDS)
def test_what_gave_the_name_is_blamed(kind):
    with pytest.raises(InputError) as error:
        KINDS[kind]("no-such-thing", "the place")
    assert error.value.place == "the place"
    with pytest.raises(InputError) as error:
        KINDS[kind]("no-such-thing")
    assert not error.value.place.startswith("-")


def test_the_hash_is_of_the_bytes_and_the_text_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_bytes(b"\xef\xbb\xbfgpus: {v100: 8}\n")
    read = readers.read_cluster(path)
    assert read.value.gpus == 8
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode), st.sampled_from(sorted(KINDS)))
def test_a_hash_is_known_where_a_value_is(tmp_path_factory, data, kind):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    with suppress(InputError):
        file = read_path(path, "test")
        assert (file.path, file.name, file.sha256) == (path, str(path), hashlib.sha256(data).hexdigest())
        assert KINDS[kind](path).sha256 == file.sha256


def test_an_input_file_makes_a_read():
    file = InputFile(Path("x"), "x", "", "0" * 64)
    assert file.of(3) == Read(3, "x", "0" * 64)


@pytest.fixture
def mine(tmp_path):
    """Copies of zoo entries as a user's own files, and a communicator and a trace beside them."""
    for kind, name in (
        ("networks", "4D"),
        ("networks", "DGX-like"),
        ("models", "1T"),
        ("models", "17B"),
        ("costs", "sc245"),
        ("profiles", "v100-16gb"),
        ("profiles", "cpu"),
        ("models", "bert-base"),
        ("clusters", "sc23"),
        ("rates", "sc23-fitted"),
    ):
        source = zoo.find(kind, name, "name")
        (tmp_path / f"{kind}-{name}{source.suffix}").write_bytes(source.read_bytes())
    (tmp_path / "group.yaml").write_text("group: [models-1T.yaml, models-17B.yaml]\n")
    (tmp_path / "groups.json").write_text(json.dumps({"F": [2, 8, 8, 1], "I": [2, 8, 8, 1], "W": [1, 1, 1, 8]}))
    (tmp_path / "jobs.csv").write_bytes(traces.BUNDLED["sc23"].read_bytes())
    return tmp_path


RUNS = {
    "optimize": "optimize networks-4D.yaml 325 models-1T.yaml Perf NoOverlap --cost costs-sc245.yaml",
    "optimize with groups": "optimize networks-4D.yaml 325 models-1T.yaml Perf NoOverlap --communicator groups.json",
    "optimize a group": "optimize networks-4D.yaml 325 group.yaml Perf NoOverlap",
    "optimize on a profile": (
        "optimize networks-4D.yaml 325 models-17B.yaml Perf NoOverlap --batch 2 --profile profiles-v100-16gb.yaml"
    ),
    "train": "train networks-4D.yaml 325 models-1T.yaml --loop NoOverlap --chunks 2",
    "train with groups": "train networks-4D.yaml 325 models-1T.yaml --chunks 2 --communicator groups.json",
    "train in stages": "train networks-4D.yaml 325 models-1T.yaml --chunks 2 --stages 2 --micro-batches 2",
    "train without a budget": "train --network networks-DGX-like.yaml models-17B.yaml --tp 8 --chunks 2",
    "train on a profile": (
        "train networks-4D.yaml 325 models-17B.yaml --chunks 2 --profile profiles-v100-16gb.yaml --split optimal"
    ),
    "collective": "collective all-reduce 1MiB --network networks-DGX-like.yaml --chunks 2",
    "trace": "trace jobs.csv --cluster clusters-sc23.yaml --rates rates-sc23-fitted.csv --policy fifo",
    "rates": (
        "rates --profile profiles-v100-16gb.yaml --profile profiles-cpu.json --model models-bert-base.yaml --batch 4,8"
        " --dtype fp32"
    ),
    "kernel": "kernel matmul 512x512x512 --profile profiles-cpu.json",
}


@pytest.mark.parametrize("command", RUNS.values(), ids=RUNS)
def test_a_run_opens_each_input_file_once(command, mine, monkeypatch, capsys):
    monkeypatch.chdir(mine)
    words = command.split()
    with opens(zoo.ROOT, bundled.DATA, mine) as count, pytest.raises(SystemExit) as stop:
        run([*words, "--json"])
    assert not stop.value.code, capsys.readouterr().err
    assert {mine / word for word in words if (mine / word).is_file()} <= set(count)
    assert max(count.values()) == 1, count


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("optimize 4D 325 Group Perf NoOverlap", {"4D.yaml", "Group.yaml", "17B.yaml", "175B.yaml", "1T.yaml"}),
        ("evaluate network-fig12 --small", {"2D.yaml", "DGX-like.yaml", "17B.yaml", "sc245.yaml"}),
        ("evaluate network-table6", {"4D.yaml", "175B.yaml", "1T.yaml", "sc245.yaml"}),
        ("trace --policy fifo", {"sc23.yaml", "sc23.csv", "sc23-fitted.csv"}),
        ("zoo profiles cpu", {"cpu.json"}),
    ],
)
def test_entries_of_the_zoo_are_opened_once_too(command, needed, capsys):
    with opens(zoo.ROOT, bundled.DATA) as count, pytest.raises(SystemExit) as stop:
        run([*command.split(), "--json"])
    assert not stop.value.code, capsys.readouterr().err
    assert needed <= {path.name for path in count}
    assert max(count.values()) == 1, count


def test_hashes_of_a_result_are_those_of_the_files(mine, monkeypatch):
    monkeypatch.chdir(mine)
    result = simcore.optimize(
        "networks-4D.yaml", "325", "models-1T.yaml", cost="costs-sc245.yaml", communicator="groups.json"
    )
    files = {
        "network": "networks-4D.yaml",
        "workload": "models-1T.yaml",
        "cost": "costs-sc245.yaml",
        "communicator": "groups.json",
    }
    expected = {role: hashlib.sha256(Path(name).read_bytes()).hexdigest() for role, name in files.items()}
    assert result.provenance.sha256 == expected
