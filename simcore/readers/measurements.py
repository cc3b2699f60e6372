"""Tables of measured kernels, one per row, as the public collection of NeuSight has them: CSV, plain or packed by gzip.

The columns are read as they are. ``linear`` multiplies M rows of N elements by N x K, ``bmm`` does so B times: **N is
the size that is contracted**. ``conv`` is square. The others work on B rows of H elements.
"""

from __future__ import annotations

import gzip
import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

from simcore.errors import InputError, unknown_name
from simcore.files import MOST_BYTES, check_columns, csv_rows, decode, read_bytes, sha256
from simcore.models.compute.correction import as_product
from simcore.models.compute.device import DTYPES, Device
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.profile import Sample
from simcore.numerals import as_real
from simcore.readers.read import Read

Sizes = Mapping[str, float]

REQUIRED = ("op", "device")
"""Columns that every table has."""

UNITS = {"latency_ms": 1e-3, "latency_s": 1.0}
"""Columns of the time, of which a table has one, and seconds per unit [s]."""

SIZES: Mapping[str, tuple[str, ...]] = {
    "linear": ("B", "M", "N", "K"),
    "bmm": ("B", "M", "N", "K"),
    "conv": ("B", "Input_Channel", "Output_Channel", "Input_Size", "Kernel_Szie", "Padding", "Stride"),
    **dict.fromkeys(("add", "mul", "relu", "gelu", "tanh", "softmax", "ln"), ("B", "H")),
}
"""Columns of sizes that each operation needs; ``Kernel_Szie`` is spelt so in the public table."""

OPTIONAL = (
    "dtype", "split", "large", "kernel", "grid", "block", *UNITS,
    *dict.fromkeys(name for names in SIZES.values() for name in names),
)  # fmt: skip

_MAY_BE_ZERO = {"Padding"}

SLOWEST = 100
"""A table whose times are in the median so many times longer than the data sheet allows is in another unit."""

FASTEST = 3
"""A time that beats the data sheet by more than this factor is no time of this device."""

LAUNCH = 1e-5
"""What a kernel takes at least where its times are judged to be too long [s]: launching one takes as long."""

WINOGRAD = 4
"""Multiplications that Winograd's algorithm saves at most: 36 in place of 144 for 4 x 4 pixels."""

_PACKED = b"\x1f\x8b"


def read_measurements(path: str | Path, device: Device, place: str = "measurements") -> Read[tuple[Measurement, ...]]:
    """Read the rows of one device of a table of measured kernels.

    Parameters
    ----------
    path : str or Path
        A CSV file, plain or packed by gzip.
    device : Device
        Whose rows are read. The table may write its name with the words in another order.
    place : str
        The field that gave the path, for messages.

    Raises
    ------
    InputError
        If there is no such file, a column is missing or unknown, an operation is unknown, a size is not above 0, a time
        is none, no row is of the device, or the times are in another unit than the column says.
    """
    file = Path(path)
    data = read_bytes(file, "measurements")
    text = decode(_unpacked(data, file), file, "measurements")
    header, rows = csv_rows(text, str(file), "measurements")
    check_columns(header, REQUIRED, OPTIONAL, str(file))
    column = _time_column(header, file)
    taken: list[tuple[int, Measurement]] = []
    others: dict[str, None] = {}
    for number, fields in rows:
        where = f"{file}, line {number}"
        if len(fields) != len(header):
            raise InputError(where, f"{len(fields)} fields", f"{len(header)}: {', '.join(header)}")
        row = dict(zip(header, fields, strict=True))
        if same_name(row["device"], device.name):
            taken.append((number, _measurement(row, column, where)))
        else:
            others[row["device"]] = None
    if not taken:
        listed = ", ".join(others) or "no rows at all"
        raise InputError(str(file), f"no rows of {device.name}", f"one of its devices: {listed}", "Name one of these.")
    _check_times(file, column, taken, device)
    return Read(tuple(one for _, one in taken), str(path), sha256(data))


def same_name(one: str, other: str) -> bool:
    """Say whether two names of a device have the same words, in any order.

    Examples
    --------
    >>> same_name("a100-40gb-pcie", "A100-PCIe-40GB"), same_name("t4", "t40")
    (True, False)
    """
    return sorted(one.lower().split("-")) == sorted(other.lower().split("-"))


def _unpacked(data: bytes, path: Path) -> bytes:
    if not data.startswith(_PACKED):
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


def _time_column(header: list[str], path: Path) -> str:
    named = [name for name in UNITS if name in header]
    if len(named) != 1:
        written = "both" if named else "no column 'latency_ms'"
        raise InputError(f"{path}, header", written, f"one of {' and '.join(UNITS)}", "Keep one column of times.")
    return named[0]


def _measurement(row: Mapping[str, str], column: str, where: str) -> Measurement:
    op = row["op"]
    if op not in SIZES:
        raise unknown_name(f"{where}, column 'op'", op, SIZES, "Leave its rows out.")
    dtype = row.get("dtype") or "fp32"
    if dtype not in DTYPES:
        raise unknown_name(f"{where}, column 'dtype'", dtype, DTYPES)
    seconds = UNITS[column] * _number(row, column, where, "a time above 0")
    kernel, shape = _SHAPES[op](_sizes(row, op, where), DTYPES[dtype])
    return Measurement(op, Sample(kernel, dtype, shape, seconds), row.get("kernel", ""))


def _sizes(row: Mapping[str, str], op: str, where: str) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for name in SIZES[op]:
        if name not in row:
            remedy = f"Add it, or leave the rows of {op} out."
            raise InputError(f"{where}, column '{name}'", "no such column", f"a size of {op}", remedy)
        size = _number(row, name, where, "a whole number above 0", zero=name in _MAY_BE_ZERO)
        if size != int(size):
            raise InputError(f"{where}, column '{name}'", row[name], "a whole number")
        sizes[name] = int(size)
    return sizes


def _number(row: Mapping[str, str], name: str, where: str, expected: str, *, zero: bool = False) -> float:
    value = as_real(row[name])
    if value is None or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        remedy = "Leave rows out that were not measured."
        raise InputError(f"{where}, column '{name}'", f"'{row[name]}'", expected, remedy)
    return value


def _product(s: Sizes, element: int) -> tuple[str, dict[str, float]]:
    return "gemm", {"m": s["M"], "n": s["K"], "k": s["N"], "batch": s["B"]}


def _linear(s: Sizes, element: int) -> tuple[str, dict[str, float]]:
    """Return a linear layer: one product of all rows."""
    return "gemm", {"m": s["M"] * s["B"], "n": s["K"], "k": s["N"], "batch": 1}


def _conv(s: Sizes, element: int) -> tuple[str, dict[str, float]]:
    channels = {"in_channels": s["Input_Channel"], "out_channels": s["Output_Channel"]}
    plane = {"height": s["Input_Size"], "width": s["Input_Size"]}
    kernel = {"kernel_h": s["Kernel_Szie"], "kernel_w": s["Kernel_Szie"]}
    rest = {"stride": s["Stride"], "padding": s["Padding"], "groups": 1}
    return "conv", {"batch": s["B"], **channels, **plane, **kernel, **rest}


def _moving(kernel: str, passes: int, *, rows: bool = False) -> Callable[[Sizes, int], tuple[str, dict[str, float]]]:
    """Return what makes the shape of a kernel that reads and writes all elements in so many passes."""

    def shape(s: Sizes, element: int) -> tuple[str, dict[str, float]]:
        width = {"width": s["H"]} if rows else {}
        return kernel, {"bytes": passes * s["B"] * s["H"] * element, **width}

    return shape


_SHAPES: Mapping[str, Callable[[Sizes, int], tuple[str, dict[str, float]]]] = {
    "linear": _linear,
    "bmm": _product,
    "conv": _conv,
    **{name: _moving(name, 3) for name in ("add", "mul")},
    **{name: _moving(name, 2) for name in ("relu", "gelu", "tanh")},
    "softmax": _moving("softmax", 2, rows=True),
    "ln": _moving("layer_norm", 2, rows=True),
}


def _check_times(path: Path, column: str, rows: list[tuple[int, Measurement]], device: Device) -> None:
    """Refuse times that are in another unit than their column says, which the data sheet tells."""
    unit, other = ("milliseconds", "seconds") if column == "latency_ms" else ("seconds", "milliseconds")
    remedy = f"Check the unit: are these {other}? Check that they are of this device, too."
    for number, one in rows:
        least = _least_seconds(one.sample, device)
        if one.sample.seconds * FASTEST < least:
            found = f"{one.sample.seconds / UNITS[column]:g} {unit}, {least / one.sample.seconds:.3g} times faster"
            expected = f"at most {FASTEST} times faster than the data sheet of {device.name} allows"
            raise InputError(f"{path}, line {number}, column '{column}'", found, expected, remedy)
    usual = statistics.median(one.sample.seconds / max(_least_seconds(one.sample, device), LAUNCH) for _, one in rows)
    if usual > SLOWEST:
        found = f"times that are in the median {usual:.3g} times longer than the data sheet of {device.name} allows"
        raise InputError(f"{path}, column '{column}'", found, f"at most {SLOWEST} times", remedy)


def _least_seconds(sample: Sample, device: Device) -> float:
    """Return the time that peak and bandwidth allow [s], with what fits the cache for nothing."""
    if sample.kernel not in {"gemm", "conv"}:
        return _moved_seconds(sample.shape["bytes"], device)
    product = as_product(sample.shape) if sample.kernel == "conv" else sample.shape
    m, n, k, batch = (product[name] for name in ("m", "n", "k", "batch"))
    saved = WINOGRAD if sample.kernel == "conv" else 1
    peak = max(device.peaks.values()) if sample.dtype not in device.peaks else device.peaks[sample.dtype]
    return 2 * m * n * k * batch / saved / peak


def _moved_seconds(moved: float, device: Device) -> float:
    return max(moved - device.cache, 0.0) / device.bandwidth if device.bandwidth else 0.0
