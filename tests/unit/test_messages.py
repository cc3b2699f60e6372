"""Collectives as messages: hand-computed cases per shape, the links of dimensions, and programs that go wrong."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore import collective, messages
from simcore.errors import InputError
from simcore.models.network.algorithms import Algorithm
from simcore.models.network.collectives import Collective
from simcore.models.network.messages.fabric import Routing
from simcore.models.network.messages.patterns import program_of
from simcore.models.network.messages.program import checked
from simcore.models.network.messages.shapes import torus
from simcore.models.network.messages.simulate import simulate_sends
from simcore.readers.fabrics import read_fabric

from tests.cli.commands import printed

GB = 1e9


def file(folder, text, name="fabric.yaml"):
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("text", ["Ring(8)@1GB/s,1us", "Switch(8)@1GB/s,1us", "FC(8)@1GB/s,1us"])
@pytest.mark.parametrize("kind", ["all-reduce", "reduce-scatter", "all-gather", "all-to-all"])
def test_one_dimension_is_as_the_chunk_simulation_has_it(text, kind):
    how = "ring" if text.startswith("Ring") and kind != "all-to-all" else "direct"
    here = messages(kind, "8MB", network=text, algorithm=how)
    there = collective(kind, "8MB", network=text, algorithms=how, chunks=1)
    assert here.time == pytest.approx(there.time, rel=5e-4)
    assert here.time >= here.bound * (1 - 1e-12) >= here.aggregate_bound * (1 - 1e-9)


# shape, collective, seconds by hand; messages of an all-to-all among n NPUs of 1 GB each, links of 1 GB/s
BY_HAND = {
    # of a line of 4 the middle link carries what 2 NPUs send to 2: 4 GB; round the ring 2 GB
    "mesh": ("shape: torus\nsizes: [4]\nwrap: false\nbandwidth: 1 GB/s", "4GB", 4.0),
    "torus": ("shape: torus\nsizes: [4]\nbandwidth: 1 GB/s", "4GB", 2.0),
    # open in the second dimension alone: a column of 2 carries what 2 NPUs send to the 2 of the other row, in 2 columns
    "part": ("shape: torus\nsizes: [2, 2]\nwrap: [true, false]\nbandwidth: 1 GB/s", "4GB", 2.0),
    # 4 x 4 messages go from leaf to leaf over 4 x 1 / 2 = 2 GB/s; without oversubscription 7 GB leave each NPU
    "fat tree, oversubscribed": (
        "shape: fat-tree\nleaves: 2\nnpus: 4\nspines: 2\nbandwidth: 1 GB/s\noversubscription: 2", "8GB", 8.0,
    ),
    "fat tree": ("shape: fat-tree\nleaves: 2\nnpus: 4\nspines: 2\nbandwidth: 1 GB/s", "8GB", 7.0),
    # over a rail go an NPU's own message along it, and half of its own and its neighbour's messages across
    "rails": (
        "shape: rail-optimised\nnodes: 2\ngpus: 2\nnode_bandwidth: 10 GB/s\nbandwidth: 1 GB/s", "4GB", 2.0,
    ),
    # 2 x 2 messages over the one link of a pair of groups of 2
    "dragonfly": (
        "shape: dragonfly\ngroups: 3\nrouters: 2\nnpus: 1\nbandwidth: 9 GB/s\nlocal: 9 GB/s\nbetween: 1 GB/s",
        "6GB", 4.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND)
def test_a_shape_takes_what_a_hand_computes(tmp_path, case):
    text, size, seconds = BY_HAND[case]
    result = messages("all-to-all", size, network=file(tmp_path, text))
    assert result.time == pytest.approx(seconds, rel=1e-9)
    assert result.bound == pytest.approx(seconds, rel=1e-9)


def test_levels_behind_one_port_share_it():
    tree = "Switch(4)@nic=50GB/s x Switch(4)@nic"
    assert messages("all-reduce", "17GB", network=tree).time == pytest.approx(2 * 15 / 16 * 17 / 50)
    assert messages("all-to-all", "16GB", network=tree).time == pytest.approx(15 / 50)


def test_one_npu_may_take_more_of_an_oversubscribed_uplink_than_its_part():
    tree = "Switch(4)@nic=40GB/s x Switch(2)@nic/4"
    # 2 x 4 x 4 messages of 1 GB cross 4 x 10 GB/s of uplink in each direction: 16 / 40
    assert messages("all-to-all", "8GB", network=tree).time == pytest.approx(16 / 40)
    pair = messages("all-gather", "1GB", network=tree, group="0,4")
    assert pair.time == pytest.approx(1 / 40)  # and not 1 / 10


def test_a_hash_lets_routes_collide(tmp_path):
    path = file(tmp_path, "shape: fat-tree\nleaves: 2\nnpus: 4\nspines: 4\nbandwidth: 1 GB/s\noversubscription: 2")
    even = messages("all-to-all", "8GB", network=path)
    hashed = [messages("all-to-all", "8GB", network=path, routing="hashed", seed=seed) for seed in range(3)]
    assert all(one.time > even.time and one.time >= one.bound * (1 - 1e-12) for one in hashed)
    assert len({one.time for one in hashed}) > 1
    assert "times the load of the mean link" in hashed[0].sentences()[-1]


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3), st.booleans(), st.sampled_from(list(Collective)),
    st.sampled_from([Algorithm.RING, Algorithm.DIRECT]), st.sampled_from(list(Routing)), st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_time_is_below_the_bounds_and_twice_the_bandwidth_halves_it(sizes, wrap, kind, how, routing, seed):
    npus = 1
    for size in sizes:
        npus *= size
    if npus < 2:
        return
    program = checked(program_of(kind, npus, how))
    times = []
    for bandwidth in (1 * GB, 2 * GB):
        made = torus(sizes, [wrap] * len(sizes), bandwidth, 0.0)
        fabric = type(made)(made.name, made.npus, made.links, routing, seed)
        run = simulate_sends(program, fabric, 1e6, tuple(range(npus)))
        busiest = max(run.carried) / bandwidth
        assert run.time >= busiest * (1 - 1e-9)
        hops = sum(
            sum(fabric.route(each.source, each.target).shares.values()) * 1e6 * len(each.chunks)
            for each in program.program.sends
        )
        assert sum(run.carried) == pytest.approx(hops)
        times.append(run.time)
    assert times[0] == pytest.approx(2 * times[1], rel=1e-9)


PROGRAM = """collective: all-gather
npus: 2
chunks: 2
sends:
"""


def test_a_program_of_ones_own_is_timed(tmp_path):
    # a pair exchanges shards of 1 GB, then nothing is left to do
    path = file(tmp_path, PROGRAM + "- {from: 0, to: 1, chunk: 0}\n- {from: 1, to: 0, chunk: 1}\n", "swap.yaml")
    assert messages(path, "1GB", network="Switch(2)@1GB/s,1us").time == pytest.approx(1 + 2e-6)
    one_by_one = PROGRAM + "- {from: 0, to: 1, chunk: 0, id: a}\n- {from: 1, to: 0, chunk: 1, after: a}\n"
    result = messages(file(tmp_path, one_by_one, "turns.yaml"), "1GB", network="Switch(2)@1GB/s")
    assert result.time == pytest.approx(2.0)
    assert result.critical.column("message") == [1, 2]


def test_channels_take_turns(tmp_path):
    sends = "".join(f"- {{from: 0, to: {to}, chunk: 0, channel: 0}}\n" for to in (1, 2))
    sends += "".join(f"- {{from: {i}, to: {j}, chunk: {i}}}\n" for i in (1, 2) for j in range(3) if i != j)
    text = f"collective: all-gather\nnpus: 3\nchunks: 3\nsends:\n{sends}"
    result = messages(file(tmp_path, text, "turns.yaml"), "1GB", network="FC(3)@2GB/s")
    first, second = result.table[0], result.table[1]
    assert (first["end"], second["start"]) == (pytest.approx(1.0), pytest.approx(1.0))


@pytest.mark.parametrize(
    ("sends", "message"),
    [
        (["{from: 0, to: 1, chunk: 0}"], "NPU 0 without chunk 1 in the end"),
        (["{from: 0, to: 1, chunk: 1}"], "chunk 1, which NPU 0 does not hold then"),
        (["{from: 0, to: 1, chunk: 0, id: a, after: b}", "{from: 1, to: 0, chunk: 1, id: b, after: a}"], "a deadlock"),
        (["{from: 0, to: 1, chunk: 0, after: z}"], "after 'z', which no send is called"),
        (["{from: 0, to: 2, chunk: 0}"], "NPU 2"),
        (["{from: 0, to: 0, chunk: 0}"], "a message to itself"),
        (["{from: 0, to: 1, chunk: 2}"], "chunk 2"),
        (["{from: 0, to: 1, chunk: 0, reduce: true}"], "an addition to nothing"),
    ],
)  # fmt: skip
def test_a_program_that_is_wrong_is_named(tmp_path, sends, message):
    path = file(tmp_path, PROGRAM + "".join(f"- {send}\n" for send in sends), "wrong.yaml")
    with pytest.raises(InputError) as error:
        messages(path, "1GB", network="Switch(2)@1GB/s")
    assert message in str(error.value)
    assert "wrong.yaml" in str(error.value)


def test_a_part_that_is_added_twice_is_named(tmp_path):
    twice = "{from: 0, to: 1, chunk: 1, reduce: true}"
    text = "collective: reduce-scatter\nnpus: 2\nchunks: 2\nsends:\n" + f"- {twice}\n" * 2
    with pytest.raises(InputError, match="the part of NPU 0 a second time in chunk 1"):
        messages(file(tmp_path, text), "1GB", network="Switch(2)@1GB/s")


LINK = "- {from: 0, to: 1, bandwidth: 1 GB/s}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("npus: 2\nlinks:\n- {from: 0, to: 5, bandwidth: 1 GB/s}", "NPU 5"),
        ("npus: 3\nlinks:\n- {from: 0, to: 1, bandwidth: 1 GB/s}", "no way from"),
        (f"npus: 2\nlinks:\n{LINK}{LINK}", "a second link"),
        ("npus: 2\nlinks:\n- {from: 0, to: 1, bandwidth: 1}", "without a unit"),
        ("shape: pyramid", "shape"),
        ("shape: torus\nsizes: [4, 4]\nwrap: [true]\nbandwidth: 1 GB/s", "1 entries"),
        ("shape: torus\nsizes: [4]\nwrap: maybe\nbandwidth: 1 GB/s", "line 3, field 'wrap': found 'maybe'"),
        ("shape: torus\nsizes: [4096, 4096]\nbandwidth: 1 GB/s", "16,777,216 NPUs"),
    ],
)  # fmt: skip
def test_a_network_that_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        messages("all-to-all", "1MB", network=file(tmp_path, text))
    assert message in str(error.value)


def test_links_of_ones_own(tmp_path):
    text = (
        "npus: 2\nlinks:\n- {from: 0, to: up, bandwidth: 1 GB/s, latency: 1 us}\n- {from: up, to: 1, bandwidth: 2 GB/s}"
    )
    path = file(tmp_path, text)
    made = json.loads(printed("messages", "all-gather", "1GB", "--network", path, "--json"))
    assert made["time"] == pytest.approx(1 + 1e-6)
    assert {(row["from"], row["to"]) for row in made["links"]} == {("0", "up"), ("up", "0"), ("up", "1"), ("1", "up")}
    for group, message in (("0,0", "twice"), ("0-2", "NPU 2"), ("1", "at least two")):
        with pytest.raises(InputError, match=message):
            messages("all-gather", "1GB", network=path, group=group)
    with pytest.raises(InputError, match="all-reduce"):
        messages("all-reduse", "1GB", network=path)


@pytest.mark.parametrize(("size", "bytes_", "latency", "seconds"), [("1kB", 1e3, "1 s", 1.0), ("1 B", 1, "1e9 s", 1e9)])
def test_messages_far_shorter_than_the_time_by_then_end(tmp_path, size, bytes_, latency, seconds):
    text = f"npus: 2\nlinks: [{{from: 0, to: 1, bandwidth: 9 GB/s, latency: {latency}}}]\n"
    result = messages("all-reduce", size, network=file(tmp_path, text))
    assert result.time == pytest.approx(2 * (seconds + bytes_ / 2 / (9 * GB)), rel=1e-12)  # halves, there and back


@pytest.mark.parametrize(
    "text",
    [
        "{shape: fat-tree, leaves: 2048, npus: 2, spines: 4096, bandwidth: 1 GB/s}",
        "{shape: rail-optimised, nodes: 1, gpus: 4096, spines: 4096, bandwidth: 1 GB/s, node_bandwidth: 1 GB/s}",
        "{shape: dragonfly, groups: 4096, routers: 1, npus: 1, bandwidth: 1 GB/s, local: 1 GB/s, between: 1 GB/s}",
        "{shape: dragonfly, groups: 2, routers: 2048, npus: 1, bandwidth: 1 GB/s, local: 1 GB/s, between: 1 GB/s}",
    ],
)
def test_a_shape_has_as_many_links_as_may_be_written_out(tmp_path, text):
    with pytest.raises(InputError, match=r"fabric.yaml: found [0-9,]+ links, expected 200,000 at most"):
        read_fabric(file(tmp_path, text))


@pytest.mark.parametrize("kind", ["all-reduce", "reduce-scatter", "all-gather", "all-to-all"])
def test_a_program_of_too_many_places_is_refused_at_once(tmp_path, kind):
    text = f"{{collective: {kind}, npus: 2000, chunks: 200000, sends: [{{from: 0, to: 1, chunk: 1}}]}}"
    with pytest.raises(InputError, match="found 200,000 chunks for 2,000 NPUs, expected 2,000,000 at most, multiplied"):
        messages(file(tmp_path, text), "1kB", network="Switch(4)@9GB/s")


def test_two_sends_have_no_name_in_common(tmp_path):
    sends = "[{from: 0, to: 1, chunk: 0, id: a}, {from: 1, to: 0, chunk: 1, id: a}]"
    text = f"{{collective: all-gather, npus: 2, chunks: 2, sends: {sends}}}"
    with pytest.raises(InputError, match="send 2 'a' of chunk 1 from 1 to 0: found a second send of this name"):
        messages(file(tmp_path, text), "1kB", network="Switch(2)@9GB/s")
