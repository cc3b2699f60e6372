"""Tables of measured collectives: read, refused, made into a network, and held against the zoo's profiles."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from simcore.calibrate.collectives.fit import fit_collectives, medians, rising
from simcore.calibrate.collectives.offsets import Seen, offsets_of
from simcore.calibrate.collectives.samples import Fitting, Sample
from simcore.calibrate.collectives.states import slower
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.network.measured import CollectiveProfile
from simcore.models.network.nccl import Line, Span, unaligned
from simcore.readers.cluster_networks import network_for
from simcore.readers.collective_rows import kind_of
from simcore.readers.collective_tables import read_collectives
from simcore.studies.validate.collectives import held_against_collectives

RING = Line("ring", "Simple", 40e-6, 2e-6, efficiency=0.75)
TREE = Line("tree", "LL", 15e-6, 1e-6, efficiency=0.2)
TRUE = CollectiveProfile(
    "true", (300e9, 25e9),
    {"all-reduce": (RING, TREE),
     "all-to-all": (Line("direct", "Simple", 30e-6, 1e-6, efficiency=0.6),)},
)  # fmt: skip
SIZES = [2**power for power in range(12, 31)]
HEADER = "source,device,gpus,collective,bytes,time_us,dtype,note"


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def refused(*arguments):
    """Return the message of a command that refuses its input."""
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    return str(error)


def rows(factor=1.0, device="mine", kinds=("all-reduce", "all-to-all")):
    return [
        f"me,{device},{gpus},{kind},{size},{factor * 1e6 * TRUE.timing(kind, Span(gpus)).seconds(size):.3f},float,"
        for kind in kinds
        for gpus in (2, 4, 8)
        for size in SIZES
    ]


def table(tmp_path, some, header=HEADER):
    path = tmp_path / "collectives.csv"
    path.write_text("\n".join([header, *some]) + "\n")
    return path


def calibrate(tmp_path, some, *more, header=HEADER):
    path = tmp_path / "net.json"
    path.unlink(missing_ok=True)
    network = ["--network", "dgx-a100"] if "--network" not in more else []
    return run("calibrate", "--from", table(tmp_path, some, header), *network, "-o", path, *more), path


def test_a_fit_finds_what_made_the_times(tmp_path):
    samples = [
        Sample(kind, Span(gpus), float(size), TRUE.timing(kind, Span(gpus)).seconds(size))
        for kind in TRUE.lines for gpus in (2, 4, 8) for size in SIZES
    ]  # fmt: skip
    fitted = fit_collectives("again", samples, Fitting(300e9, 25e9))
    for gpus in (2, 3, 8):  # three GPUs were not measured
        for kind in TRUE.lines:
            for size in (5e3, 3e6, 8e8):
                expected = TRUE.timing(kind, Span(gpus)).seconds(size)
                assert fitted.timing(kind, Span(gpus)).seconds(size) == pytest.approx(expected, rel=0.03)
    ring = next(line for line in fitted.lines["all-reduce"] if line.algorithm == "ring")
    assert ring.efficiency == pytest.approx(0.75, rel=0.02)
    assert max(curve.error for curve in fitted.curves) < 0.02


def test_repeats_count_once_and_times_that_fall_are_levelled():
    assert medians([Sample("all-reduce", Span(2), 1.0, time) for time in (1.0, 9.0, 2.0)])[0].seconds == 2.0
    assert rising([1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]
    assert rising([9.0, 1.0, 1.5, 2.0]) == [1.5, 1.5, 1.5, 2.0]  # a first call that took long


def test_rows_of_unaligned_messages_are_told_by_their_rate():
    sizes = [float(2**23 + 2**16 * index) for index in range(200)]
    late = [index % 3 == 0 for index in range(200)]
    seconds = [size / (6e9 if slow else 10e9) for size, slow in zip(sizes, late, strict=True)]
    assert slower([("all-gather", Span(2))] * 200, sizes, seconds) == late
    assert not any(slower([("all-gather", Span(2))] * 50, sizes[:50], seconds[:50]))  # too few to say


def test_the_offset_of_a_tensor_is_found_from_its_collectives():
    cases = [(kind, gpus) for kind in ("all-gather", "all-to-all", "reduce-scatter") for gpus in (2, 4, 8)]
    seen = [
        Seen("gpt", size, 2, kind, gpus, unaligned(kind, gpus, offset, 2))
        for size, offset in ((20, 4), (21, 0), (22, 16)) for kind, gpus in cases
    ]  # fmt: skip
    offsets = offsets_of(seen)["gpt"]
    assert 21 not in offsets
    for size, offset in ((20, 4), (22, 16)):
        assert [unaligned(*case, offsets[size], 2) for case in cases] == [unaligned(*case, offset, 2) for case in cases]


@pytest.mark.parametrize(
    ("word", "kind"),
    [("all_reduce", "all-reduce"), ("AllGather", "all-gather"), ("alltoall", "all-to-all"),
     ("sendrecv", "point-to-point"), ("p2p intra-node", "point-to-point"), ("gather", "")],
)  # fmt: skip
def test_kinds_are_known_by_many_names(word, kind):
    assert kind_of(word) == kind


def test_the_size_of_an_all_gather_is_that_of_all_unless_it_is_said_to_be_a_shard(tmp_path):
    path = table(tmp_path, ["me,mine,8,all_gather,8000,9,,", "Aceso,mine,8,all_gather,8000,9,,"])
    assert [row.size for row in read_collectives(path).rows] == [1000, 8000]
    path = table(tmp_path, ["me,mine,8,all_gather,8000,9,,,shard"], HEADER + ",size_of")
    assert read_collectives(path).rows[0].size == 8000


def test_groups_beyond_a_node_are_spread_over_nodes(tmp_path):
    some = [
        "me,mine,16,all_reduce,1,9,,",
        "me,mine (4 nodes x 8),32,all_reduce,1,9,,",
        "me,mine,2,p2p inter-node,1,9,,",
    ]
    assert [row.span for row in read_collectives(table(tmp_path, some)).rows] == [Span(8, 2), Span(8, 4), Span(1, 2)]
    path = table(tmp_path, ["me,mine,4,all_reduce,1,9,,,2"], HEADER + ",nodes")
    assert read_collectives(path).rows[0].span == Span(2, 2)


def test_a_fit_that_nothing_was_held_out_from_claims_no_error(tmp_path):
    row = "me,mine,8,all-reduce,1048576,30,float,"
    made, _ = calibrate(tmp_path, [row])
    assert "error unknown: no size held out" in " ".join(made.stdout.split())
    assert "0.0%  noise" not in made.stdout
    made, _ = calibrate(tmp_path, [row], "--json")
    (told,) = json.loads(made.stdout)["errors"]
    assert (told["error"], told["low"], told["high"]) == (None, None, None)


def test_a_table_becomes_a_network_that_train_takes(tmp_path):
    made, path = calibrate(tmp_path, rows(), "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["rows"] == len(rows())
    assert {(one["kind"], one["near"]) for one in told["errors"]} >= {("all-reduce", 8), ("all-to-all", 2)}
    assert max(one["error"] for one in told["errors"]) < 0.02
    spec = network_for(path, 16).value
    assert spec.bandwidths == (300e9, 25e9)
    assert spec.collectives.source == "me"
    expected = TRUE.timing("all-reduce", Span(8)).seconds(1e8)
    assert spec.collectives.timing("all-reduce", Span(8)).seconds(1e8) == pytest.approx(expected, rel=0.02)
    train = ["train", "gpt-1.3b", "--gpus", "8", "--device", "a100-80gb", "--tp", "8", "--pp", "1", "--network", path]
    times = {}
    for choice in ("measured", "wire"):
        done = run(*train, "--collectives", choice, "--json")
        assert done.exit_code == 0, done.output
        times[choice] = json.loads(done.stdout)["parts"]["tensor-parallel"]
    assert times["measured"] > times["wire"]
    assert "collectives as measured (profile dgx-a100, expected error" in run(*train).output
    assert "collectives take what links allow" in run(*train, "--collectives", "wire").output
    plain = ["train", "gpt-1.3b", "--gpus", "8", "--device", "a100-80gb", "--network", "Switch(8)@300GB/s"]
    assert "collectives" not in run(*plain).output.partition("part ")[0].partition("per iteration")[2]
    assert "of which nothing was" in refused(*plain, "--collectives", "measured")


NCCL = """# nThread 1 nGpus 4 minBytes 1048576 maxBytes 1073741824 step: 2(factor) warmup iters: 5 iters: 20
# all_reduce_perf
# Using devices
#  Rank  0 Group  0 Pid  11 on    node0 device  0 [0x07] NVIDIA A100-SXM4-80GB
#  Rank  1 Group  0 Pid  11 on    node0 device  1 [0x0f] NVIDIA A100-SXM4-80GB
#  Rank  2 Group  0 Pid  11 on    node0 device  2 [0x47] NVIDIA A100-SXM4-80GB
#  Rank  3 Group  0 Pid  11 on    node0 device  3 [0x4e] NVIDIA A100-SXM4-80GB
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
"""


def nccl(count=19):
    lines = []
    for size in SIZES[:count]:
        us = 1e6 * TRUE.timing("all-reduce", Span(4)).seconds(size)
        lines.append(
            f"  {size}  {size // 4}     float     sum      -1  {us:.2f}  9.99  9.99      0  {2 * us:.2f}  9 9  0"
        )
    return NCCL + "\n".join(lines) + "\n# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 99.99\n"


def test_what_nccl_tests_print_is_read_too(tmp_path):
    path, net = tmp_path / "log.txt", tmp_path / "net.json"
    path.write_text(nccl())
    read = read_collectives(path).rows
    assert [(row.kind, row.span, row.dtype) for row in read] == [("all-reduce", Span(4), "float")] * 19
    assert read[3].seconds == pytest.approx(TRUE.timing("all-reduce", Span(4)).seconds(read[3].size), rel=1e-3)
    assert read[0].device == "NVIDIA A100-SXM4-80GB"
    made = run("calibrate", "--from", path, "--network", "dgx-a100", "-o", net)
    assert made.exit_code == 0, made.output
    assert "fitted to 19 rows" in made.output


def test_what_nccl_tests_print_on_two_nodes_has_two(tmp_path):
    path = tmp_path / "all_gather_perf.txt"
    text = nccl().replace("all_reduce_perf", "")
    for device in (2, 3):
        text = text.replace(f"node0 device  {device}", f"node1 device  {device}")
    path.write_text(text)
    assert {(row.kind, row.span) for row in read_collectives(path).rows} == {("all-gather", Span(2, 2))}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("all_reduce_perf", ""), "no name of a program"),
        (lambda text: text.replace("#  Rank", "#  Rang"), "no line '#  Rank ...'"),
        (lambda text: text.partition("# Out of")[0].partition("  4096")[0] + "\n#", "no row of a size"),
        (lambda text: text + text.replace("all_reduce", "all_gather"), "a second program"),
        (lambda text: text + text, "twice"),
        (lambda text: text.replace("(us)", "(ms)"), "times in"),
        (lambda text: text.replace("9.99      0 ", "9.99      5 ", 1), "5 wrong results"),
    ],
)
def test_broken_output_of_nccl_tests_is_refused(tmp_path, change, said):
    path = tmp_path / "log.txt"
    path.write_text(change(nccl()))
    assert said in refused("calibrate", "--from", path, "--network", "dgx-a100", "-o", tmp_path / "net.json")


ONE = "me,mine,8,all_reduce,1048576,{},float,"
BAD = {
    "a missing column": ([], HEADER.replace("bytes,", ""), "no column 'bytes'"),
    "two units": ([], HEADER + ",time_ms", "time_us and time_ms, which are two units"),
    "no column of times": ([], HEADER.replace("time_us", "time"), "no column of times"),
    "an unknown collective": (["me,mine,8,broadcast,1024,9,,"], HEADER, "found 'broadcast'"),
    "a negative time": ([ONE.format(-9)], HEADER, "its time is '-9'"),
    "no number": ([ONE.format("nan")], HEADER, "its time is 'nan'"),
    "one GPU": (["me,mine,1,all_reduce,1024,9,,"], HEADER, "no number of GPUs above 1"),
    "a negative size": (["me,mine,8,all_reduce,-1,9,,"], HEADER, "no size of at least 0"),
    "another unit in one row": ([ONE.format(90_000_000)], HEADER, "off those of its group"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_table_is_named(tmp_path, name):
    some, header, said = BAD[name]
    made, path = calibrate(tmp_path, [*rows(), *some] if header == HEADER else [], header=header)
    assert isinstance(made.exception, InputError), made.output
    assert said in str(made.exception)
    assert not path.exists()
    if some:
        assert f"line {len(rows()) + 2}" in str(made.exception)


def test_other_units_than_the_column_says_are_refused(tmp_path):
    made, _ = calibrate(tmp_path, rows(1e-3))
    assert isinstance(made.exception, InputError), made.output
    assert "faster than the links" in str(made.exception)
    assert "are these milliseconds or seconds?" in str(made.exception)
    made, _ = calibrate(tmp_path, rows(1e3))
    assert isinstance(made.exception, InputError), made.output
    assert "longer than the links allow" in str(made.exception)


def test_rows_that_did_not_run_and_those_of_no_bytes_are_left_out(tmp_path):
    more = [ONE.format(1e12), ONE.format(50).replace("1048576", "0")]
    made, _ = calibrate(tmp_path, [*rows(), *more])
    assert made.exit_code == 0, made.output
    assert "1 rows left out: they did not run" in made.output
    assert "1 rows left out: their size is 0 bytes" in made.output
    made, _ = calibrate(tmp_path, [ONE.format(50).replace("1048576", "0")])
    assert isinstance(made.exception, InputError), made.output
    assert "no all-reduce of mine of a size above 0" in str(made.exception)


def test_the_device_of_several_must_be_named(tmp_path):
    both = [*rows(), *rows(2.0, device="other")]
    made, _ = calibrate(tmp_path, both)
    assert isinstance(made.exception, InputError), made.output
    assert "--device: found no device, in a table of 2, expected one of them: mine, other" in str(made.exception)
    made, path = calibrate(tmp_path, both, "--device", "Other")
    assert made.exit_code == 0, made.output
    expected = 2 * TRUE.timing("all-reduce", Span(8)).seconds(1e8)
    assert network_for(path, 8).value.collectives.timing("all-reduce", Span(8)).seconds(1e8) == pytest.approx(
        expected, rel=0.02
    )
    made, _ = calibrate(tmp_path, both, "--device", "third")
    assert isinstance(made.exception, InputError), made.output
    assert "no rows of third" in str(made.exception)
    made, _ = calibrate(tmp_path, rows(), "--network", "4D")
    assert isinstance(made.exception, InputError), made.output
    assert "--network: found '4D', without bandwidths" in str(made.exception)


@pytest.mark.parametrize(
    "keep",
    [lambda row: row.split(",")[2] == "2", lambda row: row.split(",")[4] == "1048576"],
    ids=["pairs", "one size"],
)
def test_little_is_enough_for_a_fit(tmp_path, keep):
    some = [row for row in rows(device="h100", kinds=("all-reduce",)) if keep(row)]
    made, path = calibrate(tmp_path, some, "--network", "dgx-h100")
    assert made.exit_code == 0, made.output
    fitted = network_for(path, 8).value.collectives.timing("all-reduce", Span(2)).seconds(2**20)
    assert fitted == pytest.approx(TRUE.timing("all-reduce", Span(2)).seconds(2**20), rel=0.2)


def test_groups_over_nodes_alone_are_enough(tmp_path):
    far = [f"me,h100,{16 * n},all_reduce,{size},{100 + size / 5e4},," for n in (1, 2) for size in SIZES]
    made, path = calibrate(tmp_path, far, "--network", "dgx-h100")
    assert made.exit_code == 0, made.output
    fitted = network_for(path, 16).value.collectives.timing("all-reduce", Span(8, 2)).seconds(2**30)
    assert fitted == pytest.approx(1e-6 * (100 + 2**30 / 5e4), rel=0.1)


def test_a_network_goes_with_a_table_alone(tmp_path):
    assert "expected --from beside it" in refused("calibrate", "--network", "dgx-a100", "-o", tmp_path / "net.json")


def test_rows_are_held_against_the_zoo(tmp_path):
    some = [
        "vTrain,a100,8,all_reduce,268435456,2100,float,busbw", "me,a100,4,all_gather,268435456,2000,,",
        "me,mine,4,all_reduce,268435456,2000,,", "me,a100,4,broadcast,268435456,2000,,",
        "me,a100,4,all_reduce,1,1e12,,",
    ]  # fmt: skip
    held = held_against_collectives(table(tmp_path, some))
    assert [one.row_id for one in held] == ["1", "2", "3", "4", "5"]
    first = held[0]
    assert (first.source, first.device, first.precision, first.kind) == ("vTrain", "a100", "float", "all_reduce")
    assert first.predicted == pytest.approx(first.measured, rel=0.05)
    assert first.low < first.predicted < first.high
    assert not first.fitted  # of another source than the profile
    assert held[1].predicted > 0
    assert [bool(one.why_not) for one in held] == [False, False, True, True, True]
    assert "no profile of collectives of mine" in held[2].why_not
    assert "did not run" in held[4].why_not
