"""Tables of measured kernels, one per row, as the public collection of NeuSight has them: CSV, plain or packed by gzip.

The columns are read as they are. ``linear`` multiplies M rows of N elements by N x K, ``bmm`` does so B times: **N is
the size that is contracted**. ``conv`` is square. The others work on B rows of H elements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from simcore.errors import InputError, unknown_name
from simcore.files import check_columns
from simcore.models.compute.device import DTYPES, Device
from simcore.models.compute.measurement import Measurement
from simcore.models.compute.profile import Sample
from simcore.readers.measured import UNITS, Rows, check_times, least_seconds, number_of, read_rows
from simcore.readers.operator_table import OperatorTimes, is_operator_table, read_operators
from simcore.readers.read import Read

Sizes = Mapping[str, float]

REQUIRED = ("op", "device")
"""Columns that every table has."""

TIMES = ("latency_ms", "latency_s")
"""Columns of the time, of which a table has one."""

SIZES: Mapping[str, tuple[str, ...]] = {
    "linear": ("B", "M", "N", "K"),
    "bmm": ("B", "M", "N", "K"),
    "conv": ("B", "Input_Channel", "Output_Channel", "Input_Size", "Kernel_Szie", "Padding", "Stride"),
    **dict.fromkeys(("add", "mul", "relu", "gelu", "tanh", "softmax", "ln"), ("B", "H")),
}
"""Columns of sizes that each operation needs; ``Kernel_Szie`` is spelt so in the public table."""

OPTIONAL = (
    "dtype", "split", "large", "kernel", "grid", "block", *TIMES,
    *dict.fromkeys(name for names in SIZES.values() for name in names),
)  # fmt: skip

_MAY_BE_ZERO = {"Padding"}


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
    rows = read_rows(path)
    return Read(_kernels(rows, device), str(path), rows.sha256)


def read_table(
    path: str | Path, device: Device, place: str = "measurements"
) -> Read[tuple[Measurement, ...]] | Read[OperatorTimes]:
    """Read a table of measured kernels, or of timed operators of models: its columns tell which.

    Parameters and errors are those of `read_measurements` and `simcore.readers.operator_table.read_operators`.
    """
    rows = read_rows(path)
    if is_operator_table(rows.header):
        return Read(read_operators(rows, device), str(path), rows.sha256)
    return Read(_kernels(rows, device), str(path), rows.sha256)


def _kernels(rows: Rows, device: Device) -> tuple[Measurement, ...]:
    check_columns(rows.header, REQUIRED, OPTIONAL, str(rows.path))
    column = _time_column(rows.header, rows.path)
    taken: list[Measurement] = []
    places: list[str] = []
    others: dict[str, None] = {}
    for where, row in rows.rows():
        if same_name(row["device"], device.name):
            taken.append(_measurement(row, column, where))
            places.append(f"{where}, column '{column}'")
        else:
            others[row["device"]] = None
    if not taken:
        listed = ", ".join(others) or "no rows at all"
        raise InputError(
            str(rows.path), f"no rows of {device.name}", f"one of its devices: {listed}", "Name one of these."
        )
    samples = [one.sample for one in taken]
    least = [least_seconds(one.kernel, one.dtype, one.shape, device) for one in samples]
    unit = column.removeprefix("latency_")
    check_times(rows.path, column, unit, places, [one.seconds for one in samples], least, device)
    return tuple(taken)


def same_name(one: str, other: str) -> bool:
    """Say whether two names of a device have the same words, in any order.

    Examples
    --------
    >>> same_name("a100-40gb-pcie", "A100-PCIe-40GB"), same_name("t4", "t40")
    (True, False)
    """
    return sorted(one.lower().split("-")) == sorted(other.lower().split("-"))


def _time_column(header: list[str], path: Path) -> str:
    named = [name for name in TIMES if name in header]
    if len(named) != 1:
        written = "both" if named else "no column 'latency_ms'"
        raise InputError(f"{path}, header", written, f"one of {' and '.join(TIMES)}", "Keep one column of times.")
    return named[0]


def _measurement(row: Mapping[str, str], column: str, where: str) -> Measurement:
    op = row["op"]
    if op not in SIZES:
        raise unknown_name(f"{where}, column 'op'", op, SIZES, "Leave its rows out.")
    dtype = row.get("dtype") or "fp32"
    if dtype not in DTYPES:
        raise unknown_name(f"{where}, column 'dtype'", dtype, DTYPES)
    unit = column.removeprefix("latency_")
    seconds = UNITS[unit][0] * number_of(row, column, where, "a time above 0")
    kernel, shape = _SHAPES[op](_sizes(row, op, where), DTYPES[dtype])
    sample = Sample(kernel, dtype, shape, seconds, state="warm")  # tables hold means of calls in a row
    return Measurement(op, sample, row.get("kernel", ""))


def _sizes(row: Mapping[str, str], op: str, where: str) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for name in SIZES[op]:
        if name not in row:
            remedy = f"Add it, or leave the rows of {op} out."
            raise InputError(f"{where}, column '{name}'", "no such column", f"a size of {op}", remedy)
        size = number_of(row, name, where, "a whole number above 0", zero=name in _MAY_BE_ZERO)
        if size != int(size):
            raise InputError(f"{where}, column '{name}'", row[name], "a whole number")
        sizes[name] = int(size)
    return sizes


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
