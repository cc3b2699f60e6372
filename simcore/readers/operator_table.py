"""Tables of timed operators of models, forward and backward, as Aceso publishes them.

A row is an operator of Megatron-LM's GPT and T5 or of a Wide-ResNet, of one size, micro-batch and degree of tensor
parallelism. The table names no device and no shapes: `simcore.readers.timed_models` has both, and
`simcore.readers.aceso` says what each operator runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simcore.errors import InputError, unknown_name
from simcore.files import check_columns
from simcore.models.compute.device import Device
from simcore.models.compute.operator_time import Harness, OperatorTime, PassName
from simcore.readers.aceso import describe
from simcore.readers.aceso_sizes import Described, Setting
from simcore.readers.measured import Rows, check_times, least_seconds, number_of

if TYPE_CHECKING:
    from simcore.readers.timed_models import TimedModels

SETTING = ("model", "size", "micro_batch", "tp", "tp_algo", "op")
"""Columns that say what was timed."""

TIMES: Mapping[PassName, str] = {PassName.FORWARD: "fwd_us", PassName.BACKWARD: "bwd_us"}
"""Columns of the times [us]."""

MEMORY = ("input_mb", "output_mb", "weights_mb", "activations_mb", "fwd_reserved_mb", "bwd_reserved_mb")
"""Columns of memory [MiB]; the weights must be those of the model that the row names."""

COLUMNS = (*SETTING, *TIMES.values(), *MEMORY)

ROUNDING = 0.0006
"""What three decimals leave open [MiB]."""

MODELS = "aceso"
"""Entry of the zoo that knows the models."""

_MIB = 2.0**20


@dataclass(frozen=True)
class OperatorTimes:
    """What a table of timed operators holds.

    Attributes
    ----------
    operators : tuple of OperatorTime
        One for each row and pass.
    harness : Harness
        What the machine and the code around the kernels take.
    """

    operators: tuple[OperatorTime, ...]
    harness: Harness


def is_operator_table(header: Sequence[str]) -> bool:
    """Say whether a table is one of timed operators, which its columns tell.

    Examples
    --------
    >>> is_operator_table(["model", "op", "fwd_us"]), is_operator_table(["op", "device", "latency_ms"])
    (True, False)
    """
    return bool({*TIMES.values(), "tp_algo", "micro_batch"} & {*header})


def read_operators(rows: Rows, device: Device) -> OperatorTimes:
    """Return the operators of a table.

    Parameters
    ----------
    rows : Rows
        Of the file.
    device : Device
        Whose profile is asked for.

    Raises
    ------
    InputError
        If the table is of another device, a column is missing or unknown, a model, a size or an operator is unknown,
        the weights are those of another model, a size is not above 0, a time is none, or the times are in another unit.
    """
    from simcore.readers.timed_models import read_timed_models

    check_columns(rows.header, COLUMNS, (), str(rows.path))
    known = read_timed_models(MODELS).value
    if device.name != known.device:
        expected = f"rows of {device.name}"
        remedy = f"Name {known.device}, which they were measured on."
        raise InputError(str(rows.path), f"operators of {known.device}", expected, remedy)
    times: list[OperatorTime] = []
    places: list[str] = []
    for where, row in rows.rows():
        made = tuple(_operators(row, known, where))
        times += made
        places += [f"{where}, column '{TIMES[one.run]}'" for one in made]
    if not times:
        raise InputError(str(rows.path), "no rows at all", "operators that were timed")
    least = [sum(least_seconds(call.kernel, call.dtype or one.dtype, dict(call.shape), device) for call in one.calls)
             for one in times]  # fmt: skip
    columns = " and ".join(TIMES.values())
    check_times(rows.path, columns, "us", places, [one.seconds for one in times], least, device)
    return OperatorTimes(tuple(times), known.harness)


def _operators(row: Mapping[str, str], known: TimedModels, where: str) -> Iterator[OperatorTime]:
    """Yield both passes of a row."""
    setting = _setting(row, known, where)
    described = describe(row["op"], setting, where)
    _check_weights(row, described, where)
    for column in MEMORY:
        number_of(row, column, where, "MiB of at least 0", zero=True)
    calls = {PassName.FORWARD: (described.forward, described.after_forward),
             PassName.BACKWARD: (described.backward, described.after_backward)}  # fmt: skip
    combination = f"{row['model']} {row['size']}, micro-batch {setting.batch}, TP {setting.tp}"
    for run, (kernels, collectives) in calls.items():
        seconds = 1e-6 * number_of(row, TIMES[run], where, "a time above 0")
        yield OperatorTime(row["op"], run, setting.dtype, described.kind, kernels,
                           collectives if setting.tp > 1 else (), setting.tp, seconds, row["model"], combination,
                           )  # fmt: skip


def _setting(row: Mapping[str, str], known: TimedModels, where: str) -> Setting:
    model = known.models.get(row["model"])
    if model is None:
        raise unknown_name(f"{where}, column 'model'", row["model"], known.models)
    sizes = model.sizes.get(row["size"])
    if sizes is None:
        raise unknown_name(f"{where}, column 'size'", row["size"], model.sizes)
    batch, tp = (_whole(row, column, where) for column in ("micro_batch", "tp"))
    measured = sorted(gpus for name, gpus in known.harness.links if name == row["model"])
    if tp > 1 and tp not in measured:
        expected = f"1, {', '.join(map(str, measured))}, whose collectives were measured"
        raise InputError(f"{where}, column 'tp'", str(tp), expected, "Leave its rows out.")
    if row["tp_algo"] not in {"0", "1"}:
        raise InputError(f"{where}, column 'tp_algo'", f"'{row['tp_algo']}'", "0 or 1, the axis of the cut")
    return Setting(sizes, model.dtype, batch, tp, row["tp_algo"] == "1")


def _whole(row: Mapping[str, str], column: str, where: str) -> int:
    value = number_of(row, column, where, "a whole number above 0")
    if value != int(value):
        raise InputError(f"{where}, column '{column}'", row[column], "a whole number")
    return int(value)


def _check_weights(row: Mapping[str, str], described: Described, where: str) -> None:
    """Refuse a row whose weights are not those of the operator that it names: its shapes would be another's."""
    stated = number_of(row, "weights_mb", where, "MiB of at least 0", zero=True)
    if described.weights is not None and abs(stated - described.weights / _MIB) > ROUNDING:
        expected = f"{described.weights / _MIB:.3f}, those of {row['op']} of {row['model']} {row['size']}"
        raise InputError(f"{where}, column 'weights_mb'", row["weights_mb"], expected, "Check model, size and tp.")
