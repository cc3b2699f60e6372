"""Histograms of sequence lengths as CSV: ``length,count`` or ``length,share``, a row for each length."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import Field

from simcore.errors import InputError
from simcore.files import check_columns, csv_rows, validate
from simcore.models.compute.sparse.statistics import Lengths
from simcore.readers.quantities import RealText, Strict, WholeText
from simcore.readers.read import InputFile, Read, read_path

PARTS = 10**6
"""Sequences that stand for a share of one."""

CLOSE = 1e-6
"""How far a sum of shares may be from 1."""


class _Counted(Strict):
    length: WholeText = Field(ge=1)
    count: WholeText = Field(ge=1)


class _Shared(Strict):
    length: WholeText = Field(ge=1)
    share: RealText = Field(gt=0, le=1)


def read_lengths(path: str | Path | InputFile, longest: int) -> Read[Lengths]:
    r"""Read a histogram of sequence lengths.

    Parameters
    ----------
    path : str, Path or InputFile
        A CSV file with the columns ``length`` and either ``count`` or ``share``; ``-`` is what is piped in.
    longest : int
        Length that sequences are padded to [tokens].

    Raises
    ------
    InputError
        Naming file and line: for a length over the longest or twice, a number that is none, no rows, or shares that do
        not add up to 1.

    Examples
    --------
    >>> from simcore.piping import piped
    >>> with piped(b"length,share\n32,0.75\n128,0.25\n"):
    ...     read_lengths("-", 128).value.share
    0.4375
    """
    file = path if isinstance(path, InputFile) else read_path(Path(path), "lengths")
    header, rows = csv_rows(file.text, str(file.path), "lengths")
    shares = "share" in header
    check_columns(header, ("length", "share" if shares else "count"), (), str(file.path))
    counts: dict[int, int] = {}
    total = 0.0
    for number, fields in rows:
        where = f"{file.path}, line {number}"
        if len(fields) != len(header):
            raise InputError(where, f"{len(fields)} fields", f"{len(header)}: {', '.join(header)}")
        row = dict(zip(header, fields, strict=True))
        one: _Shared | _Counted = validate(_Shared, row, where, {}) if shares else validate(_Counted, row, where, {})
        if one.length > longest:
            remedy = "Pad to more tokens, or cut the sequences."
            expected = f"at most {longest}, the tokens of a sequence"
            raise InputError(f"{where}, field 'length'", str(one.length), expected, remedy)
        if one.length in counts:
            raise InputError(f"{where}, field 'length'", f"{one.length} a second time", "each length once",
                             "Add the rows up.")  # fmt: skip
        weight = one.share if isinstance(one, _Shared) else one.count
        total += weight
        counts[one.length] = max(1, round(weight * PARTS)) if shares else int(weight)
    if not counts:
        raise InputError(str(file.path), "no rows", f"rows of {', '.join(header)}")
    if shares and not math.isclose(total, 1, abs_tol=CLOSE):
        remedy = "Divide each share by their sum, or give counts."
        raise InputError(f"{file.path}, field 'share'", f"shares that add up to {total:g}", "1", remedy)
    return file.of(Lengths(tuple(sorted(counts.items())), longest))
