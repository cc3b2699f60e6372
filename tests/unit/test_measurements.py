"""Tables of measured kernels: read as they are or refused, made into profiles, and profiles held against them."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from simcore.calibrate.profile.published import (
    Drift,
    common_tiles,
    fit_measurements,
    fit_seen,
    is_held_out,
    thinned,
)
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.compute.convolution import as_product
from simcore.models.compute.correction import FEATURES, Correction, Tree, count_features
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import seconds_of
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Errors, KernelProfile, Sample
from simcore.readers.devices import read_device
from simcore.readers.measurements import read_measurements, same_name
from simcore.readers.profile_json import profile_text
from simcore.readers.profiles import read_profile

HEADER = (
    "op,device,split,latency_ms,B,H,Input_Channel,Input_Size,K,Kernel_Szie,M,N,Output_Channel,Padding,Stride,large,"
    "kernel,grid,block"
)
LINEAR = "linear,t4,train,1.5,1,,,,512,,128,1024,,,,,volta_sgemm_128x64_tn,4x2x1,128"
ROWS = [
    LINEAR,
    "bmm,t4,train,0.8,16,,,,64,,128,96,,,,,volta_sgemm_64x64_nn,2x1x16,64",
    "conv,t4,train,2.5,8,,32,28,,3,,,64,1,1,,,,",
    "softmax,t4,train,0.2,4096,1024,,,,,,,,,,True,,,",
    "add,t4,train,0.3,4096,1024,,,,,,,,,,True,,,",
    "ln,a100-40gb-pcie,train,0.3,4096,1024,,,,,,,,,,True,,,",
]


@pytest.fixture
def t4():
    return read_device("t4").value


def write(tmp_path, rows=ROWS, header=HEADER, name="table.csv"):
    path = tmp_path / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def refusal(*arguments):
    """Return the message of a command that refuses its input."""
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    return str(error)


def test_rows_become_kernels_with_n_contracted_and_other_devices_left_out(tmp_path, t4):
    linear, bmm, conv, softmax, add = read_measurements(write(tmp_path), t4).value
    assert linear.sample == Sample("gemm", "fp32", {"m": 128, "n": 512, "k": 1024, "batch": 1}, 1.5e-3, state="warm")
    assert (linear.op, linear.tile) == ("linear", (128, 64))
    assert bmm.sample.shape == {"m": 128, "n": 64, "k": 96, "batch": 16}
    assert as_product(conv.sample.shape) == {"m": 8 * 28 * 28, "n": 64, "k": 32 * 9, "batch": 1}
    assert softmax.sample.shape == {"bytes": 2 * 4096 * 1024 * 4, "width": 1024}
    assert add.sample.shape == {"bytes": 3 * 4096 * 1024 * 4}
    assert conv.tile is None


def test_a_table_packed_by_gzip_is_the_same_table(tmp_path, t4):
    plain = write(tmp_path)
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_measurements(packed, t4).value == read_measurements(plain, t4).value
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(InputError, match="a gzip file that is broken"):
        read_measurements(packed, t4)


def test_a_device_is_known_with_its_words_in_another_order():
    assert same_name("a100-40gb-pcie", "a100-pcie-40gb")
    assert not same_name("v100-pcie-32gb", "v100-32gb")


REFUSED = {
    "no time": (LINEAR, HEADER.replace("latency_ms", "large2"), "large2"),
    "no device": (LINEAR, HEADER.replace("device,", "block2,"), "block2"),
    "an unknown operation": (LINEAR.replace("linear", "lineal"), HEADER, "line 2, column 'op': found 'lineal'"),
    "a size of zero": (LINEAR.replace(",128,1024", ",0,1024"), HEADER, "line 2, column 'M': found '0'"),
    "a size with a fraction": (LINEAR.replace(",128,1024", ",1.5,1024"), HEADER, "column 'M': found 1.5"),
    "no size": (LINEAR.replace(",128,1024", ",,1024"), HEADER, "column 'M': found ''"),
    "a time below zero": (LINEAR.replace("1.5", "-1.5"), HEADER, "'latency_ms': found '-1.5', expected a time above 0"),
    "a time that is none": (LINEAR.replace("1.5", "nan"), HEADER, "'latency_ms': found 'nan'"),
    "seconds in a column of milliseconds": (LINEAR.replace("1.5", "0.0000015"), HEADER, "are these seconds?"),
    "milliseconds in a column of seconds": (LINEAR, HEADER.replace("_ms", "_s"), "are these milliseconds?"),
    "a short row": ("linear,t4", HEADER, "line 2: found 2 fields"),
    "another device": (LINEAR.replace("t4", "p4"), HEADER, "found no rows of t4, expected one of its devices: p4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_table_is_refused_with_place_and_remedy(case, tmp_path, t4):
    row, header, message = REFUSED[case]
    path = write(tmp_path, [row], header)
    with pytest.raises(InputError) as refused:
        read_measurements(path, t4)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_column_that_an_operation_needs_is_missed_by_name(tmp_path, t4):
    header, row = HEADER.replace(",Stride", ""), "conv,t4,train,2.5,8,,32,28,,3,,,64,1,,,,"
    with pytest.raises(InputError, match="column 'Stride': found no such column, expected a size of conv"):
        read_measurements(write(tmp_path, [row], header), t4)


TOY = Device("toy", "cuda", 4, 1e9, 1e11, 1e6, peaks={"fp32": 1e12})


def product(m, n, k, batch=1):
    return {"m": m, "n": n, "k": k, "batch": batch}


def chosen_seconds(shape):
    """Return what a library takes that has two tiles, and takes the small one below 256 rows."""
    side = 32 if shape["m"] < 256 else 128
    waves = math.ceil(shape["batch"] * math.ceil(shape["m"] / side) * math.ceil(shape["n"] / side) / 4)
    return 1e-5 + waves * side * side * shape["k"] * (4 if side == 32 else 2) * 4 / 1e12, f"toy_{side}x{side}"


def measured_products():
    rows = []
    for m, n, k in itertools.product((40, 72, 130, 200, 300, 500, 900, 1500), repeat=3):
        shape = product(m, n, k)
        seconds, library = chosen_seconds(shape)
        rows.append(Measurement("linear", Sample("gemm", "fp32", shape, seconds), library))
    return rows


def test_what_a_library_chooses_is_learned_from_shapes_alone():
    rows = measured_products()
    assert sorted(common_tiles(rows, TOY)) == [(32, 32), (128, 128)]
    fit, kept = fit_measurements(rows, TOY)
    assert fit.judged is not None
    assert fit.judged.samples == sum(is_held_out(one.sample) for one in rows)
    unseen = [one.sample for one in rows if is_held_out(one.sample)]
    bare = KernelProfile("toy", TOY, fits=(fit,))
    alone = [
        seconds_of(fit, one.shape, TOY) / fit.correction.factor(one.shape, TOY) / one.seconds - 1 for one in unseen
    ]
    assert fit.judged.mape < 0.5 * Errors.of(alone).mape
    assert len(fit.residuals) == len(kept) <= 200
    found = predict(bare, "gemm", "fp32", product(100, 100, 100))
    assert found.error >= fit.judged.mape
    assert found.basis
    with pytest.raises(InputError, match="outside"):
        predict(bare, "gemm", "fp32", product(4000, 100, 100))


def test_a_corrected_profile_comes_back_from_its_file(tmp_path):
    fit, kept = fit_measurements(measured_products(), TOY)
    profile = KernelProfile("toy", TOY, "published measurement", (fit,), kept)
    path = tmp_path / "toy.json"
    path.write_text(profile_text(profile))
    again = read_profile(path).value
    assert again.sha256 == profile.sha256
    assert seconds_of(again.fits[0], product(99, 98, 97), TOY) == seconds_of(fit, product(99, 98, 97), TOY)
    assert again.fits[0].errors == fit.judged


WRONG_TREES = {
    "a feature that is none": (Tree(((99, 1.0),), (0, 1)), "tree 1: found feature 99, expected one of 0 to 12"),
    "a leaf missing": (Tree(((0, 1.0), (1, 1.0)), (0, 1)), "tree 1: found 2 leaves, expected 4"),
}


@pytest.mark.parametrize("case", WRONG_TREES)
def test_trees_that_would_fail_or_mislead_are_refused(case, tmp_path):
    tree, message = WRONG_TREES[case]
    fit, _ = fit_measurements(measured_products(), TOY)
    wrong = replace(fit, correction=Correction("product", ((128, 128),), (tree,)))
    path = tmp_path / "toy.json"
    path.write_text(profile_text(KernelProfile("toy", TOY, "published measurement", (wrong,))))
    with pytest.raises(InputError, match=message):
        read_profile(path)


def test_every_kind_of_features_has_as_many_as_it_says():
    conv = {"batch": 2, "in_channels": 3, "out_channels": 4, "height": 9, "width": 9, "kernel_h": 3, "kernel_w": 3,
            "stride": 1, "padding": 1, "groups": 1}  # fmt: skip
    for kind, shape in (("product", product(3, 4, 5)), ("moved", {"bytes": 8}), ("convolution", conv)):
        assert len(FEATURES[kind](shape, ((64, 64), (32, 32)), TOY)) == count_features(kind, 2)


def test_a_row_without_its_width_is_predicted_with_a_note():
    rows = [
        Measurement("softmax", Sample("softmax", "fp32", {"bytes": 8 * n * 512, "width": 512}, 1e-5 + n * 4e-8))
        for n in range(1, 200)
    ]
    profile = KernelProfile("toy", TOY, fits=(fit_measurements(rows, TOY)[0],))
    assert predict(profile, "softmax", "fp32", {"bytes": 8 * 99 * 512, "width": 512}).notes == ()
    (note,) = predict(profile, "softmax", "fp32", {"bytes": 8 * 99 * 512}).notes
    assert note == "softmax fp32: the width of its rows is not given, 1024 elements are assumed"


def test_thinning_does_not_depend_on_the_order():
    samples = [one.sample for one in measured_products()]
    assert {one.key for one in thinned(samples, 20)} == {one.key for one in thinned(samples[::-1], 20)}
    assert len(thinned(samples, 20)) == 20


def table_of_adds(tmp_path, factor=1.0):
    rows = [f"add,t4,,{factor * (0.01 + 12 * size / 3e5):.6f},{size},1000,,,,,,,,,,,,," for size in range(10, 1000, 10)]
    return write(tmp_path, rows)


def test_a_table_becomes_a_profile_and_a_profile_is_held_against_a_table(tmp_path):
    table, path = table_of_adds(tmp_path), tmp_path / "mine.json"
    made = run("calibrate", "--from", table, "--device", "t4", "-o", path, "--source", "by hand", "--json")
    assert made.exit_code == 0, made.output
    profile = read_profile(path).value
    assert profile.origin == profile.fit("add", "fp32").origin == "published measurement"
    assert profile.source == profile.fit("add", "fp32").source == "by hand"
    assert profile.fit("gemm", "fp16").origin == "data sheet"
    assert len(profile.samples) == 30
    held = json.loads(run("profile", "validate", path, "--measurements", table, "--json").output)
    (add,) = held["kernels"]
    assert (held["profile"], add["kernel"], add["dtype"], add["samples"], add["outside"]) == (
        str(path), "add", "fp32", 99, 0,
    )  # fmt: skip
    assert add["mape"] < 0.01
    slower = json.loads(run("profile", "validate", path, "--measurements", table_of_adds(tmp_path, 2), "--json").output)
    assert slower["kernels"][0]["bias"] == pytest.approx(-0.5, abs=0.01)


def test_rows_outside_what_was_sampled_are_counted_and_not_compared(tmp_path):
    path = tmp_path / "mine.json"
    assert run("calibrate", "--from", table_of_adds(tmp_path), "--device", "t4", "-o", path).exit_code == 0
    far = write(tmp_path, ["add,t4,,100.0,900000,1000,,,,,,,,,,,,,"])
    (add,) = json.loads(run("profile", "validate", path, "--measurements", far, "--json").output)["kernels"]
    assert (add["samples"], add["outside"], add["mape"]) == (0, 1, None)
    lacking = write(tmp_path, ["conv,t4,train,0.1,8,,32,28,,3,,,64,1,1,,,,"])
    (conv,) = json.loads(run("profile", "validate", path, "--measurements", lacking, "--json").output)["kernels"]
    assert conv["samples"] == 1  # as a product of its sizes


def test_what_says_how_to_measure_does_not_go_with_a_table(tmp_path):
    table = table_of_adds(tmp_path)
    for more in (["--full"], ["--suite", "gemm"], ["--time-limit", "9"]):
        said = refusal("calibrate", "--from", table, "--device", "t4", "-o", tmp_path / "p.json", *more)
        assert f"{more[0]}: found given" in said
    assert "expected --from beside it" in refusal("calibrate", "--source", "me")
    (tmp_path / "p.json").write_text("kept")
    said = refusal("calibrate", "--from", table, "--device", "t4", "-o", tmp_path / "p.json")
    assert "a file that simcore did not write" in said
    assert (tmp_path / "p.json").read_text() == "kept"
    assert "--stored: found given" in refusal("profile", "validate", "t4", "--stored", "--measurements", table)


def test_too_few_rows_are_no_fit_but_a_warning(tmp_path):
    rows = [f"add,t4,,{0.01 + size / 25000:.6f},{size},1000,,,,,,,,,,,,," for size in range(10, 100, 10)]
    made = run("calibrate", "--from", write(tmp_path, rows), "--device", "t4", "-o", tmp_path / "p.json")
    assert made.exit_code == 0
    assert "no fit of add fp32: 9 rows of the 40" in made.output


def conv(batch, channels, out, side):
    return {"batch": batch, "in_channels": channels, "out_channels": out, "height": side, "width": side,
            "kernel_h": 3, "kernel_w": 3, "stride": 1, "padding": 1, "groups": 1}  # fmt: skip


def measured_convolutions(drift, ordered=False):
    """Return convolutions in a random order, each slower than the one before by the same time."""
    import random

    chance = random.Random(1)
    shapes = [
        conv(chance.randint(1, 32), chance.randint(3, 300), chance.randint(3, 300), chance.randint(5, 40))
        for _ in range(600)
    ]
    if ordered:
        shapes.sort(key=lambda shape: shape["in_channels"])
    seconds = [1e-5 + 2 * math.prod(as_product(shape).values()) / 1e12 for shape in shapes]
    return [
        Measurement("conv", Sample("conv", "fp32", shape, once + drift * at / 600))
        for at, (shape, once) in enumerate(zip(shapes, seconds, strict=True))
    ]


def test_times_that_grow_while_they_are_measured_are_told_from_shapes():
    fit = fit_seen(measured_convolutions(5e-4), TOY)
    assert "times grow by 0.5" in fit.source
    still = fit_seen(measured_convolutions(0.0), TOY)
    assert still.source == ""
    once = [one.sample for one in measured_convolutions(0.0)]
    expected = Drift((0.0, 5e-4)).likeliest(np.array([one.seconds for one in once]))
    errors = Errors.of([seconds_of(fit, one.shape, TOY) / t - 1 for one, t in zip(once, expected, strict=True)])
    assert errors.mape < 0.1
    assert abs(errors.bias) < 0.05


def test_of_a_drift_the_time_is_taken_that_is_least_off_from_all_rows():
    first, drift = np.array([2e-5, 1e-4, 4e-4, 5e-3]), Drift((0.0, 5e-5, 5e-4))
    seen = first[:, None] + np.interp(np.linspace(0, 1, 201), [0, 0.5, 1], drift.longer)

    def error(predicted):
        return np.abs(predicted[:, None] / seen - 1).mean(1)

    least = min((error(first + longer) for longer in np.linspace(0, 5e-4, 501)), key=lambda of: of.sum())
    each = np.min([error(first + longer) for longer in np.linspace(0, 5e-4, 501)], 0)
    assert error(drift.likeliest(first)) == pytest.approx(each, rel=0.02)
    assert error(drift.likeliest(first)).sum() < least.sum()


def test_a_table_in_the_order_of_its_sizes_says_nothing_of_a_drift():
    assert fit_seen(measured_convolutions(5e-4, ordered=True), TOY).source == ""
