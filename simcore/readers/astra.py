"""Reader of ASTRA-sim 1.0 text workloads.

::

    HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 16 checkpoints: 2 0 9 checkpoint_initiates: 2 17 8
    18
    Q1 -1 9375000 NONE 0 9375000 ALLREDUCE 805306368 9375000 ALLREDUCE 18874368 10
    ...

The header and the number of layers may be left out, as in LIBRA's files. A layer is twelve fields between blanks or
tabs: name, reserved, then compute time [ns], collective and bytes of the forward, input-gradient and weight-gradient
pass, and the time of the weight update [ns], which is not kept. simcore reads a thirteenth one,
``activations=BYTES``: what an NPU hands on to the next layer. Of the header, the size of the tensor-parallel group and
the checkpoints are read; a block ends where the next checkpoint stands, so that the layers that initiate its
recomputation are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from simcore.errors import InputError, unknown_name
from simcore.models.network.collectives import Collective
from simcore.models.training.workload import Layer, Phase
from simcore.readers.sniff import significant_lines

FIELDS = (
    "name",
    "reserved",
    "forward compute",
    "forward collective",
    "forward bytes",
    "input-gradient compute",
    "input-gradient collective",
    "input-gradient bytes",
    "weight-gradient compute",
    "weight-gradient collective",
    "weight-gradient bytes",
    "weight update",
)
_ACTIVATIONS = "activations="
"""Start of the field that may follow them."""
_COLLECTIVES = {
    "NONE": None,
    "ALLREDUCE": Collective.ALL_REDUCE,
    "ALLGATHER": Collective.ALL_GATHER,
    "REDUCESCATTER": Collective.REDUCE_SCATTER,
    "ALLTOALL": Collective.ALL_TO_ALL,
}
_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][-+]?\d+)?\Z")
_CHECKPOINTS = re.compile(r"(?<!\w)checkpoints:\s*(\d+)((?:[ \t]+\d+)*)")
_TP = re.compile(r"model_parallel_NPU_group:\s*(\S+)")


@dataclass(frozen=True)
class LayerText:
    """What a text workload holds.

    Attributes
    ----------
    layers : tuple of Layer
        In forward order.
    tp : int or None
        Size of the tensor-parallel group; None where there is no header.
    checkpoints : tuple of int
        Layers (from 0) that start a block; only the first where there is no header.
    """

    layers: tuple[Layer, ...]
    tp: int | None
    checkpoints: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class _Field:
    """One word of a line and where it stands."""

    label: str
    text: str
    place: str


def parse_layers(path: Path, text: str) -> LayerText:
    """Read a text workload.

    Parameters
    ----------
    path : Path
        The file, for messages.
    text : str
        Its content.

    Raises
    ------
    InputError
        Naming file, line, column and field: a field is missing, is no number or no collective, the header is of
        another parallelism, or the number of layers is not the one announced.
    """
    lines = significant_lines(text)
    tp, announced, header = None, None, ""
    if lines and not _is_layer(lines[0][1]) and not lines[0][1].strip().isdigit():
        number, header = lines.pop(0)
        tp = _header(path, number, header)
    if lines and lines[0][1].strip().isdigit():
        number, line = lines.pop(0)
        announced = number, int(line)
    layers = tuple(_layer(path, number, line) for number, line in lines)
    if announced is not None and announced[1] != len(layers):
        expected = f"{len(layers)}, the number of layer lines that follow"
        raise InputError(f"{path}, line {announced[0]}", f"{announced[1]} layers announced", expected)
    if not layers:
        raise InputError(str(path), "no layer", f"lines of {len(FIELDS)} fields, one per layer")
    return LayerText(layers, tp, _checkpoints(path, header, len(layers)))


def _is_layer(line: str) -> bool:
    """Tell a layer, even one with fields missing, from a header: a policy, alone or with settings."""
    return len(line.split()) > 2 and not line.lstrip().startswith("HYBRID_")


def _header(path: Path, number: int, line: str) -> int | None:
    policy = line.split()[0]
    if not policy.startswith("HYBRID_TRANSFORMER"):
        raise InputError(
            f"{path}, line {number}, column 1",
            f"parallelism '{policy}'",
            "HYBRID_TRANSFORMER or HYBRID_TRANSFORMER_FWD_IN_BCKWD, a number of layers, or a layer",
            "Remove the header if only the weight gradients are summed in the data-parallel group.",
        )
    match = _TP.search(line)
    if match is None:
        return None
    if not match[1].isdigit() or int(match[1]) < 1:
        where = f"{path}, line {number}, column {match.start(1) + 1}, field 'model_parallel_NPU_group'"
        raise InputError(where, f"'{match[1]}'", "a whole number of at least 1")
    return int(match[1])


def _checkpoints(path: Path, header: str, layers: int) -> tuple[int, ...]:
    """Read the checkpoints of a header, the first layer always among them."""
    match = _CHECKPOINTS.search(header)
    if match is None:
        return (0,)
    marked = [int(word) for word in match[2].split()]
    if len(marked) != int(match[1]) or any(layer >= layers for layer in marked):
        place = f"{path}, field 'checkpoints'"
        raise InputError(place, f"'{match[0]}'", f"their number, then as many layers from 0 to {layers - 1}")
    return tuple(sorted({0, *marked}))


def _layer(path: Path, number: int, line: str) -> Layer:
    found = list(_WORD.finditer(line))
    activations = None
    if len(found) > 1 and found[-1][0].startswith(_ACTIVATIONS):
        word, where = found.pop(), "field 'activations'"
        text = word[0].removeprefix(_ACTIVATIONS)
        activations = _number(
            _Field("activation bytes", text, f"{path}, line {number}, column {word.start() + 1}, {where}")
        )
    fields = [
        _Field(label, match[0], f"{path}, line {number}, column {match.start() + 1}, field '{label}'")
        for label, match in zip(FIELDS, found, strict=False)
    ]
    # check as far as the line goes: a field dropped in its middle shows as a word of the wrong kind
    for field in fields:
        _check(field)
    if len(found) < len(FIELDS):
        line = line[: found[-1].end()]
        where = f"{path}, line {number}, column {len(line.rstrip()) + 1}, field '{FIELDS[len(found)]}'"
        expected = f"{len(FIELDS)} fields: {', '.join(FIELDS)}"
        raise InputError(where, f"the end of the line after {len(found)} fields", expected, "Add what is missing.")
    if len(found) > len(FIELDS):
        extra = found[len(FIELDS)]
        where = f"{path}, line {number}, column {extra.start() + 1}"
        raise InputError(
            where, f"'{extra[0]}'", f"the end of the line after {len(FIELDS)} fields, or {_ACTIVATIONS}BYTES"
        )
    forward, backward, weight = (_phase(*fields[start : start + 3]) for start in (2, 5, 8))
    return Layer(fields[0].text, forward, backward, weight, activations=activations)


def _check(field: _Field) -> None:
    if field.label.endswith("collective"):
        _collective(field)
    elif field.label not in {"name", "reserved"}:
        _number(field)


def _number(field: _Field) -> float:
    if not _NUMBER.match(field.text):
        remedy = "Look for a field that is missing before it." if field.text.isalpha() else ""
        unit = "bytes" if field.label.endswith("bytes") else "nanoseconds"
        raise InputError(field.place, f"'{field.text}'", f"a number of {unit}, at least 0", remedy)
    return float(field.text)


def _collective(field: _Field) -> Collective | None:
    name = field.text.replace("-", "").replace("_", "").upper()
    if name in _COLLECTIVES:
        return _COLLECTIVES[name]
    if _NUMBER.match(field.text):
        expected = f"one of {', '.join(_COLLECTIVES)}"
        raise InputError(field.place, f"'{field.text}'", expected, "Look for a field that is missing before it.")
    raise unknown_name(field.place, field.text, _COLLECTIVES)


def _phase(compute: _Field, collective: _Field, size: _Field) -> Phase:
    seconds, operation = _number(compute) / 1e9, _collective(collective)
    return Phase(seconds) if operation is None else Phase(seconds, operation, _number(size))
