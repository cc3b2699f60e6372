"""Files of other programs that are no workload: each is called by its name, and the way on is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simcore.errors import InputError, field
from simcore.files import PACKED
from simcore.readers.read import InputFile, read_entry
from simcore.readers.sniff import is_foreign_network, top_fields

KINDS = ("models", "groups")
"""Folders of the zoo that hold workloads."""
_WANTED = "a workload: a transformer, a list of layers, a Hugging Face config.json, or a text with a line per layer"
_TRACE_REMEDY = (
    "A trace holds what one run did on its own network. Give the model's config.json, and times of a device with "
    f"{field('profile')}."
)
_CHAKRA_REMEDY = (
    "Give the text that it was converted from ('chakra_converter Text' reads ASTRA-sim 1.0 texts), or write its "
    "collectives in such a text."
)
_CHAKRA_WORDS = (b"is_cpu_op", b"comm_type", b"comm_size")
"""Attributes that a node of Chakra has, one of them at least."""
_TRACE_WORDS = (b'"traceEvents"', b'"schemaVersion"', b'"nodes"')
_COLUMNS = 3
"""Commas in the head of a table, at least."""


def workload_entry(
    name_or_path: str | Path | InputFile, place: str, fits: Callable[[str], bool] = lambda name: True
) -> InputFile:
    """Read the file of a workload, or of a group; one that is no text at all is called by its name.

    Parameters are those of `simcore.readers.read.read_entry`.

    Raises
    ------
    InputError
        As `read_entry` does, and for the binary files of other programs.
    """
    try:
        file = read_entry(KINDS, name_or_path, place, "workload", fits=fits)
    except InputError as error:
        refused = None if isinstance(name_or_path, InputFile) else _binary(Path(name_or_path))
        raise refused or error from None
    refused = _binary(file.path) if "\0" in file.text else None
    if refused is not None:
        raise refused
    return file


def _binary(path: Path) -> InputError | None:
    """Return the refusal of a file that is no text; None where nobody knows it."""
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except OSError:
        return None
    if start.startswith(PACKED):
        if any(word in _unpacked(path) for word in _TRACE_WORDS):
            return InputError(str(path), "a trace of PyTorch, packed by gzip", _WANTED, _TRACE_REMEDY)
        return InputError(str(path), "a file packed by gzip", _WANTED, "Unpack it with gunzip.")
    if b"\0" in start and any(word in start for word in _CHAKRA_WORDS):
        found = "an execution trace of Chakra, which ASTRA-sim 2 takes for a workload"
        return InputError(str(path), found, _WANTED, _CHAKRA_REMEDY)
    return None


def _unpacked(path: Path) -> bytes:
    """Return the start of what gzip packed; nothing where it is broken."""
    import gzip
    import zlib

    try:
        with gzip.open(path) as file:
            return file.read(1 << 16)
    except (OSError, EOFError, zlib.error):
        return b""


def refuse_table(path: Path, text: str) -> None:
    """Refuse a table with commas, whose head would pass for a layer.

    Raises
    ------
    InputError
        That says what the table is, and what to give instead.
    """
    head = text.lstrip().partition("\n")[0].strip()
    if head.count(",") < _COLUMNS or " " in head or "{" in head:
        return
    if head.startswith("comm_type,"):
        remedy = "AICB writes the text of the same run too: scripts/megatron_workload_with_aiob.sh."
        raise InputError(str(path), "a table of AICB for runs on real GPUs", _WANTED, remedy)
    remedy = "Write twelve fields with blanks between them, a line per layer."
    raise InputError(str(path), "a table with commas", _WANTED, remedy)


def refuse_foreign(path: Path, text: str) -> None:
    """Refuse JSON or YAML that another program wrote for something else.

    Raises
    ------
    InputError
        That says what the file is, and what to give instead.
    """
    fields = top_fields(text)
    if "traceEvents" in fields:
        raise InputError(str(path), "a trace of PyTorch's profiler (Kineto)", _WANTED, _TRACE_REMEDY)
    if {"schema", "nodes"} <= fields:
        raise InputError(str(path), "an execution trace of PyTorch", _WANTED, _TRACE_REMEDY)
    if is_foreign_network(fields):
        found = "a network of ASTRA-sim or LIBRA"
        raise InputError(str(path), found, _WANTED, f"Give it with {field('network')}.")
