"""Cases of dense products and memory-bound kernels: each computes what it says, and its check sees when it does not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.calibrate.measure.timing import TOLERANCE  # noqa: E402
from simcore.calibrate.suites import attention, conv, embedding, gemm, memory, norm, pool  # noqa: E402 - these need torch
from simcore.models.compute.convolution import CONVOLUTIONS  # noqa: E402
from simcore.models.compute.kernels import FORMULA_OF  # noqa: E402
from simcore.readers.profiles import _SIZES  # noqa: E402

from tests.tensors import one_thread  # noqa: E402, F401 - a fixture

OPERATIONS = [*memory.operations(), *memory._activations(), *memory.masking(), *memory.losses()]


def wrong(output):
    """Return an output of which one number in eight is twice what it should be, or the other boolean."""
    first = output[0] if isinstance(output, tuple | list) else output
    broken = first.contiguous().clone()
    some = broken.view(-1)[::8]
    some.copy_(~some if broken.dtype == torch.bool else 2 * some)
    return (broken, *output[1:]) if isinstance(output, tuple | list) else broken


CASES = [(one, dtype) for one in OPERATIONS for dtype in ("fp32", "bf16") if one.dtype in {None, dtype}]


@pytest.mark.parametrize(("operation", "dtype"), CASES, ids=lambda each: getattr(each, "name", each))
def test_every_memory_bound_kernel_is_checked(operation, dtype):
    case = memory._streaming("cpu", dtype, operation, 3)
    inputs = case.make_inputs(0)
    output = case.run(*inputs)
    assert case.check(output, inputs) < TOLERANCE[dtype]
    assert case.check(wrong(output), inputs) > 0.1


@pytest.mark.parametrize("name", ["gather", "scatter"])
def test_rows(name):
    case = memory._rows("cpu", "fp32", name, 16, 8, False)
    inputs = case.make_inputs(0)
    output = case.run(*inputs)
    assert case.check(output, inputs) == 0
    assert case.check(wrong(output), inputs) == 1
    assert case.shape == {"rows": 16, "width": 32}


@pytest.mark.parametrize("micro", [(1, 1), (16, 16), (32, 1), (1, 64)], ids=str)
def test_index(micro):
    case = memory._index("cpu", 128, micro, 0.75, False)
    first, second = (case.make_inputs(number)[0] for number in (0, 1))
    assert not torch.equal(first, second)
    assert first.float().mean().item() == pytest.approx(0.25)
    listed = case.run(first)
    assert len(listed) == case.shape["found"] == 128 * 128 // 4 // (micro[0] * micro[1])
    assert all(first[row * micro[0], column * micro[1]] for row, column in listed.tolist())
    assert case.check(listed, (first,)) == 0
    assert case.check(listed[1:], (first,)) == 1


@pytest.mark.parametrize("shape", [(9, 5, 7, 1), (4, 6, 8, 3), (130, 16, 16, 1)], ids=str)
def test_products(shape):
    case = gemm.product("cpu", "fp32", *shape)
    inputs = case.make_inputs(0)
    output = case.run(*inputs)
    assert case.check(output, inputs) < TOLERANCE["fp32"]
    assert case.check(wrong(output), inputs) > 1e-2


@pytest.mark.parametrize("tile", [32, 128])
def test_the_rows_that_are_checked_lie_at_different_rows_of_a_tile(tile):
    """A kernel that is wrong in all but the first row of its tiles is found."""
    a, b = torch.randn(2048, 8), torch.randn(8, 8)
    output = a @ b
    assert gemm.check_product(output, (a, b)) < 1e-5
    broken = output.clone()
    broken[torch.arange(2048) % tile != 0] = 0
    assert gemm.check_product(broken, (a, b)) > 0.5


DENSE, POINTWISE, DEPTHWISE, STRIDED = (
    (2, 6, 8, 9, 3, 1, 1),
    (2, 6, 8, 9, 1, 1, 1),
    (2, 6, 6, 9, 3, 1, 6),
    (2, 3, 8, 9, 3, 2, 1),
)


def cases_of_networks():
    """Yield small cases of every kernel of convolutional networks, of bags and of fused attention."""
    for layer in (DENSE, POINTWISE, DEPTHWISE, STRIDED):
        for kernel in CONVOLUTIONS:
            yield conv._case("cpu", "fp32", kernel, layer, False)
    for operation in [*norm._operations(), *pool._maxima(3, 2, 1), *pool._maxima(2, 2, 0), *pool._means()]:
        yield memory.streaming_case("cpu", "fp32", operation, (8, 16, 6, 6), 1)
    yield embedding._forward("cpu", "fp32", 256, 8, False)
    yield embedding._backward("cpu", "fp32", 256, 8, False)
    for kernel in ("attention", "attention_backward"):
        yield attention.case("cpu", "fp32", (2, 3, 5, 7, 8), kernel, False)


@pytest.mark.parametrize("case", list(cases_of_networks()), ids=lambda case: case.key)
def test_every_kernel_of_a_network_is_checked(case):
    inputs = case.make_inputs(0)
    output = case.run(*inputs)
    assert case.check(output, inputs) < TOLERANCE["fp32"]
    assert case.check(wrong(output), inputs) > 0.1


@pytest.mark.parametrize("suite", [attention, conv, embedding, norm, pool])
@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_suites_of_networks_hold_shapes_out_that_no_fit_sees(suite, kind):
    listed = list(suite.cases(kind, full=False))
    fitted, unseen = ({case.key for case in listed if case.held_out is held_out} for held_out in (False, True))
    assert fitted
    assert unseen
    assert not fitted & unseen
    assert {case.kernel for case in listed if case.held_out} == {case.kernel for case in listed}
    assert len({case.key for case in listed}) == len(listed)  # the shape of the sample tells them apart
    for case in listed:
        assert set(case.shape) == set(_SIZES[FORMULA_OF[case.kernel]])
