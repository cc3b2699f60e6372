"""Where a module is sparse: what is found, on which path, and what is refused."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")

import simcore
from simcore.errors import InputError
from simcore.real.sparse.pit import PitOperators

from tests.cli.every import MODULE
from tests.unit.test_ways import with_library

MORE = """
import torch
from torch import nn
from simcore.real.sparse import routed, tokenwise


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = (nn.Parameter(torch.randn(4, *size)) for size in ((8, 16), (16, 8)))

    def forward(self, x):
        return routed(x, torch.arange(len(x)) % 4, self.up, self.down)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.experts = nn.Linear(8, 8), Experts()

    def forward(self, x):
        return self.experts(self.first(x))


class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        self.feed_forward = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))

    def forward(self, x, valid):
        return tokenwise(self.feed_forward, valid, x)


def padded():
    return Padded(), (torch.randn(2, 6, 8), torch.arange(6) < torch.tensor([[6], [2]]))


def experts():
    return Net(), torch.randn(12, 8)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(MODULE)
    (tmp_path / "more.py").write_text(MORE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_zeros_behind_relu_are_found_with_the_path_of_the_layer(folder):
    result = simcore.sparse("own.py:build", example="64x32", repeats=3)
    (row,) = result.table
    assert (row["module"], row["operator"], row["operand"]) == ("2", "linear", "input")
    assert row["zeros"] > 0.8
    assert 0 <= row["index"] < row["pit"]
    assert row["gain"] == row["dense"] / row["pit"]
    covered = {each["tile"]: each["covered"] for each in result.as_dict()["granularity"]}
    assert list(covered) == ["1x1", "32x1", "128x1", "1x32", "1x128", "32x64", "whole rows"]
    assert covered["1x1"] == pytest.approx(1 - row["zeros"])
    assert covered["1x1"] <= covered["32x1"] <= covered["128x1"] <= 1  # larger tiles cover more
    assert "hold a non-zero" in result.report()[2].text
    assert row["library"] == "csr"
    ways = {way: row[name] for way, name in (("dense", "dense"), ("pit", "pit"), ("library", "of_library"))}
    assert ways[row["fastest"]] == min(ways.values()) > 0
    assert row["foreseen"] == ""  # nothing is predicted without a profile
    ways = {each["way"]: each for each in result.module}
    assert ways["pit"]["error"] <= 1e-5
    assert "PIT speeds up" in result.sentences()[0]


def test_linear_layers_are_predicted_by_a_profile(folder):
    profile = with_library()
    (row,) = simcore.sparse("own.py:build", example="64x32", repeats=3, profile=profile).table
    ways = {way: row[f"predicted_{way}"] for way in ("dense", "library", "pit")}
    assert ways["pit"] <= ways["dense"]  # which select may choose
    assert ways[row["foreseen"]] == min(ways.values()) > 0
    bare = replace(profile, fits=tuple(one for one in profile.fits if one.kernel != "csr"))
    (row,) = simcore.sparse("own.py:build", example="64x32", repeats=3, profile=bare).table
    assert row["predicted_library"] is None
    assert row["predicted_dense"] == ways["dense"]


def test_experts_are_found_with_inputs_of_the_function(folder):
    result = simcore.sparse("more.py:experts", repeats=3, backward=True)
    (row,) = result.table
    assert (row["module"], row["operator"], row["kernel"]) == ("experts", "routed", "packed rows")
    assert not list(result.granularity)  # a routing is no matrix
    assert "forward and backward" in result.sentences()[1]


def test_kernels_inside_a_packed_function_are_chosen_once_and_not_in_each_timed_call(folder, monkeypatch):
    looked = []
    look = PitOperators._look
    monkeypatch.setattr(PitOperators, "_look", lambda self, *args: looked.append(args[0]) or look(self, *args))
    result = simcore.sparse("more.py:padded", repeats=9)
    assert "tokenwise" in result.table.column("operator")
    rows = [each for each in result.granularity if each["operand"] == "padding"]
    assert next(each["covered"] for each in rows if each["tile"] == "1x1") == 8 / 12
    # each linear layer: when it is found, when its packed function is timed, and in the whole module
    assert len(looked) == 3 * 2


def test_inputs_that_do_not_fit_are_refused(folder):
    with pytest.raises(InputError, match="example: found inputs with which"):
        simcore.sparse("own.py:build", example="8x33")


def test_a_module_without_sparse_operators_is_refused_with_what_was_looked_for(folder):
    with pytest.raises(InputError, match="zeros in what a linear layer or a matrix product reads"):
        simcore.sparse("own.py:dense", example="8x32")
    with pytest.raises(InputError, match="example: found an input with a name, x"):
        simcore.sparse("own.py:build", example="x=64x32")
    with pytest.raises(InputError, match="or add example"):
        simcore.sparse("own.py:build")
