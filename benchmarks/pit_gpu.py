"""PIT's Figures 8 to 17 and a calibration on one GPU, as JSON: kernels against dense, CSR and BSR, and whole models.

Run ``PYTHONPATH=. python benchmarks/pit_gpu.py OUT_DIRECTORY`` on a machine with a GPU; it needs torch, triton, numpy,
scipy, click and PyYAML alone. It writes ``pit_gpu.json`` after every point and ``profile.json`` as it calibrates, and
begins nothing new after ``--seconds``, so that a run that is cut off leaves what it had; run it again and the
calibration carries on. Models of Figures 8 to 14 come smallest first, at the published sizes; ``--models small`` cuts
them down, and ``--only-models`` leaves out all else but the calibration. They are predicted by what was calibrated.
``--size 128 --device cpu --models small --no-calibration`` is a smoke test without a GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from simcore.calibrate.calibration import calibrate
from simcore.calibrate.measure.device import current, describe, fingerprint, has_triton
from simcore.calibrate.measure.formats import experts_format, matrix_formats
from simcore.calibrate.suites.registry import SUITES
from simcore.calibrate.sweeps.layers import experts, sequences
from simcore.calibrate.sweeps.pit import GRANULARITIES, SPARSITIES, Bench, dense_product, figure16, figure17, products
from simcore.calibrate.sweeps.summary import best_rows, break_even
from simcore.errors import RunError, SimcoreError
from simcore.models.compute.profile import KernelProfile
from simcore.models.training.dynamic import FIGURES, DynamicCase, dynamic_cases
from simcore.models.training.dynamic_times import predict_dynamic
from simcore.outputs import write_atomic
from simcore.real.sparse.measure import Clocked, needed_bytes, ways

FORMATS = ("fp32", "tf32", "fp16")  # fp32 is IEEE on both sides: no TF32 in cuBLAS, "ieee" in Triton's tl.dot
GRID = 0.4
"""Share of the time after which nothing of Figure 15's grid is begun: the others and the calibration need the rest."""

MODELS = 0.75
"""Share of the time after which no model is begun."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("out", type=Path)
    options.add_argument("--size", type=int, default=4096)
    options.add_argument("--device", default="cuda")
    options.add_argument("--repeats", type=int, default=9)
    options.add_argument("--formats", help="with commas; by default those of fp32, tf32 and fp16 that the device has")
    options.add_argument("--seconds", type=float, default=460, help="nothing new is begun after so long")
    options.add_argument("--models", choices=("full", "small", "none"), default="full")
    options.add_argument("--figures", default=",".join(map(str, FIGURES)), help="of models, with commas")
    options.add_argument("--only-models", action="store_true", help="no figures of kernels")
    options.add_argument("--no-calibration", action="store_true")
    chosen = options.parse_args()
    try:
        with current(chosen.device):
            run(chosen)
    except SimcoreError as error:
        sys.exit(f"pit_gpu: {error}")


def run(chosen: argparse.Namespace) -> None:
    started = time.monotonic()
    on_gpu = chosen.device.startswith("cuda")
    fused = on_gpu and has_triton()
    document: dict = {
        "fingerprint": fingerprint(chosen.device),
        "size": chosen.size,
        "repeats": chosen.repeats,
        "fused": fused,
        "points": [],
        "models": [],
        "predicted": [],
        "best": {},
        "break_even": {},
        "cut_off": [],
        "refused": {},
        "seconds": {},
    }

    def bench(dtype: str) -> Bench:
        return Bench(chosen.device, dtype, chosen.repeats, 0.15, fused)

    def over(share: float = 1.0) -> bool:
        return time.monotonic() - started > share * chosen.seconds

    def save(step: str) -> None:
        document["seconds"][step] = round(time.monotonic() - started, 1)
        write_atomic(chosen.out / "pit_gpu.json", json.dumps(document, indent=1))

    def sweep(name: str, rows: Iterator[dict]) -> None:
        found = document[name] = []
        for row in rows:
            found.append(row)
            if over():
                document["cut_off"].append(name)
                break
        save(name)

    if not chosen.only_models:
        kernels(chosen, document, bench, over, save, sweep)
    cases = model_cases(chosen)
    for case in cases:
        if over(MODELS):
            document["cut_off"].append(f"figure {case.figure}, {case.name}")
            continue
        for row in model_rows(case, chosen):
            document["models"].append(row)
            save(f"models, figure {case.figure}")
            show_model(row)
    if not chosen.no_calibration:
        profile, document["calibration"] = calibration(
            chosen.device, chosen.out / "profile.json", started + chosen.seconds - time.monotonic()
        )
        document["predicted"] = list(predictions(cases, profile))
        save("calibration")
    for dtype, edges in document["break_even"].items():
        print(dtype, "break-even sparsity, index included:", {row["granularity"]: row["break_even"] for row in edges})


def kernels(
    chosen: argparse.Namespace, document: dict, bench: Callable[[str], Bench], over: Callable[..., bool],
    save: Callable[[str], None], sweep: Callable[[str, Iterator[dict]], None],
) -> None:  # fmt: skip
    """Measure the figures of kernels."""
    on_gpu, fused = chosen.device.startswith("cuda"), document["fused"]
    has = matrix_formats("cuda" if on_gpu else "cpu")
    for dtype in chosen.formats.split(",") if chosen.formats else [one for one in FORMATS if one in has]:
        points: list[dict] = []
        shape = (chosen.size, chosen.size, chosen.size)
        dense = dense_product(bench(dtype), shape)
        for granularity in GRANULARITIES:
            for sparsity in SPARSITIES:
                if over(GRID):
                    document["cut_off"].append(f"{dtype} {granularity[0]}x{granularity[1]} {sparsity}")
                    continue
                rows = list(products(bench(dtype), shape, granularity, sparsity, dense))
                points += rows
                document["points"] += [{**row, "dtype": dtype} for row in rows]
                try:
                    best = document["best"][dtype] = best_rows(points)
                except RunError as error:  # the other number formats may do better
                    document["refused"][dtype] = str(error)
                    continue
                document["break_even"][dtype] = break_even(best)
                save(f"grid {dtype}")
                show(dtype, best[-1])
    half = "fp16" if fused else "fp32"
    sweep("figure16", figure16(bench(half), chosen.size))
    sweep("figure17", figure17(bench("fp32"), chosen.size))
    sweep("experts", experts(bench(experts_format("cuda" if on_gpu else "cpu")), 4 * chosen.size, chosen.size // 4))
    sweep("sequences", sequences(bench(half), 32, 128, chosen.size // 4))


def model_cases(chosen: argparse.Namespace) -> list[DynamicCase]:
    """Return the models of the figures that are wanted, those that need least memory first."""
    if chosen.models == "none":
        return []
    figures = map(int, chosen.figures.split(","))
    found = [case for figure in figures for case in dynamic_cases(figure, small=chosen.models == "small")]
    return sorted(found, key=needed_bytes)


def model_rows(case: DynamicCase, chosen: argparse.Namespace) -> Iterator[dict]:
    """Yield a row of each way to run a model: dense, by the libraries, and by PIT; kernels are chosen by coverage."""
    clocked = Clocked(chosen.device, chosen.repeats, 1.0, None, compiled=chosen.models == "full")
    for row in ways(case, clocked, describe("here", chosen.device)):
        yield {"figure": case.figure, "dtype": case.dtype, **row}


def predictions(cases: list[DynamicCase], profile: KernelProfile) -> Iterator[dict]:
    """Yield what each way of each model takes by a profile, or why nothing is known."""
    for case in cases:
        base = {"figure": case.figure, "case": case.name, "profile": profile.sha256}
        try:
            found = predict_dynamic(case, profile)
        except SimcoreError as error:  # a calibration that was cut off has no fit of some kernel
            yield {**base, "note": str(error)}
            continue
        for way, one in found.ways.items():
            times = {"total_seconds": one.seconds, "index_seconds": one.index, "error": one.error}
            yield {**base, "way": way.value, **times}
        for way, why in found.missing.items():
            yield {**base, "way": way.value, "note": why}


def calibration(device: str, path: Path, left: float) -> tuple[KernelProfile, dict]:
    """Calibrate in full for as long as there is time; without triton a GPU has no sparse kernels."""
    suites = [name for name in SUITES if name != "pit" or device == "cpu" or has_triton()]
    found = calibrate(device, suites, path, full=True, limit=left)
    profile = found.profile
    counts = {"samples": len(profile.samples), "passes": found.passes, "missing": found.missing}
    return profile, {**counts, "sha256": profile.sha256, "skipped": found.skipped, "wrong": found.wrong}


def show(dtype: str, row: dict) -> None:
    times = {name: row[name] for name in ("dense", "csr", "bsr", "blocks", "pit", "index", "total")}
    cells = " ".join(f"{name} {'-' if value is None else f'{value * 1e3:.3f}'}" for name, value in times.items())
    print(f"{dtype} {row['granularity']} {row['sparsity']}: {cells} ms; {row['way']} {row['tile']}", flush=True)


def show_model(row: dict) -> None:
    total = row["total_seconds"]
    what = row["note"] if total is None else f"{total * 1e3:.3f} ms, of it index {row['index_seconds'] * 1e3:.3f}"
    print(f"figure {row['figure']}, {row['case']}, {row['way']}: {what} {row['chosen']}", flush=True)


if __name__ == "__main__":
    main()
