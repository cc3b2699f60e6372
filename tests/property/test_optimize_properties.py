"""A bandwidth plan is made again from its provenance, whatever was asked for."""

from __future__ import annotations

import json

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.studies.optimize import OptimizeRequest, optimize
from simcore.studies.request import descriptions

BANDWIDTHS = st.one_of(st.floats(1e9, 1e11), st.sampled_from(("20", "0.03 TB/s", "7.5 GB/s")))
DIMENSIONS = st.sampled_from(("1", "B2"))
LIMITS = st.one_of(st.none(), st.dictionaries(DIMENSIONS, BANDWIDTHS, max_size=2))
CONSTRAINTS = ("b1 >= b2", "total <= 300", "b1 = 2*b2", "b2 <= b1 <= 10*b2")

PLANS = st.fixed_dictionaries(
    {
        "network": st.sampled_from(("2D", "3D", "4D", "DGX-like")),
        "budget": st.sampled_from(("325", "0.3 TB/s", 1e11, 325 * 2**30)),
        "workload": st.sampled_from(("17B", "175B", "1T", "Group")),
    },
    optional={
        "target": st.sampled_from(("Perf", "perfpercost")),
        "loop": st.sampled_from(("NoOverlap", "overlap")),
        "recompute": st.booleans(),
        "caps": LIMITS,
        "minima": LIMITS,
        "constraints": st.one_of(st.sampled_from(CONSTRAINTS), st.lists(st.sampled_from(CONSTRAINTS), max_size=2)),
        "at_most": st.booleans(),
        "cost": st.sampled_from((None, "sc245", "libra-4d")),
        "tp": st.sampled_from((None, 16)),
        "variant": st.sampled_from(("optimizer", "evaluation")),
        "sequence": st.sampled_from((None, 512)),
        "batch": st.sampled_from((None, 2)),
        "profile": st.sampled_from((None, "h100", "v100-16gb")),
    },
)


@given(PLANS)
@settings(max_examples=25)
def test_a_plan_is_made_again_from_its_own_provenance(asked):
    try:
        result = optimize(**asked)
    except InputError:  # some do not go together
        assume(False)
    inputs = json.loads(json.dumps(result.provenance.inputs))
    assert list(inputs) == list(descriptions(OptimizeRequest))
    again = optimize(**inputs)
    assert again.to_json() == result.to_json()
    assert again.sentences() == result.sentences()
    assert again.plan.linear_programs == result.plan.linear_programs
