"""A slow rank: its own program is the iteration, as a simulation of every NPU says."""

import pytest
from simcore import train
from simcore.errors import InputError
from simcore.network import Clock, Collective, GroupCollective, Network, simulate_ranks
from simcore.readers.network_string import parse_network


def test_the_iteration_is_that_of_the_slow_rank():
    options = {"chunks": 4}
    slow = train("4D", "325", "1T", slow="rank=3,compute=1.2", **options)
    all_slow = train("4D", "325", "1T", compute_scale=1.2, **options)
    plain = train("4D", "325", "1T", **options)
    assert (slow.time, slow.slow.time_without) == (all_slow.time, plain.time)
    assert slow.as_dict()["slow"] == {
        "rank": 3, "compute": 1.2, "bandwidth": 1.0, "dimension": None, "time_without": plain.time
    }  # fmt: skip
    links = train("4D", "325", "1T", slow="rank=3,bandwidth=0.5,dimension=1", **options)
    assert links.time > plain.time
    assert links.deployment.bandwidths[0] == plain.deployment.bandwidths[0] / 2


def test_every_npu_ends_when_the_slow_one_does():
    square = parse_network("Ring(2)@1GB/s x Switch(2)@1GB/s", "network")
    groups = {rank: [(rank // 2 * 2, rank // 2 * 2 + 1), (rank % 2, rank % 2 + 2)] for rank in range(4)}
    program = {
        rank: [2.0 if rank == 3 else 1.0, *(GroupCollective(Collective.ALL_REDUCE, 1e9, ranks, 1) for ranks in of)]
        for rank, of in groups.items()
    }
    run = simulate_ranks(Network(Clock(), square.topology, square.bandwidths), program)
    assert list(run.finished.values()) == pytest.approx([2.0 + 1.0 + 1.0] * 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("compute=1.2", "found no rank"),
        ("rank=4096,compute=2", "found rank=4096, expected rank=N, from 0 to 1023"),
        ("rank=1,compute=0.5", "found compute=0.5"),
        ("rank=1,bandwidth=2", "found bandwidth=2"),
        ("rank=1,dimension=9", "from 1 to 4"),
        ("rank=1,speed=2", "found 'speed=2', expected one of rank, compute, bandwidth, dimension"),
        ("rank=1,rank=2", "each once"),
    ],
)
def test_a_slow_rank_that_cannot_be_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        train("4D", "325", "1T", chunks=1, slow=text)


def test_not_with_stages():
    with pytest.raises(InputError, match="pipeline stages"):
        train("4D", "325", "1T", chunks=1, stages=2, slow="rank=1,compute=2")
