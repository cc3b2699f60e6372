"""The file edge: reading with errors that name file, line and field; `simcore.outputs` has the writing."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from simcore.documents import Broken, parse
from simcore.errors import CONTROL, InputError, did_you_mean, one_line, unknown_name
from simcore.numerals import REAL, WHOLE
from simcore.piping import piped_as
from simcore.progress import counter

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Schema = TypeVar("Schema", bound="BaseModel")

MOST_BYTES = 64 * 2**20
"""Of any input file but a trace."""
PROSE = frozenset({"description", "source", "note"})
"""Fields whose texts may have several lines."""
PACKED = b"\x1f\x8b"
"""What a file that gzip packed begins with."""
_LINES = str.maketrans("", "", "\r\n\t")


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: Path, what: str, most: int | None = MOST_BYTES) -> bytes:
    """Read a file, or say which file is missing.

    Parameters
    ----------
    path : Path
        The file; a pipe will do, a device will not.
    what : str
        What it is, for messages: ``cluster``.
    most : int or None
        Bytes that it may have at most; None for any number.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or it is too large.
    """
    expected = f"a {what} file"
    given = piped_as(path)
    if given is not None:
        if most is not None and len(given) > most:
            raise InputError(str(path), f"more than {most >> 20} MiB", f"{expected} of at most that", "Check the pipe.")
        return given
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                raise InputError(str(path), "a device", expected, "Name a file.")
            if most is None:
                return stream.read()
            data = b"" if status.st_size > most else stream.read(most + 1)
    except FileNotFoundError:
        raise InputError(str(path), "no such file", expected, "Check the path.") from None
    except IsADirectoryError:
        raise InputError(str(path), "a directory", expected, "Name a file in it.") from None
    except OSError as error:
        raise InputError(str(path), f"a file that cannot be read ({error.strerror})", expected) from None
    except ValueError:  # a path with a NUL in it
        raise InputError(str(path), "a path that no file can have", expected, "Check the path.") from None
    if status.st_size > most or len(data) > most:
        raise InputError(str(path), f"more than {most >> 20} MiB", f"{expected} of at most that", "Check the path.")
    return data


def read_text(path: Path, what: str) -> str:
    """Read a UTF-8 text file (a byte-order mark is dropped), or say what is wrong with it."""
    return decode(read_bytes(path, what), path, what)


def decode(data: bytes, path: Path, what: str) -> str:
    """Return the bytes of a file as text (a byte-order mark is dropped), or say where they are no UTF-8."""
    if data.startswith(PACKED):
        raise InputError(str(path), "a file packed by gzip", f"a {what} file of text", "Unpack it with gunzip.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            str(path), f"bytes that are not UTF-8 text (offset {error.start})", f"a {what} file in UTF-8"
        ) from None


def validate(
    schema: type[Schema],
    data: object,
    place: str,
    lines: Mapping[tuple[str | int, ...], int],
    *,
    plain: bool = False,
) -> Schema:
    """Check data against a pydantic schema and translate its first complaint.

    Parameters
    ----------
    schema : type of pydantic.BaseModel
        What the data must look like.
    data : object
        The data as parsed.
    place : str
        The file's name, or the file and line.
    lines : mapping
        Line numbers by path of keys; the longest known prefix of a field's path is used.
    plain : bool
        Whether all texts are known to be free of control characters, see `is_plain`.

    Raises
    ------
    InputError
        Naming file, line, field, what was found and what was expected; also for a name with control characters.
    """
    from pydantic import ValidationError

    try:
        model = schema.model_validate(data)
    except ValidationError as error:
        raise _translated(error, schema, place, lines) from None
    for path, text in () if plain else _texts(model, ()):
        if CONTROL.search(text.translate(_LINES) if path[-1:] in _PROSE_ENDS else text):
            where = _place(place, path, lines)
            raise InputError(where, f"'{text}'", "text without control characters", "Remove them.")
    return model


def is_plain(text: str) -> bool:
    """Tell whether a text has no control characters but ends of lines and tabs."""
    return CONTROL.search(text.translate(_LINES)) is None


_PROSE_ENDS = {(name,) for name in PROSE}


def _texts(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield all texts of what was read, names among them, with the path of each."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield (*path, name), str(name)
            yield from _texts(each, (*path, name))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))
    elif hasattr(value, "model_fields_set"):
        for name, each in vars(value).items():
            yield from _texts(each, (*path, name))


def _place(place: str, path: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> str:
    line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), None)
    where = f"{place}, line {line}" if line is not None else place
    field = ".".join(str(part) for part in path)
    return f"{where}, field '{field}'" if field else where


_MARK = re.compile(r"\[key\]\Z|(function-\w+|list|dict|tuple)\[.*\]\Z")
"""What pydantic puts into the place of an error that is no field: a key that is wrong itself, one of several types."""
_CLOSE = 0.7
"""How much alike two names of fields must be for a suggestion: of two that differ in a word each means its own."""
_EXPECTED = {
    "missing": "a value",
    "int_parsing": WHOLE,
    "int_type": WHOLE,
    "int_from_float": WHOLE,
    "float_parsing": REAL,
    "float_type": REAL,
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "a name",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "list_type": "a list",
}
_BOUND = {
    "greater_than_equal": "at least",
    "greater_than": "more than",
    "less_than_equal": "at most",
    "less_than": "less than",
}
_BOUND_KEY = {"greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le", "less_than": "lt"}


def _translated(
    error: ValidationError, schema: type[BaseModel], place: str, lines: Mapping[tuple[str | int, ...], int]
) -> InputError:
    found_errors = error.errors(include_url=False)
    # a field that is not known is what a missing one was meant to be, most likely
    first = next((one for one in found_errors if one["type"] == "extra_forbidden"), found_errors[0])
    path = tuple(part for part in first["loc"] if not _MARK.match(str(part)))
    kind, where = first["type"], _place(place, path, lines)
    if kind == "extra_forbidden":
        where = where.removesuffix(f", field '{'.'.join(str(part) for part in path)}'")
        return unknown_name(where, str(path[-1]), _fields_beside(schema, path), "Remove the unknown field.", _CLOSE)
    if kind == "missing":
        return InputError(where, "nothing", "a value", f"Add the field '{path[-1]}'.")
    found = _shown(first["input"], quoted=kind.endswith("_type"))
    if kind in _BOUND:
        bound = first["ctx"][_BOUND_KEY[kind]]
        return InputError(where, found, f"a number of {_BOUND[kind]} {bound:{',' if isinstance(bound, int) else 'g'}}")
    if kind == "literal_error":
        return InputError(where, found, f"one of {first['ctx']['expected']}".replace(" or ", ", "))
    if kind == "value_error":
        cause = first["ctx"]["error"]
        if isinstance(cause, InputError):  # a validator of ours: it knows the field's rule, we know the place
            return InputError(where, cause.found, cause.expected, cause.remedy)
        return InputError(where, found, str(cause))
    return InputError(where, found, _EXPECTED.get(kind, first["msg"]))


def _shown(value: object, *, quoted: bool = False) -> str:
    """Say in a message what a value is: numbers bare, as in a table, and text in quotes; `quoted`: all text."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    try:
        float("text" if quoted and isinstance(value, str) else str(value))
    except ValueError:
        text = str(value)
        return f"'{text[:57]}...'" if len(text) > 60 else f"'{text}'"
    return str(value)


def _fields_beside(schema: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """Names that are allowed where an unknown one stands; the outermost schema's where the path is too deep."""
    current: Any = schema
    for part in path[:-1]:
        by_name = {field.alias or name: field for name, field in current.model_fields.items()}
        if part in by_name:
            current = _schema_within(by_name[part].annotation) or current
    return [field.alias or name for name, field in current.model_fields.items()]


def _schema_within(annotation: Any) -> Any:
    """Return the schema that a type is, or is made of: a list, a mapping or a choice; None where it is of none."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((inner for each in get_args(annotation) if (inner := _schema_within(each)) is not None), None)


def read_yaml(path: Path, schema: type[Schema], what: str, text: str, example: str = "") -> Schema:
    """Read the text of a YAML or JSON file into a schema.

    Parameters
    ----------
    path : Path
        The file, for messages.
    schema : type of pydantic.BaseModel
        What it must hold.
    what : str
        What the file is, for messages: ``cluster``.
    text : str
        Its content.
    example : str, optional
        A line of YAML that is such a file, for whoever gives something else, such as CSV.

    Raises
    ------
    InputError
        If the text is neither, or does not fit the schema.
    """
    expected = f"a {what} file in YAML"
    remedy = f"Write it as YAML, such as '{example}'." if example else ""
    try:
        document = parse(text)
    except Broken as broken:
        raise broken.error(str(path), expected, remedy) from None
    if not isinstance(document.data, dict):
        found = "an empty file" if document.data is None else _shown(document.data)
        raise InputError(str(path), found, f"a {what} file: a mapping with {', '.join(schema.model_fields)}", remedy)
    return validate(schema, document.data, str(path), document.lines)


def csv_rows(text: str, path: str, what: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Split CSV text into its header and numbered rows; blank lines and lines that start with ``#`` are passed over.

    Returns
    -------
    header : list of str
        Names in the first row, stripped.
    rows : iterator of (int, list of str)
        Line number in the file and the stripped fields.

    Raises
    ------
    InputError
        If there is no header.
    """
    lines = re.split(r"\r\n|\n|\r", text)  # what editors count; str.splitlines also breaks at form feeds and others
    numbers = [n for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    if not numbers:
        raise InputError(path, "an empty file", f"a {what} table with a header line")
    reader = csv.reader((lines[n - 1] for n in numbers), strict=True)

    count = counter(f"rows of the {what} table", len(numbers) - 1)

    def records() -> Iterator[tuple[int, list[str]]]:
        for taken, number in enumerate(numbers, 1):
            where = f"{path}, line {number}"
            try:
                fields = next(reader)
            except csv.Error as error:
                if taken == len(numbers) and "end of data" in str(error):
                    raise _open_quotes(where) from None
                raise InputError(where, f"a broken row ({error})", "fields between commas") from None
            if reader.line_num != taken:
                raise _open_quotes(where)
            if count is not None and taken > 1:
                count()
            yield number, [field.strip() for field in fields]

    rows = records()
    _, header = next(rows)
    return header, rows


def _open_quotes(where: str) -> InputError:
    return InputError(where, "quotes that are not closed", "a row on one line", "Close the quotes, or remove them.")


def check_columns(header: Sequence[str], required: Sequence[str], optional: Sequence[str] | None, place: str) -> None:
    """Refuse a table whose columns are unknown, doubled or missing; `optional` is None where any others may stand.

    Raises
    ------
    InputError
        Naming the column, with the closest known name.
    """
    known = [*required, *(optional or ())]
    others = [name for name in header if name not in known]
    for name in header:
        if name not in known and (optional is not None or not name):
            raise unknown_name(f"{place}, header", name, known, "Rename or remove the column.")
        if header.count(name) > 1:
            raise InputError(f"{place}, header", f"column '{name}' twice", "each column once", "Remove one of them.")
    for name in required:
        if name not in header:
            remedy = did_you_mean(name, others) or "Add it."
            raise InputError(f"{place}, header", f"no column '{name}'", f"the columns {', '.join(required)}", remedy)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as CSV text: floats at full precision, ``None`` as an empty field, control characters escaped."""
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([one_line(name) for name in columns])
    writer.writerows([one_line(each) if isinstance(each, str) else each for each in row] for row in rows)
    return buffer.getvalue()
