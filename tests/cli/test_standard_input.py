"""``-`` is what is piped in, wherever a command takes a file; once per command."""

import io
import json
from types import SimpleNamespace

import pytest
from simcore.cli.flags import spellings
from simcore.cli.main import run
from simcore.cli.standard_input import standard_input
from simcore.readers.zoo import ROOT
from simcore.studies.request import descriptions, file_fields
from simcore.studies.trace.request import TraceRequest
from simcore.traces.bundled import BUNDLED

from tests.cli.every import NEEDS_TORCH, RUNS, studies, write_inputs, writing

# command with - in it, and the file that is piped in
CASES = {
    "trace": (("trace", "-", "--policy", "fifo"), BUNDLED["sc23"]),
    "cluster": (("trace", "--cluster", "-", "--policy", "fifo"), ROOT / "clusters" / "sc23.yaml"),
    "rates": (("trace", "--rates", "-", "--policy", "fifo"), ROOT / "rates" / "sc23-fitted.csv"),
    "network": (("optimize", "-", "325", "17B"), ROOT / "networks" / "4D.yaml"),
    "workload": (("optimize", "2D", "325", "-"), ROOT / "models" / "17B.yaml"),
    "cost": (("optimize", "4D", "325", "17B", "PerfPerCost", "--cost", "-"), ROOT / "costs" / "sc245.yaml"),
    "workload of train": (("train", "2D", "400", "-", "--loop", "NoOverlap"), ROOT / "models" / "17B.yaml"),
    "network of a collective": (
        ("collective", "all-reduce", "1MB", "--network", "-"), ROOT / "networks" / "DGX-like.yaml",
    ),
    "model": (("model", "-"), ROOT / "models" / "bert-base.yaml"),
    "model that fits": (("memory", "-", "--gpus", "8", "--device", "h100"), ROOT / "models" / "gpt-1.3b.yaml"),
    "profile": (("kernel", "matmul", "64x64x64", "--profile", "-"), ROOT / "profiles" / "t4.yaml"),
    "profiles": (("profile", "show", "-"), ROOT / "profiles" / "cpu.json"),
    "step times": (
        ("rates", "--profile", "t4", "--model", "bert-base", "--name", "bert", "--batch", "4", "--fit-to", "-"),
        ROOT / "rates" / "sc23-steps.csv",
    ),
    "models": (("rates", "--profile", "t4", "--model", "-", "--batch", "4"), ROOT / "models" / "bert-base.yaml"),
}  # fmt: skip


def status(monkeypatch, words, data):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False))
    with pytest.raises(SystemExit) as stop:
        run(list(words))
    return stop.value.code


@pytest.mark.parametrize("case", CASES)
def test_a_file_may_be_piped_in(case, monkeypatch, capsys):
    words, path = CASES[case]
    file = next(each for each in (path, path.with_suffix(".json"), path.with_suffix(".yaml")) if each.exists())
    assert status(monkeypatch, [str(file) if word == "-" else word for word in words], b"") == 0
    expected = capsys.readouterr().out
    assert status(monkeypatch, words, file.read_bytes()) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == len(expected.splitlines())


def test_measured_rows_may_be_piped_in(monkeypatch, capsys):
    from simcore.studies.validate.shipped import shipped_collectives

    data = shipped_collectives().read_bytes()
    assert status(monkeypatch, ["validate", "--collectives", "-"], data) == 0, capsys.readouterr().err


SQUARE = b"npus: 2\nlinks: [{from: 0, to: 1, bandwidth: 1 GB/s}]\n"
SWAP = b"collective: all-gather\nnpus: 2\nchunks: 2\nsends: [{from: 0, to: 1, chunk: 0}, {from: 1, to: 0, chunk: 1}]\n"


@pytest.mark.parametrize(
    ("words", "data"),
    [(("-", "1GB", "--network", "Switch(2)@1GB/s"), SWAP), (("all-gather", "1GB", "--network", "-"), SQUARE)],
)
def test_sends_and_links_may_be_piped_in(words, data, monkeypatch, capsys):
    assert status(monkeypatch, ["messages", *words], data) == 0, capsys.readouterr().err


def test_twice_is_refused(monkeypatch, capsys):
    assert status(monkeypatch, ["trace", "-", "--cluster", "-"], b"") == 2
    err = capsys.readouterr().err
    assert "found '-' a second time, expected standard input for one file of a command. Give one of them" in err


def test_what_is_wrong_in_it_is_said(monkeypatch, capsys):
    assert status(monkeypatch, ["trace", "--cluster", "-"], b"nonsense: 1\n") == 2
    assert "simcore: error: -, line 1" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SystemExit) as stop:
        run(["trace", "-"])
    assert stop.value.code == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_a_word_that_is_no_file_reads_nothing(monkeypatch, capsys):
    assert status(monkeypatch, ["optimize", "2D", "-", "17B"], b"") == 2
    with standard_input(TraceRequest, {"seed": "-"}):
        pass


BESIDE = {
    ("optimize", "training_schedule"): ("optimize", "2D", "325", "gpt-1.3b", "--device", "v100-32gb"),
    ("profile validate", "measurements"): ("profile", "validate", "cpu"),
    ("schedule", "schedule"): ("schedule", "gpt-1.3b", "--gpus", "8", "--device", "v100-32gb"),
    ("verify", "schedule"): ("verify", "gpt"),
    **{("validate", name): ("validate",) for name in ("add", "collectives", "rows")},
}
"""Runs in which a file may be given that the command's own in `RUNS` excludes."""

READING = [(name, field) for name, each in studies().items() for field in sorted(file_fields(each.request))]


def with_dash(name, field):
    """Return a command line in which a field is given as ``-``, in place of what it is in the command's own run."""
    command = studies()[name]
    fields, words = descriptions(command.request), list(BESIDE.get((name, field), RUNS[name]))
    if fields[field].positional:
        place = len(command.words.split()) + [each for each in fields if fields[each].positional].index(field)
        given = place < len(words) and not words[place].startswith("-")
        return [*words[:place], "-", *words[place + given :]]
    flags = spellings(field, fields[field])
    at = next((words.index(each) + 1 for each in flags if each in words), None)
    return [*words, flags[0], "-"] if at is None else [*words[:at], "-", *words[at + 1 :]]


def test_options_that_write_are_known():
    assert {option for _, option in writing()} == {"-o", "--timeline", "--state", "--checkpoint", "--log"}


@pytest.mark.parametrize(("name", "field"), READING)
def test_garbage_is_refused_by_every_field_that_takes_a_file(name, field, tmp_path, monkeypatch, capsys):
    if name in NEEDS_TORCH:
        pytest.importorskip("torch", reason="torch is not installed")
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, err = status(monkeypatch, with_dash(name, field), b"\x00garb: [age,\n"), capsys.readouterr().err
    assert code == 2, err
    assert err.startswith(("simcore: error: -:", "simcore: error: -,")), err


def test_a_field_that_takes_no_file_reads_nothing():
    """Neither ``FILE`` inside another word nor an entry of the zoo makes a field one."""
    fields = {name: file_fields(each.request) for name, each in studies().items()}
    assert {"stored", "limit", "device"}.isdisjoint(fields["profile validate"])
    assert {"devices", "names"}.isdisjoint(fields["rates"])
    assert {"checkpoint", "log", "output"}.isdisjoint(set().union(*fields.values()))


@pytest.mark.parametrize(("name", "option"), writing())
def test_nothing_is_written_to_it(name, option, tmp_path, monkeypatch, capsys):
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert status(monkeypatch, [*RUNS[name], option, "-"], b"") == 2
    found = "found '-', which is standard input, expected a path that can be written"
    assert f"simcore: error: {option}: {found}" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


SENDS = b"""collective: all-gather
npus: 2
chunks: 2
sends:
- {from: 0, to: 1, chunk: 0}
- {from: 1, to: 0, chunk: 1}
"""


def test_files_that_were_once_missed(tmp_path, monkeypatch, capsys):
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sends.yaml").write_bytes(SENDS)
    for file, words in {
        "sends.yaml": ("messages", "-", "1MB", "--network", "Ring(2)@50GB/s"),
        "two.yaml": ("share", "-", "--network", "2D", "--budget", "325"),
        "few.yaml": ("tune", "opt-350m", *RUNS["memory"][2:8], "--sequence", "1024", "--space", "-"),
        "table.csv": ("profile", "validate", "t4", "--measurements", "-"),
        "runs.csv": ("validate", "--memory", "-"),
    }.items():
        assert status(monkeypatch, words, (tmp_path / file).read_bytes()) == 0, (words, capsys.readouterr().err)


def test_a_sweep_hands_it_to_its_processes_and_keeps_its_runs_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ("sweep", "trace", "-", "--vary", "policy=fifo,srtf", "--seeds", "1", "-o", "out")
    (*head, last) = BUNDLED["sc23"].read_bytes().splitlines(keepends=True)
    assert status(monkeypatch, (*words, "--jobs", "2"), b"".join([*head, last])) == 0, capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "contents.json").read_bytes())["provenance"]["sha256"]["trace"]
    assert status(monkeypatch, words, b"".join(head)) == 2
    assert "simcore: error: -o out" in capsys.readouterr().err
