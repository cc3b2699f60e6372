"""Dynamic sparse models as data: statistics of masks against real masks, and the operators that carry them."""

import math

import numpy as np
import pytest
from simcore.errors import InputError
from simcore.models.compute.sparse.masks import packed_tiles
from simcore.models.compute.sparse.statistics import Bars, Lengths, Routing, Window, Zeros
from simcore.models.training.dynamic import FIGURES, dynamic_cases, dynamic_operators, with_masks
from simcore.models.training.passes import passes

SMALL = [case for figure in FIGURES for case in dynamic_cases(figure, small=True)]


def counted(mask, block):
    """Columns that hold a non-zero in each block of rows."""
    return tuple(int(mask[start : start + block].any(0).sum()) for start in range(0, len(mask), block))


@pytest.mark.parametrize("pattern", [Window(64, 3), Window(7), Window(0, 2), Bars(5, (1, 3)), Bars(32)])
@pytest.mark.parametrize("sequence", [1, 50, 257])
def test_who_attends_to_whom_is_counted_on_real_masks(pattern, sequence):
    mask = pattern.mask(sequence)
    assert mask.shape == (sequence, pattern.columns(sequence))
    for block in (1, 2, 7, 32):
        assert pattern.kept(sequence, block) == counted(mask, block)


@pytest.mark.parametrize("zeros", [Zeros(32, 1, 0.9), Zeros(1, 16, 0.95), Zeros(16, 32, 0.5), Zeros(3, 2, 0.97)])
@pytest.mark.parametrize("micro", [(32, 1), (1, 32), (16, 64)])
def test_zeros_cover_micro_tiles_as_real_masks_do(zeros, micro):
    rows = columns = 1536  # many independent blocks, so that a mean is known to a third of the bound
    generator, shares = np.random.default_rng(np.random.SeedSequence(7)), []
    for _ in range(20):
        down, across = -(-rows // zeros.height), -(-columns // zeros.width)
        blocks = generator.random((down, across)) >= zeros.sparsity
        mask = np.kron(blocks, np.ones((zeros.height, zeros.width), bool))[:rows, :columns]
        shares.append(packed_tiles(mask, micro, 1)[1])
    closed = packed_tiles(zeros.mask(rows, columns), micro, 1)[1]
    assert np.mean(shares) == pytest.approx(closed, abs=0.005)


def test_zeros_of_the_transposed_matrix():
    turned = Zeros(32, 1, 0.9).turned("a")
    closed, other = (packed_tiles(each.mask(96, 96), micro, 4)[0] for each, micro in
                     ((turned, (16, 1)), (Zeros(1, 32, 0.9), (16, 1))))  # fmt: skip
    assert closed == other


def test_lengths_are_those_of_a_real_mask():
    lengths = Lengths.drawn(0.3, 64, 128, seed=3)
    mask = lengths.mask()
    assert (int(mask.sum()), mask.shape) == (lengths.valid, (lengths.sequences, lengths.longest))
    assert lengths.share == pytest.approx(0.3, rel=0.005)
    assert Lengths.of(mask.sum(1), 128) == lengths
    assert Lengths.drawn(0.3, 64, 128, seed=3) == lengths != Lengths.drawn(0.3, 64, 128, seed=4)


def test_lengths_of_a_batch_add_up():
    lengths = Lengths(((3, 1), (5, 1), (8, 1)), 8)
    for sequences in range(1, 12):
        batch = lengths.of_batch(sequences)
        assert batch.sequences == sequences
        assert all(abs(number - sequences / 3) < 1 for _, number in batch.counts)


def test_experts_take_whole_row_blocks():
    routing = Routing((33, 0, 1, 64))
    per_expert = routing.mask().sum(0)
    assert routing.tiles(32) == sum(math.ceil(count / 32) for count in per_expert) == 5
    assert (routing.routed, routing.fullest) == (98, 64)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (lambda: Lengths(((129, 1),), 128), "lengths"),
        (lambda: Lengths(((0, 1),), 128), "lengths"),
        (lambda: Lengths(((8, 0),), 128), "lengths"),
        (lambda: Lengths(((8, 1), (8, 2)), 128), "lengths"),
        (lambda: Lengths((), 128), "lengths"),
        (lambda: Routing((0, 0)), "routing"),
        (lambda: Routing((-1, 2)), "routing"),
        (lambda: Routing(()), "routing"),
        (lambda: Window(-1), "window"),
        (lambda: Bars(0), "bars"),
        (lambda: Zeros(32, 1, 1.5), "sparsity"),
        (lambda: Zeros(0, 1, 0.5), "mask"),
        (lambda: dynamic_cases(15), "figure"),
    ],
)
def test_impossible_statistics_are_refused(wrong, place):
    with pytest.raises(InputError) as caught:
        wrong()
    assert caught.value.place.startswith(place)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.figure} {case.name}")
def test_sparse_operators_are_those_of_the_operator_list(case):
    listed = list(dynamic_operators(case))
    marked = {one.path.split(".", 2)[-1] for one in listed if one.path.startswith("block.") and (one.zeros or one.mask)}
    assert marked
    if case.pattern is not None:
        assert marked == {"attention.fused"}
    if case.weights is not None:
        products = {one.zeros for one in listed if one.path.startswith("block.") and one.kernel == "gemm"}
        assert products == {case.weights}
    if case.lengths is not None:
        assert all(one.mask == case.lengths for one in listed if one.operation.value != "update")
    assert any(one.operation.value == "update" for one in listed) == case.training


def test_published_cases_have_published_sizes():
    hidden = {figure: sorted({case.model.hidden for case in dynamic_cases(figure)}) for figure in FIGURES}
    assert hidden == {
        8: [768], 9: [5120, 7168], 10: [768], 11: [768, 1024], 12: [512], 13: [768, 1024, 2048], 14: [768],
    }  # fmt: skip
    assert [len(dynamic_cases(figure)) for figure in FIGURES] == [12, 2, 8, 4, 6, 3, 14]


def test_zeros_follow_an_operand_into_the_gradients():
    pruned = next(one for one in dynamic_operators(dynamic_cases(14, small=True)[3]) if one.zeros)
    each = passes(pruned)
    assert each.forward[0].zeros == Zeros(1, 32, 0.5, "b")
    assert each.input_gradient[0].zeros == Zeros(32, 1, 0.5, "b", indexed=False)
    assert each.weight_gradient[0].zeros == Zeros(1, 32, 0.5, "c", indexed=False)
    active = next(one for one in dynamic_operators(dynamic_cases(9, small=True)[0]) if one.zeros)
    each = passes(active)
    assert [each.input_gradient[0].zeros.operand, each.weight_gradient[0].zeros.operand] == ["c", "a"]


def test_masks_of_any_transformer():
    case = dynamic_cases(13, small=True)[0]
    plain = dynamic_operators(dynamic_cases(14, small=True)[0])
    marked = with_masks(plain, Zeros(32, 1, 0.9), case.lengths)
    assert {one.zeros for one in marked if one.path.startswith("block.0.attention.query")} == {Zeros(32, 1, 0.9)}
    assert {one.mask for one in marked if one.path == "embedding.tokens"} == {case.lengths}
    assert {one.zeros for one in marked if one.path.startswith("output.")} == {None}
