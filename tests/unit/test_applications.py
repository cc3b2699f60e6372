"""Jobs of applications: their speed by nodes, batch and epoch, and the policies that the artifact of Pollux has."""

import random
import re

import pytest
import simcore
from simcore.cluster import Node, cluster_of_nodes
from simcore.errors import InputError, RunError
from simcore.models.cluster.courses import Courses
from simcore.models.cluster.step_times import StepTimes
from simcore.readers.pollux import read_pollux
from simcore.traces import durations

from tests.applications import FILES, an_application, by_ticks, rows_of, write_folder

HEADER = "name,time,application,num_replicas,batch_size\n"
ONE_JOB = {"name": ["a"], "submit_s": [0.0], "duration_s": [1.0], "gpus": [2], "model": ["net"], "global_batch": ["16"]}
NODES = cluster_of_nodes("nodes", [Node("v100", 2), Node("v100", 2)])
RULES = {"cluster": NODES, "placement": "freest", "startup": "every-change", "startup_delay": 30}


def a_study(tmp_path, rows, **more):
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "jobs.csv").write_text(HEADER + rows)
    return simcore.trace(tmp_path / "jobs.csv", rates=write_folder(tmp_path / "profiles"), **{**RULES, **more})


def test_a_batch_is_spread_over_gpus_and_passes():
    application = an_application()
    spread = application.spread(16, 1, alone=True)
    assert (spread.local, spread.passes, spread.size) == (8, 2, 16)
    spread = application.spread(8, 1, alone=True)
    assert (spread.local, spread.passes, spread.size) == (4, 2, 8)
    spread = application.spread(15, 2, alone=False)
    assert (spread.local, spread.passes, spread.size) == (8, 1, 16)


def test_step_times_are_looked_up_by_rotation_and_interpolated():
    application = an_application()
    assert application.step_times((2,), 6) == (1.0, 0.25)
    assert application.step_times((1, 1), 8) == application.step_times((2, 2), 8) == (1.5, 0.5)
    step, sync = application.step_times((2, 1), 8)  # between 2 and 4 GPUs on two nodes
    assert (step, sync) == pytest.approx((1.5, 0.5))
    with pytest.raises(RunError, match=r"net was not measured with 9 samples of a GPU on nodes with \(2,\) GPUs"):
        application.step_times((2,), 9)
    with pytest.raises(RunError, match="trained with batch sizes from 8 to 16, not 4"):
        application.pace(4, (1,))


def test_the_pace_changes_with_the_epoch():
    pace = an_application().pace(16, (2,))
    assert pace.rate == [0.8, 1.6, 0.8]  # a step of 1.25 s is worth 1, 2 and 1
    assert pace.exact == pytest.approx([125.375, 62.5733, 124.7748], abs=1e-4)
    assert pace.before == [0, 125, 188, 313]  # an epoch counts in whole seconds


def test_a_job_alone_takes_its_epochs_and_the_delay(tmp_path):
    result = a_study(tmp_path, "a,0,net,2,16\nb,61,net,1,8\n")
    jobs = {row["name"]: row for row in rows_of(result.jobs)}
    assert (jobs["a"]["start_s"], jobs["a"]["end_s"]) == (60, 60 + 30 + 313)
    assert (jobs["b"]["start_s"], jobs["b"]["end_s"]) == (120, 120 + 30 + 300)
    assert result.provenance.sha256["rates"] == read_pollux(tmp_path / "profiles").sha256


def test_progress_in_closed_form_is_that_of_every_tick():
    """A job that changes its nodes at random ticks ends when the loop of the artifact says."""
    dice, application = random.Random(3), an_application()
    trace = durations.build("t", [2], ONE_JOB.copy())
    times = StepTimes("t", {}, applications={"net": application})
    held = {(2,): ((0, 2, 0),), (1, 1): ((0, 1, 0), (1, 1, 0)), (1,): ((1, 1, 0),)}
    for _ in range(200):
        courses = Courses(trace, times, NODES)
        now, stretches, finish = 60.0 * dice.randrange(3), [], float("inf")
        while True:
            split = dice.choice(list(held))
            exact, finish = courses.start(0, held[split], now + 30)
            stop = now + 60.0 * dice.randint(1, 4)
            if exact <= stop:
                break
            if stop > now + 30:
                stretches.append((now + 30, stop, split))
            courses.stop(0, stop)
            now = stop
        assert by_ticks(application, 16, [*stretches, (now + 30, now + 10_000, split)]) == finish


def test_optimus_grows_with_the_batch_or_to_the_gang(tmp_path):
    # with 16 samples a step takes 2 s on one GPU, 1.25 s on two, and 1 s on two nodes with four
    ends = {}
    for growth in ("gang", "batch"):
        for gpus in (1, 2):
            result = a_study(
                tmp_path / f"{growth}{gpus}", f"b,0,net,{gpus},16\n", policies=[f"optimus:growth={growth}"]
            )
            ends[growth, gpus] = rows_of(result.jobs)[0]["end_s"] - 60 - 30
    assert ends == {("gang", 1): 501, ("batch", 1): 501, ("gang", 2): 313, ("batch", 2): 250}
    with pytest.raises(InputError, match="option 'growth': found 'all', expected one of gang, batch"):
        a_study(tmp_path, "b,0,net,2,16\n", policies=["optimus:growth=all"])


def test_elastic_jobs_go_where_the_placer_says(tmp_path):
    result = a_study(tmp_path, "a,0,net,1,16\nb,0,net,2,16\n", policies=["optimus"])
    assert [row["nodes"] for row in rows_of(result.jobs)] == ["0:1", "1:2"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,0,nets,2,16\n", "line 2, field 'application': found 'nets', expected one of net"),
        ("a,0,net,1,7\n", "trained with batch sizes from 8 to 16, not 7"),
        ("a,0,net,4,2\n", "found a batch of 2 on 4 GPUs"),
        ("a,0,net,two,16\n", "field 'num_replicas': found 'two', expected a whole number"),
    ],
)
def test_jobs_that_cannot_run(tmp_path, rows, message):
    with pytest.raises(InputError, match=re.escape(message)):
        a_study(tmp_path, rows)


def test_what_a_workload_needs(tmp_path):
    (tmp_path / "jobs.csv").write_text(HEADER + "a,0,net,2,16\n")
    with pytest.raises(InputError, match="which says no durations, expected the profiles of its applications"):
        simcore.trace(tmp_path / "jobs.csv", cluster=NODES)
    with pytest.raises(InputError, match="found no nodes, expected nodes, on which the speed of jobs depends"):
        simcore.trace(tmp_path / "jobs.csv", rates=write_folder(tmp_path / "profiles"))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("placements.csv", "placement,local_bsz,step_time\n", "no column 'sync_time'"),
        ("placements.csv", "placement,local_bsz,step_time,sync_time\n", "found no rows"),
        (
            "placements.csv",
            "placement,local_bsz,step_time,sync_time\n1,4,x,0\n",
            "line 2, field 'step_time': found 'x'",
        ),
        ("scalability.csv", FILES["scalability.csv"] + "1,2\n", "line 6: found 2 fields"),
    ],
)
def test_profiles_that_are_wrong(tmp_path, file, text, message):
    folder = write_folder(tmp_path / "profiles")
    (folder / "net" / file).write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_pollux(folder)


def test_a_folder_without_profiles_and_those_of_a_gpu_type(tmp_path):
    folder = write_folder(tmp_path / "profiles")
    (folder / "other").mkdir()
    (folder / "net" / "placements-t4.csv").write_text(FILES["placements.csv"].replace("1,8,1,0", "1,8,3,0"))
    assert read_pollux(folder).value["net"].step_times((1,), 8) == (1.0, 0.0)
    assert read_pollux(folder, "t4").value["net"].step_times((1,), 8) == (3.0, 0.0)
    with pytest.raises(InputError, match="found no profiles of applications"):
        read_pollux(folder / "other")


def test_remaining_work_and_what_a_scheduler_predicts():
    application = an_application()
    trace = durations.build("t", [2], ONE_JOB.copy())
    courses = Courses(trace, StepTimes("t", {}, applications={"net": application}), NODES)
    assert courses.remaining(0, 0.0) == pytest.approx(313.375)
    assert courses.predicted(0, 2, 0.0) == 1.25 * (200 - 100)
    courses.start(0, ((0, 2, 0),), 0.0)
    assert courses.remaining(0, 25.0) == pytest.approx(288.375)
    assert courses.predicted(0, 2, 130.0) == 1.25 * (200 - 150)
    assert courses.predicted(0, 1, 190.0) == 2.0  # the last epoch counts as one step
    assert courses.remaining(0, 187.0) == pytest.approx(125.573, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "placements.csv",
            "\n1,4,",
            "\n-1,4,",
            "line 2, field 'placement': found -1, expected a number from 1 to 1e+18",
        ),
        ("placements.csv", "\n1,4,", "\n10,4,", "field 'placement': found 10, expected a digit from 1 for each node"),
        ("placements.csv", "\n1,4,", "\n1.5,4,", "field 'placement': found '1.5', expected a whole number"),
        ("placements.csv", "1,4,0.5,", "1,0,0.5,", "line 2, field 'local_bsz': found 0, expected a number from 1 to"),
        ("placements.csv", "1,4,0.5,", "1,4,0,", "line 2, field 'step_time': found 0, expected a number from 1e-09 to"),
        (
            "scalability.csv",
            "4,8,4,2,1.5",
            "4,8,4,2,-1",
            "line 2, field 'sync_time': found -1, expected a number from 0",
        ),
        ("validation-8.csv", "200.4173", "100.3", "field 'progress': found progress that stands still or goes back"),
        ("validation-8.csv", "200,0,1,0", "200,0,0,0", "found an epoch with 0 for both, expected one above 0"),
        ("validation-8.csv", "200,0,1,0", "200,0,1,-1", "line 3, field 'grad_var': found -1, expected a number from 0"),
    ],
)
def test_numbers_that_no_profile_holds(tmp_path, name, old, new, message):
    folder = write_folder(tmp_path / "profiles")
    text = (folder / "net" / name).read_text()
    assert old in text
    (folder / "net" / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=re.escape(message)):
        read_pollux(folder)


def test_nothing_lies_between_placements_on_a_line(tmp_path):
    folder = write_folder(tmp_path / "profiles")
    table = "num_nodes,num_replicas,local_bsz,step_time,sync_time\n4,8,4,2,1.5\n"
    (folder / "net" / "scalability.csv").write_text(table)
    (folder / "net" / "placements.csv").write_text("placement,local_bsz,step_time,sync_time\n1,4,1,0\n1,8,2,0\n")
    with pytest.raises(RunError, match=r"was not measured with 8 samples of a GPU on nodes with \(1, 1\) GPUs"):
        read_pollux(folder).value["net"].step_times((1, 1), 8)
