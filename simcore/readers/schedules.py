"""Training schedules from the zoo, a file, or a text of steps such as ``sdpa,checkpoint=0.25``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.training.schedule import Schedule, Step
from simcore.models.training.schedule.primitives.registry import PRIMITIVES, primitive
from simcore.numerals import as_real
from simcore.readers.quantities import Entry
from simcore.readers.read import Read, read_entry
from simcore.readers.sniff import json_or_yaml

# a name before a colon is a path of modules, but for that of a Python file, which belongs to the primitive
_STEP = re.compile(
    r"\s*(?:(?P<path>[\w.*-]+)(?<!\.py)\s*:(?![/\\]))?\s*(?P<name>[^=\s]+?)\s*(?:=\s*(?P<value>\S+))?\s*\Z"
)
EXPECTED = "steps such as sdpa,checkpoint=0.25 or block.0-11.attention:sdpa"
EXAMPLE = "steps: [sdpa, checkpoint=0.25]"

Value = Annotated[str | dict[str, Any], Field()]


class _Schedule(Entry):
    model: str = ""
    steps: list[Value]


def read_schedule(name_or_path: str | Path, place: str = "schedule") -> Read[Schedule]:
    """Read a schedule by its name in the zoo, or from a file.

    Raises
    ------
    InputError
        For an unknown name, a file that is no schedule, or a step that is none.

    Examples
    --------
    >>> [str(step) for step in read_schedule("slapo-llama").value.steps][:2]
    ['shard', 'sync']
    """
    file = read_entry("schedules", name_or_path, place, "schedule")
    data = read_yaml(file.path, _Schedule, "schedule", json_or_yaml(file, "schedule"), EXAMPLE)
    steps = tuple(_entry(each, f"{file.path}, field 'steps[{number}]'") for number, each in enumerate(data.steps))
    return file.of(Schedule(steps, f"schedule '{file.name}'"))


def parse_steps(text: str, place: str = "steps") -> Read[Schedule]:
    """Read steps from a text with commas between them.

    Raises
    ------
    InputError
        If one is no step.

    Examples
    --------
    >>> [str(step) for step in parse_steps("sdpa, block.0-11: checkpoint").value.steps]
    ['sdpa', 'block.0-11: checkpoint=1']
    """
    words = [word for word in text.split(",") if word.strip()]
    steps = tuple(_parsed(word, place) for word in words)
    return Read(Schedule(steps, place), text, hashlib.sha256(text.encode()).hexdigest())


def schedule_text(schedule: Schedule, model: str = "") -> str:
    """Return a schedule as the YAML that `read_schedule` reads.

    Examples
    --------
    >>> print(schedule_text(parse_steps("sdpa,block.*:checkpoint=0.5").value), end="")
    steps:
    - sdpa
    - block.*: checkpoint=0.5
    """
    import yaml

    steps: list[Any] = []
    for step in schedule.steps:
        what: Any = _written(step)
        if step.options:
            what = {step.primitive.name: step.value, **step.options}
        steps.append({step.path: what} if step.path else what)
    fields = {"model": model} if model else {}
    return str(yaml.safe_dump({**fields, "steps": steps}, sort_keys=False, width=118))


def _written(step: Step) -> str:
    value = step.value
    if value is None:
        return step.primitive.name
    return f"{step.primitive.name}={value:g}" if isinstance(value, float) else f"{step.primitive.name}={value}"


def _parsed(text: str, place: str) -> Step:
    match = _STEP.match(text)
    if match is None:
        raise InputError(place, f"'{text.strip()}'", EXPECTED)
    return _step(match["name"], _number(match["value"]), match["path"] or "", {}, place)


def _number(text: str | None) -> float | str | None:
    """Return a number where a text is one."""
    number = None if text is None else as_real(text)
    return text if number is None else float(number)


def _entry(entry: str | Mapping[str, Any], place: str) -> Step:
    """Return the step of a file: a text, or a path with what stands there, or a primitive with values."""
    if isinstance(entry, str):
        return _parsed(entry, place)
    path, what = next(iter(entry.items()), ("", None))
    if len(entry) == 1 and path not in PRIMITIVES and not path.rpartition(":")[0].endswith(".py"):
        if isinstance(what, str):
            step = _parsed(what, place)
            return Step(step.primitive, step.value, path, step.options)
        if isinstance(what, Mapping):
            return _of_mapping(what, path, place)
        raise InputError(place, f"'{path}: {what}'", "the path of modules and a primitive, such as block.*: checkpoint")
    return _of_mapping(entry, "", place)


def _of_mapping(entry: Mapping[str, Any], path: str, place: str) -> Step:
    (name, value), *others = entry.items()
    return _step(name, float(value) if isinstance(value, int) else value, path, dict(others), place)


def _step(name: str, value: Any, path: str, options: Mapping[str, Any], place: str) -> Step:
    verb = primitive(name, place)
    unknown = [each for each in options if each not in verb.options]
    if unknown:
        expected = f"one of {', '.join(verb.options)}" if verb.options else "nothing beside the value"
        raise InputError(place, f"'{unknown[0]}' of {name}", expected)
    try:
        checked = verb.checked(value, options)
    except ValueError as error:
        written = f"{value:g}" if isinstance(value, float) else value
        found = f"{name} without a value" if value is None else f"{name}={written}"
        raise InputError(place, found, str(error)) from None
    return Step(verb, checked, path, options)
