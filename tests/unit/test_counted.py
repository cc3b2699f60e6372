"""How ASTRA-sim counts: cases whose nanoseconds its own runs gave, or that a reader works out by hand."""

import pytest
from simcore import collective, train
from simcore.models.network.conventions import ASTRA_SIM
from simcore.models.network.mapping import Axis, Groups
from simcore.models.network.schedulers import Themis
from simcore.models.training.program import Issue
from simcore.models.training.simulated import ChunkFabric
from simcore.models.training.workload import Pass
from simcore.network import Clock, Collective, Network, simulate_collective
from simcore.readers.network_string import parse_network

HEADER = "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: {} checkpoints: 1 0 checkpoint_initiates: 1 1\n"
STRIDE = HEADER.format(4) + (
    "l0 -1 1000 NONE 0 1000 NONE 0 1000 ALLREDUCE 1048576 10\nl1 -1 1000 NONE 0 1000 NONE 0 1000 NONE 0 10\n"
)
GATHER = HEADER.format(16) + (
    "l0 -1 1000 ALLGATHER 6291456 1000 NONE 0 1000 NONE 0 10\nl1 -1 1000 NONE 0 1000 NONE 0 1000 NONE 0 10\n"
)


def nanoseconds(size, network, **options):
    return round(collective(options.pop("operation", "reduce-scatter"), size, network=network, **options).time * 1e9)


def text(tmp_path, content):
    path = tmp_path / "layers.txt"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(("npus", "link", "taken"), [(2, 400, 79_145), (2, 50, 626_020), (64, 400, 220_815)])
def test_halving_doubling_reduces_from_the_second_message_on(npus, link, taken):
    network = f"Switch({npus})@{link}GiB/s,500ns"
    assert nanoseconds("64MiB", network, chunks=1, convention="astra-sim-2") == taken


def test_halving_doubling_of_a_pair_reduces_nothing_in_any_version():
    for name, ends in (("astra-sim", 1 + 1), ("astra-sim-2", 10 + 10), ("astra-sim-2-aware", 10 + 10)):
        hops = 2 if name == "astra-sim-2-aware" else 1  # stored and forwarded at the switch
        taken = nanoseconds("64MiB", "Switch(2)@400GB/s,500ns", chunks=1, convention=name)
        assert taken == pytest.approx(1000 + hops * 2**25 / 400 + ends, abs=1)


@pytest.mark.parametrize("name", ["astra-sim-2", "astra-sim-2-aware"])
def test_the_last_chunk_of_version_2_is_a_whole_one(name):
    network, options = "Ring(8)@100GiB/s,500ns", {"operation": "all-reduce", "chunks": 4, "algorithms": "ring"}
    assert nanoseconds("10000001B", network, convention=name, **options) == 463_625
    assert nanoseconds("10000001B", network, convention="astra-sim-2-2023", **options) == 378_050
    # so a byte beyond five chunks costs what a sixth chunk costs
    cut = ((1001, 5), (1200, 6))
    more, six = (nanoseconds(f"{size}B", network, convention=name, **{**options, "chunks": k}) for size, k in cut)
    assert more == six


def test_the_last_chunk_of_version_1_is_what_is_left():
    network, options = "Ring(8)@100GiB/s,500ns", {"operation": "all-reduce", "algorithms": "ring"}
    whole, byte = (nanoseconds(size, network, chunks=k, convention="astra-sim", **options) for size, k in
                   (("10000000B", 4), ("1B", 1)))  # fmt: skip
    assert nanoseconds("10000001B", network, chunks=4, convention="astra-sim", **options) == whole + byte


def test_a_run_of_one_collective_is_nothing_but_its_phases():
    pair = parse_network("Ring(2)@1GB/s,500ns", "network")
    run = simulate_collective(Collective.REDUCE_SCATTER, 2000, pair.topology, pair.bandwidths, chunks=1,
                              convention=ASTRA_SIM)  # fmt: skip
    assert round(run.time * 1e9) == 500 + 1000 + 1 + 1  # latency, a message of 1000 B, its nanosecond, the phase's


def test_one_counter_gives_all_collectives_their_priority():
    line = parse_network("Ring(4)@1GB/s", "network")
    network = Network(Clock(), line.topology, line.bandwidths, convention=ASTRA_SIM)
    given = []
    network.issue = lambda *_, priority, **__: given.append(priority) or network.clock.event().succeed()
    fabric = ChunkFabric(network, Groups((1,), (4,)), 1)
    for key, urgent in enumerate((True, False, False, True, True, False)):
        fabric.issue(Issue(key, Collective.ALL_REDUCE, 1.0, Axis.DATA, urgent, 0, Pass.FORWARD))
    assert given == [0, 1, 0, -1, 0, 1]


def test_a_group_that_strides_over_a_ring_pays_every_hop(tmp_path):
    options = {"network": "Ring(8)@20GiB/s,500ns", "chunks": 4, "convention": "astra-sim"}
    assert round(train(budget=None, workload=text(tmp_path, STRIDE), **options).time * 1e9) == 71_853


def test_themis_charges_a_split_dimension_as_two(tmp_path):
    network = "FC(4)@150GiB/s,1ns x Ring(8)@30GiB/s,1ns x Switch(16)@90GiB/s,1ns"
    options = {"network": network, "chunks": 16, "convention": "astra-sim", "schedule": "themis"}
    assert round(train(budget=None, workload=text(tmp_path, GATHER), **options).time * 1e9) == 4_709_458


def test_the_loop_counts_a_nanosecond_per_state_and_the_update(tmp_path):
    layer = "a -1 100 ALLREDUCE 1000 100 NONE 0 100 NONE 0 7\n"
    path = text(tmp_path, f"HYBRID_TRANSFORMER model_parallel_NPU_group: 2\n{layer}")
    result = train(budget=None, workload=path, network="Ring(2)@1GB/s,500ns", chunks=1, convention="astra-sim")
    reduced = 2 * (500 + 500 + 1) + 1  # two messages of 500 B
    assert round(result.time * 1e9) == 100 + reduced + 7 + 1 + (100 + 1) + (100 + 1)
    by_physics = train(budget=None, workload=path, network="Ring(2)@1GB/s,500ns", chunks=1)
    assert round(by_physics.time * 1e9) == 300 + 2 * (500 + 500)


def test_what_initiates_recomputation_counts(tmp_path):
    layer = "{} -1 {} NONE 0 1000 NONE 0 1000 NONE 0 10\n"
    layers = "".join(layer.format(f"l{k}", 10**k) for k in range(5))
    path = text(tmp_path, "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 1 "
                f"checkpoints: 1 1 checkpoint_initiates: 1 3\n{layers}")  # fmt: skip
    for name, ticks in (("physical", 0), ("astra-sim", 5 + 1 + 2 + 2 * 5)):
        result = train(budget=None, workload=path, network="Ring(2)@1GB/s", convention=name)
        assert round(result.time * 1e9) == 11_111 + 5 * 2000 + (10 + 100) + ticks  # layers 1 and 2 run again
    assert not train(budget=None, workload=text(tmp_path, "HYBRID_TRANSFORMER model_parallel_NPU_group: 1\n" + layers),
                     network="Ring(2)@1GB/s").simulated.recompute  # fmt: skip


def test_scaled_compute_is_truncated_where_it_is_counted(tmp_path):
    path = text(tmp_path, "HYBRID_TRANSFORMER model_parallel_NPU_group: 1\na -1 10 NONE 0 10 NONE 0 10 NONE 0 10\n")
    options = {"workload": path, "network": "Ring(2)@1GB/s", "compute_scale": 0.26, "budget": None}
    assert train(convention="astra-sim", **options).time * 1e9 == pytest.approx(3 * (2 + 1))
    assert train(**options).time * 1e9 == pytest.approx(3 * 2.6)


def test_where_npu_0_comes_late_themis_finds_the_loads_of_the_collective_before():
    net = parse_network("FC(4)@100GB/s x Ring(4)@90GB/s x Switch(4)@40GB/s", "network")
    network = Network(Clock(), net.topology, net.bandwidths, convention=ASTRA_SIM, schedule=Themis)

    def orders(at):
        network.clock.run(until=at)
        return [plan.order for plan in network.plans(Collective.ALL_REDUCE, 2**24, (4, 4, 4), 8)]

    fresh = orders(1.0)
    assert orders(2.0) == fresh
    network.waited = True
    found = orders(3.0)
    assert found != fresh
    assert orders(4.0) == fresh  # NPU 0 has come in the meantime
