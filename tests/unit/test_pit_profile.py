"""Sparse kernels in profiles: their cases are right, their fits find what made the samples, predictions add up."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from simcore.calibrate.profile.fit import fit_all
from simcore.errors import InputError, MissingExtraError
from simcore.models.compute.device import Device
from simcore.models.compute.expected import expected_error
from simcore.models.compute.kernels import AXES, FORMULAS
from simcore.models.compute.predict import predict
from simcore.models.compute.profile import Fit, KernelProfile, Sample
from simcore.models.compute.sparse import profiled
from simcore.models.compute.sparse.composed import COMPOSED, composed_seconds, parts, tokens_of
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.packed import layout_seconds, packed_seconds, shape_of
from simcore.models.compute.sparse.prices import PricedEntry, TileEntry
from simcore.models.compute.sparse.profiled import index_cost, outside, sample_seconds, tile_table
from simcore.models.compute.sparse.regret import selection_regret
from simcore.models.compute.sparse.selection import select
from simcore.models.compute.sparse.tiles import Product, SparseKernel
from simcore.readers.profile_json import profile_text
from simcore.studies.kernel import matmul
from simcore.studies.profile import validate

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.calibrate.suites import moe, pit, sequence  # noqa: E402 - these need torch

CPU = Device("toy", "cpu", 1, 1e12, 0.0, 1e6)
CUDA = Device("toy", "cuda", 80, 1e11, 0.0, 4e7)
COST = {
    "t0": 2e-5, "group": 1e-5, "row": 5e-9, "rate": 9e10, "left": 8e9, "right": 1e10, "out": 5e9, "stream": 2e10,
    "fresh": 3e9, "touched": 1e10,
}  # fmt: skip
INDEX = {"t0": 5e-5, "element": 2e-10, "partial": 2e-10, "micro_tile": 1e-9, "entry": 2e-9}
LAYOUT = {"t0": 5e-5, "byte": 1e10, "rest": 5e-10, "pad": 1e-10, "result": 1e-9, "entry": 2e-9, "group": 1e-6}
GEMM = {"t0": 2e-5, "rate": 1e11, "ramp": 1.0, "onchip": 1e14, "stream": 2e10, "vector": 1e10, "fresh": 2e9}
SMALL = pit.Problem(70, 50, 128, 16, 4, 0.6)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def samples_of(kind, factor=lambda: 1.0):
    """Samples of every case of the suite, with times that the formulas give."""
    for case in pit.cases(kind, full=False):
        p = LAYOUT if case.kernel.startswith("index") else GEMM if case.kernel == "gemm" else COST
        t = FORMULAS[case.kernel].seconds(case.shape, p, case.dtype, CPU) * factor()
        yield Sample(case.kernel, case.dtype, case.shape, t, 0.01, 3, case.held_out, state=case.state)


def dense(m, n, k):
    shape = {"m": m, "n": n, "k": k, "batch": 1}
    return Sample("gemm", "fp32", shape, FORMULAS["gemm"].seconds(shape, GEMM, "fp32", CPU))


DENSE = [dense(m, n, k) for m in (64, 1024, 4096) for n in (64, 4096) for k in (64, 4096)]


@pytest.fixture(scope="module")
def profile():
    rng = np.random.default_rng(0)
    samples = [*samples_of("cpu", lambda: rng.uniform(0.97, 1.03)), *DENSE]
    return KernelProfile("toy", CPU, "measured", fit_all(samples, CPU), tuple(samples))


@pytest.mark.parametrize("kernel", pit.KERNELS["cpu"], ids=lambda k: k.name)
def test_every_case_computes_the_product(kernel):
    case = pit.multiplication("cpu", "fp32", kernel, SMALL)
    first, second = case.make_inputs(0), case.make_inputs(1)
    assert not torch.equal(first[0], second[0])
    assert case.check(case.run(*first), first) < 1e-6
    assert case.check(case.run(*first) + 1, first) > 1e-3
    (mask,) = pit.index("cpu", kernel, SMALL).make_inputs(0)
    listed = pit.build("cpu", kernel, mask)
    sparse = first[1] if kernel.axis == "n" else first[0]
    assert torch.equal(sparse != 0, mask)
    work = kernel.work(Product(70, 128, 50), mask.numpy())
    assert sum(1 for one in listed if len(one)) == work.groups


@pytest.mark.parametrize("kernel", pit.KERNELS["cuda"], ids=lambda k: k.name)
def test_the_fused_kernels_of_the_suite_compute_the_product(kernel):
    pytest.importorskip("triton", reason="triton is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: simcore calibrate checks them")
    mask = pit.mask_of(SMALL, kernel, "cpu", 0)
    a, b = torch.randn(70, 128), torch.randn(128, 50)
    a, b = (a, b * mask) if kernel.axis == "n" else (a * mask, b)
    a, b = pit.stored("cuda", kernel, a, b)
    sparse = b if kernel.axis == "n" else a
    assert sparse.stride(0 if kernel.axis in {"k", "n"} else 1) == 1  # contiguous along the micro-tile
    index = pit.build("cuda", kernel, mask)
    found = pit.multiply("cuda", kernel, "fp32", a, b, index)
    assert torch.allclose(found, a @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_no_fit_sees_a_held_out_shape_granularity_or_sparsity(kind):
    seen = [one for kernel in pit.KERNELS[kind] for one in pit.fitted(kind, kernel)]
    unseen = list(pit.held_out(kind))
    assert not {(one.m, one.n, one.k) for one in seen} & {(one.m, one.n, one.k) for one in unseen}
    assert not {one.sparsity for one in seen} & {one.sparsity for one in unseen}
    if kind == "cpu":  # a tile's table on CUDA is filled at its own micro-tile
        assert not {(one.height, one.width) for one in seen} & {(one.height, one.width) for one in unseen}


def test_the_suite_of_a_cpu_reaches_from_64_to_4096_and_from_30_to_99_5_percent():
    for kernel in pit.KERNELS["cpu"]:
        alike = [one for one in pit.KERNELS["cpu"] if one.axis == kernel.axis]
        seen = [one for each in alike for one in pit.fitted("cpu", each)]
        for side in ("m", "n", "k"):
            assert (min(getattr(one, side) for one in seen), max(getattr(one, side) for one in seen)) == pit.SIDES
        assert (min(one.sparsity for one in seen), max(one.sparsity for one in seen)) == pit.SPARSITIES
    assert any(one.k % 64 for one in seen)  # what no block divides


def test_on_cuda_the_suite_asks_for_triton(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(MissingExtraError, match="pip install triton"):
        next(pit.cases("cuda", full=False))


def test_fits_find_the_formulas_that_made_the_samples(profile):
    kernels = {fit.kernel for fit in profile.fits}
    assert kernels >= {f"pit-{axis}" for axis in AXES} | {f"index-{axis}" for axis in AXES}
    for fit in profile.fits:
        assert fit.errors.mape < 0.04, fit.kernel
        assert len(fit.held_out) >= 3 or fit.kernel == "gemm"


def test_a_sparse_product_is_chosen_and_explained_with_index_and_error(profile):
    result = matmul("1024x512x1024", profile=profile, sparsity=0.95, granularity="32x1")
    best = result.selection.best
    assert best.kernel == SparseKernel("k", 32, 1, 1)
    assert best.index_seconds > LAYOUT["t0"] / 2
    mask = RandomMask(1024, 1024, 32, 1, 0.95)
    at = shape_of(best.kernel, Product(1024, 1024, 512), mask)
    fits = profile.fit("pit-k", "fp32"), profile.fit("index-k", "bool", "warm")
    product, index = (expected_error(profile, fit, at).relative for fit in fits)
    assert product >= fits[0].errors.mape
    assert best.error == pytest.approx((best.seconds * product + best.index_seconds * index) / best.total)
    document = result.as_dict()
    assert (document["chosen"], document["seconds"]) == (best.name, best.total)
    assert document["candidates"][0]["name"] == best.name
    assert next(one["seconds"] for one in document["candidates"] if one["name"] == "dense") == document["dense_seconds"]
    text = "\n".join(result.sentences())
    assert (
        "ms for the index); 5.00% of the micro-tiles hold a non-zero, 5.00% of the dense work; expected error" in text
    )
    assert "n-axis 32x1, which is for a sparse B" in text
    assert result.as_dict()["explanation"][1:] == result.sentences()
    assert matmul("1024x512x1024", profile=profile, sparsity=0.5, granularity="1x1").selection.best.name == "dense"
    assert not result.warnings


def test_a_sparse_product_beyond_what_was_measured_is_refused_or_noted(profile):
    def asked(shape="1024x1024x1024", granularity="32x1", sparsity=0.95):
        return matmul(shape, profile=profile, sparsity=sparsity, granularity=granularity)

    asked()
    with pytest.raises(InputError, match=r"flop of the dense product .* is outside .*Add extrapolate"):
        asked("4096x4096x4096")  # each size was measured, all three of them in other products
    small = tuple(
        one for one in profile.samples
        if not (one.kernel.startswith("index") and one.shape["m"] * one.shape["k"] > 2**20)
    )  # fmt: skip
    with pytest.raises(InputError, match=r"found elements of the mask 4\.1943e\+06 is outside 4096 to [0-9]{6}, "):
        matmul("4096x256x1024", profile=replace(profile, samples=small), sparsity=0.95, granularity="32x1")
    with pytest.raises(InputError, match=r"found sparsity 0\.2 is outside 0\.3 to 0\.995, "):
        asked(sparsity=0.2)
    with pytest.raises(InputError, match="found rows of a block 256 is outside 1 to 128, "):
        asked(granularity="256x1")
    found = matmul("4096x4096x8192", profile=profile, sparsity=0.95, granularity="32x1", extrapolate=True)
    said = "sparse kernels: extrapolated beyond what was measured"
    (line,) = [line for line in found.warnings if line.startswith(said)]
    assert "k 8192 is outside 64 to 4096" in line
    assert line in found.as_dict()["warnings"]
    assert outside(profile, Product(1024, 1024, 1024), RandomMask(1024, 1024, 1, 64, 0.9)) == []


def test_the_range_of_tiles_on_cuda_is_that_of_their_samples():
    product = Product(2048, 2048, 2048)
    samples = tuple(fused(SparseKernel("k", 32, 32, 64), product, s, 32, 1) for s in pit.TABLE)
    found = KernelProfile("toy", CUDA, "measured", (), samples)
    assert outside(found, product, RandomMask(2048, 2048, 32, 1, 0.7)) == []
    assert len(outside(found, Product(1024, 2048, 2048), RandomMask(1024, 2048, 64, 1, 0.995))) == 4


def test_a_profile_without_sparse_kernels_says_so(profile):
    found = matmul("64x64x64", profile="t4", sparsity=0.95)
    assert "profile t4 has no sparse kernels of fp32: only dense is predicted" in found.as_dict()["warnings"]


def test_validation_covers_sparse_kernels_and_the_choice_among_them(profile, tmp_path):
    path = tmp_path / "toy.json"
    path.write_text(profile_text(profile))
    (found,) = validate(path, stored=True).validations
    for axis in AXES:
        assert found.errors[f"pit-{axis}", "fp32", "cold"].samples == len(
            [one for one in profile.samples if one.held_out and one.kernel == f"pit-{axis}"]
        )
    regret = found.regret["pit"]
    assert len(regret) == 2 * len(pit.UNSEEN_MASKS)  # a sparse A and a sparse B
    assert max(regret) < 0.1
    assert sum(regret) / len(regret) < 0.03


@pytest.mark.parametrize(
    ("axis", "rest", "padded", "results", "groups"),
    [("k", 300 * 52, 0, 10 * 180, 10), ("n", 180 * 13, 0, 6 * 141, 6), ("m", 0, 300 * 180, 300 * 6, 6),
     ("block", 0, 300 * 180, 300 * 3, 10)],
)  # fmt: skip
def test_an_index_reduces_whole_columns_pads_scans_and_lists(axis, rest, padded, results, groups):
    """By hand, of m, n, k = 300, 141, 180: 52 of 180 columns and 13 of 141 are left of 128 together."""
    kernel = next(one for one in pit.KERNELS["cpu"] if one.axis == axis)
    product, rows = Product(300, 180, 141), 180 if axis == "n" else 300
    columns = 141 if axis == "n" else 180
    work = kernel.work(product, RandomMask(rows, columns, 1, 1, 0.0))
    found = {"k": 1800, "n": 846, "m": 1800, "block": 30}[axis]
    p = dict.fromkeys(LAYOUT, 0.0) | {"byte": 1e10}
    parts = {"rest": rest, "pad": padded, "result": results, "entry": found, "group": groups}
    reduced = layout_seconds(kernel, product, work, p)
    assert reduced == pytest.approx((rows * columns - rest) / 1e10)
    for name, count in parts.items():
        assert layout_seconds(kernel, product, work, p | {name: 1e-3}) - reduced == pytest.approx(count * 1e-3)


def test_an_index_is_of_a_mask_just_written_where_that_was_measured(profile):
    """A profile of before has indices of masks in memory, which stand in."""
    warm = profile.fit("index-k", "bool", "warm")
    kernel, product = pit.KERNELS["cpu"][0], Product(512, 512, 512)
    mask = RandomMask(512, 512, 32, 1, 0.9)
    price = index_cost(profile.with_fit(replace(warm, state="cold", parameters={**warm.parameters, "t0": 1.0})))
    assert price(kernel, product, kernel.work(product, mask))[0] < 0.01
    only = replace(profile, fits=(replace(warm, state="cold", parameters={**warm.parameters, "t0": 1.0}),))
    assert index_cost(only)(kernel, product, kernel.work(product, mask))[0] > 1


def test_regret_counts_the_index_and_dense():
    shape = {"m": 8, "n": 8, "k": 8, "height": 1, "width": 1, "sparsity": 0.5}
    one, other = ({**shape, "tile_m": tile, "tile_k": 1, "tile_n": 1} for tile in (32, 64))
    pairs = [
        (Sample("pit-k", "fp32", one, 1.0), 1.0), (Sample("pit-k", "fp32", other, 1.5), 1.5),
        (Sample("index-k", "bool", one, 2.0), 0.1), (Sample("index-k", "bool", other, 0.1), 0.1),
        (Sample("gemm", "fp32", {"m": 8, "n": 8, "k": 8, "batch": 1}, 1.2), 9.0),
    ]  # fmt: skip
    (regret,) = selection_regret(pairs)["pit"]
    assert regret == pytest.approx(3.0 / 1.2 - 1)  # chosen for 1.1 predicted, takes 3.0; dense would take 1.2


def test_regret_counts_the_index_of_packed_sequences():
    """Packed alone is quicker, predicted and measured; with its index, a scan of 8 x 16 positions, padded is."""
    shape = {"batch": 8, "longest": 16, "inner": 4, "outer": 4, "valid": 32}
    pairs = [(Sample("sequence-padded", "fp32", shape, 1.0), 1.0), (Sample("sequence-packed", "fp32", shape, 0.9), 0.9)]
    assert selection_regret(pairs) == {}  # without an index that was measured, packed cannot run
    index = Sample("index-sequence", "bool", {"elements": 0, "partial": 0, "micro": 128, "found": 32}, 0.6)
    assert selection_regret([*pairs, (index, 0.05)]) == {"sequence": (pytest.approx(0.5),)}
    assert selection_regret([*pairs, (index, 0.2)]) == {"sequence": (0.0,)}


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_the_index_of_every_packed_batch_is_measured_and_held_out(kind):
    cases = list(sequence.cases(kind, full=False))
    keys = [case.key for case in cases]
    assert len(set(keys)) == len(keys)
    unseen = {(case.shape["micro"], case.shape["found"]) for case in cases if "micro" in case.shape and case.held_out}
    seen = {(case.shape["micro"], case.shape["found"]) for case in cases if not case.held_out}
    assert len(seen) >= 4
    assert not seen & unseen
    for case in cases:
        if case.kernel == "sequence-packed":
            assert (case.shape["batch"] * case.shape["longest"], case.shape["valid"]) in unseen


def test_packed_time_has_a_floor_and_grows_with_density():
    product, kernel = Product(256, 256, 256), SparseKernel("m", 1, 32, 1)
    times = [
        packed_seconds(kernel, product, kernel.work(product, RandomMask(256, 256, 4, 4, s)), COST)
        for s in (1.0, 0.99, 0.9, 0.5, 0.0)
    ]
    assert times == sorted(times)
    assert times[0] == pytest.approx(COST["t0"] + 4 * 256 * 256 / COST["stream"])
    groups = 8 * (COST["group"] + product.flop / 8 / COST["rate"])
    moved = 4 * (8 * 256 * 32 / COST["left"] + 8 * 32 * 256 / COST["right"] + 8 * 256 * 256 / COST["out"])
    moved += 4 * 256 * 256 / COST["touched"]
    rows = 8 * 256 * COST["row"]
    assert times[-1] == pytest.approx(times[0] + groups + moved + rows)


def test_a_large_output_is_fresh_memory():
    kernel, mask = SparseKernel("k", 32, 1, 1), RandomMask(4096, 64, 32, 1, 1.0)
    small, large = Product(4096, 64, 1024), Product(4096, 64, 2048)
    for product, speed in ((small, "stream"), (large, "fresh")):
        found = packed_seconds(kernel, product, kernel.work(product, mask), COST)
        assert found == pytest.approx(COST["t0"] + 4 * product.m * product.n / COST[speed])


@pytest.mark.parametrize("axis", ["k", "m", "n", "block"])
def test_covered_elements_are_counted_and_expected_alike(axis):
    """Row blocks that the edge cuts hold a non-zero less often, and fewer elements."""
    kernel = next(one for one in pit.KERNELS["cpu"] if one.axis == axis)
    product, shape = Product(143, 143, 100), (143, 100) if axis == "n" else (143, 143)
    works = [kernel.work(product, pit.pit.block_mask(shape, (3, 5), 0.95, "cpu", seed).numpy()) for seed in range(200)]
    expected = kernel.work(product, RandomMask(*shape, 3, 5, 0.95))
    for name in ("covered", "lines", "touched"):
        assert np.mean([getattr(one, name) for one in works]) == pytest.approx(getattr(expected, name), rel=0.02)
    area = shape[0] * shape[1]
    assert kernel.work(product, RandomMask(*shape, 3, 5, 0.0)).covered == pytest.approx(area)
    whole = kernel.work(product, np.ones(shape, dtype=bool))
    assert whole.covered == area
    assert whole.lines == (area if axis in {"k", "n"} else 0)
    assert whole.touched == shape[axis != "m"]


def fused(kernel, product, sparsity, height, width, held_out=False):
    shape = {
        "m": product.m, "n": product.n, "k": product.k, "height": height, "width": width, "sparsity": sparsity,
        "tile_m": kernel.tile_m, "tile_k": kernel.tile_k, "tile_n": kernel.tile_n,
    }  # fmt: skip
    rows, columns = (product.k, product.n) if kernel.axis == "n" else (product.m, product.k)
    work = kernel.work(product, RandomMask(rows, columns, height, width, sparsity))
    area = kernel.tile_m * kernel.tile_k * kernel.tile_n
    return Sample(f"pit-{kernel.axis}", "fp32", shape, 1e-5 + 2e-13 * area * work.tiles, 0.01, 9, held_out)


def test_on_cuda_the_samples_of_each_tile_are_its_table(monkeypatch):
    product, unseen = Product(2048, 2048, 2048), Product(1536, 3072, 1024)
    samples = []
    for kernel in pit.KERNELS["cuda"]:
        samples += [fused(kernel, product, s, *kernel.micro) for s in pit.TABLE]
        samples.append(fused(kernel, unseen, 0.93, 16, 1, held_out=True))
    counts = ({"elements": 0, "partial": 0, "micro": micro, "found": micro / 100} for micro in (1e3, 1e4, 1e5, 1e6))
    samples += [Sample("index", "bool", one, FORMULAS["index"].seconds(one, INDEX, "bool", CUDA)) for one in counts]
    fits = (*fit_all(samples, CUDA), Fit("gemm", "fp32", "gemm", GEMM))
    found = KernelProfile("toy", CUDA, "measured", fits, tuple(samples))
    assert {fit.kernel for fit in fits} == {"gemm", "index"}
    table = tile_table(found, unseen)
    assert table.shape == product
    assert all(isinstance(entry, TileEntry) for entry in table.entries)
    assert len(table.entries) == len(pit.KERNELS["cuda"])
    assert all(entry.error < 0.02 for entry in table.entries)
    assert list(sample_seconds(found, samples)) == pytest.approx([one.seconds for one in samples], rel=0.02)
    made, table_of = [], profiled._table
    monkeypatch.setattr(profiled, "_table", lambda *given: made.append(given[1]) or table_of(*given))
    assert len(list(sample_seconds(found, samples))) == len(samples)
    assert made == [product, unseen]  # once each, not for every sample
    mask = RandomMask(1536, 3072, 32, 1, 0.95)
    assert select(unseen, mask, table).best.kernel.micro == (32, 1)
    priced = select(unseen, mask, table, index_cost=index_cost(found)).candidates
    assert all((one.index_seconds > 0) == (one.kernel is not None) for one in priced)
    assert tile_table(found, Product(64, 64, 64, "fp16")) is None
    without_dense = replace(found, fits=tuple(fit for fit in fits if fit.kernel != "gemm"))
    assert set(sample_seconds(without_dense, samples[:-4])) == {None}  # nothing to compare the tiles with


def test_on_the_cpu_a_formula_gives_the_entries(profile):
    table = tile_table(profile, Product(777, 888, 999))
    assert {entry.kernel for entry in table.entries} == set(pit.KERNELS["cpu"])
    assert all(isinstance(entry, PricedEntry) and entry.bin_seconds(None) is None for entry in table.entries)


def small_experts(way, skew):
    return moe._product_case("cpu", way, 40, 5, 16, 32, skew)


@pytest.mark.parametrize("skew", [0, 1])
@pytest.mark.parametrize("way", list(moe.WAYS))
def test_experts_cases(way, skew):
    case = small_experts(way, skew)
    inputs = case.make_inputs(0)
    assert case.check(case.run(*inputs), inputs) < 1e-6
    counts = inputs[3].diff(prepend=torch.zeros(1, dtype=torch.int32))
    assert counts.tolist() == tokens_of(40, 5, skew)
    assert case.kernel in COMPOSED
    assert case.held_out


@pytest.mark.parametrize("way", ["padded", "packed"])
def test_sequence_cases(way):
    case = sequence._linear_case("cpu", way, 6, 16, 8, 12, 0.25)
    inputs = case.make_inputs(0)
    assert len(inputs[2]) == case.shape["valid"] == 24
    assert case.check(case.run(*inputs), inputs) < 1e-6
    assert case.kernel in COMPOSED
    listed = sequence._index_case("cpu", 256, 0.5, False)
    assert len(listed.run(*listed.make_inputs(0))) == 128


def test_experts_and_sequences_are_the_sum_of_their_parts():
    rows = {"t0": 1e-5, "row": 1e-8, "bandwidth": 1e10}
    made = FORMULAS["rows"]
    rows = {name: rows.get(name, one.start) for name, one in made.parameters.items()}
    copy = {name: one.start for name, one in FORMULAS["stream"].parameters.items()}
    fits = (
        Fit("gemm", "fp32", "gemm", GEMM), Fit("gather", "fp32", "rows", rows), Fit("scatter", "fp32", "rows", rows),
        Fit("copy", "fp32", "stream", copy),
    )  # fmt: skip
    found = KernelProfile("toy", CPU, "measured", fits)
    shape = {"tokens": 64, "experts": 4, "inner": 32, "outer": 16, "skew": 1}
    alone = [predict(found, name, "fp32", size).seconds for name, size in parts("moe-loop", "fp32", shape)]
    assert len(alone) == 1 + 3 * 4
    assert composed_seconds(found, "moe-loop", "fp32", shape) == pytest.approx(sum(alone))
    launches = found.with_fit(Fit("launch", "fp32", "launch", {"t0": 1e-6, "node": 1e-6}))
    saved = 3 * (GEMM["t0"] - 1e-6) + 6 * (rows["t0"] - 1e-6)  # three kernels, each called three times more
    assert composed_seconds(launches, "moe-loop", "fp32", shape) == pytest.approx(sum(alone) - saved)
    padded = composed_seconds(found, "moe-padded", "fp32", {**shape, "tokens": 4000, "experts": 40})
    assert padded > composed_seconds(found, "moe-grouped", "fp32", {**shape, "tokens": 4000, "experts": 40})
    bare = KernelProfile("toy", CPU, "measured", fits[:1])
    assert composed_seconds(bare, "moe-loop", "fp32", shape) is None
    half = replace(found, fits=(Fit("gemm", "bf16", "gemm", GEMM), *(replace(one, dtype="fp16") for one in fits[1:])))
    assert composed_seconds(half, "moe-loop", "bf16", shape) is not None
    with pytest.raises(InputError, match="above 0"):
        composed_seconds(found, "moe-loop", "fp32", {**shape, "inner": 0})
