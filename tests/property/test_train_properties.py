"""A simulated training iteration is made again from its provenance, whatever was asked for."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.studies.request import descriptions
from simcore.studies.train import TrainRequest, train

SMALL = "Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us"
CHUNKED = {"chunks": st.integers(1, 3), "schedule": st.sampled_from(descriptions(TrainRequest)["schedule"].choices)}


@st.composite
def networks(draw):
    """Return a network with its bandwidths: written out, equal parts of a budget, the best split, or one of our own."""
    kind = draw(st.sampled_from(("written", "equal", "optimal", "text", "numbers")))
    if kind == "written":
        return {"network": draw(st.sampled_from((SMALL, "DGX-like"))), "budget": None}
    name, dimensions = draw(st.sampled_from((("2D", 2), ("3D", 3), ("4D", 4))))
    budget = draw(st.sampled_from(("325", "0.3 TB/s", 1e11, 325 * 2**30)))
    if kind in ("equal", "optimal"):
        return {"network": name, "budget": budget, "split": kind}
    shares = draw(st.lists(st.floats(0.1, 1), min_size=dimensions, max_size=dimensions))
    own = [300e9 * share / sum(shares) for share in shares]
    split = ",".join(str(each / 1e9) for each in own) if kind == "text" else own
    return {"network": name, "budget": "300", "split": split}


@st.composite
def parallelisms(draw):
    """Return degrees, and pipeline stages or ZeRO."""
    found = draw(st.fixed_dictionaries({}, optional={"tp": st.sampled_from((4, 16)), "dp": st.sampled_from((8, 64))}))
    if draw(st.booleans()):
        found |= {"stages": 2, "order": draw(st.sampled_from(("1F1B", "gpipe")))}
        return found | draw(st.fixed_dictionaries({}, optional={"micro_batches": st.integers(1, 3)}))
    return found | {"zero": draw(st.sampled_from((0, 3)))}


ITERATIONS = st.fixed_dictionaries(
    {"workload": st.sampled_from(("17B", "175B", "1T"))},
    optional={
        "loop": st.sampled_from(("NoOverlap", "overlap", "simulate")),
        "convention": st.sampled_from(descriptions(TrainRequest)["convention"].choices),
        "compute_scale": st.sampled_from((0.26, 2)),
        "recompute": st.booleans(),
        "variant": st.sampled_from(("optimizer", "evaluation")),
        "sequence": st.sampled_from((512, 2048)),
        "batch": st.integers(1, 3),
        "profile": st.sampled_from(("h100", "v100-16gb")),
        **CHUNKED,
    },
)


@given(networks(), parallelisms(), ITERATIONS)
@settings(max_examples=25)
def test_an_iteration_is_made_again_from_its_own_provenance(network, parallelism, iteration):
    asked = {"chunks": 2, **network, **parallelism, **iteration}
    try:
        result = train(**asked)
    except InputError:  # some do not go together
        assume(False)
    inputs = json.loads(json.dumps(result.provenance.inputs))
    assert list(inputs) == list(descriptions(TrainRequest))
    again = train(**inputs)
    assert again.to_json() == result.to_json()
    assert again.timeline() == result.timeline()
    assert max(each.end for each in result.slices) == pytest.approx(
        result.time, rel=1e-11
    )  # a timeline simulates what repeats each time
