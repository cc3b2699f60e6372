"""Where measurements come from: a table, a user's function with a log, or the model itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from simcore.errors import InputError, RunError, field
from simcore.models.training.tuning.cells import Cell, Measure
from simcore.outputs import check_file, write_atomic
from simcore.plugins import load
from simcore.progress import tell
from simcore.readers.read import InputFile, read_path
from simcore.readers.spaces import cells_text, read_measured_cells
from simcore.studies.tune.predicted import Predictions
from simcore.studies.tune.request import TuneRequest


def of_model(predictions: Predictions) -> Measure:
    """Return what asks the model itself."""

    def measure(cell: Cell) -> float | None:
        if not predictions.fits[cell]:
            return None
        return cell.batch / predictions.evaluations[cell].time

    return measure


def of_table(table: Mapping[Cell, float | None], path: str) -> Measure:
    """Return what looks cells up in a table of measurements."""

    def measure(cell: Cell) -> float | None:
        if cell not in table:
            remedy = f"Add a row for it, or leave {field('space')} out: the cells of the table are searched then."
            raise InputError(path, f"no row for {cell}", "a row for each cell of the space", remedy)
        return table[cell]

    return measure


def function_of(request: TuneRequest) -> Callable[..., Any]:
    """Return the function that measures.

    Raises
    ------
    InputError
        If there is none of that name, or it is no function of a batch, a ratio, a spread and kernels.
    """
    named = request.measure
    if isinstance(named, str):
        named = load(named, "simcore.measures", {}, field("measure"))
    expected = "a function of batch, ratio, parallel and kernels"
    if not callable(named):
        raise InputError(field("measure"), f"'{request.measure}', which is no function", expected)
    try:
        inspect.signature(named).bind(batch=8, ratio=0.5, parallel="zero3", kernels="sdpa")
    except TypeError as error:
        raise InputError(field("measure"), f"'{request.measure}': {error}", expected) from None
    return named


@dataclass
class OfFunction:
    """Measures with a user's function, and keeps what came out in a log where there is one.

    Attributes
    ----------
    function : callable
        Gets ``batch``, ``ratio``, ``parallel`` and ``kernels``.
    log : Path or None
        Where measurements are kept; what is there already is not measured again.
    """

    function: Callable[..., Any]
    log: Path | None = None

    def __post_init__(self) -> None:
        self.kept: dict[Cell, float | None] = {}
        if self.log is not None and self.log.exists():
            check_file(self.log, option=field("log"), own="cells")
            self.kept = read_measured_cells(read_path(self.log, "measurement"), "dp", "").value
        self.taken = len(self.kept)

    def __call__(self, cell: Cell) -> float | None:
        """Measure a cell, or return what the log has of it."""
        if cell not in self.kept:
            tell("cells measured", len(self.kept))
            self.kept[cell] = self._measured(cell)
            if self.log is not None:
                write_atomic(self.log, cells_text(self.kept))
        return self.kept[cell]

    def _measured(self, cell: Cell) -> float | None:
        try:
            rate = self.function(batch=cell.batch, ratio=cell.ratio, parallel=cell.parallel, kernels=cell.steps)
        except MemoryError:
            return None
        except Exception as error:
            raise RunError(f"{field('measure')} failed at {cell}: {type(error).__name__}: {error}") from error
        if rate is None:
            return None
        if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < float(rate) < float("inf"):
            raise RunError(
                f"{field('measure')} gave {rate!r} at {cell}: samples per second above 0 or None is expected"
            )
        return float(rate)


def table_of(request: TuneRequest, parallel: str, kernels: str) -> tuple[InputFile, dict[Cell, float | None]]:
    """Read the table of measurements that a request names."""
    assert request.measured is not None
    file = read_path(Path(request.measured), "measurement", str(request.measured))
    table = read_measured_cells(file, parallel, kernels).value
    if not table:
        raise InputError(str(file.path), "no rows", "a row for each measured cell")
    return file, table
