"""Random studies for hypothesis: integer seconds and dyadic step times, so that sums are exact."""

from __future__ import annotations

from hypothesis import strategies as st
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, Trace, build_trace
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes

TYPES = ("v100", "p100", "t4")


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    return Cluster("random", TYPES, tuple(draw(st.lists(st.integers(6, 12), min_size=3, max_size=3))))


@st.composite
def rate_tables(draw: st.DrawFn) -> StepTimes:
    seconds = {}
    for model in ("a", "b"):
        for gpu in TYPES:
            seconds[model, 4, gpu] = draw(st.integers(1, 8)) / 4
    return StepTimes("random", seconds)


@st.composite
def random_traces(draw: st.DrawFn, *, sort: bool = False) -> Trace:
    jobs = draw(st.integers(1, 14))
    submit = [float(draw(st.integers(0, 600))) for _ in range(jobs)]
    if sort:
        submit.sort()
    classes = [
        JobClass(
            draw(st.sampled_from("ab")),
            4,
            draw(st.sampled_from((1, 2, 3, 4, 6))),
            draw(st.booleans()),
            draw(st.sampled_from(TYPES)),
        )
        for _ in range(jobs)
    ]
    steps = [draw(st.integers(1, 400)) for _ in range(jobs)]
    samples = [float(n * c.global_batch) for n, c in zip(steps, classes, strict=True)]
    return build_trace("random", [f"job-{i}" for i in range(jobs)], submit, samples, classes)


def rule_sets() -> st.SearchStrategy[Rules]:
    return st.builds(
        Rules,
        assignment=st.sampled_from(("worst", "best")),
        single_type_speedup=st.sampled_from(("linear", "exact")),
        idle_gpus=st.sampled_from(("held", "returned")),
        startup=st.sampled_from(("once", "every-change")),
        startup_delay=st.sampled_from((0.0, 20.0)),
    )
