"""Calibration: fits that find known parameters, timing that refuses what means nothing, files that carry on."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from simcore.calibrate import calibration as suite
from simcore.calibrate.measure import device, failures, tensors
from simcore.calibrate.measure import timing as measure
from simcore.calibrate.measure.passes import merge
from simcore.calibrate.plan import Timekeeper
from simcore.calibrate.profile.fit import fit_kernel
from simcore.calibrate.profile.store import Store
from simcore.calibrate.suites import gemm, moe, pit
from simcore.cli.main import run
from simcore.errors import InputError, RunError
from simcore.models.compute.device import Device
from simcore.models.compute.kernels import FORMULA_OF, FORMULAS
from simcore.models.compute.profile import KernelProfile, Sample
from simcore.models.compute.unfitted import unfitted
from simcore.readers.profile_json import profile_text
from simcore.readers.profiles import read_profile

CPU = Device("toy", "cpu", 1, 1e12, 0.0, 1e6)
KNOWN = {
    "gemm": {"t0": 2e-5, "rate": 1e11, "ramp": 8.0, "onchip": 1e14, "stream": 2e10, "vector": 1e10, "fresh": 2e9},
    "copy": {"t0": 2e-5, "bandwidth": 2e10, "knee": 1e6, "ratio": 2.0},
    "gather": {"t0": 2e-5, "row": 2e-8, "bandwidth": 1e10, "knee": 512.0, "ratio": 2.0},
    "launch": {"t0": 3e-7, "node": 6e-7},
}
SHAPES = {
    "gemm": [{"m": m, "n": n, "k": k} for m in (64, 200, 1024) for n in (96, 512) for k in (64, 500, 2000)],
    "copy": [{"bytes": b} for b in (1e5, 3e5, 1e6, 2e6, 5e6, 2e7, 1e8)],
    "gather": [{"rows": r, "width": w} for r in (100, 1000, 10000) for w in (64, 256, 1024, 8192)],
    "launch": [{"nodes": n} for n in (1, 4, 16, 64)],
}


@pytest.mark.parametrize("kernel", KNOWN)
def test_a_fit_finds_the_formula_that_made_the_samples_despite_outliers(kernel):
    formula, rng = FORMULAS[FORMULA_OF[kernel]], np.random.default_rng(0)
    samples = [
        Sample(kernel, "fp32", s, formula.seconds(s, KNOWN[kernel], "fp32", CPU) * rng.uniform(0.98, 1.02), 0.01)
        for s in SHAPES[kernel]
    ]
    unseen = replace(samples[1], held_out=True)
    fit = fit_kernel([*samples[:1], unseen, *samples[2:]], CPU)
    assert fit.errors.samples == 1
    assert fit.errors.mape < 0.1
    assert np.mean(np.abs(fit.residuals)) < 0.05
    assert len(fit.residuals) == len(samples) - 1
    for low, high in fit.ranges.values():
        assert low <= high


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
def test_time_callable_times_checks_and_restores_threads():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()

    def inputs(index):
        return (tensors.random_tensor((32, 32), "fp32", "cpu", index),)

    def check(output, given):
        return tensors.relative_error(output, given[0].double() @ given[0].double())

    sample = measure.time_callable(inputs, lambda a: a @ a, kernel="gemm", shape={"m": 32}, check=check)
    assert sample.seconds > 0
    assert sample.repeats >= 3
    assert sample.error < 1e-6
    assert torch.get_num_threads() == threads
    with pytest.raises(RunError, match="off by"):
        measure.time_callable(inputs, lambda a: a + 1, check=check)
    for zeros in (torch.zeros(4), torch.zeros(4, 4).to_sparse_csr()):
        with pytest.raises(RunError, match="all zeros"):
            measure.time_callable(lambda i, zeros=zeros: (zeros,), lambda a: a)

    def too_large(a):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    def refused(a):
        raise NotImplementedError("grouped_mm: needs compute capability 9.0\nat a line of torch")

    def broken(a):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def declined(a):
        raise RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx( handle, opa, opb, m)`")

    def full(a):
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    def uncompiled(a):
        raise subprocess.CalledProcessError(1, ["gcc", "main.c"])

    for short in (too_large, full):
        with pytest.raises(failures.OutOfMemory, match="too little memory"):
            measure.time_callable(inputs, short)
    for unable in (declined, uncompiled):
        with pytest.raises(failures.Unsupported, match=r"cublasGemmEx|gcc"):
            measure.time_callable(inputs, unable)
    with pytest.raises(failures.Unsupported, match=r"needs compute capability 9\.0$"):
        measure.time_callable(inputs, refused)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        measure.time_callable(inputs, broken)
    with pytest.raises(TypeError):
        measure.time_callable(inputs, lambda: None)


def test_devices_that_are_not_there(monkeypatch):
    torch = pytest.importorskip("torch")
    for name in ("gpu", "cuda:x", "cpu:0", ""):
        with pytest.raises(InputError, match="cpu, cuda or cuda:N"):
            device.resolve_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no CUDA device"):
        device.resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="cuda:0 to cuda:0"):
        device.resolve_device("cuda:1")


@pytest.mark.parametrize(
    ("capability", "products", "experts"),
    [((6, 0), {"fp32", "fp16"}, "fp32"), ((7, 5), {"fp32", "fp16"}, "fp32"),
     ((9, 0), {"fp32", "fp16", "bf16", "tf32"}, "bf16")],
)  # fmt: skip
def test_number_formats_are_those_that_the_gpu_has(monkeypatch, capability, products, experts):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert {case.dtype for case in gemm.cases("cuda", full=True)} == products
    assert {case.dtype for case in moe.cases("cuda", full=True)} == {"bool", experts}
    assert set(pit.dtypes("cuda", full=True)) == products - {"bf16"}
    assert pit.dtypes("cuda", full=False) == ("fp32", "fp16")


def test_a_second_gpu_is_the_one_that_cuda_means_while_it_is_measured(monkeypatch):
    torch = pytest.importorskip("torch")
    entered = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "device", lambda target: entered.append(target) or nullcontext())
    with device.current("cuda:1"), device.current("cpu"):
        assert entered == [torch.device("cuda:1")]
    capabilities = []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capabilities.append(len(entered)) or (9, 0))
    assert list(suite.cases("cuda:1", ["gemm"]))
    assert capabilities == [2]


@pytest.fixture
def few_cases(monkeypatch):
    """A suite of three cases and a clock that needs no time; returns what was timed."""
    pytest.importorskip("torch")
    timed = []

    def time_case(case, device, repeats, budget):
        if case.shape["nodes"] == 64:
            raise failures.OutOfMemory("launch", "the device has too little memory")
        timed.append(case.key)
        return Sample(
            case.kernel, case.dtype, case.shape, 1e-6 * case.shape["nodes"], 0.01, 3, case.held_out, state=case.state
        )

    monkeypatch.setattr(suite, "time_case", time_case)
    return timed


def test_a_calibration_skips_what_does_not_fit_resumes_and_guards_its_file(tmp_path, few_cases):
    path = tmp_path / "mine.json"
    found = suite.calibrate("cpu", ["launch"], path)
    profile = found.profile
    assert found.skipped == ("launch: the device has too little memory",)
    assert (found.passes, found.missing) == (suite.PASSES, 0)
    assert len(profile.samples) == 5
    assert len(few_cases) == 5 * suite.PASSES
    assert read_profile(path).value == KernelProfile.from_document(profile.as_document())
    assert read_profile(path).value.sha256 == profile.sha256
    suite.calibrate("cpu", ["launch"], path)
    assert len(few_cases) == 5 * suite.PASSES
    suite.calibrate("cpu", ["launch"], path, force=True)
    assert len(few_cases) == 10 * suite.PASSES
    other = replace(profile, fingerprint={**profile.fingerprint, "device": "another"})
    path.write_text(profile_text(other))
    with pytest.raises(InputError, match=r"device 'another'.*add force"):
        suite.calibrate("cpu", ["launch"], path)


def test_a_kernel_whose_output_is_wrong_is_left_out_and_named(tmp_path, monkeypatch, capsys):
    """The second shape of one kernel is wrong: the first is forgotten, all others are measured, the exit is 1."""
    torch = pytest.importorskip("torch")
    right, timed = {"gemm": False}, []

    def case(kernel, dtype, size, wrong=False):
        def product(a):
            timed.append((kernel, dtype, size))
            return a @ a + (0.5 if wrong and not right["gemm"] else 0.0)

        def check(output, inputs):
            return tensors.relative_error(output, inputs[0].double() @ inputs[0].double())

        shape = {"m": size, "n": size, "k": size, "batch": 1}
        return measure.Case(
            kernel, dtype, shape, lambda i: (tensors.random_tensor((size, size), dtype, "cpu", i),), product, check
        )

    def cases(*_, **__):
        sizes = [("gemm", "bf16", 16), ("gemm", "fp32", 16), ("gemm", "fp32", 32, True), ("gemm", "fp32", 48)]
        yield from (case(*one) for one in sizes)
        yield measure.Case("copy", "fp32", {"bytes": 64}, lambda i: (torch.ones(8),), lambda x: x.clone())

    monkeypatch.setattr(suite, "cases", cases)
    monkeypatch.setattr("simcore.calibrate.measure.clocks.FLUSH", 2**12)
    monkeypatch.setattr(measure, "cpu_calls", lambda run, pool, *_: [run(*pool[0]) is None or 1e-6] * 3)
    monkeypatch.setattr("simcore.calibrate.profile.fit.shortage", lambda *_: None)  # one sample is enough here
    path = tmp_path / "p.json"
    found = suite.calibrate("cpu", ["gemm"], path)
    assert {(one.kernel, one.dtype) for one in found.profile.samples} == {("gemm", "bf16"), ("copy", "fp32")}
    assert {(fit.kernel, fit.dtype) for fit in found.profile.fits} == {("gemm", "bf16"), ("copy", "fp32")}
    assert (found.passes, found.missing, found.skipped) == (suite.PASSES, 0, ())
    assert len(found.wrong) == 1
    assert found.wrong[0].startswith("gemm fp32 {'m': 32, 'n': 32, 'k': 32, 'batch': 1}: the output is off by ")
    assert ("gemm", "fp32", 48) not in timed
    with pytest.raises(SystemExit) as stopped:
        run(["calibrate", "--suite", "gemm", "-o", str(path)])
    said = capsys.readouterr()
    assert stopped.value.code == 1
    assert "sha256" in said.out
    assert "the kernels whose output is wrong: gemm fp32 {'m': 32" in said.err
    assert read_profile(path).value.fit("gemm", "bf16") is not None
    right["gemm"] = True
    again = suite.calibrate("cpu", ["gemm"], path)  # once it is mended
    assert again.wrong == ()
    assert again.profile.fit("gemm", "fp32") is not None


def test_what_does_not_fit_is_not_kept(tmp_path, monkeypatch):
    """The error's frames hold the inputs, which would take the memory of every later case."""
    torch = pytest.importorskip("torch")
    kept = []

    def too_large(x):
        kept.append(weakref.ref(x))
        raise MemoryError

    large = measure.Case("copy", "fp32", {"bytes": 8}, lambda i: (torch.ones(1),), too_large)
    monkeypatch.setattr(suite, "cases", lambda *args, **options: iter([large]))
    found = suite.calibrate("cpu", ["memory"], tmp_path / "p.json", progress=lambda *_: gc.collect())
    assert found.skipped == ("copy {'bytes': 8}: the device has too little memory",)
    assert len(kept) == 1
    assert kept[0]() is None


def test_a_problem_whose_mask_is_empty_is_left_out_and_named(tmp_path, monkeypatch):
    """Eight blocks at 99 %: neither the product nor its index is timed on zeros."""
    pytest.importorskip("torch")
    problem, kernel = pit.Problem(64, 16, 128, 32, 32, 0.99), pit.KERNELS["cpu"][0]
    empty = [pit.multiplication("cpu", "fp32", kernel, problem), pit.index("cpu", kernel, problem)]
    monkeypatch.setattr(suite, "cases", lambda *args, **options: iter(empty))
    found = suite.calibrate("cpu", ["pit"], tmp_path / "p.json")
    assert found.profile.samples == ()
    assert (found.missing, len(found.skipped)) == (0, 2)
    for line, name in zip(found.skipped, ("pit-k", "index-k"), strict=True):
        assert line.startswith(f"{name} {{'m': 64, ")
        assert line.endswith("no block of the mask is left, and times of zeros would mean nothing")


def test_an_interrupted_calibration_loses_nothing(tmp_path, few_cases, monkeypatch):
    """Stopped after seven measurements, it makes the others and no more, and ends with the same samples."""
    whole = suite.calibrate("cpu", ["launch"], tmp_path / "whole.json").profile
    timed, measured = suite.time_case, list(few_cases)
    few_cases.clear()

    def interrupted(case, *rest):
        if len(few_cases) == 7:
            raise KeyboardInterrupt
        return timed(case, *rest)

    monkeypatch.setattr(suite, "time_case", interrupted)
    with pytest.raises(KeyboardInterrupt):
        suite.calibrate("cpu", ["launch"], tmp_path / "cut.json")
    assert not read_profile(tmp_path / "cut.json").value.fits
    monkeypatch.setattr(suite, "time_case", timed)
    resumed = suite.calibrate("cpu", ["launch"], tmp_path / "cut.json").profile
    assert few_cases == measured
    assert resumed.samples == whole.samples


def test_a_profile_keeps_its_fits_while_a_later_calibration_adds_to_it(tmp_path, few_cases, monkeypatch):
    """Interrupted, or written as it goes, it can be used as before; a kernel whose output is wrong loses its fit."""
    path, timed = tmp_path / "mine.json", suite.time_case
    suite.calibrate("cpu", ["launch"], path)
    before = read_profile(path).value
    assert [fit.kernel for fit in before.fits] == ["launch"]
    monkeypatch.setattr("simcore.calibrate.profile.store.EVERY", -1.0)
    seen = []

    def more(case, *rest):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(read_profile(path).value.fits)
        seconds = 2e-6
        return Sample(case.kernel, case.dtype, case.shape, seconds, 0.01, 3, case.held_out, state=case.state)

    monkeypatch.setattr(suite, "time_case", more)
    with pytest.raises(KeyboardInterrupt):
        suite.calibrate("cpu", ["gemm"], path)
    assert seen == [before.fits] * 3
    cut = read_profile(path).value
    assert cut.fits == before.fits
    assert len(cut.samples) == len(before.samples) + 3
    store = Store(path, KernelProfile("mine", before.device, fingerprint=before.fingerprint))
    store.resume()
    store.drop("launch", "fp32")
    assert store.write(fitted=False).fits == ()
    monkeypatch.setattr(suite, "time_case", timed)
    path.write_text(profile_text(cut))
    carried_on = suite.calibrate("cpu", ["launch"], path).profile
    assert {fit.kernel for fit in carried_on.fits} == {"launch"}
    assert [line[:10] for line in unfitted(carried_on)] == ["gemm fp32:"]  # two samples are too few


def test_a_calibration_begins_nothing_after_its_time_and_carries_on(tmp_path, few_cases, monkeypatch):
    """Each case takes a second of this clock: five fit, so 3.5 seconds cut the first pass and 7.5 the second."""
    clocked = partial(Timekeeper, clock=lambda: float(len(few_cases)))
    monkeypatch.setattr(suite, "Timekeeper", clocked)
    path = tmp_path / "mine.json"
    first = suite.calibrate("cpu", ["launch"], path, limit=3.5)
    assert (first.passes, first.missing, len(few_cases)) == (0, 1, 4)
    assert first.profile.fits
    second = suite.calibrate("cpu", ["launch"], path, limit=3.5)
    assert (second.passes, second.missing, len(few_cases)) == (1, 0, 8)
    last = suite.calibrate("cpu", ["launch"], path, limit=1e9)
    assert (last.passes, len(few_cases)) == (suite.PASSES, 5 * suite.PASSES)


def test_a_burst_of_other_load_in_one_pass_is_left_out():
    passes = [Sample("copy", "fp32", {"bytes": 8}, seconds, 0.02, 3) for seconds in (2.0, 1.0, 1.1, 6.0, 1.05)]
    merged = merge(passes)
    assert merged.seconds == 1.05
    assert merged.repeats == 15
    assert merged.passes == (2.0, 1.0, 1.1, 6.0, 1.05)
    assert merged.spread > 0.25  # which marks the fit as noisy


@pytest.mark.parametrize("first", [((1.0, 0.05), (1.3, 0.06), (1.0, 0.04)), ((1.0, 0.3), (1.01, 0.4)), ((1.0, 0.1),)])
def test_the_spread_between_the_first_passes_does_not_stick_to_a_resumed_sample(tmp_path, first):
    """Once later passes agree, the spread is that within them, as without the interruption."""
    passes = [Sample("copy", "fp32", {"bytes": 8}, *one, 3) for one in first]
    later = [Sample("copy", "fp32", {"bytes": 8}, 1.0, 0.05, 3) for _ in range(5 - len(first))]
    path = tmp_path / "p.json"
    path.write_text(profile_text(KernelProfile("toy", CPU, samples=(merge(passes),))))
    store = Store(path, KernelProfile("toy", CPU))
    store.resume()
    assert store.passes(passes[0].key) == len(first)
    for one in later:
        store.add(one)
    whole = merge([*passes, *later])
    assert store.samples[whole.key] == replace(whole, spread=pytest.approx(whole.spread, rel=0.2))


def write(path, text):
    path.write_text(text)
    return path


def test_profiles_that_are_wrong(tmp_path):
    text = profile_text(read_profile("t4").value)
    assert read_profile(write(tmp_path / "t4.json", text)).value.sha256 == read_profile("t4").value.sha256
    for name, broken, message in (
        ("cut", text[: len(text) // 2], "broken JSON.*truncated"),
        ("edited", text.replace("8100000000000.0", "8200000000000.0"), "hash mismatch.*edited"),
        ("old", text.replace('"schema": 1', '"schema": 0'), "field 'schema': found 0, expected 1"),
        ("other", "{}", "no field 'schema'"),
        ("list", "[]", "no field 'schema'"),
        ("nan", text.replace("320000000000.0", "NaN"), "NaN"),
        ("empty", "", "found an empty file"),
    ):
        path = tmp_path / name
        path.write_text(broken)
        with pytest.raises(InputError, match=message):
            read_profile(path)
    with pytest.raises(InputError, match="Did you mean 'v100-16gb'"):
        read_profile("v100-16g")


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"simpy", "pydantic", "rich", "matplotlib", "networkx", "joblib", "pandas"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from simcore.cli.main import run
run(sys.argv[1:])
"""
WITHOUT_TORCH = "import sys; sys.modules['torch'] = None\nfrom simcore.cli.main import run\nrun(sys.argv[1:])"


def with_little(*arguments):
    """Run a command where torch, triton, numpy, scipy, click and PyYAML are installed and nothing else."""
    command = [sys.executable, "-c", BLOCKED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_calibrate_runs_on_a_machine_with_little_installed(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "p.json"
    assert str(path) in with_little("calibrate", "--suite", "launch", "-o", str(path))
    assert {fit.kernel for fit in read_profile(path).value.fits} == {"launch"}


@pytest.mark.parametrize("arguments", [["--help"], ["calibrate", "--help"]], ids=" ".join)
def test_help_needs_little(arguments):
    assert "calibrate" in with_little(*arguments)


def without_torch(folder, *arguments):
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize("line", ["calibrate", "profile validate cpu", "evaluate pit-fig15", "evaluate pit-moe"])
def test_without_torch_what_measures_says_how_to_install_it(tmp_path, line):
    done = without_torch(tmp_path, *line.split())
    assert done.returncode == 1
    assert "in simcore's checkout pip install -e '.[calibrate]'" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "trace --interval 60",
        "rates --profile v100-16gb --model bert-base --batch 4 -o rates.csv",
        "optimize 4D 325 1T Perf Overlap --profile h100",
        "train 4D 325 1T --profile h100",
        "collective all-reduce 1GiB --network Ring(4)@200GB/s",
        "evaluate network-table6",
        "kernel matmul 1024x1024x1024 --sparsity 0.95 --granularity 32x1 --profile cpu",
        "profile show cpu -o fit.png",
        "profile compare v100-16gb a100-80gb",
        "profile validate cpu --stored",
        "zoo profiles",
    ],
)
def test_every_other_command_works_without_torch(tmp_path, line):
    done = without_torch(tmp_path, *line.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout
