"""PIT's kernels against dense, CSR and BSR on one GPU, the grid of PIT's Figure 15, as JSON.

Run ``PYTHONPATH=. python benchmarks/pit_gpu.py OUT_DIRECTORY`` on a machine with a GPU; it needs torch, triton, numpy,
scipy, click and PyYAML alone. ``--size 128 --device cpu`` is a smoke test without a GPU. Results are written after
every sparsity, so that a run that is cut off leaves what it had.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from simcore.calibrate.pit_sweeps import (
    GRANULARITIES,
    SPARSITIES,
    Bench,
    best_rows,
    break_even,
    device_name,
    experts,
    figure16,
    figure17,
    has_triton,
    products,
    sequences,
)
from simcore.outputs import write_atomic

FORMATS = ("fp32", "tf32", "fp16")  # fp32 is IEEE on both sides: no TF32 in cuBLAS, "ieee" in Triton's tl.dot


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("out", type=Path)
    options.add_argument("--size", type=int, default=4096)
    options.add_argument("--device", default="cuda")
    options.add_argument("--repeats", type=int, default=15)
    options.add_argument("--formats", default=",".join(FORMATS))
    options.add_argument("--seconds", type=float, default=480, help="no new point is begun after so long")
    chosen = options.parse_args()
    fused = chosen.device.startswith("cuda") and has_triton()
    deadline = time.monotonic() + chosen.seconds
    document: dict = {
        "device": device_name(chosen.device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "size": chosen.size,
        "repeats": chosen.repeats,
        "fused": fused,
        "points": [],
        "best": {},
        "break_even": {},
        "cut_off": False,
    }

    def bench(dtype: str) -> Bench:
        return Bench(chosen.device, dtype, chosen.repeats, 0.3, fused)

    def save() -> None:
        write_atomic(chosen.out / "pit_gpu.json", json.dumps(document, indent=1))

    for dtype in chosen.formats.split(","):
        points: list[dict] = []
        for granularity in GRANULARITIES:
            for sparsity in SPARSITIES:
                if time.monotonic() > deadline:
                    document["cut_off"] = True
                    break
                points += products(bench(dtype), chosen.size, granularity, sparsity)
                best = best_rows(points)
                document["best"][dtype], document["break_even"][dtype] = best, break_even(best)
                save()
                show(dtype, best[-1])
        document["points"] += [{**row, "dtype": dtype} for row in points]
        save()
    half = "fp16" if fused else "fp32"
    extras = {
        "figure16": lambda: figure16(bench(half), chosen.size),
        "figure17": lambda: figure17(bench("fp32"), chosen.size),
        "experts": lambda: experts(bench("bf16" if fused else "fp32"), 4 * chosen.size, chosen.size // 4),
        "sequences": lambda: sequences(bench(half), 32, 128, chosen.size // 4),
    }
    for name, sweep in extras.items():
        rows: list[dict] = []
        document[name] = rows
        for row in sweep():
            rows.append(row)
            if time.monotonic() > deadline:
                document["cut_off"] = True
                break
        save()
    for dtype, edges in document["break_even"].items():
        print(dtype, "break-even sparsity, index included:", {row["granularity"]: row["break_even"] for row in edges})


def show(dtype: str, row: dict) -> None:
    times = {name: row[name] for name in ("dense", "csr", "bsr", "blocks", "pit", "index", "total")}
    cells = " ".join(f"{name} {'-' if value is None else f'{value * 1e3:.3f}'}" for name, value in times.items())
    print(f"{dtype} {row['granularity']} {row['sparsity']}: {cells} ms; {row['way']} {row['tile']}", flush=True)


if __name__ == "__main__":
    main()
