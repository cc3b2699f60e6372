"""Into how many chunks collectives are cut where nobody says."""

from __future__ import annotations

import pytest
from simcore import collective, iteration, train
from simcore.models.network.chunk_counts import COUNTS
from simcore.network import Collective, convention, parse_network, scheduler, simulate_collective

LATENCY = "FC(8)@450GB/s,2us x Switch(8)@50GB/s,5us"
CUBE = "Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us"
HEAD = "(auto: the fastest of 1, 2, 4, ... 64)"
LLAMA = {"network": LATENCY, "budget": None, "workload": "llama-2-70b", "tp": 8, "batch": 1}


def head(result):
    return result.report()[0].text


@pytest.mark.parametrize(
    "given",
    [
        LLAMA,
        {"workload": "1T", "network": "4D", "budget": "325", "schedule": "themis"},
        {"workload": "17B", "network": "Ring(8)@50GB/s,1us x Switch(128)@10GB/s,1us", "budget": None},
        {"workload": "17B", "network": "4D", "budget": "325", "zero": 3},
        {"workload": "17B", "network": "4D", "budget": "1000", "stages": 2},
    ],
)
def test_an_iteration_takes_the_fastest_number(given):
    result = train(**given)
    chosen = result.simulated.settings.chunks
    times = {count: train(chunks=count, **given).time for count in (1, 64, chosen)}
    assert result.time == times[chosen]
    assert result.time <= min(times.values()) * (1 + 1e-9)
    assert HEAD in head(result)
    assert result.as_dict()["chunks"] == chosen
    assert result.fewer is None


def test_llama_on_links_with_latency_does_not_wait_for_64_chunks():
    automatic, many = train(**LLAMA), train(chunks=64, **LLAMA)
    assert automatic.simulated.settings.chunks == 1
    assert automatic.run.exposed < many.run.exposed / 2
    text = " ".join(many.sentences())  # and who asks for 64 is told so, not to buy bandwidth
    assert "Latency is 50% of the time there" in text
    assert "Take fewer chunks, not more bandwidth: with --chunks 1" in text
    assert "Widen" not in text


def test_where_chunks_save_nothing_more_latency_is_named(tmp_path):
    path = tmp_path / "small.txt"
    path.write_text("1\none -1 10 NONE 0 10 NONE 0 10 ALLREDUCE 65536 10\n", encoding="utf-8")
    result = train("Ring(16)@50GB/s,500ns", None, path, tp=1, recompute="none")
    assert result.simulated.settings.chunks == 1
    assert result.sooner == pytest.approx(15e-6 * (1 - 1 / 1.1))  # 30 hops of 0.5 us
    assert result.sooner > 5 * max(result.gains)
    assert result.sentences()[-1].startswith("Shorten latency rather than widen links: with 10% less")


@pytest.mark.parametrize("schedule", ["ascending", "round-robin", "themis", "flex", "latency-aware"])
@pytest.mark.parametrize("size", ["64KiB", "64MiB", "4GiB"])
def test_a_collective_takes_the_fastest_number(schedule, size):
    automatic = collective("all-reduce", size, network=CUBE, schedule=schedule)
    each = [collective("all-reduce", size, network=CUBE, schedule=schedule, chunks=count) for count in COUNTS]
    assert automatic.time <= min(one.time for one in each) * (1 + 1e-9)
    assert (HEAD in head(automatic)) == (schedule != "latency-aware")
    assert not any(HEAD in head(one) for one in each)


@pytest.mark.parametrize("name", ["astra-sim", "astra-sim-2"])
def test_published_conventions_keep_64(name):
    given = {"network": CUBE, "convention": name}
    assert collective("all-reduce", "64MiB", **given).run == collective("all-reduce", "64MiB", chunks=64, **given).run
    given = {"network": "4D", "budget": "325", "workload": "1T", "convention": name}
    automatic, many = train(**given), train(chunks=64, **given)
    assert automatic.run == many.run
    assert "; 64 chunks, ascending" in head(automatic)


def test_scripts_get_it_too():
    pod = parse_network(CUBE)
    few = simulate_collective(Collective.ALL_REDUCE, 2**26, pod.topology, pod.bandwidths)
    assert (few.chunks, few.time) == (4, pytest.approx(515.3e-6, rel=1e-3))
    counted = simulate_collective(
        Collective.ALL_REDUCE, 2**26, pod.topology, pod.bandwidths,
        convention=convention("astra-sim"), schedule=scheduler("themis"),
    )  # fmt: skip
    assert counted.chunks >= 64


def test_an_iteration_of_a_model_takes_the_fastest_number():
    given = {"gpus": 16, "device": "a100-80gb", "tp": 8, "pp": 2, "micro_batch": 1, "global_batch": 4}
    given |= {"loop": "simulate", "stack": "none"}
    result = iteration("gpt-1.3b", **given)
    assert result.simulated is not None
    times = [iteration("gpt-1.3b", chunks=count, **given).simulated.time for count in (1, 64, result.chunks)]
    assert result.simulated.time == min(times)
    assert " ".join(result.report()[0].under.split()).count(HEAD) == 1
    assert result.as_dict()["simulated"]["chunks"] == result.chunks


def test_runs_repeat_with_their_own_inputs():
    for study, arguments in ((collective, ("all-reduce", "64MiB", CUBE)), (train, ("4D", "325", "17B"))):
        result = study(*arguments[:2], network=CUBE) if study is collective else study(*arguments)
        assert study(**result.provenance.inputs).as_dict() == result.as_dict()


def test_equal_times_take_the_fewest_chunks():
    assert collective("all-reduce", "1GiB", network="Ring(4)@200GB/s").run.chunks == 1
