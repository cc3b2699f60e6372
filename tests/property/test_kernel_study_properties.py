"""Kernel and rates studies on random inputs: each is made again from its provenance, and times order as they must."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simcore.readers.profiles import read_profile
from simcore.studies.kernel import MatmulRequest, matmul
from simcore.studies.profile import compare, show, validate
from simcore.studies.rates import rates

MEASURED = read_profile("cpu").value.dtypes
sizes = st.integers(1, 3000)


@st.composite
def products(draw):
    """A product on the bundled CPU profile, dense or with blocks of zeros that fit into the first matrix."""
    m, n, k = draw(sizes), draw(sizes), draw(sizes)
    inputs = {"shape": (m, n, k), "profile": "cpu", "dtype": draw(st.sampled_from(MEASURED)), "extrapolate": True}
    if draw(st.booleans()):
        inputs["sparsity"] = draw(st.floats(0.01, 1.0))
        inputs["granularity"] = (draw(st.integers(1, min(m, 64))), draw(st.integers(1, min(k, 64))))
    return inputs


# each example reads the CPU profile, with its thousands of samples, several times
@settings(max_examples=10)
@given(products())
def test_a_product_is_made_again_and_the_fastest_candidate_is_chosen(inputs):
    found = matmul(**inputs)
    document = found.as_dict()
    assert matmul(**json.loads(json.dumps(found.provenance.inputs))).to_json() == found.to_json()
    times = [each["seconds"] for each in document["candidates"]]
    assert times == sorted(times)
    assert (document["chosen"], document["seconds"]) == (document["candidates"][0]["name"], times[0])
    assert document["seconds"] <= document["dense_seconds"]
    assert len(found.to_pandas()) == len(document["candidates"])


@given(sizes, sizes, sizes)
def test_a_shape_is_the_same_as_text_and_as_numbers(m, n, k):
    as_text, as_numbers = (
        MatmulRequest(shape, profile="v100-16gb") for shape in (f"{m}x{n}x{k}", [m, n, k])
    )  # fmt: skip
    assert matmul.of(as_text).to_json() == matmul.of(as_numbers).to_json()


@given(st.lists(st.integers(1, 64), min_size=1, max_size=3, unique=True), st.sampled_from(["v100-16gb", "a100-80gb"]))
def test_rates_are_made_again_and_grow_with_the_batch(batches, profile):
    found = rates(profiles=profile, models="bert-base", batches=batches)
    assert rates(**json.loads(json.dumps(found.provenance.inputs))).to_json() == found.to_json()
    seconds = [found.rates.seconds["bert-base", batch, profile] for batch in sorted(batches)]
    assert seconds == sorted(seconds)
    assert len(set(seconds)) == len(seconds)


@settings(max_examples=8)
@given(st.lists(st.sampled_from(["cpu", "t4", "h100", "v100-16gb", "p100-16gb"]), min_size=2, max_size=4, unique=True))
def test_profiles_are_shown_and_compared_again(files):
    for study in (show, compare):
        found = study(files)
        assert study(**json.loads(json.dumps(found.provenance.inputs))).to_json() == found.to_json()
    assert compare(files).tables()["parameters"].columns[3:] == files


@pytest.mark.parametrize("files", ["cpu", ["cpu"], [read_profile("cpu").value]])
def test_one_profile_is_validated_the_same_however_it_is_given(files):
    """A profile in memory is named; all else of it is equal."""
    found, named = validate(files, stored=True), validate("cpu", stored=True)
    assert found.tables()["errors"].to_csv() == named.tables()["errors"].to_csv()
    assert found.provenance.sha256 == named.provenance.sha256
