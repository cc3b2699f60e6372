"""Elastic training on real processes beside DistributedDataParallel, bit for bit; each run is a few processes."""

import functools

import pytest
from simcore.real.elastic.faults import POINTS, seeded
from simcore.real.elastic.job import Job, Place
from simcore.real.elastic.plan import parse_stages

pytest.importorskip("torch")
from simcore.real.elastic.run import compare, train_job, train_reference
from simcore.real.elastic.setting import other_kernels

BATCHES = 20
REAL = "4x1, 2x2, 1x2+2x1@alt"
"""Figure 9's stages."""


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Return a reference of each model, number of workers, kernel set and order of sums, trained once."""

    @functools.cache
    def trained(model, workers, pinned, reduce, stages):
        plan = parse_stages([", ".join([f"1x{workers}"] * stages)], workers)
        level = "D2" if pinned else "D1"
        job = Job(model, workers, plan, batches=BATCHES, determinism=level, reduce=reduce)
        return train_reference(job, tmp_path_factory.mktemp("reference"))

    return trained


def compared(references, folder, model, workers, plan, level, reduce="ring"):
    if "@alt" in plan and not other_kernels():
        pytest.skip("the CPU has no AVX2, and with it no second kernel set")
    job = Job(model, workers, parse_stages([plan], workers), batches=BATCHES, determinism=level, reduce=reduce)
    reference = references(model, workers, level == "D2", reduce, len(job.plan))
    ours = train_job(job, Place(folder, folder / "checkpoint"))
    assert ours.samples == reference.samples
    stages = compare(job, ours, reference)
    return [(stage.losses_equal, stage.weights_equal, stage.buffers_equal) for stage in stages], stages


EQUAL = (True, True, True)


# of 3 families x 3 plans x D1 and D2 x 3 and 4 workers, which benchmarks/elastic.py runs in full: each value, and
# each pair of a family with a level and of a family with a number of workers
@pytest.mark.parametrize(
    ("model", "workers", "plan", "level", "reduce"),
    [
        ("resnet18", 3, "1x2+1x1@alt, 1x3", "D2", "ring"),  # convolutions take longest: two stages
        ("resnet18", 4, "1x4, 2x2", "D1", "ring"),
        ("transformer", 4, REAL, "D2", "ring"),
        ("transformer", 3, "1x2+1x1, 3x1, 1x3", "D1", "ring"),
        ("mlp", 3, "3x1, 1x1+1x2@alt, 1x3", "D2", "ring"),
        ("mlp", 3, "1x3, 3x1, 1x2+1x1", "D1", "ordered"),
    ],
)
def test_losses_weights_and_buffers_are_equal(references, tmp_path, model, workers, plan, level, reduce):
    equal, stages = compared(references, tmp_path, model, workers, plan, level, reduce)
    assert set(equal) == {EQUAL}
    assert {stage.max_loss_difference for stage in stages} == {0.0}


def test_d1_differs_in_a_stage_on_other_kernels_and_not_before(references, tmp_path):
    equal, stages = compared(references, tmp_path, "mlp", 4, REAL, "D1")
    assert equal[:2] == [EQUAL] * 2
    assert not stages[2].losses_equal
    assert not stages[2].weights_equal
    assert stages[2].max_loss_difference > 0


def test_d0_differs_after_the_first_restart_and_not_before(references, tmp_path):
    equal, stages = compared(references, tmp_path, "mlp", 4, "4x1, 2x2, 1x4", "D0")
    assert equal[0] == EQUAL
    assert [stage.losses_equal for stage in stages] == [True, False, False]
    assert [stage.weights_equal for stage in stages] == [True, False, False]


def test_no_fault_changes_a_bit(references, tmp_path):
    plan = parse_stages(["2x2, 4x1, 1x4"], 4)
    # a process of the second stage dies before all meet, and the last checkpoint is cut short, among them
    faults = seeded(0, POINTS, BATCHES, [len(stage.processes) for stage in plan])
    job = Job("mlp", 4, plan, batches=BATCHES, restarts=len(faults), faults=faults)
    ours = train_job(job, Place(tmp_path, tmp_path / "checkpoint"))
    assert len(list(tmp_path.glob("fault-*"))) == len(faults) == 9  # all have happened
    reference = references("mlp", 4, False, "ring", 3)
    assert ours.losses == reference.losses
    assert [compare(job, ours, reference)[2].weights_equal, ours.samples == reference.samples] == [True, True]
