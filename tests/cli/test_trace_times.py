"""Traces whose times are dates, whose rows are out of order, or whose rounds are too many."""

from __future__ import annotations

import json

import pytest
import simcore
from simcore.cli.main import run
from simcore.errors import InputError

HEADER = "name,submit_s,model,max_parallelism,batch_size,samples,heterogeneous,gpu_type\n"
OPTIONS = {"cluster": "cluster.yaml", "rates": "rates.csv", "policies": ["fifo"]}
EPOCH = 1_600_000_000


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Two GPUs and a model that takes 1 s per sample."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.yaml").write_text("gpus: {a: 2}\n", encoding="utf-8")
    (tmp_path / "rates.csv").write_text("model,batch_size,gpu_type,seconds_per_minibatch\nm,1,a,1\n", encoding="utf-8")
    return tmp_path


def write(name, *submissions, samples=980):
    rows = "".join(f"{chr(97 + k)},{at},m,1,1,{samples},no,a\n" for k, at in enumerate(submissions))
    with open(name, "w", encoding="utf-8") as stream:
        stream.write(HEADER + rows)
    return name


def table(name, **options):
    return next(iter(simcore.trace(name, **OPTIONS, **options).table))


@pytest.mark.parametrize("rules", ["published", "corrected"])
def test_dates_count_from_the_first_submission(rules):
    """Jobs of 980 + 20 s at 0 and 500 s: 2,000 GPU-seconds of 2 GPUs over 1,500 s are two thirds."""
    write("near.csv", 0, 500)
    write("dates.csv", EPOCH, EPOCH + 500)
    near, dates = (table(name, rules=rules, interval="event") for name in ("near.csv", "dates.csv"))
    assert dates == near
    assert dates["makespan_s"] == pytest.approx(1500)
    assert dates["utilisation"] == pytest.approx(2000 / 2 / 1500)
    assert dates["mean_allocated_gpus"] == pytest.approx(4 / 3)


def test_dates_are_warned_of_and_run_again_from_their_provenance():
    write("dates.csv", EPOCH, EPOCH + 500)
    result = simcore.trace("dates.csv", **OPTIONS)
    assert [warning for warning in result.warnings if "shifted" in warning] == [
        "dates.csv: the first submission is at 1600000000 s, and times of results count from there: all submissions "
        "are shifted by it"
    ]
    assert result.jobs.column("submit_s") == [0, 500]
    again = simcore.trace(**json.loads(json.dumps(result.provenance.inputs)))
    assert again.to_json() == result.to_json()
    assert again.jobs.to_csv() == result.jobs.to_csv()


@pytest.mark.parametrize(
    ("first", "samples", "shifted"),
    [(0, 980, False), (3600, 980, False), (3601, 980, True), (5000, 100_000, False), (5000, 10_000, True)],
)
def test_what_is_near_0(first, samples, shifted):
    """Within an hour, or within a tenth of what comes after."""
    write("some.csv", first, first + 10, samples=samples)
    result = simcore.trace("some.csv", **OPTIONS)
    assert bool([warning for warning in result.warnings if "shifted" in warning]) is shifted
    assert result.jobs.column("submit_s")[0] == (0 if shifted else first)


def test_rows_out_of_order_are_told_where_policies_see_them_by_row():
    write("mixed.csv", 50, 10, 0)
    warnings = simcore.trace("mixed.csv", **OPTIONS).warnings
    assert [each for each in warnings if "by row" in each] == [
        "mixed.csv, line 3, job 'b', is submitted before the job above it, and policies see jobs by row. "
        "Sort the trace, or give --order submission"
    ]
    for options in ({"order": "submission"}, {"rules": "corrected"}):
        assert not [each for each in simcore.trace("mixed.csv", **OPTIONS, **options).warnings if "by row" in each]
    assert not [each for each in simcore.trace(policies=["fifo"]).warnings if "by row" in each]


@pytest.mark.parametrize("interval", ["1e-300", "9.9e-7", "٣", "1_0", 0.0])
def test_an_interval_below_a_microsecond_is_refused(interval):
    with pytest.raises(InputError, match="a number of seconds from 1e-06 to 1,000,000,000, or 'event'"):
        simcore.trace(interval=interval)


def test_more_rounds_than_a_run_ends_with_are_refused_before_it_starts(capsys):
    write("long.csv", 0, samples=1e12)
    with pytest.raises(SystemExit) as stop:
        run(["trace", "long.csv", "--cluster", "cluster.yaml", "--rates", "rates.csv", "--policy", "fifo"])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert (
        "--interval: found 60 s, which makes about 1.7e+10 rounds, expected an interval that makes at most" in message
    )
    assert "Take a longer interval, or 'event'." in message
    assert table("long.csv", interval="event")["makespan_s"] == pytest.approx(1e12)
    assert table("long.csv", interval=1e9)["jobs"] == 1
