"""``simcore elastic run``: its JSON, its figure, and what it refuses."""

import json
from functools import partial

import pytest
from simcore.errors import RunError
from simcore.real.elastic.checkpoint import save
from simcore.real.elastic.faults import Faults
from simcore.real.elastic.job import Job
from simcore.real.elastic.plan import parse_stages
from simcore.studies.elastic import elastic

from tests.cli.commands import printed, refused

pytest.importorskip("torch")
RUN = ("elastic", "run")
MINE = """
import torch
from torch import nn
from torch.utils.data import TensorDataset


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        pooled, places = nn.functional.max_pool2d(x, 2, return_indices=True)
        return self.head(nn.functional.max_unpool2d(pooled, places, 2).flatten(1))


def data(*shape):
    return TensorDataset(torch.randn(*shape), torch.zeros(shape[0], dtype=torch.long))


def build():
    return nn.Linear(4, 4), data(40, 4), nn.CrossEntropyLoss(label_smoothing=0.1), noisy


def noisy(rows, generator):
    return rows + torch.randn(rows.shape, generator=generator)


def pooled():
    return Pooled(), data(40, 1, 4, 4)


def frozen():
    module = nn.Linear(4, 4)
    return module.requires_grad_(False), data(40, 4)


class Idle(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.used(x)


def idle():
    return Idle(), data(40, 4)


def failing():
    return nn.Linear(3, 4), data(40, 4)


def few():
    return nn.Linear(4, 4), data(5, 4)


def nothing():
    return nn.Linear(4, 4)


def broken():
    raise ValueError("no weights")
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)


def test_a_model_of_ones_own_with_everything_that_is_written(mine, tmp_path):
    words = (*RUN, "mine.py:build", "--workers", "2", "--stages", "2x1, 1x2", "--batches", "3", "--checkpoint", "kept")
    found = json.loads(printed(*words, "--json", "-o", "out", "--figures", "svg"))
    equal = {"losses_equal": True, "weights_equal": True, "buffers_equal": True, "max_loss_difference": 0.0}
    assert found["stages"] == [{"stage": "2x1", **equal}, {"stage": "1x2", **equal}]
    assert [found[name] for name in ("samples_equal", "determinism", "reduce")] == [True, "D1", "ring"]
    assert list(found)[:4] == ["stages", "samples_equal", "determinism", "reduce"]
    written = sorted(each.name for each in (tmp_path / "out").iterdir())
    assert written == ["contents.json", "elastic.json", "fig9.svg", "losses.csv", "simcore-files.sha256", "stages.csv"]
    assert len((tmp_path / "out" / "losses.csv").read_text().splitlines()) == 1 + 2 * 3 * 2
    # the checkpoint is that of a finished run: nothing is trained again
    held = (tmp_path / "kept").stat().st_mtime_ns
    assert json.loads(printed(*words, "--json"))["stages"] == found["stages"]
    assert (tmp_path / "kept").stat().st_mtime_ns == held


@pytest.fixture
def once(monkeypatch):
    """Let no process be started again: what fails does so each time."""
    monkeypatch.setattr("simcore.studies.elastic.run.Job", partial(Job, restarts=0))


def test_an_operator_that_is_not_deterministic_is_named(mine, once, capsys):
    message = refused(capsys, *RUN, "mine.py:pooled", "--workers", "2", "--stages", "2x1", "--batches", "1")
    assert "whose operator max_unpooling2d" in message
    assert "deterministic operators under D1. Replace it, or take --determinism D0." in message


def test_parameters_without_a_gradient_are_named(mine, once, capsys):
    message = refused(capsys, *RUN, "mine.py:idle", "--workers", "2", "--stages", "1x2", "--batches", "1")
    assert "'mine.py:idle', in which no gradient reaches idle.weight, idle.bias, expected a gradient of each" in message


def test_a_model_that_fails_says_why_in_a_line(mine, once):
    with pytest.raises(RunError) as error:
        elastic("mine.py:failing", workers=2, stages="1x2", batches=1)
    assert str(error.value).startswith("a process of 'mine.py:failing' failed once, with RuntimeError: ")
    assert "shapes cannot be multiplied" in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mlp", "--stages", "5x1"], "--stages: found '5x1', 5 processes, expected at most 4"),
        (["mlp", "--stages", "4x1, 2x1"], "--stages: found '2x1', which holds 2 logical workers, expected 4 in every"),
        (["mlp", "--determinism", "D3"], "--determinism: found 'D3', expected one of D0, D1, D2"),
        (["mlp", "--reduce", "tree"], "--reduce: found 'tree', expected one of ring, ordered"),
        (["mlp", "--workers", "0"], "--workers: found 0, expected a whole number of at least 1"),
        (["mlp", "--device", "cuda"], "--device: found 'cuda', but torch sees no CUDA device"),
        (["mpl"], "MODEL: found 'mpl', expected one of resnet18, mlp, transformer. Did you mean 'mlp'?"),
        (["mine.py:few"], "MODEL: found 5 samples, 4 for each of 4 logical workers, expected data for one mini-batch"),
        (
            ["mine.py:frozen"],
            "MODEL: found 'mine.py:frozen', a module without parameters that are trained, expected one",
        ),
        (["mine.py:nothing"], "MODEL: found 'mine.py:nothing', which returns Linear, expected a function that returns"),
        (["mine.py:broken"], "MODEL: found 'mine.py:broken', which fails: ValueError: no weights"),
        (
            ["mlp", "--checkpoint", "mine.py"],
            "mine.py: found a file that is no checkpoint of simcore, expected a whole",
        ),
        (["mlp", "--checkpoint", "no/kept"], "--checkpoint no/kept: found no folder 'no'"),
    ],
    ids=" ".join,
)
def test_wrong_input_is_refused_before_a_process_is_started(mine, monkeypatch, capsys, words, said):
    monkeypatch.setattr("simcore.real.elastic.run.launch", None)
    if words[-1] == "cuda" and pytest.importorskip("torch").cuda.is_available():
        pytest.skip("there is a GPU")
    assert said in refused(capsys, *RUN, *words)


def test_checkpoints_of_others_are_refused_with_what_to_do(mine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("simcore.real.elastic.run.launch", None)
    other = Job("mlp", 4, parse_stages(["4x1"], 4), seed=1)
    path = tmp_path / "kept"
    save(path, {"identity": other.identity, "position": 20}, Faults([], 0, tmp_path), 0)
    message = refused(capsys, *RUN, "mlp", "--stages", "4x1", "--checkpoint", "kept")
    assert "a checkpoint of another run, expected a whole checkpoint of this run. Name another file, or" in message
    path.write_bytes(path.read_bytes()[:-9])
    assert "cut short" in refused(capsys, *RUN, "mlp", "--stages", "4x1", "--checkpoint", "kept")
