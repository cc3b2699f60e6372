"""What a predicted iteration rests on, and the interval that follows from it."""

import math

import pytest
import simcore
from simcore.models.compute.predict import Prediction
from simcore.models.training.terms import (
    DERIVED,
    HALF,
    LINKS,
    MEASURED,
    RATE,
    SCALED,
    SHEETS,
    WRITTEN,
    TermError,
    interval_of,
    kernels_of,
)
from simcore.readers.term_errors import OTHER_GROUPS, read_term_errors

NODE = "Switch(8)@150GB/s,1us"


def train(workload, network=NODE, **more):
    return simcore.train(network, None, workload, **more)


def test_ends_of_terms_add_up():
    errors = {RATE: TermError(0.5, 1.5, "rows"), LINKS: TermError(1.0, 4.0, "collectives")}
    found = interval_of({RATE: 2.0, LINKS: 1.0}, errors)
    assert found.ends == (2.0, 7.0)
    assert found.rests == {RATE: "rows", LINKS: "collectives"}


def test_a_term_that_was_never_measured_has_a_reason_and_the_iteration_no_interval():
    found = interval_of({WRITTEN: 2.0, LINKS: 1.0}, {LINKS: TermError(1.0, 4.0, "collectives")})
    assert found.ends is None
    assert found.rests[WRITTEN].startswith("no interval: ")
    assert found.rests[LINKS] == "collectives"


def test_expected_errors_of_kernels_are_weighed_by_time():
    kernels = kernels_of([(Prediction(1.0, 0.1, "fitted"), 3.0), (Prediction(1.0, 0.02, "fitted"), 1.0)])
    wide = HALF * 0.08
    error = kernels.errors()[MEASURED]
    assert (error.low, error.high) == pytest.approx((1 / (1 + wide), 1 / (1 - wide)))
    assert "8.0%" in error.basis


def test_a_kernel_of_unknown_error_leaves_its_term_without_one():
    kernels = kernels_of([(Prediction(1.0, 0.1, "derived"), 1.0), (Prediction(1.0, None, "derived"), 1.0)])
    assert DERIVED not in kernels.errors()
    assert DERIVED in kernels.shared(1.0)


def test_public_intervals_hold_nine_of_ten_rows_around_what_they_say():
    found = read_term_errors()
    assert found.keys() == {SHEETS, RATE, LINKS, OTHER_GROUPS}
    assert all(one.low < one.high for one in found.values())
    assert found[SHEETS].low > 1  # no kernel reaches the peak of a data sheet
    assert found[RATE].low < 1 < found[RATE].high


def test_a_workload_at_a_constant_rate_has_an_interval_and_terms():
    found = simcore.train("4D", "325", "1T").as_dict()
    assert list(found["terms"]) == [RATE, LINKS]
    assert math.isclose(sum(found["terms"].values()), found["iteration_time"], rel_tol=1e-12)
    low, high = found["interval_90"]
    assert low == pytest.approx(sum(found["terms"][name] * read_term_errors()[name].low for name in (RATE, LINKS)))
    assert low < found["iteration_time"] < high
    assert found["interval_rests_on"].keys() == found["terms"].keys()


def test_a_workload_on_a_profile_rests_on_its_kernels():
    found = train("bert", tp=1, dp=8, profile="t4", dtype="fp32").as_dict()
    assert {MEASURED, SHEETS} <= found["terms"].keys()
    assert "expected error" in found["interval_rests_on"][MEASURED]
    assert found["interval_90"][0] < found["interval_90"][1]


def test_a_factor_on_a_profile_is_nobodys_measurement():
    found = train("bert", tp=1, dp=8, profile="t4", dtype="fp32", compute_scale=0.5).as_dict()
    assert found["interval_90"] is None
    assert found["interval_rests_on"][SCALED] == "no interval: nobody measured the factor"
    assert train("1T", "Switch(8)@150GB/s,1us", tp=8, dp=1, compute_scale=0.5).as_dict()["interval_90"] is not None


def test_times_of_a_text_have_no_interval(tmp_path):
    text = tmp_path / "two.txt"
    text.write_text(
        "DATA\n2\n"
        "one -1 1000 NONE 0 1000 NONE 0 1000 ALLREDUCE 1000000 10\n"
        "two -1 1000 NONE 0 1000 NONE 0 1000 ALLREDUCE 1000000 10\n"
    )
    result = train(text)
    assert result.interval is None
    assert result.between.rests[WRITTEN].startswith("no interval: nobody measured")
    assert any("no interval: nobody measured" in sentence for sentence in result.interval_sentences())


@pytest.mark.parametrize("more", [{}, {"stages": 2, "micro_batches": 4}, {"zero": 3}])
def test_terms_add_up_to_the_iteration(more):
    found = simcore.train("4D", "325", "1T", **more)
    assert math.isclose(sum(found.terms.values()), found.time, rel_tol=1e-12)


def test_both_forms_of_train_say_the_same_of_their_interval(tmp_path):
    network = train("bert", tp=1, dp=8, profile="t4", dtype="fp32")
    model = simcore.iteration("bert", gpus=8, device="t4", network=NODE, stack="none")
    keys = {"interval_90", "interval_rests_on", "terms"}
    assert keys <= network.as_dict().keys() & model.as_dict().keys()
    assert network.tables()["terms"].columns == model.tables()["terms"].columns
