"""A bandwidth that no link has is refused wherever it is given: mostly GB/s that stand for B/s."""

from __future__ import annotations

import pytest
from simcore import collective, optimize, train
from simcore.cli.main import run
from simcore.errors import InputError
from simcore.models.training.workload import Layer, Phase, Workload
from simcore.network import (
    Block,
    Clock,
    Collective,
    Dimension,
    Groups,
    Job,
    Network,
    Topology,
    parse_network,
    read_costs,
    read_network,
    simulate,
    simulate_collective,
)

RING = Topology("ring", (Dimension(Block.RING, 4),))
TOY = Workload("toy", (Layer("one", Phase(1.0), Phase(0.0), Phase(0.0)),), tp=1, dp=4)


def files(tmp_path):
    own, foreign = tmp_path / "own.yaml", tmp_path / "foreign.yml"
    own.write_text("dimensions:\n  - {block: Ring, size: 4, bandwidth: 325 B/s}\n", encoding="utf-8")
    foreign.write_text("topology: [Ring]\nnpus_count: [4]\nbandwidth: [1e-7]\nlatency: [500]\n", encoding="utf-8")
    return own, foreign


@pytest.mark.parametrize(
    "call",
    [
        lambda: optimize("4D", 325, "1T"),
        lambda: optimize("4D", "325", "1T", caps={"4": 100}),
        lambda: optimize("4D", "325", "1T", minima={"4": 100.0}),
        lambda: train("4D", 325, "1T"),
        lambda: train("4D", 325e9, "1T", split=[200, 75, 37.5, 12.5]),
        lambda: train("Ring(4)@325B/s", None, "1T"),
        lambda: collective("all-reduce", "1MiB", network="Ring(4)@325 B/s"),
        lambda: parse_network("Ring(4)@900kB/s"),
        lambda: simulate_collective(Collective.ALL_REDUCE, 1e6, RING, [325]),
        lambda: simulate([Job("toy", TOY, ((0, 1, 2, 3),), Groups((1,), (4,)))], RING, [325]),
        lambda: Network(Clock(), RING, [325]),
    ],
)
def test_numbers_and_text_are_refused(call):
    with pytest.raises(InputError, match="at least 1 MB/s"):
        call()


def test_the_remedy_names_the_unit():
    with pytest.raises(InputError, match=r"found 325, a number of B/s.* Write '325 GB/s', or 325e9\."):
        optimize("4D", 325, "1T")
    with pytest.raises(InputError, match=r"write 325e9 for 325 GB/s"):
        Network(Clock(), RING, [325])


def test_files_are_refused(tmp_path):
    own, foreign = files(tmp_path)
    with pytest.raises(InputError, match=r"own\.yaml.*at least 1 MB/s"):
        read_network(own)
    with pytest.raises(InputError, match=r"foreign\.yml.*at least 0\.001"):
        read_network(foreign)


@pytest.mark.parametrize("args", [["optimize", "4D", "0.0009", "1T"], ["train", "4D", "900 kB/s", "1T"]])
def test_the_command_line_is_told_too(capsys, args):
    with pytest.raises(SystemExit) as stop:
        run(args)
    assert stop.value.code == 2
    assert "BUDGET: found" in capsys.readouterr().err


def test_prices_per_byte_and_second_are_read(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text("prices:\n  Pod: {link: $1e-9 per B/s}\n", encoding="utf-8")
    assert read_costs(path).value.levels["Pod"].link == pytest.approx(1e-9)
