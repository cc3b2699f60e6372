"""Dynamic sparse models dense, by a library and by PIT: the operators that run, and their predicted times."""

import csv
from dataclasses import replace

import pytest
from simcore.errors import InputError
from simcore.kernels import read_profile
from simcore.models.compute.compute_model import profiled
from simcore.models.compute.profile import Fit
from simcore.models.compute.sparse.operator_prices import SparseProfiled, sparse_product
from simcore.models.compute.sparse.statistics import Lengths, Routing, Window, Zeros
from simcore.models.compute.sparse.stored import CALLS, CONVERSIONS, STORED, TURNED
from simcore.models.training.dynamic import FIGURES, dynamic_cases, dynamic_operators
from simcore.models.training.dynamic_times import libraries, predict_dynamic, published_table
from simcore.models.training.masked_attention import visible
from simcore.models.training.passes import passes
from simcore.models.training.way import INDEX, Library, Masked, Way
from simcore.models.training.ways import as_run
from simcore.readers.tile_tables import read_tile_table

SMALL = [case for figure in FIGURES for case in dynamic_cases(figure, small=True)]
CPU = read_profile("cpu").value
V100 = read_profile("v100-32gb").value
TABLE, CLASS = read_tile_table()


def case_of(figure, position=0, *, small=True):
    return dynamic_cases(figure, small=small)[position]


def run(case, way, block=32, library=None):
    used = library or libraries(case)[0]
    return list(as_run(dynamic_operators(case), way, Masked(4, case.model.hidden, case.model.causal, block, used)))


def with_library():
    """Return the profile `cpu` with kernels of libraries that are as fast as its products would be."""
    stored = {"t0": 1e-6, "row": 1e-9, "entry": 1e-9, "rate": 2e10, "out": 1e10, "right": 1e10}
    kinds = {
        **{name: ("stored", stored) for name in STORED}, TURNED: (TURNED, {**stored, "sort": 1e-9}),
        **{name: ("conversion", {"t0": 1e-6, "element": 1e-9, "entry": 1e-9, "run": 1e-9}) for name in CONVERSIONS},
        **{name: ("launch", {"t0": 1e-4, "node": 5e-5}) for name in CALLS},
    }  # fmt: skip
    fits = [Fit(name, "fp32", formula, p) for name, (formula, p) in kinds.items()]
    return replace(CPU, fits=(*(one for one in CPU.fits if one.kernel not in kinds), *fits))


def work(operators):
    return sum(one.work for one in operators if one.kernel in {"gemm", "attention"})


@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.figure} {case.name}")
def test_every_way_keeps_the_parameters_and_loses_the_masks(case):
    whole = sum(one.parameters for one in dynamic_operators(case))
    for way in Way:
        made = run(case, way)
        if case.routing is None:
            assert sum(one.parameters for one in made) == pytest.approx(whole)
        assert not any(one.mask for one in made)
        assert way is Way.PIT or not any(one.zeros for one in made)
        assert all(passes(one).forward or one.path == "optimizer.update" for one in made)


def test_packed_products_multiply_the_positions_that_hold_a_token():
    case = case_of(10)
    padded, packed = (
        {one.path: one.size("m") for one in run(case, way) if one.kernel == "gemm"} for way in (Way.DENSE, Way.PIT)
    )
    assert padded["block.0.feed_forward.up"] == case.lengths.sequences * case.lengths.longest
    assert packed["block.0.feed_forward.up"] == case.lengths.valid


def test_a_library_packs_rows_and_leaves_attention_dense():
    case = case_of(10)
    dense, library, pit = (run(case, way, 0) for way in (Way.DENSE, Way.LIBRARY, Way.PIT))
    python = [one for one in library if one.kernel == "jagged"]
    kernels = [one for one in library if one.kernel != "jagged"]
    assert [one.path for one in kernels] == [one.path for one in pit]
    assert [one.shape for one in kernels] == [one.shape for one in pit]
    # Q, K and V, which are joined; a second input, four products and norms, two sums, an activation; the last product
    assert [int(one.size("nodes")) for one in python] == [5, 9, 5, 9, 1]
    of_attention = [one.shape for one in dense if one.kernel == "attention"]
    assert [one.shape for one in library if one.kernel == "attention"] == of_attention
    blocks = run(case, Way.LIBRARY)  # row blocks of attention are PIT's
    assert [one.path for one in blocks] == [one.path for one in library]
    found = predict_dynamic(case, CPU)
    assert found.ways[Way.LIBRARY].index > 0
    measured = any(one.kernel == "jagged" for one in CPU.fits)
    said = "library: what jagged tensors cost beside their kernels" in " ".join(found.ways[Way.LIBRARY].notes)
    assert said is not measured
    assert found.ways[Way.PIT].seconds <= found.ways[Way.LIBRARY].seconds < found.ways[Way.DENSE].seconds
    slower = predict_dynamic(case, with_library()).ways[Way.LIBRARY]
    if not measured:  # five stretches of rows, each with what they call
        more = slower.seconds - found.ways[Way.LIBRARY].seconds
        assert more == pytest.approx(5 * 1e-4 + 29 * 5e-5, rel=1e-6)
    assert not any("jagged" in note for note in slower.notes)


def test_csr_stores_weights_and_multiplies_by_them():
    case = case_of(14, 1)
    made = {one.path: one for one in run(case, Way.LIBRARY)}
    up, dense = made["block.0.feed_forward.up"], case.batch.tokens
    h, inner = case.model.hidden, 4 * case.model.hidden
    assert (up.kernel, up.size("m"), up.size("k"), up.size("n")) == ("csr", inner, h, dense)
    assert up.size("stored") == pytest.approx(0.1 * h * inner, rel=0.01)
    assert made["block.0.feed_forward.up.index"].size("elements") == h * inner
    each = passes(up)
    assert [call.kernel for call in (*each.input_gradient, *each.weight_gradient)] == ["csr-turned", "gemm", "add"]
    assert each.input_gradient[0].size("m") == h  # the transpose times the gradient
    assert each.weight_gradient[0].shape == (("m", inner), ("n", h), ("k", dense), ("batch", 1))


def test_csr_stores_the_scores_that_a_mask_shows():
    case = case_of(11)
    heads = [one for one in run(case, Way.LIBRARY) if one.kernel == "csr-attention"]
    sequence = case.batch.sequence
    assert len(heads) == 2 * case.model.heads
    assert {one.size("stored") for one in heads} == {int(case.pattern.mask(sequence).sum())}
    assert sum(one.kernel == "csr-convert" for one in run(case, Way.LIBRARY)) == 1  # one mask of all blocks


def test_the_best_of_several_libraries_is_predicted():
    case = case_of(9)
    assert libraries(case) == (Library.JAGGED, Library.CSR)
    stored = {one.kernel for one in run(case, Way.LIBRARY, library=Library.CSR)}
    assert "csr" in stored
    assert not stored & {"scatter", "jagged"}  # all positions are computed: no row is packed
    found = predict_dynamic(case, with_library())
    assert found.ways[Way.LIBRARY].backend == "jagged"
    quick = replace(case, lengths=Lengths(((128, 4),), 128))  # nothing to pack, and slow calls
    assert predict_dynamic(quick, with_library()).ways[Way.LIBRARY].backend == "csr"


def test_blocks_are_stored_where_they_divide_the_weight_and_nothing_is_trained():
    case = replace(case_of(14), training=False)
    assert libraries(case) == (Library.CSR, Library.BSR)
    assert libraries(replace(case, training=True)) == (Library.CSR,)
    narrow = replace(case, batch=replace(case.batch, sequence=100, sequences=1))
    assert libraries(narrow) == (Library.CSR, Library.BSR)  # rows may be any number
    stored = next(one for one in run(case, Way.LIBRARY, library=Library.BSR) if one.kernel == "bsr")
    assert stored.size("stored") >= 0.5 * stored.size("m") * stored.size("k")


def test_a_full_batch_multiplies_as_much_packed_as_padded():
    full = replace(case_of(10), lengths=Lengths(((128, 8),), 128))
    assert work(run(full, Way.PIT, 0)) == work(run(full, Way.DENSE))
    assert work(run(full, Way.PIT)) == work(run(full, Way.DENSE))  # no key is hidden


def test_blocks_of_queries_cover_every_query_once():
    lengths = Lengths(((5, 2), (70, 1), (128, 1)), 128)
    for causal in (True, False):
        found = list(visible(lengths, 4, 128, Masked(4, 64, causal)))
        assert sum(samples * queries for samples, queries, _, _ in found) == lengths.valid
        assert max(keys for _, _, keys, _ in found) == 128
    found = list(visible(Window(64, 1), 3, 100, Masked(4, 64)))
    assert [queries for _, queries, _, _ in found] == [32, 32, 32, 4]
    assert [keys for _, _, keys, _ in found] == list(Window(64, 1).kept(100, 32))


def test_experts_multiply_their_own_rows():
    case = replace(case_of(8), routing=Routing((500, 12, 0, 0, 0, 0, 0, 0)))
    dense, library, pit = (work(run(case, way)) for way in Way)
    h, inner, layers = case.model.hidden, case.model.experts.inner, 2
    assert dense - pit == layers * 2 * 2 * h * inner * (8 * 500 - 512)
    assert library == pit
    experts = [one for one in run(case, Way.PIT) if one.path == "block.1.feed_forward.experts.up"]
    assert [one.size("m") for one in experts] == [500, 12]  # an empty one runs nothing


@pytest.mark.parametrize(
    ("zeros", "product", "mask"),
    [
        (Zeros(1, 8, 0.9, "a"), (16, 64, 32), (16, 64, 1, 8)),
        (Zeros(1, 8, 0.9, "b"), (32, 64, 16), (32, 64, 8, 1)),
        (Zeros(1, 8, 0.9, "c"), (32, 16, 64), (32, 16, 8, 1)),
    ],
)
def test_each_operand_leads_to_a_sparse_first_matrix(zeros, product, mask):
    one = replace(next(iter(run(case_of(13), Way.DENSE))), kernel="gemm", zeros=zeros,
                  shape=(("m", 16), ("n", 32), ("k", 64), ("batch", 1)))  # fmt: skip
    found, drawn = sparse_product(one, "fp32")
    assert (found.m, found.k, found.n) == product
    assert (drawn.rows, drawn.columns, drawn.height, drawn.width) == mask
    assert found.flop == 2 * 16 * 32 * 64


@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.figure} {case.name}")
def test_predicted_on_a_profile_with_sparse_kernels(case):
    found = predict_dynamic(case, CPU)
    dense, pit = found.ways[Way.DENSE], found.ways[Way.PIT]
    assert (pit.backward > 0, pit.update > 0) == (case.training, case.training and case.model.vocabulary is not None)
    assert 0 <= pit.index < pit.forward
    assert dense.index == 0 or case.routing is not None
    if Way.LIBRARY not in found.ways:  # the shipped profile may be older than the suite
        assert libraries(case) == (Library.CSR,)
        assert found.missing[Way.LIBRARY].startswith("cpu has no fp32 fit of csr")
    assert found.ways[found.fastest].seconds == min(one.seconds for one in found.ways.values())
    if case.lengths is not None and case.lengths.share < 0.5:
        assert found.fastest is Way.PIT


def test_more_zeros_are_never_slower():
    case = case_of(14, 3)
    times = [
        predict_dynamic(replace(case, weights=replace(case.weights, sparsity=sparsity)), CPU).ways[Way.PIT].forward
        for sparsity in (0.0, 0.9, 0.99)
    ]
    assert times == sorted(times, reverse=True)
    dense = predict_dynamic(case, CPU).ways[Way.DENSE].forward
    assert times[0] == pytest.approx(dense, rel=1e-9)


def test_gradients_find_no_index():
    pruned = next(one for one in run(case_of(14, 2), Way.PIT) if one.path.endswith("feed_forward.up"))
    model = SparseProfiled(profiled(CPU, 4))
    each = passes(pruned)
    assert model.index_seconds(each.forward[0]) > 0
    assert model.index_seconds(each.input_gradient[0]) == model.index_seconds(each.weight_gradient[0]) == 0


def test_published_tiles_price_products_on_devices_of_their_class():
    assert published_table(CPU, TABLE, CLASS) is None  # it has sparse kernels of its own
    assert published_table(V100, TABLE, CLASS) == TABLE
    found = predict_dynamic(case_of(14, 4, small=False), V100, table=TABLE)
    assert found.fastest is Way.PIT
    assert any("published tile table" in note for note in found.ways[Way.PIT].notes)
    assert any(note.startswith("index: left out") for note in found.ways[Way.PIT].notes)
    assert {one.best.name for one in found.ways[Way.PIT].choices.values()} == {"k-axis 32x1 in 32x32x64"}


def test_other_devices_are_refused_unless_extrapolated():
    a100 = read_profile("a100-pcie-80gb").value
    with pytest.raises(InputError, match="extrapolate"):
        published_table(a100, TABLE, CLASS)
    scaled = published_table(a100, TABLE, CLASS, extrapolate=True)
    assert scaled.dense != TABLE.dense
    assert scaled.entries[0].seconds[0] / scaled.dense == pytest.approx(TABLE.entries[0].seconds[0] / TABLE.dense)


def test_a_number_format_without_sparse_kernels_has_no_time_by_pit():
    case = replace(case_of(14, 4, small=False), dtype="fp16", batch=replace(case_of(14).batch, element=2))
    found = predict_dynamic(case, V100, table=TABLE)
    assert "no sparse kernels of fp16" in found.missing[Way.PIT]
    assert found.fastest is Way.DENSE


def test_the_published_table_is_the_published_one(shared):
    with (shared / "data" / "pit" / "ground_truth_kernels.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["figure"] == "tileDB" and row["gran_h"]]
    wanted = {(int(row["gran_h"]), float(row["sparsity"])): float(row["latency_ms"]) * 1e-3 for row in rows}
    found = {
        (entry.kernel.tile_m, sparsity): seconds
        for entry in TABLE.entries
        for sparsity, seconds in zip(entry.sparsities, entry.seconds, strict=True)
    }
    assert found.keys() == wanted.keys()
    assert all(found[key] == pytest.approx(wanted[key], rel=1e-5) for key in wanted)


def test_indices_are_named_as_such():
    names = {one.path for one in run(case_of(10), Way.PIT) if one.kernel.startswith("index")}
    assert names == {f"tokens.{INDEX}", f"attention.{INDEX}"}
