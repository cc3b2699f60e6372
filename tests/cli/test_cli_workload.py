"""``simcore workload``: what it counts, what it writes, what it refuses."""

import gzip
import json

import pytest
from simcore.cli.main import run

JOBS = """name,submit_s,duration_s,gpus,vc,user
a,1000,3600,1,x,ann
b,1060,60,3,x,bob
c,8200,7200,2,y,ann
d,8200,2592001,1,y,ann
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.csv").write_text(JOBS)
    (tmp_path / "c.yaml").write_text("nodes: [{type: v100, gpus: 4, vc: x}, {type: v100, gpus: 4, vc: y}]")
    return tmp_path


def cli(*args, status=0):
    with pytest.raises(SystemExit) as stop:
        run(["workload", *args])
    assert stop.value.code == status


def test_what_it_counts(capsys):
    cli("jobs.csv", "--cluster", "c.yaml", "--json")
    found = json.loads(capsys.readouterr().out)
    whole = found["workload"][0]
    assert (whole["jobs"], whole["users"], whole["vcs"], whole["span_s"]) == (4, 2, 2, 7200.0)
    assert whole["gpu_hours"] == pytest.approx((3600 + 180 + 14400 + 2592001) / 3600)
    assert whole["load"] == pytest.approx(whole["gpu_hours"] / 16)
    assert [(row["user"], row["jobs"]) for row in found["by_user"]] == [("ann", 3), ("bob", 1)]
    assert [(row["gang"], row["jobs"]) for row in found["by_gang"]] == [(1, 2), (2, 1), (3, 1)]
    assert [(row["hour"], row["jobs"]) for row in found["by_hour"]] == [(0, 2), (2, 2)]
    loads = {row["vc"]: row["load"] for row in found["by_vc"]}
    assert loads["x"] == pytest.approx(3780 / (4 * 7200))
    assert [(row["jobs"], row["line"]) for row in found["odd"]] == [(1, 5), (1, 3), (1, 4)]


def test_tables_and_figures(folder, capsys):
    cli("jobs.csv", "--cluster", "c.yaml", "-o", "out", "--figures", "png")
    assert {path.name for path in (folder / "out").iterdir()} >= {
        "workload.csv", "by_user.csv", "by_vc.csv", "by_gang.csv", "by_hour.csv", "by_gpu_type.csv", "odd.csv",
        "durations.png", "gangs.png", "arrivals.png", "workload.json",
    }  # fmt: skip
    shown = capsys.readouterr().out
    assert "workload jobs.csv: 4 jobs" in shown
    assert "1 jobs run for more than 30 days, the first in line 5." in shown


def test_a_trace_like_another(folder, capsys):
    for out in ("one.csv", "again.csv"):
        cli("synthesise", "--like", "jobs.csv", "--jobs", "200", "--seed", "3", "-o", out)
    assert (folder / "one.csv").read_bytes() == (folder / "again.csv").read_bytes()
    cli("one.csv", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["workload"][0]["jobs"] == 200
    assert {row["gang"] for row in found["by_gang"]} == {1, 2, 3}
    assert {row["user"] for row in found["by_user"]} == {"ann", "bob"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("sc23",), "found work in samples, whose durations follow from step times"),
        (("none.csv",), "'none.csv', which is no file"),
        (("jobs.csv", "--format", "phily"), "Did you mean 'philly'?"),
        (("jobs.csv", "--cluster", "none"), "'none', which is no file"),
        (
            ("synthesise",),
            "--like: found nothing, expected a trace of durations and how many jobs are drawn. Add --like",
        ),
        (("synthesise", "--jobs", "5"), "--like: found nothing, expected a trace of durations. Add --like FILE."),
        (
            ("synthesise", "--like", "jobs.csv"),
            "--jobs: found nothing, expected how many jobs are drawn. Add --jobs N.",
        ),
        (("synthesise", "--like", "jobs.csv", "--jobs", "0", "-o", "x.csv"), "--jobs"),
        (("synthesise", "--like", "jobs.csv", "--jobs", "5", "-o", "jobs.csv"), "jobs.csv"),
        (("synthesise", "--like", "none.csv", "--jobs", "5", "-o", "x.csv"), "'none.csv', which is no file"),
    ],
)
def test_what_it_refuses(args, message, capsys):
    cli(*args, status=2)
    err = capsys.readouterr().err
    assert message in err
    assert "internal" not in err


def test_the_gangs_with_most_work_are_shown_in_the_order_of_their_sizes(capsys, folder):
    rows = "".join(f"j{n},{n},{60 * n},{n},x,ann\n" for n in range(1, 14))
    (folder / "jobs.csv").write_text(JOBS.splitlines()[0] + "\n" + rows)
    cli("jobs.csv")
    _, gangs = capsys.readouterr().out.split("gangs [GPUs]")
    lines = gangs.splitlines()[1:]
    assert [line.split()[0] for line in lines[:10]] == [str(n) for n in range(4, 14)]
    assert lines[10] == "(3 more)"


def test_a_packed_trace_says_how_to_unpack_it(capsys, folder):
    (folder / "jobs.csv.gz").write_bytes(gzip.compress(JOBS.encode()))
    cli("jobs.csv.gz", status=2)
    assert (
        "found a file packed by gzip, expected a trace file of text. Unpack it with gunzip." in capsys.readouterr().err
    )
