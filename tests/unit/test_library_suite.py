"""The suite of torch's sparse libraries: what it measures, that outputs are right, and what its formulas give."""

import pytest

pytest.importorskip("torch")

from simcore.calibrate.measure.timing import time_case
from simcore.calibrate.suites import library
from simcore.calibrate.suites.registry import cases
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULAS, formula_of
from simcore.models.compute.sparse.stored import CALLS, CONVERSIONS, STORED, TURNED
from simcore.models.compute.unfitted import MARGIN

from tests.tensors import one_thread  # noqa: F401

HERE = Device("here", "cpu", 1, 1e9, 0.0, 0.0)
CASES = list(cases("cpu", ("library",)))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**16)


def test_every_kernel_has_samples_for_its_fit_and_some_that_it_does_not_see():
    for kernel in (*STORED, TURNED, *CONVERSIONS, *CALLS):
        own = [case for case in CASES if case.kernel == kernel]
        formula = FORMULAS[formula_of(kernel, (case.shape for case in own))]
        assert sum(not case.held_out for case in own) >= len(formula.parameters) + MARGIN
        assert sum(case.held_out for case in own) >= 2
        assert {case.state for case in own} == {"cold" if kernel in {TURNED, "csr-convert", *CALLS} else "warm"}
    assert not list(library.cases("cuda", full=True))


def test_sides_and_sparsities_reach_the_ends_of_the_range():
    problems = library.drawn(held_out=False)
    for side in ("m", "n", "k"):
        sides = [getattr(one, side) for one in problems]
        assert (min(sides), max(sides)) == library.SIDES
    sparsities = [one.sparsity for one in problems]
    assert (min(sparsities), max(sparsities)) == library.SPARSITIES
    seen = {(one.m, one.n, one.k) for one in problems}
    assert not seen & {(one.m, one.n, one.k) for one in library.drawn(held_out=True)}


@pytest.mark.parametrize("kernel", [*STORED, TURNED, *CONVERSIONS, *CALLS])
def test_the_smallest_case_of_each_kernel_computes_what_it_should(kernel):
    def size(case):
        return case.shape.get("elements", case.shape.get("nodes", case.shape.get("m", 0) * case.shape.get("k", 0)))

    own = min((case for case in CASES if case.kernel == kernel), key=size)
    sample = time_case(own, "cpu", 3, 0.0)
    assert sample.seconds > 0
    assert kernel in CALLS or sample.error <= 1e-5  # time_case refuses a larger one


def test_stored_elements_are_those_that_the_library_stores():
    for convert, name in ((library.to_csr, "csr"), (library.to_bsr, "bsr")):
        case = next(case for case in CASES if case.kernel == f"{name}-convert" and case.shape["stored"] > 5000)
        stored = convert(case.make_inputs(0)[0]).values().numel()
        assert stored == pytest.approx(case.shape["stored"], rel=0.1)
