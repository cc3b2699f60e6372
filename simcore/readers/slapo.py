"""What is published of Slapo's evaluation, from the zoo: its tuning grids, and what its runs were given."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from simcore.readers.read import Read, read_path
from simcore.readers.zoo import ROOT

_FOLDER = ROOT / "_measured"


@dataclass(frozen=True)
class GridCell:
    """A cell of a tuning grid.

    Attributes
    ----------
    grid, model, parallel : str
        Which grid, the model in the zoo, and how it is spread, as ``simcore schedule --parallel`` takes it.
    batch : int
        Sequences of an iteration.
    ratio : float
        Share of blocks that are recomputed.
    rate : float or None
        Sequences per second [1/s]; None where memory ran out.
    """

    grid: str
    model: str
    parallel: str
    batch: int
    ratio: float
    rate: float | None


@dataclass(frozen=True)
class GivenRun:
    """What a run was given; what it reached is not public.

    Attributes
    ----------
    system : str
        ``megatron``, ``deepspeed``, ``slapo-tp`` or ``slapo-zero3``.
    model : str
        In the zoo.
    gpus, sequence, decoder_sequence, batch : int
        GPUs, tokens of a sequence and of the decoder's (0 for none), and sequences of an iteration.
    ratio : float
        Share of blocks that are recomputed.
    """

    system: str
    model: str
    gpus: int
    sequence: int
    decoder_sequence: int
    batch: int
    ratio: float


def read_grids() -> Read[tuple[GridCell, ...]]:
    """Return the cells of both tuning grids.

    Examples
    --------
    >>> max(read_grids().value, key=lambda cell: (cell.grid == "A", cell.rate or 0)).batch
    144
    """
    file = read_path(_FOLDER / "slapo-grids.csv", "reference", "slapo-grids")
    return file.of(tuple(
        GridCell(row["grid"], row["model"], row["parallel"], int(row["batch"]), float(row["ratio"]),
                 float(row["samples_per_s"]) if row["samples_per_s"] else None)
        for row in _rows(file.text)
    ))  # fmt: skip


def read_runs() -> Read[tuple[GivenRun, ...]]:
    """Return what the runs of Figure 7 were given."""
    file = read_path(_FOLDER / "slapo-runs.csv", "reference", "slapo-runs")
    return file.of(tuple(
        GivenRun(row["system"], row["model"], int(row["gpus"]), int(row["sequence"]), int(row["decoder_sequence"]),
                 int(row["batch"]), float(row["ratio"]))
        for row in _rows(file.text)
    ))  # fmt: skip


def _rows(text: str) -> csv.DictReader[str]:
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
