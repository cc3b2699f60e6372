"""``simcore train``."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import simcore
from click.testing import CliRunner
from simcore.cli.main import run
from simcore.cli.train import command
from simcore.errors import InputError
from simcore.outputs import LISTING

ASTRA = ["--workload-variant", "evaluation", "--compute-scale", "0.26", "--convention", "astra-sim"]
FOUR = " x ".join(f"{block}@81.25GiB/s,1ns" for block in ("Ring(2)", "FC(8)", "Ring(8)", "Switch(8)"))


def invoke(*args):
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def warned(*args):
    """Return what a run warns of on standard error."""
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0
    assert "Warning" not in result.stdout
    return [line.removeprefix("simcore: warning: ") for line in result.stderr.splitlines()]


def document(*args):
    return json.loads(invoke(*args, "--json"))


def refusal(capsys, *args, status=2):
    with pytest.raises(SystemExit) as stop:
        run(["train", *args])
    assert stop.value.code == status
    return capsys.readouterr().err


def test_it_prints_where_the_time_goes():
    text = invoke("4D", "325", "1T")
    assert text.startswith("4D, 325 GB/s per NPU; two blocks of 1T (TP 128 x DP 8, optimizer workload); loop simulate")
    for part in (
        "compute",
        "exposed communication",
        "tensor-parallel",
        "data-parallel",
        "no schedule beats",
        "closed form",
    ):
        assert part in text
    assert "Ring 2 Tile" in text
    assert "concat1" in text
    assert "Dimension 1 is the busiest of the collectives behind 100.0% of the waiting." in text
    assert "Widen dimension 1: with 10% more bandwidth there the iteration takes" in text


def test_nothing_is_cut_on_a_narrow_terminal(monkeypatch):
    wide = invoke("4D", "325", "1T")
    monkeypatch.setattr("simcore.cli.console.terminal_width", lambda: 80)
    narrow = invoke("4D", "325", "1T")
    assert max(map(len, narrow.splitlines())) <= 80
    words = [{word for word in text.split("events")[0].split() if "─" not in word} for text in (narrow, wide)]
    assert words[0] == words[1]


def test_json_has_the_names_that_scripts_rely_on():
    found = document("4D", "325", "1T")
    assert found["iteration_time"] == pytest.approx(found["compute_time"] + found["exposed_communication"])
    assert found["exposed_communication"] == pytest.approx(sum(found["exposed"].values()))
    assert sum(row["exposed"] for row in found["layers"]) == pytest.approx(found["exposed_communication"])
    assert sum(row["exposed"] for row in found["dimensions"]) == pytest.approx(found["exposed_communication"])
    assert 0 < found["bound"] <= found["iteration_time"]
    assert found["limiting_dimension"] == found["widen"] == 1
    assert len(found["utilisation"]) == 4
    assert found["events"] > 0


def test_a_written_network_gives_what_astra_sim_measured(shared):
    found = document("1T", "--network", FOUR, *ASTRA)
    with (shared / "data" / "network" / "astra_training.csv").open(encoding="utf-8") as stream:
        (row,) = [
            row
            for row in csv.DictReader(stream)
            if (row["net"], row["workload"], row["bw_setup"]) == ("4D", "1T", "equal_325")
        ]
    assert found["iteration_time"] == pytest.approx(float(row["result_ns"]) * 1e-9, rel=1e-3)


def test_a_network_of_the_zoo_may_bring_its_bandwidths():
    found = document("175B", "--network", "DGX-like")
    assert found["bandwidths"] == [300e9, 25e9]
    assert found["provenance"]["inputs"]["network"] == "DGX-like"


def test_bandwidths_of_a_network_that_are_not_used_are_warned_of():
    """What is given on the command line wins, with a sentence; the same bandwidths need none."""
    (warning,) = warned("DGX-like", "325", "1T")
    assert warning.startswith("Network DGX-like comes with bandwidths of its own, 300,25 GB/s, which are not used")
    assert "--network DGX-like in place of NETWORK and BUDGET uses them" in warning
    own, given = document("1T", "--network", "DGX-like"), document("DGX-like", "325", "1T", "--split", "300,25")
    assert own["iteration_time"] == given["iteration_time"]
    assert own["bandwidths"] == given["bandwidths"] == [300e9, 25e9]
    assert [own["warnings"], given["warnings"]] == [[], []]
    for split, how in (("optimal", "the budget is split as is best"), ("200,125", "those of --split take their place")):
        (warning,) = document("DGX-like", "325", "1T", "--split", split)["warnings"]
        assert f"which are not used: {how}." in warning


RING = "topology: [Ring]\nnpus_count: [8]\nbandwidth: [50.0]\nlatency: [500.0]\n"


@pytest.mark.parametrize("more", ["", "network-type: [Pod]\n"])
def test_a_network_file_of_astra_sim_keeps_its_latency(tmp_path, more):
    """As simcore's own format says it, and with or without a budget."""
    (tmp_path / "own.yml").write_text("dimensions: [{block: Ring, size: 8, latency: 500 ns}]\n", encoding="utf-8")
    (tmp_path / "theirs.yml").write_text(RING + more, encoding="utf-8")
    how = ("175B", "--tp", "8", "--dp", "1", "--chunks", "2")
    own, theirs = (document(str(tmp_path / name), "50", *how) for name in ("own.yml", "theirs.yml"))
    alone = document(*how, "--network", str(tmp_path / "theirs.yml"))
    assert own["iteration_time"] == theirs["iteration_time"] == alone["iteration_time"]
    assert own["iteration_time"] == pytest.approx(2.0695705, abs=5e-8)
    assert [own["warnings"], theirs["warnings"], alone["warnings"]] == [[], [], []]


def test_a_network_without_latency_is_told(tmp_path):
    path = tmp_path / "net.yml"
    path.write_text("Topology: [Ring]\nNpusCount: [8]\nCostDimension: [Pod]\n", encoding="utf-8")
    (warning,) = document(str(path), "50", "175B", "--tp", "8", "--dp", "1")["warnings"]
    assert "says nothing of latency" in warning


def test_a_budget_left_out_is_told_of_the_option(capsys):
    message = refusal(capsys, "DGX-like", "1T")
    assert "Or leave BUDGET out: simcore train 1T --network DGX-like." in message


GRADIENTS = "3\n" + "".join(f"layer{n} -1 1000 NONE 0 1000 NONE 0 1000 ALLREDUCE 65536 10\n" for n in range(3))
SLOW_LINKS = ("--network", "Ring(16)@50GB/s,500ns", "--tp", "1", "--recompute", "none")


def test_where_latency_dominates_the_advice_is_fewer_chunks(tmp_path):
    """Three gradients in 64 chunks of 30 hops of 0.5 us each are 2.88 ms of latency."""
    path = tmp_path / "small.txt"
    path.write_text(GRADIENTS, encoding="utf-8")
    many, one = (document(str(path), *SLOW_LINKS, "--chunks", count) for count in ("64", "1"))
    latency = 3 * 64 * 30 * 0.5e-6
    sent = 3 * 2 * 15 / 16 * 65536 / 50e9
    assert many["latency_shares"] == pytest.approx([latency / (latency + sent)])
    assert many["iteration_time"] == pytest.approx(latency + sent, rel=5e-3)
    assert many["fewer_chunks"] == {"chunks": 1, "time": one["iteration_time"]}
    text = " ".join(invoke(str(path), *SLOW_LINKS, "--chunks", "64").split())
    assert "Latency is 100% of the time there: links send for 7.373 us only." in text
    alone = f"{one['iteration_time'] * 1e6:.7g} us"
    assert f"Take fewer chunks, not more bandwidth: with --chunks 1 the iteration takes {alone}," in text
    assert "Widen" not in text
    assert many["reasons"][-1].startswith("Take fewer chunks")


def test_one_chunk_pays_latency_once_and_may_be_widened():
    found = document("17B", "--network", "Ring(8)@50GB/s,1us x Switch(128)@10GB/s,1us", "--chunks", "1")
    assert found["fewer_chunks"] is None
    assert found["reasons"][-1].startswith("Widen dimension")


def test_a_schedule_that_takes_fewer_chunks_by_itself_is_not_told_to(tmp_path):
    path = tmp_path / "small.txt"
    path.write_text(GRADIENTS, encoding="utf-8")
    assert document(str(path), *SLOW_LINKS, "--schedule", "latency-aware")["fewer_chunks"] is None
    # ASTRA-sim 2 runs the ascending one, so that fewer chunks help there
    counting = ("--convention", "astra-sim-2", "--chunks", "64")
    counted = document(str(path), *SLOW_LINKS, "--schedule", "latency-aware", *counting)
    assert counted["fewer_chunks"]["time"] < counted["iteration_time"]


def test_algorithms_name_what_ran(tmp_path):
    path = tmp_path / "exchange.txt"
    path.write_text("1\nmoe -1 10 ALLTOALL 4096 10 NONE 0 10 ALLREDUCE 4096 10\n", encoding="utf-8")
    found = document(str(path), "--network", "Ring(4)@9GB/s x Switch(2)@9GB/s", "--tp", "4", "--recompute", "none")
    assert found["algorithms"] == {"all-to-all": ["direct", None], "all-reduce": [None, "halving-doubling"]}


def test_splits():
    equal, best = document("4D", "325", "1T"), document("4D", "325", "1T", "--split", "optimal")
    assert equal["bandwidths"] == [81.25e9] * 4
    assert sum(best["bandwidths"]) == pytest.approx(325e9)
    assert best["iteration_time"] < equal["iteration_time"]
    given = document("4D", "325", "1T", "--split", "200,75,37.5,12.5")
    assert given["bandwidths"] == [200e9, 75e9, 37.5e9, 12.5e9]


def test_loops_and_compute_scale():
    times = {
        loop: document("4D", "325", "1T", "--loop", loop, "--recompute", "none")["iteration_time"]
        for loop in ("NoOverlap", "Overlap", "simulate")
    }
    assert times["simulate"] <= times["Overlap"] <= times["NoOverlap"]
    half = document("4D", "325", "1T", "--compute-scale", "0.5")
    assert half["compute_time"] == pytest.approx(document("4D", "325", "1T")["compute_time"] / 2)


@pytest.mark.parametrize("schedule", ["round-robin", "themis", "flex", "latency-aware"])
def test_schedules_balance_what_the_ascending_one_does_not(schedule):
    ascending = document("4D", "325", "1T")
    found = document("4D", "325", "1T", "--schedule", schedule)
    assert found["bound"] <= found["iteration_time"] < ascending["iteration_time"]


def test_a_schedule_that_the_convention_does_not_know_is_told_to_have_had_no_effect():
    arguments = ["4D", "325", "1T", "--convention", "astra-sim-2"]
    plain, themis = document(*arguments), document(*arguments, "--schedule", "themis")
    assert themis["iteration_time"] == plain["iteration_time"]
    assert (themis["schedule"], themis["provenance"]["inputs"]["schedule"]) == ("ascending", "themis")
    sentence = "The schedule themis had no effect: ASTRA-sim 2 always runs the ascending one."
    assert (plain["warnings"], themis["warnings"]) == ([], [sentence])
    assert warned(*arguments, "--schedule", "themis") == [sentence]
    headline = " ".join(invoke(*arguments, "--schedule", "themis").split())
    assert "64 chunks, ascending in place of themis, astra-sim-2" in headline
    assert "64 chunks, ascending, astra-sim-2" in " ".join(invoke(*arguments).split())
    assert document("4D", "325", "1T", "--schedule", "themis")["schedule"] == "themis"


def test_conventions_that_train_takes_are_listed(capsys):
    assert "expected one of physical, astra-sim, astra-sim-2, astra-sim-2-2023.\n" in refusal(
        capsys, "4D", "325", "1T", "--convention", "foo"
    )
    assert "astra-sim-2 or astra-sim-2-2023." in refusal(capsys, "4D", "325", "1T", "--convention", "ASTRA-sim-2-aware")


def test_part_of_a_full_mesh_is_warned_of_with_both_numbers():
    warning, other = warned("3D", "400", "175B")
    assert warning.startswith("tensor-parallel groups cover 2 of the 8 NPUs of dimension 2, which is fully connected.")
    assert "keeps b/(n-1) per peer: 19.048 of 133.33 GB/s" in warning
    assert "Closed form with the whole dimension, as published:" in invoke("3D", "400", "175B")
    found = document("3D", "400", "175B")
    assert found["warnings"] == [warning, other]
    assert found["closed_form_partial"] > found["closed_form"]
    assert warned("4D", "325", "175B") == []


def test_part_of_a_ring_is_warned_of_with_what_its_links_give():
    network = "Ring(8)@100GB/s x Switch(128)@20GB/s"
    tensor, data = warned("175B", "--network", network, "--tp", "4", "--dp", "256")
    assert tensor.startswith("tensor-parallel groups cover 4 of the 8 NPUs of dimension 1, a ring.")
    assert "its all-reduce takes 2 times as long in this dimension" in tensor
    assert data.startswith("data-parallel groups cover 2 of the 8 NPUs of dimension 1, a ring.")
    assert "its all-reduce takes 4 times as long in this dimension" in data
    assert document("175B", "--network", network, "--tp", "8", "--dp", "128")["warnings"] == []


def test_groups_that_leave_npus_idle_are_warned_of_as_they_are_timed(tmp_path):
    """Data-parallel groups of 2 stride over tensor-parallel ones of 2, whatever is idle beyond them."""
    groups = tmp_path / "groups.yaml"
    groups.write_text("F: [2]\nI: [2]\nW: [2]\n", encoding="utf-8")
    text = " ".join(document("17B", "--network", "Ring(16)@100GB/s", "--communicator", str(groups))["warnings"])
    assert "the other 12 are idle" in text
    assert text.count("its all-reduce takes 2 times as long") == text.count("its all-reduce takes 4 times as long") == 1


def test_zero_and_pipeline():
    zero = document("4D", "325", "1T", "--zero", "3")
    assert zero["closed_form"] is None
    assert zero["bound"] <= zero["iteration_time"]
    found = document("4D", "325", "175B", "--stages", "2", "--micro-batches", "8", "--order", "gpipe")
    assert found["pipeline"]["ideal_bubble"] == 1 / 8
    assert found["pipeline"]["in_flight"] == [8, 8]
    assert found["workload"] == {"name": "175B", "tp": 16, "dp": 32, "ep": 1}
    text = invoke("4D", "325", "175B", "--stages", "2")
    assert "2 stages, 8 micro-batches, 1F1B" in text
    assert "12.50% of the work" in text
    assert "pipeline" in text.split("exposed communication")[1].splitlines()[0]
    assert "without them the iteration takes" in text


@pytest.mark.parametrize(
    ("degrees", "sentence"),
    [
        ([], "2 stages x DP 4 in place of DP 8: at the same batch per replica the global batch is 1/2"),
        (["--tp", "64"], "2 stages x DP 8 in place of DP 16: at the same batch per replica the global batch is 1/2"),
        (["--dp", "8"], None),
        (["--tp", "64", "--dp", "8"], None),
    ],
)
def test_stages_that_take_the_place_of_replicas_are_warned_of(degrees, sentence):
    found = document("4D", "325", "1T", "--stages", "2", "--chunks", "4", *degrees)
    said = [warning for warning in found["warnings"] if "stages" in warning]
    assert [warning[: len(sentence or "")] for warning in said] == ([] if sentence is None else [sentence])
    if sentence is not None:
        assert said[0].endswith(f"the time without stages / {2 * found['workload']['dp']} there.")
    assert document("4D", "325", "1T", "--chunks", "4")["warnings"] == []


def test_a_model_that_names_its_data_parallelism_alone_keeps_it_with_stages(tmp_path):
    model = tmp_path / "model.yaml"
    model.write_text("hidden: 4096\nlayers: 2\nheads: 32\nsequence: 1024\nbatch: 1\ndp: 16\n", encoding="utf-8")
    found = document("4D", "325", str(model), "--stages", "2", "--chunks", "4")
    assert (found["workload"]["tp"], found["workload"]["dp"]) == (32, 16)
    assert not any("in place of DP" in warning for warning in found["warnings"])


def test_where_compute_is_from_is_a_warning_of_the_result():
    found = document("4D", "325", "1T", "--profile", "h100", "--chunks", "4")
    assert found["warnings"][0].startswith("compute from profile h100 (published measurement)")
    assert found["workload"] == {"name": "1T", "tp": 128, "dp": 8, "ep": 1}
    assert warned("4D", "325", "1T", "--profile", "h100", "--chunks", "4") == found["warnings"]


def test_no_micro_batches_are_refused_in_python_too():
    with pytest.raises(InputError, match="micro_batches: found 0"):
        simcore.train("4D", "325", "1T", stages=2, micro_batches=0)


def test_transfers_between_stages_are_a_kind_of_their_own(tmp_path):
    trace = tmp_path / "run.json"
    found = document("4D", "325", "1T", "--stages", "2", "--micro-batches", "8", "--timeline", str(trace))
    pipeline = found["pipeline"]
    assert min(pipeline["transfers"]) > 0
    assert found["exposed"]["pipeline"] in pipeline["transfers"]
    assert found["exposed_communication"] == pytest.approx(sum(found["exposed"].values()))
    assert sum(row["exposed"] for row in found["layers"]) == pytest.approx(found["exposed_communication"])
    assert sum(row["exposed"] for row in found["dimensions"]) == pytest.approx(found["exposed_communication"])
    assert any(row["group"] == "pipeline" for row in found["layers"])
    assert found["iteration_time"] > pipeline["time_without_transfers"]
    with trace.with_suffix(".csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["name"] == "transfer"]
    # one way from each of the two stages for each micro-batch, in the dimension of the stages
    assert len(rows) == 2 * 8
    assert {row["track"] for row in rows} == {f"stage {stage}, dimension 4: Switch 8 Pod" for stage in (1, 2)}


def test_a_model_with_all_its_layers_has_as_many_stages(tmp_path):
    text = (Path(simcore.__file__).parent / "zoo" / "models" / "1T.yaml").read_text(encoding="utf-8")
    model = tmp_path / "deep.yaml"
    model.write_text(text.replace("layers: 2", "layers: 8"), encoding="utf-8")
    found = document("4D", "325", str(model), "--stages", "8", "--tp", "16")
    assert found["pipeline"]["in_flight"] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_the_optimal_split_says_what_it_does_not_know():
    (warning,) = warned("4D", "325", "1T", "--split", "optimal", "--zero", "3")
    assert warning.startswith("--split optimal")
    assert "ZeRO-3" in warning
    assert "transfers" in document("4D", "325", "1T", "--split", "optimal", "--stages", "2")["warnings"][-1]
    assert document("4D", "325", "1T", "--split", "optimal")["warnings"] == []


def test_the_timeline_has_a_track_per_dimension(tmp_path):
    found = document("4D", "325", "1T", "--chunks", "4", "--timeline", str(tmp_path / "run.json"))
    trace = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    names = [each["args"]["name"] for each in trace["traceEvents"] if each["name"] == "thread_name"]
    first = [name for name in names if "lane" not in name]
    assert first == [
        "NPU",
        "dimension 1: Ring 2 Tile",
        "dimension 2: FullyConnected 8 Package",
        "dimension 3: Ring 8 Node",
        "dimension 4: Switch 8 Pod",
    ]
    with (tmp_path / "run.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert max(float(row["end_s"]) for row in rows) == pytest.approx(found["iteration_time"])
    # each chunk of the 12 all-reduces has a phase on the way up and one on the way down the dimensions but the last
    reduces = [row for row in rows if row["track"] == first[1] and "all-reduce" in row["collective"]]
    assert len(reduces) == 12 * 4 * 2


def test_tables_have_units_in_their_headers(tmp_path):
    invoke("3D", "400", "175B", "-o", str(tmp_path / "a"))
    headers = {path.name: path.read_text(encoding="utf-8").splitlines()[0] for path in (tmp_path / "a").glob("*.csv")}
    assert headers == {
        "dimensions.csv": "dimension,block,npus,level,bandwidth_B_per_s,busy_s,utilisation,exposed_s,gain_s",
        "layers.csv": "layer,name,part,group,exposed_s",
        "terms.csv": "term,time_s,share,rests_on",
        "timeline.csv": "track,name,start_s,end_s,layer,part,collective,chunk,size_B,queued_s",
    }
    (row, *_) = json.loads((tmp_path / "a" / "train.json").read_text(encoding="utf-8"))["dimensions"]
    assert {"bandwidth", "busy", "exposed", "gain"} <= set(row)


def test_a_directory_of_results_is_the_same_twice(tmp_path):
    for name in ("a", "b"):
        invoke("2D", "400", "17B", "-o", str(tmp_path / name))
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == [
        "contents.json",
        "dimensions.csv",
        "layers.csv",
        LISTING,
        "terms.csv",
        "timeline.csv",
        "timeline.json",
        "train.json",
        "train.pdf",
        "train.png",
    ]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["4D", "325"], "For example: simcore train 4D 325 1T."),
        (["4D", "325", "1T", "--network", "Ring(4)@5GB/s"], "With --network, NETWORK and BUDGET are left out"),
        (["5D", "325", "1T"], "Did you mean '4D'?"),
        (["4D", "325", "2T"], "Did you mean '1T'?"),
        (["4D", "x", "1T"], "BUDGET: found 'x'"),
        (["4D", "-5", "1T"], "BUDGET: found '-5'"),
        (["4D", "325B", "1T"], "A bandwidth is per second: write '325 GB/s'."),
        (["4D", "325 TiB", "1T"], "write '325 TiB/s'."),
        (["4D", "325Gbps", "1T"], "divided by 8 it is 40.625 GB/s."),
        (["4D", "325", "1T", "--chunkz", "3"], "Did you mean '--chunks'?"),
        (["4D", "325", "1T", "--split", "equl"], "Did you mean 'equal'?"),
        (["4D", "325", "1T", "--split", "1,2,3"], "4 bandwidths in GB/s with commas"),
        (["4D", "325", "1T", "--split", "1,2,3,4"], "or give 10 as the budget."),
        (["4D", "10", "1T", "--split", "1,2,7,0"], "bandwidths above 0. Give each some, however little"),
        (["1T", "--network", FOUR, "--split", "optimal"], "Leave --split out."),
        (["4D", "325", "1T", "--loop", "Foo"], "NoOverlap, Overlap, simulate"),
        (["4D", "325", "1T", "--schedule", "thems"], "Did you mean 'themis'?"),
        (
            ["4D", "325", "1T", "--convention", "astra-sim-2-aware"],
            "astra-sim-2 or astra-sim-2-2023.",
        ),
        (["4D", "325", "1T", "--chunks", "0"], "--chunks: found 0"),
        (["4D", "325", "1T", "--compute-scale", "nan"], "a number from 1e-30 to 1e+30"),
        (["4D", "325", "1T", "--compute-scale", "-1"], "found -1.0, expected a number from 1e-30"),
        (["4D", "325", "1T", "--zero", "2"], "0 or 3"),
        (["4D", "325", "1T", "--zero", "3", "--stages", "2"], "one of the two"),
        (["4D", "325", "1T", "--stages", "3"], "a divisor of the 1024 NPUs"),
        (["4D", "325", "175B", "--stages", "4"], "divides the 2 blocks"),
        (["4D", "325", "175B", "--stages", "4"], "with the model's real number in field 'layers'"),
        (["4D", "325", "175B", "--tp", "7"], "--tp: found 7, expected a divisor of the 1,024 NPUs"),
        (["4D", "325", "175B", "--tp", "7", "--dp", "146"], "a divisor of its hidden size"),
        (["1T", "--network", ""], 'For example: --network "Ring(8)@100GB/s", or DGX-like.'),
        (["1T", "--network", "Ring(4)"], "without a bandwidth"),
        (["1T", "--network", "4D"], "or write it out with them: --network"),
        (["1T", "--network", "Ring(4)@5GB/s"], "a product of 4"),
    ],
)
def test_wrong_input_exits_2_with_the_remedy(capsys, args, part):
    message = refusal(capsys, *args)
    assert message.startswith("simcore: error: ")
    assert part in message


def test_a_network_that_does_not_parse_has_a_caret_under_the_place(capsys):
    message = refusal(capsys, "1T", "--network", "Ring(4)@5GB/s x Swich(2)@5GB/s")
    lines = message.splitlines()
    assert lines[-1].strip() == "^"
    assert lines[-2][lines[-1].index("^") :].startswith("Swich")


def test_an_existing_directory_is_replaced_only_by_force(tmp_path, capsys):
    message = refusal(capsys, "4D", "325", "1T", "-o", str(tmp_path))
    assert message.startswith(f"simcore: error: -o {tmp_path}: found a path that exists")
    assert "add --force" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"chunks": 2.5}, {"chunks": "64"}, {"tp": 2.5}, {"dp": "8"}, {"sequence": 1.5}, {"batch": "16"},
        {"stages": 1.5}, {"stages": "2"}, {"stages": 2, "micro_batches": 8.0}, {"chunks": None},
    ],
)  # fmt: skip
def test_counts_are_whole_numbers_in_python(changes):
    option, value = list(changes.items())[-1]
    with pytest.raises(InputError) as refused:
        simcore.train("4D", "325", "1T", **changes)
    assert str(refused.value).startswith(f"{option}: found ")
    assert refused.value.found == (str(value) if isinstance(value, float) else repr(value))
    assert "a whole number" in refused.value.expected


@pytest.mark.parametrize("changes", [{"compute_scale": "1"}, {"zero": "3"}, {"split": 3}, {"split": [None] * 4}])
def test_other_numbers_that_are_none_are_refused_in_python(changes):
    (option,) = changes
    with pytest.raises(InputError, match=f"^{option}: found"):
        simcore.train("4D", "325", "1T", **changes)


@pytest.mark.parametrize(
    ("args", "changes", "message"),
    [
        (["4D", "325", "175B", "--tp", "7"], {"tp": 7}, "{tp}: found 7, expected a divisor of the 1,024 NPUs"),
        (["4D", "325", "175B", "--stages", "4"], {"stages": 4}, "{stages}: found 4, expected a number of stages that"),
        (["4D", "325", "175B", "--zero", "3", "--stages", "2"], {"zero": 3, "stages": 2}, "{zero}: found 3 with 2"),
        (["4D", "325", "175B", "--dtype", "fp16"], {"dtype": "fp16"}, "{dtype}: found 'fp16' without a profile"),
        (
            ["4D", "325", "175B", "--micro-batches", "2"],
            {"micro_batches": 2},
            "{micro_batches}: found 2 with one stage, expected it only with a pipeline. Add {stages}.",
        ),
    ],
)
def test_errors_name_fields_in_python_and_options_on_the_command_line(capsys, args, changes, message):
    options = {"variant": "--workload-variant", "micro_batches": "--micro-batches"}
    fields = ("tp", "stages", "zero", "dtype", "variant", "micro_batches")
    assert message.format(**{each: options.get(each, f"--{each}") for each in fields}) in refusal(capsys, *args)
    with pytest.raises(InputError) as refused:
        simcore.train("4D", "325", "175B", **changes)
    assert message.format(**{each: each for each in fields}) in str(refused.value)
    assert "--" not in str(refused.value)


def test_what_options_give_in_place_of_arguments_is_the_same_field(tmp_path):
    model = tmp_path / "small.yaml"
    model.write_text("hidden: 4096\nlayers: 2\nheads: 32\nsequence: 2048\nbatch: 1\ntp: 4\n", encoding="utf-8")
    by_option = document("--network", "Ring(4)@200GB/s", "--model", str(model), "--chunks", "2")
    inputs = by_option["provenance"]["inputs"]
    assert (inputs["network"], inputs["budget"], inputs["workload"]) == ("Ring(4)@200GB/s", None, str(model))
    assert document("2D", "300", str(model), "--dp", "64") == document("2D", "300", "--model", str(model), "--dp", "64")


def test_a_result_has_its_timeline_without_asking_for_it_before():
    result = simcore.train("4D", "325", "1T", chunks=2)
    assert {each.track for each in result.slices} >= {"NPU", "dimension 1: Ring 2 Tile"}
    assert max(each.end for each in result.slices) == result.time
    assert result.timeline().trace == simcore.train("4D", "325", "1T", chunks=2).timeline().trace
    assert result.run.phases == ()


def test_a_profile_in_memory_leaves_its_name_and_has_to_be_given_again():
    from simcore.readers.profiles import read_profile

    profile = read_profile("h100", "profile").value
    result, named = (simcore.train("4D", "325", "1T", chunks=1, profile=each) for each in (profile, "h100"))
    assert result.provenance.inputs["profile"] == {"in_memory": "h100"}
    assert (result.time, result.warnings) == (named.time, named.warnings)
    with pytest.raises(InputError, match="profile: found 'h100', which was given in memory"):
        simcore.train(**result.provenance.inputs)


def test_bandwidths_of_numpy_are_numbers():
    import numpy as np

    own = np.array([139.75e9, 122.25e9, 15.25e9, 47.75e9])
    result = simcore.train("4D", float(own.sum()), "1T", chunks=2, split=own)
    assert result.deployment.bandwidths == tuple(own)
    assert result.provenance.inputs["split"] == own.tolist()
    assert simcore.train(**json.loads(json.dumps(result.provenance.inputs))).to_json() == result.to_json()


def test_what_resolves_to_a_default_is_in_the_inputs():
    inputs = document("4D", "325", "1T", "--stages", "2", "--chunks", "1")["provenance"]["inputs"]
    assert (inputs["budget"], inputs["recompute"], inputs["micro_batches"]) == (325e9, "full", 8)
    assert (inputs["tp"], inputs["dp"]) == (None, None)  # whether they were asked for decides what is compared


def test_help_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from simcore.cli.train import command\n"
        "heavy = {'numpy', 'scipy', 'simpy', 'joblib', 'pydantic', 'rich', 'networkx', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_trace_is_never_overwritten_by_its_csv(capsys, tmp_path):
    assert "such as" in refusal(capsys, "4D", "325", "1T", "--timeline", str(tmp_path / "t.csv"))
    assert list(tmp_path.iterdir()) == []


def test_dimensions_that_tie_share_the_waiting():
    found = document("4D", "325", "1T", "--split", "optimal", "--loop", "NoOverlap")
    exposed = [row["exposed"] for row in found["dimensions"]]
    assert exposed[0] == exposed[1] == exposed[2] > exposed[3] > 0
    assert sum(exposed) == pytest.approx(found["exposed_communication"])
    assert (found["limiting_dimension"], found["limiting_dimensions"]) == (1, [1, 2, 3])
    assert "Dimensions 1, 2 and 3 tie" in invoke("4D", "325", "1T", "--split", "optimal", "--loop", "NoOverlap")


def test_the_headline_and_the_closed_form_say_what_they_are():
    assert "(TP 128 x DP 4 x 2 pipeline stages," in invoke("4D", "325", "1T", "--stages", "2", "--chunks", "1")
    assert "; 1 chunk, ascending" in " ".join(invoke("4D", "325", "1T", "--chunks", "1").split())
    for loop, rule in (("simulate", "Overlap"), ("Overlap", "Overlap"), ("NoOverlap", "NoOverlap")):
        assert f"closed form, {rule} " in invoke("4D", "325", "1T", "--loop", loop, "--chunks", "1")


def test_options_shared_with_optimize(capsys, tmp_path):
    model = tmp_path / "small.yaml"
    model.write_text("hidden: 4096\nlayers: 2\nheads: 32\nsequence: 2048\nbatch: 1\n", encoding="utf-8")
    found = document("4D", "325", "--model", str(model), "--tp", "16", "--batch", "2", "--sequence", "1024")
    inputs, workload = found["provenance"]["inputs"], found["workload"]
    assert (workload["tp"], workload["dp"], inputs["batch"], inputs["sequence"]) == (16, 64, 2, 1024)
    assert "With --model x, WORKLOAD is left out" in refusal(capsys, "4D", "325", "1T", "--model", "x")
    groups = tmp_path / "groups.yaml"
    groups.write_text("F: [2, 8, 8, -1]\nI: [2, 8, 8, -1]\nW: [-1, -1, -1, 8]\n", encoding="utf-8")
    ours, theirs = (document("4D", "325", "1T", *extra) for extra in (("--communicator", str(groups)), ()))
    assert ours["iteration_time"] == theirs["iteration_time"]
    assert set(ours["provenance"]["sha256"]) == {"network", "workload", "communicator"}
    assert json.loads(simcore.train(**ours["provenance"]["inputs"]).to_json()) == ours
    assert "one or the other" in refusal(capsys, "4D", "325", "1T", "--communicator", str(groups), "--stages", "2")
    groups.write_text("F: [2, 8, -1, -1]\nI: [2, 8, -1, -1]\nW: [-1, -1, -1, 8]\n", encoding="utf-8")
    assert "the other 896 are idle" in " ".join(warned("4D", "325", "1T", "--communicator", str(groups)))


def test_a_group_is_not_offered_where_it_is_refused(capsys):
    message = refusal(capsys, "4D", "325", "Groupe")
    assert "Group," not in message
    assert "Did you mean 'Group'" not in message


def test_a_model_of_the_zoo_runs_with_degrees_given():
    """bert-base leaves them open; 12 heads cannot be cut in 8."""
    found = document("4D", "325", "bert-base", "--tp", "4", "--dp", "256", "--batch", "8", "--sequence", "512")
    assert len({row["name"] for row in found["layers"]} & {"concat12", "X12W2b2"}) == 2
    assert found["compute_time"] > 0


def test_a_model_without_a_batch_asks_for_it(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("hidden: 64\nlayers: 2\n", encoding="utf-8")
    given = ["4D", "325", str(path), "--tp", "2"]
    assert "field 'sequence': found nothing" in refusal(capsys, *given)
    assert "or give --batch" in refusal(capsys, *given, "--sequence", "64")
    assert document(*given, "--sequence", "64", "--batch", "2")["iteration_time"] > 0
    assert "Give them with --tp and --dp." in refusal(capsys, "4D", "325", "bert-base")
    assert "heads, 12. Choose another with --tp." in refusal(capsys, "4D", "325", "bert-base", "--tp", "8")


LAYERS = """HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 1 checkpoints: 2 0 1
a -1 1000 NONE 0 1000 NONE 0 1000 ALLREDUCE 8000 1{}
b -1 1000 NONE 0 1000 NONE 0 1000 ALLREDUCE 8000 1
"""


def test_stages_of_layers_that_do_not_say_what_they_send(tmp_path, capsys):
    path = tmp_path / "layers.txt"
    path.write_text(LAYERS.format(""), encoding="utf-8")
    given = ["4D", "325", str(path), "--stages", "2"]
    message = refusal(capsys, *given)
    assert "workload 'layers': found layer 'a' at the end of a stage, without the size of its activations" in message
    assert "Add activations=BYTES at the end of the layer's line." in message
    times = []
    for size in (0, 8_000_000):
        path.write_text(LAYERS.format(f" activations={size}"), encoding="utf-8")
        times.append(document(*given)["iteration_time"])
    # 8 micro-batches of 1 MB over 81.25 GB/s, each way
    assert times[1] > times[0] + 8 * 1e6 / 81.25e9


def test_zero_3_of_the_evaluation_variant_gathers_the_parameters_of_each_layer():
    plain, fused = (
        document("4D", "325", "17B", "--zero", "3", "--workload-variant", variant)
        for variant in ("optimizer", "evaluation")
    )
    assert fused["compute_time"] == plain["compute_time"]
    assert fused["exposed"]["data"] > 0
