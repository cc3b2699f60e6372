"""Jobs that share a network from a file: times by hand, who slows whom, and files that do not fit."""

import json

import pytest
from simcore import share
from simcore.errors import InputError
from simcore.progress import watched

from tests.cli.commands import printed

RING = "Ring(8)@1GB/s"
# 8 GB all-reduced among four NPUs of a ring of 1 GB/s each way in all: 2 x 3/4 x 8 GB / 1 GB/s = 12 s alone
WORK = """MICRO
1
mlp -1 0 NONE 0 0 NONE 0 0 ALLREDUCE 8000000000 0
"""


def write(folder, *jobs):
    (folder / "work.txt").write_text(WORK)
    path = folder / "jobs.yaml"
    path.write_text("jobs:\n" + "".join(f"- {{workload: work.txt, {job}}}\n" for job in jobs))
    return path


def test_jobs_on_the_same_links_take_twice_as_long(tmp_path):
    path = write(tmp_path, "name: even, positions: ['0,2,4,6']", "name: odd, positions: ['1,3,5,7']")
    result = share(path, network=RING)
    assert result.alone == pytest.approx((12.0, 12.0))
    assert result.table.column("together") == pytest.approx([24.0, 24.0])
    assert result.slowdowns == pytest.approx((2.0, 2.0))
    assert result.dimensions[0]["most_utilisation"] == pytest.approx(1.0)
    assert result.sentences() == [
        "even takes 2 times as long as alone, beside odd.", "odd takes 2 times as long as alone, beside even.",
    ]  # fmt: skip


def test_of_three_jobs_the_one_that_hurts_is_named(tmp_path):
    far = "name: far, positions: [all, 1]"
    near = ["name: even, positions: ['0,2,4,6', 0]", "name: odd, positions: ['1,3,5,7', 0]"]
    result = share(write(tmp_path, far, *near), network="Ring(8)@1GB/s x Switch(2)@1GB/s")
    slow = {(row["job"], row["beside"]): row["slowdown"] for row in result.pairs}
    assert slow["far", "even"] == slow["even", "far"] == pytest.approx(1.0)
    assert slow["even", "odd"] == pytest.approx(2.0)
    assert result.sentences()[0] == "far does not notice the others."
    assert "because of odd" in result.sentences()[1]


def test_a_job_that_starts_late_meets_the_other_for_the_rest(tmp_path):
    # alone until 6 s, which is half; then both at half their speed: 6 + 12 = 18, and the late one has 6 left alone
    path = write(
        tmp_path, "name: early, positions: ['0,2,4,6']", "name: late, positions: ['1,3,5,7'], start: 6 s",
    )  # fmt: skip
    rows = share(path, network=RING).table
    assert rows.column("end") == pytest.approx([18.0, 24.0])


def test_iterations_follow_each_other(tmp_path):
    result = share(write(tmp_path, "positions: ['0,2,4,6'], iterations: 3"), network=RING)
    assert result.alone == pytest.approx((36.0,))
    assert len(result.pairs) == 0


def test_the_command_prints_what_python_gives(tmp_path):
    path = write(tmp_path, "name: even, positions: ['0,2,4,6']", "name: odd, positions: ['1,3,5,7']")
    made = json.loads(printed("share", str(path), "--network", RING, "--json"))
    assert [row["together"] for row in made["jobs"]] == pytest.approx([24.0, 24.0])
    text = printed("share", str(path), "--network", RING)
    assert "even takes 2 times as long as alone, beside odd." in text


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("positions: ['0-3', all]", "found 2 entries, expected one entry for each of the 1 dimensions"),
        ("positions: ['0-8']", "found position 8, expected 0 to 7"),
        ("positions: ['3-1']", "found '3-1'"),
        ("positions: ['0,0']", "each once"),
        ("loop: never", "loop"),
        ("tp: 3", "3"),
        ("start: 5", "without a unit"),
        ("start: 1e18 s", "field 'jobs.0.start': found '1e18 s', expected a number of at most 1e+06"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, job, message):
    with pytest.raises(InputError) as error:
        share(write(tmp_path, job), network=RING)
    assert message in str(error.value)
    assert "jobs.yaml" in str(error.value)


def test_two_jobs_of_one_name_and_no_network_are_refused(tmp_path):
    path = write(tmp_path, "name: a", "name: a")
    with pytest.raises(InputError, match="two jobs named 'a'"):
        share(path, network=RING)
    with pytest.raises(InputError, match="network: found nothing"):
        share(path)
    with pytest.raises(InputError, match="network: found nothing"):
        share(path, budget="325")


def test_iterations_are_told_of_each_run(tmp_path):
    told = []
    with watched(lambda what, done, total: told.append((what, done, total))):
        share(write(tmp_path, "name: a, iterations: 2", "name: b, iterations: 3"), network=RING)
    runs = {"all jobs": 5, "a alone": 2, "b alone": 3, "a and b": 5}
    assert [each for each in told if each[1] == each[2]] == [
        (f"iterations of {who}", count, count) for who, count in runs.items()
    ]
    assert len(told) == sum(runs.values())
