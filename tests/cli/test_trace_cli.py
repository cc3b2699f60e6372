"""The command as a user runs it: what it prints, what it writes, and that both say the same."""

import csv
import json
import subprocess
import sys

import pytest
import simcore
from simcore.cli.main import run
from simcore.outputs import LISTING, atomic_directory

FILES = [
    "allocation.csv",
    "contents.json",
    "jct_cdf.pdf",
    "jct_cdf.png",
    "jct_makespan.pdf",
    "jct_makespan.png",
    "jobs.csv",
    "queue_length.pdf",
    "queue_length.png",
    LISTING,
    "summary.csv",
    "summary.json",
    "trace_alloc.pdf",
    "trace_alloc.png",
]
FIRST = [
    "policy",
    "jobs",
    "mean_jct_s",
    "median_jct_s",
    "p95_jct_s",
    "p99_jct_s",
    "mean_queueing_s",
    "makespan_s",
    "mean_allocated_gpus",
    "utilisation",
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")  # a narrow terminal cuts nothing
    return tmp_path


def cli(*args):
    with pytest.raises(SystemExit) as stop:
        run(["trace", *args])
    assert stop.value.code == 0


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    cli("-o", str(folder / "out"), "--timeline", str(folder / "line.json"))
    return folder


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_directory_holds_everything(written):
    assert sorted(path.name for path in (written / "out").iterdir()) == FILES
    assert sorted(path.name for path in written.iterdir()) == ["line.json", "out"]


def test_summary_starts_with_the_promised_columns(written):
    (header, *_) = (written / "out" / "summary.csv").read_text().splitlines()
    assert header.split(",")[: len(FIRST)] == FIRST
    table = rows(written / "out" / "summary.csv")
    assert [row["policy"] for row in table] == ["yarn-cs", "fifo", "easyscale-homo", "easyscale-heter"]
    assert {row["rates_kinds"] for row in table} == {"fitted"}


def test_json_and_summary_say_the_same(written, capsys):
    cli("--json")
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((written / "out" / "summary.json").read_text())
    assert list(document) == ["rows", "trace", "cluster", "step_times", "window", "warnings", "provenance"]
    for row, text in zip(document["rows"], rows(written / "out" / "summary.csv"), strict=True):
        assert list(row) == list(text)
        for name, value in row.items():
            assert text[name] == ("" if value is None else str(value))


def test_provenance_suffices_to_run_again(written):
    document = json.loads((written / "out" / "summary.json").read_text())
    provenance = document["provenance"]
    assert provenance["command"] == "trace"
    inputs = provenance["inputs"]
    assert inputs["trace"] == "sc23"
    assert document["trace"] == {"name": "sc23", "jobs": 62}
    assert inputs["cluster"] == "sc23"
    assert document["cluster"] == {"name": "sc23", "gpus": {"v100": 32, "p100": 16, "t4": 16}}
    assert inputs["rates"] == "sc23-fitted"
    assert document["step_times"]["kinds"] == ["fitted"]
    assert "not measurements" in document["step_times"]["note"]
    assert inputs["interval"] == 60.0
    assert inputs["rules"]["startup_delay"] == 20.0
    assert set(provenance["sha256"]) == {"trace", "cluster", "rates"}
    assert {len(digest) for digest in provenance["sha256"].values()} == {64}
    assert provenance["seed"] is None
    assert {"simcore", "python", "numpy", "simpy"} <= set(provenance["versions"])
    assert any("1.42" in note for note in document["warnings"])


def test_jobs_has_a_row_per_policy_and_job(written):
    jobs = rows(written / "out" / "jobs.csv")
    assert len(jobs) == 4 * 62
    for row in jobs:
        submit, start, end, jct = (float(row[f"{name}_s"]) for name in ("submit", "start", "end", "jct"))
        assert submit <= start <= end
        assert jct == pytest.approx(end - submit)
        assert jct == pytest.approx(float(row["queueing_s"]) + float(row["running_s"]))
        assert int(row["rescales"]) >= 0
    for summary in rows(written / "out" / "summary.csv"):
        mine = [float(row["jct_s"]) for row in jobs if row["policy"] == summary["policy"]]
        assert sum(mine) / len(mine) == pytest.approx(float(summary["mean_jct_s"]))


def test_allocation_has_a_row_per_policy_and_tick(written):
    summary = {row["policy"]: row for row in rows(written / "out" / "summary.csv")}
    allocation = rows(written / "out" / "allocation.csv")
    assert list(allocation[0]) == ["policy", "time_s", "clock_s", "v100", "p100", "t4", "total"]
    for policy, row in summary.items():
        mine = [line for line in allocation if line["policy"] == policy]
        assert [float(line["clock_s"]) for line in mine] == [60.0 * k for k in range(1, len(mine) + 1)]
        assert float(mine[-1]["time_s"]) == float(row["makespan_s"])
        for line in mine:
            v100, p100, t4 = (int(line[t]) for t in ("v100", "p100", "t4"))
            assert v100 + p100 + t4 == int(line["total"])
            assert (0 <= v100 <= 32, 0 <= p100 <= 16, 0 <= t4 <= 16) == (True, True, True)


def test_the_same_inputs_give_the_same_bytes(written, folder):
    cli("-o", "again", "--timeline", "line.json")
    for name in FILES:
        assert (folder / "again" / name).read_bytes() == (written / "out" / name).read_bytes(), name
    assert (folder / "line.json").read_bytes() == (written / "line.json").read_bytes()


def test_force_replaces_the_results_of_another_study(folder):
    with atomic_directory(folder / "out") as scratch:
        (scratch / "stale").write_text("x")
    cli("--policy", "fifo", "-o", "out", "--force")
    assert sorted(path.name for path in (folder / "out").iterdir()) == FILES
    assert [path.name for path in folder.iterdir()] == ["out"]


def test_the_timeline_may_lie_in_the_new_directory(folder):
    cli("--policy", "fifo", "-o", "out", "--timeline", "out/line.json")
    assert (folder / "out" / "line.json").is_file()


def test_the_table_is_printed_whole(capsys):
    cli()
    out, err = capsys.readouterr()
    for text in (
        "yarn-cs",
        "easyscale-heter",
        "8,899.0",
        "1,068.2",
        "p99 JCT [s]",
        "mean queueing [s]",
        "makespan [s]",
    ):
        assert text in out
    assert "sc23-fitted (fitted)" in out
    assert "serial: one job at a time on the whole cluster" in out
    assert "…" not in out
    assert "\x1b" not in out + err


def test_the_first_policy_is_the_one_to_improve_on(capsys):
    cli("--policy", "fifo", "--policy", "easyscale-homo", "--policy", "fifo", "--json")
    first, second = json.loads(capsys.readouterr().out)["rows"]
    assert first["jct_improvement"] == 1.0
    assert second["jct_improvement"] == first["mean_jct_s"] / second["mean_jct_s"]


def test_measured_rates_do_not_call_themselves_fitted(capsys):
    cli("--policy", "fifo", "--rates", "sc23-measured")
    out = capsys.readouterr().out
    assert "measured" in out
    assert "(fitted" not in out


def test_the_artifacts_file_gives_the_bundled_result(shared, capsys):
    path = shared / "traces" / "easyscale_sc23" / "test.csv"
    if not path.is_file():
        pytest.skip("the artifact's trace is not in ../shared")
    cli(str(path), "--json")
    out, err = capsys.readouterr()
    for quirk in ("ends in a comma", "bert-0 (line 2) has 40", "68 rows give 62 jobs"):
        assert sum(quirk in line and line.startswith("simcore: warning: ") for line in err.splitlines()) == 1
    ours, theirs = simcore.trace(), simcore.trace(path)
    assert [dict(row) for row in theirs.jobs] == [dict(row) for row in ours.jobs]
    assert json.loads(out)["rows"] == [dict(row) for row in ours.table]


def test_the_documented_generator_runs_as_documented(capsys):
    cli("synthetic:jobs=1000,load=0.9", "--policy", "fifo", "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["rows"][0]["jobs"] == 1000
    assert document["provenance"]["seed"] == 0
    cli("synthetic:jobs=1000,load=0.9", "--policy", "fifo", "--json", "--seed", "1")
    assert json.loads(capsys.readouterr().out)["rows"] != document["rows"]


def test_switches_change_the_rules(capsys):
    cli("--policy", "fifo", "--rules", "corrected", "--order", "dictionary", "--startup-delay", "0", "--json")
    rules = json.loads(capsys.readouterr().out)["provenance"]["inputs"]["rules"]
    assert (rules["assignment"], rules["order"], rules["startup_delay"]) == ("best", "dictionary", 0.0)


def test_no_progress_bar_where_nobody_looks(capsys):
    cli("--policy", "fifo")
    assert capsys.readouterr().err.count("\n") == 1  # the warning


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m simcore trace --policy fifo --json | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_python_gives_the_same_as_the_command(written):
    result = simcore.trace()
    assert result.table.to_csv() == (written / "out" / "summary.csv").read_text()
    assert result.jobs.to_csv() == (written / "out" / "jobs.csv").read_text()
    assert result.allocation.to_csv() == (written / "out" / "allocation.csv").read_text()
