"""``simcore collective``."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from simcore.cli.collective import command
from simcore.cli.main import run
from simcore.errors import InputError
from simcore.outputs import LISTING
from simcore.studies.collective import collective

NETWORK = "Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us"
RING = "Ring(8)@100GiB/s,500ns"


def invoke(*args):
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def refusal(capsys, *args):
    with pytest.raises(SystemExit) as stop:
        run(["collective", *args])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(("simcore: error: ", "Usage"))
    return error


def test_it_prints_time_bound_utilisation_and_why():
    text = invoke("all-reduce", "1GiB", "--network", NETWORK)
    assert "all-reduce of 1 GiB (full buffer per NPU) among 4 x 8 x 4 = 128 NPUs" in text
    assert "each NPU has a full buffer of 1 GiB, a shard of 8 MiB" in text
    assert "1 Ring 4 4 200 GB/s 1.5 GiB 8.065 ms 99.9% limits" in " ".join(text.split())
    assert "time   8.06506 ms, the bound is 67.7% of it" in text
    assert "bound  5.46385 ms (bandwidth 5.463 ms, latency 3.7 us, alpha-beta 5.464 ms)" in text
    assert "Dimension 1 (Ring 4) limits" in text
    assert "20 chunk phases, 21 events" in text


def test_all_gather_counts_the_input_shard():
    text = invoke("all-gather", "1MiB", "--network", RING)
    assert "all-gather of 1 MiB (input shard per NPU)" in text
    assert "ends with a full buffer of 8 MiB" in text
    assert "ends with a shard of 128 KiB" in invoke("reduce-scatter", "1MiB", "--network", RING)


def test_json_has_the_names_that_scripts_read():
    document = json.loads(invoke("all-reduce", "1GiB", "--network", NETWORK, "--json"))
    assert document["time"] == pytest.approx(8.065e-3, rel=1e-3)
    assert document["bound"] == pytest.approx(5.464e-3, rel=1e-3)
    assert document["utilisation"] == pytest.approx([0.999, 0.416, 0.125], abs=1e-3)
    assert (document["limiting_dimension"], document["events"]) == (1, 21)
    assert set(document["bounds"]) == {"bandwidth", "latency", "alpha_beta", "ascending"}
    assert document["bound"] == document["bounds"]["alpha_beta"]
    assert document["full_buffer"] == 2**30
    assert document["shard"] == 2**23
    assert (document["provenance"]["inputs"]["chunks"], document["chunks"]) == ("auto", 4)
    assert document == json.loads(invoke("all-reduce", "1GiB", "--network", NETWORK, "--json"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["1MiB", "--network", NETWORK, "--chunks", "64"], "Latency is 100% of the time there"),
        (["1GiB", "--network", NETWORK, "--chunks", "1"], "no dimension is full"),
        (["1GiB", "--network", NETWORK, "--group", "0-15"], "it uses 3 of the 7 links that share 140 GB/s"),
        (["64MiB", "--network", RING, "--convention", "astra-sim", "--in-flight", "4"], "which no network allows"),
        (["1MiB", "--network", RING, "--convention", "astra-sim-2", "--schedule", "themis"], "had no effect"),
        (["1MiB", "--network", RING, "--group", "3"], "Nothing is sent"),
        (["1GiB", "--network", NETWORK], "In the ascending order dimension 1 alone takes 8.053 ms"),
        (
            ["1GiB", "--network", NETWORK, "--collective-opt", "full-per-dimension"],
            "carries the whole buffer: with --collective-opt local, in the ascending order, dimension 1 alone takes",
        ),
        (["1MiB", "--network", "Switch(6)@100GB/s,1us", "--chunks", "64"], "of this size are folded onto 4 NPUs first"),
    ],
)
def test_it_says_why(options, reason):
    text = " ".join(invoke("all-reduce", *options).split())
    assert reason in text


def test_a_ring_forwards_an_all_to_all():
    text = " ".join(invoke("all-to-all", "64MiB", "--network", RING).split())
    assert "forwards what is sent to others: its busiest link takes 2.29 times as long as a switch" in text


def test_no_chunk_has_less_than_a_byte():
    def chunks(size, *options):
        return json.loads(invoke("all-reduce", size, "--network", NETWORK, "--json", *options))["chunks"]

    assert [chunks(size, "--chunks", "64") for size in ("1B", "5B", "1kB")] == [1, 5, 64]
    assert chunks("64B", "--chunks", "1000") == 64


def test_algorithms_that_ran_are_told():
    options = ["--network", "Switch(6)@50GB/s,10us", "--in-flight", "4", "--json"]
    small, large = (json.loads(invoke("all-reduce", size, *options)) for size in ("64kB", "64MiB"))
    assert (small["algorithms"], large["algorithms"]) == (["folding"], ["ring"])
    assert "are folded onto 4 NPUs first" in " ".join(small["reasons"])
    assert "chunks run a ring, because folding" in " ".join(large["reasons"])
    forced = json.loads(invoke("all-reduce", "64MiB", *options, "--algorithm", "folding"))
    assert forced["time"] > large["time"]
    assert forced["algorithms"] == ["folding"]


def test_an_all_to_all_on_part_of_a_ring_takes_what_its_links_take():
    """Half of a ring is a line: four messages of each side cross its middle link, of half the bandwidth."""
    document = json.loads(invoke("all-to-all", "64MiB", "--network", "Ring(8)@100GB/s", "--group", "0-3", "--json"))
    assert document["time"] == pytest.approx(2**26 / 4 * 4 / 50e9, rel=1e-9)
    assert document["bound"] == pytest.approx(document["time"] / 2)  # no message goes the longer way
    (dimension,) = document["dimensions"]
    assert dimension["ascending"] == pytest.approx(document["time"])
    assert any("all-to-all among 4 of its 8 NPUs" in reason for reason in document["reasons"])
    assert not any("whole bandwidth" in reason for reason in document["reasons"])


@pytest.mark.parametrize("schedule", ["ascending", "round-robin", "themis", "flex", "latency-aware"])
def test_schedules(schedule):
    document = json.loads(invoke("all-reduce", "64MiB", "--network", NETWORK, "--schedule", schedule, "--json"))
    assert document["time"] >= document["bound"]
    if schedule == "latency-aware":
        assert document["efficiency"] > 0.75


def test_options_change_the_run():
    def time(*options):
        words = ("all-reduce", "64MiB", "--network", NETWORK, "--chunks", "64", "--json")
        return json.loads(invoke(*words, *options))["time"]

    assert time("--collective-opt", "full-per-dimension") > 2 * time()
    assert time("--in-flight", "4") < time()
    assert time("--algorithm", "ring,direct,ring") > time()
    assert time("--convention", "astra-sim") == pytest.approx(time(), rel=0.01)


def test_the_zoo_and_its_bandwidths():
    document = json.loads(invoke("all-reduce", "64MiB", "--network", "DGX-like", "--json"))
    assert [row["bandwidth"] for row in document["dimensions"]] == [300e9, 25e9]
    assert "network" in document["provenance"]["sha256"]


def test_a_timeline_and_its_csv(tmp_path):
    trace = tmp_path / "run.json"
    invoke("all-reduce", "1GiB", "--network", NETWORK, "--timeline", str(trace), "--chunks", "4")
    events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert names == ["dimension 1: Ring 4", "dimension 2: FullyConnected 8", "dimension 3: Switch 4"]
    slices = [event for event in events if event["ph"] == "X"]
    assert len(slices) == 20
    with (tmp_path / "run.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20
    assert max(float(row["end_s"]) for row in rows) == pytest.approx(max(e["ts"] + e["dur"] for e in slices) / 1e6)


def test_a_directory_of_results(tmp_path):
    out = tmp_path / "out"
    printed = invoke("all-reduce", "1GiB", "--network", NETWORK, "-o", str(out), "--json")
    found = sorted(path.name for path in out.iterdir())
    assert found == [
        "collective.json", "collective.pdf", "collective.png", "contents.json", "dimensions.csv", LISTING,
        "timeline.csv", "timeline.json",
    ]  # fmt: skip
    assert (out / "collective.json").read_text(encoding="utf-8") == printed
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    invoke("all-reduce", "1GiB", "--network", NETWORK, "-o", str(out), "--force")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("all-reduce", "1GiB", "--network", "Ring(4)@200GB/s x Rng(8)@1GB/s"),
            "column 19: found 'Rng', expected one of",
        ),
        (("all-reduce", "1GiB", "--network", "Ring(4)@200GB/s x FC(8)"), "FC(8) without a bandwidth"),
        (("all-reduce", "1024", "--network", NETWORK), "Add the unit: '1024 GiB' or '1024 B'."),
        (("all-reduce", "1GHz", "--network", NETWORK), "SIZE: found unit 'GHz'"),
        (("all-reduce", "-1GiB", "--network", NETWORK), "SIZE: found '-1GiB', expected a finite size"),
        (("allreduce", "1GiB", "--network", NETWORK), "Did you mean 'all-reduce'?"),
        (("all-reduce", "1GiB", "--network", "4D"), "network 4D, which has dimensions without bandwidth"),
        (("all-reduce", "1GiB", "--network", "5D"), "--network: found '5D'"),
        (
            ("all-reduce", "1GiB", "--network", NETWORK, "--group", "0-128"),
            "--group: found rank 128, expected a subset",
        ),
        (("all-reduce", "1GiB", "--network", NETWORK, "--group", "0-5"), "a group of 6 ranks without rank 6"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--group", "5-0"), "Write 0-5."),
        (("all-reduce", "1GiB", "--network", NETWORK, "--group", "a"), "--group: found 'a'"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--group", "0,0"), "rank 0 twice"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--chunks", "0"), "--chunks: found 0"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--in-flight", "0"), "--in-flight: found 0"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--schedule", "thems"), "Did you mean 'themis'?"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--convention", "astra"), "Did you mean 'astra-sim'?"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--collective-opt", "x"), "one of local, full-per-dimension"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--algorithm", "ring,ring"), "one for all dimensions, or 3"),
        (("all-reduce", "1GiB", "--network", NETWORK, "--convention", "astra-sim-2-aware"), "found 3 dimensions"),
        (("all-reduce", "1GiB"), "--network: found nothing"),
    ],
)
def test_bad_input_is_refused(capsys, args, message):
    assert message in refusal(capsys, *args)


def test_without_a_network_or_anything_it_says_how_to_write_one(capsys):
    written = '--network "Ring(8)@100GB/s"'
    assert refusal(capsys).endswith(f"For example: simcore collective all-reduce 1GiB {written}.\n")
    text = refusal(capsys, "all-reduce", "1GiB")
    assert text.startswith(
        "simcore: error: --network: found nothing, expected the name of a network that has bandwidths"
    )
    assert text.endswith(f"For example: {written}, or DGX-like.\n")


def test_nothing_is_cut_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setattr("simcore.cli.console.terminal_width", lambda: 80)
    lines = invoke("all-reduce", "1GiB", "--network", NETWORK).splitlines()
    assert max(map(len, lines)) <= 80
    assert "2 FC 8 8 140 GB/s 448 MiB 3.361 ms 41.6%" in [" ".join(line.split()) for line in lines]


def test_the_caret_stands_under_the_place(capsys):
    lines = refusal(capsys, "all-reduce", "1GiB", "--network", "Ring(4)@200GB/s x Rng(8)@1GB/s").splitlines()
    assert lines[1].index("Rng") == lines[2].index("^")


def test_an_existing_directory_is_refused_before_the_work(capsys, tmp_path):
    message = refusal(capsys, "all-reduce", "1GiB", "--network", NETWORK, "-o", str(tmp_path))
    assert message.startswith(f"simcore: error: -o {tmp_path}: found a path that exists")
    assert "--force" in message


def test_help_loads_nothing_heavy():
    code = (
        "import sys, simcore.cli.collective;"
        "heavy = ('numpy', 'scipy', 'networkx', 'matplotlib', 'pydantic', 'rich', 'simpy');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_trace_is_never_overwritten_by_its_csv(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal(capsys, "all-reduce", "1MiB", "--network", NETWORK, "--timeline", "t.csv")
    assert "--timeline: found 't.csv', expected a name for the trace, such as 't.json'" in message
    assert list(tmp_path.iterdir()) == []


def test_nothing_sent_is_no_share_of_a_bound():
    for arguments, why in ((("0B",), "the buffer is empty"), (("1MiB", "--group", "0"), "the group is one NPU")):
        text = invoke("all-reduce", *arguments, "--network", NETWORK)
        assert "time   0 s, nothing is sent" in text
        assert f"Nothing is sent: {why}." in text
    assert "among 1 NPU," in text
    document = json.loads(invoke("all-reduce", "0B", "--network", NETWORK, "--json"))
    assert document["efficiency"] is None
    text = " ".join(invoke("all-reduce", "0.5B", "--network", NETWORK, "--convention", "astra-sim").split())
    assert "the buffer has not one whole byte, and the convention counts whole ones" in text


def test_what_is_one_is_not_many():
    text = invoke("all-reduce", "1MiB", "--network", "Switch(6)@50GB/s,1us", "--chunks", "1")
    assert "1 chunk, 1 in flight" in text
    assert "1 chunk phase, 2 events" in text


def test_half_a_ring_is_no_latency():
    text = invoke("all-reduce", "1GiB", "--network", "Ring(8)@200GB/s,500ns", "--convention", "astra-sim-2")
    assert "Latency is" not in text
    assert "one way, with half of its 200 GB/s" in text
    small = invoke("all-reduce", "64KiB", "--network", "Ring(8)@200GB/s,500ns", "--convention", "astra-sim-2")
    assert "Latency is 9" in small
    assert "latency-aware tries" not in small
    physical = ("all-reduce", "64KiB", "--network", "Ring(8)@200GB/s,500ns")
    hint = "--chunks auto or --schedule latency-aware tries them"
    assert hint in " ".join(invoke(*physical, "--chunks", "64").split())
    assert "tries them" not in invoke(*physical)  # auto has tried them


@pytest.mark.parametrize("options", [{"algorithms": "ring"}, {"group": "0-3"}])
def test_links_that_stay_idle_are_no_latency(options):
    """A ring over a full mesh sends on one of seven links at a time, half of its NPUs have three."""
    network = "FC(8)@140GB/s,500ns"
    assert "Latency" not in " ".join(collective("all-reduce", "1GiB", network=network, **options).sentences())
    small = " ".join(collective("all-reduce", "64KiB", network=network, chunks=64, **options).sentences())
    assert "Latency is 9" in small


@pytest.mark.parametrize(("size", "what"), [("6KiB", "are folded onto 4 NPUs first"), ("1GiB", "run a ring, because")])
def test_folding_is_told_as_it_was(size, what):
    text = " ".join(invoke("all-reduce", size, "--network", "Switch(6)@50GB/s,5us").split())
    assert f"chunks of this size {what}" in text


def test_one_npu_in_a_dimension_is_idle():
    assert "Ring 1 (idle)" in invoke("all-reduce", "1MiB", "--network", "Ring(1)@5GB/s x Switch(4)@5GB/s")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"chunks": 2.5}, "chunks: found 2.5, expected a whole number from 1"),
        ({"chunks": "64"}, "chunks: found '64', expected auto, or a whole number from 1"),
        ({"in_flight": 1.0}, "in_flight: found 1.0, expected a whole number from 1"),
        ({"size": None}, "size: found None, expected a finite size"),
    ],
)
def test_numbers_that_are_none_are_refused_in_python(changes, place):
    with pytest.raises(InputError) as refused:
        collective(**({"collective": "all-reduce", "size": "1GiB", "network": NETWORK} | changes))
    assert str(refused.value).startswith(place)


@pytest.mark.parametrize("size", ["-5MiB", "-5", "-.5GiB"])
def test_a_size_below_0_is_refused_as_one(capsys, size):
    message = refusal(capsys, "all-reduce", size, "--network", NETWORK)
    assert f"SIZE: found '{size}', expected a finite size of at least 0" in message


@pytest.mark.parametrize(("group", "factor"), [("0,2,4,6", "carry it alone as fast"), ("0-3", "would take 2 times")])
def test_part_of_a_ring_has_the_hops_of_the_real_ring_and_says_what_its_links_give(group, factor):
    result = collective("all-reduce", "8 B", network="Ring(8)@100GB/s,1us", group=group, chunks=1)
    # six steps of two hops, or three there and three back of two single hops and the way back over the line
    assert result.time == pytest.approx({"0,2,4,6": 12e-6, "0-3": 10e-6}[group], rel=1e-3)
    text = " ".join(result.sentences())
    assert factor in text
    assert "Latency is 100% of the time" in text
    assert result.positions == [{"0,2,4,6": [0, 2, 4, 6], "0-3": [0, 1, 2, 3]}[group]]


def test_latency_aware_says_where_another_schedule_is_faster():
    """Five dimensions of decreasing bandwidth: its family has too few orders there."""
    network = (
        "Ring(2)@250GB/s,500ns x FC(8)@200GB/s,500ns x Ring(8)@100GB/s,500ns x Switch(32)@50GB/s,1us "
        "x Switch(32)@25GB/s,2us"
    )

    def document(schedule):
        return json.loads(invoke("all-gather", "1GiB", "--network", network, "--json", "--schedule", schedule))

    ours, theirs = document("latency-aware"), document("themis")
    assert theirs["time"] < ours["time"]
    (reason,) = [reason for reason in ours["reasons"] if "fixed family" in reason]
    assert reason.startswith(f"The schedule themis takes {theirs['time']:.1f} s here, ")
    assert not [reason for reason in theirs["reasons"] if "fixed family" in reason]


def test_algorithms_name_what_ran():
    network = "Ring(4)@9GB/s x Switch(4)@9GB/s"
    found = json.loads(invoke("all-to-all", "1MiB", "--network", network, "--json"))
    assert found["algorithms"] == ["direct", "direct"]
    assert found["provenance"]["inputs"]["algorithms"] == ["ring", "halving-doubling"]
    assert not [reason for reason in found["reasons"] if "had no effect" in reason]
    other = json.loads(invoke("all-to-all", "1MiB", "--network", network, "--algorithm", "halving-doubling", "--json"))
    assert "An all-to-all is sent directly: halving-doubling had no effect." in other["reasons"]
    assert other["time"] == found["time"]


@pytest.mark.parametrize(
    ("text", "written_out"),
    [
        ("topology: Ring\nnpus_count: 8\nbandwidth: 50\nlatency: 500\n", "Ring(8)@50GB/s,500ns"),
        (
            '{"topologies-per-dim": ["Switch", "Ring"], "units-count": [4, 4], "links-count": [3, 2],'
            ' "link-bandwidth": [20, 5], "link-latency": [400, 300]}',
            "Switch(4)@60GB/s,400ns x Ring(4)@10GB/s,300ns",
        ),
    ],
)
def test_a_network_file_of_astra_sim_runs_as_the_network_written_out(tmp_path, text, written_out):
    path = tmp_path / "net"
    path.write_text(text, encoding="utf-8")
    ours, theirs = (
        json.loads(invoke("all-reduce", "1MiB", "--network", network, "--json")) for network in (str(path), written_out)
    )
    assert ours["dimensions"] == theirs["dimensions"]
    assert ours["time"] == theirs["time"]


def test_what_a_file_leaves_open_is_warned_of(tmp_path):
    path = tmp_path / "net.yml"
    path.write_text("topology: FC\nnpus_count: 5\nbandwidth: 50\nlatency: 500\n", encoding="utf-8")
    (warning,) = json.loads(invoke("all-reduce", "1MiB", "--network", str(path), "--json"))["warnings"]
    assert warning.endswith("ASTRA-sim 2 gives them to each link: write 200 for that.")
