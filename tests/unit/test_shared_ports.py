"""Ports that levels share, oversubscription and rails: numbers that can be worked out by hand, files, and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import simcore
from click.testing import CliRunner
from simcore.cli.main import main
from simcore.engine import Clock
from simcore.errors import InputError
from simcore.models.network.bounds import bounds, per_dimension, per_port
from simcore.models.network.collectives import Collective
from simcore.models.network.conventions import ASTRA_SIM
from simcore.models.network.graph import link_graph
from simcore.models.network.mapping import Axis, Groups, map_stages
from simcore.models.network.ports import exchanged, ports, widened
from simcore.models.network.schedulers.registry import SCHEDULERS, scheduler
from simcore.models.network.sharing.job import Job
from simcore.models.network.sharing.jobs import simulate
from simcore.models.network.simulation.network import Network
from simcore.models.network.simulation.rank_programs import GroupCollective
from simcore.models.network.simulation.ranks import simulate_ranks
from simcore.models.network.simulation.run import simulate_collective
from simcore.models.network.topology import Block, Dimension, Port, Topology
from simcore.models.network.transfers import TransferLeg, transfer_legs
from simcore.models.training.closed_form import step_time
from simcore.models.training.operators import Communication
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.placement import Placement
from simcore.models.training.workload import Layer, Phase, Workload
from simcore.readers.cluster_networks import network_for
from simcore.readers.network_string import parse_network
from simcore.readers.networks import read_network

NIC = Port("nic", 50e9)
TREE = Topology("tree", (Dimension(Block.SWITCH, 16, port=NIC), Dimension(Block.SWITCH, 16, port=NIC)))
APART = Topology("apart", tuple(replace(each, port=None) for each in TREE.dimensions))
FULL = (50e9, 50e9)
SIZE = 17e9
BY_HAND = 2 * 255 / 256 * SIZE / 50e9
"""An all-reduce of 17 GB among 256 NPUs through one NIC of 50 GB/s: 677 ms."""


def test_two_levels_behind_one_nic_are_bounded_by_677_ms() -> None:
    """By hand: each NPU sends 2 (N - 1) / N of its buffer, all of it through its NIC."""
    assert round(BY_HAND * 1e3) == 677
    assert bounds(Collective.ALL_REDUCE, SIZE, TREE, FULL, (16, 16)).bandwidth == pytest.approx(BY_HAND)
    assert bounds(Collective.ALL_REDUCE, SIZE, APART, FULL, (16, 16)).bandwidth == pytest.approx(BY_HAND / 2)


@pytest.mark.parametrize("chunks", [1, 7, 64])
@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_the_simulation_sends_no_faster_than_the_port(schedule: str, chunks: int) -> None:
    """Without oversubscription the port never idles, so that every schedule takes what its bytes take."""
    run = simulate_collective(
        Collective.ALL_REDUCE, SIZE, TREE, FULL, chunks=chunks, schedule=scheduler(schedule), in_flight=2
    )
    assert run.time >= BY_HAND * (1 - 1e-9)
    assert sum(run.sent) / NIC.bandwidth <= run.time * (1 + 1e-9)
    if schedule == "ascending":
        assert run.time == pytest.approx(BY_HAND)


def test_a_port_beside_a_node() -> None:
    """The node's links send beside the NIC: 450 + 50 GB/s."""
    node = Topology("cluster", (Dimension(Block.SWITCH, 8), *TREE.dimensions))
    found = bounds(Collective.ALL_REDUCE, SIZE, node, (450e9, *FULL), (8, 16, 16))
    assert found.bandwidth == pytest.approx(2 * 2047 / 2048 * SIZE / 500e9)
    through = 2 * SIZE / 8 * 255 / 256 / 50e9
    assert per_port(Collective.ALL_REDUCE, SIZE, node, (8, 16, 16)) == (pytest.approx(through),)


def test_oversubscription_narrows_a_level_and_not_the_port() -> None:
    """1 GB all-to-all: 240 of 256 parts cross the upper level at a quarter of the NIC, 255 the NIC."""
    spec = parse_network("Switch(16)@nic=50GB/s x Switch(16)@nic/4")
    assert spec.bandwidths == (50e9, 12.5e9)
    apart = per_dimension(Collective.ALL_TO_ALL, 1e9, spec.topology, spec.bandwidths, (16, 16))
    assert apart == (pytest.approx(15 / 256 / 50), pytest.approx(240 / 256 / 12.5))
    assert per_port(Collective.ALL_TO_ALL, 1e9, spec.topology, (16, 16)) == (pytest.approx(255 / 256 / 50),)
    run = simulate_collective(Collective.ALL_TO_ALL, 1e9, spec.topology, spec.bandwidths, chunks=256)
    assert run.time == pytest.approx(240 / 256 / 12.5, rel=0.001)


def test_levels_of_a_tree_are_oversubscribed_one_after_the_other() -> None:
    """A third level has a quarter of half of the NIC."""
    spec = parse_network("Switch(4)@nic=50GB/s,1us x Switch(4)@nic/2,2us x Switch(4)@nic/4,3us")
    assert spec.bandwidths == (50e9, 25e9, 6.25e9)
    assert [each.latency for each in spec.topology.dimensions] == [1e-6, 2e-6, 3e-6]
    assert ports(spec.topology) == {NIC: (0, 1, 2)}


def test_an_exchange_crosses_a_tree_once_and_rails_node_by_node() -> None:
    """On rails 7 of 8 parts take the node's links first; a switch for all GPUs takes what leaves the node directly."""
    rails = Topology("rails", (Dimension(Block.SWITCH, 8), Dimension(Block.SWITCH, 4)))
    mixed = Topology("mixed", (Dimension(Block.SWITCH, 8), Dimension(Block.SWITCH, 4, rails=False)))
    volumes = {
        each.name: per_dimension(Collective.ALL_TO_ALL, 32.0, each, (1.0, 1.0), (8, 4)) for each in (rails, mixed)
    }
    assert volumes == {"rails": (28.0, 24.0), "mixed": (7.0, 24.0)}
    for collective in (Collective.ALL_REDUCE, Collective.ALL_GATHER, Collective.REDUCE_SCATTER):
        both = [per_dimension(collective, 32.0, each, (1.0, 1.0), (8, 4)) for each in (rails, mixed)]
        assert both[0] == both[1]
    run = simulate_collective(Collective.ALL_TO_ALL, 32e9, mixed, (1e9, 1e9), chunks=1)
    assert run.sent == (7e9, 24e9)
    assert exchanged(rails, (8, 4)) == (1.0, 1.0)


def test_messages_between_stages_take_the_port_from_collectives() -> None:
    """A message of 50 GB passes in a second, and what comes after it waits."""
    clock = Clock()
    network = Network(clock, TREE, FULL)
    (leg,) = transfer_legs(TREE, FULL, (1, 2), 0, 1, 50e9)
    assert leg == TransferLeg(1, 50e9, 1.0, 1.0, 0.0, 50e9)
    network.send(leg, "next")
    done = network.issue(Collective.ALL_REDUCE, SIZE, (16, 1), chunks=1)
    clock.run(until=done)
    assert clock.now == pytest.approx(1 + 2 * 15 / 16 * SIZE / 50e9)


def test_a_message_within_a_tree_crosses_its_outer_level_alone() -> None:
    """The second of four stages to the third, where stages take both levels."""
    stages = (2, 16)
    (leg,) = transfer_legs(TREE, FULL, stages, 1, 2, 1e9)
    assert leg.dimension == 1
    assert [each.dimension for each in transfer_legs(APART, FULL, stages, 1, 2, 1e9)] == [0, 1]


def test_every_npu_simulated_takes_as_long() -> None:
    """Rank by rank as one NPU for all."""
    small = Topology("small", (Dimension(Block.SWITCH, 4, port=NIC), Dimension(Block.SWITCH, 2, port=NIC)))
    alike = simulate_collective(Collective.ALL_REDUCE, SIZE, small, FULL, chunks=8)
    members = tuple(range(8))
    reduce = GroupCollective(Collective.ALL_REDUCE, SIZE, members, chunks=8)
    ranks = simulate_ranks(Network(Clock(), small, FULL), {rank: [reduce] for rank in members})
    assert ranks.time == pytest.approx(alike.time)
    assert alike.time == pytest.approx(2 * 7 / 8 * SIZE / 50e9)


def test_jobs_share_a_port() -> None:
    """Flows of both levels at once: 4 x 7.5 + 4 x 0.9375 GB of two all-reduces in turn of 4 x 4 NPUs."""
    small = Topology("small", (Dimension(Block.SWITCH, 4, port=NIC), Dimension(Block.SWITCH, 4, port=NIC)))
    graph = link_graph(small, FULL)
    assert graph.edges[0, "nic:0"]["capacity"] == 50e9
    assert graph.number_of_edges() == 2 * 2 * 16 + 2 * 16
    reduce = Phase(0.0, Collective.ALL_REDUCE, 50e9)
    toy = Workload("toy", (Layer("mlp", Phase(0.0), Phase(0.0), reduce),), tp=1, dp=16)
    job = Job("job", toy, (tuple(range(4)), tuple(range(4))), Groups((1, 1), (4, 4)))
    apart = Topology("apart", tuple(replace(each, port=None) for each in small.dimensions))
    assert simulate([job], small, FULL).jobs[0].time == pytest.approx(2 * 15 / 16)
    assert simulate([job], apart, FULL).jobs[0].time == pytest.approx(2 * 3 / 4)


def test_placements_charge_the_port() -> None:
    """A data-parallel sum over both levels takes 677 ms; groups of one level and another share the port."""
    placement = Placement(TREE, FULL, Layout(tp=1, dp=256))
    assert placement.seconds(Communication(Collective.ALL_REDUCE, SIZE, Axis.DATA)) == pytest.approx(BY_HAND)
    split = Placement(TREE, FULL, Layout(tp=16, dp=16))
    assert split.shared([Axis.DATA], [Axis.TENSOR]) == (2,)
    assert Placement(APART, FULL, Layout(tp=16, dp=16)).shared([Axis.DATA], [Axis.TENSOR]) == ()
    assert split.message_work(split.resources, 0.0) == 0.0
    staged = Placement(TREE, FULL, Layout(tp=16, dp=8, pp=2))
    assert Axis.TENSOR in staged.beside_messages  # its level is another one, its port is not
    assert staged.message_work((2,), 50e9) == pytest.approx(1.0)


def test_workloads_take_the_port_in_closed_form_and_simulated() -> None:
    """`simcore train --network` on a written tree; its closed form knows the port."""
    result = simcore.train("Switch(8)@nic=50GB/s x Switch(8)@nic", None, "17B", tp=8, dp=8, chunks=64, loop="NoOverlap")
    without = simcore.train("Switch(8)@50GB/s x Switch(8)@50GB/s", None, "17B", tp=8, dp=8, chunks=64, loop="NoOverlap")
    assert result.closed is not None
    assert result.bound is not None
    assert result.bound <= result.time * (1 + 1e-9)
    assert result.closed.total <= result.time * (1 + 1e-6)
    assert without.time <= result.time * (1 + 1e-9)


def test_stages_and_parts_of_a_network_keep_their_port() -> None:
    """A stage of a pipeline has part of a level."""
    _, part = map_stages(TREE, 2)
    assert part.dimensions[1] == Dimension(Block.SWITCH, 8, port=NIC)
    wide, bandwidths = widened(TREE, (50e9, 12.5e9), [1], 1.1)
    assert bandwidths == pytest.approx((55e9, 13.75e9))
    assert ports(wide) == {Port("nic", 50e9 * 1.1): (0, 1)}


FILE = """\
ports:
  nic: 50 GB/s
dimensions:
  - {block: Switch, size: 8, level: Node, latency: 1 us, bandwidth: 450 GB/s}
  - {block: Switch, size: 32, level: Pod, latency: 2 us, port: nic}
  - {block: Switch, size: nodes, level: Pod, latency: 3 us, port: nic, oversubscription: 2}
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tree.yaml"
    path.write_text(text)
    return path


def test_files_name_ports_and_oversubscription(tmp_path: Path) -> None:
    """GPUs that fit under one leaf have no upper level."""
    path = _file(tmp_path, FILE)
    spec = network_for(path, 2048).value
    assert spec.bandwidths == (450e9, 50e9, 25e9)
    assert [each.port for each in spec.topology.dimensions] == [None, NIC, NIC]
    assert network_for(path, 128).value.bandwidths == (450e9, 50e9)
    dimension = "{block: Switch, size: 8, port: nic, oversubscription: 4}"
    alone = _file(tmp_path, f"ports: {{nic: 50 GB/s}}\ndimensions: [{dimension}]")
    assert read_network(alone).value.bandwidths == (12.5e9,)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("port: nic, over", "port: nick, over", "Did you mean .nic.?"),
        ("port: nic}", "port: nic, bandwidth: 50 GB/s}", "beside a port"),
        ("oversubscription: 2", "oversubscription: 0.5", "oversubscription"),
        ("nic: 50 GB/s", "nic: 0 GB/s", "ports.nic"),
        ("nic: 50 GB/s", "nic: 50 GB/s\n  nvs: 5 GB/s", "which no dimension names"),
        ("block: Switch, size: 32", "block: Ring, size: 32", "a Ring behind port nic"),
        ("block: Switch, size: 8,", "block: Switch, size: 8, rails: false,", "innermost"),
        ("bandwidth: 450 GB/s", "oversubscription: 4", "without a port"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, before: str, after: str, message: str) -> None:
    """Naming the field."""
    assert before in FILE
    with pytest.raises(InputError, match=message):
        network_for(_file(tmp_path, FILE.replace(before, after)), 2048)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Switch(4)@nic x Switch(4)@nic", "found 'nic'"),
        ("Switch(4)@nic=5GB/s x Switch(4)@nic=5GB/s", "a second time"),
        ("Switch(4)@nic=5GB/s x Switch(4)@nic/0.5", "at least 1"),
        ("Switch(4)@nic=5GB/s x Ring(4)@nic", "behind port nic"),
    ],
)
def test_strings_that_do_not_fit_are_refused(text: str, message: str) -> None:
    """With a caret under the place."""
    with pytest.raises(InputError, match=message):
        parse_network(text)


def test_what_knows_no_ports_refuses_them_by_name(tmp_path: Path) -> None:
    """The optimiser, a budget for `train`, and ASTRA-sim's conventions."""
    path = _file(tmp_path, FILE.replace("nodes", "4"))
    with pytest.raises(InputError, match="shared port nic of tree"):
        simcore.optimize(path, "325 GB/s", "1T")
    with pytest.raises(InputError, match="shared port nic of tree"):
        simcore.train(path, "325 GB/s", "1T")
    with pytest.raises(InputError, match="ASTRA-sim knows neither"):
        simcore.collective("all-reduce", "1 GB", network=path, convention="astra-sim")
    with pytest.raises(ValueError, match="knows neither shared ports"):
        Network(Clock(), TREE, FULL, convention=ASTRA_SIM)


def test_reports_name_the_port_that_limits() -> None:
    """And how busy it is."""
    result = simcore.collective("all-reduce", "17 GB", network="Switch(16)@nic=50GB/s x Switch(16)@nic")
    assert round(result.bound * 1e3) == 677
    assert (
        result.sentences()[0] == "Port nic of 50 GB/s limits: bytes of dimensions 1 and 2 pass it 100.0% of the time."
    )
    assert result.as_dict()["ports"][0]["dimensions"] == [1, 2]


def test_a_step_model_with_a_port_is_the_sum_of_its_levels() -> None:
    """The closed form of a workload without ports is as it was."""
    reduce = Phase(0.0, Collective.ALL_REDUCE, 50e9)
    toy = Workload("toy", (Layer("mlp", Phase(0.0), Phase(0.0), reduce),), tp=1, dp=16)
    assert step_time(toy, Groups((1, 1), (4, 4)), FULL).total == pytest.approx(1.5)


@pytest.mark.parametrize(("arguments", "said"), [
    (["zoo", "devices"], "link_bandwidth is the sum of both directions"),
    (["zoo", "devices", "h100"], "link_bandwidth is the sum of both directions"),
    (["zoo", "networks", "dgx-h100"], "what one NPU sends in one direction"),
    (["collective", "--help"], "of one direction"),
    (["train", "--help"], "of one direction"),
    (["train", "--help"], "in one direction"),
    (["optimize", "--help"], "in one direction"),
])  # fmt: skip
def test_bandwidth_is_said_to_be_of_one_direction(arguments: list[str], said: str) -> None:
    """In help and zoo: an H100's 900 GB/s is the sum of both directions, its network has half of it."""
    shown = CliRunner().invoke(main, arguments).output
    assert said in " ".join(shown.split())
    assert network_for("dgx-h100", 8).value.bandwidths == (450e9,)
