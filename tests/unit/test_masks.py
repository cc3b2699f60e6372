"""Sparse weights and lengths in step times and iterations: what is read, what is refused, and what changes."""

import pytest
from simcore import rates
from simcore.errors import InputError
from simcore.kernels import read_profile
from simcore.models.compute.sparse.statistics import Lengths, Zeros
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.listing import operators_of
from simcore.models.training.lowering import lower_on_profile
from simcore.models.training.masked import Masks
from simcore.models.training.way import Way
from simcore.piping import piped
from simcore.readers.lengths import read_lengths
from simcore.studies.deployment.masks import parse_sparsity
from simcore.studies.iteration import iteration

TEXT = "length,count\n32,3\n96,1\n"
MODEL = Transformer("toy", 256, 2, heads=4, vocabulary=1000)
V100 = read_profile("v100-32gb").value


def lengths_of(text, longest=128):
    with piped(text.encode()):
        return read_lengths("-", longest).value


def test_histograms_of_counts_and_of_shares_agree():
    counts, shares = lengths_of(TEXT), lengths_of("length,share\n96,0.25\n32,0.75\n")
    assert counts.counts == ((32, 3), (96, 1))
    assert counts.share == pytest.approx(shares.share)
    assert counts.of_batch(8) == shares.of_batch(8) == Lengths(((32, 6), (96, 2)), 128)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("length,count\n129,1\n", "-, line 2, field 'length'", "at most 128"),
        ("length,count\n8,1\n8,2\n", "-, line 3, field 'length'", "each length once"),
        ("length,count\n8,0\n", "-, line 2, field 'count'", "1"),
        ("length,count\n0,1\n", "-, line 2, field 'length'", "1"),
        ("length,count\n8\n", "-, line 2", "length, count"),
        ("length,count\n", "-", "rows"),
        ("length,number\n8,1\n", "-", "count"),
        ("length,share\n8,0.5\n16,0.4\n", "-, field 'share'", "1"),
        ("length,share\n8,1.5\n", "-, line 2, field 'share'", "1"),
    ],
)
def test_broken_histograms_are_refused(text, place, expected):
    with pytest.raises(InputError) as caught:
        lengths_of(text)
    assert caught.value.place.startswith(place)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "text", ["0.9", "1.5@32x1", "-0.1@32x1", "x@32x1", "0.9@32", "0.9@0x1", "0.9@axb", "0.9@1x2x3", ""]
)
def test_broken_sparsities_are_refused(text):
    with pytest.raises(InputError) as caught:
        parse_sparsity(text)
    assert caught.value.place == "sparsity"


def test_blocks_lie_transposed_in_the_second_matrix():
    assert parse_sparsity(" 0.9 @ 32x64 ") == Zeros(64, 32, 0.9)


def products(way, **masks):
    listed = operators_of(MODEL, Batch(128, 4, 4))
    run = Masks(way=way, **masks).run(listed, MODEL, 4, 4)
    return {one.path: one for one in run if one.kernel == "gemm"}


def test_packed_batches_send_and_multiply_what_holds_a_token():
    lengths = lengths_of(TEXT)
    dense, packed = (products(way, lengths=lengths) for way in (Way.DENSE, Way.PIT))
    up = "block.0.feed_forward.up"
    assert (dense[up].size("m"), packed[up].size("m")) == (512, lengths.of_batch(4).valid)
    ratio = packed[up].after_input_gradient.size / dense[up].after_input_gradient.size
    assert ratio == pytest.approx(lengths.share)
    assert packed["block.0.attention.scores"].size("m") == 96  # the last of two lengths
    assert dense["output.product"].size("m") == 512


def test_full_batches_and_weights_without_zeros_cost_what_they_did():
    dense = lower_on_profile(MODEL, Batch(128, 4, 4), 1, 1, V100)
    masks = Masks(Zeros(1, 1, 0.0), None, Way.PIT)
    same = lower_on_profile(MODEL, Batch(128, 4, 4), 1, 1, V100, masks=masks)
    masked = sum(cost.count * cost.prediction.seconds for cost in same.times.costs if cost.path.endswith(".masked"))
    whole = [sum(cost.count * cost.prediction.seconds for cost in one.times.costs) for one in (dense, same)]
    assert whole[1] - masked == pytest.approx(whole[0])


def seconds(**inputs):
    return next(iter(rates(models="bert-base", devices="v100", batches=8, **inputs).rates.seconds.values()))


def test_step_times_with_and_without_pit(tmp_path):
    path = tmp_path / "lengths.csv"
    path.write_text(TEXT)
    plain = seconds()
    assert seconds(lengths=path) < 0.4 * plain < plain < seconds(lengths=path, kernels="dense") < 1.05 * plain
    assert seconds(sparsity="0.95@32x64") < 0.6 * plain < plain < seconds(sparsity="0.95@32x64", kernels="dense")
    result = rates(models="bert-base", devices="v100", batches=8, lengths=path, sparsity="0.95@32x64")
    assert set(result.provenance.sha256) == {"v100", "lengths"}
    assert result.rates.note.endswith("0.95 of the weights' blocks of 32x64 zero, 12.5% of the positions with a token: "
                                      "kernels of PIT")  # fmt: skip


def test_an_iteration_with_and_without_pit(tmp_path):
    path = tmp_path / "lengths.csv"
    path.write_text(TEXT)
    given = {"model": "bert-large", "gpus": 8, "device": "v100-32gb", "precision": "fp32", "sequence": 384,
             "global_batch": 64, "tp": 2, "pp": 1, "micro_batch": 4}  # fmt: skip
    plain = iteration(**given)
    packed = iteration(**given, lengths=path)
    assert packed.evaluation.time < 0.5 * plain.evaluation.time
    assert packed.evaluation.worst.reserved < plain.evaluation.worst.reserved
    assert iteration(**given, lengths=path, kernels="dense").evaluation.time > plain.evaluation.time
    sparse = iteration(**given, sparsity="0.95@32x64")
    assert sparse.evaluation.time < plain.evaluation.time
    assert any("published tile table" in text for text in sparse.warnings)
    assert packed.provenance.sha256["lengths"]


@pytest.mark.parametrize(
    ("study", "inputs", "text"),
    [
        (rates, {"models": "resnet50", "devices": "t4", "batches": 8, "sparsity": "0.9@1x1"}, "no transformer"),
        (rates, {"models": "bert", "devices": "a100", "batches": 8, "sparsity": "0.9@1x1",
                 "profiles": "a100-pcie-80gb"}, "extrapolate"),
        (rates, {"models": "bert", "devices": "v100", "batches": 8, "sparsity": "0.9@9999x1"}, "fit into every weight"),
        (iteration, {"model": "resnet50", "gpus": 8, "device": "v100-32gb", "lengths": "none.csv"}, "no transformer"),
    ],
)  # fmt: skip
def test_masks_that_a_model_or_device_cannot_have(study, inputs, text):
    with pytest.raises(InputError, match=text):
        study(**inputs)


def test_other_devices_stand_in_where_that_is_asked_for():
    given = {"models": "bert", "devices": "a100", "batches": 8, "profiles": "a100-pcie-80gb", "sparsity": "0.95@32x64"}
    pit, dense = (
        rates(**given, extrapolate=True, kernels=kernels).rates.seconds["bert", 8, "a100"]
        for kernels in ("pit", "dense")
    )
    assert pit < dense
