"""Random deployments whose replicas send: the closed form follows the order in which a simulation sends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simcore.models.network.mapping import Axis
from simcore.models.training.execute import Runner
from simcore.models.training.parallel.orders import Pipelined, turns_of
from simcore.models.training.parallel.pipelining import played_seconds, stage_times
from simcore.models.training.parallel.simulate import simulate
from simcore.models.training.parallel.stages import play
from simcore.models.training.simulated import Settings
from simcore.models.training.workload import Pass

from tests.deployments import drawn

SEEDS = {
    "one chunk a rank": (7, 14, 48, 5019),
    "several chunks a rank": (6, 55, 56, 61, 68, 5011),
    "looped": (1, 6, 9, 11, 15, 9032),
    "split backward passes": (0, 4, 12, 23, 30, 35),
    "shared dimensions": (2, 17, 21, 39, 9000, 9011),
}
"""Numbers of draws, most of which the closed form missed by 2 to 27 % before it followed the order of the turns."""


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind, seeds in SEEDS.items() for seed in seeds])
def test_the_closed_form_and_1024_chunks_agree_within_a_percent(kind, seed):
    closed, run = drawn(kind, seed).times(chunks=1024)
    assert closed == pytest.approx(run, rel=0.01)


@pytest.mark.parametrize("kind", SEEDS)
@pytest.mark.parametrize("seed", range(15))
def test_parts_add_up_and_more_bandwidth_never_slows_it(kind, seed):
    case = drawn(kind, seed)
    found = case.evaluator().evaluate(case.layout)
    assert min(found.parts.values()) >= 0
    assert sum(found.parts.values()) == pytest.approx(found.time, rel=1e-12)
    wide = replace(case, bandwidths=tuple(2 * each for each in case.bandwidths))
    assert wide.closed() <= found.time * (1 + 1e-12)


def test_buckets_are_those_of_one_model_chunk():
    """A chunk that does not fill a bucket sums its gradients in its last turn, not in the next chunk's."""
    case = drawn("several chunks a rank", 0)
    layout = replace(case.layout, zero=0, bucket=1e15)
    counts = []
    for overlap in (True, False):
        sent = []
        runner_issue = Runner.run

        def run(self, steps, sent=sent, runner_issue=runner_issue):
            def seen():
                for step in steps:
                    if getattr(step, "axis", None) is Axis.DATA and step.part is Pass.WEIGHT_GRADIENT:
                        sent.append(step)
                    yield step

            return runner_issue(self, seen())

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Runner, "run", run)
            simulate(case.evaluator(), replace(layout, overlap=overlap), Settings(chunks=4))
        counts.append(len(sent))
    assert counts == [layout.chunks, layout.pp]


@pytest.mark.parametrize(("kind", "seed"), [("split backward passes", 3), ("split backward passes", 11),
                                            ("several chunks a rank", 116)])  # fmt: skip
def test_rounds_that_differ_are_played_in_part_as_they_are_as_a_whole(kind, seed):
    """Messages that queue make every other round longer, and a rank may wait in the first rounds alone."""
    case = drawn(kind, seed)
    layout = replace(case.layout, micro_batches=24 * case.layout.pp)
    found = case.evaluator().evaluate(layout)
    size, stages = Pipelined(layout.pp, layout.micro_batches, layout.vp), [stage_times(one) for one in found.chunks]
    whole = play(layout.order, size, turns_of(layout.order, size), stages, found.message).seconds
    assert played_seconds(layout, found.chunks, found.message) == pytest.approx(whole, rel=5e-3)
