"""``-`` is what is piped in, wherever a command takes a file; once per command."""

import io
from types import SimpleNamespace

import pytest
from simcore.cli.main import run
from simcore.cli.options import standard_input
from simcore.readers.zoo import ROOT
from simcore.traces.bundled import BUNDLED

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
    with standard_input({}, {"seed": "-"}):
        pass
