"""The files of a timeline: a trace, and the same as CSV beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simcore.errors import InputError
from simcore.outputs import check_file, write_atomic
from simcore.timeline.slices import Slice, timeline_csv, trace_json


def check_timeline(path: Path | None, *, force: bool = True) -> None:
    """Refuse the name of the CSV beside the trace, a place where nothing can be written, or a file without `force`.

    Raises
    ------
    InputError
        Naming ``--timeline``.
    """
    if path is None:
        return
    table = path.with_suffix(".csv") if path.name not in {"", ".", ".."} else path
    if path == table and path.suffix == ".csv":
        expected = "a name for the trace, such as"
        remedy = f"The same as CSV goes to '{table}' beside it."
        raise InputError("--timeline", f"'{path}'", f"{expected} '{path.with_suffix('.json')}'", remedy)
    for each in (path, table):
        check_file(each, option="--timeline", force=force)


def write_timeline(path: Path, slices: Sequence[Slice], title: str) -> None:
    """Write slices as a trace for ui.perfetto.dev, and as CSV beside it.

    Raises
    ------
    InputError
        If the trace would have the name of the CSV.
    """
    check_timeline(path)
    write_atomic(path, trace_json(slices, title))
    write_atomic(path.with_suffix(".csv"), timeline_csv(slices))
