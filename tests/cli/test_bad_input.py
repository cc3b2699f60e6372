"""Bad input: exit status 2, one message with place, found, expected and remedy, and nothing written."""

import hashlib
import os
import re
import subprocess
import sys

import pytest
from simcore.cli.main import run
from simcore.outputs import LISTING

HEADER = "name,submit_s,model,max_parallelism,batch_size,samples,heterogeneous,gpu_type\n"
RATES = "model,batch_size,gpu_type,seconds_per_minibatch\n"
GOOD = "a,0,bert,4,8,320,no,v100"
FORM = re.compile(r"simcore: error: (?P<place>.+?): found (?P<found>.+), expected (?P<expected>.+)\n\Z")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cli(*args):
    """Run the command line in this process and return its exit status."""
    with pytest.raises(SystemExit) as stop:
        run(list(args))
    return stop.value.code


def refused(capsys, folder, *args):
    """Run, and return the one message; what stood in the folder stands there still, and nothing else."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    everything = sorted(folder.rglob("*"))
    status = cli(*args)
    out, err = capsys.readouterr()
    assert status == 2, err
    assert out == ""
    assert FORM.match(err), err
    assert "Traceback" not in err
    assert sorted(folder.rglob("*")) == everything
    assert {path: path.read_bytes() for path in before} == before
    return err.removeprefix("simcore: error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0,bert,4,8,320,no,v1000", "field 'gpu_type': found 'v1000', expected one of v100, p100, t4. Did you mean"),
        ("a,0,brt,4,8,320,no,v100", "field 'model': found 'brt', expected one of bert, electra"),
        ("a,-1,bert,4,8,320,no,v100", "field 'submit_s': found -1, expected a number of at least 0."),
        ("a,nan,bert,4,8,320,no,v100", "field 'submit_s': found nan, expected a finite number."),
        ("a,inf,bert,4,8,320,no,v100", "field 'submit_s': found inf, expected a finite number."),
        ("a,soon,bert,4,8,320,no,v100", "field 'submit_s': found 'soon', expected a number."),
        ("a,1e300,bert,4,8,320,no,v100", ": found a submission time of 1e+300, expected 0 to 1e+12."),
        ("a,0,bert,0,8,320,no,v100", "field 'max_parallelism': found 0, expected a number of at least 1."),
        ("a,0,bert,4,0,320,no,v100", "field 'batch_size': found 0, expected a number of at least 1."),
        ("a,0,bert,4,7,320,no,v100", "field 'batch_size': found 7, expected a batch size of bert in the step times"),
        ("a,0,bert,4,8,0,no,v100", "field 'samples': found 0, expected a number of more than 0."),
        ("a,0,bert,4,8,1e300,no,v100", ": found a number of samples of 1e+300, expected "),
        ("a,0,bert,64,8,320,no,v100", "'max_parallelism': found a job that needs 64 v100 at once under yarn-cs"),
        ("a,0,bert,4,8,320,no", "field 'gpu_type': found nothing, expected a value. A row has 8 fields."),
        ("a,0,bert,4,8,320,no,v100,9", ": found 9 fields, the last '9', expected 8: name, "),
        ('a,0,bert,4,8,320,no,"v100', ": found quotes that are not closed, expected a row on one line."),
        (f"{GOOD}\n{GOOD}", "field 'name': found 'a', which line 2 has too, expected a name for each job alone."),
    ],
)
def test_rows_of_a_trace(capsys, folder, row, message):
    (folder / "t.csv").write_text(HEADER + row + "\n")
    text = refused(capsys, folder, "trace", "t.csv", "-o", "out", "--timeline", "line.json")
    line = 3 if "which line 2" in message else 2
    assert text.startswith(f"t.csv, line {line}")
    assert message in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv: found an empty file, expected a trace table with a header line."),
        (b"\n  \n# note\n", "t.csv: found an empty file"),
        (HEADER.encode(), "t.csv: found a header and no jobs, expected at least one job. Add a row per job."),
        (bytes(range(256)), "t.csv: found bytes that are not UTF-8 text (offset 128)"),
        (
            b"\x1f\x8b\x08\x00",
            "t.csv: found a file packed by gzip, expected a trace file of text. Unpack",
        ),
        (b"a\x00b,c\n1,2\n", "t.csv: found the columns a\\x00b, c, expected a trace in simcore's format, or one of"),
        (HEADER.replace("model", "modell").encode(), "found no column 'model', expected the columns name, submit_s"),
        (HEADER.replace("model,", "").encode(), "t.csv, header: found no column 'model'"),
        (HEADER.replace("model,", "model,model,").encode(), "t.csv, header: found column 'model' twice"),
        (b"name,application,preferred_gpu\n", "t.csv, header: found no column 'time'"),
    ],
)
def test_files_that_are_no_trace(capsys, folder, content, message):
    (folder / "t.csv").write_bytes(content)
    assert message in refused(capsys, folder, "trace", "t.csv")


@pytest.mark.parametrize("policy", ["yarn-cs", "fifo"])
def test_a_gang_that_never_fits(capsys, folder, policy):
    (folder / "t.csv").write_text(HEADER + "a,0,bert,33,8,320,no,v100\n")
    text = refused(capsys, folder, "trace", "t.csv", "--policy", policy)
    assert "field 'max_parallelism'" in text
    assert f"under {policy}, expected at most the 32 of cluster 'sc23'. It can never start." in text


def test_a_gang_that_never_fits_is_named_by_the_column_of_its_file(capsys, folder):
    (folder / "t.csv").write_text("name,submit_s,duration_s,gpus,gpu_type\na,0,60,33,v100\n")
    assert "field 'gpus': found a job that needs 33 v100" in refused(capsys, folder, "trace", "t.csv")


def test_model_chunks_that_do_not_divide_the_blocks_are_refused_as_a_product(capsys, folder):
    text = refused(capsys, folder, "train", "4D", "325", "1T", "--stages", "2", "--vp", "2")
    assert "found 2 stages x 2 model chunks = 4, expected a product that divides the 2 blocks" in text
    assert "Choose stages and --vp whose product is one of 1, 2." in text


@pytest.mark.parametrize("policy", ["easyscale-homo", "easyscale-heter"])
def test_an_elastic_job_without_any_gpu_of_its_type(capsys, folder, policy):
    (folder / "t.csv").write_text(HEADER + "a,0,bert,33,8,320,no,v100\n")
    (folder / "c.yaml").write_text("gpus: {v100: 0, t4: 1}\n")
    text = refused(capsys, folder, "trace", "t.csv", "--policy", policy, "--cluster", "c.yaml")
    assert "field 'gpu_type'" in text
    assert cli("trace", "t.csv", "--policy", policy) == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--policy", "fito"],
            "--policy: found 'fito', expected one of yarn-cs, fifo, easyscale-homo, ",
        ),
        (["--rules", "corected"], "--rules: found 'corected', expected one of published, corrected. Did you mean"),
        (["--rules", "x", "--order", "submission"], "--rules: found 'x'"),
        (["--format", "csv"], "--format: found 'csv', expected one of simcore, easyscale"),
        (["--cluster", "sc24"], "--cluster: found 'sc24', which is no file, expected one of mixed-4096, sc23"),
        (
            ["--rates", "sc24"],
            "--rates: found 'sc24', which is no file, expected one of sc23-fitted, sc23-kernels, sc23-measured",
        ),
        (
            ["--interval", "0"],
            "--interval: found 0, expected a number of seconds from 1e-06 to 1,000,000,000, or 'event'.",
        ),
        (["--interval", "-1"], "--interval: found -1"),
        (["--interval", "nan"], "--interval: found nan"),
        (["--interval", "text"], "--interval: found 'text'"),
        (["--interval", ""], "--interval: found ''"),
        (["--startup-delay", "-1"], "--startup-delay: found -1.0, expected a number from 0 to 1,000,000,000"),
        (["--startup-delay", "nan"], "--startup-delay: found nan"),
        (["--startup-delay", "1e308"], "--startup-delay: found 1e+308"),
        (["--seed", "-1"], "--seed: found -1, expected a whole number of at least 0."),
        (["--seed", "1.5"], "--seed: found '1.5'"),
        (["--assignment", "bst"], "--assignment: found 'bst', expected one of worst, best. Did you mean 'best'?"),
        (
            ["--polcy", "fifo"],
            "options: found '--polcy', expected an option that simcore trace --help lists. Did you mean '--policy'?",
        ),
        (["--policy"], "--policy: found no value, expected a value."),
        (["--json=yes"], "--json: found a value, expected none."),
        (
            ["sc23", "second"],
            "arguments: found 2 (sc23 second), expected 0 to 1: [TRACE]. For example: simcore trace",
        ),
        (["nosuch.csv"], "TRACE: found 'nosuch.csv', which is no file, expected one of sc23, synthetic"),
        (["."], "found a directory, expected a trace file."),
        (["synthetic:jobs=0"], "parameter 'jobs': found 0, expected a whole number from 1 to"),
        (["synthetic:jobs=1.5"], "parameter 'jobs': found 1.5"),
        (["synthetic:jobs=1e18"], "parameter 'jobs': found 1e18"),
        (["synthetic:load=-1"], "parameter 'load': found -1"),
        (["synthetic:lod=1"], "found 'lod', expected one of jobs, load. Did you mean 'load'?"),
        (["synthetic:jobs=5", "--rates", "sc23-fitted"], "field 'model': found 'synthetic'"),
        (["synthetic-elastic:jobs=3", "--cluster", "v100-4096"], "--cluster: found no p100, t4"),
        (["--output", ""], "-o: found an empty name"),
        (["--timeline", ""], "--timeline: found an empty name"),
        (["--timeline", "."], "--timeline .: found a directory, expected the path of a file."),
        (["--timeline", "old/file/x"], "which is a file, expected a file in a folder."),
        (
            ["--output", "old"],
            "-o old: found a path that exists, expected a new directory. Choose another, or add",
        ),
        (["--output", "old/file"], "-o old/file: found a path that exists"),
        (["--output", "old/file", "--force"], "-o old/file: found a file, expected a directory."),
        (["--output", "old/file/out"], "which is a file, expected a directory in a folder."),
        (["--output", ".", "--force"], "expected a new directory, or one of results."),
        (["--output", "new", "--timeline", "new"], "--timeline new: found the directory of -o"),
    ],
)
def test_arguments(capsys, folder, args, message):
    (folder / "old").mkdir()
    (folder / "old" / "file").write_text("x")
    assert message in refused(capsys, folder, "trace", *args)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["trcae"], "simcore, command: found 'trcae', expected one of trace"),
        ([""], "simcore, command: found an empty name, expected one of trace"),
        (["--nosuch"], "simcore: found '--nosuch', expected an option that it has."),
    ],
)
def test_commands(capsys, folder, args, message):
    assert message in refused(capsys, folder, *args)


BITS = "counted in bytes: divided by 8 it is"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("optimize 2D 400Gbit 17B", f"BUDGET: found '400Gbit', expected a bandwidth above 0, * {BITS} 50 GB/s."),
        ("optimize 2D 400Gbps 17B", f"BUDGET: found unit 'Gbps', * {BITS} 50 GB/s."),
        ("train gpt-1.3b --gpus 8 --device h100 --nic 400Gbit", f"--nic: found '400Gbit', * {BITS} 50 GB/s."),
        ("collective all-reduce 8Mbit --network Ring(4)@1GB/s", f"SIZE: found unit 'Mbit', * Sizes are {BITS} 1 MB."),
        (
            "collective all-reduce 1MB --network Ring(4)@8Gb/s",
            f"--network, column 9: found unit 'Gb/s', * {BITS} 1 GB/s.",
        ),
        ("kernel matmul 8x8x8 --profile cpu --dtype fp12", "--dtype: found 'fp12', expected one of fp64, fp32, *"),
        ("profile show empty", "empty: found an empty file, expected a kernel profile of schema 1. *"),
        (
            "share two.yaml --network 2D",
            "--network: found network 2D, which has dimensions without * Or give --budget.",
        ),
    ],
)
def test_units_and_files_that_are_easily_mistaken(capsys, folder, words, message):
    (folder / "empty").write_text("")
    (folder / "two.yaml").write_text("jobs: [{workload: 17B, tp: 4}, {workload: 17B, tp: 4}]\n")
    begin, _, end = message.partition(" *")
    assert cli(*words.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"simcore: error: {begin}")
    assert end.strip() in err


def test_no_command_shows_the_help(capsys):
    assert cli() == 2
    assert "Usage: simcore" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpus: {}", "c.yaml, field 'gpus': found no GPUs, expected at least one GPU. Give a type a number"),
        ("gpus: {v100: -2}", "c.yaml, line 1, field 'gpus.v100': found -2, expected a number of at least 0."),
        ("gpus:\n  v100: 1.5", "c.yaml, line 2, field 'gpus.v100': found 1.5, expected a whole number."),
        ("gpus: [v100]", "c.yaml, line 1, field 'gpus': found a list, expected a mapping of names to values."),
        ("- v100", "c.yaml: found a list, expected a cluster file: a mapping with name, source, gpus, nodes, vcs."),
        ("gpus: {v100: 8", "c.yaml, line 1, column 15: found broken YAML"),
        ("gpus: {v100: 8}\nnodes: 3", "c.yaml, line 2, field 'nodes': found 3, expected a list."),
        ("gpus: {v100: 8}\nracks: 3", "c.yaml, line 2: found 'racks', expected one of name, source, gpus, nodes, vcs."),
        ("gpus: {v100: 8, v100: 9}", "c.yaml, line 1: found 'v100' a second time"),
        ("gpus: {t4: 64}", "field 'gpu_type': found 'v100', expected one of t4. Name a cluster that has it with"),
    ],
)
def test_clusters(capsys, folder, text, message):
    (folder / "c.yaml").write_text(text)
    assert message in refused(capsys, folder, "trace", "--cluster", "c.yaml")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "r.csv: found no rows"),
        ("bert,8,t4,1", "found no entry for model bert, batch size 8, GPU type v100, expected one, because job 'a'"),
        ("bert,8,v100,1\nbert,8,v100,1", "r.csv, line 3: found bert, batch size 8, v100 a second time"),
        ("bert,8,v100,0", "r.csv, line 2, field 'seconds_per_minibatch': found 0, expected a number of more than 0."),
        ("bert,8,v100,-1", "found -1"),
        ("bert,8,v100,nan", "found nan"),
        ("bert,8,v100,1e-300", "s per mini-batch, expected 1e-12 to 1e+09 s"),
        ("bert,8,v100,1e308", "found 1e+308 s per mini-batch"),
        ("bert,16,v100,1", "t.csv, line 2, job 'a', field 'batch_size': found 8"),
        ("brt,8,v100,1", "t.csv, line 2, job 'a', field 'model': found 'bert', expected one of brt."),
    ],
)
def test_rates(capsys, folder, rows, message):
    (folder / "t.csv").write_text(HEADER + GOOD + "\n")
    (folder / "r.csv").write_text(RATES + rows + "\n")
    assert message in refused(capsys, folder, "trace", "t.csv", "--rates", "r.csv")


def test_missing_rates_of_other_types_matter_only_where_they_are_used(capsys, folder):
    (folder / "t.csv").write_text(HEADER + GOOD.replace("no", "yes") + "\n")
    (folder / "r.csv").write_text(RATES + "bert,8,v100,1\n")
    assert cli("trace", "t.csv", "--rates", "r.csv", "--policy", "easyscale-homo") == 0
    capsys.readouterr()
    text = refused(capsys, folder, "trace", "t.csv", "--rates", "r.csv", "--policy", "easyscale-heter")
    assert "GPU type p100" in text


def test_an_over_subscribed_trace_is_a_warning_and_no_error(capsys):
    assert cli("trace", "--policy", "fifo") == 0
    err = capsys.readouterr().err
    assert re.search(r"simcore: warning: sc23 asks for 1\.42 times .* v100", err)


def test_a_bug_is_one_message_without_a_traceback(capsys, monkeypatch):
    monkeypatch.delenv("SIMCORE_DEBUG", raising=False)
    monkeypatch.setattr("simcore.studies.trace.run.simulate", lambda *_, **__: 1 / 0)
    assert cli("trace") == 1
    err = capsys.readouterr().err
    assert "simcore: error: internal error: ZeroDivisionError" in err
    assert "Traceback" not in err
    monkeypatch.setenv("SIMCORE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["trace"])


@pytest.mark.parametrize("where", ["simcore.studies.trace.run.simulate", "simcore.results.save"])
def test_an_interrupted_run_leaves_nothing(capsys, folder, monkeypatch, where):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    (folder / "old").mkdir()
    (folder / "old" / "file").write_text("kept")
    listing = f"{hashlib.sha256(b'kept').hexdigest()}  file\n"
    (folder / "old" / LISTING).write_text(listing)
    monkeypatch.setattr(where, interrupt)
    for args in (["-o", "out"], ["-o", "old", "--force"]):
        assert cli("trace", "--policy", "fifo", *args, "--timeline", "line.json") == 130
        assert "simcore: error: interrupted" in capsys.readouterr().err
        found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        assert found == ["old", "old/file", f"old/{LISTING}"]


def test_a_real_interrupt(folder):
    # the run signals itself from inside the study, at a moment that needs no clock
    program = (
        "import os, signal\n"
        "from simcore import results as style\n"
        "from simcore.cli.main import run\n"
        "style.save = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "run(['trace', '--policy', 'fifo', '-o', 'out'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert done.stderr.count("simcore: error: ") == 1
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "simcore", "trace", "--policy", "fifo", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "standard output: the system cannot write there (No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
