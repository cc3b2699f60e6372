"""What tables of measurements have in common: their rows, and the checks of their numbers and units."""

from __future__ import annotations

import gzip
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simcore.errors import InputError
from simcore.files import MOST_BYTES, PACKED, csv_rows, decode, read_bytes, sha256
from simcore.models.compute.convolution import CONVOLUTIONS, as_product
from simcore.models.compute.device import Device
from simcore.numerals import as_real

SLOWEST = 100
"""A table whose times are in the median so many times longer than the data sheet allows is in another unit."""

FASTEST = 3
"""A time that beats the data sheet by more than this factor is no time of this device."""

LAUNCH = 1e-5
"""What a kernel takes at least where its times are judged to be too long [s]: launching one takes as long."""

WINOGRAD = 4
"""Multiplications that Winograd's algorithm saves at most: 36 in place of 144 for 4 x 4 pixels."""

UNITS: Mapping[str, tuple[float, str, str]] = {
    "ms": (1e-3, "milliseconds", "seconds"),
    "s": (1.0, "seconds", "milliseconds"),
    "us": (1e-6, "microseconds", "milliseconds or nanoseconds"),
}
"""Seconds per unit [s], its name, and what it may be mistaken for."""


@dataclass(frozen=True)
class Rows:
    """The rows of a CSV file, plain or packed by gzip.

    Attributes
    ----------
    path : Path
        The file.
    header : list of str
        Its columns.
    fields : tuple of (int, list of str)
        Lines with their numbers.
    sha256 : str
        Of the file's bytes.
    """

    path: Path
    header: list[str]
    fields: tuple[tuple[int, list[str]], ...]
    sha256: str

    def rows(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the place and the fields by column of each row.

        Raises
        ------
        InputError
            If a row has more or fewer fields than the header.
        """
        for number, fields in self.fields:
            where = f"{self.path}, line {number}"
            if len(fields) != len(self.header):
                raise InputError(where, f"{len(fields)} fields", f"{len(self.header)}: {', '.join(self.header)}")
            yield where, dict(zip(self.header, fields, strict=True))


def read_rows(path: str | Path) -> Rows:
    """Read the rows of a table of measurements.

    Raises
    ------
    InputError
        If there is no such file, or it is no CSV.
    """
    file = Path(path)
    data = read_bytes(file, "measurements")
    text = decode(_unpacked(data, file), file, "measurements")
    header, rows = csv_rows(text, str(file), "measurements")
    return Rows(file, header, tuple(rows), sha256(data))


def _unpacked(data: bytes, path: Path) -> bytes:
    if not data.startswith(PACKED):
        return data
    import io

    try:
        with gzip.open(io.BytesIO(data)) as stream:
            text = stream.read(MOST_BYTES + 1)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(str(path), f"a gzip file that is broken ({error})", "a whole one", "Fetch it anew.") from None
    if len(text) > MOST_BYTES:
        raise InputError(str(path), f"more than {MOST_BYTES >> 20} MiB unpacked", "a table of at most that")
    return text


def number_of(row: Mapping[str, str], column: str, where: str, expected: str, *, zero: bool = False) -> float:
    """Return a number of a row.

    Raises
    ------
    InputError
        If it is none, infinite or below 0, or 0 unless that is allowed.
    """
    value = as_real(row[column])
    if value is None or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        remedy = "Leave rows out that were not measured."
        raise InputError(f"{where}, column '{column}'", f"'{row[column]}'", expected, remedy)
    return value


def check_times(
    path: Path,
    column: str,
    unit: str,
    places: Sequence[str],
    seconds: Sequence[float],
    least: Sequence[float],
    device: Device,
) -> None:
    """Refuse times that are in another unit than their column says, which the data sheet tells.

    Parameters
    ----------
    path : Path
        The file.
    column : str
        Of the times.
    unit : str
        A key of `UNITS`.
    places : sequence of str
        Line and column of each time.
    seconds, least : sequence of float
        Each time, and what the data sheet allows [s].
    device : Device
        With the data sheet.

    Raises
    ------
    InputError
        If a time beats the data sheet by more than `FASTEST`, or the median is over `SLOWEST` times longer.
    """
    scale, name, other = UNITS[unit]
    remedy = f"Check the unit: are these {other}? Check that they are of this device, too."
    for place, time, bound in zip(places, seconds, least, strict=True):
        if time * FASTEST < bound:
            measured = f"{time / scale:g} {name}, {bound / time:.3g} times faster"
            expected = f"at most {FASTEST} times faster than the data sheet of {device.name} allows"
            raise InputError(place, measured, expected, remedy)
    usual = statistics.median(time / max(bound, LAUNCH) for time, bound in zip(seconds, least, strict=True))
    if usual > SLOWEST:
        measured = f"times that are in the median {usual:.3g} times longer than the data sheet of {device.name} allows"
        raise InputError(f"{path}, column '{column}'", measured, f"at most {SLOWEST} times", remedy)


def least_seconds(kernel: str, dtype: str, shape: Mapping[str, float], device: Device) -> float:
    """Return the time that peak and bandwidth allow [s], with what fits the cache for nothing."""
    if kernel != "gemm" and kernel not in CONVOLUTIONS:
        moved = shape["bytes"] if "bytes" in shape else shape["rows"] * shape["width"]
        return _moved_seconds(moved, device)
    product = as_product(shape) if kernel in CONVOLUTIONS else shape
    m, n, k, batch = (product[name] for name in ("m", "n", "k", "batch"))
    saved = WINOGRAD if kernel in CONVOLUTIONS else 1
    peak = max(device.peaks.values()) if dtype not in device.peaks else device.peaks[dtype]
    return 2 * m * n * k * batch / saved / peak


def _moved_seconds(moved: float, device: Device) -> float:
    return max(moved - device.cache, 0.0) / device.bandwidth if device.bandwidth else 0.0
