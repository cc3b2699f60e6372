"""Measured rows with predictions that tests know, in place of the model's."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from simcore.studies.validate.columns import COLLECTIVES, ITERATIONS
from simcore.studies.validate.rows import Held

LLAMA = {
    "row_id": "one", "source": "mine: torchtitan", "model": "llama", "layers": "32", "hidden": "4096", "heads": "32",
    "device": "h100_80gb", "gpus": "8", "precision": "bf16", "iteration_s": "2.0", "kind": "pretrain",
}  # fmt: skip
"""A measured iteration."""

RING = {
    "source": "nccl-tests", "device": "a100", "gpus": "8", "collective": "all_reduce", "bytes": "1048576",
    "time_us": "100", "dtype": "float", "note": "one node",
}  # fmt: skip
"""A measured collective."""


def table(path: Path, rows: Sequence[dict[str, str]], columns: Sequence[str] = ("row_id", *ITERATIONS)) -> Path:
    """Write rows as CSV; cells that a row lacks are empty."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def of_iterations(predict: Callable[[dict[str, str]], dict[str, object]]) -> Callable[[Path], tuple[Held, ...]]:
    """Return what holds iterations against predictions that a function of the row gives."""

    def hold(path: Path) -> tuple[Held, ...]:
        with Path(path).open(encoding="utf-8") as stream:
            return tuple(
                Held(
                    row.get("row_id") or "", row["source"], row["device"], row["precision"], row["kind"],
                    float(row["iteration_s"]) if row["iteration_s"] else None, **predict(row),
                )
                for row in csv.DictReader(stream)
            )  # fmt: skip

    return hold


def of_collectives(ratio: float) -> Callable[[Path], tuple[Held, ...]]:
    """Return what holds collectives against their time times a number."""

    def hold(path: Path) -> tuple[Held, ...]:
        with Path(path).open(encoding="utf-8") as stream:
            return tuple(
                Held(
                    "", row["source"], row["device"], row["dtype"], row["collective"], 1e-6 * float(row["time_us"]),
                    1e-6 * ratio * float(row["time_us"]),
                )
                for row in csv.DictReader(stream)
            )  # fmt: skip

    return hold


__all__ = ["COLLECTIVES", "ITERATIONS", "LLAMA", "RING", "of_collectives", "of_iterations", "table"]
