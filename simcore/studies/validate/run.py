"""``simcore validate``: the model of memory against measured rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from simcore.errors import InputError, field
from simcore.readers.memory_files import MemoryRow, read_memory
from simcore.results import Provenance, versions
from simcore.studies.request import study
from simcore.studies.validate.outcome import Errors, Fitting, Row, errors_of
from simcore.studies.validate.request import ValidateRequest
from simcore.studies.validate.result import ValidateResult


@study(ValidateRequest)
def validate(request: ValidateRequest) -> ValidateResult:
    """Hold the model of memory against measured rows.

    Raises
    ------
    InputError
        If the file is none of measured memory, naming the column that it lacks.
    """
    if request.memory is None:
        raise InputError(field("memory"), "nothing", "a file of measured memory", f"Add {field('memory')} FILE.")
    started = time.process_time()
    read = read_memory(request.memory)
    sources = list(dict.fromkeys(row.source for row in read.rows))
    of = {source: [row for row in read.rows if row.source == source] for source in sources}
    return ValidateResult(
        name=Path(request.memory).name,
        peaks=tuple(_peaks(source, rows) for source, rows in of.items() if any(row.peak for row in rows)),
        states=tuple(_states(source, rows) for source, rows in of.items() if any(row.state for row in rows)),
        fitting=tuple(_fitting(source, rows) for source, rows in of.items() if any(row.ran_out for row in rows)),
        unexpressed=_reasons(read.rows),
        rows=tuple(Row(row.source, row.name, row.peak, row.predicted, row.reason) for row in read.rows),
        warnings=read.warnings,
        provenance=Provenance(
            command=request.study,
            inputs=request.resolved().inputs(),
            sha256={"memory": read.sha256},
            versions=versions(),
        ),
        cpu_seconds=time.process_time() - started,
    )


def _peaks(source: str, rows: Sequence[MemoryRow]) -> Errors:
    measured = [row for row in rows if not row.ran_out]
    off = [row.predicted / row.peak - 1 for row in measured if row.predicted is not None and row.peak]
    return errors_of(source, len(measured), off)


def _states(source: str, rows: Sequence[MemoryRow]) -> Errors:
    off = [row.predicted_state / row.state - 1 for row in rows if row.predicted_state is not None and row.state]
    return errors_of(source, len(rows), off)


def _fitting(source: str, rows: Sequence[MemoryRow]) -> Fitting:
    """Return which rows fit; a row whose device's memory is not known is left out."""
    known = [(row.ran_out, row.predicted <= row.capacity) for row in rows if row.predicted and row.capacity]
    out, ran = ([fits for ran_out, fits in known if ran_out is kind] for kind in (True, False))
    return Fitting(source, len(out), len(out) - sum(out), len(ran), sum(ran))


def _reasons(rows: Sequence[MemoryRow]) -> dict[tuple[str, str], int]:
    return dict(Counter((row.source, row.reason) for row in rows if row.reason).most_common())
