"""``simcore profile``, ``kernel``, ``rates``, ``calibrate`` and ``optimize --profile`` as a user runs them."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from simcore.calibrate import SUITES, plan
from simcore.cli.main import main
from simcore.errors import InputError
from simcore.models.compute.predict import predict
from simcore.readers.profile_json import profile_text
from simcore.readers.profiles import read_profile
from simcore.readers.step_times import read_step_times
from simcore.readers.zoo import find, names

PUBLISHED = [
    *("a100-80gb", "b200", "b300", "gb200", "gb300", "gh200-96gb", "h100-96gb", "h200", "p100-16gb", "v100-16gb"),
]
TABLES = ["a100-pcie-40gb", "a100-pcie-80gb", "h100", "p100-pcie-16gb", "t4", "v100-32gb", "v100-pcie-32gb"]


def run(*arguments):
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", names("profiles"))
def test_every_shipped_profile_says_where_its_numbers_are_from(name):
    profile = read_profile(name).value
    origins = dict.fromkeys(PUBLISHED, "published") | dict.fromkeys(TABLES, "published measurement")
    assert profile.origin == origins.get(name, "measured")
    assert all(fit.source for fit in profile.fits) or profile.origin == "measured"
    if profile.origin == "published":
        assert set(profile.device.sources) == {"processors", "memory", "bandwidth", "cache", "clock", "peaks"}
        assert all(sample.note for sample in profile.samples)
    assert profile.sha256 in run("profile", "show", name)


def test_the_published_profiles_hold_the_data_sheets(shared):
    import csv

    by_origin = {name: read_profile(name).value.origin for name in names("profiles")}
    assert [name for name, origin in by_origin.items() if origin == "published"] == PUBLISHED
    assert [name for name, origin in by_origin.items() if origin == "published measurement"] == TABLES
    with (shared / "data" / "devices.csv").open(encoding="utf-8") as stream:
        rows = {row["device"]: row for row in csv.DictReader(stream)}
    for name in {*PUBLISHED, "h100", "p100-pcie-16gb", "t4"} & rows.keys():
        device, row = read_profile(name).value.device, rows[name]
        assert device.peaks["fp32"] == pytest.approx(float(row["fp32_tflops"]) * 1e12)
        assert device.peaks["fp16"] == pytest.approx(float(row["fp16_tensor_tflops"]) * 1e12)
        assert device.bandwidth == float(row["memory_gb_per_s"]) * 1e9
        assert device.processors == int(row["sms"])


def test_a_kernel_is_predicted_and_explained():
    found = json.loads(run("kernel", "matmul", "4096x4096x4096", "--profile", "v100-16gb", "--json"))
    assert found["seconds"] == pytest.approx(10.22e-3, rel=1e-4)  # the published measurement it was solved from
    assert found["expected_error"] is None
    assert found["provenance"]["sha256"]["profile"] == read_profile("v100-16gb").value.sha256
    text = run("kernel", "matmul", "1024x1024x1024", "--profile", "cpu", "--sparsity", "0.9", "--granularity", "32x1")
    assert text.startswith("dense 1024 x 1024 x 1024 fp32 on cpu: ")
    assert "expected error: " in text


def test_rates_are_what_trace_reads(tmp_path):
    path = tmp_path / "rates.csv"
    options = ("--model", "bert-base", "--name", "bert", "--batch", "4,8", "-o", str(path))
    run("rates", "--profile", "v100-16gb", "--device", "v100", "--profile", "t4", "--device", "t4", *options)
    table = read_step_times(path).value
    assert sorted(table.seconds) == [("bert", 4, "t4"), ("bert", 4, "v100"), ("bert", 8, "t4"), ("bert", 8, "v100")]
    assert table.kinds == ("predicted",)
    assert "not measured as steps" in table.note
    assert read_profile("t4").value.sha256 in path.read_text()
    assert table.seconds["bert", 8, "t4"] > table.seconds["bert", 8, "v100"] > table.seconds["bert", 4, "v100"]


def test_rates_take_lists_and_their_old_spellings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my,bert.yaml").write_text(Path(find("models", "bert-base", "x")).read_text(encoding="utf-8"))
    lists = run("rates", "--models", "bert,electra", "--devices", "v100, t4", "--batch", "4,8")
    words = ("--model", "bert", "--model", "electra", "--device", "v100", "--device", "t4", "--batch", "4,8")
    assert run("rates", *words) == lists
    profiles = ("--profiles", "v100-pcie-32gb,t4", "--devices", "v100,t4")
    assert run("rates", *profiles, "--models", "bert,electra", "--batch", "4", "--batch", "8") == lists
    named = ("--devices", "t4", "--models", "my,bert.yaml,electra", "--names", "one,two", "--batch", "8")
    with pytest.raises(InputError, match=r"--names: found 2 names, expected 3"):
        run("rates", *named)
    one = run("rates", "--devices", "t4", "--models", "my,bert.yaml", "--models", "electra", "--batch", "published",
              "--names", "bert,electra", "--fit-to", "sc23-steps")  # fmt: skip
    assert one.count("predicted+fitted") == 6


def test_rates_of_a_model_that_is_a_workload_too():
    rows = json.loads(run("rates", "--profile", "v100-16gb", "--model", "17B", "--batch", "1,2", "--json"))["rates"]
    first, second = (row["seconds_per_minibatch"] for row in rows)
    assert first < second < 2 * first
    with pytest.raises(InputError, match=r"found 'Group'.*one of 175B, 17B, 1T, bert, bert-base"):
        run("rates", "--profile", "v100-16gb", "--model", "Group", "--batch", "1")


def test_no_command_makes_the_folders_of_its_output(tmp_path, monkeypatch):
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**12)
    commands = {
        "rates.csv": ("rates", "--profile", "t4", "--model", "bert-base", "--batch", "4"),
        "fit.png": ("profile", "show", "cpu"),
        "table": ("evaluate", "network-table6"),
    }
    if importlib.util.find_spec("torch"):
        commands["mine.json"] = ("calibrate", "--suite", "launch", "--time-limit", "0.001")
    for name, command in commands.items():
        path = tmp_path / name / "new" / name
        with pytest.raises(InputError, match=r"no folder .*new'"):
            run(*command, "-o", str(path))
        assert list(tmp_path.iterdir()) == []


def test_rates_carry_the_hash_of_each_profile_though_two_have_one_name(tmp_path):
    slow = replace(read_profile("t4").value, description="another machine of the same name")
    path = tmp_path / "slow.json"
    path.write_text(profile_text(slow))
    options = ("--model", "bert-base", "--batch", "4", "--json")
    named = run("rates", "--profile", "t4", "--device", "a", "--profile", str(path), "--device", "b", *options)
    hashes = json.loads(named)["provenance"]["sha256"]
    assert hashes == {"a": read_profile("t4").value.sha256, "b": read_profile(path).value.sha256}
    assert hashes["a"] != hashes["b"]
    alone = json.loads(run("rates", "--profile", "t4", *options))["provenance"]
    assert alone["sha256"] == {"t4": read_profile("t4").value.sha256}


def test_compare_and_stored_validation(tmp_path):
    rows = json.loads(run("profile", "compare", "v100-16gb", "a100-80gb", "--json"))["parameters"]
    rate = next(row for row in rows if (row["dtype"], row["parameter"]) == ("fp16", "rate"))
    assert (rate["v100-16gb"], rate["a100-80gb"]) == (125e12, 312e12)
    found = json.loads(run("profile", "validate", "cpu", "--stored", "--json"))
    gemm = next(row for row in found["errors"] if (row["kernel"], row["dtype"]) == ("gemm", "fp32"))
    assert gemm["samples"] >= 9
    assert gemm["mape"] <= 0.15  # of the profile that is shipped, measured once: no timing happens here
    plot = ("profile", "show", "cpu", "-o", str(tmp_path / "plots" / "fit.png"))
    (tmp_path / "plots").mkdir()
    run(*plot)
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"fit.png"}
    with pytest.raises(InputError, match=r"fit\.png: found a file that exists.*--force"):
        run(*plot)
    run(*plot, "--force")
    several = json.loads(run("profile", "show", "t4", "h100", "--json"))["profiles"]
    assert [one["name"] for one in several] == ["t4", "h100"]


def test_profiles_of_one_name_are_compared_by_their_files(tmp_path):
    from dataclasses import replace

    from simcore.readers.profile_json import profile_text

    mine = read_profile("cpu").value
    path = tmp_path / "cpu.json"
    halved = [replace(fit, parameters={name: value / 2 for name, value in fit.parameters.items()}) for fit in mine.fits]
    path.write_text(profile_text(replace(mine, fits=tuple(halved))))
    found = json.loads(run("profile", "compare", "cpu", str(path), "--json"))
    assert found["sha256"] == {"cpu": mine.sha256, str(path): read_profile(path).value.sha256}
    for row in found["parameters"]:
        assert row[str(path)] == row["cpu"] / 2


def test_a_calibration_without_fits_says_so(tmp_path):
    from dataclasses import replace

    from simcore.readers.profile_json import profile_text

    path = tmp_path / "cut.json"
    path.write_text(profile_text(replace(read_profile("cpu").value, fits=())))
    for command in (("kernel", "matmul", "64x64x64"), ("rates", "--model", "bert-base", "--batch", "4")):
        with pytest.raises(InputError, match=r"found no fits.*simcore calibrate"):
            run(*command, "--profile", str(path))


def test_nothing_that_is_there_is_replaced_without_force(tmp_path):
    rates = tmp_path / "rates.csv"
    rates.write_text("mine")
    with pytest.raises(InputError, match="a file that exists"):
        run("rates", "--profile", "t4", "--model", "bert-base", "--batch", "4", "-o", str(rates))
    assert rates.read_text() == "mine"
    other = tmp_path / "run.csv"
    other.write_text("mine")
    for command in (
        ("collective", "all-reduce", "1MiB", "--network", "Ring(4)@100GB/s"),
        ("train", "2D", "100", "17B"),
    ):
        with pytest.raises(InputError, match=r"run\.csv: found a file that exists"):
            run(*command, "--timeline", str(tmp_path / "run.json"))
    with pytest.raises(InputError, match=r"run\.csv: found a file that exists"):
        run("trace", "--timeline", str(other))
    assert other.read_text() == "mine"


def test_help_and_reference_tell_the_times_that_the_code_holds():
    said = " ".join(run("calibrate", "--help").split())
    assert f"[default: {plan.TIME_LIMIT[False]:g}, full: {plan.TIME_LIMIT[True]:g}; above 0]" in said
    assert f"Some of {', '.join(SUITES)};" in said
    usual, most = plan.VALIDATION_SECONDS
    said = " ".join(run("profile", "validate", "--help").split())
    assert f"{usual} s on a CPU core: {plan.PASSES} passes of some {plan.PASS_SECONDS} s" in said
    assert f"up to {plan.EXTRA_PASSES} more are made. After {most} s nothing is begun" in said
    assert f"[default: {most:g}; above 0]" in said
    docs = Path(__file__).resolve().parents[2] / "docs" / "reference"
    page = " ".join((docs / "cli-profile.md").read_text(encoding="utf-8").split())
    assert f"some {plan.PASS_SECONDS} s a pass on a CPU core, so {usual} to {most} s" in page
    assert f"within {plan.SAME_SPEED:.0%}".replace("%", " %") in page
    page = (docs / "cli-calibrate.md").read_text(encoding="utf-8")
    assert f"| {plan.TIME_LIMIT[False]:g}, with `--full` {plan.TIME_LIMIT[True]:g} |" in page


RATES = ("rates", "--profile", "t4", "--model", "bert-base")
MATMUL = ("kernel", "matmul", "64x64x64")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kernel", "matmul", "0x64x64", "--profile", "t4"), "sizes of at least 1"),
        (("kernel", "matmul", "64x64", "--profile", "t4"), "3 whole numbers"),
        ((*MATMUL, "--profile", "t5"), "'t5'"),
        ((*MATMUL, "--profile", "t4", "--dtype", "bf16"), "one of fp32, fp16"),
        ((*MATMUL, "--profile", "t4", "--dtype", "int8"), "'int8'"),
        ((*MATMUL, "--profile", "t4", "--sparsity", "1.5"), "a number from 0 to 1"),
        ((*MATMUL, "--profile", "t4", "--sparsity", "nan"), "a number from 0 to 1"),
        ((*MATMUL, "--profile", "t4", "--granularity", "32"), "2 whole numbers"),
        (("kernel", "matmul", "9999x64x64", "--profile", "cpu"), "--extrapolate"),
        (("profile", "validate", "t4"), "nothing that was held out"),
        (("profile", "compare", "t4"), "at least two"),
        (("profile", "show", "no-such"), "'no-such'"),
        (("rates", "--profile", "t4", "--model", "bert-bas", "--batch", "4"), "Did you mean 'bert-base'"),
        ((*RATES, "--batch", "x"), "whole numbers"),
        ((*RATES, "--batch", "0"), "at least 1"),
        ((*RATES, "--batch", "4,4"), "each number once"),
        (("rates", "--profile", "t4", "--profile", "t4", "--model", "bert-base", "--batch", "4"), "twice"),
        (("kernel", "matmul", "4096x4608x4096", "--profile", "cpu"), "flop"),
        ((*MATMUL, "--profile", "cpu", "--granularity", "32x1"), "for a matrix without zeros"),
        ((*MATMUL, "--profile", "cpu", "--granularity", "128x1", "--sparsity", "0.5"), "a block within 64x64"),
        (("profile", "compare", "t4", "t4"), "each profile once"),
        (("profile", "show", "t4", "v100-16gb", "-o", "fit.png"), "2 profiles"),
        (("profile", "show", "cpu", "-o", "fit.jpg"), "ends in .png, .pdf, .svg"),
        (("evaluate", "pit-fig24"), "pit-fig14"),
        ((*RATES, "--batch", "4", "--device", "a", "--device", "b"), "one each"),
        (("optimize", "4D", "325", "1T", "Perf", "Overlap", "--profile", "p101"), "Did you mean 'p100'"),
        (("optimize", "4D", "325", "1T", "Perf", "Overlap", "--dtype", "fp16"), "Add --profile"),
        (("optimize", "4D", "325", "1T", "Perf", "Overlap", "--profile", "p100-16gb", "--dtype", "bf16"), "'bf16'"),
        (("calibrate", "--suite", "gem"), "Did you mean 'gemm'"),
        (("calibrate", "--device", "tpu"), "cpu, cuda or cuda:N"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_remedy(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        run(*arguments)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2
    assert not list(tmp_path.iterdir())


PUBLISHED_YAML = """
device: v100-16gb
measurements:
  - {kernel: gemm, dtype: fp16, shape: {m: 4096, n: 4096, k: 4096}, time: 2 ms, source: nowhere}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("v100-16gb", "v100-16g", "Did you mean 'v100-16gb'"),
        ("2 ms", "1 ms", "at least 0.001218"),
        ("2 ms", "2", "without a unit"),
        ("fp16", "bf16", "one of fp32, fp16"),
        ("m: 4096", "m: 0", "a number of at least 1"),
        (
            "  - {",
            "  - {kernel: gemm, dtype: fp16, shape: {m: 8, n: 8, k: 8}, time: 1 s, source: x}\n  - {",
            "a second",
        ),
    ],
)
def test_a_published_profile_of_ones_own(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    path.write_text(PUBLISHED_YAML)
    shape = {"m": 4096, "n": 4096, "k": 4096}
    assert predict(read_profile(path).value, "gemm", "fp16", shape).seconds == pytest.approx(2e-3)
    path.write_text(PUBLISHED_YAML.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_profile(path)


def test_a_report_names_the_profile_and_the_number_format_of_its_compute():
    for command in (("optimize", "4D", "325", "1T", "Perf", "Overlap"), ("train", "4D", "325", "1T")):
        assert "compute of profile h100 in fp16" in " ".join(run(*command, "--profile", "h100").split())
        assert "compute of profile" not in run(*command)
        found = json.loads(run(*command, "--profile", "h100", "--dtype", "bf16", "--json"))["provenance"]["inputs"]
        assert (found["profile"], found["dtype"]) == ("h100", "bf16")


def test_a_trace_carries_the_hashes_of_the_profiles_behind_its_rates(tmp_path):
    rates, jobs, gpus = (tmp_path / name for name in ("rates.csv", "jobs.csv", "gpus.yaml"))
    run("rates", "--profile", "t4", "--device", "t4", "--model", "bert-base", "--name", "bert", "--batch", "8", "-o",
        str(rates))  # fmt: skip
    gpus.write_text("gpus: {t4: 2}\n")
    columns = "name,submit_s,model,batch_size,max_parallelism,heterogeneous,gpu_type,samples"
    jobs.write_text(f"{columns}\none,0,bert,8,1,no,t4,800\n")
    options = ("--cluster", str(gpus), "--rates", str(rates), "--policy", "fifo", "--json")
    found = json.loads(run("trace", str(jobs), *options))
    assert read_profile("t4").value.sha256 in found["step_times"]["note"]
    step = read_step_times(rates).value.seconds["bert", 8, "t4"]
    assert found["rows"][0]["mean_jct_s"] >= 100 * step


def test_train_takes_its_compute_from_the_profile():
    found = {}
    for name in ("h100", "t4"):
        document = json.loads(run("train", "4D", "325", "1T", "--profile", name, "--json"))
        assert document["provenance"]["sha256"]["profile"] == read_profile(name).value.sha256
        found[name] = document["compute_time"]
    assert found["t4"] > 5 * found["h100"]
