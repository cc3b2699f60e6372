"""Tables of timed operators: what each operator runs, what is refused, and kernels fitted to sums of them."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import pytest
from click.testing import CliRunner
from simcore.calibrate.profile.operators import distinct, fit_operators, is_held_out
from simcore.calibrate.profile.scaled import scaled_fits
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.compute.compute_model import KernelCall
from simcore.models.compute.device import Device
from simcore.models.compute.operator_time import Harness, Link, OperatorTime, PassName
from simcore.models.compute.profile import Errors, Fit, KernelProfile
from simcore.models.network.collectives import Collective
from simcore.readers.aceso import describe
from simcore.readers.aceso_sizes import ConvolutionalSizes, Setting, TransformerSizes
from simcore.readers.devices import read_device
from simcore.readers.measurements import read_table
from simcore.readers.timed_models import read_timed_models
from simcore.studies.profile.operators import layer_misses

HEADER = (
    "model,size,micro_batch,tp,tp_algo,op,fwd_us,bwd_us,input_mb,output_mb,weights_mb,activations_mb,fwd_reserved_mb,"
    "bwd_reserved_mb"
)
PRODUCT = "gpt,350M,4,2,0,enc-MLP-GEMM-1,450,1300,16,32,4.000,32,0,64"
ROWS = [
    PRODUCT,
    "gpt,350M,4,1,0,enc-attention-softmax,1200,1700,272,272,0.000,256,0,768",
    "t5,770M,2,1,0,dec-attention-qkv-2,400,700,6,20,6.000,18,0,60",
    "resnet,500M,16,1,0,block-0-0-conv2,3000,5200,42,80,3.445,42,0,120",
]
GPT = TransformerSizes(1024, 16, 64, 4096, 51200, 2048)
T5 = TransformerSizes(1024, 16, 64, 4096, 30592, 2048, 512)
WIDE = ConvolutionalSizes((3, 4, 6, 3), 224, 2)
FORWARD, BACKWARD = PassName.FORWARD, PassName.BACKWARD


@pytest.fixture(scope="module")
def v100():
    return read_device("v100-32gb").value


def write(tmp_path, rows=ROWS, header=HEADER):
    path = tmp_path / "operators.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def of(sizes, op, batch=4, tp=1, rows=False, dtype="fp16"):
    return describe(op, Setting(sizes, dtype, batch, tp, rows), "row")


def sizes_of(call):
    return dict(call.shape)


def test_a_product_has_its_two_gradients_and_the_sum_of_its_cut():
    cut = of(GPT, "enc-MLP-GEMM-1", tp=2)
    tokens = 4 * 2048
    assert [sizes_of(call) for call in cut.forward] == [{"m": tokens, "n": 2048, "k": 1024, "batch": 1}]
    assert [sizes_of(call) for call in cut.backward] == [
        {"m": tokens, "n": 1024, "k": 2048, "batch": 1},
        {"m": 1024, "n": 2048, "k": tokens, "batch": 1},
    ]
    assert cut.after_forward == ()
    assert cut.after_backward == ((Collective.ALL_REDUCE, 2.0 * tokens * 1024),)
    assert cut.weights == 2 * 1024 * 2048
    other = of(GPT, "enc-MLP-GEMM-2", tp=2)
    assert (other.after_forward, other.after_backward) == (cut.after_backward, ())


def test_what_is_fused_or_copied_beside_the_operators_of_the_list():
    qkv = of(GPT, "enc-attention-qkv")
    assert sizes_of(qkv.forward[0]) == {"m": 8192, "n": 3072, "k": 1024, "batch": 1}
    assert [call.kernel for call in qkv.forward] == ["gemm", "add", "copy"]
    rows = of(GPT, "enc-attention-qkv", tp=2, rows=True)
    assert sizes_of(rows.forward[0]) == {"m": 8192, "n": 3072, "k": 512, "batch": 1}
    assert rows.after_forward == ((Collective.ALL_REDUCE, 2.0 * 8192 * 3072),)
    cross = of(T5, "dec-attention-qkv-2", batch=2)
    assert [sizes_of(call)["m"] for call in cross.forward if call.kernel == "gemm"] == [2 * 512, 2 * 2048]
    assert [call.kernel for call in of(GPT, "enc-1st-layernorm").backward] == ["layer_norm_backward", "add"]
    assert of(T5, "decoder-embedding").backward == ()


def test_a_causal_softmax_reads_half_of_its_rows():
    elements = 4 * 16 * 2048 * 2048
    causal, masked = of(GPT, "enc-attention-softmax"), of(T5, "enc-attention-softmax")
    assert sizes_of(causal.forward[0]) == {"bytes": 3 * elements, "width": 1024}
    assert sizes_of(masked.forward[0]) == {"bytes": 4 * elements, "width": 2048}
    assert causal.kind != masked.kind


def test_a_convolution_is_cut_along_its_outputs_or_its_inputs():
    whole = of(WIDE, "block-0-1-conv1", batch=16, dtype="fp32")
    assert sizes_of(whole.forward[0])["in_channels"] == 4 * 224
    assert [call.kernel for call in whole.backward] == ["add", "conv_input_gradient", "conv_weight_gradient"]
    outputs = of(WIDE, "block-0-1-conv2", batch=16, tp=4, dtype="fp32")
    inputs = of(WIDE, "block-0-1-conv2", batch=16, tp=4, rows=True, dtype="fp32")
    read, written = (4.0 * 16 * channels * 56 * 56 for channels in (224, 448))
    assert outputs.after_forward == ((Collective.ALL_GATHER, written / 4),)
    assert outputs.after_backward == ((Collective.ALL_REDUCE, read),)
    assert inputs.after_forward == ((Collective.ALL_REDUCE, written),)
    assert [sizes_of(call)["out_channels"] for call in outputs.forward if call.kernel == "conv"] == [112]
    assert [sizes_of(call)["in_channels"] for call in inputs.forward if call.kernel == "conv"] == [56]


def test_the_first_block_of_a_stage_has_a_convolution_beside_it():
    first, second = (of(WIDE, f"block-1-{block}-downsample", batch=16, dtype="fp32") for block in (0, 1))
    assert [call.kernel for call in first.forward] == ["conv", "batch_norm", "add"]
    assert sizes_of(first.forward[0])["stride"] == 2
    assert ([call.kernel for call in second.forward], second.backward) == (["add"], ())


def test_rows_are_both_passes_of_an_operator(tmp_path, v100):
    times = read_table(write(tmp_path), v100).value
    forward, backward, *others = times.operators
    assert (forward.op, forward.run, forward.seconds) == ("enc-MLP-GEMM-1", FORWARD, pytest.approx(450e-6))
    assert (backward.run, backward.seconds, backward.ranks) == (BACKWARD, pytest.approx(1300e-6), 2)
    assert {one.dtype for one in others} == {"fp16", "fp32"}
    assert len(times.operators) == 2 * len(ROWS)


REFUSED = {
    "a column missing": (PRODUCT, HEADER.replace(",tp_algo", ""), "header: found no column 'tp_algo'"),
    "an unknown operator": (PRODUCT.replace("GEMM-1", "GEMM-7"), HEADER, "column 'op': found 'enc-MLP-GEMM-7'"),
    "one close to it": (PRODUCT.replace("GEMM-1", "GEMM"), HEADER, "Did you mean 'enc-MLP-GEMM-"),
    "one outside blocks": (PRODUCT.replace("enc-MLP-GEMM-1", "encoder-embeding"), HEADER, "mean 'encoder-embedding'"),
    "a decoder's in an encoder": (PRODUCT.replace("enc-", "dec-"), HEADER, "column 'op': found 'dec-MLP-GEMM-1'"),
    "an unknown model": (PRODUCT.replace("gpt", "gbt"), HEADER, "column 'model': found 'gbt'"),
    "an unknown size": (PRODUCT.replace("350M", "360M"), HEADER, "column 'size': found '360M'"),
    "another model's weights": (PRODUCT.replace("350M", "1.3B"), HEADER, "'weights_mb': found 4.000, expected 16.000"),
    "no sequences": (PRODUCT.replace("M,4,2", "M,0,2"), HEADER, "column 'micro_batch': found '0'"),
    "half a sequence": (PRODUCT.replace("M,4,2", "M,0.5,2"), HEADER, "column 'micro_batch': found 0.5"),
    "a cut that nobody timed": (PRODUCT.replace("4,2,0", "4,16,0"), HEADER, "'tp': found 16, expected 1, 2, 4, 8"),
    "another axis": (PRODUCT.replace("4,2,0", "4,2,2"), HEADER, "column 'tp_algo': found '2', expected 0 or 1"),
    "a time below zero": (PRODUCT.replace("450", "-450"), HEADER, "column 'fwd_us': found '-450'"),
    "a time that is none": (PRODUCT.replace("1300", "nan"), HEADER, "column 'bwd_us': found 'nan'"),
    "memory below zero": (PRODUCT.replace(",16,32", ",-16,32"), HEADER, "column 'input_mb': found '-16'"),
    "milliseconds": (PRODUCT.replace("450", "0.45"), HEADER, "are these milliseconds or nanoseconds?"),
    "nanoseconds": (PRODUCT.replace("450,1300", "450000,1300000"), HEADER, "in the median"),
    "a short row": ("gpt,350M", HEADER, "line 2: found 2 fields"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_table_of_operators_is_refused_with_place_and_remedy(case, tmp_path, v100):
    row, header, message = REFUSED[case]
    path = write(tmp_path, [row], header)
    with pytest.raises(InputError) as refused:
        read_table(path, v100)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_table_of_operators_is_of_the_device_that_they_were_timed_on(tmp_path):
    with pytest.raises(InputError, match=r"found operators of v100-32gb, expected rows of t4. Name v100-32gb"):
        read_table(write(tmp_path), read_device("t4").value)


TOY = Device("toy", "cuda", 80, 1e10, 1e12, 1e6, clock=1e9, peaks={"fp16": 1e14})
HOST, WIRE = 60e-6, Link(1e-4, 5e10)


def stream(kernel, moved):
    return KernelCall(kernel, (("bytes", moved),), dtype="fp16")


def toy_seconds(call):
    """Return what a kernel of the toy takes: launches of 4 us, and half or all of the bandwidth."""
    return 4e-6 + call.size("bytes") / (5e11 if call.kernel == "gelu" else 1e12)


def toy_operators():
    """Return operators of one and of two kernels, some beside a collective, where the host takes 60 us at least."""
    rows = []
    for number, ranks in itertools.product(range(60), (1, 2)):
        moved = round(2e6 * 1.13**number)
        for kind, kernels in (("alone", ["copy"]), ("both", ["gelu", "copy"])):
            calls = tuple(stream(kernel, moved) for kernel in kernels)
            sums = ((Collective.ALL_REDUCE, moved / 8),) if kind == "both" else ()
            seconds = max(HOST, sum(map(toy_seconds, calls)))
            if ranks == 2 and sums:
                seconds += WIRE.start + moved / 8 / WIRE.bandwidth
            rows.append(OperatorTime(kind, FORWARD, "fp16", kind, calls, sums, ranks, seconds, "toy", f"{number}"))
    return rows


def test_kernels_that_were_timed_in_sums_are_told_apart():
    rows = toy_operators()
    warm = replace(rows[0], op="first", seconds=1.0)
    fits, samples, known, lines = fit_operators([warm, *rows], TOY, "first")
    assert {(fit.kernel, fit.dtype) for fit in fits} == {("copy", "fp16"), ("gelu", "fp16")}
    for fit in fits:
        assert fit.origin == "published measurement"
        assert fit.judged.mape < 0.03
    for moved in (1e8, 1e9):
        for call in (stream("gelu", moved), stream("copy", moved)):
            probe = replace(rows[0], calls=(call,))
            assert known.kernels(probe)[0] == pytest.approx(toy_seconds(call), rel=0.15)  # rounds end before they meet
    both = replace(rows[0], calls=(stream("gelu", 1e9), stream("copy", 1e9)))
    assert sum(known.kernels(both)) == pytest.approx(sum(map(toy_seconds, both.calls)), rel=0.08)
    assert known.harness.host["alone", FORWARD] == pytest.approx(HOST, rel=0.05)
    assert known.harness.links["toy", 2].bandwidth == pytest.approx(WIRE.bandwidth, rel=0.1)
    assert "first: left out, as it holds warm-up effects" in lines
    assert {one.note for one in samples if one.kernel == "gelu"} == {"part of both forward"}
    assert "" in {one.note for one in samples if one.kernel == "copy"}


def test_operators_that_were_copied_count_once_and_combinations_are_held_out_whole():
    rows = toy_operators()
    again = [replace(one, op="another name") for one in rows]
    assert distinct([*rows, *again]) == distinct(rows)
    drawn = {number: {is_held_out(one) for one in rows if one.combination == number} for number in map(str, range(60))}
    assert all(len(each) == 1 for each in drawn.values())
    assert 3 <= sum(map(any, drawn.values())) <= 25


def test_a_disturbed_time_is_left_out_and_said():
    rows = toy_operators()
    *_, known, lines = fit_operators([*rows, replace(rows[-1], seconds=4 * rows[-1].seconds)], TOY, "none")
    assert known.disturbed == 1
    assert any("1 of" in line and "taken as disturbed" in line for line in lines)


def test_fits_of_another_card_are_scaled_by_clock_and_memory():
    base = replace(TOY, name="base", clock=8e8, bandwidth=9e11)
    parameters = {"t0": 5e-5, "rate": 4e13, "ramp": 2.0, "onchip": 1e12, "stream": 9e11, "vector": 9e10, "fresh": 1e9}
    measured = Fit("gemm", "fp16", "gemm", parameters, judged=Errors(9, 0.1, 0.2, 0.0), source="theirs")
    sheet = Fit("copy", "fp16", "stream", {}, origin="data sheet")
    profile = KernelProfile("base", base, fits=(measured, sheet))
    (fit,) = scaled_fits(profile, TOY)
    assert fit.parameters["rate"] == pytest.approx(5e13)
    assert fit.parameters["stream"] == pytest.approx(1e12)
    assert (fit.parameters["t0"], fit.parameters["ramp"], fit.errors, fit.origin) == (5e-5, 2.0, None, "derived")
    assert "base (theirs), rates x 1.25 (boost clocks)" in fit.source
    assert scaled_fits(profile, TOY, 4e-6)[0].parameters["t0"] == 4e-6
    with pytest.raises(InputError, match="processors 80, as toy has"):
        scaled_fits(replace(profile, device=replace(base, processors=40)), TOY)
    with pytest.raises(InputError, match="no clock or no bandwidth of base"):
        scaled_fits(replace(profile, device=replace(base, clock=0.0)), TOY)


def test_sums_over_a_layer_are_over_both_passes_and_every_operator_of_it():
    norm = OperatorTime("enc-1st-layernorm", FORWARD, "fp16", "norm", (), (), 1, 2.0, "gpt", "a")
    rows = [(norm, 1.0), (replace(norm, run=BACKWARD, op="enc-MLP-gelu"), 4.0), (replace(norm, combination="b"), 2.0)]
    assert layer_misses([*rows, (replace(norm, op="enc-final-layernorm"), 9.0)]) == [0.25, 0.0]


def test_a_profile_is_held_against_operators_by_operator_and_pass(tmp_path):
    table = write(tmp_path)
    held = json.loads(run("profile", "validate", "v100-32gb", "--measurements", table, "--json").output)
    assert held["profile"] == "v100-32gb"
    keys = [(each["kernel"], each["dtype"], each["pass"]) for each in held["kernels"]]
    assert keys[:2] == [("enc-MLP-GEMM-1", "fp16", "forward"), ("enc-MLP-GEMM-1", "fp16", "backward")]
    assert ("block-0-0-conv2", "fp32", "backward") in keys
    assert set(held["kernels"][0]) == {"kernel", "dtype", "pass", "samples", "outside", "mape", "p90", "bias"}
    assert all(each["samples"] + each["outside"] == 1 for each in held["kernels"])
    text = run("profile", "validate", "v100-32gb", "--measurements", table).output
    assert "of sums over" in text
    assert "block-0-0-conv2" not in text  # a reader is shown kinds


def test_a_row_outside_what_was_sampled_is_counted_and_not_compared(tmp_path):
    far = write(tmp_path, ["resnet,500M,100000,1,0,relu1,9e6,2e7,1,1,0.000,1,0,1"])
    held = json.loads(run("profile", "validate", "v100-32gb", "--measurements", far, "--json").output)
    assert [(each["samples"], each["outside"], each["mape"]) for each in held["kernels"]] == [(0, 1, None)] * 2


def test_too_few_operators_leave_the_data_sheet_and_the_other_card(tmp_path):
    table, path = write(tmp_path), tmp_path / "mine.json"
    made = run("calibrate", "--from", table, "--device", "v100-32gb", "--rest", "v100-pcie-32gb", "-o", path, "--json")
    assert made.exit_code == 0, made.output
    document = json.loads(path.read_text())
    origins = {(fit["kernel"], fit["dtype"]): fit["origin"] for fit in document["fits"]}
    assert origins["gemm", "fp16"] == "data sheet"
    assert origins["gemm", "fp32"] == "derived"
    assert "no fit of conv fp32: 1 operators of the 40 that a fit takes at least" in json.loads(made.stdout)["warnings"]
    assert "--rest: found 't4'" in str(run("calibrate", "--rest", "t4").exception)


def test_a_collective_takes_its_start_and_what_is_sent():
    norm = OperatorTime("x", FORWARD, "fp16", "x", (), ((Collective.ALL_GATHER, 1e6),), 4, 1.0, "toy")
    harness = Harness({}, {("toy", 4): Link(1e-4, 1e10)})
    assert harness.seconds(norm, [2e-4]) == pytest.approx(2e-4 + 1e-4 + 3e6 / 1e10)
    assert harness.network(replace(norm, ranks=1)) == 0.0


def test_the_models_that_are_known_have_links_for_each_degree_and_sane_hosts():
    known = read_timed_models("aceso").value
    assert {gpus for _, gpus in known.harness.links} == {2, 4, 8}
    assert {model for model, _ in known.harness.links} == set(known.models)
    assert all(0 <= seconds < 2e-3 for seconds in known.harness.host.values())


def test_a_bad_file_of_models_is_refused(tmp_path):
    path, link = tmp_path / "mine.yaml", "{model: a, gpus: 2, start: 1 us, bandwidth: 0 GB/s}"
    path.write_text(f"device: t4\nmodels: {{a: {{dtype: fp16}}}}\nhost: []\nlinks: [{link}]\n")
    with pytest.raises(InputError, match="link 1, field 'bandwidth': found 0"):
        read_timed_models(path)


def test_the_shipped_profile_meets_the_published_operators(shared):
    """On rows that it was fitted to; errors on combinations that no fit saw are in the validation page."""
    table = shared / "data/measured/v100_operators.csv.gz"
    held = json.loads(run("profile", "validate", "v100-32gb", "--measurements", table, "--json").output)
    rows = [each for each in held["kernels"] if each["kernel"] != "encoder-embedding"]
    for dtype in ("fp16", "fp32"):
        own = [each for each in rows if each["dtype"] == dtype]
        count = sum(each["samples"] for each in own)
        assert math.fsum(each["samples"] * each["mape"] for each in own if each["samples"]) / count < 0.08
    assert sum(each["outside"] for each in rows) <= 0.001 * sum(each["samples"] for each in rows)
