"""Files of captured models: what ``simcore model FILE.py:NAME -o`` writes, and what reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from simcore.files import read_yaml
from simcore.models.training.captured import CapturedModel, CapturedOperator, CapturedSection, Size
from simcore.models.training.operators import Operation
from simcore.numerals import as_real
from simcore.readers.quantities import Bytes, Entry, Flag, NotEmpty, QuantityError, Real, Strict, Whole

_TERM = re.compile(r"(?P<number>[0-9.]+(?:e[+-]?[0-9]+)?)(?P<batch> b)?(?P<element> e)?\Z")
_FIELDS = {(False, False): "fixed", (True, False): "batch", (False, True): "element", (True, True): "both"}


def size_text(size: Size) -> str | float:
    """Write a size as a sum of terms: ``b`` stands for the samples of a batch, ``e`` for the bytes of an element.

    Examples
    --------
    >>> size_text(Size(batch=8, both=512)), size_text(Size(7))
    ('8 b + 512 b e', 7)
    """
    terms = [(size.fixed, ""), (size.batch, " b"), (size.element, " e"), (size.both, " b e")]
    words = [f"{_plain(number)}{unit}" for number, unit in terms if number]
    return _plain(size.fixed) if not size.batch and not size.element and not size.both else " + ".join(words)


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _size(value: object) -> object:
    if isinstance(value, Size):
        return value
    made: dict[str, float] = {}
    for term in str(value).split(" + "):
        match = _TERM.match(term)
        number = None if match is None else as_real(match["number"])
        name = "" if match is None else _FIELDS[match["batch"] is not None, match["element"] is not None]
        if number is None or name in made:
            raise QuantityError("", f"'{value}'", "a sum of terms such as '8 b + 512 b e', each at most once")
        made[name] = float(number)
    return Size(**made)


_Size = Annotated[Any, BeforeValidator(_size)]
_Count = Annotated[Whole, Field(ge=1)]
_Amount = Annotated[Real, Field(ge=0)]


class _Operator(Strict):
    path: str
    kernel: str
    operation: Operation
    shape: dict[str, _Size]
    work: _Size = Size()
    weights: _Amount = 0.0
    vectors: _Amount = 0.0
    saved: _Size = Size()
    output: _Size = Size()
    input_gradient: Flag = True


class _Section(Strict):
    operators: Annotated[list[_Operator], NotEmpty]
    path: str = ""
    count: _Count = 1
    start: Annotated[Whole, Field(ge=0)] = 0
    input: _Size = Size()


class CapturedFile(Entry):
    """A file of a captured model; how it is run stands beside its operators."""

    captured: Annotated[list[_Section], NotEmpty]
    batch: _Count | None = None
    bytes_per_element: Bytes = 4.0


def is_captured(fields: set[str]) -> bool:
    """Tell whether a file's top-level fields are those of a captured model."""
    return "captured" in fields


def read_captured(path: Path, text: str) -> tuple[CapturedModel, CapturedFile]:
    """Read a captured model.

    Raises
    ------
    InputError
        Naming file, line and field.
    """
    data = read_yaml(path, CapturedFile, "model", text)
    sections = tuple(
        CapturedSection(
            tuple(CapturedOperator(**dict(each)) for each in one.operators), one.path, one.count, one.start, one.input
        )
        for one in data.captured
    )
    return CapturedModel(path.stem, sections, data.source or str(path)), data


def captured_text(model: CapturedModel, batch: int, element: int, description: str) -> str:
    """Write a captured model as the YAML that `read_captured` reads."""
    import yaml

    head = {"description": description, "source": model.source, "batch": batch, "bytes_per_element": f"{element} B"}
    sections = [_section(one) for one in model.sections]
    return str(yaml.safe_dump({**head, "captured": sections}, sort_keys=False, width=118))


def _section(one: CapturedSection) -> dict[str, Any]:
    around = {"path": one.path, "count": one.count, "start": one.start, "input": size_text(one.input)}
    return {**(around if one.path else {}), "operators": [_operator(each) for each in one.operators]}


def _operator(one: CapturedOperator) -> Mapping[str, Any]:
    rest: dict[str, Any] = {
        "work": size_text(one.work), "weights": _plain(one.weights), "vectors": _plain(one.vectors),
        "saved": size_text(one.saved), "output": size_text(one.output),
    }  # fmt: skip
    return {
        "path": one.path, "kernel": one.kernel, "operation": one.operation.value,
        "shape": {name: size_text(size) for name, size in one.shape.items()},
        **{name: value for name, value in rest.items() if value},
        **({} if one.input_gradient else {"input_gradient": False}),
    }  # fmt: skip
